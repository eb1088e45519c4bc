// Events to bytes: text/event-stream as WHATWG HTML 9.2.5 has it. A frame is the id line, then `event:`, `retry:` and `data:`
// lines, then a blank line; every line ends in LF. All but the id line can be written before the position is known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broadside/event.h"

namespace broadside {

// Why an event cannot be published.
enum class EventRefusal : std::uint8_t {
  none,
  data_too_large,  // More than the limit.
  data_not_utf8,
  type_too_long,  // More than kTypeBytesMax.
  type_invalid,   // A line break, a NUL, or not UTF-8.
  type_reserved,  // Begins with `broadside.`.
  id_too_long,    // More than kIdBytesMax.
  id_invalid,     // A control character, a space at either end, or not UTF-8.
  id_reserved,    // Of position form: those are the engine's own.
  key_too_long,   // More than kKeyBytesMax.
  key_not_utf8,
};

// One sentence for people, without a full stop; "" for none.
[[nodiscard]] const char* explain(EventRefusal refusal);

// Whether `event` may be published. An empty type is "message", an empty id is the position's.
[[nodiscard]] EventRefusal check_event(const Event& event, std::uint64_t data_bytes_max);

// Whether `id`, which must not be empty, may be a publisher's own: 1 to 255 bytes of UTF-8, no control characters, no space at
// either end, not of position form.
[[nodiscard]] EventRefusal check_id(std::string_view id);

// Appends `id: <id>` and LF.
void append_id_line(std::string& out, std::string_view id);

// Appends all of the frame after the id line. Requires: check_event() said none.
void append_event_body(std::string& out, const Event& event);

// Appends a whole frame of the engine's own (broadside.open, broadside.gap, broadside.end), whose type check_event() refuses.
// Requires: neither `type` nor `id` nor `json_data` has a line break.
void append_own_event(std::string& out, std::string_view type, std::string_view id, std::string_view json_data,
                      std::optional<std::uint64_t> retry_ms);

}  // namespace broadside
