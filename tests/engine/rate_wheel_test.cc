// When rated subscribers are due, and how long logs wait for them.
#include "engine/rate_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/prng.h"
#include "engine/head_trail.h"
#include "tests/support/deadline.h"

namespace broadside {
namespace {

TEST(RateWheel, calls_each_at_its_step_and_never_before) {
  const std::uint64_t seed = test::test_seed();
  Prng prng(seed);
  RateWheel wheel;
  constexpr Nanos kOrigin = 5 * kSecond;
  wheel.start(kOrigin);
  std::map<std::uint32_t, std::uint64_t> due;  // By connection: its step.
  Nanos now = kOrigin;
  std::uint32_t called = 0;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    now += static_cast<Nanos>(prng.below(30)) * kMillisecond;
    wheel.advance(now, [&](std::uint64_t step, io::Token token) {
      if (due[token.index] > step) return wheel.add(due[token.index], token);  // Farther than the wheel reaches.
      ASSERT_EQ(due[token.index], step) << "seed " << seed;
      ASSERT_LE(kOrigin + static_cast<Nanos>(step) * RateWheel::kStep, now);
      due.erase(token.index);
      ++called;
    });
    const std::uint64_t step = wheel.step_at(now) + 1 + static_cast<std::uint32_t>(prng.below(prng.below(9) == 0 ? 2000 : 100));
    due[i] = step;
    wheel.add(step, io::Token{.index = i, .generation = 1});
    Nanos earliest = kSecond;
    for (const auto& [index, at] : due) earliest = std::min(earliest, kOrigin + static_cast<Nanos>(at) * RateWheel::kStep - now);
    ASSERT_LE(wheel.until_due(now, kSecond), std::max<Nanos>(earliest, 0)) << "seed " << seed;
    ASSERT_GE(wheel.until_due(now, kSecond), 0);
  }
  wheel.advance(now + 30 * kSecond, [&](std::uint64_t step, io::Token token) {
    if (due[token.index] > step) return wheel.add(due[token.index], token);
    ++called;
  });
  EXPECT_EQ(called, 5000U) << "seed " << seed;
  EXPECT_EQ(wheel.until_due(now, kSecond), kSecond) << "nobody waits";
}

TEST(HeadTrail, gives_what_was_there_more_than_a_second_ago) {
  HeadTrail trail(Position{5});
  EXPECT_EQ(trail.passed(20), Position{5});
  for (std::uint32_t tick = 21; tick < 100; ++tick) {
    trail.note(tick, Position{tick * 10 - 1});
    trail.note(tick, Position{tick * 10});
    if (tick >= 21 + HeadTrail::kTicks) {
      EXPECT_EQ(trail.passed(tick), Position{(tick - HeadTrail::kTicks) * 10});
    }
  }
  EXPECT_EQ(trail.passed(500), Position{990});
}

}  // namespace
}  // namespace broadside
