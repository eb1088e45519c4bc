// See json_object.h.
#include "hub/auth/json_object.h"

namespace broadside::hub {

bool JsonObject::parse(std::string_view text) {
  // simdjson copies from where it is told to, and the view may be null.
  if (text.empty()) return false;
  // The bound of the depth is given with the memory, which the parser then keeps.
  if (parser_.allocate(text.size(), kDepthMax) != simdjson::SUCCESS) return false;
  // parse() copies the text: simdjson reads some bytes beyond its end.
  return parser_.parse(text.data(), text.size()).get_object().get(members_) == simdjson::SUCCESS;
}

std::optional<std::string_view> string_of(simdjson::dom::element value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

bool read_strings(simdjson::dom::element value, std::vector<std::string>& out) {
  out.clear();
  simdjson::dom::array elements;
  if (value.get_array().get(elements) != simdjson::SUCCESS) return false;
  for (const simdjson::dom::element element : elements) {
    const std::optional<std::string_view> text = string_of(element);
    if (!text) return false;
    out.emplace_back(*text);
  }
  return true;
}

}  // namespace broadside::hub
