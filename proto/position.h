// Positions as text, `<milliseconds>-<counter>` in decimal: formats them and parses them. The type is broadside/position.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "broadside/position.h"

namespace broadside {

// 14 digits of 44 bits, the hyphen and 7 digits of 20 bits are 22 bytes; rounded up to a round number.
constexpr std::size_t kPositionTextMax = 32;

// Writes `position` to `out` without a terminator and returns the number of bytes. Requires: kPositionTextMax bytes at `out`.
std::size_t format_position(Position position, char* out);
[[nodiscard]] std::string to_string(Position position);

// Whether `text` is digits, a hyphen and digits. Ids of this form are the engine's own, whether or not they are in range.
[[nodiscard]] bool is_position_form(std::string_view text);

// The position that `text` names; nothing if it is not of the form, has leading zeros, or is out of range. So each position
// has exactly one text.
[[nodiscard]] std::optional<Position> parse_position(std::string_view text);

}  // namespace broadside
