// std::memchr() for half-open ranges, as both directions of the codec search for line ends.
#pragma once

#include <cstddef>
#include <cstring>

namespace broadside {

// The first `byte` in [begin, end), or `end`. Null for both is an empty range.
[[nodiscard]] inline const char* find_byte(const char* begin, const char* end, char byte) {
  if (begin == end) return end;
  const void* at = std::memchr(begin, byte, static_cast<std::size_t>(end - begin));
  return at != nullptr ? static_cast<const char*>(at) : end;
}

}  // namespace broadside
