/// @file
/// The codec of text/event-stream (WHATWG HTML, section 9.2) for the C API: events to bytes, and bytes to events as they come in.
/// Of libbroadside, and alone in libbroadside_sse (CMake: broadside::sse). No system calls, no threads: functions may be called
/// from any thread, a decoder from one at a time. See broadside/c_base.h for the rules of the API.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): C has no namespaces.

#include "broadside/c_base.h"
#include "broadside/c_event.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Writes `event` to `buffer` as one block: an `id:` line if it has an id, an `event:` line if it has a type, a `retry:` line if
/// it has a time, a `data:` line for each line of its data (at least one), and a blank line. Each line ends in LF; no NUL is
/// added.
/// `*written` (may be null) is how many bytes these are, also when they are more than `buffer_size`: then it is
/// BROADSIDE_TOO_LARGE and `buffer`, which may be null if the size is 0, is as it was. BROADSIDE_INVALID_ARGUMENT: `data`, `type`
/// or `id` is not UTF-8, or the `type` or `id` has a CR, LF or NUL. Any size will do; `key` is not looked at.
BROADSIDE_API broadside_status broadside_sse_write_event(const broadside_event* event, char* buffer, size_t buffer_size,
                                                         size_t* written, broadside_error* error);
/// Writes a block of `retry:` alone, as broadside_sse_write_event(): how many milliseconds the client waits before it reconnects.
/// No event comes of it.
BROADSIDE_API broadside_status broadside_sse_write_retry(uint64_t retry_ms, char* buffer, size_t buffer_size, size_t* written,
                                                         broadside_error* error);
/// Writes a comment, as broadside_sse_write_event(): a line of colon and text for each line of `text` (at least one), and a blank
/// line. Clients pass over it; an empty one is what keeps a silent connection open (9.2.7).
BROADSIDE_API broadside_status broadside_sse_write_comment(broadside_slice text, char* buffer, size_t buffer_size,
                                                           size_t* written, broadside_error* error);

/// An event as a client gets it. Made by the library.
typedef struct broadside_sse_event {
  size_t size;                    ///< Of this structure.
  broadside_slice type;           ///< "message" if the block named none.
  broadside_slice data;           ///< Lines joined by LF.
  broadside_slice last_event_id;  ///< The newest id of the stream, which may be an earlier block's; may be empty.
} broadside_sse_event;

/// Who is told what was decoded, in the order of the stream, during broadside_sse_decoder_feed(). Must not call the decoder.
typedef struct broadside_sse_sink {
  size_t size;  ///< Of this structure.
  void* user;   ///< Handed to the three below, each of which may be null.
  /// An event was dispatched: its block had data and was ended by a blank line.
  void (*on_event)(void* user, const broadside_sse_event* event) BROADSIDE_NOEXCEPT;
  /// The server asks to wait so many milliseconds before a reconnect, from now on.
  void (*on_retry)(void* user, uint64_t retry_ms) BROADSIDE_NOEXCEPT;
  /// A comment; `text` is what follows the colon.
  void (*on_comment)(void* user, broadside_slice text) BROADSIDE_NOEXCEPT;
} broadside_sse_sink;

/// Sets the size, and all else to nothing.
static inline void broadside_sse_sink_init(broadside_sse_sink* sink) {
  memset(sink, 0, sizeof *sink);
  sink->size = sizeof *sink;
}

/// Bytes to events, incrementally, as 9.2.6 has it: pieces may end anywhere. Bytes are passed on as they came: replacing what is
/// not UTF-8 (the standard's first step) is left to whoever shows them.
typedef struct broadside_sse_decoder broadside_sse_decoder;

/// Makes a decoder. `bytes_max` bounds a line, and the data of an event, in bytes; 0 = 16 MiB.
BROADSIDE_API broadside_status broadside_sse_decoder_create(size_t bytes_max, broadside_sse_decoder** decoder,
                                                            broadside_error* error);
/// Frees it; null is nothing.
BROADSIDE_API void broadside_sse_decoder_destroy(broadside_sse_decoder* decoder);
/// Decodes the next bytes of the stream. BROADSIDE_TOO_LARGE: a line or an event was longer than the bound; nothing behind that
/// is decoded, and every further call says the same, until a restart.
BROADSIDE_API broadside_status broadside_sse_decoder_feed(broadside_sse_decoder* decoder, broadside_slice bytes,
                                                          const broadside_sse_sink* sink, broadside_error* error);
/// The id to resume from (Last-Event-ID): that of the last block that was ended by a blank line. An id in a block cut short does
/// not count. Empty: none. Good until the next call.
BROADSIDE_API broadside_slice broadside_sse_decoder_last_event_id(const broadside_sse_decoder* decoder);
/// Begins a new stream after a reconnect: an unfinished block is dropped, the last event id stays, as browsers have it.
BROADSIDE_API broadside_status broadside_sse_decoder_restart(broadside_sse_decoder* decoder, broadside_error* error);
/// The same with another last event id, for example one kept from an earlier run.
BROADSIDE_API broadside_status broadside_sse_decoder_restart_after(broadside_sse_decoder* decoder, broadside_slice last_event_id,
                                                                   broadside_error* error);

#ifdef __cplusplus
}
#endif

// NOLINTEND(readability-identifier-naming)
