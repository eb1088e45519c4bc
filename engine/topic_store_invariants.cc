// What holds of the store between any two calls: check_invariants() walks all topics, segments, views and lists. The simulation
// calls it after its turns; nothing else does.
#include <algorithm>

#include "engine/topic_store.h"

namespace broadside {

void TopicStore::check_invariants() const {
  const std::lock_guard lock(mutex_);
  BROADSIDE_ASSERT(last_.packed == published_.load(std::memory_order_relaxed));
  BROADSIDE_ASSERT(by_name_.size() == topics_.size());
  std::uint64_t segments_memory = 0;
  std::uint64_t keys_memory = 0;
  for (const auto& [name, topic] : topics_) {
    BROADSIDE_ASSERT(name == topic->name);
    segments_memory += check_log(*topic);
    keys_memory += check_keys(*topic);
    check_views(*topic);
    // Nobody holds it, and nothing is known of it that could be asked for: it would have been deleted.
    const bool has_keys = topic->keys != nullptr && topic->keys->count() > 0;
    const bool is_idle = topic->view_count == 0 && topic->log.first_segment() == nullptr && !has_keys;
    BROADSIDE_ASSERT(!is_idle || topic->is_ended || topic->is_overdue);
  }
  BROADSIDE_ASSERT(logs_.memory_bytes() == segments_memory + ended_memory_);
  BROADSIDE_ASSERT(kept_.memory_bytes() == keys_memory);
  check_lists();
}

std::uint64_t TopicStore::check_log(const Topic& topic) const {
  const Log& log = topic.log;
  std::uint64_t memory = 0;
  std::uint64_t used = 0;
  std::uint64_t events = 0;
  std::uint64_t event_bytes = 0;
  Position newest;
  std::uint32_t sequence = log.first_sequence();
  const Segment* last = nullptr;
  for (const Segment* segment = log.first_segment(); segment != nullptr; segment = segment->next) {
    BROADSIDE_ASSERT(segment->topic == &topic);
    BROADSIDE_ASSERT(segment->sequence() == sequence++);
    BROADSIDE_ASSERT(segment->references() >= 1);
    BROADSIDE_ASSERT(segment->frames() >= 1);
    for (std::uint32_t frame = 0; frame < segment->frames(); ++frame) {
      const FrameEntry& entry = segment->entry(frame);
      BROADSIDE_ASSERT(entry.position > newest);
      BROADSIDE_ASSERT(entry.end > segment->frame_begin(frame));
      newest = entry.position;
      if (Cursor{.segment = segment->sequence(), .frame = frame} < log.first()) continue;
      BROADSIDE_ASSERT(entry.position > log.floor());
      ++events;
      event_bytes += entry.end - segment->frame_begin(frame);
    }
    BROADSIDE_ASSERT(segment->used_bytes() == segment->entry(segment->frames() - 1).end);
    memory += Segment::allocation_bytes(segment->payload_bytes());
    used += segment->used_bytes();
    last = segment;
  }
  BROADSIDE_ASSERT(last == log.last_segment());
  BROADSIDE_ASSERT(newest <= log.newest());
  BROADSIDE_ASSERT(log.newest() <= last_);
  BROADSIDE_ASSERT(events == log.events());
  BROADSIDE_ASSERT(event_bytes == log.event_bytes());
  BROADSIDE_ASSERT(used == log.frame_bytes());
  if (topic.is_ended) BROADSIDE_ASSERT(topic.end_position >= log.newest());
  return memory;
}

std::uint64_t TopicStore::check_keys(const Topic& topic) const {
  if (topic.keys == nullptr) return 0;
  const KeyTable& keys = *topic.keys;
  std::uint64_t memory = 0;
  Position newest;
  for (const Segment* segment : keys.kept()) {
    BROADSIDE_ASSERT(segment->topic == &topic && segment->is_kept && segment->references() >= 1);
    std::uint32_t live = 0;
    for (std::uint32_t frame = 0; frame < segment->frames(); ++frame) {
      BROADSIDE_ASSERT(segment->entry(frame).position > newest);
      newest = segment->entry(frame).position;
      const Key* key = (*segment->keys)[frame];
      BROADSIDE_ASSERT((key != nullptr) == segment->entry(frame).is_live());
      if (key == nullptr) continue;
      BROADSIDE_ASSERT(key->segment == segment && key->frame == frame);
      ++live;
    }
    BROADSIDE_ASSERT(live == segment->live && live > 0);
    memory += Segment::allocation_bytes(segment->payload_bytes());
  }
  // What the log still has is newer than all that is kept of it.
  if (const Segment* first = topic.log.first_segment(); first != nullptr) BROADSIDE_ASSERT(first->entry(0).position > newest);
  return memory + keys.check_invariants();
}

void TopicStore::check_views(const Topic& topic) const {
  std::uint32_t count = 0;
  for (std::uint32_t shard = 0; topic.view_count > 0 && shard < shard_count_; ++shard) {
    const TopicView* view = topic.views[shard];
    if (view == nullptr) continue;
    ++count;
    BROADSIDE_ASSERT(view->topic == &topic && view->shard == shard);
    BROADSIDE_ASSERT(view->subscribers.load(std::memory_order_relaxed) >= 1);
    BROADSIDE_ASSERT(view->lap_position.load(std::memory_order_relaxed) <= last_.packed);
    std::uint32_t sequence = view->first_sequence;
    for (const HeldSegment& held : view->held) {
      BROADSIDE_ASSERT(held.segment->sequence() == sequence++);
      BROADSIDE_ASSERT(held.segment->topic == &topic);
      BROADSIDE_ASSERT(held.frames <= held.segment->frames());
      // The view's own, and the log's as long as it has not let go of it.
      const bool is_in_log = held.segment->sequence() >= topic.log.first_sequence();
      BROADSIDE_ASSERT(held.segment->references() >= (is_in_log ? 2 : 1));
    }
    for (const HeldSegment& kept : view->kept)
      BROADSIDE_ASSERT(kept.segment->is_kept && kept.frames <= kept.segment->frames() && kept.segment->references() >= 1);
  }
  BROADSIDE_ASSERT(count == topic.view_count);
}

void TopicStore::check_lists() const {
  std::size_t listed = 0;
  const Segment* before = nullptr;
  for (const Segment* segment = logs_.oldest(); segment != nullptr; segment = segment->newer, ++listed) {
    BROADSIDE_ASSERT(segment->older == before && !segment->is_kept);
    if (before != nullptr) BROADSIDE_ASSERT(before->last_position() < segment->last_position());
    before = segment;
  }
  std::size_t listed_kept = 0;
  before = nullptr;
  for (const Segment* segment = kept_.oldest(); segment != nullptr; segment = segment->newer, ++listed_kept) {
    BROADSIDE_ASSERT(segment->older == before && segment->is_kept);
    before = segment;
  }
  std::size_t dirty_views = 0;
  std::size_t segments = 0;
  std::size_t kept = 0;
  std::size_t overdue = 0;
  for (const auto& [name, topic] : topics_) {
    for (const Segment* segment = topic->log.first_segment(); segment != nullptr; segment = segment->next) ++segments;
    if (topic->keys != nullptr) kept += topic->keys->kept().size();
    if (topic->is_overdue) ++overdue;
    for (std::uint32_t shard = 0; topic->view_count > 0 && shard < shard_count_; ++shard) {
      if (topic->views[shard] != nullptr && topic->views[shard]->is_dirty) ++dirty_views;
    }
  }
  BROADSIDE_ASSERT(listed == segments && listed_kept == kept);
  BROADSIDE_ASSERT(overdue == overdue_.size());
  for (const Topic* topic : overdue_) BROADSIDE_ASSERT(topic->is_overdue);
  std::size_t listed_views = 0;
  for (const TopicView* first : dirty_) {
    for (const TopicView* view = first; view != nullptr; view = view->next_dirty, ++listed_views)
      BROADSIDE_ASSERT(view->is_dirty);
  }
  BROADSIDE_ASSERT(listed_views == dirty_views);
}

}  // namespace broadside
