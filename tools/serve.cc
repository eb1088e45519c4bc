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
#include "engine/io/socket.h"
#include "hub/auth/key_source.h"
#include "hub/hub.h"
#include "hub/tls/tls_server.h"
#include "tools/config_file.h"
#include "tools/confinement.h"
#include "tools/option_table.h"
#include "tools/serve_options.h"
#include "tools/service_notify.h"
#include "tools/settle.h"
#include "tools/stderr_log.h"
#include "tools/vitals.h"

namespace broadside::tools {
namespace {

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;

// What the command line and the environment said, for as long as the server runs: a reload goes by them again.
struct ServeCommand {
  std::vector<Setting> given;
  std::string config_path;  // Empty: no file.
  bool is_check = false;

  [[nodiscard]] Settled settle() const {
    return tools::settle(given, config_path.empty() ? ConfigFile{} : read_config(config_path));
  }
};

// What shall be served, and with which keys.
struct SettledWithKeys : Settled {
  hub::KeySet keys;
  std::vector<std::string> notes;  // What is worth a line in the log.
};

SettledWithKeys settle_with_keys(const ServeCommand& command) {
  SettledWithKeys settled{command.settle(), {}, {}};
  Result<hub::KeySet> keys = hub::read_keys(settled.options.keys, settled.notes);
  if (keys) {
    settled.keys = std::move(keys.value());
  } else {
    settled.problems.push_back(keys.error().message);
  }
  return settled;
}

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

// SIGTERM, SIGINT and SIGHUP as a descriptor. Made before any other thread, so that none of them takes the signals.
int block_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

class Server {
 public:
  // `options` are what the engine and the hub run with; `tls` is null without certificates.
  Server(const ServeCommand& command, const Confinement& confinement, ServeOptions options, Engine& engine, hub::Hub& hub,
         hub::TlsServer* tls, StderrLog& log, int signal_fd)
      : command_(command),
        confinement_(confinement),
        options_(std::move(options)),
        engine_(engine),
        hub_(hub),
        tls_(tls),
        log_(log),
        signal_fd_(signal_fd) {}

