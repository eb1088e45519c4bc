// Which system calls the filter lets pass, each in a child of its own.
#include "tools/system_call_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

namespace broadside::tools {
namespace {

constexpr int kExitNoFilter = 77;

// How a child ends that is filtered and then does this, as a shell says it; 0 if it survives. Nobody hears its stderr, unless
// that is `stderr_fd`.
int exit_of(const std::function<void()>& work, std::span<const char* const> more = {}, int stderr_fd = -1) {
  const pid_t child = fork();
  if (child == 0) {
    dup2(stderr_fd >= 0 ? stderr_fd : open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    if (!filter_system_calls(more)) _exit(kExitNoFilter);
    work();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class SystemCallFilter : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer makes system calls of its own";
#endif
    if (exit_of([] {}) == kExitNoFilter) GTEST_SKIP() << "seccomp filters cannot be installed here";
  }
};

TEST_F(SystemCallFilter, lets_pass_what_serving_needs) {
  EXPECT_EQ(exit_of([] {
              std::string text(8 << 20, 'x');
              std::thread([&text] { text.resize(16 << 20); }).join();
              const int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
              char byte = 0;
              const int event = eventfd(1, EFD_CLOEXEC);
              pollfd waited{.fd = event, .events = POLLIN, .revents = 0};
              if (read(file, &byte, 1) != 1 || poll(&waited, 1, 0) != 1 || close(file) != 0) _exit(1);
            }),
            0);
}

TEST_F(SystemCallFilter, lets_abort_end_the_process) {
  EXPECT_EQ(exit_of([] { abort(); }), 128 + SIGABRT);
}

TEST_F(SystemCallFilter, ends_whoever_makes_another_call) {
  struct Case {
    const char* name;
    std::function<void()> call;
  };
  const pid_t parent = getpid();
  static char page[8192];
  const Case cases[] = {
      {"execve", [] { execl("/bin/true", "true", nullptr); }},
      {"fork", [] { fork(); }},
      {"ptrace", [] { ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
      {"process_vm_readv", [] { syscall(SYS_process_vm_readv, getpid(), nullptr, 0, nullptr, 0, 0); }},
      {"kill", [parent] { kill(parent, 0); }},
      {"tgkill", [parent] { syscall(SYS_tgkill, parent, parent, 0); }},
      {"socket AF_PACKET", [] { static_cast<void>(socket(AF_PACKET, SOCK_RAW, 0)); }},
      {"socket AF_INET", [] { static_cast<void>(socket(AF_INET, SOCK_STREAM, 0)); }},
      {"socket AF_UNIX", [] { static_cast<void>(socket(AF_UNIX, SOCK_STREAM, 0)); }},
      {"connect", [] { static_cast<void>(connect(0, nullptr, 0)); }},
      {"bind", [] { syscall(SYS_bind, 0, nullptr, 0); }},
      {"listen", [] { syscall(SYS_listen, 0, 0); }},
      {"open to write", [] { static_cast<void>(open("/dev/null", O_WRONLY)); }},
      {"open to make", [] { static_cast<void>(open("/dev/null", O_RDONLY | O_CREAT, 0600)); }},
      {"open to empty", [] { static_cast<void>(open("/dev/null", O_RDONLY | O_TRUNC)); }},
      {"unlink", [] { unlink("/nowhere/file"); }},
      {"rename", [] { rename("/nowhere/file", "/nowhere/other"); }},
      {"chmod", [] { syscall(SYS_chmod, "/nowhere/file", 0); }},
      {"memory to run", [] { mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }},
      {"memory made to run", [] { mprotect(page, sizeof page, PROT_READ | PROT_EXEC); }},
      {"setuid", [] { static_cast<void>(setuid(getuid())); }},
      {"setrlimit",
       [] {
         const rlimit none{};
         setrlimit(RLIMIT_CORE, &none);
       }},
      {"io_uring_setup", [] { syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"personality", [] { syscall(SYS_personality, 0); }},
      {"bpf", [] { syscall(SYS_bpf, 0, nullptr, 0); }},
      {"mount", [] { syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }},
  };
  for (const Case& one : cases) EXPECT_EQ(exit_of(one.call), kExitSystemCall) << one.name;
}

TEST_F(SystemCallFilter, lets_pass_what_was_named_besides) {
  const auto remove = [] { unlink("/nowhere/file"); };
  EXPECT_EQ(exit_of(remove), kExitSystemCall);
  EXPECT_EQ(exit_of(remove, std::array{"unlink"}), 0);
}

TEST_F(SystemCallFilter, holds_for_threads_that_were_there_before) {
  const int begin = eventfd(0, EFD_CLOEXEC);
  const pid_t child = fork();
  if (child == 0) {
    std::thread other([begin] {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t result = read(begin, &count, sizeof count);
      static_cast<void>(socket(AF_INET, SOCK_STREAM, 0));
      _exit(0);
    });
    if (!filter_system_calls()) _exit(kExitNoFilter);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t result = write(begin, &one, sizeof one);
    other.join();
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), kExitSystemCall);
  close(begin);
}

TEST_F(SystemCallFilter, says_which_call_it_was) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  EXPECT_EQ(exit_of([] { execl("/bin/true", "true", nullptr); }, {}, pipe_fds[1]), kExitSystemCall);
  close(pipe_fds[1]);
  char line[256] = {};
  EXPECT_GT(read(pipe_fds[0], line, sizeof line - 1), 0);
  EXPECT_NE(std::string(line).find("system call " + std::to_string(SYS_execve) + " "), std::string::npos) << line;
  close(pipe_fds[0]);
}

}  // namespace
}  // namespace broadside::tools
