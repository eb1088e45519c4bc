// SipHash-2-4 (Aumasson and Bernstein, 2012): a hash for tables whose keys strangers choose. Who does not know the key cannot
// find names that collide, which hashes without a key, and fast ones with a seed, do not promise. No secrets besides the key; not
// for signatures.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace broadside {

using SipHashKey = std::array<std::uint64_t, 2>;

namespace siphash_detail {

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

// The first `count` bytes, at most eight, as a little-endian number.
inline std::uint64_t load(const char* bytes, std::size_t count) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, count);
  return word;
}

}  // namespace siphash_detail

[[nodiscard]] inline std::uint64_t siphash(const SipHashKey& key, std::string_view text) {
  // The constants are the authors': "somepseudorandomlygeneratedbytes".
  siphash_detail::State state{.v0 = key[0] ^ 0x736f6d6570736575,
                              .v1 = key[1] ^ 0x646f72616e646f6d,
                              .v2 = key[0] ^ 0x6c7967656e657261,
                              .v3 = key[1] ^ 0x7465646279746573};
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) state.take(siphash_detail::load(text.data() + at, 8));
  const std::uint64_t rest = text.size() == at ? 0 : siphash_detail::load(text.data() + at, text.size() - at);
  state.take(rest | static_cast<std::uint64_t>(text.size()) << 56);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace broadside
