// Parses the JSON objects of tokens and key sets: at most so deep, and UTF-8.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace broadside::hub {

// One parsed object; the views of its members live as long as this.
class JsonObject {
 public:
  // Objects and arrays inside of each other. A key set needs three levels, rights four.
  static constexpr std::size_t kDepthMax = 16;

  // False: not JSON, not an object, or too deep.
  [[nodiscard]] bool parse(std::string_view text);
  // Requires: parse() was true.
  [[nodiscard]] simdjson::dom::object members() const { return members_; }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::object members_;
};

// The value as a string; nothing if it is none.
[[nodiscard]] std::optional<std::string_view> string_of(simdjson::dom::element value);
// Replaces `out` by an array's strings. False: it is no array, or one with something else in it.
[[nodiscard]] bool read_strings(simdjson::dom::element value, std::vector<std::string>& out);

}  // namespace broadside::hub
