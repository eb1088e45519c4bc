// Frames that outlive their segments: held, copied out once, given up beyond the budget.
#include "engine/torn_frames.h"

#include <gtest/gtest.h>

#include <string>

namespace broadside {
namespace {

Segment* segment_of(const std::string& first, const std::string& second) {
  Segment* segment = Segment::create(nullptr, 0, 4096);
  segment->append(Position{10}, first, "", false, 0);
  segment->append(Position{20}, second, "", false, 0);
  return segment;
}

TEST(TornFrames, a_frame_outlives_its_segment_for_all_who_stand_in_it) {
  TornBudget budget;
  budget.bytes_max = 100;
  TornFrames frames(budget);
  Segment* segment = segment_of("first", "second");
  TornFrame* one = frames.hold(*segment, 1, false);
  EXPECT_EQ(frames.hold(*segment, 1, false), one);
  TornFrame* other = frames.hold(*segment, 0, true);
  EXPECT_NE(one, other);
  EXPECT_EQ(budget.bytes.load(), 0U) << "nothing is copied before it has to be";
  frames.rescue(*segment);
  segment->release();
  EXPECT_EQ(std::string(one->bytes, one->size), "second");
  EXPECT_EQ(std::string(other->bytes, other->size), "first");
  EXPECT_EQ(one->position, Position{20});
  EXPECT_TRUE(other->is_end);
  EXPECT_EQ(budget.bytes.load(), 11U);
  frames.release(one);
  EXPECT_EQ(budget.bytes.load(), 11U);
  frames.release(one);
  frames.release(other);
  EXPECT_EQ(budget.bytes.load(), 0U);
}

TEST(TornFrames, beyond_the_budget_a_frame_is_lost_and_takes_nothing) {
  TornBudget budget;
  budget.bytes_max = 5;
  TornFrames frames(budget);
  Segment* segment = segment_of("first", "second");
  TornFrame* fits = frames.hold(*segment, 0, false);
  TornFrame* lost = frames.hold(*segment, 1, false);
  frames.rescue(*segment);
  segment->release();
  EXPECT_FALSE(fits->is_lost());
  EXPECT_TRUE(lost->is_lost());
  EXPECT_EQ(budget.bytes.load(), 5U);
  frames.release(lost);
  frames.release(fits);
  EXPECT_EQ(budget.bytes.load(), 0U);
}

TEST(TornFrames, a_segment_at_the_place_of_one_that_went_is_another) {
  TornBudget budget;
  budget.bytes_max = 1000;
  TornFrames frames(budget);
  Segment* segment = segment_of("first", "second");
  TornFrame* before = frames.hold(*segment, 0, false);
  frames.rescue(*segment);
  // The same address, as after a free.
  TornFrame* after = frames.hold(*segment, 0, false);
  EXPECT_NE(before, after);
  frames.release(before);
  frames.release(after);
  segment->release();
}

}  // namespace
}  // namespace broadside
