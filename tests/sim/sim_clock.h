// Simulated time: it moves when the simulation says so, and the wall clock may be set, also back.
#pragma once

#include <algorithm>

#include "base/assert.h"
#include "engine/clock.h"

namespace broadside::sim {

class SimClock final : public Clock {
 public:
  // Not zero, so that stamps and ticks do not begin where their members do.
  explicit SimClock(Nanos monotonic_start) : monotonic_(monotonic_start) {}

  [[nodiscard]] Nanos monotonic() const override { return monotonic_; }
  [[nodiscard]] std::uint64_t wall_ms() const override {
    return static_cast<std::uint64_t>(wall_offset_ms_ + monotonic_ / kMillisecond);
  }

  void advance(Nanos duration) {
    BROADSIDE_ASSERT(duration >= 0);
    monotonic_ += duration;
  }
  // Somebody sets the wall clock.
  void step_wall(std::int64_t by_ms) { wall_offset_ms_ += by_ms; }

 private:
  Nanos monotonic_;
  std::int64_t wall_offset_ms_ = 1'700'000'000'000;  // In November 2023; what it is does not matter.
};

}  // namespace broadside::sim
