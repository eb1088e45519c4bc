// Walks over the members of one JSON object (RFC 8259) and gives each value as the bytes it was written in, because event data
// is passed on byte for byte: a parser that turns numbers into numbers would refuse or change `1e400` and long integers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace broadside::hub {

enum class JsonKind : std::uint8_t { string, number, object, array, boolean, null };

// `text` is checked as it is walked over: what next() has passed is valid JSON, and `end` says that all of it is.
class JsonObjectScanner {
 public:
  enum class Step : std::uint8_t {
    member,   // name(), kind() and value() are the next member.
    end,      // The object is closed and nothing stands behind it.
    invalid,  // Not JSON, or no object; problem() says where.
  };
  // Deeper values are refused. simdjson and most other readers stop at the same depth.
  static constexpr std::size_t kDepthMax = 1024;

  // Requires: `text` is valid UTF-8 and outlives this.
  explicit JsonObjectScanner(std::string_view text) : text_(text) {}

  [[nodiscard]] Step next();
  [[nodiscard]] const std::string& name() const { return name_; }  // Unescaped.
  [[nodiscard]] JsonKind kind() const { return kind_; }
  [[nodiscard]] std::string_view value() const { return value_; }  // As written, quotes included.
  [[nodiscard]] std::string problem() const;                       // "not JSON at byte 17: ...".

 private:
  enum class State : std::uint8_t { begin, inside, done };

  Step fail(const char* reason);
  void skip_white_space();
  [[nodiscard]] bool take(char byte);
  [[nodiscard]] bool skip_string();
  [[nodiscard]] bool skip_escape();
  [[nodiscard]] bool skip_hex4(std::uint32_t& code);
  [[nodiscard]] bool skip_digits();
  [[nodiscard]] bool skip_number();
  [[nodiscard]] bool skip_word(std::string_view word);
  [[nodiscard]] bool skip_scalar();
  [[nodiscard]] bool skip_name();
  [[nodiscard]] bool skip_value();
  [[nodiscard]] JsonKind kind_here() const;

  std::string_view text_;
  std::size_t at_ = 0;
  State state_ = State::begin;
  const char* reason_ = "";
  std::string name_;
  JsonKind kind_ = JsonKind::null;
  std::string_view value_;
  std::string open_;  // The brackets that are open inside the value under way.
};

// Appends what a JSON string means. Requires: `quoted` is a value of kind string that the scanner gave.
void append_unquoted(std::string& out, std::string_view quoted);

}  // namespace broadside::hub
