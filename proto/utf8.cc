#include "proto/utf8.h"

#include <cstdint>
#include <cstring>

namespace broadside {
namespace {

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// The length of the valid character of two to four bytes at `at`, of which `left` bytes are there; 0 if there is none.
// The bounds of the second byte exclude overlong forms, surrogates and what is above U+10FFFF (RFC 3629 section 4).
std::size_t character_length(const unsigned char* at, std::size_t left) {
  const unsigned char lead = at[0];
  if (lead < 0xC2 || lead > 0xF4 || left < 2) return 0;
  if (lead < 0xE0) return is_continuation(at[1]) ? 2 : 0;
  const unsigned char second_min = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char second_max = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (at[1] < second_min || at[1] > second_max) return 0;
  if (left < 3 || !is_continuation(at[2])) return 0;
  if (lead < 0xF0) return 3;
  return left >= 4 && is_continuation(at[3]) ? 4 : 0;
}

}  // namespace

std::size_t valid_utf8_prefix(std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const std::size_t size = text.size();
  std::size_t i = 0;
  while (i < size) {
    // Most text is ASCII: eight bytes at a time while no high bit is set.
    while (size - i >= 8) {
      std::uint64_t word;
      std::memcpy(&word, bytes + i, 8);
      if ((word & 0x8080808080808080U) != 0) break;
      i += 8;
    }
    while (i < size && bytes[i] < 0x80) ++i;
    while (i < size && bytes[i] >= 0x80) {
      const std::size_t length = character_length(bytes + i, size - i);
      if (length == 0) return i;
      i += length;
    }
  }
  return size;
}

bool is_valid_utf8(std::string_view text) { return valid_utf8_prefix(text) == text.size(); }

bool has_control_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) return true;
    // C1 is C2 80 to C2 9F, and C2 is never a continuation byte.
    if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return true;
  }
  return false;
}

}  // namespace broadside
