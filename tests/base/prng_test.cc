// The generator that seeds, jitter and tests rely on: the same seed gives the same numbers, and they spread.
#include "base/prng.h"

#include <gtest/gtest.h>

#include <array>

namespace broadside {
namespace {

TEST(Prng, gives_the_same_numbers_for_the_same_seed) {
  Prng a(42);
  Prng b(42);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(a.next(), b.next());
}

TEST(Prng, gives_other_numbers_for_neighbouring_seeds) {
  Prng a(1);
  Prng b(2);
  int same = 0;
  for (int i = 0; i < 1000; ++i) same += a.next() == b.next() ? 1 : 0;
  EXPECT_EQ(same, 0);
}

TEST(Prng, works_with_seed_zero) {
  Prng prng(0);
  EXPECT_NE(prng.next() | prng.next(), 0U);
}

TEST(Prng, stays_below_the_bound_and_reaches_every_value) {
  Prng prng(7);
  EXPECT_EQ(prng.below(1), 0U);
  std::array<int, 10> seen{};
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t value = prng.below(seen.size());
    ASSERT_LT(value, seen.size());
    ++seen[value];
  }
  // 1,000 each is expected with a deviation of 30: the seed is fixed, so this is no matter of luck.
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace broadside
