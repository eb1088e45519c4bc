// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace broadside {

// The number of bytes at the start of `text` that are whole, valid characters; text.size() if all are.
[[nodiscard]] std::size_t valid_utf8_prefix(std::string_view text);

[[nodiscard]] bool is_valid_utf8(std::string_view text);

// Whether `text`, which must be valid UTF-8, has a control character: U+0000 to U+001F, U+007F to U+009F.
[[nodiscard]] bool has_control_characters(std::string_view text);

}  // namespace broadside
