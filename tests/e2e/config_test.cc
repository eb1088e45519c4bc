// The configuration of a real server: --check-config, a file beside flags and environment, and what SIGHUP reads again.
#include <gtest/gtest.h>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "tests/support/backend_test.h"
#include "tests/support/scratch_file.h"

namespace broadside::test {
namespace {

// Where a service manager would hear from servers that are started while it lives.
class NotifySocket {
 public:
  NotifySocket() : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // Without a name: the kernel gives it an abstract one.
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address.sun_family), 0);
    socklen_t length = sizeof address;
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    const std::string name(address.sun_path + 1, length - offsetof(sockaddr_un, sun_path) - 1);
    setenv("NOTIFY_SOCKET", ('@' + name).c_str(), 1);
  }
  ~NotifySocket() {
    unsetenv("NOTIFY_SOCKET");
    close(fd_);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // The next message; empty if none comes.
  [[nodiscard]] std::string receive() const {
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, soon().remaining_ms()) != 1) return {};
    char text[256];
    return {text, static_cast<std::size_t>(std::max<ssize_t>(0, recv(fd_, text, sizeof text, 0)))};
  }

 private:
  int fd_;
};

ProgramResult check(std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"serve", "--check-config"});
  return run_program(flags, soon());
}

TEST(CheckConfig, says_that_a_file_is_good_and_what_its_topics_get) {
  const ScratchFile config("history_events = 5\n[[topic]]\npattern = \"a.*\"\npolicy = \"skip\"\n");
  const ProgramResult result = check({"--config", config.path()});
  EXPECT_EQ(result.exit_code, 0) << result.stderr_text;
  EXPECT_EQ(result.stdout_text.rfind(config.path() + ": good\ntopic a.*: history_events 5, ", 0), 0U) << result.stdout_text;
  EXPECT_NE(result.stdout_text.find(", policy skip, "), std::string::npos) << result.stdout_text;
}

