/// @file
/// Every limit and timeout of an engine, with its default, range and reason; and where its log lines go.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace broadside {

class TransportFactory;

/// How the engine speaks to the kernel.
enum class Backend : std::uint8_t {
  automatic,  ///< io_uring where it works, else epoll; the log says which and why.
  uring,      ///< io_uring alone.
  epoll,      ///< epoll alone.
};

/// How much a line of the log matters.
enum class LogLevel : std::uint8_t {
  debug,    ///< For who looks for a fault.
  info,     ///< How it goes.
  warning,  ///< Something is not as it was asked for.
  error,    ///< Something is wrong.
};

/// Receives what the engine has to tell. Called from any of its threads; must not block for long, nor call the engine.
class LogSink {
 public:
  virtual ~LogSink() = default;
  /// One line, without a line end; `message` is valid during the call.
  virtual void log(LogLevel level, std::string_view message) noexcept = 0;
};

/// What happens to a subscriber that lags: that the kernel has refused bytes of, and that is beyond its topic's limits or lacks
/// what its log no longer has.
enum class LagPolicy : std::uint8_t {
  disconnect,  ///< It is closed; it resumes with Last-Event-ID, or learns of its gap.
  skip,        ///< It goes on with the newest events (TopicRules::keep) and is told by broadside.gap how many it missed.
  conflate,    ///< Whoever is behind gets the newest event of each key once; nobody's lag is ever too large.
};

/// How far a subscriber may be behind. Any of them; 0 = no such limit.
struct LagLimits {
  std::uint64_t events = 0;  ///< Not yet completely handed to the kernel.
  std::uint64_t bytes = 0;   ///< Of frames.
  std::uint64_t age_ms = 0;  ///< Since the oldest unsent event was published.
  /// All of them.
  friend constexpr bool operator==(const LagLimits&, const LagLimits&) = default;
};

/// What may differ from topic to topic.
struct TopicRules {
  std::uint64_t history_events = 1000;       ///< What a resume may ask for: by count, ...
  std::uint64_t history_bytes = 1 << 20;     ///< ... by bytes of frames, ...
  std::uint64_t history_age_ms = 3'600'000;  ///< ... and by age.

  LagPolicy policy = LagPolicy::disconnect;  ///< For who lags.
  LagLimits lag;           ///< Beyond them the policy acts. Without any it acts on who lacks what the log no longer has.
  LagLimits soft_lag;      ///< Beyond them a subscriber is counted and shown.
  std::uint64_t keep = 0;  ///< skip: how many of the newest events it still gets.
  double rate = 0;         ///< Visits a second and subscriber at most, 0.01 to 100; 0 = no bound. `?rate=` lowers it.
  std::uint32_t keys = 0;  ///< Keys whose newest event outlives the history; 0 = none, under conflate 100,000.
  bool snapshot = false;   ///< Who does not say where to start begins with the newest event of each key. Needs keys.

  std::uint32_t heartbeat_ms = 15'000;  ///< Longest silence on a stream of the topic, 200 ms or more; 0 = none.
  /// All of them.
  friend constexpr bool operator==(const TopicRules&, const TopicRules&) = default;
};

/// Rules for the topics that match a pattern: a name in which `*` stands for any run of bytes.
struct TopicSection {
  std::string pattern;  ///< Not empty.
  TopicRules rules;     ///< Of these topics.
  /// Pattern and rules.
  friend bool operator==(const TopicSection&, const TopicSection&) = default;
};

/// What an engine is made of. Times are milliseconds, sizes bytes, unless the name says otherwise. Engine::create refuses what is
/// out of range.
struct Config {
  /// `HOST:PORT`, `[::1]:PORT` or `unix:PATH`; port 0 = any; at most 64. `https://` before HOST: its connections are sealed;
  /// `http://` says nothing. Empty: no listener.
  std::vector<std::string> listen;
  TransportFactory* transports = nullptr;  ///< What https:// addresses need; outlives the engine.
  std::uint32_t shards = 0;                ///< Threads, 1 to 256; 0 = one per core this process may run on.
  Backend backend = Backend::automatic;    ///< See Backend.
  std::uint32_t connections_max = 0;       ///< Subscribers, 1 to 4,000,000; 0 = what RLIMIT_NOFILE allows without tables.

