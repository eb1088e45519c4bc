#include "tools/load/conflated_tally.h"

#include <algorithm>

namespace broadside::tools::load {

void ConflatedTally::begin(std::uint64_t first_max) {
  owed_from_ = first_max;
  newest_ = 0;
  newest_of_.clear();
}

std::uint64_t ConflatedTally::on_sequence(std::uint64_t sequence, Faults& faults) {
  newest_of_.resize(keys_);
  if (newest_ == 0) owed_from_ = std::min(owed_from_, sequence);
  std::uint32_t& newest = newest_of_[key_of(sequence)];
  if (sequence == newest) {
    ++faults.doubled;
    return 0;
  }
  if (sequence < newest_) ++faults.reordered;
  if (sequence < newest) return 0;
  const std::uint64_t passed_over = count_passed_over(sequence);
  newest = static_cast<std::uint32_t>(sequence);
  newest_ = std::max(newest_, sequence);
  return passed_over;
}

// Events of its key that are owed, newer than what has come, and older than this one.
std::uint64_t ConflatedTally::count_passed_over(std::uint64_t sequence) const {
  const std::uint64_t begin = std::max<std::uint64_t>(newest_of_[key_of(sequence)] + 1ULL, owed_from_);
  return sequence < begin ? 0 : (sequence - begin) / keys_;
}

// Where the newest events of all keys begin: no two of those from here to `last` have the same key.
std::uint64_t ConflatedTally::oldest_newest(std::uint64_t last) const {
  return std::max(owed_from_, last < keys_ ? 1 : last - keys_ + 1);
}

bool ConflatedTally::has_all(std::uint64_t last) const {
  if (newest_of_.empty()) return last < owed_from_;
  // From the newest on, which is missing as long as anything is under way.
  for (std::uint64_t sequence = last; sequence >= oldest_newest(last); --sequence) {
    if (newest_of_[key_of(sequence)] < sequence) return false;
  }
  return true;
}

std::uint64_t ConflatedTally::finish(std::uint64_t last, Faults& faults) {
  newest_of_.resize(keys_);
  std::uint64_t passed_over = 0;
  for (std::uint64_t sequence = oldest_newest(last); sequence <= last; ++sequence) {
    std::uint32_t& newest = newest_of_[key_of(sequence)];
    if (newest >= sequence) continue;
    ++faults.lost;
    passed_over += count_passed_over(sequence);
    newest = static_cast<std::uint32_t>(sequence);
  }
  return passed_over;
}

}  // namespace broadside::tools::load
