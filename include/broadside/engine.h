// The engine: takes events once and puts them on very many connections.
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
#include "broadside/handler.h"
#include "broadside/position.h"
#include "broadside/stats.h"

namespace broadside {

class EngineCore;

// What became of a published event.
struct Published {
  Position position;
  std::uint64_t subscribers = 0;  // Of the topic, at that moment.
  bool is_duplicate = false;      // The topic's log still holds this id; `position` is the first one's.
};

// One event of a batch.
struct BatchEntry {
  std::string_view topic;
  Event event;
};

// By what topics are listed, the largest first.
enum class TopicOrder : std::uint8_t {
  lag,          // Of the slowest subscriber: by its age, then by its bytes. Topics without lag are left out.
  subscribers,  // How many there are now.
  rate,         // Events published a second.
};

// Some subscribers, and where the next ones begin.
struct ConnectionPage {
  std::vector<ConnectionInfo> connections;
  std::string next;  // For Engine::start_list_connections(); empty: these were the last.
};

// What takes a listing. Called once, on a thread of the engine, unless the engine is stopped before; must be quick and not throw.
using ConnectionsSink = std::function<void(ConnectionPage)>;
using TopicsSink = std::function<void(std::vector<TopicInfo>)>;

// Owns its threads. Calls are for any thread unless they say otherwise; two engines in one process do not know each other.
class Engine {
 public:
  // The first thing that is out of range or contradicts itself, which create() and reconfigure() refuse. What the machine has to
  // say (a port in use, no io_uring) only create() finds out.
  static Result<Done> check(const Config& config);
  // Opens listeners and backends; nothing is accepted before start(). `handler` (may be null: 404) outlives the engine.
  static Result<Engine> create(const Config& config, RequestHandler* handler);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();  // stop().

  // Starts the shards. Requires: not started yet.
  void start();
  // No new streams; each open one gets `retry:` with jitter and is closed at a set pace. Returns at once; wait_drained() waits.
  void start_drain();
  // Waits until no connection is left or the drain timeout and a second have passed. True if none is left.
  bool wait_drained();
  // Takes over what may change while running, or nothing if check() refuses it: defaults and topics, the bounds of memory, the
  // timeouts of requests, retry, ended_age_ms, stream_age_max_ms, send_bytes_max, the limits of heads, bodies and events, and the
  // drain. Open streams are under the new rules from their next visit on, but for rate and heartbeat, which a stream takes when
  // it begins. listen, shards, backend, connections_max, send_buffer_bytes, topics_per_subscriber_max, stall_timeout_ms and
  // log_sink keep their values.
  Result<Done> reconfigure(const Config& config);
  // Closes everything at once and joins the threads. Idempotent.
  void stop();

  // "http://127.0.0.1:8080", one for each Config::listen, with real ports.
  [[nodiscard]] std::vector<std::string> listen_urls() const;
  // One line: backend, kernel features, and why.
  [[nodiscard]] std::string describe_backend() const;

  // Encodes the event once, gives it a position, appends it to the topic's log and tells the shards. Never waits for subscribers.
  // Refused events (Error::invalid_argument, too_large, out_of_memory) leave no trace.
  Result<Published> publish(std::string_view topic, const Event& event);
  // All of them or none, in order and with nothing between them in the total order. `out` gets one entry each. The error names
  // the first bad entry in `bad_index` (may be null).
  Result<Done> publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index);
  // Appends broadside.end; streams that live on the topic alone end with it. `existed` (may be null) is false if there is no such
  // topic; if it has ended already nothing is published and the answer is the first end's, as a duplicate.
  Result<Published> end(std::string_view topic, bool* existed);

  // Sends one event to one connection alone; it is neither kept nor resumed. The answer goes to `token`: 202, 404, 413 or 429,
  // with `headers` (complete lines with CRLF).
  // False if `connection` cannot be an id at all (answer 404 yourself).
  bool start_send_to(std::string_view connection, const Event& event, ResponseToken token, std::string headers);
  // Answers a deferred request. From any thread.
  void respond(ResponseToken token, Response response);

  [[nodiscard]] Stats stats() const;
  // Whether `topic` is there, and what it is.
  [[nodiscard]] bool topic_info(std::string_view topic, TopicInfo& out) const;
  // Up to `count` topics in the order of their names, after `after`. Their lag is not known.
  [[nodiscard]] std::vector<TopicInfo> topics(std::size_t count, std::string_view after) const;
  // These look through everything, some at a time between deliveries, and return at once. At most 8 run at a time: another one
  // is refused with Error::unavailable, a `count` that is not 1 to 1000 or a bad `after` with Error::invalid_argument.
  //
  // Subscribers in a fixed order; `after` is empty or ConnectionPage::next. Who comes or goes meanwhile may be missing.
  Result<Done> start_list_connections(std::size_t count, std::string_view after, ConnectionsSink done);
  // The subscribers with the largest lag first: by its age, then by its bytes.
  Result<Done> start_list_slowest(std::size_t count, ConnectionsSink done);
  // The topics that come first in `order`.
  Result<Done> start_list_topics(std::size_t count, TopicOrder order, TopicsSink done);

 private:
  explicit Engine(std::unique_ptr<EngineCore> core);
  std::unique_ptr<EngineCore> core_;
};

}  // namespace broadside
