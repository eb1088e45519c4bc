/// @file
/// The engine: takes events once and puts them on very many connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/config.h"
#include "broadside/error.h"
#include "broadside/event.h"
#include "broadside/export.h"
#include "broadside/handler.h"
#include "broadside/position.h"
#include "broadside/stats.h"
#include "broadside/subscribe.h"

namespace broadside {

class EngineCore;
class TopicStore;
struct Topic;

/// What became of a published event.
struct Published {
  Position position;              ///< Its own.
  std::uint64_t subscribers = 0;  ///< Of the topic, at that moment.
  bool is_duplicate = false;      ///< The topic's log still holds this id; `position` is the first one's.
};

/// One event of a batch.
struct BatchEntry {
  std::string_view topic;  ///< As in Engine::publish().
  Event event;             ///< Its views must stay valid until publish_batch() returns.
};

/// By what topics are listed, the largest first.
enum class TopicOrder : std::uint8_t {
  lag,          ///< Of the slowest subscriber: by its age, then by its bytes. Topics without lag are left out.
  subscribers,  ///< How many there are now.
  rate,         ///< Events published a second.
};

/// Some subscribers, and where the next ones begin.
struct ConnectionPage {
  std::vector<ConnectionInfo> connections;  ///< As many as were asked for, or those that were left.
  std::string next;                         ///< For Engine::start_list_connections(); empty: these were the last.
};

/// What takes a listing. Called once, on a thread of the engine, unless the engine is stopped before; must be quick and not
/// throw.
using ConnectionsSink = std::function<void(ConnectionPage)>;
/// As ConnectionsSink.
using TopicsSink = std::function<void(std::vector<TopicInfo>)>;

/// What became of an event for one connection.
enum class SendOutcome : std::uint8_t {
  taken,      ///< It is sent before what the connection's topics bring next.
  unknown,    ///< There is no such connection, or it is about to end.
  too_large,  ///< Its frame is larger than 64 KiB.
  full,       ///< So much waits for the connection already that 64 KiB would be exceeded: try again later.
};
/// Called once, like the sinks of listings, but perhaps before the call returns.
using SendSink = std::function<void(SendOutcome)>;

/// What became of a renewal.
enum class RenewOutcome : std::uint8_t {
  renewed,  ///< It goes on.
  unknown,  ///< There is no such connection.
  refused,  ///< The check said no.
};
/// As SendSink.
using RenewSink = std::function<void(RenewOutcome)>;
/// Whether this stream may go on: asked once, on the stream's shard.
using RenewCheck = std::function<bool(const SubscriberView&)>;

/// How a connection is taken over.
struct AdoptOptions {
  Admission admission;           ///< What RequestHandler::authorise would have given it.
  bool is_head_written = false;  ///< The host has answered 200 with `Content-Type: text/event-stream` and without a length.
};

/// A topic at hand: publishes without looking up its name, and without allocating anything but what its log takes. Keeps the
/// topic's place in memory while it exists, also when nothing is in it. For one thread at a time; a topic may have several. Must
/// not outlive the engine.
class BROADSIDE_API TopicHandle {
 public:
  TopicHandle(TopicHandle&& other) noexcept;  ///< Leaves `other` without a topic, good only to be destroyed or assigned to.
  TopicHandle& operator=(TopicHandle&& other) noexcept;  ///< Exchanges the two.
  TopicHandle(const TopicHandle&) = delete;
  TopicHandle& operator=(const TopicHandle&) = delete;
  ~TopicHandle();

  /// As Engine::publish().
  Result<Published> publish(const Event& event);
  /// The topic's name, good while the handle is.
  [[nodiscard]] std::string_view name() const;

 private:
  friend class Engine;
  TopicHandle(TopicStore& store, Topic& topic) : store_(&store), topic_(&topic) {}

  TopicStore* store_ = nullptr;
  Topic* topic_ = nullptr;  // Null when moved from.
  std::string body_;        // Of the event that is published: its memory is used again.
};

/// What is told of an assertion that failed, which is a bug of the engine: called on the thread that found it, before the process
/// aborts.
using FailureHandler = void (*)(const char* expression, const char* file, int line) noexcept;
/// Sets what is called then; null, the default: a line on stderr. The one thing that is the process's and not an engine's. Any
/// thread.
BROADSIDE_API void set_failure_handler(FailureHandler handler) noexcept;

/// Takes events and puts them on connections. Owns its threads, unless the host drives it (Config::is_host_driven). Calls are for
/// any thread unless they say otherwise; two engines in one process do not know each other. It prints nothing, handles no signal
/// and never exits; what it has to tell goes to Config::log_sink.
class BROADSIDE_API Engine {
 public:
  /// The first thing that is out of range or contradicts itself, which create() and reconfigure() refuse. What the machine has to
  /// say (a port in use, no io_uring) only create() finds out. Error::invalid_argument.
  static Result<Done> check(const Config& config);
  /// Opens listeners and backends; nothing is accepted before start(). `handler` outlives the engine; null is one that overrides
  /// nothing. Error::invalid_argument, address_in_use, unavailable (the kernel).
  static Result<Engine> create(const Config& config, RequestHandler* handler = nullptr);
  Engine(Engine&&) noexcept;             ///< Leaves the other one good only to be destroyed or assigned to.
  Engine& operator=(Engine&&) noexcept;  ///< Destroys the engine that was here.
  /// stop().
  ~Engine();

  /// Starts the shards. From one thread of the host's, never a hook. Requires: not started yet.
  void start();

