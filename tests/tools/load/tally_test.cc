// What a stream lost, what came twice and what came late, counted exactly.
#include "tools/load/tally.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/prng.h"

namespace broadside::tools::load {
namespace {

struct Case {
  const char* name;
  std::uint64_t first_max;
  std::vector<std::uint64_t> received;
  std::uint64_t last;
  Faults expected;
};

TEST(LoadTally, counts_each_fault_once) {
  const Case cases[] = {
      {"all", 1, {1, 2, 3}, 3, {}},
      {"nothing published", 1, {}, 0, {}},
      {"nothing received", 1, {}, 3, {.lost = 3}},
      {"the first missing", 1, {2, 3}, 3, {.lost = 1}},
      {"one in the middle missing", 1, {1, 3}, 3, {.lost = 1}},
      {"the last two missing", 1, {1}, 3, {.lost = 2}},
      {"one twice", 1, {1, 2, 2, 3}, 3, {.doubled = 1}},
      {"an early one again", 1, {1, 2, 3, 1}, 3, {.doubled = 1}},
      {"two changed places", 1, {2, 1, 3}, 3, {.reordered = 1}},
      {"late, and then again", 1, {1, 3, 2, 2}, 3, {.doubled = 1, .reordered = 1}},
      {"a range late, from its middle", 1, {1, 6, 4, 2, 5, 3}, 6, {.reordered = 4}},
      {"came while events flowed", 5, {3, 4, 5, 6}, 6, {}},
      {"came late, and missed what it must have", 5, {7, 8}, 8, {.lost = 2}},
      {"came last of all", 9, {}, 8, {}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    SequenceTally tally;
    Faults faults;
    tally.begin(one.first_max);
    for (const std::uint64_t sequence : one.received) tally.on_sequence(sequence, faults);
    tally.finish(one.last, faults);
    EXPECT_EQ(faults.lost, one.expected.lost);
    EXPECT_EQ(faults.doubled, one.expected.doubled);
    EXPECT_EQ(faults.reordered, one.expected.reordered);
    EXPECT_TRUE(tally.has_all(one.last));
  }
}

TEST(LoadTally, has_all_only_when_the_newest_has_come) {
  SequenceTally tally;
  Faults faults;
  tally.begin(1);
  EXPECT_TRUE(tally.has_all(0));
  EXPECT_FALSE(tally.has_all(1));
  tally.on_sequence(1, faults);
  EXPECT_TRUE(tally.has_all(1));
  EXPECT_FALSE(tally.has_all(2));
}

TEST(LoadTally, random_faults_add_up) {
  constexpr std::uint64_t kSeed = 77;
  SCOPED_TRACE(kSeed);
  Prng prng(kSeed);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::uint64_t> received;
    Faults expected;
    for (std::uint64_t sequence = 1; sequence <= 300; ++sequence) {
      if (sequence < 300 && prng.below(20) == 0) {
        ++expected.lost;
        continue;
      }
      received.push_back(sequence);
      if (prng.below(30) == 0) {
        ++expected.doubled;
        received.push_back(sequence);
      }
    }
    SequenceTally tally;
    Faults faults;
    tally.begin(1);
    for (const std::uint64_t sequence : received) tally.on_sequence(sequence, faults);
    tally.finish(300, faults);
    EXPECT_EQ(faults.lost, expected.lost);
    EXPECT_EQ(faults.doubled, expected.doubled);
    EXPECT_EQ(faults.reordered, 0U);
  }
}

}  // namespace
}  // namespace broadside::tools::load
