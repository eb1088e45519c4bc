// See system_call_filter.h. What io_uring does no filter sees: a ring has restrictions of its own (engine/io/uring_ring.cc).
#include "tools/system_call_filter.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>

namespace broadside::tools {
namespace {

static_assert(kExitSystemCall == 128 + SIGSYS);

// Whatever their arguments are. A name that this machine's libseccomp or processor does not know is passed over.
constexpr const char* kAllowed[] = {
    // Memory. mmap and mprotect have conditions.
    "brk", "madvise", "membarrier", "mremap", "munmap",
    // Threads: shards, the demo's and the drain's. clone has a condition.
    "exit", "exit_group", "futex", "get_robust_list", "getcpu", "getpid", "gettid", "rseq", "sched_getaffinity", "sched_yield",
    "set_robust_list", "set_tid_address",
    // Signals, and what abort() needs. tgkill has a condition.
    "restart_syscall", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
    // Time and chance.
    "clock_getres", "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday", "nanosleep", "time",
    // The machine. prlimit64 has a condition.
    "getrlimit", "getrusage", "sysinfo", "uname",
    // Files, which openat opens to read alone.
    "access", "close", "faccessat", "faccessat2", "fcntl", "fstat", "getdents64", "lseek", "newfstatat", "pread64", "read",
    "readv", "stat", "statx", "write", "writev",
    // Waiting.
    "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "io_uring_enter", "io_uring_register", "poll", "ppoll",
    // Sockets that there are.
    "accept4", "getpeername", "getsockname", "getsockopt", "recvfrom", "recvmsg", "sendmsg", "sendto", "setsockopt", "shutdown"};

// One line and the end: what is in memory may no longer be ours. Only async-signal-safe calls.
[[noreturn]] void end_process(int /*signal*/, siginfo_t* info, void* /*context*/) {
  char line[128] = "broadside serve: --seccomp: system call ";
  char* end = std::to_chars(line + std::strlen(line), std::end(line) - 64, info->si_syscall).ptr;
  constexpr const char* kRest = " is not one that serving needs; ending\n";
  std::memcpy(end, kRest, std::strlen(kRest));
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, static_cast<std::size_t>(end - line) + std::strlen(kRest));
  _exit(kExitSystemCall);
}

struct Release {
  void operator()(scmp_filter_ctx context) const { seccomp_release(context); }
};
using Filter = std::unique_ptr<void, Release>;

// Collects the first failure of many calls that all have the same result: 0 or a negative errno.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  void allow(const char* name) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number != __NR_SCMP_ERROR) keep(seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, number, 0, nullptr));
  }
  void allow_if(int number, std::initializer_list<scmp_arg_cmp> conditions) {
    keep(seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, number, static_cast<unsigned>(conditions.size()), conditions.begin()));
  }
  void refuse(int number, int error) {
    keep(seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), number, 0, nullptr));
  }
  void keep(int result) {
    if (error_ == 0) error_ = -result;
  }
  [[nodiscard]] int error() const { return error_; }

 private:
  scmp_filter_ctx filter_;
  int error_ = 0;
};

scmp_arg_cmp equal(unsigned index, std::uint64_t value) {
  return {.arg = index, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
// Of the bits of `mask` argument `index` has exactly these.
scmp_arg_cmp masked(unsigned index, std::uint64_t mask, std::uint64_t bits) {
  return {.arg = index, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = bits};
}

void add_conditions(Rules& rules) {
  // Nothing that was written is ever run.
  rules.allow_if(SCMP_SYS(mmap), {masked(2, PROT_EXEC, 0)});
  rules.allow_if(SCMP_SYS(mprotect), {masked(2, PROT_EXEC, 0)});
  // Threads, no processes. What clone3 is to do stands in memory, where no filter looks: glibc then takes clone.
  rules.allow_if(SCMP_SYS(clone), {masked(0, CLONE_THREAD, CLONE_THREAD)});
  rules.refuse(SCMP_SYS(clone3), ENOSYS);
  rules.allow_if(SCMP_SYS(tgkill), {equal(0, static_cast<std::uint64_t>(getpid()))});
  rules.allow_if(SCMP_SYS(prlimit64), {equal(2, 0)});  // Asks, and sets nothing.
  rules.allow_if(SCMP_SYS(openat), {masked(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)});
  rules.allow_if(SCMP_SYS(prctl), {equal(0, PR_SET_DUMPABLE), equal(1, 0)});
  rules.allow_if(SCMP_SYS(prctl), {equal(0, PR_SET_VMA)});  // Names for memory, which allocators give.
}

}  // namespace

Result<Done> filter_system_calls(std::span<const char* const> more) {
  struct sigaction action {};
  action.sa_sigaction = end_process;
  action.sa_flags = SA_SIGINFO;
  // Not killed at once, so that a line says for what. The call is not made, whatever becomes of the handler.
  const Filter filter(seccomp_init(SCMP_ACT_TRAP));
  if (filter == nullptr) return Error{Error::Code::unavailable, "seccomp: no memory for a filter"};
  Rules rules(filter.get());
  for (const char* name : kAllowed) rules.allow(name);
  for (const char* name : more) rules.allow(name);
  add_conditions(rules);
  rules.keep(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1));
  rules.keep(sigaction(SIGSYS, &action, nullptr) == 0 ? 0 : -errno);
  if (rules.error() == 0) rules.keep(seccomp_load(filter.get()));
  if (rules.error() == 0) return Done{};
  return Error{Error::Code::unavailable, "seccomp: the filter of system calls cannot be installed: " +
                                             std::generic_category().message(rules.error()) + "; leave --seccomp out"};
}

}  // namespace broadside::tools
