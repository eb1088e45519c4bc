#include "engine/log.h"

#include <algorithm>

namespace broadside {

Log::Room Log::room() const {
  if (tail_ == nullptr) return {};
  return {.left_bytes = tail_->ends_topic ? 0 : tail_->left_bytes(), .payload_bytes = tail_->payload_bytes()};
}

std::size_t Log::reserve_cost(Room& room, std::size_t frame_bytes) {
  const std::size_t needed = frame_bytes + sizeof(FrameEntry);
  if (needed <= room.left_bytes) {
    room.left_bytes -= needed;
    return 0;
  }
  room.payload_bytes = Segment::payload_for(room.payload_bytes, frame_bytes);
  room.left_bytes = room.payload_bytes - needed;
  return Segment::allocation_bytes(room.payload_bytes);
}

std::size_t Log::reserve_cost(std::size_t frame_bytes) const {
  Room now = room();
  return reserve_cost(now, frame_bytes);
}

bool Log::reserve(Topic* topic, std::size_t frame_bytes, Segment*& made) {
  made = nullptr;
  Room now = room();
  if (reserve_cost(now, frame_bytes) == 0) return true;
  made = Segment::create(topic, next_sequence_, now.payload_bytes);
  if (made == nullptr) return false;
  made->first_event = appended_events_;
  ++next_sequence_;
  if (tail_ == nullptr) {
    head_ = made;
  } else {
    tail_->next = made;
  }
  tail_ = made;
  return true;
}

void Log::append(Position position, std::string_view id_line, std::string_view body, std::string_view own_id,
                 PublishStamp published) {
  BROADSIDE_ASSERT(tail_ != nullptr);
  BROADSIDE_ASSERT(position > newest_);
  if (first_segment_ == nullptr) {
    first_segment_ = tail_;
    first_ = Cursor{.segment = tail_->sequence(), .frame = tail_->frames()};
  }
  tail_->append(position, id_line, body, !own_id.empty(), published);
  newest_ = position;
  ++appended_events_;
  ++events_;
  event_bytes_ += id_line.size() + body.size();
  frame_bytes_ += id_line.size() + body.size();
  if (own_id.empty()) return;
  if (ids_ == nullptr) ids_ = std::make_unique<std::unordered_map<std::string, Position, TextHash>>();
  (*ids_)[std::string(own_id)] = position;
}

void Log::mark_ended() {
  tail_->ends_topic = true;
  --appended_events_;
}

const Segment* Log::segment_of(std::uint32_t sequence) const {
  const Segment* segment = head_;
  while (segment != nullptr && segment->sequence() != sequence) segment = segment->next;
  return segment;
}

Cursor Log::head() const {
  if (tail_ == nullptr) return Cursor{.segment = next_sequence_, .frame = 0};
  if (tail_->ends_topic) return Cursor{.segment = tail_->sequence() + 1, .frame = 0};
  return Cursor{.segment = tail_->sequence(), .frame = tail_->frames()};
}

Cursor Log::find_after(Position position) const {
  if (position >= newest_) return head();
  for (const Segment* segment = first_segment_; segment != nullptr; segment = segment->next) {
    if (segment->frames() == 0 || segment->last_position() <= position) continue;
    const Cursor found{.segment = segment->sequence(), .frame = segment->find_after(position, segment->frames())};
    return std::max(found, first_);
  }
  return head();
}

std::uint32_t Log::events_before(Cursor cursor) const {
  const Segment* segment = tail_ != nullptr && tail_->sequence() == cursor.segment ? tail_ : segment_of(cursor.segment);
  return segment != nullptr ? segment->first_event + cursor.frame : appended_events_;
}

bool Log::find_id(std::string_view id, Position& position) const {
  if (ids_ == nullptr) return false;
  const auto found = ids_->find(std::string(id));
  if (found == ids_->end()) return false;
  position = found->second;
  return true;
}

Position Log::position_at(Cursor cursor) const {
  const Segment* segment = segment_of(cursor.segment);
  BROADSIDE_ASSERT(segment != nullptr && cursor.frame < segment->frames());
  return segment->entry(cursor.frame).position;
}

void Log::forget_one() {
  const FrameEntry& entry = first_segment_->entry(first_.frame);
  const std::uint32_t begin = first_segment_->frame_begin(first_.frame);
  floor_ = entry.position;
  --events_;
  event_bytes_ -= entry.end - begin;
  if (entry.has_own_id() && ids_ != nullptr) {
    const auto found = ids_->find(std::string(first_segment_->id_of(first_.frame)));
    if (found != ids_->end() && found->second == entry.position) ids_->erase(found);
    if (ids_->empty()) ids_.reset();
  }
  ++first_.frame;
  if (first_.frame < first_segment_->frames()) return;
  // A full segment's end is the next one's begin; behind the last frame of the log there is no segment yet.
  first_segment_ = first_segment_->next;
  if (first_segment_ != nullptr) first_ = Cursor{.segment = first_segment_->sequence(), .frame = 0};
}

void Log::forget(const Retention& retention, std::uint64_t now_ms) {
  const std::uint64_t oldest_ms = now_ms > retention.age_max_ms ? now_ms - retention.age_max_ms : 0;
  while (events_ > 0) {
    const bool is_too_many = events_ > retention.events_max;
    const bool is_too_large = event_bytes_ > retention.bytes_max && events_ > 1;
    const bool is_too_old = first_segment_->entry(first_.frame).position.milliseconds() < oldest_ms;
    if (!is_too_many && !is_too_large && !is_too_old) return;
    forget_one();
    if (first_segment_ == nullptr) return;
  }
}

void Log::forget_segment(const Segment& segment) {
  BROADSIDE_ASSERT(&segment == head_);
  while (first_segment_ == &segment) forget_one();
}

bool Log::is_first_forgotten() const { return head_ != nullptr && first_segment_ != head_; }

Segment* Log::take_first() {
  BROADSIDE_ASSERT(is_first_forgotten());
  Segment* segment = head_;
  head_ = segment->next;
  if (head_ == nullptr) tail_ = nullptr;
  taken_frames_ = segment->frames();
  frame_bytes_ -= segment->used_bytes();
  return segment;
}

}  // namespace broadside
