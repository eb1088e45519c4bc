// Over simdjson's DOM.
#include "tests/support/json.h"

#include <simdjson.h>

namespace broadside::test {
namespace {

// Calls `use` with the element there; a default value when the text is no JSON or has no such place.
template <typename Use>
auto with_element(std::string_view text, std::string_view pointer, Use use) {
  using Value = decltype(use(simdjson::dom::element()));
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(text);
  simdjson::dom::element document;
  if (parser.parse(padded).get(document) != simdjson::SUCCESS) return Value();
  simdjson::dom::element element = document;
  if (!pointer.empty() && document.at_pointer(pointer).get(element) != simdjson::SUCCESS) return Value();
  return use(element);
}

}  // namespace

bool is_json(std::string_view text) {
  return with_element(text, "", [](simdjson::dom::element) { return true; });
}

bool json_has(std::string_view text, std::string_view pointer) {
  return with_element(text, pointer, [](simdjson::dom::element) { return true; });
}

bool json_is_null(std::string_view text, std::string_view pointer) {
  return with_element(text, pointer, [](simdjson::dom::element element) { return element.is_null(); });
}

std::string json_string(std::string_view text, std::string_view pointer) {
  return with_element(text, pointer, [](simdjson::dom::element element) {
    std::string_view value;
    return element.get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
  });
}

std::optional<std::int64_t> json_int(std::string_view text, std::string_view pointer) {
  return with_element(text, pointer, [](simdjson::dom::element element) {
    std::int64_t value = 0;
    return element.get(value) == simdjson::SUCCESS ? std::optional(value) : std::nullopt;
  });
}

std::optional<bool> json_bool(std::string_view text, std::string_view pointer) {
  return with_element(text, pointer, [](simdjson::dom::element element) {
    bool value = false;
    return element.get(value) == simdjson::SUCCESS ? std::optional(value) : std::nullopt;
  });
}

std::vector<std::string> json_strings(std::string_view text, std::string_view pointer) {
  return with_element(text, pointer, [](simdjson::dom::element element) {
    std::vector<std::string> strings;
    simdjson::dom::array array;
    if (element.get(array) != simdjson::SUCCESS) return strings;
    for (simdjson::dom::element item : array) {
      std::string_view value;
      if (item.get(value) == simdjson::SUCCESS) strings.emplace_back(value);
    }
    return strings;
  });
}

std::optional<std::size_t> json_array_size(std::string_view text, std::string_view pointer) {
  return with_element(text, pointer, [](simdjson::dom::element element) {
    simdjson::dom::array array;
    return element.get(array) == simdjson::SUCCESS ? std::optional(array.size()) : std::nullopt;
  });
}

}  // namespace broadside::test
