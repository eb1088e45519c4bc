// What a stream of a conflated topic lost, what was passed over, and what came twice or late, counted exactly.
#include "tools/load/conflated_tally.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/prng.h"

namespace broadside::tools::load {
namespace {

struct Seen {
  std::uint64_t superseded = 0;
  Faults faults;
};

Seen feed(ConflatedTally& tally, const std::vector<std::uint64_t>& received, std::uint64_t last) {
  Seen seen;
  for (const std::uint64_t sequence : received) seen.superseded += tally.on_sequence(sequence, seen.faults);
  seen.superseded += tally.finish(last, seen.faults);
  return seen;
}

struct Case {
  const char* name;
  std::uint64_t first_max;
  std::vector<std::uint64_t> received;
  std::uint64_t last;
  std::uint64_t superseded;
  Faults expected;
};

TEST(LoadConflatedTally, counts_each_of_three_keys) {
  const Case cases[] = {
      {"all", 1, {1, 2, 3, 4}, 4, 0, {}},
      {"nothing published", 1, {}, 0, 0, {}},
      {"nothing received", 1, {}, 7, 4, {.lost = 3}},
      {"fewer events than keys", 1, {1}, 2, 0, {.lost = 1}},
      {"the newest of each", 1, {7, 8, 9}, 9, 6, {}},
      {"a key whose newest is missing", 1, {1, 2, 3, 7, 9}, 9, 3, {.lost = 1}},
      {"a key that never came", 1, {7, 9}, 9, 6, {.lost = 1}},
      {"the newest twice", 1, {1, 2, 3, 3}, 3, 0, {.doubled = 1}},
      {"two keys changed places", 1, {2, 1, 3}, 3, 0, {.reordered = 1}},
      {"a superseded one after all", 1, {4, 5, 6, 1}, 6, 3, {.reordered = 1}},
      {"came while events flowed", 5, {4, 5, 6}, 6, 0, {}},
      {"came late, and its first were passed over", 5, {8, 9, 10}, 10, 3, {}},
      {"came late, and lacks a key", 5, {9, 10}, 10, 3, {.lost = 1}},
      {"came last of all", 9, {}, 8, 0, {}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    ConflatedTally tally(3);
    tally.begin(one.first_max);
    const Seen seen = feed(tally, one.received, one.last);
    EXPECT_EQ(seen.superseded, one.superseded);
    EXPECT_EQ(seen.faults.lost, one.expected.lost);
    EXPECT_EQ(seen.faults.doubled, one.expected.doubled);
    EXPECT_EQ(seen.faults.reordered, one.expected.reordered);
    EXPECT_TRUE(tally.has_all(one.last));
  }
}

TEST(LoadConflatedTally, has_all_only_when_the_newest_of_every_key_has_come) {
  ConflatedTally tally(3);
  Faults faults;
  tally.begin(1);
  EXPECT_TRUE(tally.has_all(0));
  EXPECT_FALSE(tally.has_all(1));
  tally.on_sequence(1, faults);
  EXPECT_TRUE(tally.has_all(1));
  tally.on_sequence(4, faults);
  tally.on_sequence(6, faults);
  EXPECT_FALSE(tally.has_all(6)) << "5 is missing";
  tally.on_sequence(8, faults);
  EXPECT_TRUE(tally.has_all(6)) << "8 stands in for 5";
  EXPECT_FALSE(tally.has_all(8)) << "7 is missing";
}

TEST(LoadConflatedTally, begins_anew) {
  ConflatedTally tally(3);
  Faults faults;
  tally.begin(1);
  tally.on_sequence(6, faults);
  tally.begin(1);
  EXPECT_FALSE(tally.has_all(6));
  EXPECT_EQ(feed(tally, {4, 5, 6}, 6).superseded, 3U);
}

TEST(LoadConflatedTally, what_came_was_passed_over_or_is_lost_adds_up) {
  constexpr std::uint64_t kSeed = 78;
  SCOPED_TRACE(kSeed);
  Prng prng(kSeed);
  for (int round = 0; round < 200; ++round) {
    const auto keys = static_cast<std::uint32_t>(1 + prng.below(20));
    const std::uint64_t last = 1 + prng.below(300);
    std::vector<std::uint64_t> received;
    for (std::uint64_t sequence = 1; sequence <= last; ++sequence) {
      if (prng.below(4) == 0) received.push_back(sequence);
    }
    ConflatedTally tally(keys);
    tally.begin(1);
    const Seen seen = feed(tally, received, last);
    EXPECT_EQ(received.size() + seen.superseded + seen.faults.lost, last);
    EXPECT_LE(seen.faults.lost, keys);
    EXPECT_EQ(seen.faults.doubled + seen.faults.reordered, 0U);
  }
}

}  // namespace
}  // namespace broadside::tools::load