TEST(CheckConfig, says_everything_that_is_wrong_and_ends_with_1) {
  const ScratchFile config("histroy_age = \"1h\"\nheartbeat = \"1ms\"\n");
  const ProgramResult result = check({"--config", config.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.stdout_text, "");
  EXPECT_NE(result.stderr_text.find(config.path() + ":1:1: unknown key `histroy_age`; did you mean `history_age`?\n"),
            std::string::npos)
      << result.stderr_text;
  EXPECT_NE(result.stderr_text.find(config.path() + ":2:1: `heartbeat`: "), std::string::npos) << result.stderr_text;
}

TEST(CheckConfig, without_a_file_is_about_flags_and_environment) {
  EXPECT_EQ(check({}).exit_code, 0);
  const ProgramResult bad = check({"--keep", "5"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_NE(bad.stderr_text.find("--keep"), std::string::npos) << bad.stderr_text;
}

class ConfigFile : public BackendTest {
 protected:
  void start_with(const ScratchFile& config, std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--config", config.path()});
    start(std::move(flags));
  }

  // How many of ten events can be asked for again.
  std::size_t history_events(std::string_view topic) {
    publish_many(topic, 10);
    SseStream stream = subscribe("/events/" + std::string(topic) + "?last=10&follow=0");
    EXPECT_TRUE(stream.wait_closed());
    return stream.published().size();
  }
};
BROADSIDE_ON_BOTH_BACKENDS(ConfigFile);

TEST_P(ConfigFile, is_what_the_server_does) {
  const ScratchFile config("history_events = 4\n");
  start_with(config);
  EXPECT_EQ(history_events("a"), 4U);
}

TEST_P(ConfigFile, is_beaten_by_the_environment) {
  const ScratchFile config("history_events = 4\n");
  setenv("BROADSIDE_HISTORY_EVENTS", "3", 1);
  start_with(config);
  unsetenv("BROADSIDE_HISTORY_EVENTS");
  EXPECT_EQ(history_events("a"), 3U);
}

TEST_P(ConfigFile, is_beaten_by_a_flag_as_the_environment_is) {
  const ScratchFile config("history_events = 4\n");
  setenv("BROADSIDE_HISTORY_EVENTS", "3", 1);
  start_with(config, {"--history-events", "2"});
  unsetenv("BROADSIDE_HISTORY_EVENTS");
  EXPECT_EQ(history_events("a"), 2U);
}

TEST_P(ConfigFile, that_is_wrong_lets_no_server_start) {
  const ScratchFile config("listen = [\"127.0.0.1:0\"]\nshards = \"many\"\n");
  const ProgramResult result = run_program({"serve", "--backend", GetParam(), "--config", config.path()}, soon());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.stdout_text, "");
  EXPECT_NE(result.stderr_text.find(config.path() + ":2:1: `shards`: "), std::string::npos) << result.stderr_text;
}

TEST_P(ConfigFile, is_read_again_at_sighup_and_what_changed_is_logged) {
  const ScratchFile config("history_events = 4\n");
  start_with(config);
  config.write("history_events = 2\nmax_connections = 7\n[[topic]]\npattern = \"a.*\"\nrate = 5\n");
  server().process().signal(SIGHUP);
  EXPECT_TRUE(wait_log("SIGHUP: history_events 4 -> 2; topic a.* added\n"));
  EXPECT_TRUE(wait_log("SIGHUP: needs a restart: max_connections what the open files limit allows -> 7\n"));
  EXPECT_EQ(history_events("b"), 2U);
  server().process().signal(SIGHUP);
  EXPECT_TRUE(wait_log("SIGHUP: nothing has changed\n")) << "what was taken over is what runs";
  EXPECT_TRUE(wait_log("SIGHUP: needs a restart: max_connections ")) << "what was not is told again";
  EXPECT_EQ(get("/healthz").status(), 200);
}

TEST_P(ConfigFile, that_has_become_wrong_changes_nothing_at_sighup) {
  const ScratchFile config("log_level = \"warning\"\n");
  start_with(config);
  config.write("log_level = \"info\"\nretry = \"often\"\nkeep = 5\n");
  server().process().signal(SIGHUP);
  EXPECT_TRUE(wait_log(config.path() + ":2:1: `retry`: `often` is not a duration"));
  EXPECT_TRUE(wait_log(config.path() + ":3:1: `keep`: "));
  EXPECT_TRUE(wait_log("SIGHUP: nothing is changed; errors: 2\n"));
  // The first reload that succeeds is the first whose lines are let through at level info: the other did not change the level.
  config.write("log_level = \"info\"\n");
  server().process().signal(SIGHUP);
  EXPECT_TRUE(wait_log("SIGHUP: log_level warning -> info\n"));
}

TEST_P(ConfigFile, changes_the_limit_of_events_to_one_connection_at_sighup) {
  const ScratchFile config("event_bytes = \"4KiB\"\n");
  start_with(config);
  SseStream stream = subscribe_open("/events/a");
  const std::string target = "/connections/" + json_string(stream.events().at(0).data, "/connection");
  const std::string data(3000, 'x');
  EXPECT_EQ(post(target, data).status(), 202);
  config.write("event_bytes = \"2KiB\"\n");
  server().process().signal(SIGHUP);
  ASSERT_TRUE(wait_log("SIGHUP: event_bytes 4KiB -> 2KiB\n"));
  EXPECT_EQ(post(target, data).status(), 413);
}

TEST_P(ConfigFile, that_is_read_again_is_told_to_the_service_manager) {
  const NotifySocket manager;
  const ScratchFile config("retry = \"1s\"\n");
  start_with(config);
  EXPECT_EQ(manager.receive(), "READY=1");
  server().process().signal(SIGHUP);
  const std::string reloading = manager.receive();
  EXPECT_EQ(reloading.rfind("RELOADING=1\nMONOTONIC_USEC=", 0), 0U) << reloading;
  EXPECT_EQ(manager.receive(), "READY=1");
}

TEST_P(ConfigFile, that_was_never_named_is_not_looked_for_at_sighup) {
  start();
  server().process().signal(SIGHUP);
  EXPECT_TRUE(wait_log("SIGHUP: there is no --config to read again\n"));
  EXPECT_EQ(get("/healthz").status(), 200);
}

}  // namespace
}  // namespace broadside::test
