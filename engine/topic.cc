#include "engine/topic.h"

#include <algorithm>
#include <cmath>

namespace broadside {
namespace {

constexpr double kDecaySeconds = 10;

std::uint32_t tenths_of(Nanos moment) { return static_cast<std::uint32_t>(moment / (kSecond / 10)); }

}  // namespace

double DecayingRate::at(Nanos now) const {
  // Publishers read the clock before they have the lock: the later one may come first.
  const auto tenths = static_cast<std::int32_t>(tenths_of(now) - tenth_);
  return static_cast<double>(rate_) * std::exp(-std::max(tenths, 0) / (10 * kDecaySeconds));
}

void DecayingRate::add(Nanos now) {
  // Most events come within the tenth of the one before: they need no exponential.
  if (tenths_of(now) != tenth_) rate_ = static_cast<float>(at(now));
  tenth_ = tenths_of(now);
  rate_ += static_cast<float>(1 / kDecaySeconds);
}

void TopicView::find_head(Position newest) {
  head = Cursor{.segment = first_sequence, .frame = 0};
  for (std::size_t i = held.size(); i-- > 0;) {
    const HeldSegment& at = held[i];
    std::uint32_t frames = at.frames;
    while (frames > 0 && at.segment->entry(frames - 1).position > published) --frames;
    head = Cursor{.segment = at.segment->sequence(), .frame = frames};
    if (frames > 0) {
      head_position = at.segment->entry(frames - 1).position;
      return;
    }
  }
  // All before is gone from the log: what is kept of it is to be had all the same, and who lacks it otherwise has to be visited.
  const Position gone = held.empty() ? newest : held.front().segment->entry(0).position.before();
  head_position = std::max(head_position, std::min(gone, published));
}

void TopicView::normalise(Cursor& cursor) const {
  if (cursor.segment < first_sequence) {
    // Nothing was lost if it stood at the very end of the segment that went last.
    if (cursor.segment + 1 == first_sequence && cursor.frame >= dropped_frames)
      cursor = Cursor{.segment = first_sequence, .frame = 0};
    return;
  }
  while (cursor.segment - first_sequence + 1 < held.size()) {
    const HeldSegment& at = held_at(cursor.segment);
    if (cursor.frame < at.frames || at.ends_topic) return;
    cursor = Cursor{.segment = cursor.segment + 1, .frame = 0};
  }
}

bool TopicView::is_lost(Cursor cursor) const { return cursor.segment < first_sequence; }

std::uint32_t TopicView::events_before(Cursor cursor) const {
  if (held.empty()) return events_total;
  if (cursor.segment - first_sequence < held.size()) return held_at(cursor.segment).events_before(cursor.frame);
  return held.back().events_before(held.back().frames);  // Behind the last one, which is full or ends the topic.
}

Cursor TopicView::cursor_after(Position position) const {
  const Place place = find_place(position);
  if (place.part < kept.size()) return Cursor{.segment = first_sequence, .frame = 0};
  return Cursor{.segment = first_sequence + place.part - static_cast<std::uint32_t>(kept.size()), .frame = place.frame};
}

Place TopicView::find_place(Position position) const {
  std::uint32_t low = 0;
  std::uint32_t high = part_count();
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    const HeldSegment& at = part(middle);
    // One without frames can only be the last.
    if (at.frames == 0 || at.segment->entry(at.frames - 1).position > position) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (low == part_count()) return Place{.part = low, .frame = 0};
  return Place{.part = low, .frame = part(low).segment->find_after(position, part(low).frames)};
}

bool TopicView::find_live(Place& place) const {
  for (; place.part < part_count(); place = Place{.part = place.part + 1, .frame = 0}) {
    const HeldSegment& at = part(place.part);
    for (; place.frame < at.frames; ++place.frame) {
      const FrameEntry& entry = at.segment->entry(place.frame);
      if (entry.position > published) return false;
      if (entry.is_live(keys_floor)) return true;
    }
  }
  return false;
}

bool TopicView::is_at_end(Cursor cursor) const {
  if (cursor.segment < first_sequence || cursor.segment - first_sequence >= held.size()) return false;
  const HeldSegment& at = held_at(cursor.segment);
  return at.ends_topic && cursor.frame == at.frames;
}

}  // namespace broadside
