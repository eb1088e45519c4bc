// What this machine allows: its kernel's version, how many files may be open, and why io_uring is refused if it is.
// Plain questions to the operating system; no state.
#pragma once

#include <cstdint>
#include <string>

namespace broadside::io {

struct KernelVersion {
  std::uint32_t series = 0;  // 6 in 6.18.
  std::uint32_t number = 0;  // 18 in 6.18.
  [[nodiscard]] bool is_at_least(std::uint32_t wanted_series, std::uint32_t wanted_number) const {
    return series != wanted_series ? series > wanted_series : number >= wanted_number;
  }
  [[nodiscard]] std::string text() const;
};

// "6.18.44-cloud" is 6.18; what cannot be read is 0.0.
[[nodiscard]] KernelVersion parse_kernel_version(const char* release);
[[nodiscard]] KernelVersion kernel_version();

// Raises the soft limit of open files to the hard one. Returns the limit that holds now.
std::uint64_t raise_open_files_limit();
[[nodiscard]] std::uint64_t open_files_limit();

// "connection refused", never null; safe in every thread.
[[nodiscard]] std::string errno_text(int error);

// What can make the kernel refuse a ring, read once it did.
struct UringObstacles {
  int sysctl_disabled = -1;                   // kernel.io_uring_disabled; -1 = no such setting.
  bool is_seccomp_filtered = false;           // A filter is installed (containers).
  std::uint64_t locked_memory_bytes_max = 0;  // RLIMIT_MEMLOCK.
};
[[nodiscard]] UringObstacles find_uring_obstacles();

// Why a ring could not be made and what to do about it: one line without a full stop.
[[nodiscard]] std::string explain_uring_failure(int error, const UringObstacles& obstacles);

}  // namespace broadside::io
