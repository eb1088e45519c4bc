// The byte classes of HTTP (RFC 9110 section 5.6), and white space around values.
#pragma once

#include <string_view>

namespace broadside {

// tchar: what names of methods and fields are made of.
[[nodiscard]] constexpr bool is_token_byte(unsigned char byte) {
  if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')) return true;
  return byte != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(byte)) != std::string_view::npos;
}

// What a field line is made of: visible ASCII, space, tab, and bytes above ASCII (obs-text). No control characters.
[[nodiscard]] constexpr bool is_field_byte(unsigned char byte) { return (byte >= 0x20 && byte != 0x7F) || byte == '\t'; }

// `text` without the spaces and tabs at its ends.
[[nodiscard]] constexpr std::string_view without_white_space(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace broadside
