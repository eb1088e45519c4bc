// See json_scan.h.
#include "hub/json_scan.h"

#include "base/assert.h"

namespace broadside::hub {
namespace {

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

// The value of a hexadecimal digit, or -1.
int hex_value(char byte) {
  if (is_digit(byte)) return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

bool is_high_surrogate(std::uint32_t code) { return code >= 0xD800 && code <= 0xDBFF; }
bool is_low_surrogate(std::uint32_t code) { return code >= 0xDC00 && code <= 0xDFFF; }

std::uint32_t hex4(std::string_view digits) {
  std::uint32_t code = 0;
  for (const char digit : digits) code = code * 16 + static_cast<std::uint32_t>(hex_value(digit));
  return code;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto push = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xC0 | (code >> 6));
    push(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    push(0xE0 | (code >> 12));
    push(0x80 | ((code >> 6) & 0x3F));
    push(0x80 | (code & 0x3F));
  } else {
    push(0xF0 | (code >> 18));
    push(0x80 | ((code >> 12) & 0x3F));
    push(0x80 | ((code >> 6) & 0x3F));
    push(0x80 | (code & 0x3F));
  }
}

char escaped_byte(char escape) {
  switch (escape) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return escape;  // Quote, backslash, slash.
  }
}

}  // namespace

JsonObjectScanner::Step JsonObjectScanner::fail(const char* reason) {
  // What was found first is the closest to what is wrong.
  if (*reason_ == '\0') reason_ = reason;
  state_ = State::done;
  return Step::invalid;
}

std::string JsonObjectScanner::problem() const { return "not JSON at byte " + std::to_string(at_ + 1) + ": " + reason_; }

void JsonObjectScanner::skip_white_space() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
}

bool JsonObjectScanner::take(char byte) {
  if (at_ == text_.size() || text_[at_] != byte) return false;
  ++at_;
  return true;
}

bool JsonObjectScanner::skip_hex4(std::uint32_t& code) {
  if (text_.size() - at_ < 4) return false;
  const std::string_view digits = text_.substr(at_, 4);
  for (const char digit : digits) {
    if (hex_value(digit) < 0) return false;
  }
  code = hex4(digits);
  at_ += 4;
  return true;
}

// Behind a backslash.
bool JsonObjectScanner::skip_escape() {
  reason_ = "a bad escape in a string";
  if (at_ == text_.size()) return false;
  const char escape = text_[at_++];
  if (escape != 'u') {
    if (std::string_view("\"\\/bfnrt").find(escape) == std::string_view::npos) return false;
    reason_ = "";
    return true;
  }
  std::uint32_t code = 0;
  if (!skip_hex4(code)) return false;
  reason_ = "half a surrogate pair in a string";
  if (is_low_surrogate(code)) return false;
  if (is_high_surrogate(code)) {
    std::uint32_t low = 0;
    if (!take('\\') || !take('u') || !skip_hex4(low) || !is_low_surrogate(low)) return false;
  }
  reason_ = "";
  return true;
}

bool JsonObjectScanner::skip_string() {
  if (!take('"')) {
    reason_ = "a string is missing";
    return false;
  }
  while (at_ < text_.size()) {
    const char byte = text_[at_];
    if (static_cast<unsigned char>(byte) < 0x20) {
      reason_ = "a control character in a string";
      return false;
    }
    ++at_;
    if (byte == '"') return true;
    if (byte == '\\' && !skip_escape()) return false;
  }
  reason_ = "a string without its end";
  return false;
}

bool JsonObjectScanner::skip_digits() {
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  return at_ > begin;
}

bool JsonObjectScanner::skip_number() {
  reason_ = "a bad number";
  (void)take('-');
  if (!take('0') && !skip_digits()) return false;
  if (take('.') && !skip_digits()) return false;
  if (take('e') || take('E')) {
    if (!take('+')) (void)take('-');
    if (!skip_digits()) return false;
  }
  reason_ = "";
  return true;
}

bool JsonObjectScanner::skip_word(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) {
    reason_ = "a value is missing";
    return false;
  }
  at_ += word.size();
  return true;
}

