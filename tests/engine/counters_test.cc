// Histograms of durations, and publish stamps that come round.
#include "engine/counters.h"

#include <gtest/gtest.h>

#include <string_view>

#include "engine/clock.h"

namespace broadside {
namespace {

TEST(DurationCounter, counts_a_duration_in_the_first_bucket_that_is_not_below_it) {
  for (std::size_t bucket = 0; bucket < DurationStats::kBoundsNs.size(); ++bucket) {
    const auto bound = static_cast<Nanos>(DurationStats::kBoundsNs[bucket]);
    DurationCounter counter;
    counter.add(bound);
    EXPECT_EQ(counter.snapshot().counts[bucket], 1U) << bound;
    counter.add(bound + 1);
    EXPECT_EQ(counter.snapshot().counts[bucket + 1], 1U) << bound;
    EXPECT_EQ(counter.snapshot().count(), 2U);
    EXPECT_EQ(counter.snapshot().sum_ns, static_cast<std::uint64_t>(2 * bound + 1));
  }
}

TEST(DurationCounter, counts_none_and_less_in_the_first_bucket) {
  DurationCounter counter;
  counter.add(0);
  counter.add(-5);
  EXPECT_EQ(counter.snapshot().counts[0], 2U);
  EXPECT_EQ(counter.snapshot().sum_ns, 0U);
}

TEST(DurationCounter, bounds_rise_in_steps_of_1_2_and_a_half_and_5) {
  const auto& bounds = DurationStats::kBoundsNs;
  EXPECT_EQ(bounds.front(), 50'000U);
  EXPECT_EQ(bounds.back(), 10'000'000'000U);
  for (std::size_t i = 1; i < bounds.size(); ++i) {
    const bool is_double = bounds[i] == 2 * bounds[i - 1];
    EXPECT_TRUE(is_double || 2 * bounds[i] == 5 * bounds[i - 1]) << bounds[i];
  }
}

TEST(DurationCounter, adds_up_over_shards) {
  DurationCounter here;
  DurationCounter there;
  here.add(kMillisecond);
  there.add(kMillisecond);
  there.add(60 * kSecond);
  DurationStats sum = here.snapshot();
  sum += there.snapshot();
  EXPECT_EQ(sum.counts[4], 2U);
  EXPECT_EQ(sum.counts.back(), 1U);
  EXPECT_EQ(sum.sum_ns, 60'002'000'000U);
}

TEST(PublishStamp, measures_over_its_wrap) {
  constexpr Nanos kRound = (Nanos{1} << kPublishStampBits) * kPublishStampStep;
  for (const Nanos published : {Nanos{0}, kSecond, kRound - kPublishStampStep, kRound, 5 * kRound - 10 * kMicrosecond}) {
    for (const Nanos latency : {Nanos{0}, kPublishStampStep, 20 * kMicrosecond, 17 * 60 * kSecond}) {
      EXPECT_EQ(since_stamp(stamp_of(published), published + latency), latency) << published;
    }
  }
}

TEST(Reasons, have_names_of_their_own) {
  for (std::size_t i = 0; i < kCloseReasonNames.size(); ++i) {
    ASSERT_FALSE(kCloseReasonNames[i].empty());
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(kCloseReasonNames[i], kCloseReasonNames[j]);
  }
  EXPECT_EQ(kCloseReasonNames[static_cast<std::size_t>(CloseReason::stopped)], "stopped");
  EXPECT_EQ(kRefusalReasonNames[static_cast<std::size_t>(RefusalReason::overloaded)], "overloaded");
}

}  // namespace
}  // namespace broadside
