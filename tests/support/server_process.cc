// Children of a test: fork, exec, pipes, pidfd.
#include "tests/support/server_process.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace broadside::test {
namespace {

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(char* const* arguments, int stdout_fd, int stderr_fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  const int null_fd = open("/dev/null", O_RDONLY);
  dup2(null_fd, STDIN_FILENO);
  dup2(stdout_fd, STDOUT_FILENO);
  dup2(stderr_fd, STDERR_FILENO);
  execvp(arguments[0], arguments);
  const char message[] = "exec failed: build the program or set BROADSIDE_PROGRAM\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);
  _exit(127);
}

bool wait_readable(int fd, const Deadline& deadline) {
  pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
  while (true) {
    const int ready = poll(&poll_fd, 1, deadline.remaining_ms());
    if (ready > 0) return true;
    if (ready == 0 && deadline.has_passed()) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// Without a name, so that nothing is left behind.
int open_scratch_file() { return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); }

}  // namespace

std::string program_path() {
  if (const char* path = std::getenv("BROADSIDE_PROGRAM"); path != nullptr && *path != '\0') return path;
#ifdef BROADSIDE_PROGRAM_PATH
  return BROADSIDE_PROGRAM_PATH;
#else
  return "build/release/broadside";
#endif
}

std::unique_ptr<ChildProcess> ChildProcess::spawn(const std::vector<std::string>& arguments) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return nullptr;
  std::unique_ptr<ChildProcess> child(new ChildProcess());
  child->stdout_fd_ = pipe_fds[0];
  child->stderr_fd_ = open_scratch_file();
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t parent = getpid();
  child->pid_ = fork();
  if (child->pid_ == 0) become(pointers.data(), pipe_fds[1], child->stderr_fd_, parent);
  close(pipe_fds[1]);
  if (child->pid_ < 0) return nullptr;
  child->pid_fd_ = static_cast<int>(syscall(SYS_pidfd_open, child->pid_, 0));
  return child;
}

ChildProcess::~ChildProcess() {
  if (is_running()) {
    signal(SIGKILL);
    wait_exit(Deadline::in(Millis(10'000)));
  }
  for (const int fd : {pid_fd_, stdout_fd_, stderr_fd_}) {
    if (fd >= 0) close(fd);
  }
}

std::optional<std::string> ChildProcess::read_line(const Deadline& deadline) {
  while (true) {
    if (const auto end = pending_.find('\n'); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    if (!wait_readable(stdout_fd_, deadline)) return std::nullopt;
    char buffer[4096];
    const ssize_t count = read(stdout_fd_, buffer, sizeof(buffer));
    if (count <= 0) return std::nullopt;
    pending_.append(buffer, static_cast<std::size_t>(count));
  }
}

std::string ChildProcess::stderr_text() const {
  std::string text;
  char buffer[4096];
  ssize_t count = 0;
  while ((count = pread(stderr_fd_, buffer, sizeof(buffer), static_cast<off_t>(text.size()))) > 0) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0 && !exit_code_) kill(pid_, number);
}

std::optional<ExitCode> ChildProcess::wait_exit(const Deadline& deadline) {
  if (exit_code_ || pid_ <= 0) return exit_code_;
  if (!wait_readable(pid_fd_, deadline)) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return std::nullopt;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

bool ChildProcess::is_running() { return pid_ > 0 && !wait_exit(Deadline::in(Millis(0))).has_value(); }

std::uint64_t ChildProcess::rss_bytes() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind("VmRSS:", 0) == 0) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return 0;
}

std::unique_ptr<ServerProcess> ServerProcess::start(const ServerOptions& options, std::string* problem) {
  std::vector<std::string> command = {program_path(), "serve"};
  for (const std::string& address : options.listen) command.insert(command.end(), {"--listen", address});
  command.insert(command.end(), {"--backend", options.backend});
  command.insert(command.end(), options.flags.begin(), options.flags.end());
  const auto tcp_count =
      std::count_if(options.listen.begin(), options.listen.end(), [](const auto& each) { return each.rfind("unix:", 0) != 0; });
  return run(command, problem, static_cast<std::size_t>(tcp_count));
}

std::unique_ptr<ServerProcess> ServerProcess::run(const std::vector<std::string>& command, std::string* problem,
                                                  std::size_t urls_count) {
  std::unique_ptr<ServerProcess> server(new ServerProcess());
  server->process_ = ChildProcess::spawn(command);
  if (server->process_ == nullptr) {
    *problem = "fork failed";
    return nullptr;
  }
  const Deadline deadline = soon();
  while (const auto line = server->process_->read_line(deadline)) {
    if (line->rfind("listening on http", 0) != 0) continue;
    server->ports_.push_back(static_cast<std::uint16_t>(std::strtoul(line->c_str() + line->rfind(':') + 1, nullptr, 10)));
    if (server->ports_.size() == urls_count) return server;
  }
  *problem = "no `listening on http...` line from " + command[0] + "; stderr: " + server->process_->stderr_text();
  return nullptr;
}

std::string ServerProcess::authority() const { return "127.0.0.1:" + std::to_string(port()); }

std::optional<ExitCode> ServerProcess::stop(const Deadline& deadline) {
  process_->signal(SIGTERM);
  return process_->wait_exit(deadline);
}

ProgramResult run_program(const std::vector<std::string>& arguments, const Deadline& deadline) {
  std::vector<std::string> command = {program_path()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  ProgramResult result;
  const auto child = ChildProcess::spawn(command);
  if (child == nullptr) return result;
  while (const auto line = child->read_line(deadline)) result.stdout_text += *line + "\n";
  result.exit_code = child->wait_exit(deadline);
  result.stderr_text = child->stderr_text();
  return result;
}

std::string uring_unavailable_reason() {
  io_uring_params params{};
  const long fd = syscall(SYS_io_uring_setup, 4, &params);
  if (fd < 0) return std::string("io_uring_setup: ") + std::strerror(errno);
  close(static_cast<int>(fd));
  return "";
}

}  // namespace broadside::test
