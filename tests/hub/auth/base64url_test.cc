// base64url is read in one way, or not at all.
#include "hub/auth/base64url.h"

#include <gtest/gtest.h>

#include "tests/support/token_forge.h"

namespace broadside::hub {
namespace {

TEST(Base64url, reads_what_rfc_4648_has_as_examples) {
  EXPECT_EQ(decode_base64url(""), "");
  EXPECT_EQ(decode_base64url("Zg"), "f");
  EXPECT_EQ(decode_base64url("Zm8"), "fo");
  EXPECT_EQ(decode_base64url("Zm9v"), "foo");
  EXPECT_EQ(decode_base64url("Zm9vYg"), "foob");
  EXPECT_EQ(decode_base64url("-_8"), "\xFB\xFF");
}

TEST(Base64url, reads_back_all_bytes_in_all_lengths) {
  std::string bytes;
  for (int length = 0; length < 300; ++length) {
    EXPECT_EQ(decode_base64url(test::encode_base64url(bytes)), bytes) << length;
    bytes += static_cast<char>(length * 167 + 3);
  }
}

TEST(Base64url, refuses_what_could_be_written_otherwise) {
  for (const char* bad : {"Z", "Zm9vY", "Zg==", "Zg=", "Zm8=", "Zm9v\n", " Zm9v", "Zm 9v", "+/8", "-_8=", "Zm9v.", "Zh", "Zn",
                          "Zm9", "Zm9\xC3\xA9"}) {
    EXPECT_EQ(decode_base64url(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(decode_base64url(std::string_view("Zm\0v", 4)), std::nullopt);
}

}  // namespace
}  // namespace broadside::hub
