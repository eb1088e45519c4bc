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
#include "broadside/subscribe.h"
#include "engine/listing.h"
#include "engine/segment_list.h"
#include "engine/text_hash.h"
#include "engine/topic.h"
#include "engine/torn_frames.h"

namespace broadside {

enum class GapReason : std::uint8_t { retention, restart, unknown_id, skipped };
constexpr std::array<std::string_view, 4> kGapReasonNames = {"retention", "restart", "unknown-id", "skipped"};

struct Gap {
  std::size_t topic_index = 0;
  std::string from;  // The id resumed from, as it came.
  Position to;       // Nothing newer is missing.
  GapReason reason = GapReason::retention;
};

constexpr std::uint32_t kShardsMax = 256;

// Where it does start in one topic: what Subscription's members of the same names begin with.
struct StartPlace {
  Cursor cursor;
  Position passed;
  std::uint32_t counted = 0;
  std::uint32_t floor_count = 0;
  bool conflates = false;
  bool goes_plain = false;
};

// Where it does start.
struct StartPlan {
  Position open_position;         // For broadside.open: the position the stream starts after, as far as the client knows.
  Position start_position;        // What has been sent before the first frame: everything up to here.
  std::vector<TopicView*> views;  // In the order of the names asked for.
  std::vector<StartPlace> places;
  std::vector<Gap> gaps;
  bool is_over = false;            // All topics have ended and nothing is left: 204. Nothing was subscribed.
  bool lacks_keys = false;         // A snapshot was asked for, and no topic has keys. Nothing was subscribed.
  double rate = 0;                 // The lowest of the topics' rates; 0 = none has one.
  std::uint32_t heartbeat_ms = 0;  // The shortest of the topics'; 0 = none has one.
};

// What a shard needs of the store at the begin of a turn.
struct TurnStart {
  Position published;          // Nothing newer is sent in this turn.
  TopicView* dirty = nullptr;  // The views whose topics have changed since the last turn: a list by next_taken, the shard's own.
};

[[nodiscard]] inline Retention retention_of(const TopicRules& rules) {
  return {.events_max = rules.history_events, .bytes_max = rules.history_bytes, .age_max_ms = rules.history_age_ms};
}

// Tells a shard that something waits for it. Any thread.
class ShardWaker {
 public:
  virtual ~ShardWaker() = default;
  virtual void wake_shard(std::uint32_t shard) noexcept = 0;
};

class TopicStore {
 public:
  // `history_memory` and `memory_max` (0 = no bound) are what Config's members of these names come to here.
  TopicStore(const Config& config, std::uint32_t shard_count, std::uint64_t history_memory, ShardWaker& waker,
             const Clock& clock = system_clock(), std::uint64_t memory_max = 0);
  TopicStore(const TopicStore&) = delete;
  TopicStore& operator=(const TopicStore&) = delete;
  ~TopicStore();  // Requires: no views are left.

  // Encodes, appends and tells the shards. `body` is room to work in.
  Result<Published> publish(std::string_view topic, const Event& event, std::string& body);
  Result<Published> publish(Topic& topic, const Event& event, std::string& body);  // Requires: opened.
  // The topic of this name, made if there is none; it stays until it is closed as often as it was opened.
  Topic& open_topic(std::string_view name);
  void close_topic(Topic& topic);
  Result<Done> publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index);
  Result<Published> end(std::string_view topic, bool* existed);

  // Shards: the cursors of a new subscriber, all at one moment. Makes topics and views as needed; each view counts one more
  // subscriber, unless is_over.
  StartPlan subscribe(std::uint32_t shard, std::span<const std::string> topics, const StartRequest& request);
  // One subscriber less; the view is deleted with its last one (true).
  bool unsubscribe(TopicView* view);
  TurnStart begin_turn(std::uint32_t shard);
  // Brings what `view` may read up to date and moves its head to the newest frame not newer than `published`. True if there is
  // more than that already. `torn` (may be null) rescues frames out of segments that the view lets go of.
  bool refresh(TopicView& view, Position published, TornFrames* torn = nullptr);
  // Takes over what may change while running: rules, bounds of memory, event_bytes_max.
  void reconfigure(const Config& config, std::uint64_t history_memory, std::uint64_t memory_max);
  // What connections take now, for the bound of all memory.
  void set_connection_memory(std::uint64_t bytes) { connection_memory_.store(bytes, std::memory_order_relaxed); }
  // Whether another subscriber would be one too many for the memory. Any thread.
  [[nodiscard]] bool is_memory_short() const { return is_memory_short_.load(std::memory_order_relaxed); }
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
  using WakeSet = std::array<std::uint64_t, kShardsMax / 64>;  // A bit a shard.

