// A named stream: its log, its keys, and each shard's view of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/units.h"
#include "broadside/config.h"
#include "engine/head_trail.h"
#include "engine/keys.h"
#include "engine/log.h"

namespace broadside {

struct Subscription;
struct Topic;

// A segment that a shard reads, and how much of it the shard may see.
struct HeldSegment {
  Segment* segment = nullptr;
  std::uint32_t frames = 0;
  bool ends_topic = false;

  // Published events before `frame`, modulo 2^32. broadside.end, the last of its segment, is nobody's event.
  [[nodiscard]] std::uint32_t events_before(std::uint32_t frame) const {
    return segment->first_event + frame - (ends_topic && frame == frames ? 1 : 0);
  }
};

// A place in what a conflating subscriber reads: the kept segments and the log's behind them, counted from 0.
struct Place {
  std::uint32_t part = 0;
  std::uint32_t frame = 0;
};

// One shard's side of a topic that it has subscribers of: what it may read, who reads it, and how far the sweep is.
// Owned by the shard; the first group belongs to the store's lock.
struct TopicView {
  TopicView(Topic* of, std::uint32_t on_shard) : topic(of), shard(on_shard) {}

  Topic* const topic;
  const std::uint32_t shard;
  // Under the store's lock.
  bool is_dirty = false;
  TopicView* next_dirty = nullptr;
  TopicView* next_taken = nullptr;  // In the list that begin_turn() hands to the shard.
  // Written by the shard, read by publishers: every unblocked subscriber has been offered everything up to here.
  std::atomic<std::uint64_t> lap_position{0};
  std::atomic<std::uint32_t> subscribers{0};

  // The rest is the shard's alone. What it may read: `held` is [first_sequence, first_sequence + held.size()).
  std::vector<HeldSegment> held;
  std::vector<HeldSegment> kept;  // What has outlived the log of the newest events of their keys; older than `held`.
  std::uint64_t kept_version = 0;
  Position keys_floor;  // Conflation may lack what is not newer.
  std::uint32_t keys_floor_count = 0;
  TopicRules rules;
  std::uint32_t rules_version = 0;
  Position published;  // Of the turn: nothing newer is read.
  std::uint32_t first_sequence = 0;
  std::uint32_t events_total = 0;    // Of the topic ever, modulo 2^32.
  std::uint32_t dropped_frames = 0;  // Of the segment before first_sequence.
  Cursor head;                       // Behind the newest frame that this turn may send.
  Position head_position;
  std::uint64_t refreshed_turn = 0;
  bool is_ended = false;

  // Unblocked subscribers; holes are null and listed in `holes`, so that a place never moves while a lap is under way.
  std::vector<Subscription*> slots;
  std::vector<std::uint32_t> holes;
  // The lap: `lap_left` places from `lap_next` on have not been offered `head` yet.
  std::uint32_t lap_next = 0;
  std::uint32_t lap_left = 0;
  // The marked lap: when `mark_left` more places have been passed, all have been offered `mark_position`.
  std::uint32_t mark_left = 0;
  Position mark_position;
  std::uint32_t behind = 0;          // Subscribers that wait in the shard's ready queue, or are blocked only just now.
  std::uint32_t behind_blocked = 0;  // The latter.
  bool has_more = false;             // The log had newer frames than the turn might send.
  bool is_sweeping = false;          // In the shard's list of sweeps.
  bool is_lap_late = false;          // In the shard's list of laps to be tried again.
  bool is_lap_done = false;          // In the shard's list of laps to be accounted for once this turn's sends are.
  // How far into the log any subscriber has been sent, and how far all unblocked ones have been offered: latencies of the events
  // up to there have been taken.
  Cursor written;
  Cursor offered;
  bool is_offer_open = false;        // When the last marked lap ended, someone unblocked was still behind.
  std::unique_ptr<HeadTrail> trail;  // While it has or had rated subscribers: the log waits for them as well.
  TopicView* sweep_previous = nullptr;
  TopicView* sweep_next = nullptr;

  // Puts `head` behind the newest frame that is not newer than `published`. `newest` is the topic's.
  void find_head(Position newest);
  // Moves a cursor at a segment's end to the begin of the next one. Unless the segment ends the topic: there it stops.
  void normalise(Cursor& cursor) const;
  // Whether frames that `cursor` has not passed are gone.
  [[nodiscard]] bool is_lost(Cursor cursor) const;
  // Whether `cursor` stands behind broadside.end.
  [[nodiscard]] bool is_at_end(Cursor cursor) const;
  // Whether there are frames behind the segment of `cursor`, which ends the topic.
  [[nodiscard]] bool has_reopened_behind(Cursor cursor) const { return head > Cursor{.segment = cursor.segment + 1, .frame = 0}; }
  [[nodiscard]] const HeldSegment& held_at(std::uint32_t sequence) const { return held[sequence - first_sequence]; }
  [[nodiscard]] Position position_at(Cursor cursor) const {
    return held_at(cursor.segment).segment->entry(cursor.frame).position;
  }
  // Published events before `cursor`, modulo 2^32. Requires: not lost.
  [[nodiscard]] std::uint32_t events_before(Cursor cursor) const;

  // In the log, behind everything not newer than `position`.
  [[nodiscard]] Cursor cursor_after(Position position) const;

  // What conflation reads.
  [[nodiscard]] const HeldSegment& part(std::uint32_t index) const {
    return index < kept.size() ? kept[index] : held[index - kept.size()];
  }
  [[nodiscard]] std::uint32_t part_count() const { return static_cast<std::uint32_t>(kept.size() + held.size()); }
  // Behind everything not newer than `position`.
  [[nodiscard]] Place find_place(Position position) const;
  // Moves `place` to the first frame from there on that this turn may send and that is live (FrameEntry). False: there is none.
  bool find_live(Place& place) const;
};

// Events a second, each counting for less the longer ago it was: the weight falls to 1/e in ten seconds.
class DecayingRate {
 public:
  void add(Nanos now);
  [[nodiscard]] double at(Nanos now) const;

 private:
  float rate_ = 0;
  std::uint32_t tenth_ = 0;  // When it was that: tenths of a second of the monotonic clock, which last for 13 years.
};

// Everything here is under the store's lock.
struct Topic {
  explicit Topic(std::string_view topic_name) : name(topic_name) {}

  const std::string name;
  const TopicRules* rules = nullptr;  // The store's; see TopicStore::rules_of().
  std::uint32_t rules_version = 0;
  Log log;
  std::unique_ptr<KeyTable> keys;       // Null where the rules want none.
  std::unique_ptr<TopicView*[]> views;  // By shard; null while no shard has one.
  std::uint32_t view_count = 0;
  bool is_ended = false;
  DecayingRate rate;
  std::uint32_t handles = 0;  // It stays while there are any.
  bool is_overdue = false;    // In the store's list of logs that keep forgotten segments for a sweep.
  Position end_position;
};

}  // namespace broadside
