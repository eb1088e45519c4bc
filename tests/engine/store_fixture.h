// What the tests of the store and of delivery share: a store without shards, publishing, and reading a subscription's frames
// the way a shard does, through its views.
#pragma once

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "engine/connection.h"
#include "engine/topic_store.h"
#include "proto/position.h"

namespace broadside {

class CountingWaker final : public ShardWaker {
 public:
  void wake_shard(std::uint32_t shard) noexcept override { ++wakes[shard % 4]; }
  std::array<std::atomic<int>, 4> wakes{};
};

inline std::uint64_t realtime_coarse_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}
// Until the clock that positions come from shows another millisecond: it moves every 4 ms or so.
inline std::uint64_t wait_for_later_ms(std::uint64_t than) {
  std::uint64_t now = realtime_coarse_ms();
  while (now <= than) now = realtime_coarse_ms();
  return now;
}

class StoreFixture : public ::testing::Test {
 protected:
  explicit StoreFixture(std::uint32_t shards = 1, std::uint64_t history_memory = 1ULL << 30) { remake(shards, history_memory); }
  ~StoreFixture() override { leave_all(); }

  void remake(std::uint32_t shards = 1, std::uint64_t history_memory = 1ULL << 30) {
    leave_all();
    store_ = std::make_unique<TopicStore>(config_, shards, history_memory, waker_);
  }
  TopicStore& store() { return *store_; }

  Result<Published> try_publish(std::string_view topic, std::string_view data, std::string_view id = {}) {
    const BatchEntry entry{.topic = topic, .event = Event{.data = data, .id = id}};
    std::vector<Published> out;
    Result<Done> done = store().publish_batch({&entry, 1}, out, nullptr);
    if (!done) return done.error();
    return out.front();
  }
  Published publish(std::string_view topic, std::string_view data, std::string_view id = {}) {
    Result<Published> published = try_publish(topic, data, id);
    EXPECT_TRUE(published.has_value()) << (published ? "" : published.error().message);
    return published ? *published : Published{};
  }
  Position end(std::string_view topic) {
    bool existed = false;
    Result<Published> ended = store().end(topic, &existed);
    EXPECT_TRUE(ended.has_value() && existed);
    return ended->position;
  }
  static std::string frame(Position position, std::string_view data, std::string_view id = {}) {
    return "id: " + (id.empty() ? to_string(position) : std::string(id)) + "\ndata: " + std::string(data) + "\n\n";
  }
  static std::string end_frame(Position position, const std::string& topic) {
    return "id: " + to_string(position) + "\nevent: broadside.end\ndata: {\"topic\":\"" + topic + "\"}\n\n";
  }

  StartPlan subscribe(const std::vector<std::string>& topics, const StartRequest& request, std::uint32_t shard = 0) {
    StartPlan plan = store().subscribe(shard, topics, request);
    for (TopicView* view : plan.views) views_.push_back(view);
    return plan;
  }
  void leave(const StartPlan& plan) {
    for (TopicView* view : plan.views) {
      views_.erase(std::find(views_.begin(), views_.end(), view));
      store().unsubscribe(view);
    }
  }
  void leave_all() {
    for (TopicView* view : views_) store_->unsubscribe(view);
    views_.clear();
  }
  static StartRequest live() { return {}; }
  static StartRequest after(std::string id) { return {.kind = StartRequest::Kind::after_id, .id = std::move(id)}; }
  static StartRequest after(Position position) { return after(to_string(position)); }
  static StartRequest since(std::uint64_t ms) { return {.kind = StartRequest::Kind::since, .since_ms = ms}; }
  static StartRequest last(std::uint64_t count) { return {.kind = StartRequest::Kind::last, .last = count}; }

  static std::vector<Cursor> cursors_of(const StartPlan& plan) {
    std::vector<Cursor> cursors;
    for (const StartPlace& place : plan.places) cursors.push_back(place.cursor);
    return cursors;
  }
  // All that a plan's cursors give up to the moment, merged by position; each topic stops at its end.
  std::string read(const StartPlan& plan) {
    const TurnStart turn = store().begin_turn(0);
    std::vector<Cursor> cursors = cursors_of(plan);
    for (TopicView* view : plan.views) store().refresh(*view, turn.published);
    std::string text;
    for (;;) {
      std::size_t best = cursors.size();
      for (std::size_t i = 0; i < cursors.size(); ++i) {
        const TopicView& view = *plan.views[i];
        view.normalise(cursors[i]);
        EXPECT_FALSE(view.is_lost(cursors[i]));
        if (view.is_at_end(cursors[i]) || cursors[i] >= view.head) continue;
        if (best == cursors.size() || view.position_at(cursors[i]) < plan.views[best]->position_at(cursors[best])) best = i;
      }
      if (best == cursors.size()) return text;
      const Segment& segment = *plan.views[best]->held_at(cursors[best].segment).segment;
      const std::uint32_t begin = segment.frame_begin(cursors[best].frame);
      text.append(segment.bytes() + begin, segment.entry(cursors[best].frame).end - begin);
      ++cursors[best].frame;
    }
  }
  // Subscribes, reads and leaves.
  std::string read_from(const std::vector<std::string>& topics, const StartRequest& request) {
    const StartPlan plan = subscribe(topics, request);
    std::string text = read(plan);
    leave(plan);
    return text;
  }

  Config config_;
  CountingWaker waker_;
  std::unique_ptr<TopicStore> store_;
  std::vector<TopicView*> views_;
};

}  // namespace broadside
