// The pace that a peer has to keep while it sends or takes bytes: it may pause for a while, but has to come up to a least rate on
// the average. A deadline that each byte puts off is none: a byte now and then would hold a connection for ever.
#pragma once

#include <algorithm>
#include <cstdint>

namespace broadside {

class Pace {
 public:
  static constexpr std::uint64_t kBytesPerSecondMin = 256;  // Less than any link; a body of 1 MiB takes an hour at most.
  static constexpr std::uint32_t kTicksPerSecond = 10;      // Of the timer wheel.

  // Nothing has been moved yet.
  void begin(std::uint32_t now) {
    begin_ = now;
    bytes_ = 0;
  }
  void add(std::uint64_t bytes) { bytes_ += bytes; }
  // In ticks, how long it may pause at `now`, at most `pause_max`; 0: it has been too slow.
  [[nodiscard]] std::uint32_t ticks_left(std::uint32_t now, std::uint32_t pause_max) const {
    const std::uint64_t allowed = pause_max + bytes_ * kTicksPerSecond / kBytesPerSecondMin;
    const std::uint64_t passed = now - begin_;
    return passed >= allowed ? 0 : static_cast<std::uint32_t>(std::min<std::uint64_t>(allowed - passed, pause_max));
  }

 private:
  std::uint32_t begin_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace broadside
