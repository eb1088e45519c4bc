// Where a subscriber starts: live, resume, since and last, over one and several topics; gaps, ends and 204.
#include <gtest/gtest.h>

#include "engine/topic_store.h"
#include "tests/engine/store_fixture.h"

namespace broadside {
namespace {

class SubscribeTest : public StoreFixture {};

TEST_F(SubscribeTest, starts_live_behind_everything) {
  publish("t", "old");
  const Position newest = publish("u", "old").position;
  const StartPlan plan = subscribe({"t"}, live());
  EXPECT_EQ(plan.open_position, newest);  // The hub's newest, not the topic's.
  EXPECT_EQ(plan.start_position, newest);
  EXPECT_TRUE(plan.gaps.empty());
  EXPECT_EQ(read(plan), "");
  const Position next = publish("t", "new").position;
  EXPECT_EQ(read(plan), frame(next, "new"));
}

TEST_F(SubscribeTest, resumes_behind_every_position_it_gave) {
  std::vector<std::pair<Position, std::string>> frames;
  for (int i = 0; i < 300; ++i) {
    const std::string data = std::to_string(i);
    const Position position = publish("t", data).position;
    frames.emplace_back(position, frame(position, data));
  }
  for (std::size_t i = 0; i < frames.size(); ++i) {
    std::string expected;
    for (std::size_t j = i + 1; j < frames.size(); ++j) expected += frames[j].second;
    const StartPlan plan = subscribe({"t"}, after(frames[i].first));
    ASSERT_EQ(plan.open_position, frames[i].first);
    ASSERT_TRUE(plan.gaps.empty());
    ASSERT_EQ(read(plan), expected);
    leave(plan);
  }
}

TEST_F(SubscribeTest, resumes_several_topics_in_the_order_of_all) {
  std::string expected;
  Position from;
  for (int i = 0; i < 200; ++i) {
    const std::string topic = i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c";
    const std::string data(1 + i % 90, 'x');
    const Position position = publish(topic, data).position;
    if (i == 50) from = position;
    if (i > 50 && topic != "b") expected += frame(position, data);
  }
  const StartPlan plan = subscribe({"c", "a"}, after(from));
  EXPECT_TRUE(plan.gaps.empty());
  EXPECT_EQ(read(plan), expected);
}

TEST_F(SubscribeTest, resumes_behind_a_publishers_own_id) {
  publish("t", "1", "one");
  publish("t", "2", "two");
  const Position third = publish("t", "3").position;
  const StartPlan plan = subscribe({"t"}, after("two"));
  EXPECT_TRUE(plan.gaps.empty());
  EXPECT_EQ(read(plan), frame(third, "3"));
}

TEST_F(SubscribeTest, takes_the_newest_match_of_an_own_id_in_several_topics) {
  publish("a", "1", "same");
  const Position between = publish("a", "2").position;
  const Position newest = publish("b", "3", "same").position;
  const Position last_one = publish("a", "4").position;
  const StartPlan plan = subscribe({"a", "b"}, after("same"));
  EXPECT_EQ(plan.open_position, newest);
  EXPECT_EQ(read(plan), frame(last_one, "4"));
  EXPECT_EQ(read_from({"a"}, after("same")), frame(between, "2") + frame(last_one, "4"));
}

TEST_F(SubscribeTest, tells_of_a_gap_and_replays_all_for_an_id_it_cannot_place) {
  const Position a = publish("t", "1").position;
  const Position b = publish("u", "2").position;
  const std::string future = std::to_string(a.milliseconds() + 1'000'000) + "-0";
  for (const std::string& id : {std::string("never seen"), future, std::string("01-1"), std::string("99999999999999999-1")}) {
    const StartPlan plan = subscribe({"t", "u"}, after(id));
    ASSERT_EQ(plan.gaps.size(), 2U) << id;
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(plan.gaps[i].topic_index, i);
      EXPECT_EQ(plan.gaps[i].from, id);
      EXPECT_EQ(plan.gaps[i].reason, GapReason::unknown_id);
    }
    EXPECT_EQ(plan.start_position, a.before());
    EXPECT_EQ(read(plan), frame(a, "1") + frame(b, "2"));
    // Cut before the gap: what broadside.open said leads to a gap again.
    EXPECT_FALSE(subscribe({"t", "u"}, after(plan.open_position)).gaps.empty());
    // Cut after it: not again, and nothing is lost.
    const StartPlan again = subscribe({"t", "u"}, after(plan.start_position));
    EXPECT_TRUE(again.gaps.empty());
    EXPECT_EQ(read(again), frame(a, "1") + frame(b, "2"));
  }
}

TEST_F(SubscribeTest, tells_each_topic_what_its_log_has_forgotten_for_an_id_it_cannot_place) {
  config_.defaults.history_events = 1;
  remake();
  const Position a = publish("t", "1").position;
  const Position forgotten = publish("u", "2").position;
  publish("u", "3");
  const StartPlan plan = subscribe({"t", "u"}, after("nobody-gave-it"));
  ASSERT_EQ(plan.gaps.size(), 2U);
  EXPECT_EQ(plan.start_position, a.before());
  EXPECT_EQ(plan.gaps[0].to, a.before());
  EXPECT_EQ(plan.gaps[1].to, forgotten);
}

TEST_F(SubscribeTest, tells_of_a_restart_for_a_position_before_the_start) {
  const Position start = store().published();
  const Position a = publish("t", "1").position;
  const StartPlan plan = subscribe({"t"}, after(start.before()));
  ASSERT_EQ(plan.gaps.size(), 1U);
  EXPECT_EQ(plan.gaps[0].reason, GapReason::restart);
  EXPECT_EQ(plan.gaps[0].to, start);
  EXPECT_EQ(plan.open_position, start.before());
  EXPECT_EQ(read(plan), frame(a, "1"));
  EXPECT_TRUE(subscribe({"t"}, after(start)).gaps.empty());
  EXPECT_TRUE(subscribe({"t"}, after(plan.start_position)).gaps.empty());
}

TEST_F(SubscribeTest, tells_of_retention_exactly_below_the_floor) {
  config_.defaults.history_events = 3;
  remake();
  std::vector<Position> positions;
  for (int i = 0; i < 10; ++i) positions.push_back(publish("t", std::to_string(i)).position);
  const std::string kept = frame(positions[7], "7") + frame(positions[8], "8") + frame(positions[9], "9");
  const StartPlan whole = subscribe({"t"}, after(positions[6]));
  EXPECT_TRUE(whole.gaps.empty());
  EXPECT_EQ(read(whole), kept);
  for (int i = 0; i < 6; ++i) {
    const StartPlan plan = subscribe({"t"}, after(positions[i]));
    ASSERT_EQ(plan.gaps.size(), 1U) << i;
    EXPECT_EQ(plan.gaps[0].reason, GapReason::retention);
    EXPECT_EQ(plan.gaps[0].to, positions[6]);
    EXPECT_EQ(plan.gaps[0].from, to_string(positions[i]));
    EXPECT_EQ(plan.open_position, positions[i]);
    EXPECT_EQ(read(plan), kept);
    EXPECT_TRUE(subscribe({"t"}, after(plan.start_position)).gaps.empty());
  }
}

TEST_F(SubscribeTest, tells_of_a_gap_only_in_the_topics_that_have_one) {
  config_.defaults.history_events = 3;
  remake();
  const Position quiet = publish("quiet", "q").position;
  for (int i = 0; i < 10; ++i) publish("busy", std::to_string(i));
  const StartPlan plan = subscribe({"quiet", "busy"}, after(quiet));
  ASSERT_EQ(plan.gaps.size(), 1U);
  EXPECT_EQ(plan.gaps[0].topic_index, 1U);
}

TEST_F(SubscribeTest, tells_of_a_gap_again_after_all_was_forgotten) {
  config_.defaults.history_events = 0;
  remake();
  const StartPlan holder = subscribe({"t"}, live());
  const Position a = publish("t", "1").position;
  const Position b = publish("t", "2").position;
  const StartPlan plan = subscribe({"t"}, after(a));
  ASSERT_EQ(plan.gaps.size(), 1U);
  EXPECT_EQ(plan.gaps[0].to, b);
  EXPECT_TRUE(subscribe({"t"}, after(b)).gaps.empty());
}

TEST_F(SubscribeTest, starts_at_a_time_inclusively) {
  std::vector<Position> positions;
  for (int i = 0; i < 4; ++i) {
    positions.push_back(publish("t", std::to_string(i)).position);
    wait_for_later_ms(positions.back().milliseconds());
  }
  const std::uint64_t third_ms = positions[2].milliseconds();
  EXPECT_EQ(read_from({"t"}, since(third_ms)), frame(positions[2], "2") + frame(positions[3], "3"));
  EXPECT_EQ(read_from({"t"}, since(third_ms + 1)), frame(positions[3], "3"));
  EXPECT_EQ(read_from({"t"}, since(third_ms + 1'000'000)), "");
  const StartPlan plan = subscribe({"t"}, since(third_ms));
  EXPECT_TRUE(plan.gaps.empty());
  EXPECT_EQ(plan.open_position, positions[2].before());  // The one before the first event sent.
  EXPECT_EQ(plan.start_position, plan.open_position);
}

TEST_F(SubscribeTest, tells_of_a_gap_when_a_time_reaches_below_what_is_kept) {
  config_.defaults.history_events = 2;
  remake();
  const std::uint64_t begin_ms = wait_for_later_ms(store().published().milliseconds());
  for (int i = 0; i < 5; ++i) publish("t", std::to_string(i));
  const StartPlan plan = subscribe({"t"}, since(begin_ms));
  ASSERT_EQ(plan.gaps.size(), 1U);
  EXPECT_EQ(plan.gaps[0].reason, GapReason::retention);
  EXPECT_EQ(subscribe({"t"}, since(0)).gaps.at(0).reason, GapReason::restart);
}

TEST_F(SubscribeTest, gives_the_newest_events_of_all_topics_together) {
  std::vector<std::pair<std::string, std::string>> all;  // Topic and frame.
  for (int i = 0; i < 100; ++i) {
    const std::string topic = i % 5 == 0 ? "rare" : "often";
    const std::string data(1 + i, 'x');
    all.emplace_back(topic, frame(publish(topic, data).position, data));
  }
  for (std::size_t count = 0; count <= 102; ++count) {
    std::string expected;
    for (std::size_t i = all.size() - std::min(count, all.size()); i < all.size(); ++i) expected += all[i].second;
    const StartPlan plan = subscribe({"rare", "often"}, last(count));
    ASSERT_TRUE(plan.gaps.empty());
    ASSERT_EQ(read(plan), expected) << count;
    // A client cut at any byte comes back to the same place.
    ASSERT_EQ(read_from({"rare", "often"}, after(plan.open_position)), expected);
    leave(plan);
  }
}

TEST_F(SubscribeTest, gives_no_more_of_the_newest_than_retention_allows) {
  config_.defaults.history_events = 3;
  remake();
  const StartPlan holder = subscribe({"t"}, live());  // Nothing is freed.
  std::string kept;
  for (int i = 0; i < 10; ++i) {
    const Position position = publish("t", std::to_string(i)).position;
    if (i >= 7) kept += frame(position, std::to_string(i));
  }
  EXPECT_EQ(read_from({"t"}, last(8)), kept);
  EXPECT_EQ(read_from({"t"}, since(0)), kept);
}

TEST_F(SubscribeTest, does_not_count_an_end_among_the_newest) {
  publish("t", "1");
  const Position second = publish("t", "2").position;
  const Position ended = end("t");
  EXPECT_EQ(read_from({"t"}, last(1)), frame(second, "2") + end_frame(ended, "t"));
}

TEST_F(SubscribeTest, is_over_only_when_nothing_is_left) {
  const Position a = publish("t", "1").position;
  const Position ended = end("t");
  const StartPlan rest = subscribe({"t"}, after(a));
  EXPECT_FALSE(rest.is_over);
  EXPECT_EQ(read(rest), end_frame(ended, "t"));
  EXPECT_TRUE(rest.views[0]->is_ended);
  const StartPlan over = subscribe({"t"}, after(ended));
  EXPECT_TRUE(over.is_over);
  EXPECT_TRUE(over.views.empty());
  EXPECT_TRUE(subscribe({"t"}, live()).is_over);
  EXPECT_FALSE(subscribe({"t"}, last(1)).is_over);
  EXPECT_TRUE(subscribe({"t"}, last(0)).is_over);
}

TEST_F(SubscribeTest, is_over_only_when_all_topics_have_ended) {
  publish("a", "1");
  publish("b", "1");
  const Position a_end = end("a");
  EXPECT_FALSE(subscribe({"a", "b"}, after(a_end)).is_over);
  EXPECT_FALSE(subscribe({"a", "never"}, after(a_end)).is_over);
  const Position b_end = end("b");
  const StartPlan rest = subscribe({"a", "b"}, after(a_end));
  EXPECT_FALSE(rest.is_over);
  EXPECT_EQ(read(rest), end_frame(b_end, "b"));
  EXPECT_TRUE(subscribe({"a", "b"}, after(b_end)).is_over);
}

TEST_F(SubscribeTest, is_not_over_when_there_is_a_gap_to_tell) {
  publish("t", "1");
  end("t");
  EXPECT_FALSE(subscribe({"t"}, after("unknown")).is_over);
}

TEST_F(SubscribeTest, ends_a_topic_once) {
  bool existed = true;
  ASSERT_TRUE(store().end("nobody", &existed));
  EXPECT_FALSE(existed);
  publish("t", "1");
  const Position first = end("t");
  const Result<Published> again = store().end("t", &existed);
  ASSERT_TRUE(again);
  EXPECT_TRUE(existed);
  EXPECT_TRUE(again.value().is_duplicate);
  EXPECT_EQ(again.value().position, first);
}

TEST_F(SubscribeTest, opens_an_ended_topic_by_a_publish_and_stops_old_cursors_at_the_end) {
  const StartPlan old = subscribe({"t"}, live());
  const Position a = publish("t", "1").position;
  const Position ended = end("t");
  const Position b = publish("t", "2").position;
  EXPECT_EQ(read(old), frame(a, "1") + end_frame(ended, "t"));
  const StartPlan next = subscribe({"t"}, after(ended));
  EXPECT_FALSE(next.is_over);
  EXPECT_TRUE(next.gaps.empty());
  EXPECT_EQ(read(next), frame(b, "2"));
  EXPECT_FALSE(subscribe({"t"}, live()).is_over);
}

TEST_F(SubscribeTest, ends_a_topic_whose_history_is_gone) {
  config_.defaults.history_events = 0;
  remake();
  const StartPlan plan = subscribe({"t"}, live());
  const Position a = publish("t", "1").position;
  const Position ended = end("t");
  EXPECT_EQ(read(plan), frame(a, "1") + end_frame(ended, "t"));
  leave(plan);
  EXPECT_TRUE(subscribe({"t"}, after(ended)).is_over);
  TopicInfo info;
  ASSERT_TRUE(store().topic_info("t", info));
  EXPECT_TRUE(info.is_ended);
}

TEST_F(SubscribeTest, holds_what_it_is_to_replay_until_a_lap_has_offered_it) {
  config_.defaults.history_events = 5;
  config_.defaults.history_bytes = 1 << 20;
  remake();
  std::string expected;
  std::vector<Position> positions;
  for (int i = 0; i < 5; ++i) {
    const std::string data(1000, 'x');
    positions.push_back(publish("t", data).position);
    expected += frame(positions.back(), data);
  }
  const StartPlan first = subscribe({"t"}, live());
  const StartPlan plan = subscribe({"t"}, last(5));
  EXPECT_EQ(first.views[0], plan.views[0]);
  EXPECT_LT(plan.views[0]->lap_position.load(), positions[0].packed);
  for (int i = 0; i < 50; ++i) {
    const std::string data(1000, 'y');
    expected += frame(publish("t", data).position, data);
    store().tick();
  }
  EXPECT_EQ(read(plan), expected);
}

}  // namespace
}  // namespace broadside
