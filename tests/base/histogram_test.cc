// Percentiles against exact ones, at every power of two, merged and cleared.
#include "base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/prng.h"

namespace broadside {
namespace {

TEST(Histogram, without_values_says_zero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.min(), 0U);
  EXPECT_EQ(histogram.max(), 0U);
  EXPECT_EQ(histogram.percentile(99), 0U);
}

TEST(Histogram, small_values_are_exact) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 1000; ++value) histogram.record(value);
  EXPECT_EQ(histogram.percentile(0), 1U);
  EXPECT_EQ(histogram.percentile(50), 500U);
  EXPECT_EQ(histogram.percentile(99), 990U);
  EXPECT_EQ(histogram.percentile(99.9), 999U);
  EXPECT_EQ(histogram.percentile(100), 1000U);
  EXPECT_DOUBLE_EQ(histogram.mean(), 500.5);
}

TEST(Histogram, every_power_of_two_and_its_neighbours_are_within_a_thousandth) {
  for (unsigned bit = 0; bit < 36; ++bit) {
    for (const std::int64_t offset : {-1, 0, 1}) {
      const std::uint64_t value = (std::uint64_t{1} << bit) + static_cast<std::uint64_t>(offset);
      if (value > Histogram::kValueMax) continue;
      Histogram histogram;
      histogram.record(0);
      histogram.record(value);
      histogram.record(Histogram::kValueMax);
      const std::uint64_t seen = histogram.percentile(60);
      EXPECT_GE(seen, value);
      EXPECT_LE(static_cast<double>(seen), static_cast<double>(value) * 1.001) << value;
    }
  }
}

TEST(Histogram, too_large_values_count_as_the_largest) {
  Histogram histogram;
  histogram.record(UINT64_MAX);
  EXPECT_EQ(histogram.max(), Histogram::kValueMax);
  EXPECT_EQ(histogram.percentile(50), Histogram::kValueMax);
}

TEST(Histogram, agrees_with_sorting_merged_or_not) {
  constexpr std::uint64_t kSeed = 20261120;
  SCOPED_TRACE(kSeed);
  Prng prng(kSeed);
  std::vector<std::uint64_t> values;
  Histogram whole;
  Histogram parts[3];
  for (int i = 0; i < 30'000; ++i) {
    const std::uint64_t value = prng.below(std::uint64_t{1} << (1 + prng.below(35)));
    values.push_back(value);
    whole.record(value);
    parts[prng.below(3)].record(value);
  }
  Histogram merged;
  for (const Histogram& part : parts) merged.merge(part);
  std::sort(values.begin(), values.end());
  EXPECT_EQ(merged.count(), values.size());
  EXPECT_EQ(merged.min(), values.front());
  EXPECT_EQ(merged.max(), values.back());
  for (const double percent : {1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(values.size()) - 1e-6));
    const auto exact = static_cast<double>(values[rank - 1]);
    EXPECT_GE(static_cast<double>(whole.percentile(percent)), exact);
    EXPECT_LE(static_cast<double>(whole.percentile(percent)), exact * 1.001);
    EXPECT_EQ(whole.percentile(percent), merged.percentile(percent));
  }
}

TEST(Histogram, is_empty_after_clear) {
  Histogram histogram;
  for (const std::uint64_t value : {3U, 5'000U, 5'000'000U}) histogram.record(value);
  histogram.clear();
  EXPECT_EQ(histogram.count(), 0U);
  histogram.record(7);
  EXPECT_EQ(histogram.percentile(100), 7U);
  EXPECT_EQ(histogram.percentile(0), 7U);
}

}  // namespace
}  // namespace broadside