  // Serves until it is told to stop, and drains.
  int run() {
    notifier_.tell("READY=1");
    int first = wait_for_signal();
    for (; first == SIGHUP; first = wait_for_signal()) reload();
    notifier_.tell("STOPPING=1");
    log_.log(LogLevel::info, name_of(first) + ": draining, " + std::to_string(open_connections()) +
                                 " connections open; a second signal stops at once");
    Drain drain(engine_);
    for (;;) {
      pollfd waited[2] = {{.fd = drain.fd(), .events = POLLIN, .revents = 0}, {.fd = signal_fd_, .events = POLLIN, .revents = 0}};
      poll(waited, 2, poll_timeout_ms());
      tell_watchdog();
      if (waited[0].revents != 0) break;
      if (const int second = take_signal(); second == SIGHUP) {
        log_.log(LogLevel::warning, "SIGHUP: nothing is read again while draining");
      } else if (second != 0) {
        log_.log(LogLevel::warning,
                 name_of(second) + ": stopping at once, " + std::to_string(open_connections()) + " connections are cut");
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
  // Reads the configuration and the keys again and takes over what may change while running: all of it, or nothing if anything
  // is wrong.
  void reload() {
    notifier_.tell_reloading();
    if (command_.config_path.empty() && options_.keys.is_empty() && tls_ == nullptr) {
      log_.log(LogLevel::info, "SIGHUP: there is no --config to read again");
      return notifier_.tell("READY=1");
    }
    SettledWithKeys settled = settle_with_keys(command_);
    // A file that is lost or cut short must not open what was closed.
    if (!options_.keys.is_empty() && settled.options.keys.is_empty()) {
      settled.problems.emplace_back(
          "auth_key, auth_jwks: without a key everybody may subscribe to everything; that needs a restart");
    }
    for (const std::string& problem : settled.problems) log_.log(LogLevel::error, problem);
    if (settled.problems.empty()) {
      for (const std::string& note : settled.notes) log_.log(LogLevel::info, note);
      take_over(plan_reload(options_, std::move(settled.options)), std::move(settled.keys));
    } else {
      log_.log(LogLevel::error, "SIGHUP: nothing is changed; errors: " + std::to_string(settled.problems.size()));
    }
    notifier_.tell("READY=1");
  }

  void take_over(Reload reload, hub::KeySet keys) {
    if (const Result<Done> done = reload_certificates(reload.options.tls); !done) {
      log_.log(LogLevel::error, "SIGHUP: nothing is changed: " + done.error().message);
      return;
    }
    if (const Result<Done> done = engine_.reconfigure(reload.options.config); !done) {
      log_.log(LogLevel::error, "SIGHUP: nothing is changed: " + done.error().message);
      return;
    }
    hub_.set_event_bytes_max(reload.options.config.event_bytes_max);
    hub_.set_publish_rates(reload.options.publish_rates);
    const std::size_t key_count = keys.keys().size();
    if (key_count > 0) confinement_.hide_memory();
    hub_.set_keys(std::move(keys));
    // What changed is told if it would have been before, or would be from here on.
    log_.set_least(std::min(options_.log_level, reload.options.log_level));
    log_.log(LogLevel::info, reload.changes.empty() ? "SIGHUP: nothing has changed" : "SIGHUP: " + joined(reload.changes));
    if (tls_ != nullptr) log_.log(LogLevel::info, "SIGHUP: certificates read again");
    if (key_count > 0) log_.log(LogLevel::info, "SIGHUP: keys read again: " + std::to_string(key_count));
    if (!reload.waiting.empty()) log_.log(LogLevel::warning, "SIGHUP: needs a restart: " + joined(reload.waiting));
    log_.set_least(reload.options.log_level);
    options_ = std::move(reload.options);
  }

  // Who begins or ceases to speak TLS has other addresses, which is for a restart.
  Result<Done> reload_certificates(const hub::TlsOptions& wanted) {
    if (tls_ == nullptr || wanted.certificates.empty()) return Done{};
    return tls_->reload(wanted);
  }

  // The next signal that has come, or 0.
  [[nodiscard]] int take_signal() const {
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
    return static_cast<int>(info.ssi_signo);
  }

  static std::string name_of(int signal) { return signal == SIGTERM ? "SIGTERM" : "SIGINT"; }

  int wait_for_signal() {
    for (;;) {
      pollfd waited{.fd = signal_fd_, .events = POLLIN, .revents = 0};
      poll(&waited, 1, poll_timeout_ms());
      tell_watchdog();
      if (tls_ != nullptr) tls_->reload_if_changed();
      if (const int signal = take_signal(); signal != 0) return signal;
    }
  }

  [[nodiscard]] int poll_timeout_ms() const {
    const Nanos look_at_files = tls_ != nullptr ? kSecond : -kMillisecond;
    if (!notifier_.watchdog_interval()) return static_cast<int>(look_at_files / kMillisecond);
    const Nanos interval = std::max(kMillisecond, *notifier_.watchdog_interval());
    return static_cast<int>((tls_ != nullptr ? std::min(interval, look_at_files) : interval) / kMillisecond);
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

  const ServeCommand& command_;
  const Confinement& confinement_;
  ServeOptions options_;
  Engine& engine_;
  hub::Hub& hub_;
  hub::TlsServer* tls_;
  StderrLog& log_;
  int signal_fd_;
  ServiceNotifier notifier_;
};

int fail(const std::string& message) {
  std::fprintf(stderr, "broadside serve: %s\n", message.c_str());
  return kExitFailed;
}

// Says what is wrong with the configuration, or how it was understood.
int report(const ServeCommand& command, const Settled& settled) {
  for (const std::string& problem : settled.problems) fail(problem);
  if (!settled.problems.empty()) return kExitFailed;
  if (!settled.options.tls.certificates.empty()) {
    const auto loaded = hub::TlsContext::load(settled.options.tls);
    if (!loaded) return fail(loaded.error().message);
  }
  std::printf("%s: good\n", command.config_path.empty() ? "flags and environment" : command.config_path.c_str());
  for (const TopicSection& section : settled.options.config.topics) std::printf("topic %s\n", section_text(section).c_str());
  return kExitDone;
}

// Adds the address for who looks at the server where that is needed and nobody said which. That it is taken, say by another
// server, is no reason not to start: what it is for can be done with a token as well.
void add_admin_listen(ServeOptions& options, LogSink& log) {
  for (const std::string& address : default_admin_listen(options)) {
    const Result<Done> is_free = io::test_bind(io::parse_listen_address(address).value());
    if (is_free) {
      options.admin_listen.push_back(address);
    } else {
      log.log(LogLevel::warning, "/metrics, /topics and /connections are for tokens with `admin` alone (--admin-listen): " +
                                     is_free.error().message);
    }
  }
}

// What only SIGHUP would bring to light: files that were read by root, and are not for whom the process has become.
void warn_of_unreadable(const ServeCommand& command, const hub::TlsOptions& tls, LogSink& log) {
  std::vector<std::string> problems = settle_with_keys(command).problems;
  if (!tls.certificates.empty()) {
    if (const auto loaded = hub::TlsContext::load(tls); !loaded) problems.push_back(loaded.error().message);
  }
  for (const std::string& problem : problems) {
    log.log(LogLevel::warning, "--user cannot read again what root has read; SIGHUP will fail: " + problem);
  }
}

// One line for each address; --listen first.
void print_urls(const std::vector<std::string>& urls, std::size_t listen_count) {
  for (std::size_t index = 0; index < urls.size(); ++index) {
    std::printf("%s %s\n", index < listen_count ? "listening on" : "admin on", urls[index].c_str());
  }
  std::fflush(stdout);
}

int serve(const ServeCommand& command) {
  SettledWithKeys settled = settle_with_keys(command);
  if (command.is_check || !settled.problems.empty()) return report(command, settled);
  ServeOptions& options = settled.options;
  const Result<Confinement> confinement = Confinement::prepare(options.confinement);
  if (!confinement) return fail(confinement.error().message);
  const int signal_fd = block_signals();
  StderrLog log(options.log_level, options.log_format);
  options.config.log_sink = &log;
  for (const std::string& note : settled.notes) log.log(LogLevel::info, note);
  std::unique_ptr<hub::TlsServer> tls;
  if (!options.tls.certificates.empty()) {
    Result<std::unique_ptr<hub::TlsServer>> loaded = hub::TlsServer::load(options.tls, log);
    if (!loaded) return fail(loaded.error().message);
    tls = std::move(*loaded);
  }
  options.config.transports = tls.get();
  ServeOptions serving = options;
  add_admin_listen(serving, log);
  hub::Hub hub(hub_options(serving));
  hub.set_keys(std::move(settled.keys));
  Result<Engine> created = Engine::create(engine_config(serving), &hub);
  if (!created) return fail(created.error().message);
  Engine& engine = created.value();
  hub.attach(engine);
  Server server(command, *confinement, options, engine, hub, tls.get(), log, signal_fd);
  if (const Result<Done> entered = confinement->enter(engine_config(serving), log); !entered)
    return fail(entered.error().message);
  if (confinement->changes_user()) warn_of_unreadable(command, options.tls, log);
  if (!options.keys.is_empty() || tls != nullptr) confinement->hide_memory();
  engine.start();
  print_urls(engine.listen_urls(), options.config.listen.size());
  int exit_status = kExitFailed;
  {
    std::unique_ptr<Demo> demo = options.is_demo ? std::make_unique<Demo>(engine) : nullptr;
    exit_status = server.run();
  }
  engine.stop();
  close(signal_fd);
  return exit_status;
}

constexpr const char* kEnvironmentPrefix = "BROADSIDE_";

constexpr const char* kFooter =
    "Every flag has an environment variable (shown as Env) and, but for --config and --check-config, a key in the file of\n"
    "--config: --history-age is history_age. The flag wins over the environment, which wins over the file. In BROADSIDE_LISTEN,\n"
    "BROADSIDE_ADMIN_LISTEN, BROADSIDE_CORS_ORIGIN, BROADSIDE_TLS_CERT and BROADSIDE_TLS_KEY several values are separated by "
    "commas.\n"
    "SIGHUP reads the file, the keys and the certificates again; SIGTERM or SIGINT drains, a second one stops at once.\n\n"
    "A token's claim \"broadside\" says what it allows, topics by patterns:\n"
    "  {\"subscribe\": [\"prices.*\"], \"publish\": [\"*\"], \"send\": true, \"admin\": true}\n\n"
    "Examples:\n"
    "  broadside serve --demo\n"
    "  broadside serve --config broadside.toml --check-config\n"
    "  broadside serve --listen 0.0.0.0:8080 --anonymous-publish 'public.*' --cors-origin https://app.example\n"
    "  broadside serve --listen 0.0.0.0:8080 --auth-key HS256:secret.bin --anonymous-subscribe 'public.*'\n"
    "  broadside serve --listen 0.0.0.0:443 --listen http://127.0.0.1:8080 --tls-cert site.pem --tls-key site.key\n"
    "  curl -d hello http://127.0.0.1:8080/events/news\n"
    "  curl -N http://127.0.0.1:8080/events/news";

}  // namespace

CLI::App* add_serve_command(CLI::App& program, int& exit_status) {
  CLI::App* command = program.add_subcommand("serve", "Serve streams, and take what is published");
  struct State {
    ServeCommand command;
    ServeOptions flags;  // What each flag is tried on.
  };
  const auto state = std::make_shared<State>();
  OptionTable table;
  table.group("Configuration");
  table.text("config", state->command.config_path, "FILE",
             "TOML: what the flags say, and rules for single topics; SIGHUP reads it again");
  table.flag("check_config", state->command.is_check, "Say what is wrong with flags, environment and file, or what topics get");
  table.add_to(*command, kEnvironmentPrefix);
  OptionTable keys;
  add_serve_options(keys, state->flags);
  keys.add_to(*command, kEnvironmentPrefix, &state->command.given);
  command->footer(kFooter);
  command->callback([state, &exit_status] { exit_status = serve(state->command); });
  return command;
}

}  // namespace broadside::tools
