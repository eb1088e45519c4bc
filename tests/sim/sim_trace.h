// The last steps of a simulation, for whoever has to understand a failure. Keeps nothing unless BROADSIDE_SIM_TRACE is set.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

#include "tests/sim/sim_clock.h"

namespace broadside::sim {

class SimTrace {
 public:
  explicit SimTrace(const SimClock& clock);

  [[nodiscard]] bool is_on() const { return is_on_; }
  // Requires: is_on(), so that nobody makes a text in vain.
  void add(std::string line);
  void print(std::FILE* out) const;

 private:
  const SimClock& clock_;
  const bool is_on_;
  std::deque<std::string> lines_;
  std::uint64_t count_ = 0;
};

}  // namespace broadside::sim