  /// Connections of one address at once, and how many a second it may make, after a burst of two seconds' worth or 10; 0 = no
  /// limit. Beyond them a request is answered with a refusal (429; for an EventSource 200, `retry:` and the close), and beyond a
  /// quarter and 16 more a connection is reset. What comes by a proxy counts for its client: see trusted_proxies.
  std::uint32_t address_connections_max = 0;
  double address_connect_rate = 0;            ///< See address_connections_max; 0.01 to 1,000,000.
  std::uint32_t address_prefix6 = 64;         ///< How many bits of an IPv6 address are one address, 1 to 128.
  std::uint32_t subject_connections_max = 0;  ///< Streams of one Admission::subject at once; 0 = no limit.
  /// Networks (`10.0.0.0/8`, `fd00::/8`), addresses, or `unix`: from these peers alone a PROXY protocol header (versions 1 and 2)
  /// is understood, and X-Forwarded-For says who the client is. They themselves have no limit.
  std::vector<std::string> trusted_proxies;

  std::uint32_t head_bytes_max = 16 << 10;  ///< Request head, 1 KiB to 1 MiB: room for large cookies.
  std::uint32_t head_timeout_ms = 10'000;   ///< From accept, or the first byte of a later request, to the end of its head.
  /// Between two pieces of a body that is not endless, or of something begun in an endless one; and 256 bytes a second on the
  /// average from then on.
  std::uint32_t body_timeout_ms = 30'000;
  std::uint32_t answer_timeout_ms = 30'000;       ///< For what the host answers later, 100 or more; then 504 or a refusal.
  std::uint32_t idle_timeout_ms = 75'000;         ///< Keep-alive connections between requests.
  std::uint64_t body_bytes_max = 1 << 20;         ///< Request body that is read whole.
  std::uint64_t event_bytes_max = 256 << 10;      ///< Data of one event, 1 byte to 64 MiB.
  std::uint32_t topics_per_subscriber_max = 128;  ///< 1 to 128.

  TopicRules defaults;               ///< Of topics that no section matches.
  std::vector<TopicSection> topics;  ///< The first whose pattern matches the name counts.
  std::uint64_t memory_max = 0;      ///< Logs, keys and connections together, 1 MiB or more; 0 = 3/4 of the machine's memory.
  std::uint64_t history_memory = 0;  ///< All logs and keys, at most memory_max; 0 = 1/4 of the machine's (or cgroup's) memory.
  std::uint64_t backlog_bytes = 64 << 20;  ///< Hard bound of one topic's log, 64 KiB or more, also before a sweep has passed.
  std::uint64_t ended_age_ms = 3'600'000;  ///< How long an ended topic answers 204.

  std::uint32_t expiry_notice_ms = 60'000;  ///< How long before its right ends a stream is told (Admission::expires_ms).
  std::uint32_t stream_age_max_ms = 0;      ///< Streams are closed after it, 1000 or more, less up to a fifth; 0 = never.
  std::uint32_t retry_ms = 3'000;           ///< `retry:` of broadside.open, at most a day, jittered by a third.
  /// A subscriber that takes no byte for so long, 100 or more, is closed; TCP_USER_TIMEOUT is this + 5 s. Who takes an answer may
  /// pause for so long, and takes 256 bytes a second on the average from then on.
  std::uint32_t stall_timeout_ms = 30'000;
  std::uint32_t send_bytes_max = 128 << 10;  ///< One visit's send, 16 KiB to 1 MiB, so that nobody starves.
  std::uint32_t send_buffer_bytes = 0;       ///< SO_SNDBUF; 0 = the kernel's own tuning.

  std::uint32_t drain_timeout_ms = 25'000;  ///< Engine::start_drain(): after this what is left is reset.
  std::uint32_t drain_rate = 0;             ///< Streams closed a second; 0 = what empties the server in the timeout.

  /// No threads: the host calls run_once() from its own loop. One shard, made by the thread that calls create().
  bool is_host_driven = false;

  LogSink* log_sink = nullptr;  ///< Outlives the engine; null = silence.
};

}  // namespace broadside
