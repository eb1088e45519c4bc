#include "engine/torn_frames.h"

#include <cstring>
#include <new>

#include "base/assert.h"

namespace broadside {

TornFrames::~TornFrames() { BROADSIDE_ASSERT(by_place_.empty()); }

TornFrame* TornFrames::hold(const Segment& segment, std::uint32_t frame, bool is_end) {
  std::unique_ptr<TornFrame>& torn = by_place_[{&segment, frame}];
  if (torn == nullptr) {
    torn = std::make_unique<TornFrame>();
    torn->segment = &segment;
    torn->frame = frame;
    torn->position = segment.entry(frame).position;
    torn->bytes = segment.frame_bytes(frame).data();
    torn->size = static_cast<std::uint32_t>(segment.frame_bytes(frame).size());
    torn->is_end = is_end;
  }
  ++torn->readers;
  return torn.get();
}

void TornFrames::release(TornFrame* torn) {
  BROADSIDE_ASSERT(torn->readers > 0);
  if (--torn->readers > 0) return;
  if (torn->segment != nullptr) {
    by_place_.erase({torn->segment, torn->frame});
    return;
  }
  if (torn->copy != nullptr) budget_.bytes.fetch_sub(torn->size, std::memory_order_relaxed);
  delete torn;  // It has belonged to its readers since its segment went.
}

void TornFrames::rescue(const Segment& segment) {
  for (auto at = by_place_.lower_bound({&segment, 0}); at != by_place_.end() && at->first.first == &segment;) {
    TornFrame* torn = at->second.release();
    at = by_place_.erase(at);
    torn->segment = nullptr;
    const char* bytes = std::exchange(torn->bytes, nullptr);
    const std::uint64_t used = budget_.bytes.fetch_add(torn->size, std::memory_order_relaxed) + torn->size;
    if (used <= budget_.bytes_max.load(std::memory_order_relaxed)) {
      torn->copy.reset(new (std::nothrow) char[torn->size]);
    }
    if (torn->copy == nullptr) {
      budget_.bytes.fetch_sub(torn->size, std::memory_order_relaxed);
      continue;
    }
    std::memcpy(torn->copy.get(), bytes, torn->size);
    torn->bytes = torn->copy.get();
  }
}

}  // namespace broadside
