/// @file
/// Counters of an engine at one moment, and what listings say of topics and connections. All count from start unless the comment
/// says "now".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/position.h"

namespace broadside {

/// How often durations fell between fixed bounds, in steps of 1, 2.5 and 5.
struct DurationStats {
  /// Upper bounds in nanoseconds, each included in its bucket: 50 us to 10 s.
  static constexpr std::array<std::uint64_t, 17> kBoundsNs = {
      50'000,     100'000,     250'000,     500'000,     1'000'000,     2'500'000,     5'000'000,     10'000'000,    25'000'000,
      50'000'000, 100'000'000, 250'000'000, 500'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};

  std::array<std::uint64_t, kBoundsNs.size() + 1> counts{};  ///< Of each bucket alone; the last one has no upper bound.
  std::uint64_t sum_ns = 0;                                  ///< All durations together, in nanoseconds.

  /// How many durations there were.
  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t each : counts) sum += each;
    return sum;
  }
  /// Adds those of another shard.
  DurationStats& operator+=(const DurationStats& other) {
    for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) counts[bucket] += other.counts[bucket];
    sum_ns += other.sum_ns;
    return *this;
  }
};

/// Why a connection was closed. Streams and connections that speak HTTP alike.
enum class CloseReason : std::uint8_t {
  peer,      ///< The other side closed, reset, or did not acknowledge.
  failed,    ///< The kernel refused something that the connection needs.
  stalled,   ///< No byte taken for stall_timeout.
  lagging,   ///< Beyond its topic's limit of lag, or what was to come next had left the log.
  finished,  ///< limit=, follow=0, end of topic; an answer that ends its connection.
  idle,      ///< idle_timeout.
  drained,   ///< By the drain.
  aged,      ///< stream_age_max.
  stopped,   ///< Open when the engine was stopped.
  expired,   ///< Its right to be there ended (Admission::expires_ms).
};
/// The names of CloseReason, as metrics have them.
constexpr std::array<std::string_view, 10> kCloseReasonNames = {"peer", "failed",  "stalled", "lagging", "finished",
                                                                "idle", "drained", "aged",    "stopped", "expired"};

/// Why a connection, a stream or a request was refused.
enum class RefusalReason : std::uint8_t {
  full,        ///< A stream: as many subscribers as connections_max.
  memory,      ///< A stream, or a sealed connection: memory is short (memory_max).
  draining,    ///< A stream or a connection: the engine is draining.
  crowded,     ///< A connection: also the places kept for refusals are taken.
  malformed,   ///< A request that cannot be understood or is not served in this form: 400, 411, 415, 417, 501, 505, ...
  forbidden,   ///< 401, 403.
  not_found,   ///< 404, 405: no such thing, or not with this method.
  slow,        ///< 408: a head or a body that did not come in time.
  too_large,   ///< 413, 414, 431.
  overloaded,  ///< 503: a bound was reached; also what /healthz and /readyz say.
  address,     ///< A connection or a stream: its address is beyond address_connections_max or address_connect_rate.
  subject,     ///< A stream: as many of its subject as subject_connections_max.
  too_many,    ///< 429: a publisher beyond its rate, a connection's buffer is full.
};
/// The names of RefusalReason, as metrics have them.
constexpr std::array<std::string_view, 13> kRefusalReasonNames = {"full",      "memory",    "draining", "crowded",   "malformed",
                                                                  "forbidden", "not_found", "slow",     "too_large", "overloaded",
                                                                  "address",   "subject",   "too_many"};

/// How far a subscriber is behind its topics, or a topic's slowest subscriber behind it. Zero: it has been sent everything.
struct Lag {
  std::uint64_t events = 0;  ///< Not yet completely handed to the kernel; of what has left the log the rest is counted.
  std::uint64_t bytes = 0;   ///< Of these events' frames.
  std::uint64_t age_ms = 0;  ///< Since the oldest of them was published.
  /// Of several topics: events and bytes add up, the age is the oldest's.
  Lag& operator+=(const Lag& other) {
    events += other.events;
    bytes += other.bytes;
    if (other.age_ms > age_ms) age_ms = other.age_ms;
    return *this;
  }
};

