// Where `publish`, `subscribe` and `load` have their token from, and in which order.
#include "tools/client_token.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/scratch_file.h"

namespace broadside::tools {
namespace {

using test::ScratchFile;

std::string field(const TokenSource& source) {
  const Result<std::string> field = authorization_field(source);
  return field ? field.value() : "refused: " + field.error().message;
}

TEST(ClientToken, is_of_the_flag_then_of_the_file_then_of_the_environment) {
  const ScratchFile file("of.the.file\n");
  EXPECT_EQ(field({}), "");
  setenv(kTokenVariable, "", 1);
  EXPECT_EQ(field({}), "");
  setenv(kTokenVariable, "of.the.environment", 1);
  EXPECT_EQ(field({.text = "of.the.flag", .path = file.path()}), "Authorization: Bearer of.the.flag");
  EXPECT_EQ(field({.text = "", .path = file.path()}), "Authorization: Bearer of.the.file");
  EXPECT_EQ(field({}), "Authorization: Bearer of.the.environment");
  unsetenv(kTokenVariable);
}

TEST(ClientToken, that_no_header_can_carry_is_refused_without_being_shown) {
  const ScratchFile empty(" \n");
  const ScratchFile two("secret secret");
  for (const TokenSource& source :
       {TokenSource{"a\r\nX: y", ""}, TokenSource{"secret secret", ""}, TokenSource{"secr\xC3\xA9t", ""},
        TokenSource{"", empty.path()}, TokenSource{"", two.path()}}) {
    EXPECT_EQ(field(source), "refused: the token is not one word of visible ASCII");
  }
  EXPECT_NE(field({.text = "", .path = "/nowhere/token"}).find("/nowhere/token: cannot be read"), std::string::npos);
}

}  // namespace
}  // namespace broadside::tools
