#include "engine/segment.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "base/units.h"

namespace broadside {
namespace {

// Small, so that a million topics with one event each are cheap.
constexpr std::size_t kPayloadMin = 64;
constexpr std::size_t kPayloadMax = 64 * kKiB;

std::size_t aligned(std::size_t bytes) { return (bytes + alignof(FrameEntry) - 1) / alignof(FrameEntry) * alignof(FrameEntry); }

}  // namespace

std::size_t Segment::payload_for(std::size_t last_payload, std::size_t frame_bytes) {
  const std::size_t wanted = last_payload == 0 ? kPayloadMin : std::min(2 * last_payload, kPayloadMax);
  return std::max(aligned(frame_bytes) + sizeof(FrameEntry), aligned(wanted));
}

Segment* Segment::create(Topic* topic, std::uint32_t sequence, std::size_t payload_bytes) {
  BROADSIDE_ASSERT(payload_bytes % alignof(FrameEntry) == 0);
  BROADSIDE_ASSERT(payload_bytes <= UINT32_MAX);
  void* memory = std::malloc(allocation_bytes(payload_bytes));
  if (memory == nullptr) return nullptr;
  return new (memory) Segment(topic, sequence, payload_bytes);
}

void Segment::release() {
  // Release: what this holder read or wrote happens before the free; acquire: the freeing thread sees all of it.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  this->~Segment();
  std::free(this);
}

void Segment::append(Position position, std::string_view first, std::string_view second, bool has_own_id,
                     PublishStamp published) {
  BROADSIDE_ASSERT(fits(first.size() + second.size()));
  char* out = reinterpret_cast<char*>(this + 1);
  first.copy(out + used_bytes_, first.size());
  second.copy(out + used_bytes_ + first.size(), second.size());
  used_bytes_ += static_cast<std::uint32_t>(first.size() + second.size());
  auto* index = reinterpret_cast<FrameEntry*>(out + payload_bytes_) - 1 - frames_;
  new (index) FrameEntry{
      .position = position, .end = used_bytes_, .word = (published & kPublishStampMask) | (has_own_id ? FrameEntry::kOwnId : 0)};
  ++frames_;
}

void Segment::flag(std::uint32_t frame, std::uint32_t flag) {
  BROADSIDE_ASSERT(frame < frames_);
  auto* index = reinterpret_cast<FrameEntry*>(reinterpret_cast<char*>(this + 1) + payload_bytes_) - 1 - frame;
  index->word.fetch_or(flag, std::memory_order_relaxed);
}

std::uint32_t Segment::find_after(Position position, std::uint32_t frames) const {
  std::uint32_t low = 0;
  std::uint32_t high = frames;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (entry(middle).position > position) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace broadside
