/// @file
/// What a caller publishes. Views must stay valid until publish() returns; the engine keeps its own encoded copy.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace broadside {

/// One event, as WHATWG HTML section 9.2 knows it. Everything is UTF-8.
struct Event {
  std::string_view data;                  ///< Any text; CR, LF and CRLF become line borders. At most Config::event_bytes_max.
  std::string_view type;                  ///< `event:`; empty = "message". No CR, LF or NUL; must not begin with `broadside.`.
  std::string_view id;                    ///< The publisher's own id, 1 to 255 bytes; empty = the event's position.
  std::optional<std::uint64_t> retry_ms;  ///< `retry:` in milliseconds.
  std::string_view key;                   ///< Names what the event is the newest value of. Kept for policies; not sent.
};

}  // namespace broadside
