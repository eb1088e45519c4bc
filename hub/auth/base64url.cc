// See base64url.h.
#include "hub/auth/base64url.h"

#include <cstddef>
#include <cstdint>

namespace broadside::hub {
namespace {

// The six bits that a byte stands for, or -1.
int bits_of(char byte) {
  if (byte >= 'A' && byte <= 'Z') return byte - 'A';
  if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
  if (byte >= '0' && byte <= '9') return byte - '0' + 52;
  if (byte == '-') return 62;
  if (byte == '_') return 63;
  return -1;
}

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (const char byte : text) {
    const int bits = bits_of(byte);
    if (bits < 0) return std::nullopt;
    pending = (pending << 6) | static_cast<std::uint32_t>(bits);
    pending_bits += 6;
    if (pending_bits < 8) continue;
    pending_bits -= 8;
    bytes += static_cast<char>(pending >> pending_bits);
    pending &= (1U << pending_bits) - 1;
  }
  if (pending != 0) return std::nullopt;
  return bytes;
}

}  // namespace broadside::hub
