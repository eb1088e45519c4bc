// All segments of one kind in a store, oldest first, and the memory that they and what belongs to them take.
// Everything here happens under the store's lock.
#pragma once

#include <cstdint>

#include "engine/segment.h"

namespace broadside {

class SegmentList {
 public:
  [[nodiscard]] Segment* oldest() const { return oldest_; }
  [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }

  void link_newest(Segment* segment);                      // It has the newest frame now; it may be in the list already.
  void link_before(Segment* segment, Segment* neighbour);  // The same, but for its place.
  void unlink(Segment* segment);
  // A segment was made; it is linked when it has a frame.
  void charge(const Segment& segment) { charge(Segment::allocation_bytes(segment.payload_bytes())); }
  void charge(std::uint64_t bytes) { memory_bytes_ += bytes; }
  void discharge(std::uint64_t bytes) { memory_bytes_ -= bytes; }
  // Takes the segment out and gives back the reference that its owner held.
  void let_go(Segment* segment);

  // Larger than all before: by it whoever reads knows a list of segments, or a loss, from an earlier one.
  [[nodiscard]] std::uint64_t next_stamp() { return ++stamp_; }

  // A walk over all segments that may pause: a segment that goes meanwhile moves it on. Null: at the end, or not begun.
  [[nodiscard]] Segment* walk() const { return walk_; }
  void set_walk(Segment* segment) { walk_ = segment; }

 private:
  Segment* oldest_ = nullptr;
  Segment* newest_ = nullptr;
  Segment* walk_ = nullptr;
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t stamp_ = 0;
};

}  // namespace broadside
