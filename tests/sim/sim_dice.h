// All chance of a simulation: drawn from one seed, in one order, so that a seed is a whole life.
#pragma once

#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "base/prng.h"

namespace broadside::sim {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : prng_(seed) {}

  // True once in `count` times; 0 = never.
  bool one_in(std::uint64_t count) { return count != 0 && prng_.below(count) == 0; }
  std::uint64_t below(std::uint64_t bound) { return prng_.below(bound); }
  // Both bounds included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    BROADSIDE_ASSERT(low <= high);
    return low + prng_.below(high - low + 1);
  }
  // The same with every power of two as likely: mostly small, sometimes as large as may be. Requires: low is at least 1.
  std::uint64_t scaled(std::uint64_t low, std::uint64_t high) {
    BROADSIDE_ASSERT(low >= 1 && low <= high);
    std::uint32_t doublings = 0;
    while ((low << doublings) < high) ++doublings;
    const std::uint64_t end = low << below(doublings + 1);
    return between(low, end < high ? end : high);
  }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    BROADSIDE_ASSERT(!from.empty());
    return from[below(from.size())];
  }

 private:
  Prng prng_;
};

}  // namespace broadside::sim
