/// @file
/// What all of the C API shares: strings, outcomes, positions. The API is a stable ABI over the whole of Broadside, for C99 and
/// every language that can call it; broadside/c_api.h is the engine, broadside/c_sse.h the codec alone. Its rules:
///
/// - Whatever a call is handed is copied before it returns; whatever a callback is handed is valid until that returns. Where it
/// is
///   otherwise the comment says so.
/// - A structure that begins with `size` may grow at its end. Its `_init` function sets the size and the defaults; of what
/// program
///   and library do not both know, nothing is read or written. A program that sets what an older library does not know is
///   refused. All other structures stay as they are for good.
/// - What may be refused returns a broadside_status, and says why in `error`, which may be null. Pointers may be null where the
///   comment says so; anywhere else that is BROADSIDE_INVALID_ARGUMENT, and never a crash.
/// - Enumerations travel as int32_t. A value that is none of the constants is BROADSIDE_INVALID_ARGUMENT.
/// - No C++ exception comes out of a call, and none may come out of a callback.
#pragma once

// NOLINTBEGIN(readability-identifier-naming): C has no namespaces.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "broadside/export.h"
#include "broadside/version.h"

/// Of callbacks, where the language can say it: they do not throw.
#if defined(__cplusplus) && __cplusplus >= 201703L
#define BROADSIDE_NOEXCEPT noexcept
#else
#define BROADSIDE_NOEXCEPT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// Some bytes: `size` of them from `data` on, which may be null if there are none. Text is UTF-8 and need not end in NUL.
typedef struct broadside_slice {
  const char* data;  ///< The first one.
  size_t size;       ///< How many, without any NUL behind them.
} broadside_slice;

/// A text that ends in NUL, as a slice; null becomes an empty one. It is not copied.
static inline broadside_slice broadside_text(const char* text) {
  broadside_slice slice;
  slice.data = text;
  slice.size = text == NULL ? 0 : strlen(text);
  return slice;
}

/// What became of a call: one of the constants below.
typedef int32_t broadside_status;

/// Values of broadside_status.
enum {
  BROADSIDE_OK = 0,                ///< It is done.
  BROADSIDE_INVALID_ARGUMENT = 1,  ///< The caller's value is outside its documented range, or null.
  BROADSIDE_ADDRESS_IN_USE = 2,    ///< A listen address is taken.
  BROADSIDE_UNAVAILABLE = 3,       ///< The kernel refuses something that is needed, or too much is under way.
  BROADSIDE_OUT_OF_MEMORY = 4,     ///< A memory bound was reached; nothing was changed.
  BROADSIDE_TOO_LARGE = 5,         ///< Larger than a configured limit, or than the caller's buffer.
  BROADSIDE_STOPPED = 6            ///< The engine no longer takes this, or does not take it yet.
};

/// Room for the reason of a refusal, for people: what was tried, on what, and what to do about it. The caller's own; nothing need
/// be set before a call.
typedef struct broadside_error {
  char message[512];  ///< Ends in NUL; cut if it is longer. Empty when the call was not refused.
} broadside_error;

/// Where an event stands in the total order of one engine: milliseconds since 1970 in the upper 44 bits, a counter within the
/// millisecond in the lower 20. Written `<milliseconds>-<counter>` it is the default id of events. 0 is before every event.
typedef uint64_t broadside_position;

/// Milliseconds since 1970 of a position.
static inline uint64_t broadside_position_milliseconds(broadside_position position) { return position >> 20; }
/// The counter within the millisecond of a position.
static inline uint64_t broadside_position_counter(broadside_position position) { return position & 0xfffffU; }

/// "ok", "invalid_argument", "address_in_use", ... in static memory; "unknown" for what is no status. Any thread.
BROADSIDE_API const char* broadside_status_name(broadside_status status);

/// The version of the library that runs, as BROADSIDE_VERSION is that of these headers: "0.1.0". Any thread.
BROADSIDE_API const char* broadside_version(void);
/// The same as one number, as BROADSIDE_VERSION_NUMBER. Any thread.
BROADSIDE_API uint32_t broadside_version_number(void);

#ifdef __cplusplus
}
#endif

// NOLINTEND(readability-identifier-naming)
