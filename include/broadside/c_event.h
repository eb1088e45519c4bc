/// @file
/// What a caller of the C API publishes, or writes with the codec. See broadside/c_base.h for the rules of the API.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): C has no namespaces.

#include "broadside/c_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/// One event, as WHATWG HTML section 9.2 knows it. All is UTF-8; broadside_event_init() makes it an event without data.
typedef struct broadside_event {
  size_t size;           ///< Of this structure.
  broadside_slice data;  ///< Any text; CR, LF and CRLF become line borders. At most broadside_config::event_bytes_max.
  broadside_slice type;  ///< `event:`, at most 255 bytes; empty = "message". No CR, LF or NUL; must not begin with `broadside.`.
  broadside_slice id;    ///< The publisher's own id, 1 to 255 bytes; empty = the event's position.
  broadside_slice key;   ///< Names what the event is the newest value of, at most 255 bytes. Kept for policies; not sent.
  uint64_t retry_ms;     ///< `retry:` in milliseconds, if has_retry.
  bool has_retry;        ///< Whether there is a `retry:`.
} broadside_event;

/// Sets the size, and all else to nothing.
static inline void broadside_event_init(broadside_event* event) {
  memset(event, 0, sizeof *event);
  event->size = sizeof *event;
}

#ifdef __cplusplus
}
#endif

// NOLINTEND(readability-identifier-naming)
