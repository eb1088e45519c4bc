// Frames that subscribers stand inside of while their topic's log may let go of them: under `skip` and `conflate` such a frame
// is completed before anything else, whatever becomes of its segment. It is copied out only when the segment goes, once for all
// who stand in it, within a bound. One for each shard, used by its thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "engine/segment.h"

namespace broadside {

// Memory of the copies of all shards together.
struct TornBudget {
  std::atomic<std::uint64_t> bytes_max{0};
  std::atomic<std::uint64_t> bytes{0};
};

struct TornFrame {
  const Segment* segment = nullptr;  // Null when it has gone.
  std::uint32_t frame = 0;
  std::uint32_t readers = 0;
  Position position;
  const char* bytes = nullptr;  // Null: there was no room for a copy, whoever stands in it has to be closed.
  std::uint32_t size = 0;
  bool is_end = false;  // broadside.end.
  std::unique_ptr<char[]> copy;

  [[nodiscard]] bool is_lost() const { return bytes == nullptr; }
};

// Invariant: `by_place_` has every frame whose segment has not gone.
class TornFrames {
 public:
  explicit TornFrames(TornBudget& budget) : budget_(budget) {}
  TornFrames(const TornFrames&) = delete;
  TornFrames& operator=(const TornFrames&) = delete;
  ~TornFrames();  // Requires: all are released.

  // One more stands in the frame. Requires: the shard holds the segment.
  TornFrame* hold(const Segment& segment, std::uint32_t frame, bool is_end);
  void release(TornFrame* torn);
  // The shard is about to let go of the segment.
  void rescue(const Segment& segment);

 private:
  TornBudget& budget_;
  std::map<std::pair<const Segment*, std::uint32_t>, std::unique_ptr<TornFrame>> by_place_;
};

}  // namespace broadside