  /// Of a host-driven engine, and like the next two only from the thread that called create(): readable when run_once() should be
  /// called. An epoll set or an eventfd, the engine's own: wait for POLLIN or EPOLLIN (level-triggered), never read it.
  [[nodiscard]] int poll_fd() const;
  /// After how many milliseconds run_once() should be called, readable or not; 0 = at once. Asked for anew before each wait.
  [[nodiscard]] int next_timeout_ms();
  /// Does what there is to do, without waiting.
  void run_once();

  /// Takes over a connected stream socket whose request the host has read (nothing of the body may be left unread in the host's
  /// buffers). From now on the engine owns `fd`: it writes the response's head unless told otherwise, the stream, and closes it.
  /// Refusals (no place, ended topics) are answered by the engine. RequestHandler::authorise is not asked, the other hooks are
  /// told. Error::invalid_argument, unavailable (the kernel), stopped: `fd` is still the host's.
  Result<Done> adopt(int fd, const SubscribeRequest& request, const AdoptOptions& options = {});
  /// Answers RequestHandler::authorise, where it was deferred. A token whose connection has gone, or has been answered, does
  /// nothing.
  void decide(ResponseToken token, SubscribeDecision decision);

  /// No new streams; each open one gets `retry:` with jitter and is closed at a set pace. Returns at once; wait_drained() waits.
  void start_drain();
  /// Waits until no connection is left or the drain timeout and a second have passed. True if none is left. Not from a hook.
  bool wait_drained();
  /// Takes over what may change while running, or nothing if check() refuses it: defaults and topics, the bounds of memory, the
  /// timeouts of requests, retry, ended_age_ms, stream_age_max_ms, send_bytes_max, the limits of heads, bodies and events, and
  /// the drain. Open streams are under the new rules from their next visit on, but for rate and heartbeat, which a stream takes
  /// when it begins. listen, transports, shards, backend, connections_max, send_buffer_bytes, topics_per_subscriber_max,
  /// stall_timeout_ms, address_prefix6, trusted_proxies and log_sink keep their values. Error::invalid_argument.
  Result<Done> reconfigure(const Config& config);
  /// Closes everything at once and joins the threads. Idempotent. From one thread of the host's, never a hook.
  void stop();

  /// "http://127.0.0.1:8080", one for each Config::listen, with real ports.
  [[nodiscard]] std::vector<std::string> listen_urls() const;
  /// One line: backend, kernel features, and why.
  [[nodiscard]] std::string describe_backend() const;

  /// Encodes the event once, gives it a position, appends it to the topic's log and tells the shards. Never waits for
  /// subscribers. Refused events (Error::invalid_argument, too_large, out_of_memory) leave no trace.
  Result<Published> publish(std::string_view topic, const Event& event);
  /// All of them or none, in order and with nothing between them in the total order. `out` gets one entry each. The error names
  /// the first bad entry in `bad_index` (may be null).
  Result<Done> publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index);
  /// Appends broadside.end; streams that live on the topic alone end with it. `existed` (may be null) is false if there is no
  /// such topic; if it has ended already nothing is published and the answer is the first end's, as a duplicate.
  Result<Published> end(std::string_view topic, bool* existed);

  /// A handle for publishing to one topic very often. Error::invalid_argument: no topic has this name.
  Result<TopicHandle> open_topic(std::string_view topic);

  /// Sends one event to one connection alone; it is neither kept nor resumed. `event` must not have an id.
  /// Error::invalid_argument or too_large: `done` is not called.
  Result<Done> start_send_to(std::string_view connection, const Event& event, SendSink done);
  /// Lets a stream go on until `expires_ms` (milliseconds since 1970; 0 = without end), if `allows` says so.
  void start_renew(std::string_view connection, std::uint64_t expires_ms, RenewCheck allows, RenewSink done);
  /// Answers a deferred request. From any thread.
  void respond(ResponseToken token, Response response);

  /// A copy of all counters.
  [[nodiscard]] Stats stats() const;
  /// Whether `topic` is there, and what it is. Its lag is not known.
  [[nodiscard]] bool topic_info(std::string_view topic, TopicInfo& out) const;
  /// Up to `count` topics in the order of their names, after `after`. Their lag is not known.
  [[nodiscard]] std::vector<TopicInfo> topics(std::size_t count, std::string_view after) const;
  /// Subscribers in a fixed order; `after` is empty or ConnectionPage::next. Who comes or goes meanwhile may be missing. This and
  /// the next ones look through everything, some at a time between deliveries, and return at once. At most 8 run at a time:
  /// another one is refused with Error::unavailable, a `count` that is not 1 to 1000 or a bad `after` with
  /// Error::invalid_argument.
  Result<Done> start_list_connections(std::size_t count, std::string_view after, ConnectionsSink done);
  /// As start_list_connections(), those on one topic alone: who is there.
  Result<Done> start_list_subscribers(std::string_view topic, std::size_t count, std::string_view after, ConnectionsSink done);
  /// As start_list_connections(), those with the largest lag first: by its age, then by its bytes.
  Result<Done> start_list_slowest(std::size_t count, ConnectionsSink done);
  /// As start_list_connections(), the topics that come first in `order`.
  Result<Done> start_list_topics(std::size_t count, TopicOrder order, TopicsSink done);

 private:
  explicit Engine(std::unique_ptr<EngineCore> core);
  std::unique_ptr<EngineCore> core_;
};

}  // namespace broadside
