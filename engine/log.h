// A topic's frames in order: backlog and history are the same thing. Answers "what comes after this position?" and forgets.
// Everything here happens under the store's lock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/segment.h"
#include "engine/text_hash.h"

namespace broadside {

// What a resume may ask for.
struct Retention {
  std::uint64_t events_max = 1000;
  std::uint64_t bytes_max = 1 << 20;
  std::uint64_t age_max_ms = 3'600'000;
};

// Invariants: segments are in order of sequence without holes; `first_` never points before the first segment; events_ and
// event_bytes_ count the frames from first_ on; floor_ is the newest position that a resume can no longer have.
class Log {
 public:
  Log() = default;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Makes room for a frame of `frame_bytes` behind the last; the new segment in `made`, null if the last had room. False: no
  // memory. `seal` asks for a segment of its own (after an end).
  [[nodiscard]] bool reserve(Topic* topic, std::size_t frame_bytes, Segment*& made);
  // What is left of the last segment, for the cost of several frames before the first of them is reserved.
  struct Room {
    std::size_t left_bytes = 0;     // For frames and their index entries.
    std::size_t payload_bytes = 0;  // Of the segment; 0: the log has none yet.
  };
  [[nodiscard]] Room room() const;
  // What reserve() would allocate for a frame behind those that `room` has been asked for already; takes it from `room`.
  [[nodiscard]] static std::size_t reserve_cost(Room& room, std::size_t frame_bytes);
  // The same for the next frame alone.
  [[nodiscard]] std::size_t reserve_cost(std::size_t frame_bytes) const;
  // Requires: reserve() for as many bytes. `published` is when the publisher called.
  void append(Position position, std::string_view id_line, std::string_view body, std::string_view own_id,
              PublishStamp published = 0);
  void mark_ended();  // The frame appended last is broadside.end.

  // The place behind the newest frame not newer than `position`, and not before what a resume may have.
  [[nodiscard]] Cursor find_after(Position position) const;
  // Behind the newest frame.
  [[nodiscard]] Cursor head() const;
  [[nodiscard]] Cursor first() const { return first_; }
  // The position of an own id that the log still holds.
  [[nodiscard]] bool find_id(std::string_view id, Position& position) const;
  [[nodiscard]] Position position_at(Cursor cursor) const;  // Requires: a frame is there.
  // Published events of the topic before `cursor`, modulo 2^32: what two cursors differ by. Requires: not behind an end.
  [[nodiscard]] std::uint32_t events_before(Cursor cursor) const;
  [[nodiscard]] std::uint32_t events_total() const { return appended_events_; }  // Ever, modulo 2^32.

  // Moves first_ as the bounds ask; the frames stay until drop_first_segment().
  void forget(const Retention& retention, std::uint64_t now_ms);
  void forget_segment(const Segment& segment);  // All frames up to its end. Requires: it is the first.
  // Whether all of the first segment is before first_.
  [[nodiscard]] bool is_first_forgotten() const;
  // Takes the first segment out; the caller releases it.
  Segment* take_first();

  [[nodiscard]] Segment* first_segment() const { return head_; }
  [[nodiscard]] Segment* last_segment() const { return tail_; }
  [[nodiscard]] std::uint32_t first_sequence() const { return head_ != nullptr ? head_->sequence() : next_sequence_; }
  [[nodiscard]] std::uint32_t taken_frames() const { return taken_frames_; }
  [[nodiscard]] Position floor() const { return floor_; }
  void raise_floor(Position position) { floor_ = position > floor_ ? position : floor_; }
  [[nodiscard]] Position newest() const { return newest_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  [[nodiscard]] std::uint64_t event_bytes() const { return event_bytes_; }
  [[nodiscard]] std::uint64_t frame_bytes() const { return frame_bytes_; }  // All that is kept, also what is forgotten.

 private:
  [[nodiscard]] const Segment* segment_of(std::uint32_t sequence) const;
  void forget_one();

  Segment* head_ = nullptr;
  Segment* tail_ = nullptr;
  Segment* first_segment_ = nullptr;  // The one first_ is in; null when it is behind the last frame.
  Cursor first_;
  std::uint32_t next_sequence_ = 0;
  std::uint32_t taken_frames_ = 0;     // Frames of the segment taken last.
  std::uint32_t appended_events_ = 0;  // Ever, without ends; modulo 2^32.
  std::uint64_t events_ = 0;
  std::uint64_t event_bytes_ = 0;
  std::uint64_t frame_bytes_ = 0;
  Position floor_;
  Position newest_;
  // Own ids of the frames from first_ on. Most topics have none.
  std::unique_ptr<std::unordered_map<std::string, Position, TextHash>> ids_;
};

}  // namespace broadside
