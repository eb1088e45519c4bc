// What the kernel says about a process and this machine: for figures beside those that a client can see.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/units.h"

namespace broadside::tools::load {

// User and system time of all threads of `pid`, from the scheduler's own sum (/proc/PID/task/*/schedstat): the ticks of
// /proc/PID/stat are 10 ms, too coarse for one event. Nothing if there is no such process, or it is not ours to see.
[[nodiscard]] std::optional<Nanos> process_cpu(int pid);
// Resident memory.
[[nodiscard]] std::optional<std::uint64_t> process_rss_bytes(int pid);

struct Machine {
  std::string processor;
  std::string kernel;
  unsigned cores = 0;  // That this process may run on.
};
[[nodiscard]] Machine this_machine();

}  // namespace broadside::tools::load
