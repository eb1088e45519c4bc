#include "tools/load.h"

#include <netdb.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tools/client_support.h"
#include "tools/load/options.h"
#include "tools/load/publisher.h"
#include "tools/load/report.h"
#include "tools/load/worker.h"

namespace broadside::tools {
namespace {

using namespace load;  // NOLINT(google-build-using-namespace): this file is its front.

constexpr int kExitNotBegun = 2;
constexpr Nanos kSettle = 300 * kMillisecond;       // Between the last stream and the first event.
constexpr Nanos kOpeningSilenceMax = 20 * kSecond;  // Without one more stream: what is open is what there is.
constexpr Nanos kLook = 50 * kMillisecond;

std::optional<SocketAddress> resolve(const Endpoint& endpoint, std::string& problem) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
  if (error != 0) {
    problem = endpoint.url + ": " + ::gai_strerror(error);
    return std::nullopt;
  }
  SocketAddress address;
  std::memcpy(&address.bytes, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  ::freeaddrinfo(found);
  return address;
}

// The whole answer to a GET; empty if there is none. For what a server says of itself.
std::string fetch_text(const std::string& url) {
  Target target;
  target.url = url;
  std::string text;
  HttpRequest request(target, {},
                      {.on_body =
                           [&](std::string_view bytes) {
                             text += bytes;
                             return text.size() < (4 << 20);
                           },
                       .body_source = nullptr});
  const Nanos deadline = monotonic_now() + 5 * kSecond;
  while (monotonic_now() < deadline) {
    request.wait({}, Milliseconds(100));
    if (const std::optional<HttpEnd> end = request.step()) return end->status == 200 ? text : "";
  }
  return {};
}

std::string backend_of(const std::string& server) {
  const std::string metrics = fetch_text(server + "/metrics");
  const std::size_t at = metrics.find("backend=\"");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + std::strlen("backend=\"");
  return metrics.substr(begin, metrics.find('"', begin) - begin);
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  char text[40];
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// As it was typed, near enough.
std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text;
  for (std::string argument; std::getline(file, argument, '\0');) text += (text.empty() ? "" : " ") + argument;
  return text;
}

void say(const std::string& text) { std::fprintf(stderr, "broadside load: %s\n", text.c_str()); }

// One run of the command, by the main thread.
class LoadRun {
 public:
  explicit LoadRun(const LoadOptions& options) : options_(options), run_(options) { run_.number = std::random_device{}(); }

  int run();

 private:
  [[nodiscard]] bool prepare();
  void open_streams();
  void measure();
  void begin_shares(Nanos now);
  void end_shares(Nanos now);
  void finish();
  int conclude();
  void look(const char* what);
  [[nodiscard]] Counts sum();
  [[nodiscard]] bool is_stopped() const { return report_.was_stopped; }
  static std::uint64_t deliveries(void* self);

