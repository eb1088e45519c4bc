// How long a peer may pause, by what it has moved so far.
#include "base/pace.h"

#include <gtest/gtest.h>

namespace broadside {
namespace {

constexpr std::uint32_t kPauseMax = 300;  // Half a minute.

TEST(Pace, lets_a_peer_pause_at_first) {
  Pace pace;
  pace.begin(1'000);
  EXPECT_EQ(pace.ticks_left(1'000, kPauseMax), kPauseMax);
  EXPECT_EQ(pace.ticks_left(1'299, kPauseMax), 1U);
  EXPECT_EQ(pace.ticks_left(1'300, kPauseMax), 0U);
}

TEST(Pace, then_wants_its_least_rate) {
  Pace pace;
  pace.begin(0);
  pace.add(Pace::kBytesPerSecondMin * 10);  // A hundred ticks more.
  EXPECT_EQ(pace.ticks_left(399, kPauseMax), 1U);
  EXPECT_EQ(pace.ticks_left(400, kPauseMax), 0U);
}

TEST(Pace, lets_no_pause_be_longer_for_what_was_moved_before_it) {
  Pace pace;
  pace.begin(0);
  pace.add(1 << 20);
  EXPECT_EQ(pace.ticks_left(1, kPauseMax), kPauseMax);
}

TEST(Pace, begins_anew_with_nothing_moved) {
  Pace pace;
  pace.begin(0);
  pace.add(1 << 20);
  pace.begin(5'000);
  EXPECT_EQ(pace.ticks_left(5'300, kPauseMax), 0U);
}

TEST(Pace, goes_on_when_the_ticks_come_round) {
  Pace pace;
  pace.begin(UINT32_MAX - 9);
  EXPECT_EQ(pace.ticks_left(90, kPauseMax), kPauseMax - 100);
}

}  // namespace
}  // namespace broadside
