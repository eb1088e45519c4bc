// A piece of a log, or of what outlives it (keys.h): frames one behind the other in contiguous bytes, and a small index of where
// each begins and stands. Written by publishers under the store's lock; read by shards up to the frame count that they were told
// under that lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "broadside/position.h"
#include "engine/clock.h"

namespace broadside {

struct Key;
struct Topic;

// One frame of a segment.
struct FrameEntry {
  static constexpr std::uint32_t kOwnId = std::uint32_t{1} << 31;
  static constexpr std::uint32_t kSuperseded = std::uint32_t{1} << 30;
  static constexpr std::uint32_t kForgotten = std::uint32_t{1} << 29;

  Position position;
  std::uint32_t end = 0;  // Offset behind its last byte; it begins where the one before it ends.
  // The publish stamp and three flags in one word: a frame may be superseded or forgotten while shards read it.
  std::atomic<std::uint32_t> word{0};

  [[nodiscard]] PublishStamp published() const { return word.load(std::memory_order_relaxed) & kPublishStampMask; }
  // The publisher gave an id: it is in the topic's index.
  [[nodiscard]] bool has_own_id() const { return (word.load(std::memory_order_relaxed) & kOwnId) != 0; }
  // There is a newer event of the same key, which conflation gives instead; or it was kept, and its key has been forgotten.
  [[nodiscard]] bool is_live() const { return (word.load(std::memory_order_relaxed) & (kSuperseded | kForgotten)) == 0; }
  // The same for a reader who knows what was forgotten up to `floor` alone. What he does not know to be missing he must not pass
  // over: he could not tell of it.
  [[nodiscard]] bool is_live(Position floor) const {
    const std::uint32_t flags = word.load(std::memory_order_relaxed);
    return (flags & kSuperseded) == 0 && ((flags & kForgotten) == 0 || position > floor);
  }
};

static_assert(kPublishStampBits == 29, "three bits of the word are flags");
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
  // Of the segment behind one of `last_payload` (0: there is none) that must hold `frame_bytes`: the first holds its first frame
  // and little more, each later one doubles, up to what one send carries in a few visits.
  [[nodiscard]] static std::size_t payload_for(std::size_t last_payload, std::size_t frame_bytes);
  void flag(std::uint32_t frame, std::uint32_t flag);  // Sets one of FrameEntry's. Requires: the store's lock.

  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  [[nodiscard]] const FrameEntry& entry(std::uint32_t frame) const {
    return *(reinterpret_cast<const FrameEntry*>(bytes() + payload_bytes_) - 1 - frame);
  }
  [[nodiscard]] std::string_view frame_bytes(std::uint32_t frame) const {
    return {bytes() + frame_begin(frame), entry(frame).end - frame_begin(frame)};
  }
  // A frame begins with its id line: `id: `, the id, LF.
  [[nodiscard]] std::string_view id_of(std::uint32_t frame) const {
    const std::string_view bytes_of = frame_bytes(frame);
    return bytes_of.substr(4, bytes_of.find('\n') - 4);
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
  Segment* next = nullptr;  // In the log.
  // Under the store's lock: the keys whose newest event lies here, by frame; null where there is none.
  std::unique_ptr<std::vector<Key*>> keys;
  std::uint32_t first_event = 0;  // Events of the topic before its first frame, modulo 2^32.
  std::uint32_t live = 0;         // Kept ones: frames that are the newest of their key.
  bool is_kept = false;           // It has outlived the log.
  Segment* older = nullptr;       // In the store's list of all segments by last frame.
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
