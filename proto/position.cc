#include "proto/position.h"

#include <charconv>

#include "base/assert.h"

namespace broadside {
namespace {

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

// The number in `digits`, at most `max`; nothing if it is larger or has a leading zero.
std::optional<std::uint64_t> parse_number(std::string_view digits, std::uint64_t max) {
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number > max) return std::nullopt;
  return number;
}

}  // namespace

std::size_t format_position(Position position, char* out) {
  char* end = std::to_chars(out, out + kPositionTextMax, position.milliseconds()).ptr;
  *end++ = '-';
  end = std::to_chars(end, out + kPositionTextMax, position.counter()).ptr;
  const auto length = static_cast<std::size_t>(end - out);
  BROADSIDE_ASSERT(length <= kPositionTextMax);
  return length;
}

std::string to_string(Position position) {
  char text[kPositionTextMax];
  return std::string(text, format_position(position, text));
}

bool is_position_form(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && is_digit(text[i])) ++i;
  if (i == 0 || i == text.size() || text[i] != '-') return false;
  const std::size_t counter_begin = ++i;
  while (i < text.size() && is_digit(text[i])) ++i;
  return i == text.size() && i > counter_begin;
}

std::optional<Position> parse_position(std::string_view text) {
  constexpr std::uint64_t kMillisecondsMax = ~std::uint64_t{0} >> Position::kCounterBits;
  if (!is_position_form(text)) return std::nullopt;
  const std::size_t hyphen = text.find('-');
  const auto milliseconds = parse_number(text.substr(0, hyphen), kMillisecondsMax);
  const auto counter = parse_number(text.substr(hyphen + 1), Position::kCounterMax);
  if (!milliseconds || !counter) return std::nullopt;
  return Position::of(*milliseconds, *counter);
}

}  // namespace broadside
