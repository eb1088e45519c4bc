// Parent and child talk in lines over a socket pair: child `ready`, parent `<topic> <position> <digest>` lines and `end`, child
// `ok`.
#include "tests/support/swarm_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace broadside::test {
namespace {

constexpr auto kLifetime = Millis(240'000);  // A child never outlives a test by more.

void raise_files_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Takes what the parent has sent so far; true once `end` has come.
bool read_expectation(int fd, std::string& text) {
  char buffer[65'536];
  ssize_t count = 0;
  while ((count = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) text.append(buffer, static_cast<std::size_t>(count));
  if (count == 0) _exit(1);  // The parent is gone.
  return text.size() >= 4 && text.compare(text.size() - 4, 4, "end\n") == 0;
}

void fill_oracle(const std::string& text, Oracle& oracle) {
  const char* at = text.c_str();
  while (*at >= '0' && *at <= '9') {
    char* end = nullptr;
    const auto topic = static_cast<TopicIndex>(std::strtoul(at, &end, 10));
    const std::uint64_t position = std::strtoull(end, &end, 10);
    const std::uint64_t digest = std::strtoull(end, &end, 10);
    oracle.on_published(topic, Position{position}, digest);
    at = end + 1;
  }
}

std::string run(int fd, Swarm& swarm, const StreamPlan& plan, std::size_t streams_count) {
  for (std::size_t index = 0; index < streams_count; ++index) swarm.add(plan);
  const Deadline deadline = Deadline::in(kLifetime);
  if (!swarm.run_until([&] { return swarm.open_count() == streams_count; }, deadline)) {
    return "only " + std::to_string(swarm.open_count()) + " of " + std::to_string(streams_count) + " streams opened; " +
           swarm.first_violation();
  }
  write_all(fd, "ready\n");
  std::string text;
  if (!swarm.run_until([&] { return read_expectation(fd, text); }, deadline)) return "while waiting: " + swarm.first_violation();
  Oracle oracle;
  fill_oracle(text, oracle);
  const bool have_all = swarm.run_until([&] { return swarm.all_have_newest(oracle); }, Deadline::in(Millis(60'000)));
  if (std::string problem = swarm.check(oracle); !problem.empty()) return problem;
  if (!have_all) return "not everything arrived in time";
  if (swarm.server_closes_count() > 0) return "the server closed " + std::to_string(swarm.server_closes_count()) + " streams";
  return "";
}

}  // namespace

std::unique_ptr<SwarmProcess> SwarmProcess::start(const SwarmOptions& options, const StreamPlan& plan,
                                                  std::size_t streams_count) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return nullptr;
  std::fflush(nullptr);
  std::unique_ptr<SwarmProcess> process(new SwarmProcess());
  process->control_fd_ = fds[0];
  const pid_t parent = getpid();
  process->pid_ = fork();
  if (process->pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    close(fds[0]);
    raise_files_limit();
    Swarm swarm(options);
    const std::string problem = run(fds[1], swarm, plan, streams_count);
    write_all(fds[1], std::to_string(swarm.longest_pause_ms()) + " " + (problem.empty() ? "ok" : problem) + "\n");
    _exit(0);
  }
  close(fds[1]);
  if (process->pid_ < 0) return nullptr;
  return process;
}

SwarmProcess::~SwarmProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (control_fd_ >= 0) close(control_fd_);
}

std::string SwarmProcess::read_report(const Deadline& deadline) {
  while (pending_.find('\n') == std::string::npos) {
    pollfd poll_fd{.fd = control_fd_, .events = POLLIN, .revents = 0};
    if (poll(&poll_fd, 1, deadline.remaining_ms()) <= 0 && deadline.has_passed()) return "no report in time";
    char buffer[4096];
    const ssize_t count = recv(control_fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (count == 0) return "the client process died";
    if (count > 0) pending_.append(buffer, static_cast<std::size_t>(count));
  }
  std::string line = pending_.substr(0, pending_.find('\n'));
  pending_.erase(0, line.size() + 1);
  return line;
}

std::string SwarmProcess::wait_ready(const Deadline& deadline) {
  const std::string report = read_report(deadline);
  return report == "ready" ? "" : report;
}

bool SwarmProcess::expect(const Oracle& oracle) {
  write_all(control_fd_, oracle.to_text() + "end\n");
  return true;
}

std::string SwarmProcess::result(const Deadline& deadline) {
  std::string report = read_report(deadline);
  const auto space = report.find(' ');
  longest_pause_ms_ = static_cast<std::uint32_t>(std::strtoul(report.c_str(), nullptr, 10));
  if (space != std::string::npos && report.compare(space + 1, std::string::npos, "ok") == 0) return "";
  return report + " (its first number: the longest pause of this client, in milliseconds)";
}

}  // namespace broadside::test
