// What happens to subscribers that do not keep up, by the policy of their topic: whole engines, real sockets that are not read.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/engine/engine_fixture.h"
#include "tests/support/json.h"

namespace broadside {
namespace {

using test::json_int;
using test::json_string;

constexpr int kSmallBuffer = 4096;  // Of the client's side; the server's is SO_SNDBUF below.

class PolicyTest : public EngineFixture {
 protected:
  PolicyTest() {
    config_.shards = 1;
    config_.send_buffer_bytes = 16 << 10;
    config_.stall_timeout_ms = 600'000;
  }
  Position publish(std::string_view topic, std::string_view data, std::string_view key = {}) {
    const Result<Published> published = engine_->publish(topic, Event{.data = data, .key = key});
    EXPECT_TRUE(published.has_value());
    return published ? published.value().position : Position{};
  }
  [[nodiscard]] ShardStats shard() const { return engine_->stats().shards.at(0); }
  // Publishes numbered events of some size until a subscriber is blocked, and `more` behind that; how many it were. One at a
  // time: a shard that is given no processor must not find more than the history holds when it wakes.
  int publish_until_blocked(const std::string& topic, int more) {
    int count = 0;
    while (shard().subscribers_blocked == 0) {
      const std::uint64_t deliveries = shard().deliveries;
      publish(topic, numbered(count++));
      if (!wait_until([&] { return shard().deliveries > deliveries || shard().subscribers_blocked > 0; })) break;
    }
    EXPECT_EQ(shard().subscribers_blocked, 1U);
    for (int i = 0; i < more; ++i) publish(topic, numbered(count++));
    return count;
  }
  static std::string numbered(int number) { return std::to_string(number) + ":" + std::string(3000, 'x'); }
  static int number_of(const std::string& data) { return std::stoi(data); }
  template <typename Condition>
  bool wait_until(Condition condition) {
    const test::Deadline deadline = test::soon();
    while (!condition() && !deadline.has_passed()) std::this_thread::yield();
    return condition();
  }
};
BROADSIDE_ENGINE_ON_BOTH_BACKENDS(PolicyTest);

TEST_P(PolicyTest, disconnect_closes_who_is_beyond_a_limit_also_while_it_takes_nothing) {
  config_.defaults.lag.events = 20;
  START_OR_SKIP();
  Subscriber stalled(*engine_, "/events/t", kSmallBuffer);
  Subscriber reading(*engine_, "/events/t");
  ASSERT_TRUE(stalled.wait_open() && reading.wait_open());
  std::size_t count = 0;
  while (shard().subscribers_blocked == 0) {
    publish("t", numbered(0));
    ASSERT_TRUE(reading.wait_data(++count));
  }
  for (int i = 0; i < 25; ++i) publish("t", numbered(0));
  ASSERT_TRUE(reading.wait_data(count + 25));
  ASSERT_TRUE(wait_until([&] { return shard().closes_for(CloseReason::lagging) == 1; }));
  stalled.read_to_end();
  EXPECT_EQ(stalled.violation(), "");
  EXPECT_LT(stalled.data.size(), count + 25);
  publish("t", "last");
  EXPECT_TRUE(reading.wait_data(count + 26));
}

TEST_P(PolicyTest, a_soft_limit_is_counted_and_nothing_more) {
  config_.defaults.soft_lag.bytes = 10'000;
  config_.defaults.history_bytes = 64 << 20;
  START_OR_SKIP();
  Subscriber stalled(*engine_, "/events/t", kSmallBuffer);
  ASSERT_TRUE(stalled.wait_open());
  const int first = publish_until_blocked("t", 0);
  stalled.wait_data(static_cast<std::size_t>(first));
  const int second = publish_until_blocked("t", 30);
  ASSERT_TRUE(wait_until([&] { return shard().soft_lags == 1 && shard().subscribers_soft_lagging == 1; }));
  ASSERT_TRUE(stalled.wait_data(static_cast<std::size_t>(first + second)));
  EXPECT_TRUE(wait_until([&] { return shard().subscribers_soft_lagging == 0; }));
  EXPECT_EQ(shard().closes_for(CloseReason::lagging), 0U);
}

TEST_P(PolicyTest, skip_goes_on_with_the_newest_and_says_how_many_were_left_out) {
  config_.defaults.policy = LagPolicy::skip;
  config_.defaults.keep = 3;
  config_.defaults.lag.events = 100;
  START_OR_SKIP();
  Subscriber stalled(*engine_, "/events/t", kSmallBuffer);
  ASSERT_TRUE(stalled.wait_open());
  const int count = publish_until_blocked("t", 500);
  const test::Deadline deadline = test::soon();
  while ((stalled.data.empty() || number_of(stalled.data.back()) != count - 1) && stalled.read_some(deadline)) {
  }
  EXPECT_EQ(stalled.violation(), "");
  ASSERT_EQ(stalled.gaps.size(), 1U);
  EXPECT_EQ(json_string(stalled.gaps[0], "/reason"), "skipped");
  EXPECT_EQ(json_string(stalled.gaps[0], "/topic"), "t");
  EXPECT_EQ(json_int(stalled.gaps[0], "/lost").value_or(-1) + static_cast<std::int64_t>(stalled.data.size()), count)
      << stalled.gaps[0];
  for (std::size_t i = 1; i <= 3; ++i) EXPECT_EQ(number_of(stalled.data[stalled.data.size() - i]), count - static_cast<int>(i));
  EXPECT_EQ(shard().skips, 1U);
  EXPECT_EQ(shard().closes_for(CloseReason::lagging), 0U);
}

TEST_P(PolicyTest, skip_counts_what_has_left_the_log_as_well) {
  config_.defaults.policy = LagPolicy::skip;
  config_.defaults.history_events = 0;
  START_OR_SKIP();
  Subscriber stalled(*engine_, "/events/t", kSmallBuffer);
  ASSERT_TRUE(stalled.wait_open());
  int count = publish_until_blocked("t", 0);
  // For half a second its log waits for it.
  while (engine_->stats().logs.history_bytes < 1 << 20) publish("t", numbered(count++));
  ASSERT_TRUE(wait_until([&] {
    publish("t", numbered(count++));
    return engine_->stats().logs.history_bytes < 1 << 20;
  }));
  const test::Deadline deadline = test::soon();
  while ((stalled.data.empty() || number_of(stalled.data.back()) != count) && stalled.read_some(deadline)) {
    if (!stalled.gaps.empty() && stalled.data.back() != numbered(count)) publish("t", numbered(count));
  }
  EXPECT_EQ(stalled.violation(), "");
  ASSERT_EQ(stalled.gaps.size(), 1U);
  const auto received = static_cast<std::int64_t>(
      std::count_if(stalled.data.begin(), stalled.data.end(), [&](const std::string& data) { return number_of(data) < count; }));
  EXPECT_EQ(json_int(stalled.gaps[0], "/lost").value_or(-1) + received, count) << stalled.gaps[0];
}

TEST_P(PolicyTest, skip_stops_at_the_end_of_the_topic) {
  config_.defaults.policy = LagPolicy::skip;
  config_.defaults.lag.events = 5;
  START_OR_SKIP();
  Subscriber stalled(*engine_, "/events/t", kSmallBuffer);
  ASSERT_TRUE(stalled.wait_open());
  const int count = publish_until_blocked("t", 50);
  end_all({"t"});
  stalled.read_to_end();
  EXPECT_EQ(stalled.violation(), "");
  EXPECT_TRUE(stalled.is_closed);
  ASSERT_EQ(stalled.gaps.size(), 1U);
  EXPECT_EQ(json_int(stalled.gaps[0], "/lost").value_or(-1) + static_cast<std::int64_t>(stalled.data.size()), count);
  EXPECT_EQ(shard().closes_for(CloseReason::finished), 1U);
}

TEST_P(PolicyTest, conflate_gives_a_lagging_one_the_newest_of_each_key_in_order) {
  config_.defaults.policy = LagPolicy::conflate;
  config_.defaults.history_events = 2;  // Keys outlive it.
  START_OR_SKIP();
  Subscriber stalled(*engine_, "/events/t", kSmallBuffer);
  ASSERT_TRUE(stalled.wait_open());
  int count = 0;
  const auto publish_key = [&] {
    publish("t", numbered(count), "k" + std::to_string(count % 7));
    ++count;
  };
  while (shard().subscribers_blocked == 0) publish_key();
  const int before = count;
  for (int i = 0; i < 700; ++i) publish_key();
  const test::Deadline deadline = test::soon();
  while ((stalled.data.empty() || number_of(stalled.data.back()) != count - 1) && stalled.read_some(deadline)) {
  }
  EXPECT_EQ(stalled.violation(), "");
  EXPECT_EQ(stalled.gaps.size(), 0U);
  ASSERT_GE(stalled.data.size(), 7U);
  EXPECT_LE(stalled.data.size(), static_cast<std::size_t>(before + 7));
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(number_of(stalled.data[stalled.data.size() - 7 + i]), count - 7 + static_cast<int>(i));
  }
}

TEST_P(PolicyTest, a_snapshot_is_the_newest_of_every_key_and_then_what_comes) {
  config_.defaults.policy = LagPolicy::conflate;
  config_.defaults.history_events = 0;
  START_OR_SKIP();
  for (int i = 0; i < 1000; ++i) publish("t", std::to_string(i), "k" + std::to_string(i % 10));
  Subscriber subscriber(*engine_, "/events/t?snapshot=1");
  ASSERT_TRUE(subscriber.wait_data(10));
  publish("t", "1000", "k3");
  ASSERT_TRUE(subscriber.wait_data(11));
  for (int i = 0; i <= 10; ++i) EXPECT_EQ(subscriber.data[static_cast<std::size_t>(i)], std::to_string(990 + i));
  EXPECT_EQ(subscriber.gaps.size(), 0U);
  // Cut anywhere, it resumes with what is newer.
  const Subscriber late(*engine_, "/events/t");
  Subscriber resumed(*engine_, "/events/t?snapshot=1&last_event_id=" + subscriber.last_event_id);
  ASSERT_TRUE(resumed.wait_open());
  publish("t", "1001", "k4");
  ASSERT_TRUE(resumed.wait_data(1));
  EXPECT_EQ(resumed.data[0], "1001");
}

TEST_P(PolicyTest, a_topic_may_begin_every_stream_with_a_snapshot_under_any_policy) {
  config_.topics = {{.pattern = "keyed.*", .rules = {.keys = 100, .snapshot = true}}};
  config_.topics[0].rules.history_events = 1;
  START_OR_SKIP();
  for (int i = 0; i < 50; ++i) publish("keyed.a", std::to_string(i), "k" + std::to_string(i % 5));
  Subscriber subscriber(*engine_, "/events/keyed.a");
  ASSERT_TRUE(subscriber.wait_data(5));
  for (int i = 50; i < 60; ++i) publish("keyed.a", std::to_string(i), "same");
  ASSERT_TRUE(subscriber.wait_data(15)) << "once it has the snapshot it gets every event";
  for (int i = 0; i < 15; ++i) EXPECT_EQ(subscriber.data[static_cast<std::size_t>(i)], std::to_string(45 + i));
  Subscriber without(*engine_, "/events/keyed.a?snapshot=0");
  ASSERT_TRUE(without.wait_open());
  publish("keyed.a", "60", "same");
  ASSERT_TRUE(without.wait_data(1));
  EXPECT_EQ(without.data[0], "60");
  Subscriber refused(*engine_, "/events/other?snapshot=1");
  const test::Deadline deadline = test::soon();
  while (refused.head.find("\r\n\r\n") == std::string::npos && refused.read_some(deadline)) {
  }
  EXPECT_NE(refused.head.find("400"), std::string::npos) << refused.head;
}

TEST_P(PolicyTest, a_rated_stream_is_visited_no_more_often_than_its_rate) {
  config_.defaults.policy = LagPolicy::conflate;
  START_OR_SKIP();
  Subscriber slow(*engine_, "/events/t?rate=5");
  Subscriber fast(*engine_, "/events/t");
  ASSERT_TRUE(slow.wait_open() && fast.wait_open());
  const auto begin = std::chrono::steady_clock::now();
  int count = 0;
  const auto elapsed = [&] { return std::chrono::steady_clock::now() - begin; };
  while (elapsed() < std::chrono::milliseconds(1000)) {
    publish("t", std::to_string(count++), "k");
    ASSERT_TRUE(fast.read_some(test::soon()));
  }
  const test::Deadline deadline = test::soon();
  while ((slow.data.empty() || number_of(slow.data.back()) != count - 1) && slow.read_some(deadline)) {
  }
  const auto periods = elapsed() / std::chrono::milliseconds(200);
  EXPECT_LE(static_cast<long>(slow.data.size()), periods + 1);
  EXPECT_GE(slow.data.size(), 2U);
  EXPECT_EQ(number_of(slow.data.back()), count - 1) << "the newest comes, also when nothing follows";
}

TEST_P(PolicyTest, streams_leave_at_their_age_and_are_told_when_to_come_back) {
  config_.stream_age_max_ms = 1000;
  START_OR_SKIP();
  Subscriber subscriber(*engine_, "/events/t");
  ASSERT_TRUE(subscriber.wait_open());
  publish("t", "x");
  subscriber.read_to_end();
  EXPECT_TRUE(subscriber.is_closed);
  EXPECT_EQ(subscriber.data.size(), 1U);
  EXPECT_EQ(shard().closes_for(CloseReason::aged), 1U);
}

TEST_P(PolicyTest, streams_go_on_under_new_rules_without_a_loss) {
  START_OR_SKIP();
  Subscriber plain(*engine_, "/events/t");
  ASSERT_TRUE(plain.wait_open());
  publish("t", "0", "k");
  ASSERT_TRUE(plain.wait_data(1));
  const auto rule = [&](LagPolicy policy, std::uint64_t history) {
    config_.defaults.policy = policy;
    config_.defaults.history_events = history;
    ASSERT_TRUE(engine_->reconfigure(config_));
  };
  rule(LagPolicy::conflate, 0);
  for (int i = 1; i < 10; ++i) {
    publish("t", std::to_string(i), "k" + std::to_string(i));
    ASSERT_TRUE(plain.wait_data(static_cast<std::size_t>(i) + 1));
  }
  Subscriber snapshot(*engine_, "/events/t?snapshot=1");
  ASSERT_TRUE(snapshot.wait_data(9)) << "keys are known from the change on";
  rule(LagPolicy::skip, 1000);
  for (int i = 10; i < 20; ++i) publish("t", std::to_string(i));
  ASSERT_TRUE(plain.wait_data(20) && snapshot.wait_data(19));
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(plain.data[i], std::to_string(i));
  EXPECT_EQ(plain.gaps.size() + snapshot.gaps.size(), 0U);
  Config bad = config_;
  bad.defaults.rate = 1000;
  EXPECT_FALSE(engine_->reconfigure(bad));
}

TEST_P(PolicyTest, memory_that_is_short_refuses_streams_and_publishing_goes_on) {
  config_.memory_max = 1 << 20;
  START_OR_SKIP();
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  // Each takes some 4.5 KiB by estimate.
  for (int i = 0; i < 5000 && shard().refusals_for(RefusalReason::memory) == 0; ++i) {
    subscribers.push_back(std::make_unique<Subscriber>(*engine_, "/events/t"));
    subscribers.back()->wait_open();
  }
  EXPECT_GT(subscribers.size(), 100U);
  ASSERT_GT(shard().refusals_for(RefusalReason::memory), 0U);
  EXPECT_NE(subscribers.back()->head.find("503"), std::string::npos) << subscribers.back()->head;
  EXPECT_NE(subscribers.back()->head.find("Retry-After"), std::string::npos) << subscribers.back()->head;
  publish("t", "publishing goes on");
  EXPECT_TRUE(subscribers.front()->wait_data(1));
}

}  // namespace
}  // namespace broadside
