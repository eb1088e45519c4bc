// Subscribers that do not keep up, over the program's flags: slow and stalled sockets under each policy, and what they are told.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

constexpr int kSmallBuffer = 4096;

class Policy : public BackendTest {
 protected:
  // Sends less at a time, so that slow clients are felt early.
  void start_with(std::vector<std::string> flags) {
    for (const char* flag : {"--send-buffer", "16KiB", "--stall-timeout", "10m"}) flags.emplace_back(flag);
    start(flags);
  }
  [[nodiscard]] SseStream subscribe_slow(const std::string& target, const Headers& headers = {}) const {
    SseStream stream = SseStream::open(port(), target, headers, kSmallBuffer);
    EXPECT_TRUE(stream.wait_for("broadside.open"));
    return stream;
  }
  // `count` events on `topic`, numbered from `first`, each of its key; in one request.
  void publish_numbered(const std::string& topic, int first, int count, int keys) const {
    std::string lines;
    for (int i = first; i < first + count; ++i) {
      lines +=
          R"({"data":")" + std::to_string(i) + ":" + std::string(500, 'x') + R"(","key":"k)" + std::to_string(i % keys) + "\"}\n";
    }
    const HttpResponse response = post("/events/" + topic, lines, {{"Content-Type", "application/x-ndjson"}});
    ASSERT_EQ(response.status(), 200) << response.body;
  }
  static int number_of(const std::string& data) { return std::stoi(data); }
  // Publishes while the slow one reads a little after each request, then it reads to the newest event.
  void read_slowly(SseStream& stream, const std::string& topic, int rounds, int per_round, int keys) {
    for (int round = 0; round < rounds; ++round) {
      publish_numbered(topic, round * per_round, per_round, keys);
      stream.read_more(Deadline::in(Millis(0)));
    }
    const int last = rounds * per_round - 1;
    const Deadline deadline = soon();
    const auto is_there = [&] {
      const std::vector<std::string> data = stream.published_data();
      return !data.empty() && number_of(data.back()) == last;
    };
    while (!is_there() && stream.read_more(deadline)) {
    }
    EXPECT_TRUE(is_there());
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Policy);

TEST_P(Policy, disconnect_cuts_a_stalled_one_and_it_resumes_with_everything) {
  start_with({"--lag-events", "500", "--history-events", "100000", "--history-bytes", "64MiB", "--body-bytes", "8MiB"});
  SseStream stalled = subscribe_slow("/events/t");
  constexpr int kCount = 3000;
  publish_numbered("t", 0, kCount, 10);
  ASSERT_FALSE(stalled.wait_published(kCount)) << "it is closed before";
  EXPECT_EQ(stalled.stream().violation(), "");
  std::vector<std::string> data = stalled.published_data();
  SseStream resumed = subscribe("/events/t?follow=0", {{"Last-Event-ID", stalled.last_event_id()}});
  ASSERT_TRUE(resumed.wait_closed());
  EXPECT_FALSE(resumed.find("broadside.gap"));
  for (const std::string& each : resumed.published_data()) data.push_back(each);
  ASSERT_EQ(data.size(), kCount);
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(number_of(data[static_cast<std::size_t>(i)]), i);
}

TEST_P(Policy, skip_accounts_for_every_event_that_a_slow_one_was_not_sent) {
  start_with({"--policy", "skip", "--lag-events", "50", "--keep", "5", "--history-events", "20"});
  SseStream slow = subscribe_slow("/events/t");
  constexpr int kRounds = 40;
  constexpr int kPerRound = 100;
  read_slowly(slow, "t", kRounds, kPerRound, 10);
  EXPECT_EQ(slow.stream().violation(), "");
  std::int64_t lost = 0;
  int gaps = 0;
  for (const ReceivedEvent& event : slow.events()) {
    if (event.type != "broadside.gap") continue;
    EXPECT_EQ(json_string(event.data, "/reason"), "skipped") << event.data;
    lost += json_int(event.data, "/lost").value_or(-1'000'000);
    ++gaps;
  }
  EXPECT_GT(gaps, 0);
  EXPECT_EQ(lost + static_cast<std::int64_t>(slow.published().size()), kRounds * kPerRound);
  int before = -1;
  for (const std::string& data : slow.published_data()) {
    EXPECT_GT(number_of(data), before);
    before = number_of(data);
  }
}

TEST_P(Policy, conflate_gives_a_slow_one_the_newest_of_every_key_and_no_gap) {
  start_with({"--policy", "conflate", "--history-events", "10"});
  SseStream slow = subscribe_slow("/events/t");
  constexpr int kKeys = 30;
  read_slowly(slow, "t", 40, 100, kKeys);
  EXPECT_EQ(slow.stream().violation(), "");
  EXPECT_FALSE(slow.find("broadside.gap"));
  std::map<int, int> newest;
  int before = -1;
  for (const std::string& data : slow.published_data()) {
    EXPECT_GT(number_of(data), before);
    before = number_of(data);
    newest[before % kKeys] = before;
  }
  ASSERT_EQ(newest.size(), static_cast<std::size_t>(kKeys));
  for (const auto& [key, number] : newest) EXPECT_GE(number, 4000 - kKeys) << key;
  EXPECT_LT(slow.published().size(), 4000U);
}

TEST_P(Policy, a_snapshot_is_all_that_a_newcomer_needs) {
  start_with({"--policy", "conflate", "--history-events", "0"});
  publish_numbered("t", 0, 1000, 25);
  SseStream state = subscribe("/events/t?snapshot=1&follow=0");
  ASSERT_TRUE(state.wait_closed());
  ASSERT_EQ(state.published().size(), 25U);
  for (int i = 0; i < 25; ++i) EXPECT_EQ(number_of(state.published_data()[static_cast<std::size_t>(i)]), 975 + i);
  expect_problem(get("/events/t?snapshot=2"), 400, "snapshot");
  expect_problem(get("/events/t?rate=0"), 400, "rate");
}

TEST_P(Policy, healthy_ones_get_everything_beside_stalled_ones) {
  start_with({"--history-events", "0"});
  std::vector<SseStream> stalled;
  for (int i = 0; i < 20; ++i) stalled.push_back(subscribe_slow("/events/t"));
  SseStream healthy = subscribe_open("/events/t");
  constexpr int kRounds = 30;
  for (int round = 0; round < kRounds; ++round) {
    publish_numbered("t", round * 100, 100, 10);
    ASSERT_TRUE(healthy.wait_published(static_cast<std::size_t>(round + 1) * 100));
  }
  const std::vector<std::string> data = healthy.published_data();
  for (int i = 0; i < kRounds * 100; ++i) ASSERT_EQ(number_of(data[static_cast<std::size_t>(i)]), i);
}

}  // namespace
}  // namespace broadside::test
