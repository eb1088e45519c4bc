// What listings keep of what they are offered, and how far a subscription is behind; rates that decay.
#include "engine/listing.h"

#include <gtest/gtest.h>

#include <map>

#include "base/prng.h"
#include "tests/engine/store_fixture.h"

namespace broadside {
namespace {

TEST(TopList, keeps_the_largest_in_order) {
  Prng prng(7);
  for (std::size_t count = 1; count <= 20; ++count) {
    TopList<int> list(count);
    std::vector<TopKey> all;
    for (int i = 0; i < 200; ++i) {
      all.emplace_back(prng.below(50), prng.below(50));
      list.add(all.back(), i);
    }
    std::sort(all.begin(), all.end(), std::greater<>());
    const auto kept = list.take();
    ASSERT_EQ(kept.size(), count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(kept[i].first, all[i]);
  }
}

TEST(TopicLags, keep_each_topic_once_with_its_largest_lag) {
  Prng prng(11);
  for (std::size_t count = 1; count <= 20; ++count) {
    TopicLags lags(count);
    std::map<std::string, TopKey> model;
    for (int i = 0; i < 2000; ++i) {
      const std::string topic = "t" + std::to_string(prng.below(40));
      const Lag lag{.events = 1, .bytes = prng.below(1000), .age_ms = prng.below(1000)};
      lags.add(topic, lag);
      model[topic] = std::max(model[topic], key_of(lag));
    }
    std::vector<TopKey> all;
    for (const auto& [topic, key] : model) all.push_back(key);
    std::sort(all.begin(), all.end(), std::greater<>());
    const auto kept = lags.take_sorted();
    ASSERT_EQ(kept.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(key_of(kept[i].second), all[i]);
      EXPECT_EQ(key_of(kept[i].second), model[kept[i].first]);
    }
  }
}

TEST(DecayingRate, comes_to_the_rate_and_falls_when_nothing_comes) {
  DecayingRate rate;
  Nanos now = 5 * kSecond;
  EXPECT_EQ(rate.at(now), 0);
  for (int i = 0; i < 100 * 60; ++i, now += kSecond / 100) rate.add(now);
  EXPECT_NEAR(rate.at(now), 100, 3);
  EXPECT_NEAR(rate.at(now + 10 * kSecond), 100 / 2.718, 3);
  EXPECT_LT(rate.at(now + 200 * kSecond), 0.001);
  EXPECT_NEAR(rate.at(now - kSecond), 100, 3) << "a clock read before the last event's changes nothing";
}

class LagTest : public StoreFixture {
 protected:
  // Of a subscription that stands where the plan began, after the shard has seen all that was published.
  Lag lag(const StartPlan& plan, std::uint64_t wall_ms) {
    TopicView& view = *plan.views[0];
    const TurnStart turn = store().begin_turn(0);
    store().refresh(view, turn.published);
    std::uint32_t steps = 0;
    return lag_of(Subscription{.view = &view, .cursor = plan.places[0].cursor}, wall_ms, steps);
  }
};

TEST_F(LagTest, counts_what_is_unsent) {
  const StartPlan plan = subscribe({"t"}, live());
  EXPECT_EQ(lag(plan, 0).events, 0U);
  std::uint64_t bytes = 0;
  Position first;
  for (std::uint64_t i = 1; i <= 300; ++i) {
    const std::string data(100 + i, 'x');
    const Position position = publish("t", data).position;
    if (i == 1) first = position;
    bytes += frame(position, data).size();
    const Lag found = lag(plan, first.milliseconds() + 70);
    ASSERT_EQ(found.events, i);
    ASSERT_EQ(found.bytes, bytes);
    ASSERT_EQ(found.age_ms, 70U);
  }
}

TEST_F(LagTest, does_not_count_an_end_nor_what_comes_behind_it) {
  const StartPlan plan = subscribe({"t"}, live());
  publish("t", "x");
  end("t");
  EXPECT_EQ(lag(plan, 0).events, 1U);
  publish("t", "again");
  EXPECT_EQ(lag(plan, 0).events, 1U);
}

TEST_F(LagTest, counts_what_is_left_of_a_log_that_it_fell_out_of) {
  config_.defaults.history_events = 3;
  config_.defaults.history_bytes = 1000;
  config_.backlog_bytes = 64 << 10;
  remake();
  const StartPlan plan = subscribe({"t"}, live());
  for (int i = 0; i < 400; ++i) publish("t", std::string(1000, 'x'));
  const Lag found = lag(plan, 0);
  EXPECT_TRUE(plan.views[0]->is_lost(plan.places[0].cursor));
  EXPECT_GT(found.events, 3U);
  EXPECT_LT(found.events, 400U);
}

}  // namespace
}  // namespace broadside
