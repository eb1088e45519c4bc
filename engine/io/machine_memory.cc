// See machine_memory.h.
#include "engine/io/machine_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace broadside::io {
namespace {

// A file that holds a number; "max", like a file that is not there, bounds nothing.
std::uint64_t read_bound(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return UINT64_MAX;
  unsigned long long number = 0;
  const bool is_number = std::fscanf(file, "%llu", &number) == 1;
  std::fclose(file);
  return is_number ? number : UINT64_MAX;
}

// The least of what `file` says in `group` and in the groups around it, up to `mount`. Where a container sees only a part of the
// tree some of them are not there.
std::uint64_t least_bound(const std::string& mount, std::string group, const char* file) {
  std::uint64_t least = UINT64_MAX;
  for (;;) {
    least = std::min(least, read_bound(mount + group + file));
    const std::size_t parent = group.rfind('/');
    if (parent == std::string::npos) return least;
    group.resize(parent);
  }
}

// The group of this process among those of `controller`, "/system.slice/broadside.service"; empty if it is in none. Lines are
// `number:controllers:path`; the unified hierarchy (cgroup v2) names no controllers.
std::string own_group(const std::string& root, std::string_view controller) {
  std::FILE* file = std::fopen((root + "/proc/self/cgroup").c_str(), "re");
  if (file == nullptr) return {};
  std::string group;
  char buffer[4096 + 256];  // A path, and the names of all controllers.
  while (group.empty() && std::fgets(buffer, sizeof buffer, file) != nullptr) {
    std::string_view line(buffer);
    line = line.substr(0, line.find('\n'));
    const std::size_t names = line.find(':') + 1;
    const std::size_t path = line.find(':', names);
    if (names == 0 || path == std::string_view::npos) continue;
    if (line.substr(names, path - names) == controller) group = line.substr(path + 1);
  }
  std::fclose(file);
  return group;
}

}  // namespace

std::uint64_t machine_memory(const std::string& root) {
  const auto machine =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::string mount = root + "/sys/fs/cgroup";
  return std::min({machine, least_bound(mount, own_group(root, ""), "/memory.max"),
                   least_bound(mount + "/memory", own_group(root, "memory"), "/memory.limit_in_bytes")});
}

}  // namespace broadside::io
