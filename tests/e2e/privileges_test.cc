// What a running server has given up, as /proc tells it, that it serves all the same, and where its secrets are not to be found.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/e2e/tls_fixture.h"
#include "tests/support/scratch_file.h"
#include "tests/support/token_forge.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

constexpr uid_t kNobodyId = 65534;  // In every Debian.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kHasSanitizer = true;
#else
constexpr bool kHasSanitizer = false;
#endif

// Seccomp's mode in /proc/PID/status.
constexpr const char* kFiltered = "2";

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What /proc says of each thread of the process behind `name`, once each.
Strings status_of_threads(pid_t pid, const std::string& name) {
  Strings values;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    const std::string text = text_of(task.path() / "status");
    const std::size_t at = text.find("\n" + name + ":\t") + name.size() + 3;
    std::string value = text.substr(at, text.find('\n', at) - at);
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(std::move(value));
  }
  return values;
}

class Privileges : public TlsFixture {
 protected:
  [[nodiscard]] pid_t pid() { return server().process().pid(); }
  [[nodiscard]] std::string proc(const std::string& file) { return "/proc/" + std::to_string(pid()) + "/" + file; }
  void expect_delivers(const std::string& topic) {
    SseStream plain = subscribe_open("/events/" + topic);
    publish(topic, "one");
    EXPECT_TRUE(plain.wait_published(1));
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Privileges);

TEST_P(Privileges, are_those_of_the_named_user_once_all_is_open) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const ScratchFile config("history_events = 7\n");
  ASSERT_EQ(chmod(config.path().c_str(), 0644), 0);
  start({"--user", "nobody", "--config", config.path()});
  EXPECT_EQ(status_of_threads(pid(), "Uid"), Strings{"65534\t65534\t65534\t65534"});
  EXPECT_EQ(status_of_threads(pid(), "CapEff"), Strings{"0000000000000000"});
  EXPECT_EQ(status_of_threads(pid(), "CapPrm"), Strings{"0000000000000000"});
  expect_delivers("a");
  config.write("history_events = 8\n");
  server().process().signal(SIGHUP);
  EXPECT_TRUE(wait_log("SIGHUP: history_events 7 -> 8"));
}

TEST_P(Privileges, that_reading_again_would_need_are_missed_at_the_start) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const ScratchFile secret(test_secret());
  start_tls({"--user", "nobody", "--auth-key", "HS256:" + secret.path()});
  EXPECT_TRUE(wait_log("--user cannot read again what root has read; SIGHUP will fail: auth_key HS256:" + secret.path()));
  EXPECT_TRUE(wait_log("SIGHUP will fail: certificate " + files_.certificate)) << server().process().stderr_text();
}

TEST_P(Privileges, of_root_are_warned_of_where_others_reach_the_server) {
  if (geteuid() != 0) GTEST_SKIP() << "this is not root";
  start({"--anonymous-publish", "*"}, {"0.0.0.0:0"});
  EXPECT_TRUE(wait_log("this runs as root, and others can reach it"));
  stop();
  start();
  EXPECT_EQ(server().process().stderr_text().find("root"), std::string::npos);
}

TEST_P(Privileges, are_not_gained_by_exec) {
  start();
  EXPECT_EQ(status_of_threads(pid(), "NoNewPrivs"), Strings{"1"});
}

TEST_P(Privileges, to_make_other_system_calls_than_serving_needs_are_given_up) {
  if (kHasSanitizer) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  start_tls({"--seccomp", "--demo", "--max-connections", "100"});
  EXPECT_EQ(status_of_threads(pid(), "Seccomp"), Strings{kFiltered});
  expect_delivers("a");
  SseStream sealed = subscribe_tls("/events/b", believing());
  publish("b", "one");
  EXPECT_TRUE(sealed.wait_published(1));
  EXPECT_EQ(get("/metrics").status(), 200);
  EXPECT_EQ(get("/topics").status(), 200);
  SseStream vitals = subscribe_open("/events/system");
  EXPECT_TRUE(vitals.wait_published(2));
  server().process().signal(SIGHUP);
  EXPECT_TRUE(wait_log("SIGHUP: certificates read again"));
  stop();
  EXPECT_NE(server().process().stderr_text().find("drained"), std::string::npos) << "the drain has a thread of its own";
}

