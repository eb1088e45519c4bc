// See confinement.h.
#include "tools/confinement.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <vector>

#include "engine/io/host.h"
#include "hub/publish_guard.h"
#include "tools/system_call_filter.h"

namespace broadside::tools {
namespace {

Error refused(std::string why) { return {Error::Code::invalid_argument, std::move(why)}; }

Error failed(const std::string& doing) {
  return {Error::Code::unavailable, doing + ": " + std::generic_category().message(errno)};
}

void warn_of_root(const Config& config, LogSink& log) {
  const bool is_reachable = std::any_of(config.listen.begin(), config.listen.end(),
                                        [](const std::string& address) { return !hub::listener_of(address).is_loopback; });
  if (geteuid() != 0 || !is_reachable) return;
  log.log(LogLevel::warning, "this runs as root, and others can reach it: --user NAME gives that up once all is open");
}

// System calls that not every server makes.
std::vector<const char*> more_system_calls(const Config& config) {
  constexpr std::uint64_t kOtherFiles = 1024;  // More than the engine keeps for what is no subscriber.
  std::vector<const char*> calls;
  // Subscribers beyond the open files are kept by further rings, made when they are needed. Whoever may make one may make one
  // that is not restricted: not allowed for anything else.
  if (config.connections_max + kOtherFiles > io::open_files_limit()) calls.push_back("io_uring_setup");
  // The files of Unix sockets go with the server.
  if (std::any_of(config.listen.begin(), config.listen.end(),
                  [](const std::string& address) { return address.starts_with("unix:"); })) {
    calls.insert(calls.end(), {"unlink", "unlinkat"});
  }
  return calls;
}

}  // namespace

void add_confinement_options(OptionTable& table, ConfinementOptions& options) {
  table.group("Privileges");
  table
      .text("user", options.user, "NAME[:GROUP]",
            "Started by root: become this user for good, once the addresses are bound and the files of keys are read")
      .needs_restart = true;
  table
      .flag("no_new_privileges", options.has_no_new_privileges,
            "Neither this process nor what it might run gains rights by running a program; on unless set to false")
      .needs_restart = true;
  table
      .flag("seccomp", options.has_seccomp,
            "End the process when it makes a system call that serving does not need: whoever got into it gets no further")
      .needs_restart = true;
  table
      .flag("core_dumps", options.has_core_dumps,
            "Allow core dumps and debuggers of the same user also with keys or certificates in memory, and after --user")
      .needs_restart = true;
}

Result<Confinement> Confinement::prepare(const ConfinementOptions& options) {
  Confinement confinement(options);
  if (confinement.changes_user()) {
    const std::size_t colon = options.user.find(':');
    const std::string name = options.user.substr(0, colon);
    if (geteuid() != 0) return refused("user " + options.user + ": only root can become somebody else; leave --user out");
    const passwd* user = getpwnam(name.c_str());
    if (user == nullptr) return refused("user " + options.user + ": there is no user `" + name + '`');
    if (user->pw_uid == 0) return refused("user " + options.user + ": this is root; name a user without rights");
    confinement.user_name_ = name;
    confinement.user_ = user->pw_uid;
    confinement.group_ = user->pw_gid;
    if (colon != std::string::npos) {
      const group* wanted = getgrnam(options.user.c_str() + colon + 1);
      if (wanted == nullptr) {
        return refused("user " + options.user + ": there is no group `" + options.user.substr(colon + 1) + '`');
      }
      confinement.group_ = wanted->gr_gid;
    }
  }
  if (options.has_no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privileges");
  return confinement;
}

// The C library changes all threads.
Result<Done> Confinement::become_user() const {
  const std::string doing = "user " + options_.user;
  if (initgroups(user_name_.c_str(), group_) != 0 || setresgid(group_, group_, group_) != 0 ||
      setresuid(user_, user_, user_) != 0) {
    return failed(doing);
  }
  constexpr auto kSame = static_cast<uid_t>(-1);
  if (setresuid(kSame, 0, kSame) == 0) return refused(doing + ": this process can still become root again");
  return Done{};
}

Result<Done> Confinement::enter(const Config& config, LogSink& log) const {
  if (changes_user()) {
    if (Result<Done> done = become_user(); !done) return done;
    // The kernel has hidden the memory of a process that changes its user: it may hold what root has read.
    if (options_.has_core_dumps && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return failed("core_dumps");
  }
  warn_of_root(config, log);
  if (options_.has_seccomp) return filter_system_calls(more_system_calls(config));
  return Done{};
}

void Confinement::hide_memory() const {
  if (!options_.has_core_dumps) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace broadside::tools
