#include "engine/segment_list.h"

#include "base/assert.h"

namespace broadside {

void SegmentList::link_newest(Segment* segment) {
  if (newest_ == segment) return;
  unlink(segment);
  segment->older = newest_;
  if (newest_ != nullptr) newest_->newer = segment;
  newest_ = segment;
  if (oldest_ == nullptr) oldest_ = segment;
}

void SegmentList::link_before(Segment* segment, Segment* neighbour) {
  BROADSIDE_ASSERT(segment != neighbour);
  unlink(segment);
  segment->older = neighbour->older;
  segment->newer = neighbour;
  (neighbour->older != nullptr ? neighbour->older->newer : oldest_) = segment;
  neighbour->older = segment;
}

void SegmentList::unlink(Segment* segment) {
  if (walk_ == segment) walk_ = segment->newer;
  if (segment->older != nullptr) segment->older->newer = segment->newer;
  if (segment->newer != nullptr) segment->newer->older = segment->older;
  if (oldest_ == segment) oldest_ = segment->newer;
  if (newest_ == segment) newest_ = segment->older;
  segment->older = nullptr;
  segment->newer = nullptr;
}

void SegmentList::let_go(Segment* segment) {
  unlink(segment);
  discharge(Segment::allocation_bytes(segment->payload_bytes()));
  segment->release();
}

}  // namespace broadside
