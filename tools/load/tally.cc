#include "tools/load/tally.h"

namespace broadside::tools::load {

void SequenceTally::on_unexpected(std::uint64_t sequence, Faults& faults) {
  if (next_ == 0) {
    if (sequence > first_max_) add_hole(first_max_, sequence, faults);
    next_ = sequence + 1;
  } else if (sequence > next_) {
    add_hole(next_, sequence, faults);
    next_ = sequence + 1;
  } else if (fill_hole(sequence)) {
    --faults.lost;
    ++faults.reordered;
  } else {
    ++faults.doubled;
  }
}

void SequenceTally::add_hole(std::uint64_t begin, std::uint64_t end, Faults& faults) {
  faults.lost += end - begin;
  if (holes_ == nullptr) holes_ = std::make_unique<std::vector<Hole>>();
  if (holes_->size() == kHolesMax) holes_->erase(holes_->begin());
  holes_->push_back(Hole{.begin = begin, .end = end});
}

bool SequenceTally::fill_hole(std::uint64_t sequence) {
  if (holes_ == nullptr) return false;
  for (std::size_t i = 0; i < holes_->size(); ++i) {
    Hole& hole = (*holes_)[i];
    if (sequence < hole.begin || sequence >= hole.end) continue;
    const Hole rest{.begin = sequence + 1, .end = hole.end};
    hole.end = sequence;
    if (hole.begin == hole.end) holes_->erase(holes_->begin() + static_cast<std::ptrdiff_t>(i));
    if (rest.begin < rest.end) holes_->push_back(rest);
    return true;
  }
  return false;
}

void SequenceTally::finish(std::uint64_t last, Faults& faults) {
  const std::uint64_t expected = next_ == 0 ? first_max_ : next_;
  if (last >= expected) faults.lost += last - expected + 1;
  next_ = last + 1;
}

}  // namespace broadside::tools::load
