// How much memory this process may use. A plain question to the operating system; no state.
#pragma once

#include <cstdint>
#include <string>

namespace broadside::io {

// The machine's memory, or the least bound of the control group that this process is in (systemd's MemoryMax=, a container's)
// and of the groups around that. `root` is where /proc and /sys are, for tests.
[[nodiscard]] std::uint64_t machine_memory(const std::string& root = "");

}  // namespace broadside::io