/// One shard's counters. A copy of single values: each is exact, together they may be some microseconds apart.
struct ShardStats {
  std::uint64_t accepts = 0;              ///< Connections accepted.
  std::uint64_t accepts_paused = 0;       ///< Accepting stopped for lack of descriptors or memory.
  std::uint64_t connections = 0;          ///< Now, subscribers included.
  std::uint64_t subscribers = 0;          ///< Now.
  std::uint64_t subscribers_blocked = 0;  ///< Now: waiting for the kernel to take bytes.
  std::uint64_t subscribes = 0;           ///< Streams begun.
  std::uint64_t requests = 0;             ///< Requests whose head was read, subscriptions included.
  std::uint64_t handshakes = 0;           ///< Of sealed connections (TLS), completed.
  std::uint64_t handshakes_failed = 0;    ///< The same, given up.
  std::uint64_t transports = 0;           ///< Now: sealed connections that are not (yet) streams, which take most memory.
  std::uint64_t deliveries = 0;           ///< Published events completely handed to the kernel, one per subscriber.
  std::uint64_t bytes_sent = 0;           ///< Handed to the kernel.
  std::uint64_t sends = 0;                ///< Each of one range of bytes or several.
  std::uint64_t sends_short = 0;          ///< The kernel took less than all of it.
  std::uint64_t heartbeats = 0;           ///< Sent.
  std::uint64_t gaps = 0;                 ///< broadside.gap sent.
  std::uint64_t skips = 0;                ///< Subscribers moved on by the policy `skip`.
  std::uint64_t events_skipped = 0;       ///< That they were not sent.
  std::uint64_t soft_lags = 0;            ///< Subscribers found beyond a soft limit of lag that were not before.
  std::array<std::uint64_t, kCloseReasonNames.size()> closes{};      ///< By CloseReason.
  std::array<std::uint64_t, kRefusalReasonNames.size()> refusals{};  ///< By RefusalReason.
  std::uint64_t last_turn_ms = 0;                                    ///< Monotonic clock, when the shard last stamped a turn.
  std::uint64_t busy_ns = 0;  ///< Time that the thread did not wait: its growth a second is the loop's utilisation.
  DurationStats turns;        ///< How long a turn of the loop takes, without the wait before it.
  /// One sample for each published event that this shard has subscribers of; events that are replayed are none.
  DurationStats first_writes;  ///< From publish() to the moment the first subscriber has been sent all of it.
  DurationStats last_writes;   ///< As first_writes, to the end of the first lap that has offered it to all who were not blocked.
  /// Now, over the shard's subscribers; looked at in passes that take a second or a little more.
  Lag lag_max;                                 ///< Each member is the largest one, perhaps of different subscribers.
  std::uint64_t subscribers_lagging = 0;       ///< Now: blocked, with published events unsent.
  std::uint64_t subscribers_soft_lagging = 0;  ///< Now: beyond a soft limit of lag.

  /// Connections closed for this reason.
  [[nodiscard]] std::uint64_t closes_for(CloseReason reason) const { return closes[static_cast<std::size_t>(reason)]; }
  /// What was refused for this reason.
  [[nodiscard]] std::uint64_t refusals_for(RefusalReason reason) const { return refusals[static_cast<std::size_t>(reason)]; }
};

/// The logs.
struct LogStats {
  std::uint64_t topics = 0;               ///< Now.
  std::uint64_t publishes = 0;            ///< Events published, without duplicates and ends.
  std::uint64_t publishes_duplicate = 0;  ///< Events whose id the topic's log still held.
  std::uint64_t publishes_refused = 0;    ///< For want of memory.
  std::uint64_t ends = 0;                 ///< Topics ended.
  std::uint64_t history_bytes = 0;        ///< Now: memory of all logs, of keys, and of the names of ended topics.
  std::uint64_t history_bytes_max = 0;  ///< Now: its bound. Lower than history_memory while connections take much of memory_max.
  std::uint64_t keys_bytes = 0;         ///< Now: the part of history_bytes that is keys, and what they keep beyond the logs.
  std::uint64_t connection_bytes = 0;   ///< Now: what connections take of the process's and the kernel's memory, by estimate.
  std::uint64_t memory_bytes_max = 0;   ///< The bound of both together; 0 = none.
  std::uint64_t backlog_overruns = 0;   ///< Frames trimmed by backlog_bytes before a sweep had passed them.
  Position published;                   ///< The newest position.
};

/// An engine's counters at one moment.
struct Stats {
  std::string backend;             ///< "uring" or "epoll".
  std::vector<ShardStats> shards;  ///< By number.
  LogStats logs;                   ///< Of all shards together.
  std::uint64_t monotonic_ms = 0;  ///< Now, on the clock of ShardStats::last_turn_ms.
  bool is_draining = false;        ///< Now.
};

/// One topic, for listings.
struct TopicInfo {
  std::string name;               ///< As in Engine::publish().
  std::uint64_t subscribers = 0;  ///< Now.
  std::uint64_t events = 0;       ///< That a resume may ask for.
  std::uint64_t bytes = 0;        ///< Of these frames.
  Position newest;                ///< Of its newest event.
  std::uint64_t keys = 0;         ///< Whose newest event is known.
  bool is_ended = false;          ///< By Engine::end().
  double rate = 0;                ///< Events published a second, decaying over ten seconds.
  Lag lag;                        ///< Of its slowest subscriber. Known in a listing by lag alone.
};

/// One subscriber, for listings.
struct ConnectionInfo {
  std::string id;                   ///< 32 hexadecimal digits: what Engine::start_send_to() takes.
  std::string peer;                 ///< "127.0.0.1:50000"; empty where a ring table holds the socket, which has no address.
  std::vector<std::string> topics;  ///< The first 16.
  std::uint64_t topic_count = 0;    ///< How many it is on.
  std::string subject;              ///< As in its Admission.
  std::uint64_t user_data = 0;      ///< As in its Admission.
  Position sent;                    ///< Everything up to here has been handed to the kernel.
  Lag lag;                          ///< How far it is behind its topics.
  bool is_over_soft_lag = false;    ///< Beyond a soft limit of lag when last looked at.
  bool is_blocked = false;          ///< The kernel takes no more bytes until the peer has read some.
  std::uint64_t blocked_ms = 0;     ///< Since it last took any; 0 if it is not blocked. In steps of 100 ms, as age_ms.
  std::uint64_t age_ms = 0;         ///< Since the stream began.
};

}  // namespace broadside