  const LoadOptions& options_;
  StopSignals signals_;  // Before the threads, which inherit that the signals are blocked.
  Run run_;
  SocketAddress publish_address_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Publisher> publisher_;
  Report report_;
  Nanos began_ = 0;
  Nanos second_began_ = 0;
  std::uint64_t second_events_ = 0;
  Histogram second_latencies_;
  Nanos shares_began_ = 0;
  bool shares_have_ended_ = false;
  std::vector<Nanos> cpu_before_;  // By worker.
};

std::uint64_t LoadRun::deliveries(void* self) {
  std::uint64_t sum = 0;
  for (const auto& worker : static_cast<LoadRun*>(self)->workers_) sum += worker->deliveries();
  return sum;
}

Counts LoadRun::sum() {
  Counts counts;
  for (const auto& worker : workers_) counts += worker->take(second_latencies_);
  return counts;
}

bool LoadRun::prepare() {
  std::string problem;
  const std::optional<SocketAddress> subscribe = resolve(options_.subscribe, problem);
  const std::optional<SocketAddress> publish = resolve(options_.publish, problem);
  if (!subscribe || !publish) {
    say(problem);
    return false;
  }
  run_.server = *subscribe;
  publish_address_ = *publish;
  if (!options_.cpus.empty()) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (const int cpu : options_.cpus) CPU_SET(cpu, &cores);
    if (::sched_setaffinity(0, sizeof cores, &cores) != 0) {
      say(std::string("--cpus: ") + std::strerror(errno));
      return false;
    }
  }
  if (options_.server_pid != 0) {
    const auto rss = process_rss_bytes(options_.server_pid);
    if (!rss || !process_cpu(options_.server_pid)) {
      say("--server-pid " + std::to_string(options_.server_pid) + ": there is no such process, or it is not yours to measure");
      return false;
    }
    report_.server = ServerFigures{.rss_bytes_before = *rss};
  }
  report_.options = &options_;
  report_.machine = this_machine();
  report_.date = date_now();
  report_.command = command_line();
  if (options_.subscribe_url.starts_with(options_.server)) report_.backend = backend_of(options_.server);
  return true;
}

// Waits a moment, and says a line if a second is over.
void LoadRun::look(const char* what) {
  const timespec pause{.tv_sec = 0, .tv_nsec = kLook};
  ::nanosleep(&pause, nullptr);
  if (signals_.take() != 0) report_.was_stopped = true;
  const Nanos now = monotonic_now();
  if (now - second_began_ < kSecond) return;
  const Counts counts = sum();
  Second second{.at = static_cast<double>(now - began_) / 1e9,
                .open = counts.open,
                .events = static_cast<std::uint64_t>(static_cast<double>(counts.events - second_events_) * 1e9 /
                                                     static_cast<double>(now - second_began_)),
                .lost = counts.faults.lost,
                .superseded = counts.superseded};
  if (second_latencies_.count() > 0) {
    second.p50_ms = static_cast<double>(second_latencies_.percentile(50)) / 1e3;
    second.p99_ms = static_cast<double>(second_latencies_.percentile(99)) / 1e3;
    second.max_ms = static_cast<double>(second_latencies_.max()) / 1e3;
  }
  report_.latencies.merge(second_latencies_);
  second_latencies_.clear();
  report_.seconds.push_back(second);
  second_began_ = now;
  second_events_ = counts.events;
  if (options_.is_quiet) return;
  std::fprintf(stderr, "%-9s %s\n", what, second_line(second, counts.faults).c_str());
}

void LoadRun::open_streams() {
  const Nanos cpu_before = report_.server ? process_cpu(options_.server_pid).value_or(0) : 0;
  began_ = second_began_ = monotonic_now();
  for (std::uint32_t i = 0; i < options_.threads; ++i) workers_.push_back(std::make_unique<Worker>(run_, i, options_.threads));
  for (const auto& worker : workers_) worker->start();
  std::uint64_t settled = 0;
  Nanos settled_at = began_;
  for (;;) {
    look("opening");
    const Counts counts = sum();
    report_.opened_at_first = counts.opened;
    report_.opening = counts.last_open - began_;
    if (counts.settled > settled) settled_at = monotonic_now();
    settled = counts.settled;
    if (settled == options_.streams || is_stopped()) break;
    if (monotonic_now() - settled_at > kOpeningSilenceMax) break;
  }
  if (!report_.server) return;
  report_.server->opening_cpu = process_cpu(options_.server_pid).value_or(cpu_before) - cpu_before;
  report_.server->rss_bytes_open = process_rss_bytes(options_.server_pid).value_or(0);
}

void LoadRun::begin_shares(Nanos now) {
  if (shares_began_ != 0) return;
  shares_began_ = now;
  for (const auto& worker : workers_) cpu_before_.push_back(worker->take(second_latencies_).cpu);
}

// How busy the threads were since then, once.
void LoadRun::end_shares(Nanos now) {
  if (shares_have_ended_ || shares_began_ == 0 || now == shares_began_) return;
  shares_have_ended_ = true;
  double all = 0;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const Nanos cpu = workers_[i]->take(second_latencies_).cpu - cpu_before_[i];
    const double share = static_cast<double>(cpu) / static_cast<double>(now - shares_began_);
    all += share;
    report_.client_share = std::max(report_.client_share, share);
  }
  const double cores = options_.cpus.empty() ? report_.machine.cores : static_cast<double>(options_.cpus.size());
  report_.client_share = std::max(report_.client_share, all / cores);
}

void LoadRun::measure() {
  // Whole microseconds, as payloads carry due times.
  const Nanos begin = (monotonic_now() + kSettle) / kMicrosecond * kMicrosecond;
  const Nanos measured_from = begin + options_.warm_up;
  const Nanos end = measured_from + options_.duration;
  run_.measured_from = measured_from;
  run_.measured_to = end;
  run_.is_churning = true;
  publisher_ = std::make_unique<Publisher>(run_, publish_address_, deliveries, this);
  std::atomic<bool> is_done = options_.publish_rate == 0;
  std::thread thread;
  if (options_.publish_rate > 0) {
    thread = std::thread([&] {
      publisher_->publish(begin, end);
      is_done = true;
    });
  }
  const std::uint64_t deliveries_before = deliveries(this);
  const Nanos cpu_before = report_.server ? process_cpu(options_.server_pid).value_or(0) : 0;
  Nanos storm_at = measured_from + options_.storm_every;
  while ((!is_done || monotonic_now() < end) && !is_stopped()) {
    look(monotonic_now() < measured_from ? "warm-up" : "measuring");
    const Nanos now = monotonic_now();
    if (now >= measured_from) begin_shares(now);
    if (now >= end) end_shares(now);
    if (options_.storm_every > 0 && now >= storm_at && now < end) {
      ++run_.storms;
      storm_at += options_.storm_every;
    }
  }
  end_shares(monotonic_now());
  run_.is_churning = false;
  if (is_stopped()) run_.is_stopped = true;
  if (thread.joinable()) thread.join();
  report_.published = publisher_->result();
  report_.measured = options_.warm_up + options_.duration;
  finish();
  if (!report_.server) return;
  report_.server->cpu = process_cpu(options_.server_pid).value_or(cpu_before) - cpu_before;
  report_.server->elapsed = monotonic_now() - begin;
  report_.server->deliveries = deliveries(this) - deliveries_before;
  report_.server->rss_bytes_end = process_rss_bytes(options_.server_pid).value_or(0);
}

