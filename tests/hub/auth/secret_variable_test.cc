// Secrets leave the environment when they are read, and stay known.
#include "hub/auth/secret_variable.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace broadside::hub {
namespace {

TEST(SecretVariable, is_overwritten_where_it_stood_and_remembered) {
  ASSERT_EQ(setenv("BROADSIDE_TEST_TAKEN", "a secret", 1), 0);
  const char* const stood = getenv("BROADSIDE_TEST_TAKEN");
  EXPECT_EQ(take_secret_variable("BROADSIDE_TEST_TAKEN"), "a secret");
  EXPECT_EQ(std::string(stood, 8), std::string(8, '\0'));
  EXPECT_EQ(take_secret_variable("BROADSIDE_TEST_TAKEN"), "a secret");
}

TEST(SecretVariable, may_be_missing_and_come_later) {
  EXPECT_EQ(take_secret_variable("BROADSIDE_TEST_MISSING"), std::nullopt);
  ASSERT_EQ(setenv("BROADSIDE_TEST_MISSING", "", 1), 0);
  EXPECT_EQ(take_secret_variable("BROADSIDE_TEST_MISSING"), "");
  ASSERT_EQ(setenv("BROADSIDE_TEST_MISSING", "here", 1), 0);
  EXPECT_EQ(take_secret_variable("BROADSIDE_TEST_MISSING"), "here");
}

}  // namespace
}  // namespace broadside::hub
