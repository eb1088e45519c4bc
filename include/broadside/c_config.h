/// @file
/// Every limit and timeout of an engine, for the C API, with its default, range and reason; and where its log lines go. See
/// broadside/c_base.h for the rules of the API.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): C has no namespaces.

#include "broadside/c_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// How the engine speaks to the kernel: one of the constants below.
typedef int32_t broadside_backend;

/// Values of broadside_backend.
enum {
  BROADSIDE_BACKEND_AUTOMATIC = 0,  ///< io_uring where it works, else epoll; the log says which and why.
  BROADSIDE_BACKEND_URING = 1,      ///< io_uring alone.
  BROADSIDE_BACKEND_EPOLL = 2       ///< epoll alone.
};

/// How much a line of the log matters: one of the constants below.
typedef int32_t broadside_log_level;

/// Values of broadside_log_level.
enum {
  BROADSIDE_LOG_DEBUG = 0,    ///< For who looks for a fault.
  BROADSIDE_LOG_INFO = 1,     ///< How it goes.
  BROADSIDE_LOG_WARNING = 2,  ///< Something is not as it was asked for.
  BROADSIDE_LOG_ERROR = 3     ///< Something is wrong.
};

/// Receives what the engine has to tell: one line without a line end. Called from any of its threads, several at a time; must not
/// block for long, nor call the engine.
typedef void (*broadside_log_sink)(void* user, broadside_log_level level, broadside_slice message) BROADSIDE_NOEXCEPT;

/// What happens to a subscriber that lags (that the kernel has refused bytes of, and that is beyond its topic's limits or lacks
/// what its log no longer has): one of the constants below.
typedef int32_t broadside_lag_policy;

/// Values of broadside_lag_policy.
enum {
  BROADSIDE_LAG_DISCONNECT = 0,  ///< It is closed; it resumes with Last-Event-ID, or learns of its gap.
  BROADSIDE_LAG_SKIP = 1,        ///< It goes on with the newest events and is told by broadside.gap how many it missed.
  BROADSIDE_LAG_CONFLATE = 2     ///< Whoever is behind gets the newest event of each key once; nobody's lag is ever too large.
};

/// How far a subscriber is behind, or may be.
typedef struct broadside_lag {
  uint64_t events;  ///< Not yet completely handed to the kernel. As a limit: 0 = none.
  uint64_t bytes;   ///< Of these events' frames. As a limit: 0 = none.
  uint64_t age_ms;  ///< Milliseconds since the oldest of them was published. As a limit: 0 = none.
} broadside_lag;

/// What may differ from topic to topic.
typedef struct broadside_topic_rules {
  size_t size;                  ///< Of this structure.
  uint64_t history_events;      ///< What a resume may ask for: by count, ... Default 1000.
  uint64_t history_bytes;       ///< ... by bytes of frames, ... Default 1 MiB.
  uint64_t history_age_ms;      ///< ... and by age in milliseconds. Default an hour.
  broadside_lag_policy policy;  ///< For who lags. Default BROADSIDE_LAG_DISCONNECT.
  uint32_t heartbeat_ms;        ///< Longest silence on a stream of the topic, 200 ms or more; 0 = none. Default 15,000.
  broadside_lag lag;            ///< Beyond it the policy acts. Default none: it acts on who lacks what the log no longer has.
  broadside_lag soft_lag;       ///< Beyond it a subscriber is counted and shown. Default none.
  uint64_t keep;                ///< BROADSIDE_LAG_SKIP: how many of the newest events it still gets. Default 0.
  double rate;    ///< Visits a second and subscriber at most, 0.01 to 100; 0 = no bound. `?rate=` lowers it. Default 0.
  uint32_t keys;  ///< Keys whose newest event outlives the history. Default 0: none, under conflate 100,000.
  bool snapshot;  ///< Who does not say where to start begins with the newest event of each key. Needs keys.
} broadside_topic_rules;

/// Rules for the topics that match a pattern.
typedef struct broadside_topic_section {
  broadside_slice pattern;             ///< A name in which `*` stands for any run of bytes. Not empty.
  const broadside_topic_rules* rules;  ///< Of these topics. Not null.
} broadside_topic_section;

