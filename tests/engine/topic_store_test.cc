// The store: positions, batches, duplicates, bounds of memory, ends, and what a shard's view of a topic may read.
#include "engine/topic_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <thread>

#include "base/prng.h"
#include "base/units.h"
#include "tests/engine/store_fixture.h"
#include "tests/support/deadline.h"

namespace broadside {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kHasSanitizer = true;
#else
constexpr bool kHasSanitizer = false;
#endif

class TopicStoreTest : public StoreFixture {};

TEST_F(TopicStoreTest, gives_strictly_increasing_positions_over_all_topics) {
  Position before = store().published();
  for (int i = 0; i < 5000; ++i) {
    const Position position = publish("t" + std::to_string(i % 7), "x").position;
    ASSERT_GT(position, before);
    before = position;
    ASSERT_EQ(store().published(), position);
  }
}

TEST_F(TopicStoreTest, gives_strictly_increasing_positions_within_a_batch) {
  std::vector<BatchEntry> batch;
  for (int i = 0; i < 500; ++i) batch.push_back({.topic = i % 2 == 0 ? "a" : "b", .event = {.data = "x"}});
  std::vector<Published> out;
  ASSERT_TRUE(store().publish_batch(batch, out, nullptr));
  ASSERT_EQ(out.size(), batch.size());
  for (std::size_t i = 1; i < out.size(); ++i) ASSERT_GT(out[i].position, out[i - 1].position);
  EXPECT_EQ(store().published(), out.back().position);
}

TEST_F(TopicStoreTest, gives_every_thread_positions_of_its_own) {
  std::vector<std::vector<Position>> positions(4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t, &positions] {
      for (int i = 0; i < 2000; ++i) positions[t].push_back(publish("t" + std::to_string(t % 2), "x").position);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<Position> all;
  for (const auto& each : positions) {
    EXPECT_TRUE(std::is_sorted(each.begin(), each.end()));
    all.insert(all.end(), each.begin(), each.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST_F(TopicStoreTest, answers_a_duplicate_id_with_the_first_position) {
  const Published first = publish("t", "x", "mine");
  const Published again = publish("t", "y", "mine");
  EXPECT_FALSE(first.is_duplicate);
  EXPECT_TRUE(again.is_duplicate);
  EXPECT_EQ(again.position, first.position);
  const Published elsewhere = publish("u", "z", "mine");
  EXPECT_FALSE(elsewhere.is_duplicate);
  EXPECT_EQ(read_from({"t"}, last(10)), frame(first.position, "x", "mine"));
  EXPECT_EQ(store().stats().publishes_duplicate, 1U);
}

TEST_F(TopicStoreTest, finds_duplicates_within_a_batch) {
  const std::vector<BatchEntry> batch = {{.topic = "t", .event = {.data = "x", .id = "a"}},
                                         {.topic = "t", .event = {.data = "y", .id = "a"}}};
  std::vector<Published> out;
  ASSERT_TRUE(store().publish_batch(batch, out, nullptr));
  EXPECT_TRUE(out[1].is_duplicate);
  EXPECT_EQ(out[1].position, out[0].position);
}

TEST_F(TopicStoreTest, publishes_an_id_again_once_its_frame_is_forgotten) {
  config_.defaults.history_events = 1;
  remake();
  const Published first = publish("t", "x", "mine");
  publish("t", "y");
  const Published again = publish("t", "z", "mine");
  EXPECT_FALSE(again.is_duplicate);
  EXPECT_GT(again.position, first.position);
}

TEST_F(TopicStoreTest, publishes_all_of_a_batch_or_none) {
  const Position before = store().published();
  const std::string large(config_.event_bytes_max + 1, 'x');
  const std::string too_long(256, 't');
  const std::vector<BatchEntry> bad = {{.topic = "", .event = {.data = "x"}},
                                       {.topic = too_long, .event = {.data = "x"}},
                                       {.topic = "t\n", .event = {.data = "x"}},
                                       {.topic = "t", .event = {.data = large}},
                                       {.topic = "t", .event = {.data = "\xff"}},
                                       {.topic = "t", .event = {.data = "x", .type = "broadside.open"}},
                                       {.topic = "t", .event = {.data = "x", .id = "1-1"}},
                                       {.topic = "t", .event = {.data = "x", .id = " a"}}};
  for (const BatchEntry& entry : bad) {
    const std::vector<BatchEntry> batch = {{.topic = "a", .event = {.data = "1"}},
                                           {.topic = "b", .event = {.data = "2"}},
                                           entry,
                                           {.topic = "c", .event = {.data = "3"}}};
    std::vector<Published> out;
    std::size_t bad_index = 99;
    EXPECT_FALSE(store().publish_batch(batch, out, &bad_index));
    EXPECT_EQ(bad_index, 2U);
  }
  EXPECT_EQ(store().published(), before);
  EXPECT_EQ(store().stats().topics, 0U);
  EXPECT_EQ(store().stats().publishes, 0U);
}

TEST_F(TopicStoreTest, counts_subscribers_at_the_moment_of_the_publish) {
  remake(2);
  EXPECT_EQ(publish("t", "x").subscribers, 0U);
  const StartPlan a = subscribe({"t"}, live(), 0);
  const StartPlan b = subscribe({"t"}, live(), 1);
  const StartPlan c = subscribe({"t"}, live(), 1);
  EXPECT_EQ(publish("t", "x").subscribers, 3U);
  leave(c);
  EXPECT_EQ(publish("t", "x").subscribers, 2U);
}

TEST_F(TopicStoreTest, wakes_each_shard_with_subscribers_once_until_it_has_looked) {
  remake(3);
  const StartPlan plan = subscribe({"a", "b"}, live(), 1);
  for (int i = 0; i < 5; ++i) {
    publish("a", "x");
    publish("b", "x");
  }
  EXPECT_EQ(waker_.wakes[0], 0);
  EXPECT_EQ(waker_.wakes[1], 1);
  EXPECT_EQ(waker_.wakes[2], 0);
  store().begin_turn(1);
  publish("b", "x");
  EXPECT_EQ(waker_.wakes[1], 2);
}

// How many views the turn's list has; stops if it has no end.
int dirty_count(const TurnStart& turn) {
  int count = 0;
  for (const TopicView* view = turn.dirty; view != nullptr && count < 100; view = view->next_taken) ++count;
  return count;
}

TEST_F(TopicStoreTest, lists_a_view_once_even_if_it_was_refreshed_while_it_was_listed) {
  const StartPlan plan = subscribe({"a", "b"}, live());
  publish("a", "x");
  // A shard refreshes views that it visits for other reasons as well.
  store().refresh(*plan.views[0], store().published());
  publish("a", "y");
  publish("b", "y");
  publish("a", "y");
  EXPECT_EQ(dirty_count(store().begin_turn(0)), 2);
  EXPECT_EQ(dirty_count(store().begin_turn(0)), 0);
  publish("b", "z");
  EXPECT_EQ(dirty_count(store().begin_turn(0)), 1);
}

TEST_F(TopicStoreTest, lists_a_view_again_that_was_not_refreshed_since) {
  const StartPlan plan = subscribe({"a"}, live());
  publish("a", "x");
  EXPECT_EQ(dirty_count(store().begin_turn(0)), 1);
  publish("a", "x");
  EXPECT_EQ(dirty_count(store().begin_turn(0)), 1);
}

TEST_F(TopicStoreTest, forgets_a_listed_view_when_its_last_subscriber_leaves) {
  const StartPlan a = subscribe({"a"}, live());
  const StartPlan b = subscribe({"b"}, live());
  publish("a", "x");
  publish("b", "x");
  store().refresh(*a.views[0], store().published());
  leave(a);
  const TurnStart turn = store().begin_turn(0);
  ASSERT_EQ(dirty_count(turn), 1);
  EXPECT_EQ(turn.dirty, b.views[0]);
}

TEST_F(TopicStoreTest, cuts_a_view_at_the_position_of_the_turn) {
  const StartPlan plan = subscribe({"t"}, live());
  TopicView& view = *plan.views[0];
  std::vector<Position> positions;
  for (int i = 0; i < 200; ++i) positions.push_back(publish("t", std::string(50, 'x')).position);
  for (std::size_t i = 0; i + 1 < positions.size(); ++i) {
    EXPECT_TRUE(store().refresh(view, positions[i]));
    ASSERT_EQ(view.head_position, positions[i]);
    Cursor last = view.head;
    ASSERT_GT(last.frame, 0U);
    --last.frame;
    ASSERT_EQ(view.position_at(last), positions[i]);
  }
  EXPECT_FALSE(store().refresh(view, positions.back()));
  EXPECT_EQ(view.head_position, positions.back());
}

TEST_F(TopicStoreTest, shows_nothing_of_a_log_that_is_all_newer_than_the_turn) {
  const StartPlan plan = subscribe({"t"}, live());
  const Position before = store().published();
  for (int i = 0; i < 20; ++i) publish("t", std::string(50, 'x'));
  EXPECT_TRUE(store().refresh(*plan.views[0], before));
  EXPECT_EQ(plan.views[0]->head, (Cursor{0, 0}));
}

TEST_F(TopicStoreTest, lets_go_of_segments_that_the_log_has_dropped) {
  config_.defaults.history_events = 2;
  remake();
  const StartPlan plan = subscribe({"t"}, live());
  TopicView& view = *plan.views[0];
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) publish("t", std::string(5000, 'x'));
    store().refresh(view, store().published());
    const std::size_t held_before = view.held.size();
    EXPECT_GT(held_before, 1U);
    view.lap_position.store(view.head_position.packed);
    store().tick();
    store().refresh(view, store().published());
    EXPECT_LE(view.held.size(), 2U);
    EXPECT_EQ(view.head_position, store().published());
  }
  EXPECT_LT(store().stats().history_bytes, 200'000U);
}

TEST_F(TopicStoreTest, keeps_what_a_sweep_has_not_passed) {
  config_.defaults.history_events = 0;
  remake();
  const StartPlan plan = subscribe({"t"}, live());
  std::string expected;
  for (int i = 0; i < 500; ++i) expected += frame(publish("t", std::to_string(i)).position, std::to_string(i));
  EXPECT_EQ(read(plan), expected);
  store().tick();
  EXPECT_EQ(read(plan), expected);
  EXPECT_EQ(read_from({"t"}, last(100)), "");  // No replay, but delivery.
  plan.views[0]->lap_position.store(store().published().packed);
  store().tick();
  store().refresh(*plan.views[0], store().published());
  Cursor cursor = plan.places[0].cursor;
  plan.views[0]->normalise(cursor);
  EXPECT_TRUE(plan.views[0]->is_lost(cursor));
}

TEST_F(TopicStoreTest, drops_what_exceeds_the_backlog_and_counts_it) {
  config_.defaults.history_events = 1;
  config_.defaults.history_bytes = 1000;
  config_.backlog_bytes = 256 << 10;
  remake();
  const StartPlan plan = subscribe({"t"}, live());
  const std::string data(1000, 'x');
  for (int i = 0; i < 200; ++i) publish("t", data);
  EXPECT_EQ(store().stats().backlog_overruns, 0U);
  for (int i = 0; i < 400; ++i) publish("t", data);
  EXPECT_GT(store().stats().backlog_overruns, 0U);
  EXPECT_LT(store().stats().history_bytes, (256U << 10) + 3 * (64U << 10));
  store().refresh(*plan.views[0], store().published());
  Cursor cursor = plan.places[0].cursor;
  plan.views[0]->normalise(cursor);
  EXPECT_TRUE(plan.views[0]->is_lost(cursor));
}

TEST_F(TopicStoreTest, refuses_a_publish_larger_than_the_backlog_whole) {
  config_.defaults.history_bytes = 1000;
  config_.backlog_bytes = 64 << 10;
  remake();
  std::vector<BatchEntry> batch;
  const std::string data(10'000, 'x');
  for (int i = 0; i < 10; ++i) batch.push_back({.topic = "t", .event = {.data = data}});
  std::vector<Published> out;
  const Result<Done> done = store().publish_batch(batch, out, nullptr);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Error::Code::too_large);
  EXPECT_EQ(store().stats().topics, 0U);
}

TEST_F(TopicStoreTest, frees_the_oldest_of_all_topics_first_when_the_memory_is_full) {
  remake(1, 2 << 20);
  const std::string data(10'000, 'x');
  Position last_position;
  for (int i = 0; i < 1000; ++i) {
    last_position = publish("t" + std::to_string(i), data).position;
    ASSERT_LE(store().stats().history_bytes, 2U << 20);
  }
  const std::uint64_t left = store().stats().topics;
  EXPECT_GT(left, 150U);  // Ten kilobytes each.
  EXPECT_LT(left, 220U);
  TopicInfo info;
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_EQ(store().topic_info("t" + std::to_string(i), info), i >= 1000 - left) << i;
}

TEST_F(TopicStoreTest, frees_segments_of_one_large_topic) {
  config_.defaults.history_events = 1'000'000;
  config_.defaults.history_bytes = 1ULL << 30;
  remake(1, 4 << 20);
  const std::string data(1000, 'x');
  for (int i = 0; i < 20'000; ++i) {
    publish("t", data);
    ASSERT_LE(store().stats().history_bytes, 4U << 20);
  }
  TopicInfo info;
  ASSERT_TRUE(store().topic_info("t", info));
  EXPECT_GT(info.events, 3000U);
}

// Small events over many topics need far more than their bytes: a segment each, which doubles. Every one is counted before it is
// made.
TEST_F(TopicStoreTest, stays_within_the_memory_with_batches_that_make_many_segments) {
  constexpr std::uint64_t kMemory = 256 << 10;
  config_.defaults.history_events = 1'000'000;
  remake(1, kMemory);
  Prng prng(5);
  std::vector<std::string> names;
  for (int i = 0; i < 60; ++i) names.push_back("topic" + std::to_string(i));
  std::vector<Published> out;
  for (int round = 0; round < 300; ++round) {
    const std::string data(1 + prng.below(300), 'x');
    std::vector<BatchEntry> batch(1 + prng.below(100));
    for (BatchEntry& entry : batch) entry = {.topic = names[prng.below(names.size())], .event = {.data = data}};
    ASSERT_TRUE(store().publish_batch(batch, out, nullptr));
    ASSERT_EQ(out.size(), batch.size());
    ASSERT_LE(store().stats().history_bytes, kMemory);
  }
  EXPECT_GT(store().stats().history_bytes, kMemory / 2) << "the memory is there to be used";
}

TEST_F(TopicStoreTest, publishes_all_of_a_batch_or_nothing_when_the_memory_is_full) {
  config_.defaults.history_events = 1'000'000;
  remake(1, 128 << 10);
  const StartPlan plan = subscribe({"held"}, live());
  std::uint64_t published = 0;
  std::vector<Published> out;
  const std::vector<BatchEntry> batch(7, BatchEntry{.topic = "held", .event = {.data = "some bytes of data"}});
  while (store().publish_batch(batch, out, nullptr)) {
    published += batch.size();
    ASSERT_LE(store().stats().history_bytes, 128U << 10);
    ASSERT_LT(published, 100'000U) << "it never fills";
  }
  TopicInfo info;
  ASSERT_TRUE(store().topic_info("held", info));
  EXPECT_EQ(store().stats().publishes, published);
  EXPECT_EQ(store().stats().publishes_refused, batch.size());
}

TEST_F(TopicStoreTest, counts_what_is_remembered_of_ended_topics_as_history) {
  constexpr std::uint64_t kMemory = 1 << 20;
  config_.defaults.history_age_ms = 1;
  remake(1, kMemory);
  Position newest;
  for (int i = 0; i < 2000; ++i) {
    const std::string name = "an ended topic " + std::to_string(i);
    publish(name, "x");
    newest = end(name);
    ASSERT_LE(store().stats().history_bytes, kMemory);
  }
  wait_for_later_ms(newest.milliseconds() + config_.defaults.history_age_ms);
  store().tick();
  // All frames are gone, and what is left are names: the newest, within a sixteenth.
  EXPECT_GT(store().stats().history_bytes, kMemory / 20);
  EXPECT_LE(store().stats().history_bytes, kMemory / 16);
  EXPECT_TRUE(subscribe({"an ended topic 1999"}, after(newest)).is_over);
  EXPECT_FALSE(subscribe({"an ended topic 0"}, after(newest)).is_over);
}

TEST_F(TopicStoreTest, refuses_when_all_memory_holds_what_has_not_been_sent) {
  remake(1, 1 << 20);
  const StartPlan plan = subscribe({"held"}, live());
  const std::string data(10'000, 'x');
  std::string expected;
  Result<Published> published = Published{};
  for (int i = 0; i < 200; ++i) {
    published = try_publish("held", data);
    if (!published) break;
    expected += frame(published->position, data);
  }
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().code, Error::Code::out_of_memory);
  EXPECT_FALSE(try_publish("other", std::string(100'000, 'x'))) << "less than a segment is left";
  EXPECT_GE(store().stats().publishes_refused, 2U);
  // Nothing that is still to be sent was thrown out.
  EXPECT_TRUE(read(plan) == expected);
  plan.views[0]->lap_position.store(store().published().packed);
  EXPECT_TRUE(try_publish("other", data));
}

TEST_F(TopicStoreTest, lets_a_topic_disappear_whose_history_made_no_room_for_its_end) {
  remake(1, 16 * kKiB);
  const StartPlan plan = subscribe({"held"}, live());
  ASSERT_TRUE(try_publish("held", std::string(15'500, 'x')));
  const std::string long_name(200, 't');  // To be remembered with the end.
  ASSERT_TRUE(try_publish(long_name, "small"));
  bool existed = false;
  const Result<Published> ended = store().end(long_name, &existed);
  ASSERT_FALSE(ended);
  EXPECT_TRUE(existed);
  EXPECT_EQ(store().stats().topics, 1U);
  leave(plan);
}

TEST_F(TopicStoreTest, lets_idle_topics_disappear_and_raises_the_floor_for_new_ones) {
  config_.defaults.history_events = 0;
  remake();
  const Position start = store().published();
  const Position first = publish("a", "x").position;
  EXPECT_EQ(store().stats().topics, 0U);
  EXPECT_EQ(store().stats().history_bytes, 0U);
  // Nothing is known of what was before.
  const StartPlan plan = subscribe({"b"}, after(start));
  ASSERT_EQ(plan.gaps.size(), 1U);
  EXPECT_EQ(plan.gaps[0].reason, GapReason::retention);
  EXPECT_EQ(plan.gaps[0].to, first);
  EXPECT_TRUE(subscribe({"b"}, after(first)).gaps.empty());
  leave_all();
  EXPECT_EQ(store().stats().topics, 0U);
}

TEST_F(TopicStoreTest, makes_no_topic_last_that_was_only_asked_for) {
  const StartPlan plan = subscribe({"a", "b"}, live());
  EXPECT_EQ(store().stats().topics, 2U);
  leave(plan);
  EXPECT_EQ(store().stats().topics, 0U);
}

TEST_F(TopicStoreTest, forgets_by_age_when_it_ticks) {
  config_.defaults.history_age_ms = 1;
  remake();
  std::vector<BatchEntry> batch;
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("t" + std::to_string(i));
  for (const std::string& name : names) batch.push_back({.topic = name, .event = {.data = "x"}});
  std::vector<Published> out;
  ASSERT_TRUE(store().publish_batch(batch, out, nullptr));
  wait_for_later_ms(out.back().position.milliseconds() + config_.defaults.history_age_ms);
  store().tick();
  EXPECT_EQ(store().stats().topics, 0U);
  EXPECT_EQ(store().stats().history_bytes, 0U);
}

TEST_F(TopicStoreTest, does_not_replay_what_is_too_old_even_if_nothing_was_published_since) {
  config_.defaults.history_age_ms = 20;
  remake();
  const Position old = publish("t", "old").position;
  wait_for_later_ms(old.milliseconds() + config_.defaults.history_age_ms);
  const StartPlan plan = subscribe({"t"}, last(10));
  EXPECT_EQ(read(plan), "");
  EXPECT_EQ(subscribe({"t"}, after(old.before())).gaps.size(), 1U);
}

TEST_F(TopicStoreTest, remembers_an_ended_topic_for_its_age) {
  config_.ended_age_ms = 20;
  remake();
  publish("t", "x");
  const Position ended = end("t");
  const std::uint64_t with_name = store().stats().history_bytes;
  EXPECT_TRUE(subscribe({"t"}, after(ended)).is_over);
  wait_for_later_ms(ended.milliseconds() + config_.ended_age_ms);
  store().tick();
  EXPECT_LE(store().stats().history_bytes, with_name - sizeof(Topic)) << "the frames are still there, but no longer a name";
  const StartPlan plan = subscribe({"t"}, after(ended));
  EXPECT_FALSE(plan.is_over);
  EXPECT_EQ(plan.views.size(), 1U);
}

TEST_F(TopicStoreTest, lists_topics_in_order_of_name) {
  for (const char* name : {"b", "d", "a", "c"}) publish(name, "x");
  const std::vector<TopicInfo> all = store().topics(100, "");
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_EQ(all[3].name, "d");
  const std::vector<TopicInfo> two = store().topics(2, "a");
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0].name, "b");
  EXPECT_EQ(two[1].name, "c");
  EXPECT_EQ(two[0].events, 1U);
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0;
  file >> pages >> pages;
  return pages * 4096;
}

TEST_F(TopicStoreTest, slow_holds_a_million_small_topics_in_one_gibibyte) {
  if (kHasSanitizer) GTEST_SKIP() << "a sanitizer's memory is not ours";
  constexpr std::uint64_t kTopics = 200'000;  // A fifth of a million.
  remake(2, 8ULL << 30);
  const std::string data(64, 'x');
  const std::uint64_t before = resident_bytes();
  for (std::uint64_t i = 0; i < kTopics; ++i) {
    char name[17];
    std::snprintf(name, sizeof name, "topic-%010llu", static_cast<unsigned long long>(i));
    publish(name, data);
  }
  const std::uint64_t each = (resident_bytes() - before) / kTopics;
  std::printf("%llu bytes a topic\n", static_cast<unsigned long long>(each));
  EXPECT_EQ(store().stats().topics, kTopics);
  EXPECT_LT(each, (1ULL << 30) / 1'000'000);
}

// Publishers, subscribers that read and leave, and ticks at once: for the sanitizers, and for order as each reader sees it.
TEST_F(TopicStoreTest, stands_publishers_and_readers_at_once) {
  config_.defaults.history_events = 20;
  remake(2);
  std::atomic<bool> is_done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 3000; ++i) publish("t" + std::to_string((i + t) % 3), std::string(1 + i % 300, 'x'));
    });
  }
  for (std::uint32_t shard = 0; shard < 2; ++shard) {
    threads.emplace_back([this, shard, &is_done] {
      const std::vector<std::string> names = {"t0", "t1", "t2"};
      while (!is_done.load()) {
        const StartPlan plan = store().subscribe(shard, names, StartRequest{});
        Position newest = plan.start_position;
        std::vector<Cursor> cursors = cursors_of(plan);
        for (int turn = 0; turn < 20; ++turn) {
          const Position published = store().begin_turn(shard).published;
          Position greatest = newest;
          for (std::size_t i = 0; i < plan.views.size(); ++i) {
            TopicView& view = *plan.views[i];
            store().refresh(view, published);
            for (view.normalise(cursors[i]); cursors[i] < view.head; view.normalise(cursors[i])) {
              EXPECT_FALSE(view.is_lost(cursors[i]));
              const Position position = view.position_at(cursors[i]);
              EXPECT_GT(position, newest);
              EXPECT_LE(position, published);
              greatest = std::max(greatest, position);
              ++cursors[i].frame;
            }
            view.lap_position.store(view.head_position.packed);
          }
          newest = greatest;
        }
        for (TopicView* view : plan.views) store().unsubscribe(view);
        store().tick();
      }
    });
  }
  threads[0].join();
  threads[1].join();
  is_done.store(true);
  threads[2].join();
  threads[3].join();
}

}  // namespace
}  // namespace broadside
