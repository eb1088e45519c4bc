#include "tests/sim/sim_trace.h"

#include <cstdlib>
#include <utility>

namespace broadside::sim {

constexpr std::size_t kLinesMax = 200;

SimTrace::SimTrace(const SimClock& clock) : clock_(clock), is_on_(std::getenv("BROADSIDE_SIM_TRACE") != nullptr) {}

void SimTrace::add(std::string line) {
  if (lines_.size() == kLinesMax) lines_.pop_front();
  lines_.push_back(std::to_string(++count_) + " @" + std::to_string(clock_.monotonic() / kMicrosecond) +
                   " us: " + std::move(line));
}

void SimTrace::print(std::FILE* out) const {
  for (const std::string& line : lines_) std::fprintf(out, "  %s\n", line.c_str());
}

}  // namespace broadside::sim
