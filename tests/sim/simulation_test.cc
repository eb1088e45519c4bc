// Thousands of whole lives. What they have found stands in scripted_test.cc and beside the tests of the layers.
#include "tests/sim/simulation.h"

#include <gtest/gtest.h>

namespace broadside::sim {
namespace {

constexpr std::uint64_t kSeedsPerTest = 1000;

class Seeds : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, deliver_what_the_oracle_says) {
  const std::uint64_t first = GetParam() * kSeedsPerTest + 1;
  for (std::uint64_t seed = first; seed < first + kSeedsPerTest; ++seed) ASSERT_EQ(run_seed(seed), "");
}

INSTANTIATE_TEST_SUITE_P(Simulation, Seeds, ::testing::Range<std::uint64_t>(0, 10));

TEST(Simulation, of_one_seed_is_the_same_life_every_time) {
  SimTotals first;
  SimTotals second;
  EXPECT_EQ(run_seed(7, &first), "");
  EXPECT_EQ(run_seed(7, &second), "");
  EXPECT_EQ(first.counts(), second.counts());
}

TEST(Simulation, reaches_everything_that_it_counts) {
  SimTotals totals;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) ASSERT_EQ(run_seed(seed, &totals), "");
  for (const auto& [name, count] : totals.counts()) EXPECT_GT(count, 0) << name;
}

}  // namespace
}  // namespace broadside::sim
