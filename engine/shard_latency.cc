// The part of shard.h that measures: how long a published event takes to its first and to its last subscriber. One sample an
// event and shard, taken from the publish stamps in the log: nothing is done per subscriber.
#include "engine/shard.h"

namespace broadside {
namespace {

// Calls `sample` for the stamp of each published event of `view` from `at` on for as long as `goes_on(cursor, entry)`, and moves
// `at` behind them. What has left the log unsampled (--backlog-bytes) or is superseded is passed over, and broadside.end is
// nobody's event.
template <typename GoesOn, typename Sample>
void walk_events(const TopicView& view, Cursor& at, GoesOn&& goes_on, Sample&& sample) {
  if (at.segment < view.first_sequence) at = Cursor{.segment = view.first_sequence, .frame = 0};
  while (at.segment - view.first_sequence < view.held.size()) {
    const HeldSegment& held = view.held_at(at.segment);
    for (; at.frame < held.frames; ++at.frame) {
      const FrameEntry& entry = held.segment->entry(at.frame);
      if (!goes_on(at, entry)) return;
      const bool is_end = held.ends_topic && at.frame + 1 == held.frames;
      if (!is_end && entry.is_live()) sample(entry.published());
    }
    if (at.segment - view.first_sequence + 1 == view.held.size()) return;
    at = Cursor{.segment = at.segment + 1, .frame = 0};
  }
}

}  // namespace

// The frames that the visit just settled was the first to complete.
void Shard::record_written(Nanos sent_at) {
  for (const DeliveryBatch::Advance& advance : batch_.advances()) {
    Cursor at = advance.from;
    walk_events(
        *advance.view, at, [&](Cursor cursor, const FrameEntry&) { return cursor < advance.to; },
        [&](PublishStamp stamp) { counters_.first_writes.add(since_stamp(stamp, sent_at)); });
  }
  batch_.advances().clear();
}

// Everybody unblocked has been offered everything up to `passed`. What nobody has been sent yet, because all are blocked, has no
// last write either: it is sampled by a later lap.
void Shard::record_offered(TopicView& view, Position passed, Nanos now) {
  walk_events(
      view, view.offered,
      [&](Cursor cursor, const FrameEntry& entry) { return entry.position <= passed && cursor < view.written; },
      [&](PublishStamp stamp) { counters_.last_writes.add(since_stamp(stamp, now)); });
}

}  // namespace broadside
