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

bool TopicView::is_at_end(Cursor cursor) const {
  if (cursor.segment < first_sequence || cursor.segment - first_sequence >= held.size()) return false;
  const HeldSegment& at = held_at(cursor.segment);
  return at.ends_topic && cursor.frame == at.frames;
}

}  // namespace broadside
