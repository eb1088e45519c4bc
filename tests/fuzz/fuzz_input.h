// What the fuzzers share: how they fail, and how they hand their input to what is tried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace broadside::fuzz {

constexpr std::size_t kInputBytesMax = 16 * 1024;

inline void require(bool condition) {
  if (!condition) std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A copy in an allocation of the exact size, so that the sanitizer sees each byte read behind it, or after it is gone.
class ExactBytes {
 public:
  explicit ExactBytes(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

// Cuts a number off the front of `rest`; 0 at the end.
inline std::uint8_t take_byte(std::string_view& rest) {
  if (rest.empty()) return 0;
  const auto byte = static_cast<std::uint8_t>(rest.front());
  rest.remove_prefix(1);
  return byte;
}

// Cuts a piece off whose length is its first byte.
inline std::string_view take_piece(std::string_view& rest) {
  const std::size_t length = take_byte(rest);
  const std::string_view piece = rest.substr(0, length);
  rest.remove_prefix(piece.size());
  return piece;
}

// Cuts off what stands before the next line feed, and that.
inline std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace broadside::fuzz
