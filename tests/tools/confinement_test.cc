// Becoming somebody else, in children: there is no way back.
#include "tools/confinement.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace broadside::tools {
namespace {

constexpr const char* kNobody = "nobody";  // In every Debian, with this number.
constexpr uid_t kNobodyId = 65534;

class Ignore final : public LogSink {
 public:
  void log(LogLevel /*level*/, std::string_view /*message*/) noexcept override {}
};

// Whether `holds` in a child.
bool holds_in_child(const std::function<bool()>& holds) {
  const pid_t child = fork();
  if (child == 0) _exit(holds() ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string refusal_of(const std::string& user) {
  const Result<Confinement> confinement = Confinement::prepare({.user = user});
  return confinement ? "" : confinement.error().message;
}

bool enter(const ConfinementOptions& options) {
  Ignore log;
  const Result<Confinement> confinement = Confinement::prepare(options);
  return confinement && confinement->enter(Config{}, log).has_value();
}

class ConfinementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  }
};

TEST_F(ConfinementTest, becomes_the_user_in_all_threads_and_cannot_go_back) {
  EXPECT_TRUE(holds_in_child([] {
    bool is_other_changed = false;
    bool may_look = false;
    std::mutex mutex;
    std::condition_variable condition;
    std::thread other([&] {
      std::unique_lock lock(mutex);
      condition.wait(lock, [&] { return may_look; });
      is_other_changed = geteuid() == kNobodyId && setuid(0) != 0;
    });
    const bool is_entered = enter({.user = kNobody});
    {
      const std::lock_guard lock(mutex);
      may_look = true;
    }
    condition.notify_all();
    other.join();
    uid_t users[3] = {};
    gid_t groups[3] = {};
    return is_entered && is_other_changed && getresuid(&users[0], &users[1], &users[2]) == 0 && users[0] == kNobodyId &&
           users[1] == kNobodyId && users[2] == kNobodyId && getresgid(&groups[0], &groups[1], &groups[2]) == 0 &&
           groups[0] != 0 && groups[1] == groups[0] && groups[2] == groups[0] && getgroups(0, nullptr) == 1 && setgid(0) != 0 &&
           setuid(0) != 0;
  }));
}

TEST_F(ConfinementTest, takes_another_group) {
  EXPECT_TRUE(holds_in_child([] { return enter({.user = "nobody:daemon"}) && getegid() == 1; }));
}

TEST_F(ConfinementTest, refuses_whom_it_cannot_become) {
  EXPECT_EQ(refusal_of("nobody-of-this-name"), "user nobody-of-this-name: there is no user `nobody-of-this-name`");
  EXPECT_EQ(refusal_of("nobody:no-group"), "user nobody:no-group: there is no group `no-group`");
  EXPECT_EQ(refusal_of("root"), "user root: this is root; name a user without rights");
  EXPECT_TRUE(holds_in_child([] {
    return setuid(kNobodyId) == 0 && refusal_of(kNobody) == "user nobody: only root can become somebody else; leave --user out";
  }));
}

TEST_F(ConfinementTest, stays_who_it_is_unless_it_is_told) {
  EXPECT_TRUE(holds_in_child([] { return enter({}) && geteuid() == 0; }));
}

TEST(Privileges, are_not_gained_by_exec_unless_that_is_wanted) {
  const auto cannot_gain = [] { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1; };
  if (cannot_gain()) GTEST_SKIP() << "this process itself cannot gain any";
  EXPECT_TRUE(holds_in_child([&] { return enter({}) && cannot_gain(); }));
  EXPECT_TRUE(holds_in_child([&] { return enter({.has_no_new_privileges = false}) && !cannot_gain(); }));
}

TEST(Memory, is_hidden_unless_core_dumps_are_wanted) {
  const auto is_dumpable_after = [](const ConfinementOptions& options) {
    Confinement::prepare(options)->hide_memory();
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
  };
  EXPECT_TRUE(holds_in_child([&] { return !is_dumpable_after({}); }));
  EXPECT_TRUE(holds_in_child([&] { return is_dumpable_after({.has_core_dumps = true}); }));
}

}  // namespace
}  // namespace broadside::tools