/// What an engine is made of. Times are milliseconds, sizes bytes, unless the name says otherwise. broadside_engine_create()
/// refuses what is out of range.
typedef struct broadside_config {
  size_t size;                    ///< Of this structure.
  const broadside_slice* listen;  ///< `HOST:PORT`, `[::1]:PORT` or `unix:PATH`; port 0 = any. At most 64.
  size_t listen_count;            ///< How many; 0, the default: no listener.
  uint32_t shards;                ///< Threads, 1 to 256; 0, the default: one per core this process may run on.
  broadside_backend backend;      ///< Default BROADSIDE_BACKEND_AUTOMATIC.
  uint32_t connections_max;       ///< Subscribers, 1 to 4,000,000; 0, the default: what RLIMIT_NOFILE allows without tables.

  uint32_t head_bytes_max;   ///< Request head, 1 KiB to 1 MiB. Default 16 KiB: room for large cookies.
  uint32_t head_timeout_ms;  ///< From accept, or a later request's first byte, to the end of its head. Default 10,000.
  /// Between two pieces of a body that is not endless, and 256 bytes a second on the average from then on. Default 30,000.
  uint32_t body_timeout_ms;
  uint32_t answer_timeout_ms;          ///< For what the host answers later, 100 or more; then 504 or a refusal. Default 30,000.
  uint32_t idle_timeout_ms;            ///< Keep-alive connections between requests. Default 75,000.
  uint64_t body_bytes_max;             ///< Request body that is read whole. Default 1 MiB.
  uint64_t event_bytes_max;            ///< Data of one event, 1 to 64 MiB. Default 256 KiB.
  uint32_t topics_per_subscriber_max;  ///< 1 to 128. Default 128.
  uint32_t stream_age_max_ms;  ///< Streams are closed after it less up to a fifth; 0, the default: never; else 1000 or more.

  const broadside_topic_rules* defaults;  ///< Of topics that no section matches. Null, the default: the library's defaults.
  const broadside_topic_section* topics;  ///< The first whose pattern matches the name counts.
  size_t topic_count;                     ///< How many sections. Default 0.

  uint64_t memory_max;      ///< Logs, keys and connections together, 1 MiB or more; 0, the default: 3/4 of the machine's memory.
  uint64_t history_memory;  ///< All logs and keys; 0, the default: a quarter of the machine's (or cgroup's) memory.
  uint64_t
      backlog_bytes;  ///< Hard bound of one topic's log, also when a sweep has not passed yet. Default 64 MiB, at least 64 KiB.
  uint64_t ended_age_ms;  ///< How long an ended topic answers 204. Default an hour.

  uint32_t
      expiry_notice_ms;  ///< How long before its right ends a stream is told (broadside_admission::expires_ms). Default 60,000.
  uint32_t retry_ms;     ///< `retry:` of broadside.open, jittered by a third; at most a day. Default 3,000.
  uint32_t stall_timeout_ms;   ///< A subscriber that takes no byte for so long is closed; 100 or more. Default 30,000.
  uint32_t send_bytes_max;     ///< One visit's send, 16 KiB to 1 MiB, so that nobody starves. Default 128 KiB.
  uint32_t send_buffer_bytes;  ///< SO_SNDBUF; 0, the default: the kernel's own tuning.
  uint32_t drain_timeout_ms;   ///< A drain: after this what is left is reset. Default 25,000.
  uint32_t drain_rate;         ///< Streams closed a second; 0, the default: what empties the server in the timeout.

  broadside_log_sink log;  ///< Called until broadside_engine_destroy() has returned. Null, the default: silence.
  void* log_user;          ///< Handed to it.

  /// No threads: the host calls broadside_engine_run_once() from its own loop. One shard, made by the thread that calls
  /// broadside_engine_create(). Default false.
  bool is_host_driven;

  /// Connections a second of one address, after a burst of two seconds' worth or 10; 0, the default: no limit; else 0.01 to
  /// 1,000,000. Beyond this and address_connections_max a request is answered with a refusal (429; for an EventSource 200,
  /// `retry:` and the close), and beyond a quarter and 16 more a connection is reset.
  double address_connect_rate;
  uint32_t address_connections_max;  ///< Connections of one address at once; 0, the default: no limit.
  uint32_t address_prefix6;          ///< How many bits of an IPv6 address are one address, 1 to 128. Default 64.
  uint32_t subject_connections_max;  ///< Streams of one broadside_admission::subject at once; 0, the default: no limit.
  /// Networks (`10.0.0.0/8`, `fd00::/8`), addresses, or `unix`: from these peers alone a PROXY protocol header (versions 1 and 2)
  /// is understood, and X-Forwarded-For says who the client is. They themselves have no limit.
  const broadside_slice* trusted_proxies;
  size_t trusted_proxy_count;  ///< How many; 0, the default: none.
} broadside_config;

/// Makes `config`, of which the caller knows `size` bytes, the library's defaults. Does nothing if it is null or the size can be
/// none. broadside_config_init() is the same for who can call it. Any thread.
BROADSIDE_API void broadside_config_set_defaults(broadside_config* config, size_t size);
/// As broadside_config_set_defaults(), for the rules of a topic. Any thread.
BROADSIDE_API void broadside_topic_rules_set_defaults(broadside_topic_rules* rules, size_t size);

/// Sets the size and the defaults.
static inline void broadside_config_init(broadside_config* config) { broadside_config_set_defaults(config, sizeof *config); }
/// Sets the size and the defaults.
static inline void broadside_topic_rules_init(broadside_topic_rules* rules) {
  broadside_topic_rules_set_defaults(rules, sizeof *rules);
}

/// The first thing that is out of range or contradicts itself, which broadside_engine_create() and broadside_engine_reconfigure()
/// refuse. What the machine has to say (a port in use, no io_uring) only the former finds out. Any thread.
BROADSIDE_API broadside_status broadside_config_check(const broadside_config* config, broadside_error* error);

#ifdef __cplusplus
}
#endif

// NOLINTEND(readability-identifier-naming)
