// See serve.h. The main thread waits for signals; the engine has its own threads, the demo one, and the drain one.
#include "tools/serve.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "broadside/engine.h"
#include "hub/hub.h"
#include "tools/serve_options.h"
#include "tools/service_notify.h"
#include "tools/stderr_log.h"
#include "tools/vitals.h"

namespace broadside::tools {
namespace {

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;

// Publishes vital signs until it is destroyed.
class Demo {
 public:
  explicit Demo(Engine& engine) : engine_(engine), thread_([this] { run(); }) {}
  ~Demo() {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    condition_.notify_all();
    thread_.join();
  }
  Demo(const Demo&) = delete;
  Demo& operator=(const Demo&) = delete;

 private:
  void run() {
    Vitals vitals;
    std::unique_lock lock(mutex_);
    while (!condition_.wait_for(lock, std::chrono::seconds(1), [this] { return is_stopping_; })) {
      const std::string sample = vitals.sample_json();
      // Refused while memory is full or the engine stops: the next second brings another one.
      (void)engine_.publish("system", Event{.data = sample, .type = {}, .id = {}, .retry_ms = {}, .key = {}}).has_value();
    }
  }

  Engine& engine_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool is_stopping_ = false;
  std::thread thread_;
};

// Waits for the drain in a thread of its own, so that signals are still heard. `fd()` is readable when it is over.
class Drain {
 public:
  explicit Drain(Engine& engine) : fd_(eventfd(0, EFD_CLOEXEC)) {
    engine.start_drain();
    thread_ = std::thread([this, &engine] {
      is_complete_ = engine.wait_drained();
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
    });
  }
  ~Drain() {
    thread_.join();
    close(fd_);
  }
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // Requires: fd() is readable.
  [[nodiscard]] bool is_complete() const { return is_complete_; }

 private:
  int fd_;
  std::atomic<bool> is_complete_{false};
  std::thread thread_;
};

// SIGTERM and SIGINT as a descriptor. Made before any other thread, so that none of them takes the signals.
int block_stop_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

class Server {
 public:
  Server(Engine& engine, const hub::Hub& hub, StderrLog& log, int signal_fd)
      : engine_(engine), hub_(hub), log_(log), signal_fd_(signal_fd) {}

  // Serves until it is told to stop, and drains.
  int run() {
    notifier_.tell("READY=1");
    const std::string first = wait_for_signal();
    notifier_.tell("STOPPING=1");
    log_.log(LogLevel::info,
             first + ": draining, " + std::to_string(open_connections()) + " connections open; a second signal stops at once");
    Drain drain(engine_);
    for (;;) {
      pollfd waited[2] = {{.fd = drain.fd(), .events = POLLIN, .revents = 0}, {.fd = signal_fd_, .events = POLLIN, .revents = 0}};
      poll(waited, 2, poll_timeout_ms());
      tell_watchdog();
      if (waited[0].revents != 0) break;
      if (const std::string second = take_signal(); !second.empty()) {
        log_.log(LogLevel::warning,
                 second + ": stopping at once, " + std::to_string(open_connections()) + " connections are cut");
        // The drain's thread and the engine's have nothing to bring to an end: the kernel closes all.
        _exit(kExitFailed);
      }
    }
    if (drain.is_complete()) {
      log_.log(LogLevel::info, "drained");
    } else {
      log_.log(LogLevel::warning,
               "drain timeout: " + std::to_string(open_connections()) + " connections are reset (--drain-timeout)");
    }
    return kExitDone;
  }

 private:
  // The name of the next signal, or an empty string.
  [[nodiscard]] std::string take_signal() const {
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return {};
    return info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";
  }

  std::string wait_for_signal() {
    for (;;) {
      pollfd waited{.fd = signal_fd_, .events = POLLIN, .revents = 0};
      poll(&waited, 1, poll_timeout_ms());
      tell_watchdog();
      if (std::string name = take_signal(); !name.empty()) return name;
    }
  }

  [[nodiscard]] int poll_timeout_ms() const {
    if (!notifier_.watchdog_interval()) return -1;
    return static_cast<int>(std::max<Nanos>(1, *notifier_.watchdog_interval() / kMillisecond));
  }

  // Only while the shards make progress: one that hangs gets the whole server restarted.
  void tell_watchdog() {
    if (notifier_.watchdog_interval() && hub_.health().status == 200) notifier_.tell("WATCHDOG=1");
  }

  [[nodiscard]] std::uint64_t open_connections() const {
    std::uint64_t connections = 0;
    for (const ShardStats& shard : engine_.stats().shards) connections += shard.connections;
    return connections;
  }

  Engine& engine_;
  const hub::Hub& hub_;
  StderrLog& log_;
  int signal_fd_;
  ServiceNotifier notifier_;
};

int fail(const std::string& message) {
  std::fprintf(stderr, "broadside serve: %s\n", message.c_str());
  return kExitFailed;
}

int serve(ServeOptions options) {
  if (const std::string refusal = start_refusal(options); !refusal.empty()) return fail(refusal);
  const int signal_fd = block_stop_signals();
  StderrLog log(options.log_level, options.log_format);
  options.config.log_sink = &log;
  hub::Hub hub(hub_options(options));
  Result<Engine> created = Engine::create(options.config, &hub);
  if (!created) return fail(created.error().message);
  Engine& engine = created.value();
  hub.attach(engine);
  engine.start();
  for (const std::string& url : engine.listen_urls()) std::printf("listening on %s\n", url.c_str());
  std::fflush(stdout);
  int exit_status = kExitFailed;
  {
    std::unique_ptr<Demo> demo = options.is_demo ? std::make_unique<Demo>(engine) : nullptr;
    exit_status = Server(engine, hub, log, signal_fd).run();
  }
  engine.stop();
  close(signal_fd);
  return exit_status;
}

constexpr const char* kFooter =
    "Every flag has an environment variable (shown as Env); the flag wins. In BROADSIDE_LISTEN and BROADSIDE_CORS_ORIGIN "
    "several\n"
    "values are separated by commas. SIGTERM or SIGINT drains; a second one stops at once.\n\n"
    "Examples:\n"
    "  broadside serve --demo\n"
    "  broadside serve --listen 0.0.0.0:8080 --anonymous-publish 'public.*' --cors-origin https://app.example\n"
    "  curl -d hello http://127.0.0.1:8080/events/news\n"
    "  curl -N http://127.0.0.1:8080/events/news";

}  // namespace

CLI::App* add_serve_command(CLI::App& program, int& exit_status) {
  CLI::App* command = program.add_subcommand("serve", "Serve streams, and take what is published");
  const auto options = std::make_shared<ServeOptions>();
  add_serve_options(*command, *options);
  command->footer(kFooter);
  command->callback([options, &exit_status] { exit_status = serve(*options); });
  return command;
}

}  // namespace broadside::tools
