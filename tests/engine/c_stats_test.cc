// Counters and listings through the C API; and events to one connection, whose ids listings tell.
#include "broadside/c_stats.h"

#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "tests/engine/c_fixture.h"

namespace broadside {
namespace {

// What sinks are told: copied, since it is theirs during the call alone.
struct Told {
  static void connections(void* user, const broadside_connection_page* page) noexcept {
    auto* told = static_cast<Told*>(user);
    const std::lock_guard lock(told->mutex);
    ++told->calls;
    told->was_stopped = page == nullptr;
    if (page == nullptr) return;
    for (std::size_t i = 0; i < page->connection_count; ++i) {
      const broadside_connection_info& info = *page->connections[i];
      EXPECT_EQ(info.size, sizeof info);
      told->ids.insert(text_of(info.id));
      for (std::size_t topic = 0; topic < info.topics_shown; ++topic) told->names.push_back(text_of(info.topics[topic]));
    }
    told->next = text_of(page->next);
  }
  static void topics(void* user, const broadside_topic_page* page) noexcept {
    auto* told = static_cast<Told*>(user);
    const std::lock_guard lock(told->mutex);
    ++told->calls;
    told->was_stopped = page == nullptr;
    if (page == nullptr) return;
    for (std::size_t i = 0; i < page->topic_count; ++i) {
      EXPECT_EQ(page->topics[i]->size, sizeof(broadside_topic_info));
      told->names.push_back(text_of(page->topics[i]->name));
    }
  }
  static void outcome(void* user, broadside_send_outcome outcome) noexcept {
    auto* told = static_cast<Told*>(user);
    const std::lock_guard lock(told->mutex);
    ++told->calls;
    told->outcomes.push_back(outcome);
  }
  bool wait_calls(int count) {
    return wait_until([&] {
      const std::lock_guard lock(mutex);
      return calls >= count;
    });
  }

