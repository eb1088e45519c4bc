// All topics of an engine and their logs, under one short lock: gives positions, appends, forgets, and tells shards that a
// topic has grown. Called from publishers' threads and from shards.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broadside/config.h"
#include "broadside/engine.h"
#include "engine/listing.h"
#include "engine/topic.h"

namespace broadside {

// Where a subscription wants to start.
struct StartRequest {
  enum class Kind : std::uint8_t { live, after_id, since, last };
  Kind kind = Kind::live;
  std::string id;              // after_id: Last-Event-ID as it came.
  std::uint64_t since_ms = 0;  // since: the first event not older.
  std::uint64_t last = 0;      // last: the newest so many of all topics together.
};

enum class GapReason : std::uint8_t { retention, restart, unknown_id };

struct Gap {
  std::size_t topic_index = 0;
  std::string from;  // The id resumed from, as it came.
  Position to;       // Nothing newer is missing.
  GapReason reason = GapReason::retention;
};

// Where it does start.
struct StartPlan {
  Position open_position;         // For broadside.open: the position the stream starts after, as far as the client knows.
  Position start_position;        // What has been sent before the first frame: everything up to here.
  std::vector<TopicView*> views;  // In the order of the names asked for.
  std::vector<Cursor> cursors;
  std::vector<Gap> gaps;
  bool is_over = false;  // All topics have ended and nothing is left: 204. Nothing was subscribed.
};

// What a shard needs of the store at the begin of a turn.
struct TurnStart {
  Position published;          // Nothing newer is sent in this turn.
  TopicView* dirty = nullptr;  // The views whose topics have changed since the last turn: a list by next_taken, the shard's own.
};

// Tells a shard that something waits for it. Any thread.
class ShardWaker {
 public:
  virtual ~ShardWaker() = default;
  virtual void wake_shard(std::uint32_t shard) noexcept = 0;
};

class TopicStore {
 public:
  TopicStore(const Config& config, std::uint32_t shard_count, std::uint64_t history_memory, ShardWaker& waker,
             const Clock& clock = system_clock());
  TopicStore(const TopicStore&) = delete;
  TopicStore& operator=(const TopicStore&) = delete;
  ~TopicStore();  // Requires: no views are left.

  Result<Done> publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index);
  Result<Published> end(std::string_view topic, bool* existed);

  // Shards: the cursors of a new subscriber, all at one moment. Makes topics and views as needed; each view counts one more
  // subscriber, unless is_over.
  StartPlan subscribe(std::uint32_t shard, std::span<const std::string> topics, const StartRequest& request);
  // One subscriber less; the view is deleted with its last one (true).
  bool unsubscribe(TopicView* view);
  TurnStart begin_turn(std::uint32_t shard);
  // Brings what `view` may read up to date and moves its head to the newest frame not newer than `published`. True if there is
  // more than that already.
  bool refresh(TopicView& view, Position published);
  // Forgets by age and frees what sweeps have passed. Any thread, some times a second; bounded work.
  void tick();

  [[nodiscard]] Position published() const { return Position{published_.load(std::memory_order_acquire)}; }
  [[nodiscard]] LogStats stats() const;
  [[nodiscard]] bool topic_info(std::string_view topic, TopicInfo& out) const;
  [[nodiscard]] std::vector<TopicInfo> topics(std::size_t count, std::string_view after) const;
  // Adds up to `count` topics behind the name `after` to `top`, and moves `after` on; true when there are no more. Requires: an
  // order that is not lag.
  bool list_top_topics(TopicOrder order, std::size_t count, std::string& after, TopList<TopicInfo>& top) const;

  // Asserts what must hold between two calls, by looking at everything. For tests.
  void check_invariants() const;

 private:
  struct ByName {
    using is_transparent = void;
    bool operator()(const Topic* a, const Topic* b) const { return a->name < b->name; }
    bool operator()(const Topic* a, std::string_view b) const { return a->name < b; }
    bool operator()(std::string_view a, const Topic* b) const { return a < b->name; }
  };
  using WakeSet = std::array<std::uint64_t, 4>;  // A bit a shard.

  // All private functions are called with the lock held, except wake().
  [[nodiscard]] Topic* find(std::string_view name) const;
  Topic* find_or_make(std::string_view name);
  void delete_if_idle(Topic* topic);
  Position next_position();
  // The memory of segments that `batch` needs made: at least what it will take, for the bodies end at `ends`.
  [[nodiscard]] std::uint64_t cost_of(std::span<const BatchEntry> batch, std::span<const std::size_t> ends) const;
  [[nodiscard]] static std::size_t frame_bytes_of(std::size_t own_id_bytes, std::size_t body_bytes);
  bool make_room(std::uint64_t bytes, const Topic* keep);
  void remember_ended(Position position, std::string_view name);
  void forget_oldest_ended();
  // Makes the frame's place, writes it and tells the shards. False: no memory, nothing was changed.
  bool append(Topic* topic, std::string_view own_id, std::string_view body, bool is_end, Nanos now, Published& out);
  void release_passed(Topic* topic, bool with_last);
  void drop_first(Topic* topic);
  [[nodiscard]] static std::uint64_t subscribers_of(const Topic& topic, std::uint32_t shard_count);
  [[nodiscard]] bool is_passed(const Topic& topic, Position position) const;
  void mark_dirty(Topic* topic);
  void wake(const WakeSet& shards);
  WakeSet take_wakes();
  void link_newest(Segment* segment);
  void unlink(Segment* segment);
  TopicView* view_of(Topic* topic, std::uint32_t shard);
  void fill_info(const Topic& topic, Nanos now, TopicInfo& out) const;
  // The parts of subscribe(): each fills positions, cursors and gaps.
  void plan_after(std::span<Topic* const> topics, const StartRequest& request, StartPlan& plan);
  void plan_last(std::span<Topic* const> topics, std::uint64_t count, StartPlan& plan);
  void plan_resume(std::span<Topic* const> topics, Position after, const std::string& from, StartPlan& plan);
  void plan_all(std::span<Topic* const> topics, const std::string& from, StartPlan& plan);
  // topic_store_invariants.cc: the parts of check_invariants().
  [[nodiscard]] std::uint64_t check_log(const Topic& topic) const;  // Returns the memory of its segments.
  void check_views(const Topic& topic) const;
  void check_lists() const;

  const Retention retention_;
  const std::uint64_t event_bytes_max_;
  const std::uint64_t backlog_bytes_;
  const std::uint64_t history_memory_;
  const std::uint64_t ended_age_ms_;
  const std::uint32_t shard_count_;
  ShardWaker& waker_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, std::unique_ptr<Topic>> topics_;
  std::set<Topic*, ByName> by_name_;
  std::vector<TopicView*> dirty_;  // By shard: the list's head.
  WakeSet to_wake_{};              // Their lists were empty before.
  std::vector<Topic*> overdue_;    // Logs that keep forgotten segments until sweeps have passed.
  Segment* oldest_ = nullptr;      // All segments with frames, by their last one.
  Segment* newest_ = nullptr;
  std::vector<std::pair<Position, std::string>> ended_;  // In order of ending; may name topics that opened again.
  std::size_t ended_next_ = 0;
  std::uint64_t memory_ = 0;        // Of all segments, and of what is remembered of ended topics.
  std::uint64_t ended_memory_ = 0;  // The latter.
  Position start_;                  // Nothing before it can be known.
  Position last_;
  Position vanished_floor_;  // The newest position forgotten by topics that have disappeared.
  LogStats counts_;
  std::atomic<std::uint64_t> published_{0};
};

}  // namespace broadside