// Waits for what is still under way.
void LoadRun::finish() {
  run_.is_finishing = true;
  const Nanos deadline = monotonic_now() + options_.grace;
  while (!is_stopped() && monotonic_now() < deadline) {
    look("finishing");
    if (sum().incomplete == 0) break;
  }
  const Counts counts = sum();
  if (counts.last_delivery > report_.published.last_due && report_.published.last_due > 0) {
    report_.drain = counts.last_delivery - report_.published.last_due;
  }
}

int LoadRun::conclude() {
  run_.is_stopped = true;
  for (const auto& worker : workers_) {
    worker->join();
    if (report_.stream_problem.empty()) report_.stream_problem = worker->last_problem();
  }
  report_.counts = sum();
  report_.latencies.merge(second_latencies_);
  double shares = 0;
  for (const EventCost& cost : report_.published.costs)
    shares += static_cast<double>(cost.client_cpu) / static_cast<double>(cost.took);
  if (!report_.published.costs.empty()) report_.delivery_share = shares / static_cast<double>(report_.published.costs.size());
  if (options_.json_path != "-") std::fputs(report_table(report_).c_str(), stdout);
  if (!options_.json_path.empty()) {
    const std::string json = report_json(report_);
    if (options_.json_path == "-") {
      std::fputs(json.c_str(), stdout);
    } else if (!(std::ofstream(options_.json_path) << json)) {
      say(options_.json_path + ": cannot be written");
      return kExitFailed;
    }
  }
  std::fflush(stdout);
  if (!options_.plot_path.empty()) {
    if (const std::string wrong = write_plot(report_, options_.plot_path); !wrong.empty()) {
      say(wrong);
      return kExitFailed;
    }
  }
  const std::vector<std::string> failures = report_.failures();
  for (const std::string& failure : failures) say(failure);
  if (is_stopped()) return 130;
  return failures.empty() ? kExitDone : kExitFailed;
}

int LoadRun::run() {
  if (!prepare()) return kExitNotBegun;
  open_streams();
  const bool has_any = sum().open > 0;
  if (has_any && !is_stopped()) measure();
  const int status = conclude();
  return has_any || is_stopped() ? status : kExitNotBegun;
}

constexpr const char* kFooter =
    "Latency is counted from when an event was due, not from when it could be sent. Each event carries topic, sequence and time, "
    "so\n"
    "that every delivery that is lost, doubled, reordered or cut short is counted, across reconnects as well (--resume).\n"
    "With --conflated an event that a newer one of its key stands in for is superseded; lost is a key of a stream whose newest "
    "event\n"
    "has not come when --grace is over, slow readers included.\n"
    "Ends with 0 when all is as it should be, 1 when something was lost, refused or above a bound, 2 when it could not begin.\n"
    "Every flag has an environment variable (shown as Env), which begins with BROADSIDE_LOAD_; the flag wins.\n\n"
    "Examples:\n"
    "  broadside load --streams 10000 --publish-rate 100 --duration 30s\n"
    "  broadside load --streams 200000 --publish-rate 1 --server-pid $(pgrep -f 'broadside serve') --json result.json\n"
    "  broadside load --streams 5000 --churn 500 --resume --max-p99 100ms --plot latency.svg\n"
    "  broadside load --streams 100 --slow 100 --slow-rate 10KiB --conflated --keys 1000 --publish-rate 1000 --grace 60s\n"
    "  broadside load --subscribe-url 'http://127.0.0.1:8081/sub/{topic}' --publish-url 'http://127.0.0.1:8081/pub/{topic}'\n"
    "  broadside load --subscribe-url 'http://127.0.0.1:3000/sse' --publish-url 'http://127.0.0.1:3000/send' \\\n"
    "    --publish-type application/json --publish-body '{\"message\":\"{data}\"}'";

}  // namespace

CLI::App* add_load_command(CLI::App& program, int& exit_status) {
  CLI::App* command = program.add_subcommand("load", "Measure an SSE server: very many streams, every delivery checked");
  const auto options = std::make_shared<LoadOptions>();
  load::add_load_options(*command, *options);
  command->footer(kFooter);
  command->callback([options, &exit_status] {
    if (const std::string wrong = load::check_load_options(*options); !wrong.empty()) {
      say(wrong);
      exit_status = kExitNotBegun;
      return;
    }
    exit_status = LoadRun(*options).run();
  });
  return command;
}

}  // namespace broadside::tools