JsonKind JsonObjectScanner::kind_here() const {
  switch (at_ < text_.size() ? text_[at_] : '\0') {
    case '"':
      return JsonKind::string;
    case '{':
      return JsonKind::object;
    case '[':
      return JsonKind::array;
    case 't':
    case 'f':
      return JsonKind::boolean;
    case 'n':
      return JsonKind::null;
    default:
      return JsonKind::number;
  }
}

bool JsonObjectScanner::skip_scalar() {
  if (at_ == text_.size()) {
    reason_ = "a value is missing";
    return false;
  }
  switch (text_[at_]) {
    case '"':
      return skip_string();
    case 't':
      return skip_word("true");
    case 'f':
      return skip_word("false");
    case 'n':
      return skip_word("null");
    default:
      if (text_[at_] == '-' || is_digit(text_[at_])) return skip_number();
      reason_ = "a value is missing";
      return false;
  }
}

// A member's name and its colon.
bool JsonObjectScanner::skip_name() {
  skip_white_space();
  if (!skip_string()) return false;
  skip_white_space();
  if (take(':')) return true;
  reason_ = "a colon is missing";
  return false;
}

// Iterative, so that no depth of nesting can exhaust the stack.
bool JsonObjectScanner::skip_value() {
  BROADSIDE_ASSERT(open_.empty());
  for (;;) {
    skip_white_space();
    const JsonKind kind = kind_here();
    bool is_complete = true;
    if (kind == JsonKind::object || kind == JsonKind::array) {
      const bool is_object = kind == JsonKind::object;
      // With the object that is being walked over, and this one.
      if (open_.size() + 2 > kDepthMax) {
        reason_ = "nested too deeply";
        return false;
      }
      ++at_;
      skip_white_space();
      if (!take(is_object ? '}' : ']')) {
        is_complete = false;
        open_ += is_object ? '}' : ']';
        if (is_object && !skip_name()) return false;
      }
    } else if (!skip_scalar()) {
      return false;
    }
    while (is_complete) {
      if (open_.empty()) return true;
      skip_white_space();
      if (take(open_.back())) {
        open_.pop_back();
      } else if (take(',')) {
        is_complete = false;
        if (open_.back() == '}' && !skip_name()) return false;
      } else {
        reason_ = "a comma or a closing bracket is missing";
        return false;
      }
    }
  }
}

JsonObjectScanner::Step JsonObjectScanner::next() {
  BROADSIDE_ASSERT(state_ != State::done);
  skip_white_space();
  const bool is_first = state_ == State::begin;
  if (is_first && !take('{')) return fail("an object is missing");
  state_ = State::inside;
  if (is_first) skip_white_space();
  if (take('}')) {
    skip_white_space();
    if (at_ < text_.size()) return fail("something behind the object");
    state_ = State::done;
    return Step::end;
  }
  if (!is_first && !take(',')) return fail("a comma or a closing bracket is missing");
  skip_white_space();
  const std::size_t name_begin = at_;
  if (!skip_name()) return fail("a name is missing");
  const std::string_view written = text_.substr(name_begin, at_ - name_begin);
  name_.clear();
  append_unquoted(name_, written.substr(0, written.rfind('"') + 1));
  skip_white_space();
  kind_ = kind_here();
  const std::size_t value_begin = at_;
  if (!skip_value()) return fail("a value is missing");
  value_ = text_.substr(value_begin, at_ - value_begin);
  return Step::member;
}

void append_unquoted(std::string& out, std::string_view quoted) {
  BROADSIDE_ASSERT(quoted.size() >= 2);
  std::string_view rest = quoted.substr(1, quoted.size() - 2);
  for (;;) {
    const std::size_t plain_bytes = rest.find('\\');
    out += rest.substr(0, plain_bytes);
    if (plain_bytes == std::string_view::npos) return;
    const char escape = rest[plain_bytes + 1];
    rest.remove_prefix(plain_bytes + 2);
    if (escape != 'u') {
      out += escaped_byte(escape);
      continue;
    }
    std::uint32_t code = hex4(rest.substr(0, 4));
    rest.remove_prefix(4);
    if (is_high_surrogate(code)) {
      code = 0x10000 + ((code - 0xD800) << 10) + (hex4(rest.substr(2, 4)) - 0xDC00);
      rest.remove_prefix(6);
    }
    append_utf8(out, code);
  }
}

}  // namespace broadside::hub
