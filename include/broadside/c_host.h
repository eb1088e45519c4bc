/// @file
/// What the engine asks and tells its host, for the C API: requests that are no subscription, who may subscribe, and who came,
/// lagged and left. See broadside/c_base.h for the rules of the API.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): C has no namespaces.

#include "broadside/c_base.h"
#include "broadside/c_config.h"
#include "broadside/c_stats.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Names the request that an answer which comes later is for. To be kept as it is.
typedef struct broadside_token {
  uint32_t shard;       ///< The engine's own.
  uint32_t index;       ///< The engine's own.
  uint32_t generation;  ///< The engine's own.
  uint32_t request;     ///< The engine's own.
} broadside_token;

/// A field of a request's head.
typedef struct broadside_header {
  broadside_slice name;   ///< As sent; compared without regard to case.
  broadside_slice value;  ///< Without white space around it.
} broadside_header;

/// A request. Made by the library; valid during the callback alone.
typedef struct broadside_request {
  size_t size;                      ///< Of this structure.
  broadside_slice method;           ///< As sent: "GET", "POST", ...
  broadside_slice path;             ///< Still percent-encoded.
  broadside_slice query;            ///< Still percent-encoded, without `?`.
  broadside_slice host;             ///< Of the Host field or the target.
  const broadside_header* headers;  ///< Fields in the order in which they came.
  size_t header_count;              ///< How many.
  broadside_slice body;             ///< Whole; empty in on_stream and authorise.
  broadside_slice peer;             ///< "127.0.0.1:50000".
  uint32_t listener;                ///< Index into broadside_config::listen.
  bool is_chunked;                  ///< Its body comes in chunks.
  bool is_proxied;                  ///< A trusted proxy has said who the peer is.
  broadside_token token;            ///< For an answer that comes later.
} broadside_request;

/// The value of the first field named `name` (any case); one with null data if there is none, or if `request` is null.
BROADSIDE_API broadside_slice broadside_request_header(const broadside_request* request, broadside_slice name);

/// Where a stream begins: one of the constants below.
typedef int32_t broadside_start;

/// Values of broadside_start.
enum {
  BROADSIDE_START_LIVE = 0,      ///< With the next event.
  BROADSIDE_START_AFTER_ID = 1,  ///< Behind the event of this id: a Last-Event-ID (WHATWG HTML 9.2.4).
  BROADSIDE_START_SINCE = 2,     ///< With the first event that is not older.
  BROADSIDE_START_LAST = 3,      ///< With the newest few.
  BROADSIDE_START_SNAPSHOT = 4   ///< With the newest event of each key.
};

/// A subscription: which topics, where it begins, and how it is served.
typedef struct broadside_subscribe_request {
  size_t size;                    ///< Of this structure.
  const broadside_slice* topics;  ///< Each once. Names as in broadside_engine_publish().
  size_t topic_count;             ///< 1 to broadside_config::topics_per_subscriber_max.
  broadside_start start;          ///< Where it begins. Default BROADSIDE_START_LIVE.
  bool is_default_start;          ///< Live, and nobody said so: topics whose rules want it begin with a snapshot. Default true.
  bool follows;                   ///< Stays open at the newest event; else it is closed there. Default true.
  broadside_slice start_id;       ///< BROADSIDE_START_AFTER_ID: as it came, at most 255 bytes.
  uint64_t since_ms;              ///< BROADSIDE_START_SINCE: milliseconds since 1970.
  uint64_t last;                  ///< BROADSIDE_START_LAST: how many, of all topics together.
  double rate;                    ///< Visits a second at most, 0.01 to 100; 0 = what the topics' rules say.
  uint32_t limit;                 ///< Closed after so many events; 0 = none.
} broadside_subscribe_request;

/// Sets the size and the defaults; topics there are none yet.
static inline void broadside_subscribe_request_init(broadside_subscribe_request* request) {
  memset(request, 0, sizeof *request);
  request->size = sizeof *request;
  request->is_default_start = true;
  request->follows = true;
}

/// Reads a subscription out of a request's target and its Last-Event-ID field (empty: none), all as they came: what the engine's
/// own listener does with `/events/{topic}` and `/events?topic=a&topic=b`. `path` and `query` are still percent-encoded.
/// BROADSIDE_INVALID_ARGUMENT says what is wrong (answer 400). What comes out is the caller's, until
/// broadside_subscribe_request_destroy(). Any thread.
BROADSIDE_API broadside_status broadside_subscribe_request_read(broadside_slice path, broadside_slice query,
                                                                broadside_slice last_event_id,
                                                                const broadside_subscribe_request** request,
                                                                broadside_error* error);