TEST_P(Privileges, of_the_filter_suffice_for_more_subscribers_than_open_files) {
  if (kHasSanitizer) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  const Strings command = {"sh",
                           "-c",
                           "ulimit -n 600; exec \"$0\" \"$@\"",
                           program_path(),
                           "serve",
                           "--seccomp",
                           "--listen",
                           "127.0.0.1:0",
                           "--backend",
                           GetParam(),
                           "--shards",
                           "1",
                           "--max-connections",
                           "1500",
                           "--drain-timeout",
                           "1s"};
  std::string problem;
  const auto limited = ServerProcess::run(command, &problem);
  ASSERT_NE(limited, nullptr) << problem;
  std::vector<SseStream> streams;
  // With tables of its own, two of which are made while it serves; else as many as there are files.
  const bool has_tables = limited->process().stderr_text().find("kept in ring tables") != std::string::npos;
  const std::size_t count = has_tables ? 1300 : 100;
  for (std::size_t number = 0; number < count; ++number) {
    streams.push_back(SseStream::open(limited->port(), "/events/a"));
    ASSERT_TRUE(streams.back().wait_for("broadside.open")) << number << limited->process().stderr_text();
  }
  EXPECT_EQ(fetch(limited->port(), "POST", "/events/a", {}, "one").status(), 200);
  for (SseStream& stream : streams) ASSERT_TRUE(stream.wait_published(1));
  EXPECT_EQ(limited->stop(Deadline::in(Millis(30'000))), 0) << limited->process().stderr_text();
}

TEST_P(Privileges, of_the_filter_suffice_for_unix_sockets_which_go_with_the_server) {
  if (kHasSanitizer) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  const std::string path =
      std::filesystem::temp_directory_path() / ("broadside_filtered_" + std::to_string(getpid()) + GetParam());
  start({"--seccomp"}, {"127.0.0.1:0", "unix:" + path});
  HttpConnection connection = HttpConnection::open_unix(path);
  EXPECT_TRUE(connection.send(request_text("GET", "/healthz", "localhost", {}, "")));
  EXPECT_EQ(connection.read_response().status(), 200);
  stop();
  EXPECT_FALSE(std::filesystem::exists(path));
}

// ---- Secrets ----

// A secret that is a word, as environment variables hold it.
std::string word_secret() { return std::string(40, 's') + "-a-secret"; }

std::string token_by(const std::string& secret) {
  return Signer::secret("HS256", secret)
      .token("{\"exp\":" + std::to_string(std::time(nullptr) + 3600) +
             R"(,"broadside":{"publish":["*"],"subscribe":["*"],"admin":true}})");
}

class Secrets : public Privileges {};
BROADSIDE_ON_BOTH_BACKENDS(Secrets);

TEST_P(Secrets, of_the_environment_are_not_to_be_seen_there_and_outlive_a_reload) {
  setenv("BROADSIDE_TEST_SECRET", word_secret().c_str(), 1);
  start({"--auth-key", "HS256:env:BROADSIDE_TEST_SECRET", "--log-level", "debug", "--access-log"});
  unsetenv("BROADSIDE_TEST_SECRET");
  const Headers bearer = {{"Authorization", "Bearer " + token_by(word_secret())}};
  EXPECT_EQ(post("/events/a", "x", bearer).status(), 200);
  const std::string shown = text_of(proc("environ"));
  EXPECT_NE(shown.find("BROADSIDE_TEST_SECRET="), std::string::npos) << "the environment cannot be read";
  EXPECT_EQ(shown.find(word_secret()), std::string::npos);
  server().process().signal(SIGHUP);
  EXPECT_TRUE(wait_log("SIGHUP: keys read again: 1"));
  EXPECT_EQ(post("/events/a", "x", bearer).status(), 200);
  EXPECT_EQ(server().process().stderr_text().find(word_secret()), std::string::npos);
}

TEST_P(Secrets, of_the_commands_are_not_to_be_seen_by_others) {
  const ScratchFile secret(word_secret());
  start({"--auth-key", "HS256:" + secret.path()});
  const std::string token = token_by(word_secret());
  const Headers bearer = {{"Authorization", "Bearer " + token}};
  const auto count = [&](const std::string& topic) {
    return json_int(get("/topics/" + topic, bearer).body, "/subscribers").value_or(0);
  };
  const auto wait_subscribed = [&](const std::string& topic) {
    const Deadline deadline = soon();
    while (!deadline.has_passed() && count(topic) != 1) continue;
    return count(topic) == 1;
  };
  const std::string url = "http://" + authority() + "/events/";
  const auto by_flag = ChildProcess::spawn({program_path(), "subscribe", "--token", token, url + "a"});
  setenv("BROADSIDE_TOKEN", token.c_str(), 1);
  const auto by_variable = ChildProcess::spawn({program_path(), "subscribe", url + "b"});
  unsetenv("BROADSIDE_TOKEN");
  EXPECT_TRUE(wait_subscribed("a")) << by_flag->stderr_text();
  EXPECT_TRUE(wait_subscribed("b")) << by_variable->stderr_text();
  for (const auto* child : {&by_flag, &by_variable}) {
    const std::string folder = "/proc/" + std::to_string((*child)->pid()) + "/";
    EXPECT_NE(text_of(folder + "cmdline").find("subscribe"), std::string::npos);
    EXPECT_EQ(text_of(folder + "cmdline").find(token), std::string::npos);
    EXPECT_EQ(text_of(folder + "environ").find(token), std::string::npos);
  }
}

TEST_P(Secrets, are_kept_from_other_processes_of_the_same_user_unless_core_dumps_are_wanted) {
  if (geteuid() != 0) GTEST_SKIP() << "root alone sees whose the files in /proc are";
  const ScratchFile secret(word_secret());
  ASSERT_EQ(chmod(secret.path().c_str(), 0644), 0);
  const auto owner = [&](Strings flags) {
    flags.insert(flags.end(), {"--user", "nobody", "--auth-key", "HS256:" + secret.path()});
    start(flags);
    struct stat status {};
    EXPECT_EQ(stat(proc("environ").c_str(), &status), 0);
    stop();
    return status.st_uid;
  };
  EXPECT_EQ(owner({}), 0U);
  EXPECT_EQ(owner({"--core-dumps"}), kNobodyId);
}

TEST_P(Secrets, are_in_no_core_dump) {
  std::string pattern = text_of("/proc/sys/kernel/core_pattern");
  if (pattern.find_first_of("|/@") != std::string::npos) GTEST_SKIP() << "core dumps go elsewhere: " << pattern;
  const ScratchFile secret(word_secret());
  const std::filesystem::path folder = secret.path() + ".cores";
  std::filesystem::create_directory(folder);
  const auto dumps = [&](const std::string& flag) {
    const Strings command = {"sh",
                             "-c",
                             "cd '" + folder.string() + "' && ulimit -c unlimited && exec \"$0\" \"$@\"",
                             program_path(),
                             "serve",
                             "--listen",
                             "127.0.0.1:0",
                             "--backend",
                             GetParam(),
                             "--auth-key",
                             "HS256:" + secret.path(),
                             flag};
    std::string problem;
    const auto dying = ServerProcess::run(command, &problem);
    EXPECT_NE(dying, nullptr) << problem;
    if (dying == nullptr) return false;
    dying->process().signal(SIGABRT);
    EXPECT_EQ(dying->process().wait_exit(Deadline::in(Millis(60'000))), 128 + SIGABRT);
    return !std::filesystem::is_empty(folder);
  };
  EXPECT_FALSE(dumps("--access-log")) << "a flag without a meaning here";
  const bool can_dump = dumps("--core-dumps");
  std::filesystem::remove_all(folder);
  if (!can_dump) GTEST_SKIP() << "nothing is dumped here (ulimit -H -c)";
}

TEST_P(Secrets, in_a_request_are_in_no_log_and_no_answer) {
  const ScratchFile secret(word_secret());
  start({"--auth-key", "HS256:" + secret.path(), "--auth-query", "--auth-cookie", "auth", "--access-log", "--audit-log", "all",
         "--log-level", "debug"});
  const std::string good = token_by(word_secret());
  const std::string bad = token_by(word_secret() + "x");
  std::string answers;
  for (const std::string& token : {good, bad}) {
    for (const std::string& query : {"access_token=" + token, "x=%zz&access_token=" + token, "access%5ftoken=" + token,
                                     "access_token=" + token + "&access_token=" + token, "since=x&access_token=" + token}) {
      for (const char* path : {"/events/a?follow=0&", "/topics?", "/metrics?", "/nowhere?"}) answers += get(path + query).body;
      answers += post("/events/a?" + query, "{").body;
    }
    for (const Headers& headers :
         {Headers{{"Authorization", "Bearer " + token}}, Headers{{"Authorization", "Bearer " + token + " more"}},
          Headers{{"Cookie", "auth=" + token}}, Headers{{"Referer", "http://page/?access_token=" + token}}}) {
      answers += get("/topics", headers).body + post("/events/a", "x", headers).body;
    }
    answers += post("/connections/0123456789abcdef/token", token).body;
  }
  EXPECT_TRUE(wait_log("POST /connections/"));
  stop();
  const std::string log = server().process().stderr_text();
  EXPECT_NE(log.find("access_token=***"), std::string::npos) << log;
  for (const std::string& token : {good, bad}) {
    const std::string signature = token.substr(token.rfind('.') + 1);
    EXPECT_EQ(log.find(signature), std::string::npos) << log;
    EXPECT_EQ(answers.find(signature), std::string::npos) << answers;
  }
}

}  // namespace
}  // namespace broadside::test
