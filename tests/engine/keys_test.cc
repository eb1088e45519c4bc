// The newest event of each key: what a conflating reader is given, whatever the log has let go of, against a map of what was
// published; and that memory follows the keys, not the events.
#include "engine/keys.h"

#include <gtest/gtest.h>

#include <map>

#include "base/prng.h"
#include "engine/delivery.h"
#include "tests/engine/store_fixture.h"
#include "tests/support/deadline.h"

namespace broadside {
namespace {

class KeysTest : public StoreFixture {
 protected:
  KeysTest() {
    config_.defaults.policy = LagPolicy::conflate;
    config_.defaults.history_events = 3;
    remake();
  }
  Position set(std::string_view topic, std::string_view key, std::string_view data) {
    const BatchEntry entry{.topic = topic, .event = Event{.data = data, .key = key}};
    std::vector<Published> out;
    EXPECT_TRUE(store().publish_batch({&entry, 1}, out, nullptr));
    return out.front().position;
  }
  static StartRequest snapshot() { return {.kind = StartRequest::Kind::snapshot, .is_default = false}; }
  // What conflation reads behind `after`, as the shard does it.
  std::string read_after(TopicView& view, Position after) {
    store().refresh(view, store().begin_turn(0).published);
    std::string text;
    for (Place place = view.find_place(after); view.find_live(place); ++place.frame)
      text += view.part(place.part).segment->frame_bytes(place.frame);
    return text;
  }
};

TEST_F(KeysTest, the_newest_of_each_key_outlives_the_history_in_order_of_position) {
  std::map<Position, std::string> expected;
  std::map<std::string, Position> newest;
  for (int i = 0; i < 500; ++i) {
    const std::string key = "k" + std::to_string(i * 7 % 20);
    const std::string data = std::to_string(i);
    const Position position = set("t", key, data);
    if (newest.contains(key)) expected.erase(newest[key]);
    newest[key] = position;
    expected[position] = frame(position, data);
  }
  const StartPlan plan = subscribe({"t"}, snapshot());
  EXPECT_TRUE(plan.gaps.empty());
  ASSERT_TRUE(plan.places[0].conflates);
  std::string all;
  for (const auto& [position, text] : expected) all += text;
  EXPECT_EQ(read_after(*plan.views[0], plan.places[0].passed), all);
  EXPECT_EQ(plan.open_position, expected.begin()->first.before());
}

TEST_F(KeysTest, a_resume_gets_what_has_changed_since_and_no_gap) {
  for (int i = 0; i < 10; ++i) set("t", "k" + std::to_string(i), "old");
  const Position seen = store().published();
  const Position position = set("t", "k4", "new");
  for (int i = 0; i < 50; ++i) set("t", "other", std::to_string(i));
  const StartPlan plan = subscribe({"t"}, after(seen));
  EXPECT_TRUE(plan.gaps.empty());
  const std::string text = read_after(*plan.views[0], plan.places[0].passed);
  EXPECT_EQ(text.substr(0, text.find("\n\n") + 2), frame(position, "new"));
  EXPECT_EQ(text.find("old"), std::string::npos);
  EXPECT_NE(text.find("data: 49\n"), std::string::npos);
  EXPECT_EQ(text.find("data: 48\n"), std::string::npos);
}

TEST_F(KeysTest, an_event_without_key_is_lost_with_the_history_and_a_gap_says_so) {
  const Position seen = set("t", "k", "before");
  const Position lost = publish("t", "without key").position;
  for (int i = 0; i < 300; ++i) set("t", "k", std::string(200, 'x'));
  store().tick();
  const StartPlan plan = subscribe({"t"}, after(seen));
  ASSERT_EQ(plan.gaps.size(), 1U);
  EXPECT_EQ(plan.gaps[0].reason, GapReason::retention);
  EXPECT_GE(plan.gaps[0].to, lost);
}

TEST_F(KeysTest, beyond_the_bound_the_key_that_changed_longest_ago_is_forgotten_and_a_gap_says_so) {
  config_.defaults.keys = 5;
  remake();
  const Position first = set("t", "k0", "0");
  for (int i = 1; i <= 5; ++i) set("t", "k" + std::to_string(i), std::string(500, 'x'));
  for (int i = 0; i < 100; ++i) set("t", "k5", std::string(500, 'y'));
  const StartPlan resumed = subscribe({"t"}, after(first.before()));
  ASSERT_EQ(resumed.gaps.size(), 1U);
  EXPECT_GE(resumed.gaps[0].to, first);
  const StartPlan plan = subscribe({"t"}, snapshot());
  const std::string text = read_after(*plan.views[0], plan.places[0].passed);
  EXPECT_EQ(text.find("data: 0\n"), std::string::npos);
  std::size_t frames = 0;
  for (std::size_t at = 0; (at = text.find("id: ", at)) != std::string::npos; ++at) ++frames;
  EXPECT_EQ(frames, 5U);
}

TEST_F(KeysTest, memory_follows_the_keys_and_not_the_events) {
  const std::string data(100, 'x');
  const std::uint32_t rounds = test::scaled(200, 50);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < 1000; ++i) set("t", "k" + std::to_string(i), data);
  }
  // 1,000 frames of some 130 bytes, their index and their keys, and what is not yet worth rewriting.
  EXPECT_LT(store().stats().history_bytes, 1'000'000U);
  EXPECT_GT(store().stats().keys_bytes, 1000 * data.size());
}