/// Frees what broadside_subscribe_request_read() has made; null is nothing. Any thread.
BROADSIDE_API void broadside_subscribe_request_destroy(const broadside_subscribe_request* request);

/// What the host gives a stream on its way.
typedef struct broadside_admission {
  size_t size;              ///< Of this structure.
  broadside_slice headers;  ///< Complete lines with CRLF, added to the response's head; or empty.
  broadside_slice subject;  ///< Who it is, as far as the host cares: shown in listings, told to the hooks. At most 255 bytes.
  uint64_t user_data;       ///< The host's own, told to the hooks; never looked at.
  double rate_max;          ///< Visits a second at most, 0.01 to 100, whatever was asked for; 0 = no such bound.
  /// When its right ends, in milliseconds since 1970; 0 = never. It is told broadside_config::expiry_notice_ms before, by
  /// `broadside.auth-expiring`, and closed then, unless broadside_engine_start_renew() has come.
  uint64_t expires_ms;
  uint32_t age_max_ms;  ///< Closed after it at the latest, with `retry:`; 0 = broadside_config::stream_age_max_ms.
} broadside_admission;

/// Sets the size, and all else to nothing.
static inline void broadside_admission_init(broadside_admission* admission) {
  memset(admission, 0, sizeof *admission);
  admission->size = sizeof *admission;
}

/// What is decided about a subscription.
typedef struct broadside_decision {
  size_t size;                           ///< Of this structure.
  int32_t status;                        ///< 200, the default, admits; 201 to 599 is the answer, as application/problem+json.
  broadside_slice detail;                ///< Of a refusal: what is wrong and what to do about it.
  const broadside_slice* topics;         ///< These, whatever was asked for.
  size_t topic_count;                    ///< How many; 0, the default: what was asked for.
  const broadside_admission* admission;  ///< May be null, the default. Its headers go with a refusal as well.
} broadside_decision;

/// Sets the size and the defaults: it admits.
static inline void broadside_decision_init(broadside_decision* decision) {
  memset(decision, 0, sizeof *decision);
  decision->size = sizeof *decision;
  decision->status = 200;
}

/// An answer. The engine adds Date, Content-Length, Connection and Cache-Control: no-store, and leaves the body out for HEAD.
typedef struct broadside_response {
  size_t size;                   ///< Of this structure.
  int32_t status;                ///< 200 to 599. Default 200.
  broadside_slice headers;       ///< Complete lines with CRLF, or empty, the default.
  broadside_slice content_type;  ///< Default "application/json". Empty: there is no such field.
  broadside_slice body;          ///< Any bytes. Default none.
  bool close;                    ///< Close the connection after it. Default false.
} broadside_response;

/// Sets the size and the defaults.
static inline void broadside_response_init(broadside_response* response) {
  memset(response, 0, sizeof *response);
  response->size = sizeof *response;
  response->status = 200;
  response->content_type = broadside_text("application/json");
}

/// Where a callback writes text. Valid during the callback alone.
typedef struct broadside_output broadside_output;

/// Appends `bytes`, which are copied. Nothing happens if `output` is null.
BROADSIDE_API void broadside_output_append(broadside_output* output, broadside_slice bytes);

/// Reads a body as it arrives. Its output goes to the client at once, as a chunked response with status 200. All on the thread
/// that asked on_stream, and by its rules.
typedef struct broadside_body_reader {
  size_t size;              ///< Of this structure.
  broadside_slice headers;  ///< Of the response: complete lines with CRLF; with Content-Type.
  void* user;               ///< Handed to the three below.
  /// Appends to `output` what the client shall get now. False ends the exchange: what is in `output` is sent, then the close.
  /// Not null.
  bool (*on_body)(void* user, broadside_slice bytes, broadside_output* output) BROADSIDE_NOEXCEPT;
  /// The body was complete. May be null.
  void (*on_end)(void* user, broadside_output* output) BROADSIDE_NOEXCEPT;
  /// The reader is done with: the last call. Without on_end before it the body was cut. May be null.
  void (*on_close)(void* user) BROADSIDE_NOEXCEPT;
} broadside_body_reader;

/// Sets the size, and all else to nothing.
static inline void broadside_body_reader_init(broadside_body_reader* reader) {
  memset(reader, 0, sizeof *reader);
  reader->size = sizeof *reader;
}

/// What a hook answers. Valid during the hook alone. The last answer that was not refused counts.
typedef struct broadside_reply broadside_reply;

/// Answers: of on_request; and of on_stream, where the body is then not read and the connection is closed.
BROADSIDE_API broadside_status broadside_reply_respond(broadside_reply* reply, const broadside_response* response,
                                                       broadside_error* error);
