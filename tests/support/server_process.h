// Runs the program `broadside` as a child of a test: starts `serve` on any free port, reads the address from its first line,
// keeps its stderr in a file, stops it by signal. The child dies with the test process whatever happens.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/deadline.h"

namespace broadside::test {

// BROADSIDE_PROGRAM, else what the build was told (BROADSIDE_PROGRAM_PATH), else build/release/broadside.
std::string program_path();

// How a child ended: its exit code, or 128 + signal as a shell would say it.
using ExitCode = int;

// A child with stdout as a pipe and stderr in a file. Killed and reaped on destruction.
class ChildProcess {
 public:
  // Runs `arguments[0]` with the rest as arguments. Null only when fork or pipe fails.
  static std::unique_ptr<ChildProcess> spawn(const std::vector<std::string>& arguments);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // The next line of stdout without its line feed; empty at end of file or deadline.
  std::optional<std::string> read_line(const Deadline& deadline);
  // Everything written to stderr so far.
  [[nodiscard]] std::string stderr_text() const;
  void signal(int number) const;
  // Empty when it still runs at the deadline.
  std::optional<ExitCode> wait_exit(const Deadline& deadline);
  [[nodiscard]] bool is_running();
  [[nodiscard]] std::uint64_t rss_bytes() const;

 private:
  ChildProcess() = default;

  pid_t pid_ = -1;
  int pid_fd_ = -1;  // Readable when the child has ended: waiting for it is a poll.
  int stdout_fd_ = -1;
  int stderr_fd_ = -1;
  std::string pending_;  // Read from stdout, not yet handed out as a line.
  std::optional<ExitCode> exit_code_;
};

struct ServerOptions {
  std::string backend = "auto";
  std::vector<std::string> listen = {"127.0.0.1:0"};
  std::vector<std::string> flags;
};

// A server that is ready for requests.
class ServerProcess {
 public:
  // `broadside serve`.
  static std::unique_ptr<ServerProcess> start(const ServerOptions& options, std::string* problem);
  // Any program that serves. Waits for its `listening on` line; null with the reason and stderr in `problem` when that does not
  // come.
  static std::unique_ptr<ServerProcess> run(const std::vector<std::string>& command, std::string* problem,
                                            std::size_t urls_count = 1);

  // Of the first of ServerOptions::listen that is no Unix socket; and of all of these.
  [[nodiscard]] std::uint16_t port() const { return ports_.front(); }
  [[nodiscard]] const std::vector<std::uint16_t>& ports() const { return ports_; }
  // `127.0.0.1:PORT`, as a Host header says it.
  [[nodiscard]] std::string authority() const;
  // The command line, for a second server or a message.
  [[nodiscard]] ChildProcess& process() { return *process_; }
  // SIGTERM and wait. Empty when it still runs at the deadline.
  std::optional<ExitCode> stop(const Deadline& deadline);

 private:
  ServerProcess() = default;

  std::unique_ptr<ChildProcess> process_;
  std::vector<std::uint16_t> ports_;
};

// What a program that is expected to end by itself did.
struct ProgramResult {
  std::optional<ExitCode> exit_code;  // Empty: still running at the deadline (then it was killed).
  std::string stdout_text;
  std::string stderr_text;
};
// Runs `broadside` with these arguments to its end.
ProgramResult run_program(const std::vector<std::string>& arguments, const Deadline& deadline);

// Why io_uring cannot be used here; empty when it can.
std::string uring_unavailable_reason();

}  // namespace broadside::test
