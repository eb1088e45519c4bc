#include "proto/json_text.h"

#include <cstddef>

#include "proto/utf8.h"

namespace broadside {
namespace {

void append_escape(std::string& out, char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  out += "\\u00";
  out += kDigits[static_cast<unsigned char>(byte) >> 4];
  out += kDigits[static_cast<unsigned char>(byte) & 15];
}

void append_valid(std::string& out, std::string_view text) {
  std::size_t plain_begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (static_cast<unsigned char>(byte) >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text, plain_begin, i - plain_begin);
    append_escape(out, byte);
    plain_begin = i + 1;
  }
  out.append(text, plain_begin);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  out += '"';
  while (!text.empty()) {
    const std::size_t valid_bytes = valid_utf8_prefix(text);
    append_valid(out, text.substr(0, valid_bytes));
    if (valid_bytes == text.size()) break;
    out += kReplacement;
    text.remove_prefix(valid_bytes + 1);
  }
  out += '"';
}

}  // namespace broadside
