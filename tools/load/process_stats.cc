#include "tools/load/process_stats.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

namespace broadside::tools::load {

std::optional<Nanos> process_cpu(int pid) {
  std::error_code error;
  std::filesystem::directory_iterator tasks("/proc/" + std::to_string(pid) + "/task", error);
  if (error) return std::nullopt;
  Nanos sum = 0;
  for (const std::filesystem::directory_iterator end; tasks != end; tasks.increment(error)) {
    std::ifstream file(tasks->path() / "schedstat");
    Nanos spent = 0;
    if (file >> spent) sum += spent;
    if (error) return std::nullopt;  // It has ended meanwhile.
  }
  return sum;
}

std::optional<std::uint64_t> process_rss_bytes(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  if (!(file >> size_pages >> resident_pages)) return std::nullopt;
  return resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Machine this_machine() {
  Machine machine;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) machine.processor = line.substr(colon + 2);
    break;
  }
  utsname name{};
  if (::uname(&name) == 0) machine.kernel = std::string(name.sysname) + ' ' + name.release;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) == 0) machine.cores = static_cast<unsigned>(CPU_COUNT(&cores));
  return machine;
}

}  // namespace broadside::tools::load
