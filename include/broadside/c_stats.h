/// @file
/// Counters of an engine at one moment, and what listings say of topics and connections, for the C API. All count from start
/// unless the comment says "now". See broadside/c_base.h for the rules of the API.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): C has no namespaces.

#include "broadside/c_base.h"
#include "broadside/c_config.h"

#ifdef __cplusplus
extern "C" {
#endif

/// How many buckets broadside_durations has.
#define BROADSIDE_DURATION_BUCKETS 18

/// How often durations fell between fixed bounds, in steps of 1, 2.5 and 5: 50 us to 10 s.
typedef struct broadside_durations {
  uint64_t counts[BROADSIDE_DURATION_BUCKETS];  ///< Of each bucket alone; see broadside_duration_bound_ns().
  uint64_t sum_ns;                              ///< All durations together, in nanoseconds.
} broadside_durations;

/// Upper bound of a bucket in nanoseconds, included in it; UINT64_MAX for the last one, which has none. Any thread.
BROADSIDE_API uint64_t broadside_duration_bound_ns(size_t bucket);

/// Why a connection was closed, streams and connections that speak HTTP alike: one of the constants below.
typedef int32_t broadside_close_reason;

/// Values of broadside_close_reason.
enum {
  BROADSIDE_CLOSE_PEER = 0,      ///< The other side closed, reset, or did not acknowledge.
  BROADSIDE_CLOSE_FAILED = 1,    ///< The kernel refused something that the connection needs.
  BROADSIDE_CLOSE_STALLED = 2,   ///< No byte taken for stall_timeout.
  BROADSIDE_CLOSE_LAGGING = 3,   ///< Beyond its topic's limit of lag, or what was to come next had left the log.
  BROADSIDE_CLOSE_FINISHED = 4,  ///< limit=, follow=0, end of topic; an answer that ends its connection.
  BROADSIDE_CLOSE_IDLE = 5,      ///< idle_timeout.
  BROADSIDE_CLOSE_DRAINED = 6,   ///< By the drain.
  BROADSIDE_CLOSE_AGED = 7,      ///< stream_age_max.
  BROADSIDE_CLOSE_STOPPED = 8,   ///< Open when the engine was stopped.
  BROADSIDE_CLOSE_EXPIRED = 9    ///< Its right to be there ended (broadside_admission::expires_ms).
};

/// Why a connection, a stream or a request was refused: one of the constants below.
typedef int32_t broadside_refusal_reason;

/// Values of broadside_refusal_reason.
enum {
  BROADSIDE_REFUSAL_FULL = 0,        ///< A stream: as many subscribers as connections_max.
  BROADSIDE_REFUSAL_MEMORY = 1,      ///< A stream, or a sealed connection: memory is short (memory_max).
  BROADSIDE_REFUSAL_DRAINING = 2,    ///< A stream or a connection: the engine is draining.
  BROADSIDE_REFUSAL_CROWDED = 3,     ///< A connection: also the places kept for refusals are taken.
  BROADSIDE_REFUSAL_MALFORMED = 4,   ///< A request that cannot be understood, or is not served in this form: 400, 411, 415, ...
  BROADSIDE_REFUSAL_FORBIDDEN = 5,   ///< 401, 403.
  BROADSIDE_REFUSAL_NOT_FOUND = 6,   ///< 404, 405: no such thing, or not with this method.
  BROADSIDE_REFUSAL_SLOW = 7,        ///< 408: a head or a body that did not come in time.
  BROADSIDE_REFUSAL_TOO_LARGE = 8,   ///< 413, 414, 431.
  BROADSIDE_REFUSAL_OVERLOADED = 9,  ///< 503: a bound was reached.
  BROADSIDE_REFUSAL_ADDRESS = 10,    ///< A connection or a stream: beyond the limits of its address.
  BROADSIDE_REFUSAL_SUBJECT = 11,    ///< A stream: as many of its subject as subject_connections_max.
  BROADSIDE_REFUSAL_TOO_MANY = 12    ///< 429: a publisher beyond its rate, a connection's buffer is full.
};

/// Room in arrays that are indexed by a reason: what no reason has yet is 0.
#define BROADSIDE_REASONS_MAX 32

/// One shard's counters. A copy of single values: each is exact, together they may be some microseconds apart.
typedef struct broadside_shard_stats {
  size_t size;                               ///< Of this structure.
  uint64_t accepts;                          ///< Connections accepted.
  uint64_t accepts_paused;                   ///< Accepting stopped for lack of descriptors or memory.
  uint64_t connections;                      ///< Now, subscribers included.
  uint64_t subscribers;                      ///< Now.
  uint64_t subscribers_blocked;              ///< Now: waiting for the kernel to take bytes.
  uint64_t subscribes;                       ///< Streams begun.
  uint64_t requests;                         ///< Requests whose head was read, subscriptions included.
  uint64_t handshakes;                       ///< Of sealed connections (TLS): completed, ...
  uint64_t handshakes_failed;                ///< ... and given up.
  uint64_t transports;                       ///< Now: sealed connections that are not (yet) streams, which take most memory.
  uint64_t deliveries;                       ///< Published events completely handed to the kernel, one per subscriber.
  uint64_t bytes_sent;                       ///< Handed to the kernel.
  uint64_t sends;                            ///< Each of one range or several.
  uint64_t sends_short;                      ///< The kernel took less than all of it.
  uint64_t heartbeats;                       ///< Sent.
  uint64_t gaps;                             ///< broadside.gap sent.
  uint64_t skips;                            ///< Subscribers moved on by BROADSIDE_LAG_SKIP.
  uint64_t events_skipped;                   ///< That they were not sent.
  uint64_t soft_lags;                        ///< Subscribers found beyond a soft limit of lag that were not before.
  uint64_t closes[BROADSIDE_REASONS_MAX];    ///< By broadside_close_reason.
  uint64_t refusals[BROADSIDE_REASONS_MAX];  ///< By broadside_refusal_reason.
  uint64_t last_turn_ms;              ///< When the shard last stamped a turn, on the clock of broadside_stats::monotonic_ms.
  uint64_t busy_ns;                   ///< Time that the thread did not wait: its growth a second is the loop's utilisation.
  broadside_durations turns;          ///< How long a turn of the loop takes, without the wait before it.
  broadside_durations first_writes;   ///< From publish to the moment the first subscriber has been sent all of it. One an event.
  broadside_durations last_writes;    ///< To the end of the first whole lap that has offered it to all who were not blocked.
  broadside_lag lag_max;              ///< Now: each member is the largest one, perhaps of different subscribers.
  uint64_t subscribers_lagging;       ///< Now: blocked, with published events unsent.
  uint64_t subscribers_soft_lagging;  ///< Now: beyond a soft limit of lag.
} broadside_shard_stats;

/// What is not a single shard's: the engine and its logs.
typedef struct broadside_stats {
  size_t size;                   ///< Of this structure.
  uint32_t shards;               ///< How many: see broadside_engine_shard_stats().
  broadside_backend backend;     ///< Which one works: BROADSIDE_BACKEND_URING or BROADSIDE_BACKEND_EPOLL.
  bool is_draining;              ///< Now.
  uint64_t monotonic_ms;         ///< Now, in milliseconds, on the kernel's monotonic clock.
  uint64_t topics;               ///< Now.
  uint64_t publishes;            ///< Events published, without duplicates and ends.
  uint64_t publishes_duplicate;  ///< Events whose id the topic's log still held.
  uint64_t publishes_refused;    ///< For want of memory.
  uint64_t ends;                 ///< Topics ended.
  uint64_t history_bytes;        ///< Now: memory of all logs, of keys, and of the names of ended topics.
  uint64_t history_bytes_max;    ///< Now: its bound. Lower than history_memory while connections take much of memory_max.
  uint64_t keys_bytes;           ///< Now: the part of history_bytes that is keys, and what they keep beyond the logs.
  uint64_t connection_bytes;     ///< Now: what connections take of the process's and the kernel's memory, by estimate.
  uint64_t memory_bytes_max;     ///< The bound of both together; 0 = none.
  uint64_t backlog_overruns;     ///< Frames trimmed by backlog_bytes before a sweep had passed them.
  broadside_position published;  ///< The newest position.
} broadside_stats;

/// One topic.
typedef struct broadside_topic_info {
  size_t size;                ///< Of this structure.
  broadside_slice name;       ///< In a listing the library's; else what was asked for.
  uint64_t subscribers;       ///< Now.
  uint64_t events;            ///< That a resume may ask for.
  uint64_t bytes;             ///< Of these frames.
  broadside_position newest;  ///< Of its newest event.
  uint64_t keys;              ///< Whose newest event is known.
  bool is_ended;              ///< By broadside_engine_end().
  double rate;                ///< Events published a second, decaying over ten seconds.
  broadside_lag lag;          ///< Of its slowest subscriber. Known in a listing by lag alone.
} broadside_topic_info;

/// Sets the size, and all else to nothing.
static inline void broadside_shard_stats_init(broadside_shard_stats* stats) {
  memset(stats, 0, sizeof *stats);
  stats->size = sizeof *stats;
}
/// Sets the size, and all else to nothing.
static inline void broadside_stats_init(broadside_stats* stats) {
  memset(stats, 0, sizeof *stats);
  stats->size = sizeof *stats;
}
/// Sets the size, and all else to nothing.
static inline void broadside_topic_info_init(broadside_topic_info* info) {
  memset(info, 0, sizeof *info);
  info->size = sizeof *info;
}

/// One subscriber. Made by the library.
typedef struct broadside_connection_info {
  size_t size;                    ///< Of this structure.
  broadside_slice id;             ///< 32 hexadecimal digits: what broadside_engine_start_send_to() takes.
  broadside_slice peer;           ///< "127.0.0.1:50000"; empty where a ring table holds the socket, which has no address.
  const broadside_slice* topics;  ///< The first 16.
  size_t topics_shown;            ///< How many are there.
  uint64_t topic_count;           ///< How many it is on.
  broadside_slice subject;        ///< As in its admission.
  uint64_t user_data;             ///< As in its admission.
  broadside_position sent;        ///< Everything up to here has been handed to the kernel.
  broadside_lag lag;              ///< How far it is behind.
  bool is_over_soft_lag;          ///< Beyond a soft limit of lag when last looked at.
  bool is_blocked;                ///< The kernel takes no more bytes until the peer has read some.
  uint64_t blocked_ms;            ///< Since it last took any; 0 if it is not blocked. In steps of 100 ms, as age_ms.
  uint64_t age_ms;                ///< Since the stream began.
} broadside_connection_info;

/// Some subscribers, and where the next ones begin. Made by the library.
typedef struct broadside_connection_page {
  size_t size;                                          ///< Of this structure.
  const broadside_connection_info* const* connections;  ///< A pointer to each.
  size_t connection_count;                              ///< How many.
  broadside_slice next;  ///< For broadside_engine_start_list_connections(); empty: these were the last.
} broadside_connection_page;

/// Some topics. Made by the library.
typedef struct broadside_topic_page {
  size_t size;                                ///< Of this structure.
  const broadside_topic_info* const* topics;  ///< A pointer to each.
  size_t topic_count;                         ///< How many.
} broadside_topic_page;

/// What takes a listing of connections. Called once, on a thread of the engine, and must be quick; with null, at the latest by
/// broadside_engine_destroy(), if the engine was stopped first.
typedef void (*broadside_connections_sink)(void* user, const broadside_connection_page* page) BROADSIDE_NOEXCEPT;
/// As broadside_connections_sink, for a listing of topics.
typedef void (*broadside_topics_sink)(void* user, const broadside_topic_page* page) BROADSIDE_NOEXCEPT;

#ifdef __cplusplus
}
#endif

// NOLINTEND(readability-identifier-naming)