  // All private functions are called with the lock held, except wake().
  [[nodiscard]] Topic* find(std::string_view name) const;
  Topic* find_or_make(std::string_view name);
  // The rules of `topic` as they are now.
  const TopicRules& rules_of(Topic& topic);
  void resolve_rules(Topic& topic);
  void delete_if_idle(Topic* topic);
  Position next_position();
  // The memory of segments that `batch` needs made: at least what it will take, for the bodies end at `ends`.
  [[nodiscard]] std::uint64_t cost_of_key(const Event& event) const;
  [[nodiscard]] std::uint64_t cost_of(std::span<const BatchEntry> batch, std::span<const std::size_t> ends) const;
  [[nodiscard]] static std::size_t frame_bytes_of(std::size_t own_id_bytes, std::size_t body_bytes);
  bool make_room(std::uint64_t bytes, const Topic* keep);
  [[nodiscard]] static std::uint64_t ended_cost(std::string_view name);
  void remember_ended(Position position, std::string_view name);
  void forget_oldest_ended();
  // Makes the frame's place, writes it and tells the shards. False: no memory, nothing was changed.
  struct NewFrame {
    std::string_view own_id;
    std::string_view body;
    std::string_view key;
    bool is_end = false;
    Nanos now = 0;
  };
  bool append(Topic* topic, const NewFrame& frame, Published& out);
  // Whether there is, or can be made, room for what `cost()` comes to.
  template <typename Cost>
  bool find_room(Cost&& cost);
  // The one event of publish(), for `known` or, if that is null, for the topic named so.
  Result<Published> publish_one(Topic* known, std::string_view name, const Event& event, std::string& body);
  bool publish_to(Topic* topic, const Event& event, std::string_view body, Nanos now, Published& out);
  WakeSet finish_publish();
  void release_passed(Topic* topic, bool with_last);
  void drop_first(Topic* topic);
  [[nodiscard]] static std::uint64_t subscribers_of(const Topic& topic, std::uint32_t shard_count);
  [[nodiscard]] bool is_passed(const Topic& topic, Position position) const;
  void mark_dirty(Topic* topic);
  void wake(const WakeSet& shards);
  WakeSet take_wakes();
  [[nodiscard]] std::uint64_t memory_bytes() const { return logs_.memory_bytes() + kept_.memory_bytes(); }
  [[nodiscard]] std::uint64_t memory_limit() const;
  bool drop_for_room(Segment* segment, const Topic* keep);
  void drop_from(SegmentList& list, std::uint64_t memory_max, const Topic* keep);
  void hold_memory_limit();
  void sweep_ages(std::uint64_t now);
  static void refresh_kept(TopicView& view, const KeyTable* keys, std::vector<Segment*>& dropped);
  TopicView* view_of(Topic* topic, std::uint32_t shard);
  void fill_info(const Topic& topic, Nanos now, TopicInfo& out) const;
  // The parts of subscribe(): each fills positions, cursors and gaps.
  [[nodiscard]] bool has_unsent(const Topic& topic, const StartPlace& place, Position& position) const;
  [[nodiscard]] Position before_first(std::span<Topic* const> topics, const StartPlan& plan) const;
  void plan_live(std::span<Topic* const> topics, const StartRequest& request, StartPlan& plan);
  void plan_after(std::span<Topic* const> topics, const StartRequest& request, StartPlan& plan);
  void plan_last(std::span<Topic* const> topics, std::uint64_t count, StartPlan& plan);
  void plan_resume(std::span<Topic* const> topics, Position after, const std::string& from, StartPlan& plan);
  void plan_all(std::span<Topic* const> topics, const std::string& from, StartPlan& plan);
  // topic_store_invariants.cc: the parts of check_invariants().
  [[nodiscard]] std::uint64_t check_log(const Topic& topic) const;   // Returns the memory of its segments.
  [[nodiscard]] std::uint64_t check_keys(const Topic& topic) const;  // The same of its keys and what they keep.
  void check_views(const Topic& topic) const;
  void check_lists() const;

  std::uint64_t history_memory_ = 0;
  std::uint64_t memory_max_ = 0;
  std::uint64_t ended_age_ms_ = 0;
  const std::uint32_t shard_count_;
  ShardWaker& waker_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, std::unique_ptr<Topic>, TextHash> topics_;
  std::set<Topic*, ByName> by_name_;
  std::vector<TopicView*> dirty_;  // By shard: the list's head.
  WakeSet to_wake_{};              // Their lists were empty before.
  std::vector<Topic*> overdue_;    // Logs that keep forgotten segments until sweeps have passed.
  SegmentList logs_;               // Segments of logs by their last frame, and what is remembered of ended topics.
  SegmentList kept_;               // Those that outlive a log, in the order of being kept, and the keys.
  TopicRules defaults_;
  std::vector<TopicSection> sections_;
  std::uint32_t rules_version_ = 1;
  bool has_keys_ = false;                                // Some rules want keys.
  std::uint64_t age_min_ms_ = 0;                         // The shortest history_age_ms of all rules.
  std::vector<std::pair<Position, std::string>> ended_;  // In order of ending; may name topics that opened again.
  std::size_t ended_next_ = 0;
  std::uint64_t ended_memory_ = 0;
  Position start_;  // Nothing before it can be known.
  Position last_;
  Position vanished_floor_;  // The newest position forgotten by topics that have disappeared.
  LogStats counts_;
  std::atomic<std::uint64_t> published_{0};
  std::atomic<std::uint64_t> connection_memory_{0};
  std::atomic<bool> is_memory_short_{false};
  std::atomic<std::uint64_t> event_bytes_limit_{0};  // Read by publishers before they take the lock, as the next.
  std::atomic<std::uint64_t> backlog_limit_{0};
};

}  // namespace broadside
