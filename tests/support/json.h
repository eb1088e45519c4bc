// Reads single values out of JSON answers, by JSON pointer ("/id", "/topics/0").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace broadside::test {

bool is_json(std::string_view text);
bool json_has(std::string_view text, std::string_view pointer);
bool json_is_null(std::string_view text, std::string_view pointer);
// Empty string when there is no string there.
std::string json_string(std::string_view text, std::string_view pointer);
std::optional<std::int64_t> json_int(std::string_view text, std::string_view pointer);
std::optional<bool> json_bool(std::string_view text, std::string_view pointer);
// The strings of an array; "" as pointer is the whole document.
std::vector<std::string> json_strings(std::string_view text, std::string_view pointer);
// How many elements the array there has; empty when it is none.
std::optional<std::size_t> json_array_size(std::string_view text, std::string_view pointer);

}  // namespace broadside::test
