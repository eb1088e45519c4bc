// Counts what one stream received against what it must have: each sequence once, in order, none missing. Exact also when events
// arrive late: a number that was missing and comes after all is reordered, one that comes again is doubled.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace broadside::tools::load {

struct Faults {
  std::uint64_t lost = 0;
  std::uint64_t doubled = 0;
  std::uint64_t reordered = 0;

  Faults& operator+=(const Faults& other) {
    lost += other.lost;
    doubled += other.doubled;
    reordered += other.reordered;
    return *this;
  }
};

// Sequences count from 1. Invariant: everything below next_ has come, or is in holes_ and counted as lost.
class SequenceTally {
 public:
  // Begins anew: the first number to come may be anything up to `first_max` (what is published from now on may not be missed).
  void begin(std::uint64_t first_max) {
    next_ = 0;
    first_max_ = first_max;
    holes_.reset();
  }
  // `faults` are the sums of all streams.
  void on_sequence(std::uint64_t sequence, Faults& faults) {
    if (sequence == next_) {
      ++next_;
    } else {
      on_unexpected(sequence, faults);
    }
  }
  // Whether everything up to `last` has come or been counted as lost.
  [[nodiscard]] bool has_all(std::uint64_t last) const { return next_ > last || (next_ == 0 && first_max_ > last); }
  // Counts what is missing up to `last`. The stream is over.
  void finish(std::uint64_t last, Faults& faults);

 private:
  struct Hole {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  static constexpr std::size_t kHolesMax = 64;  // Beyond that the oldest is forgotten: a number of it that comes late is doubled.

  void on_unexpected(std::uint64_t sequence, Faults& faults);
  void add_hole(std::uint64_t begin, std::uint64_t end, Faults& faults);
  bool fill_hole(std::uint64_t sequence);

  std::uint64_t next_ = 0;  // 0: nothing has come yet.
  std::uint64_t first_max_ = 1;
  std::unique_ptr<std::vector<Hole>> holes_;
};

}  // namespace broadside::tools::load
