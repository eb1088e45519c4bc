#include "engine/listing.h"

namespace broadside {

// Superseded events count as well: they are what conflation spares the subscriber.
static Lag conflated_lag_of(const Subscription& subscription, std::uint64_t wall_ms, std::uint32_t& steps) {
  Lag lag;
  const TopicView& view = *subscription.view;
  if (subscription.has_ended || subscription.passed >= view.head_position) return lag;
  Place at = view.find_place(subscription.passed);
  for (; at.part < view.part_count(); at = Place{.part = at.part + 1, .frame = 0}) {
    ++steps;
    const HeldSegment& held = view.part(at.part);
    const std::uint32_t frames = held.segment->find_after(view.head_position, held.frames);
    if (at.frame >= frames) continue;
    const std::uint64_t published_ms = held.segment->entry(at.frame).position.milliseconds();
    if (lag.bytes == 0 && wall_ms > published_ms) lag.age_ms = wall_ms - published_ms;
    lag.events += frames - at.frame;
    lag.bytes += held.segment->entry(frames - 1).end - held.segment->frame_begin(at.frame);
  }
  return lag;
}

Lag lag_of(const Subscription& subscription, std::uint64_t wall_ms, std::uint32_t& steps) {
  Lag lag;
  const TopicView& view = *subscription.view;
  if (subscription.conflates) return conflated_lag_of(subscription, wall_ms, steps);
  if (subscription.has_ended || view.held.empty()) return lag;
  Cursor at = subscription.cursor;
  view.normalise(at);
  if (view.is_lost(at)) at = Cursor{.segment = view.first_sequence, .frame = 0};
  while (at < view.head && at.segment - view.first_sequence < view.held.size()) {
    ++steps;
    const HeldSegment& held = view.held_at(at.segment);
    const std::uint32_t frames = at.segment == view.head.segment ? view.head.frame : held.frames;
    if (at.frame < frames) {
      const std::uint64_t published_ms = held.segment->entry(at.frame).position.milliseconds();
      if (lag.bytes == 0 && wall_ms > published_ms) lag.age_ms = wall_ms - published_ms;
      const bool has_end = held.ends_topic && frames == held.frames;  // broadside.end is nobody's event.
      lag.events += frames - at.frame - (has_end ? 1U : 0U);
      lag.bytes += held.segment->entry(frames - 1).end - held.segment->frame_begin(at.frame);
    }
    if (held.ends_topic) break;  // The stream ends there, whatever comes behind.
    at = Cursor{.segment = at.segment + 1, .frame = 0};
  }
  return lag;
}

Lag lag_of(Connection& connection, std::uint64_t wall_ms, std::uint32_t& steps) {
  Lag sum;
  steps += connection.subscription_count;
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    sum += lag_of(connection.subscriptions()[i], wall_ms, steps);
  }
  if (const TornFrame* torn = connection.torn; torn != nullptr) {
    sum.events += torn->is_end ? 0 : 1;
    sum.bytes += torn->size - connection.partial_bytes;
    return sum;
  }
  // What has been sent of the frame under way. It may have left the log since.
  sum.bytes -= std::min<std::uint64_t>(sum.bytes, connection.partial_bytes);
  return sum;
}

void TopicLags::add(std::string_view topic, const Lag& lag) {
  const auto is_smaller = [](const auto& a, const auto& b) { return key_of(a.second) < key_of(b.second); };
  const bool is_full = entries_.size() == count_max_;
  const auto smallest = std::min_element(entries_.begin(), entries_.end(), is_smaller);
  if (is_full && key_of(lag) <= key_of(smallest->second)) return;
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.first == topic; });
  if (same != entries_.end()) {
    if (key_of(same->second) < key_of(lag)) same->second = lag;
  } else if (is_full) {
    *smallest = {std::string(topic), lag};
  } else {
    entries_.emplace_back(std::string(topic), lag);
  }
}

std::vector<std::pair<std::string, Lag>> TopicLags::take_sorted() {
  std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
    return key_of(a.second) != key_of(b.second) ? key_of(a.second) > key_of(b.second) : a.first < b.first;
  });
  return std::exchange(entries_, {});
}

}  // namespace broadside
