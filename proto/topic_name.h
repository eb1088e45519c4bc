// Topic names and the patterns that select them.
#pragma once

#include <string_view>

namespace broadside {

// 1 to 255 bytes of UTF-8 without control characters (C0, DEL, C1).
[[nodiscard]] bool is_valid_topic(std::string_view name);

// Whether all of `name` is matched by `pattern`, in which `*` stands for any run of bytes, also an empty one, and nothing
// else is special. Time is at most the product of the lengths.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view name);

}  // namespace broadside
