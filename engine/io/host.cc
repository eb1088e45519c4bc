// See host.h.
#include "engine/io/host.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/units.h"

namespace broadside::io {

std::string KernelVersion::text() const { return std::to_string(series) + "." + std::to_string(number); }

KernelVersion parse_kernel_version(const char* release) {
  char* end = nullptr;
  const unsigned long series = std::strtoul(release, &end, 10);
  if (end == release || *end != '.') return {};
  const char* rest = end + 1;
  const unsigned long number = std::strtoul(rest, &end, 10);
  if (end == rest) return {};
  return {static_cast<std::uint32_t>(series), static_cast<std::uint32_t>(number)};
}

KernelVersion kernel_version() {
  utsname names{};
  return ::uname(&names) == 0 ? parse_kernel_version(names.release) : KernelVersion{};
}

std::uint64_t open_files_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

std::uint64_t raise_open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  return open_files_limit();
}

std::string errno_text(int error) {
  const char* text = ::strerrordesc_np(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}

namespace {

// Reads the number behind `key` in a file of lines, or the file's first number if `key` is empty; -1 if there is none.
long read_number(const char* path, const char* key) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return -1;
  char line[256];
  long number = -1;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, key, std::strlen(key)) != 0) continue;
    number = std::strtol(line + std::strlen(key), nullptr, 10);
    break;
  }
  std::fclose(file);
  return number;
}

}  // namespace

UringObstacles find_uring_obstacles() {
  UringObstacles obstacles;
  obstacles.sysctl_disabled = static_cast<int>(read_number("/proc/sys/kernel/io_uring_disabled", ""));
  obstacles.is_seccomp_filtered = read_number("/proc/self/status", "Seccomp:") > 0;
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0) obstacles.locked_memory_bytes_max = limit.rlim_cur;
  return obstacles;
}

std::string explain_uring_failure(int error, const UringObstacles& obstacles) {
  if (error == EPERM && obstacles.sysctl_disabled == 2) {
    return "kernel.io_uring_disabled is 2; set it to 0 with sysctl to use io_uring";
  }
  if (error == EPERM && obstacles.sysctl_disabled == 1) {
    return "kernel.io_uring_disabled is 1; set it to 0 with sysctl, or join kernel.io_uring_group";
  }
  if ((error == EPERM || error == EACCES || error == ENOSYS) && obstacles.is_seccomp_filtered) {
    return "a seccomp filter (a container's default profile) refuses io_uring_setup (" + errno_text(error) +
           "); allow io_uring_setup, io_uring_enter and io_uring_register in it";
  }
  if (error == ENOSYS) return "this kernel is built without io_uring";
  if (error == EPERM || error == EACCES) {
    return "the kernel or a security module refuses io_uring_setup (" + errno_text(error) + ")";
  }
  if (error == ENOMEM) {
    // From 6.14 on rings count against the limit; a ring of ours needs about 350 KiB.
    return "no memory for a ring: RLIMIT_MEMLOCK is " + std::to_string(obstacles.locked_memory_bytes_max / kKiB) +
           " KiB; raise it (ulimit -l, LimitMEMLOCK=infinity)";
  }
  if (error == EMFILE || error == ENFILE) return "no descriptor left for a ring; raise the limit of open files (ulimit -n)";
  return "io_uring_setup failed: " + errno_text(error);
}

}  // namespace broadside::io
