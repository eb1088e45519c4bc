// A system monitor on the program's own loop. The engine has no thread here: one poll() waits for it, for a timer and for the
// end, as a program does that has a loop already. The history is a minute's, which a page that comes begins with.
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <limits>
#include <string>

#include "broadside/engine.h"
#include "examples/support/program.h"

namespace {

// What the machine does, from /proc (proc(5)).
class Machine {
 public:
  Machine() { cpu_percent(); }

  std::string json() {
    std::ifstream load_file("/proc/loadavg");
    double load = 0;
    load_file >> load;
    const double total = memory_kib("MemTotal:");
    const double used = total - memory_kib("MemAvailable:");
    char text[96];
    std::snprintf(text, sizeof text, R"({"cpu":%.1f,"memory":%.1f,"load":%.2f})", cpu_percent(), 100 * used / total, load);
    return text;
  }

 private:
  // Of all cores, since it was asked for last.
  double cpu_percent() {
    std::ifstream file("/proc/stat");
    std::string name;
    file >> name;
    double total = 0;
    double idle = 0;
    for (int field = 0; field < 8; ++field) {
      double ticks = 0;
      file >> ticks;
      total += ticks;
      if (field == 3 || field == 4) idle += ticks;  // idle, iowait.
    }
    const double all = total - std::exchange(total_, total);
    const double idling = idle - std::exchange(idle_, idle);
    return all > 0 ? 100 * (all - idling) / all : 0;
  }

  static double memory_kib(const std::string& key) {
    std::ifstream file("/proc/meminfo");
    std::string name;
    double value = 0;
    while (file >> name >> value && name != key) file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    return value;
  }

  double total_ = 0;
  double idle_ = 0;
};

int open_timer(int every_ms) {
  const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  const timespec every{.tv_sec = every_ms / 1000, .tv_nsec = every_ms % 1000 * 1'000'000L};
  const itimerspec times{.it_interval = every, .it_value = every};
  timerfd_settime(fd, 0, &times, nullptr);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const examples::Flags flags(argc, argv, {{"--every-ms", "1000"}});
  const examples::StopSignal stop;

  broadside::Config config;
  config.listen = {flags.text("--listen")};
  config.is_host_driven = true;
  config.defaults.history_age_ms = 60'000;
  examples::PageHandler handler;
  auto engine = broadside::Engine::create(config, &handler);
  if (!engine) return examples::fail(engine.error());
  examples::start(*engine);

  Machine machine;
  const int timer = open_timer(flags.number("--every-ms"));
  std::array<pollfd, 3> waits{{{.fd = stop.fd(), .events = POLLIN, .revents = 0},
                               {.fd = timer, .events = POLLIN, .revents = 0},
                               {.fd = engine->poll_fd(), .events = POLLIN, .revents = 0}}};
  while (poll(waits.data(), waits.size(), engine->next_timeout_ms()) >= 0 && waits[0].revents == 0) {
    std::uint64_t ticks = 0;
    if (read(timer, &ticks, sizeof ticks) > 0) examples::check(engine->publish("system", {.data = machine.json()}));
    engine->run_once();
  }
  close(timer);
}
