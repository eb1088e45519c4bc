// A swarm in a process of its own, with its own limit of open files: connects, says when all streams are open, is told what was
// published, and reports whether each of its streams had exactly that.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "tests/support/swarm.h"

namespace broadside::test {

class SwarmProcess {
 public:
  // Forks: the caller must have no other threads. `streams_count` streams, all as `plan` says.
  static std::unique_ptr<SwarmProcess> start(const SwarmOptions& options, const StreamPlan& plan, std::size_t streams_count);
  ~SwarmProcess();
  SwarmProcess(const SwarmProcess&) = delete;
  SwarmProcess& operator=(const SwarmProcess&) = delete;

  // Empty once every stream has had its `broadside.open`; else what is wrong.
  std::string wait_ready(const Deadline& deadline);
  // Tells it what was published; call after the last publish.
  bool expect(const Oracle& oracle);
  // Empty when every stream has exactly what it must have.
  std::string result(const Deadline& deadline);
  // After result(): the longest time this process was kept from reading.
  [[nodiscard]] std::uint32_t longest_pause_ms() const { return longest_pause_ms_; }

 private:
  SwarmProcess() = default;
  std::string read_report(const Deadline& deadline);

  pid_t pid_ = -1;
  int control_fd_ = -1;
  std::uint32_t longest_pause_ms_ = 0;
  std::string pending_;
};

}  // namespace broadside::test