  std::mutex mutex;
  int calls = 0;
  bool was_stopped = false;
  std::set<std::string> ids;
  std::vector<std::string> names;
  std::string next;
  std::vector<broadside_send_outcome> outcomes;
};

class CStatsTest : public CFixture {
 protected:
  broadside_stats stats() {
    broadside_stats stats;
    broadside_stats_init(&stats);
    EXPECT_EQ(broadside_engine_stats(engine_, &stats, nullptr), BROADSIDE_OK);
    return stats;
  }
  // `member` of all shards together.
  template <typename Member>
  std::uint64_t sum(const Member& member) {
    std::uint64_t all = 0;
    for (std::uint32_t shard = 0; shard < stats().shards; ++shard) {
      broadside_shard_stats one;
      broadside_shard_stats_init(&one);
      EXPECT_EQ(broadside_engine_shard_stats(engine_, shard, &one, nullptr), BROADSIDE_OK);
      all += member(one);
    }
    return all;
  }
};

TEST_F(CStatsTest, counters_say_what_has_happened) {
  start();
  {
    auto stream = subscribe("/events/t");
    ASSERT_TRUE(stream.wait_for("broadside.open"));
    const broadside_published published = publish("t", "x");
    ASSERT_TRUE(stream.wait_published(1));
    EXPECT_EQ(sum([](const auto& shard) { return shard.subscribers; }), 1U);
    EXPECT_EQ(sum([](const auto& shard) { return shard.subscribes; }), 1U);
    const broadside_stats now = stats();
    EXPECT_EQ(now.shards, 2U);
    EXPECT_EQ(now.publishes, 1U);
    EXPECT_EQ(now.topics, 1U);
    EXPECT_EQ(now.published, published.position);
    EXPECT_FALSE(now.is_draining);
    EXPECT_NE(now.backend, BROADSIDE_BACKEND_AUTOMATIC);
    EXPECT_GT(now.monotonic_ms, 0U);
    EXPECT_GT(now.history_bytes, 0U);
  }
  EXPECT_TRUE(wait_until([&] { return sum([](const auto& shard) { return shard.closes[BROADSIDE_CLOSE_PEER]; }) == 1; }));
  EXPECT_TRUE(wait_until([&] { return sum([](const auto& shard) { return shard.deliveries; }) == 1; }));
  const auto first_writes = [](const broadside_shard_stats& shard) {
    return std::accumulate(std::begin(shard.first_writes.counts), std::end(shard.first_writes.counts), std::uint64_t{0});
  };
  EXPECT_TRUE(wait_until([&] { return sum(first_writes) == 1; }));
  EXPECT_EQ(test::fetch(port(), "GET", "/nothing").status(), 404);
  EXPECT_EQ(sum([](const auto& shard) { return shard.refusals[BROADSIDE_REFUSAL_NOT_FOUND]; }), 1U);

  broadside_shard_stats none;
  broadside_shard_stats_init(&none);
  EXPECT_EQ(broadside_engine_shard_stats(engine_, 2, &none, &error_), BROADSIDE_INVALID_ARGUMENT);
}

TEST_F(CStatsTest, durations_fall_into_buckets_with_bounds) {
  EXPECT_EQ(broadside_duration_bound_ns(0), 50'000U);
  EXPECT_EQ(broadside_duration_bound_ns(BROADSIDE_DURATION_BUCKETS - 2), 10'000'000'000U);
  EXPECT_EQ(broadside_duration_bound_ns(BROADSIDE_DURATION_BUCKETS - 1), UINT64_MAX);
  EXPECT_EQ(broadside_duration_bound_ns(SIZE_MAX), UINT64_MAX);
}

TEST_F(CStatsTest, a_topic_is_found_by_its_name) {
  start();
  const broadside_published newest = publish("t", "x");
  broadside_topic_info info;
  broadside_topic_info_init(&info);
  bool is_there = false;
  ASSERT_EQ(broadside_engine_find_topic(engine_, broadside_text("t"), &info, &is_there, &error_), BROADSIDE_OK);
  EXPECT_TRUE(is_there);
  EXPECT_EQ(text_of(info.name), "t");
  EXPECT_EQ(info.events, 1U);
  EXPECT_EQ(info.newest, newest.position);
  ASSERT_EQ(broadside_engine_find_topic(engine_, broadside_text("else"), &info, &is_there, &error_), BROADSIDE_OK);
  EXPECT_FALSE(is_there);
}

TEST_F(CStatsTest, topics_are_listed_by_name_and_by_size) {
  start();
  for (const char* topic : {"b", "a", "c"}) publish(topic, "x");
  Told by_name;
  ASSERT_EQ(broadside_engine_list_topics(engine_, 2, {}, Told::topics, &by_name, &error_), BROADSIDE_OK);
  ASSERT_EQ(broadside_engine_list_topics(engine_, 2, broadside_text("b"), Told::topics, &by_name, &error_), BROADSIDE_OK);
  EXPECT_EQ(by_name.names, (std::vector<std::string>{"a", "b", "c"}));

  auto stream = subscribe("/events/b");
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  Told largest;
  ASSERT_EQ(broadside_engine_start_list_topics(engine_, 1, BROADSIDE_ORDER_SUBSCRIBERS, Told::topics, &largest, &error_),
            BROADSIDE_OK);
  ASSERT_TRUE(largest.wait_calls(1));
  EXPECT_EQ(largest.names, std::vector<std::string>{"b"});
  Told lagging;
  ASSERT_EQ(broadside_engine_start_list_topics(engine_, 9, BROADSIDE_ORDER_LAG, Told::topics, &lagging, &error_), BROADSIDE_OK);
  ASSERT_TRUE(lagging.wait_calls(1));
  EXPECT_TRUE(lagging.names.empty());
}

TEST_F(CStatsTest, subscribers_are_listed_page_by_page) {
  start();
  std::vector<test::SseStream> streams;
  for (const char* target : {"/events/a", "/events/b", "/events?topic=a&topic=b"}) {
    streams.push_back(subscribe(target));
    ASSERT_TRUE(streams.back().wait_for("broadside.open"));
  }
  Told all;
  int calls = 0;
  do {
    ASSERT_EQ(broadside_engine_start_list_connections(engine_, 2, slice_from(all.next), Told::connections, &all, &error_),
              BROADSIDE_OK);
    ASSERT_TRUE(all.wait_calls(++calls));
  } while (!all.next.empty());
  EXPECT_EQ(all.ids.size(), 3U);
  EXPECT_EQ(std::multiset<std::string>(all.names.begin(), all.names.end()), (std::multiset<std::string>{"a", "a", "b", "b"}));

  Told on_b;
  ASSERT_EQ(broadside_engine_start_list_subscribers(engine_, broadside_text("b"), 10, {}, Told::connections, &on_b, &error_),
            BROADSIDE_OK);
  ASSERT_TRUE(on_b.wait_calls(1));
  EXPECT_EQ(on_b.ids.size(), 2U);
  Told slowest;
  ASSERT_EQ(broadside_engine_start_list_slowest(engine_, 1, Told::connections, &slowest, &error_), BROADSIDE_OK);
  ASSERT_TRUE(slowest.wait_calls(1));
  EXPECT_LE(slowest.ids.size(), 1U);
}

TEST_F(CStatsTest, an_event_to_one_connection_says_what_became_of_it) {
  start();
  auto one = subscribe("/events/a");
  auto other = subscribe("/events/b");
  ASSERT_TRUE(one.wait_for("broadside.open") && other.wait_for("broadside.open"));
  Told on_a;
  ASSERT_EQ(broadside_engine_start_list_subscribers(engine_, broadside_text("a"), 1, {}, Told::connections, &on_a, &error_),
            BROADSIDE_OK);
  ASSERT_TRUE(on_a.wait_calls(1));
  ASSERT_EQ(on_a.ids.size(), 1U);
  const broadside_slice id = slice_from(*on_a.ids.begin());
  Told sent;
  const broadside_event event = event_of("for you");
  ASSERT_EQ(broadside_engine_start_send_to(engine_, id, &event, Told::outcome, &sent, &error_), BROADSIDE_OK);
  ASSERT_TRUE(sent.wait_calls(1));
  ASSERT_EQ(broadside_engine_start_send_to(engine_, id, &event, nullptr, nullptr, &error_), BROADSIDE_OK) << "nobody asks";
  ASSERT_EQ(broadside_engine_start_send_to(engine_, broadside_text("nobody"), &event, Told::outcome, &sent, &error_),
            BROADSIDE_OK);
  ASSERT_TRUE(sent.wait_calls(2));
  EXPECT_EQ(sent.outcomes, (std::vector<broadside_send_outcome>{BROADSIDE_SEND_TAKEN, BROADSIDE_SEND_UNKNOWN}));
  ASSERT_TRUE(one.wait_published(2));
  EXPECT_EQ(one.published_data(), (std::vector<std::string>{"for you", "for you"}));

  broadside_event with_id = event;
  with_id.id = broadside_text("own");
  EXPECT_EQ(broadside_engine_start_send_to(engine_, id, &with_id, Told::outcome, &sent, &error_), BROADSIDE_INVALID_ARGUMENT);
  broadside_engine_stop(engine_, nullptr);
  broadside_engine_destroy(engine_);
  engine_ = nullptr;
  EXPECT_EQ(sent.calls, 2) << "what was refused is not told";
}

TEST_F(CStatsTest, who_still_waits_when_the_engine_stops_is_told_so_once) {
  config_.shards = 1;
  config_.is_host_driven = true;  // Nothing happens by itself.
  start();
  Told connections;
  Told topics;
  Told sent;
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(broadside_engine_start_list_connections(engine_, 1, {}, Told::connections, &connections, &error_), BROADSIDE_OK);
    ASSERT_EQ(broadside_engine_start_list_topics(engine_, 1, BROADSIDE_ORDER_RATE, Told::topics, &topics, &error_), BROADSIDE_OK);
  }
  EXPECT_EQ(broadside_engine_start_list_slowest(engine_, 1, Told::connections, &connections, &error_), BROADSIDE_UNAVAILABLE);
  EXPECT_EQ(broadside_engine_start_list_topics(engine_, 1, BROADSIDE_ORDER_LAG, Told::topics, &topics, &error_),
            BROADSIDE_UNAVAILABLE);
  EXPECT_EQ(broadside_engine_start_list_topics(engine_, 1, 3, Told::topics, &topics, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_engine_start_list_connections(engine_, 0, {}, Told::connections, &connections, &error_),
            BROADSIDE_INVALID_ARGUMENT);
  const broadside_event event = event_of("x");
  const std::string id(32, '0');
  ASSERT_EQ(broadside_engine_start_send_to(engine_, slice_from(id), &event, Told::outcome, &sent, &error_), BROADSIDE_OK);
  EXPECT_EQ(connections.calls + topics.calls + sent.calls, 0);
  broadside_engine_destroy(engine_);
  engine_ = nullptr;
  EXPECT_EQ(connections.calls, 4);
  EXPECT_TRUE(connections.was_stopped);
  EXPECT_EQ(topics.calls, 4);
  EXPECT_TRUE(topics.was_stopped);
  EXPECT_EQ(sent.outcomes, std::vector<broadside_send_outcome>{BROADSIDE_SEND_STOPPED});
}

}  // namespace
}  // namespace broadside