/// Of on_stream: the body goes to `reader`, whose callbacks are called until its on_close. Refused: none of them is called.
BROADSIDE_API broadside_status broadside_reply_read(broadside_reply* reply, const broadside_body_reader* reader,
                                                    broadside_error* error);
/// Of authorise: this becomes of the subscription.
BROADSIDE_API broadside_status broadside_reply_decide(broadside_reply* reply, const broadside_decision* decision,
                                                      broadside_error* error);
/// Of on_request and authorise: the answer comes later, by broadside_engine_respond() or broadside_engine_decide() with the
/// request's token.
BROADSIDE_API broadside_status broadside_reply_later(broadside_reply* reply, broadside_error* error);

/// One stream, as hooks see it. Made by the library; valid during the callback alone.
typedef struct broadside_subscriber {
  size_t size;                    ///< Of this structure.
  broadside_slice connection;     ///< 32 hexadecimal digits: for broadside_engine_start_send_to().
  const broadside_slice* topics;  ///< Those it is on.
  size_t topic_count;             ///< How many.
  broadside_slice subject;        ///< As in its admission.
  uint64_t user_data;             ///< As in its admission.
  broadside_position sent;        ///< It has been sent everything up to here, perhaps more: a resume from here loses nothing.
} broadside_subscriber;

/// Why on_lag is called: one of the constants below.
typedef int32_t broadside_lag_outcome;

/// Values of broadside_lag_outcome.
enum {
  BROADSIDE_LAG_IS_SOFT = 0,         ///< Beyond a soft limit, and was not before.
  BROADSIDE_LAG_IS_SKIPPED = 1,      ///< Moved on to newer events; it has been told by broadside.gap.
  BROADSIDE_LAG_IS_DISCONNECTED = 2  ///< Is closed; on_disconnect follows.
};

/// The host. Each hook may be null; then what its comment says last is done. Every call comes on a shard's thread (of a
/// host-driven engine: the host's), from several shards at once; it must be quick, since that shard delivers nothing meanwhile.
/// It may call everything of the engine but stop, destroy, wait_drained and run_once; none is called from inside a publish. What
/// is told of one stream comes in order: on_subscribe first, on_disconnect last.
typedef struct broadside_hooks {
  size_t size;  ///< Of this structure.
  void* user;   ///< Handed to each of them. To be good until broadside_engine_destroy() has returned.
  /// A request that is no subscription, with its whole body. Without a reply: 404.
  void (*on_request)(void* user, const broadside_request* request, broadside_reply* reply) BROADSIDE_NOEXCEPT;
  /// The head of a request with a body, before the body: take it as a stream, of any length and at any pace, or leave it (without
  /// a reply) to on_request, which then gets the body whole if it is not larger than broadside_config::body_bytes_max. Requests
  /// of HTTP/1.0 go to on_request unasked. Leaves it.
  void (*on_stream)(void* user, const broadside_request* request, broadside_reply* reply) BROADSIDE_NOEXCEPT;
  /// GET or HEAD of /events and below: whether `wanted`, which is well-formed, becomes a stream. Without a reply: 403; so nobody
  /// is let in by mistake. Null: it does.
  void (*authorise)(void* user, const broadside_request* request, const broadside_subscribe_request* wanted,
                    broadside_reply* reply) BROADSIDE_NOEXCEPT;
  /// Appends header lines (complete, with CRLF) for answers that the engine gives by itself, e.g. refusals of malformed requests.
  /// Anything else is left out. None.
  void (*common_headers)(void* user, const broadside_request* request, broadside_output* headers) BROADSIDE_NOEXCEPT;
  /// A stream has begun; nothing has been sent yet. Nothing.
  void (*on_subscribe)(void* user, const broadside_subscriber* subscriber) BROADSIDE_NOEXCEPT;
  /// It has ended, for whatever reason; also those that are open when the engine is stopped. Nothing.
  void (*on_disconnect)(void* user, const broadside_subscriber* subscriber, broadside_close_reason reason) BROADSIDE_NOEXCEPT;
  /// It is behind in `topic` by `lag`, and this is what comes of it. Nothing.
  void (*on_lag)(void* user, const broadside_subscriber* subscriber, broadside_slice topic, const broadside_lag* lag,
                 broadside_lag_outcome outcome) BROADSIDE_NOEXCEPT;
} broadside_hooks;

/// Sets the size, and all else to nothing.
static inline void broadside_hooks_init(broadside_hooks* hooks) {
  memset(hooks, 0, sizeof *hooks);
  hooks->size = sizeof *hooks;
}

#ifdef __cplusplus
}
#endif

// NOLINTEND(readability-identifier-naming)
