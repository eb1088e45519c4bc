/// @file
/// The engine, for the C API: takes events once and puts them on very many connections. The same as broadside/engine.h is for
/// C++. See broadside/c_base.h for the rules of the API. Calls are for any thread unless they say otherwise; two engines in one
/// process do not know each other.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): C has no namespaces.

#include "broadside/c_base.h"
#include "broadside/c_config.h"
#include "broadside/c_event.h"
#include "broadside/c_host.h"
#include "broadside/c_stats.h"

#ifdef __cplusplus
extern "C" {
#endif

/// An engine. Owns its threads, unless the host drives it (broadside_config::is_host_driven).
typedef struct broadside_engine broadside_engine;

/// A topic at hand: publishes without looking up its name, and without allocating anything but what its log takes. Keeps the
/// topic's place in memory while it exists, also when nothing is in it. For one thread at a time; a topic may have several.
typedef struct broadside_topic broadside_topic;

/// Opens listeners and backends; nothing is accepted before broadside_engine_start(). `hooks` may be null: no hooks. `*engine` is
/// the caller's, to be destroyed; null if it was refused. BROADSIDE_INVALID_ARGUMENT, BROADSIDE_ADDRESS_IN_USE,
/// BROADSIDE_UNAVAILABLE (the kernel), BROADSIDE_OUT_OF_MEMORY.
BROADSIDE_API broadside_status broadside_engine_create(const broadside_config* config, const broadside_hooks* hooks,
                                                       broadside_engine** engine, broadside_error* error);
/// Starts the shards. Once: BROADSIDE_STOPPED if it has been started or stopped before.
BROADSIDE_API broadside_status broadside_engine_start(broadside_engine* engine, broadside_error* error);
/// Closes everything at once and joins the threads. Also a second time. From one thread, which is none of the engine's.
BROADSIDE_API broadside_status broadside_engine_stop(broadside_engine* engine, broadside_error* error);
/// Stops it and frees it; null is nothing. Nothing else may be under way with it, and its topic handles must be closed.
BROADSIDE_API void broadside_engine_destroy(broadside_engine* engine);

/// Of a host-driven engine, and like the next two only from the thread that created it: readable when
/// broadside_engine_run_once() should be called. An epoll set or an eventfd, the engine's own: wait for POLLIN or EPOLLIN
/// (level-triggered), never read it. -1 if the engine is null or has threads of its own.
BROADSIDE_API int broadside_engine_poll_fd(const broadside_engine* engine);
/// After how many milliseconds broadside_engine_run_once() should be called, readable or not; 0 = at once. Asked for anew before
/// each wait. -1 as broadside_engine_poll_fd().
BROADSIDE_API int broadside_engine_next_timeout_ms(broadside_engine* engine);
/// Does what there is to do, without waiting. BROADSIDE_STOPPED: it does not run. BROADSIDE_INVALID_ARGUMENT: it has threads of
/// its own.
BROADSIDE_API broadside_status broadside_engine_run_once(broadside_engine* engine, broadside_error* error);

/// No new streams; each open one gets `retry:` with jitter and is closed at a set pace. Returns at once.
BROADSIDE_API broadside_status broadside_engine_start_drain(broadside_engine* engine, broadside_error* error);
/// Waits until no connection is left or the drain timeout and a second have passed. `*is_drained` (may be null): none is left.
BROADSIDE_API broadside_status broadside_engine_wait_drained(broadside_engine* engine, bool* is_drained, broadside_error* error);
/// Takes over what may change while running, or nothing if broadside_config_check() refuses it: defaults and topics, the bounds
/// of memory, the timeouts of requests, retry, ended_age_ms, stream_age_max_ms, send_bytes_max, the limits of heads, bodies and
/// events, and the drain. Open streams are under the new rules from their next visit on, but for rate and heartbeat, which a
/// stream takes when it begins. All else keeps its values.
BROADSIDE_API broadside_status broadside_engine_reconfigure(broadside_engine* engine, const broadside_config* config,
                                                            broadside_error* error);

/// Writes "http://127.0.0.1:8080" with the real port of broadside_config::listen[index] and a NUL to `buffer`, cut to
/// `buffer_size` bytes in all. Returns the length of the whole text without the NUL; 0 if there is no such address.
BROADSIDE_API size_t broadside_engine_listen_url(const broadside_engine* engine, size_t index, char* buffer, size_t buffer_size);
/// Writes one line, as broadside_engine_listen_url(): backend, kernel features, and why.
BROADSIDE_API size_t broadside_engine_describe_backend(const broadside_engine* engine, char* buffer, size_t buffer_size);

/// What became of a published event.
typedef struct broadside_published {
  broadside_position position;  ///< Its own.
  uint64_t subscribers;         ///< Of the topic, at that moment.
  bool is_duplicate;            ///< The topic's log still holds this id; `position` is the first one's.
} broadside_published;

/// One event of a batch.
typedef struct broadside_batch_entry {
  broadside_slice topic;         ///< As in broadside_engine_publish().
  const broadside_event* event;  ///< Not null.
} broadside_batch_entry;

/// Encodes the event once, gives it a position, appends it to the topic's log and tells the shards. Never waits for subscribers.
/// `topic` is 1 to 255 bytes of UTF-8 without control characters; `published` may be null. Refused events
/// (BROADSIDE_INVALID_ARGUMENT, BROADSIDE_TOO_LARGE, BROADSIDE_OUT_OF_MEMORY) leave no trace.
BROADSIDE_API broadside_status broadside_engine_publish(broadside_engine* engine, broadside_slice topic,
                                                        const broadside_event* event, broadside_published* published,
                                                        broadside_error* error);
/// All of them or none, in order and with nothing between them in the total order. `published` (may be null) has room for
/// `count`; of a batch that is refused, `*bad_index` (may be null) is the first bad entry.
BROADSIDE_API broadside_status broadside_engine_publish_batch(broadside_engine* engine, const broadside_batch_entry* batch,
                                                              size_t count, broadside_published* published, size_t* bad_index,
                                                              broadside_error* error);
/// Appends broadside.end; streams that live on the topic alone end with it. `*existed` (may be null) is false if there is no such
/// topic; if it has ended already nothing is published and the answer is the first end's, as a duplicate.
BROADSIDE_API broadside_status broadside_engine_end(broadside_engine* engine, broadside_slice topic,
                                                    broadside_published* published, bool* existed, broadside_error* error);

/// A handle for publishing to one topic very often. `*topic` is the caller's, to be closed before the engine is destroyed; null
/// if it was refused.
BROADSIDE_API broadside_status broadside_topic_open(broadside_engine* engine, broadside_slice name, broadside_topic** topic,
                                                    broadside_error* error);
/// As broadside_engine_publish().
BROADSIDE_API broadside_status broadside_topic_publish(broadside_topic* topic, const broadside_event* event,
                                                       broadside_published* published, broadside_error* error);
/// Its name, good until it is closed; empty if it is null.
BROADSIDE_API broadside_slice broadside_topic_name(const broadside_topic* topic);
/// Frees the handle; null is nothing.
BROADSIDE_API void broadside_topic_close(broadside_topic* topic);

/// How a connection is taken over.
typedef struct broadside_adopt_options {
  size_t size;                           ///< Of this structure.
  const broadside_admission* admission;  ///< May be null, the default.
  bool
      is_head_written;  ///< The host has answered 200 with `Content-Type: text/event-stream` and without a length. Default false.
} broadside_adopt_options;

/// Sets the size, and all else to nothing.
static inline void broadside_adopt_options_init(broadside_adopt_options* options) {
  memset(options, 0, sizeof *options);
  options->size = sizeof *options;
}

/// Takes over a connected stream socket whose request the host has read (nothing of the body may be left unread in the host's
/// buffers). From now on the engine owns `fd`: it writes the response's head unless told otherwise, the stream, and closes it.
/// Refusals (no place, ended topics) are answered by the engine. The hook authorise is not asked, the others are told. `options`
/// may be null. Refused: `fd` is still the host's; BROADSIDE_STOPPED if the engine does not run.
BROADSIDE_API broadside_status broadside_engine_adopt(broadside_engine* engine, int fd,
                                                      const broadside_subscribe_request* request,
                                                      const broadside_adopt_options* options, broadside_error* error);
/// Answers the hook authorise, where it was left for later. A token whose connection has gone, or has been answered, does
/// nothing.
BROADSIDE_API broadside_status broadside_engine_decide(broadside_engine* engine, broadside_token token,
                                                       const broadside_decision* decision, broadside_error* error);
/// Answers the hook on_request, where it was left for later. A token whose connection has gone, or has been answered, does
/// nothing.
BROADSIDE_API broadside_status broadside_engine_respond(broadside_engine* engine, broadside_token token,
                                                        const broadside_response* response, broadside_error* error);

/// What became of an event for one connection: one of the constants below.
typedef int32_t broadside_send_outcome;

/// Values of broadside_send_outcome.
enum {
  BROADSIDE_SEND_TAKEN = 0,      ///< It is sent before what the connection's topics bring next.
  BROADSIDE_SEND_UNKNOWN = 1,    ///< There is no such connection, or it is about to end.
  BROADSIDE_SEND_TOO_LARGE = 2,  ///< Its frame is larger than 64 KiB.
  BROADSIDE_SEND_FULL = 3,       ///< So much waits for the connection already that 64 KiB would be exceeded: try again later.
  BROADSIDE_SEND_STOPPED = 100   ///< The engine was stopped first.
};

/// What is told the outcome. Called once, on a thread of the engine or before the call returns, and must be quick; at the latest
/// by broadside_engine_destroy().
typedef void (*broadside_send_sink)(void* user, broadside_send_outcome outcome) BROADSIDE_NOEXCEPT;

/// Sends one event to one connection alone (32 hexadecimal digits: broadside_subscriber::connection); it is neither kept nor
/// resumed and must not have an id. `done` may be null. BROADSIDE_INVALID_ARGUMENT or BROADSIDE_TOO_LARGE: `done` is not called.
BROADSIDE_API broadside_status broadside_engine_start_send_to(broadside_engine* engine, broadside_slice connection,
                                                              const broadside_event* event, broadside_send_sink done, void* user,
                                                              broadside_error* error);

/// What became of a renewal: one of the constants below.
typedef int32_t broadside_renew_outcome;

/// Values of broadside_renew_outcome.
enum {
  BROADSIDE_RENEW_RENEWED = 0,   ///< It goes on.
  BROADSIDE_RENEW_UNKNOWN = 1,   ///< There is no such connection.
  BROADSIDE_RENEW_REFUSED = 2,   ///< The check said no.
  BROADSIDE_RENEW_STOPPED = 100  ///< The engine was stopped first.
};

/// Whether this stream may go on. Asked at most once, on the stream's shard, before the outcome is told.
typedef bool (*broadside_renew_check)(void* user, const broadside_subscriber* subscriber) BROADSIDE_NOEXCEPT;
/// As broadside_send_sink.
typedef void (*broadside_renew_sink)(void* user, broadside_renew_outcome outcome) BROADSIDE_NOEXCEPT;

/// Lets a stream go on until `expires_ms` (milliseconds since 1970; 0 = without end), if `allows` (null: yes) says so. Both
/// callbacks are handed `user`; `done` may be null.
BROADSIDE_API broadside_status broadside_engine_start_renew(broadside_engine* engine, broadside_slice connection,
                                                            uint64_t expires_ms, broadside_renew_check allows,
                                                            broadside_renew_sink done, void* user, broadside_error* error);

/// Writes the engine's counters to `stats`, whose size is set.
BROADSIDE_API broadside_status broadside_engine_stats(const broadside_engine* engine, broadside_stats* stats,
                                                      broadside_error* error);
/// Writes one shard's counters to `stats`, whose size is set. `shard` is below broadside_stats::shards.
BROADSIDE_API broadside_status broadside_engine_shard_stats(const broadside_engine* engine, uint32_t shard,
                                                            broadside_shard_stats* stats, broadside_error* error);

/// Whether `topic` is there (`*is_there`), and what it is: then `info`, whose size is set, is written. Its lag is not known.
BROADSIDE_API broadside_status broadside_engine_find_topic(const broadside_engine* engine, broadside_slice topic,
                                                           broadside_topic_info* info, bool* is_there, broadside_error* error);
/// Up to `count` topics in the order of their names, after `after` (empty: from the first). Their lag is not known. `taken` is
/// called before the call returns, on its thread.
BROADSIDE_API broadside_status broadside_engine_list_topics(const broadside_engine* engine, size_t count, broadside_slice after,
                                                            broadside_topics_sink taken, void* user, broadside_error* error);

/// By what topics are listed, the largest first: one of the constants below.
typedef int32_t broadside_topic_order;

/// Values of broadside_topic_order.
enum {
  BROADSIDE_ORDER_LAG = 0,          ///< Of the slowest subscriber: by its age, then by its bytes. Without lag: left out.
  BROADSIDE_ORDER_SUBSCRIBERS = 1,  ///< How many there are now.
  BROADSIDE_ORDER_RATE = 2          ///< Events published a second.
};

/// Up to `count` subscribers in a fixed order; `after` is empty or broadside_connection_page::next. Who comes or goes meanwhile
/// may be missing. This and the next ones look through everything, some at a time between deliveries, and return at once; `done`
/// is called later. At most 8 run at a time: another one is BROADSIDE_UNAVAILABLE; a `count` that is not 1 to 1000, or a bad
/// `after`, is BROADSIDE_INVALID_ARGUMENT; then `done` is not called.
BROADSIDE_API broadside_status broadside_engine_start_list_connections(broadside_engine* engine, size_t count,
                                                                       broadside_slice after, broadside_connections_sink done,
                                                                       void* user, broadside_error* error);
/// As broadside_engine_start_list_connections(), those on one topic alone: who is there.
BROADSIDE_API broadside_status broadside_engine_start_list_subscribers(broadside_engine* engine, broadside_slice topic,
                                                                       size_t count, broadside_slice after,
                                                                       broadside_connections_sink done, void* user,
                                                                       broadside_error* error);
/// As broadside_engine_start_list_connections(): those with the largest lag first, by its age, then by its bytes.
BROADSIDE_API broadside_status broadside_engine_start_list_slowest(broadside_engine* engine, size_t count,
                                                                   broadside_connections_sink done, void* user,
                                                                   broadside_error* error);
/// As broadside_engine_start_list_connections(): the topics that come first in `order`.
BROADSIDE_API broadside_status broadside_engine_start_list_topics(broadside_engine* engine, size_t count,
                                                                  broadside_topic_order order, broadside_topics_sink done,
                                                                  void* user, broadside_error* error);

/// What is told of an assertion that failed, before the process aborts: a bug of the engine.
typedef void (*broadside_failure_handler)(const char* expression, const char* file, int line) BROADSIDE_NOEXCEPT;

/// Sets what is called then, on the thread that found it; null, the default: a line on stderr. The one thing that is the
/// process's and not an engine's.
BROADSIDE_API void broadside_set_failure_handler(broadside_failure_handler handler);

#ifdef __cplusplus
}
#endif

// NOLINTEND(readability-identifier-naming)
