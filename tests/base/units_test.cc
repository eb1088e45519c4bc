// The units are what their names say.
#include "base/units.h"

#include <gtest/gtest.h>

#include "base/assert.h"

namespace broadside {
namespace {

TEST(Units, are_multiples_of_each_other) {
  EXPECT_EQ(1000 * kMicrosecond, kMillisecond);
  EXPECT_EQ(1000 * kMillisecond, kSecond);
  EXPECT_EQ(1024 * kKiB, kMiB);
}

TEST(AssertDeathTest, prints_the_expression_and_aborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(BROADSIDE_ASSERT(1 + 1 == 3), "1 \\+ 1 == 3");
}

TEST(Assert, does_nothing_when_the_condition_holds) { BROADSIDE_ASSERT(1 + 1 == 2); }

}  // namespace
}  // namespace broadside