TEST_F(KeysTest, short_memory_takes_history_first_and_then_the_oldest_keys_and_tells_both) {
  config_.defaults.history_events = 1'000'000;
  config_.defaults.history_bytes = 1 << 30;
  remake(1, 256 << 10);
  const std::string data(400, 'x');
  const Position first = set("keyed", "first", data);
  for (int i = 0; i < 400; ++i) publish("plain", data);
  EXPECT_EQ(store().stats().keys_bytes > 0, true);
  EXPECT_TRUE(subscribe({"keyed"}, after(first.before())).gaps.empty()) << "the history of others went before the key";
  leave_all();
  for (int i = 0; i < 2000; ++i) {
    set("keyed", "k" + std::to_string(i), data);
    ASSERT_LE(store().stats().history_bytes, 256U << 10);
  }
  EXPECT_FALSE(subscribe({"keyed"}, after(first.before())).gaps.empty());
}

TEST_F(KeysTest, a_topic_that_opens_again_has_none_of_its_former_keys) {
  for (int i = 0; i < 20; ++i) set("t", "k" + std::to_string(i), "former");
  end("t");
  set("t", "k0", "new");
  for (int i = 0; i < 20; ++i) set("t", "k1", "new");
  const StartPlan plan = subscribe({"t"}, snapshot());
  EXPECT_EQ(read_after(*plan.views[0], plan.places[0].passed).find("former"), std::string::npos);
}

TEST_F(KeysTest, an_ended_topic_is_new_with_all_its_keys_when_its_age_is_over) {
  config_.defaults.history_events = 0;
  config_.ended_age_ms = 1;
  remake();
  set("t", "k", "value");
  const Position ended = end("t");
  wait_for_later_ms(ended.milliseconds() + config_.ended_age_ms);
  store().tick();
  EXPECT_EQ(store().stats().topics, 0U);
  EXPECT_EQ(store().stats().keys_bytes, 0U);
}

TEST_F(KeysTest, a_loss_is_told_though_the_keys_were_given_up_and_made_again_meanwhile) {
  const StartPlan plan = subscribe({"t"}, live());
  TopicView& view = *plan.views[0];
  set("t", "k", "value");
  for (int i = 0; i < 100; ++i) set("t", "other", std::string(200, 'x'));
  store().refresh(view, store().begin_turn(0).published);
  Subscription subscription{.view = &view,
                            .cursor = plan.places[0].cursor,
                            .passed = plan.places[0].passed,
                            .floor_count = plan.places[0].floor_count,
                            .conflates = 1};
  for (const LagPolicy policy : {LagPolicy::disconnect, LagPolicy::conflate}) {
    config_.defaults.policy = policy;
    store().reconfigure(config_, 1ULL << 30, 0);
    store().refresh(view, store().begin_turn(0).published);
  }
  ASSERT_GT(view.keys_floor, subscription.passed);
  EXPECT_TRUE(has_untold_loss(subscription));
}

TEST_F(KeysTest, a_topic_without_history_and_subscribers_stays_for_its_keys_alone) {
  config_.defaults.history_events = 0;
  remake();
  set("t", "k", "value");
  publish("u", "no key");
  store().tick();
  EXPECT_EQ(store().stats().topics, 1U);
  leave_all();
}

// A key may be forgotten while a shard reads what was kept of it. What the shard does not know to be missing it must not pass
// over: it would tell nobody.
TEST_F(KeysTest, a_forgotten_key_is_read_until_the_reader_knows_of_the_loss) {
  config_.defaults.history_events = 0;
  config_.defaults.keys = 1;
  remake();
  const StartPlan plan = subscribe({"t"}, snapshot());
  TopicView& view = *plan.views[0];
  const Position first = set("t", "a", "first");
  publish("t", "pushes the first out of the log");
  EXPECT_EQ(read_after(view, first.before()).find(frame(first, "first")), 0U);
  view.lap_position.store(UINT64_MAX >> 1);
  publish("t", "");
  const Position known = view.keys_floor;
  EXPECT_LT(known, first);
  set("t", "b", "second");  // And so "a" is forgotten.
  Place place = view.find_place(first.before());
  ASSERT_TRUE(view.find_live(place));
  EXPECT_EQ(view.part(place.part).segment->entry(place.frame).position, first);
  store().refresh(view, store().begin_turn(0).published);
  EXPECT_GE(view.keys_floor, first);
  place = view.find_place(first.before());
  EXPECT_TRUE(!view.find_live(place) || view.part(place.part).segment->entry(place.frame).position > first);
}

// Random keys, events without key, ends of history: a conflating reader that reads now and then has, when it has read all, the
// newest of every key, each once, in order, and every event without key that no gap covers.
TEST_F(KeysTest, a_reader_that_reads_now_and_then_misses_nothing_but_what_is_superseded) {
  const std::uint64_t seed = test::test_seed();
  Prng prng(seed);
  for (int round = 0; round < 30; ++round) {
    leave_all();
    config_.defaults.history_events = prng.below(6);
    config_.defaults.keys = 0;
    remake();
    const StartPlan plan = subscribe({"t"}, live());
    TopicView& view = *plan.views[0];
    Position passed = plan.places[0].passed;
    std::map<std::string, Position> newest;  // By key, since the last read.
    std::map<Position, std::string> expected;
    for (int step = 0; step < 400; ++step) {
      const std::string data(prng.below(prng.below(10) == 0 ? 3000 : 60), 'a' + static_cast<char>(prng.below(26)));
      const std::string key = "k" + std::to_string(prng.below(8));
      const Position position = set("t", key, data);
      if (newest.contains(key)) expected.erase(newest[key]);
      newest[key] = position;
      expected[position] = frame(position, data);
      if (prng.below(20) != 0) continue;
      std::string all;
      for (const auto& [at, text] : expected) all += text;
      ASSERT_EQ(read_after(view, passed), all) << "seed " << seed;
      passed = view.head_position;
      newest.clear();
      expected.clear();
      ASSERT_EQ(read_after(view, passed), "") << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace broadside
