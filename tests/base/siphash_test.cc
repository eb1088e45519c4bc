// The hash against its authors' own vectors, and what a keyed hash must tell apart.
#include "base/siphash.h"

#include <gtest/gtest.h>

#include <string>

namespace broadside {
namespace {

// The authors' key: the bytes 0 to 15.
constexpr SipHashKey kKey = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::string counted_bytes(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i);
  return bytes;
}

TEST(SipHash, gives_the_values_of_its_authors) {
  // Of the reference implementation's vectors: none, some, and whole words of input; the 15 bytes are the paper's example.
  EXPECT_EQ(siphash(kKey, counted_bytes(0)), 0x726fdb47dd0e0e31U);
  EXPECT_EQ(siphash(kKey, counted_bytes(1)), 0x74f839c593dc67fdU);
  EXPECT_EQ(siphash(kKey, counted_bytes(7)), 0xab0200f58b01d137U);
  EXPECT_EQ(siphash(kKey, counted_bytes(8)), 0x93f5f5799a932462U);
  EXPECT_EQ(siphash(kKey, counted_bytes(15)), 0xa129ca6149be45e5U);
  EXPECT_EQ(siphash(kKey, counted_bytes(16)), 0x3f2acc7f57c29bdbU);
}

TEST(SipHash, tells_apart_what_differs_in_zeros_alone) {
  EXPECT_NE(siphash(kKey, std::string_view("a")), siphash(kKey, std::string_view("a\0", 2)));
  EXPECT_NE(siphash(kKey, std::string(8, '\0')), siphash(kKey, std::string(16, '\0')));
}

TEST(SipHash, depends_on_both_words_of_the_key) {
  EXPECT_NE(siphash(kKey, "topic"), siphash({kKey[0] + 1, kKey[1]}, "topic"));
  EXPECT_NE(siphash(kKey, "topic"), siphash({kKey[0], kKey[1] + 1}, "topic"));
}

}  // namespace
}  // namespace broadside
