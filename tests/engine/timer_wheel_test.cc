// Deadlines against a model: a map from connection to tick.
#include "engine/timer_wheel.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <vector>

#include "base/prng.h"
#include "tests/support/deadline.h"

namespace broadside {
namespace {

class TimerWheelTest : public ::testing::Test {
 protected:
  TimerWheelTest() { wheel_.start(kStart); }

  Connection& make() {
    Connection& connection = table_.make();
    connection.state = ConnectionState::http;
    return connection;
  }
  // Lets whole ticks pass; returns who came due, in order.
  std::vector<std::uint32_t> pass(std::uint32_t ticks) {
    std::vector<std::uint32_t> due;
    passed_ += ticks;
    const Nanos now = kStart + static_cast<Nanos>(passed_) * kTick;
    wheel_.advance(now, [&](Connection& connection) { due.push_back(connection.index); });
    return due;
  }

  static constexpr Nanos kStart = 123 * kSecond;
  ConnectionTable table_;
  TimerWheel wheel_{table_};
  std::uint32_t passed_ = 0;
};

using Indexes = std::vector<std::uint32_t>;

TEST_F(TimerWheelTest, calls_at_the_tick_and_once) {
  Connection& a = make();
  wheel_.set(a, 3);
  EXPECT_EQ(pass(2), Indexes{});
  EXPECT_EQ(pass(1), Indexes{a.index});
  EXPECT_EQ(a.timer_tick, 0U);
  EXPECT_EQ(pass(2000), Indexes{});
}

TEST_F(TimerWheelTest, keeps_deadlines_beyond_the_horizon) {
  // The wheel has 512 slots: all of these share one.
  Connection& a = make();
  Connection& b = make();
  Connection& c = make();
  wheel_.set(a, 5);
  wheel_.set(b, 5 + 512);
  wheel_.set(c, 5 + 3 * 512);
  EXPECT_EQ(pass(5), Indexes{a.index});
  EXPECT_EQ(pass(511), Indexes{});
  EXPECT_EQ(pass(1), Indexes{b.index});
  EXPECT_EQ(pass(2 * 512 - 1), Indexes{});
  EXPECT_EQ(pass(1), Indexes{c.index});
}

TEST_F(TimerWheelTest, replaces_and_clears_deadlines) {
  Connection& a = make();
  Connection& b = make();
  wheel_.set(a, 5);
  wheel_.set(b, 5);
  wheel_.set(a, 7);
  wheel_.clear(b);
  wheel_.clear(b);
  EXPECT_EQ(pass(6), Indexes{});
  EXPECT_EQ(pass(1), Indexes{a.index});
}

TEST_F(TimerWheelTest, catches_up_after_a_long_turn) {
  Connection& a = make();
  Connection& b = make();
  wheel_.set(a, 100);
  wheel_.set(b, 2);
  EXPECT_EQ(pass(1000), (Indexes{b.index, a.index}));
}

TEST_F(TimerWheelTest, says_how_long_until_the_next_tick) {
  EXPECT_EQ(wheel_.until_tick(kStart), kTick);
  EXPECT_EQ(wheel_.until_tick(kStart + kTick - 1), 1);
  EXPECT_EQ(wheel_.until_tick(kStart + kTick), 0);
  pass(1);
  EXPECT_EQ(wheel_.until_tick(kStart + kTick), kTick);
}

TEST_F(TimerWheelTest, lets_the_callback_set_itself_again) {
  Connection& a = make();
  wheel_.set(a, 1);
  int calls = 0;
  wheel_.advance(kStart + 10 * kTick, [&](Connection& connection) {
    ++calls;
    wheel_.set(connection, 2);
  });
  EXPECT_EQ(calls, 5);  // Ticks 1, 3, 5, 7 and 9.
}

TEST_F(TimerWheelTest, lets_the_callback_free_others_that_are_due_in_the_same_tick) {
  std::vector<Connection*> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(&make());
    wheel_.set(*all.back(), 4);
  }
  std::vector<std::uint32_t> called;
  wheel_.advance(kStart + 4 * kTick, [&](Connection& first) {
    called.push_back(first.index);
    for (Connection* each : all) {
      if (each == &first || each->state == ConnectionState::free) continue;
      wheel_.clear(*each);
      table_.free(*each);
    }
  });
  EXPECT_EQ(called.size(), 1U);
  EXPECT_EQ(pass(2000), Indexes{});
}

TEST_F(TimerWheelTest, does_not_call_a_connection_made_anew_in_a_place_that_was_due) {
  Connection& a = make();
  Connection& b = make();
  wheel_.set(a, 4);
  wheel_.set(b, 4);
  int calls = 0;
  wheel_.advance(kStart + 4 * kTick, [&](Connection& first) {
    ++calls;
    Connection& other = &first == &a ? b : a;
    wheel_.clear(other);
    table_.free(other);
    Connection& again = make();
    ASSERT_EQ(&again, &other);
    wheel_.set(again, 512);  // The same slot.
  });
  EXPECT_EQ(calls, 1);
  passed_ = 4;
  EXPECT_EQ(pass(511), Indexes{});
  EXPECT_EQ(pass(1).size(), 1U);
}

TEST_F(TimerWheelTest, agrees_with_a_map_over_random_operations) {
  const std::uint64_t seed = test::test_seed();
  Prng prng(seed);
  std::map<std::uint32_t, std::uint32_t> model;  // Connection to its tick.
  std::vector<Connection*> all;
  for (int i = 0; i < 200; ++i) all.push_back(&make());
  for (int step = 0; step < 20'000; ++step) {
    Connection& connection = *all[prng.below(all.size())];
    switch (prng.below(4)) {
      case 0:
      case 1: {
        const auto ticks = static_cast<std::uint32_t>(1 + prng.below(prng.below(2) == 0 ? 20 : 1500));
        wheel_.set(connection, ticks);
        model[connection.index] = passed_ + ticks;
        break;
      }
      case 2:
        wheel_.clear(connection);
        model.erase(connection.index);
        break;
      default: {
        std::multimap<std::uint32_t, std::uint32_t> expected;
        const auto ticks = static_cast<std::uint32_t>(prng.below(6));
        for (const auto& [index, tick] : model) {
          if (tick <= passed_ + ticks) expected.emplace(tick, index);
        }
        const std::vector<std::uint32_t> due = pass(ticks);
        ASSERT_EQ(due.size(), expected.size()) << "seed " << seed;
        for (const std::uint32_t index : due) {
          ASSERT_EQ(model[index] <= passed_, true) << "seed " << seed;
          model.erase(index);
        }
      }
    }
  }
}

TEST(Ticks, round_up_and_are_at_least_one) {
  EXPECT_EQ(ticks_of_ms(0), 1U);
  EXPECT_EQ(ticks_of_ms(1), 1U);
  EXPECT_EQ(ticks_of_ms(100), 1U);
  EXPECT_EQ(ticks_of_ms(101), 2U);
}

}  // namespace
}  // namespace broadside
