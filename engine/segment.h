// A piece of a log: frames one behind the other in contiguous bytes, and a small index of where each begins and stands.
// Written by publishers under the store's lock; read by shards up to the frame count that they were told under that lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "broadside/position.h"
#include "engine/clock.h"

namespace broadside {

struct Topic;

// One frame of a segment.
struct FrameEntry {
  Position position;
  std::uint32_t end = 0;  // Offset behind its last byte; it begins where the one before it ends.
  PublishStamp published : kPublishStampBits = 0;
  std::uint32_t has_own_id : 1 = 0;  // The publisher gave an id: it is in the topic's index.
};

static_assert(sizeof(FrameEntry) == 16, "what an event costs beside its frame");

// Where a subscriber stands in a log: before frame `frame` of the segment with that sequence number. The end of a segment and
// the begin of the next are the same place; LogView::normalise() prefers the latter.
struct Cursor {
  std::uint32_t segment = 0;
  std::uint32_t frame = 0;
  friend constexpr auto operator<=>(const Cursor&, const Cursor&) = default;
};

// One allocation: this header, then bytes growing upwards, then the index growing downwards. Invariants: frames never change
// once appended; `references` counts the log and each shard that reads it, and the last release frees it.
class Segment {
 public:
  // Null when there is no memory. The caller holds the one reference.
  static Segment* create(Topic* topic, std::uint32_t sequence, std::size_t payload_bytes);
  // Memory of a segment that has room for `payload_bytes` of frames and index.
  static std::size_t allocation_bytes(std::size_t payload_bytes) { return sizeof(Segment) + payload_bytes; }

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();

  // For frames and their index entries.
  [[nodiscard]] std::size_t left_bytes() const { return payload_bytes_ - used_bytes_ - frames_ * sizeof(FrameEntry); }
  [[nodiscard]] bool fits(std::size_t frame_bytes) const { return frame_bytes + sizeof(FrameEntry) <= left_bytes(); }
  // Appends a frame made of two parts. Requires: fits(), the store's lock.
  void append(Position position, std::string_view first, std::string_view second, bool has_own_id, PublishStamp published);

  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  [[nodiscard]] const FrameEntry& entry(std::uint32_t frame) const {
    return *(reinterpret_cast<const FrameEntry*>(bytes() + payload_bytes_) - 1 - frame);
  }
  [[nodiscard]] std::uint32_t frame_begin(std::uint32_t frame) const { return frame == 0 ? 0 : entry(frame - 1).end; }
  [[nodiscard]] std::uint32_t frames() const { return frames_; }
  [[nodiscard]] std::uint32_t used_bytes() const { return used_bytes_; }
  [[nodiscard]] std::size_t payload_bytes() const { return payload_bytes_; }
  [[nodiscard]] std::uint32_t sequence() const { return sequence_; }
  [[nodiscard]] std::uint32_t references() const { return references_.load(std::memory_order_relaxed); }  // For tests.
  [[nodiscard]] Position last_position() const { return entry(frames_ - 1).position; }
  // The first of the first `frames` frames whose position is greater than `position`; `frames` if there is none. A shard names
  // as many as it was told of: frames() is the store's, and grows.
  [[nodiscard]] std::uint32_t find_after(Position position, std::uint32_t frames) const;

  Topic* topic = nullptr;
  Segment* next = nullptr;   // In the log.
  Segment* older = nullptr;  // In the store's list of all segments by last frame.
  Segment* newer = nullptr;
  bool ends_topic = false;  // Its last frame is broadside.end: a cursor stops behind it.

 private:
  Segment(Topic* owner, std::uint32_t sequence, std::size_t payload_bytes)
      : topic(owner), payload_bytes_(static_cast<std::uint32_t>(payload_bytes)), sequence_(sequence) {}

  std::atomic<std::uint32_t> references_{1};
  std::uint32_t payload_bytes_;
  std::uint32_t used_bytes_ = 0;
  std::uint32_t frames_ = 0;
  std::uint32_t sequence_;
};

static_assert(sizeof(Segment) % alignof(FrameEntry) == 0, "the index lies aligned behind the header");

}  // namespace broadside
