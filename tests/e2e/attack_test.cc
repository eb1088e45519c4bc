// Attacks while delivery goes on (bench/attack/attacker.py, slowhttptest): subscribers who behave get exactly what was published,
// and afterwards the server is as it was: every connection of an attacker closed by its time limits, no descriptor left.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>

#include "tests/e2e/tls_fixture.h"
#include "tests/support/scratch_file.h"
#include "tests/support/swarm.h"
#include "tests/support/token_forge.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

constexpr std::size_t kHealthy = 50;
constexpr std::size_t kEventsMax = 400;  // Of a KiB: more than the kernel holds for one who does not read.

class Attack : public TlsFixture {
 protected:
  // Its time limits are short, so that what is to end by them does.
  void start_hurried(Strings flags = {}) {
    for (const char* limit : {"--head-timeout", "--body-timeout", "--idle-timeout", "--stall-timeout"}) {
      flags.insert(flags.end(), {limit, "2s"});
    }
    flags.insert(flags.end(), {"--send-buffer", "16KiB"});
    start_tls(std::move(flags));
    swarm_ = std::make_unique<Swarm>(SwarmOptions{.port = port(), .topic_names = {"healthy"}, .seed = test_seed()});
    for (std::size_t i = 0; i < kHealthy; ++i) swarm_->add({.topics = {0}});
    ASSERT_TRUE(swarm_->run_until([&] { return swarm_->open_count() == kHealthy; }, soon()));
    descriptors_before_ = descriptors_count();
  }

  void start_attack(const std::string& attack, std::uint16_t port) {
    Strings command = {"python3", "-B", BROADSIDE_SOURCE_DIR "/bench/attack/attacker.py", attack,
                       "127.0.0.1:" + std::to_string(port)};
    const Strings flags = {"--topic", "healthy", "--connections", "100", "--seconds", "1", "--await-close", "60"};
    command.insert(command.end(), flags.begin(), flags.end());
    attackers_.emplace_back(attack, ChildProcess::spawn(command));
    ASSERT_NE(attackers_.back().second, nullptr);
  }
  void start_attack(const std::string& attack) { start_attack(attack, port()); }

  // Publishes until all attackers have ended.
  void publish_meanwhile() {
    const Deadline deadline = Deadline::in(Millis(90'000));
    const auto is_running = [](const auto& attacker) { return attacker.second->is_running(); };
    while (std::any_of(attackers_.begin(), attackers_.end(), is_running)) {
      ASSERT_FALSE(deadline.has_passed()) << "the attackers do not end";
      if (oracle_.events_count() < kEventsMax) {
        const std::string data = make_payload(std::to_string(oracle_.events_count()) + std::string(1024, 'x'));
        const Published published = publish("healthy", data);
        oracle_.on_published(0, published.position, published.id, "", data);
      }
      swarm_->turn(5);
    }
    for (auto& [attack, process] : attackers_) {
      reports_[attack] = process->read_line(soon()).value_or("");
      EXPECT_TRUE(is_json(reports_[attack])) << attack << ": " << reports_[attack] << process->stderr_text();
    }
  }

  // The healthy ones have everything and are still there; of the others nothing is left.
  void expect_as_before() {
    EXPECT_TRUE(swarm_->run_until([&] { return swarm_->all_have_newest(oracle_); }, Deadline::in(Millis(60'000))));
    EXPECT_EQ(swarm_->check(oracle_), "");
    EXPECT_EQ(swarm_->server_closes_count(), 0U);
    EXPECT_EQ(get("/healthz").status(), 200);
    const Deadline deadline = Deadline::in(Millis(60'000));
    std::size_t connections = 0;
    std::size_t descriptors = 0;
    // Looked at together, and again while the last one that asked is still being closed.
    const auto is_left = [&] {
      connections = connections_count();
      descriptors = descriptors_count();
      return connections > kHealthy + 1 || descriptors > descriptors_before_ + 1;
    };
    while (is_left() && !deadline.has_passed()) swarm_->turn(20);
    EXPECT_EQ(connections, kHealthy + 1) << "beside the healthy ones there is only the one that asks";
    EXPECT_LE(descriptors, descriptors_before_ + 1);
  }

  [[nodiscard]] std::int64_t reported(const std::string& attack, const std::string& name) {
    return json_int(reports_[attack], "/" + name).value_or(-1);
  }
  // It began, and of what it opened nothing was left for the attacker to close.
  void expect_closed_by_server(const std::string& attack) {
    EXPECT_GT(reported(attack, "opened"), 0) << reports_[attack];
    EXPECT_EQ(reported(attack, "open"), 0) << reports_[attack];
  }
  void expect_answered(const std::string& attack, const std::string& status) {
    EXPECT_GT(reported(attack, "statuses/" + status), 0) << reports_[attack];
  }
  void expect_never_answered(const std::string& attack, const std::string& status) {
    EXPECT_EQ(reported(attack, "statuses/" + status), -1) << reports_[attack];
  }

 private:
  [[nodiscard]] std::size_t connections_count() const {
    const std::string text = get("/metrics").body;
    const std::string name = "\nbroadside_connections ";
    const std::size_t at = text.find(name);
    return at == std::string::npos ? SIZE_MAX : std::stoul(text.substr(at + name.size()));
  }
  [[nodiscard]] std::size_t descriptors_count() {
    const std::filesystem::directory_iterator first("/proc/" + std::to_string(server().process().pid()) + "/fd");
    return static_cast<std::size_t>(std::distance(first, std::filesystem::directory_iterator()));
  }

  std::unique_ptr<Swarm> swarm_;
  Oracle oracle_;
  std::size_t descriptors_before_ = 0;
  std::vector<std::pair<std::string, std::unique_ptr<ChildProcess>>> attackers_;
  std::map<std::string, std::string> reports_;
};
BROADSIDE_ON_BOTH_BACKENDS(Attack);

TEST_P(Attack, who_says_nothing_or_not_all_is_closed_in_time) {
  start_hurried();
  for (const char* attack : {"connections", "withheld"}) start_attack(attack);
  publish_meanwhile();
  for (const char* attack : {"connections", "withheld"}) expect_closed_by_server(attack);
  expect_answered("withheld", "408");
  expect_as_before();
}

TEST_P(Attack, who_comes_and_goes_leaves_nothing) {
  start_hurried();
  for (const char* attack : {"churn", "many-topics"}) start_attack(attack);
  publish_meanwhile();
  EXPECT_GT(reported("churn", "dropped"), 0);
  EXPECT_GT(reported("many-topics", "dropped"), 0);
  expect_as_before();
  EXPECT_EQ(json_array_size(get("/topics?limit=1000").body, "/topics"), 1U) << "what nobody published to is forgotten";
}

TEST_P(Attack, requests_that_are_wrong_large_or_many_are_answered_and_no_more) {
  start_hurried({"--anonymous-publish", "*"});
  const Strings attacks = {"malformed", "huge-heads", "pipelined", "chunk-bomb", "gzip-bomb"};
  for (const std::string& attack : attacks) start_attack(attack);
  publish_meanwhile();
  for (const std::string& attack : attacks) expect_closed_by_server(attack);
  expect_answered("malformed", "400");
  expect_never_answered("malformed", "200");
  expect_answered("huge-heads", "200");
  expect_answered("pipelined", "200");
  expect_answered("chunk-bomb", "200");
  expect_answered("gzip-bomb", "415");
  expect_never_answered("gzip-bomb", "200");
  expect_as_before();
}

TEST_P(Attack, forged_tokens_and_broken_handshakes_get_nobody_in) {
  const ScratchFile key(Signer::es256().public_pem());
  start_hurried({"--auth-key", "ES256:" + key.path(), "--anonymous-subscribe", "*", "--anonymous-publish", "*"});
  start_attack("bad-tokens");
  start_attack("handshakes", tls_port());
  publish_meanwhile();
  expect_answered("bad-tokens", "401");
  expect_never_answered("bad-tokens", "200");
  expect_closed_by_server("bad-tokens");
  EXPECT_GT(reported("handshakes", "dropped"), 0) << "they were answered";
  expect_as_before();
}

TEST_P(Attack, subscribers_that_stall_or_vanish_are_found) {
  start_hurried();
  for (const char* attack : {"stalled", "half-open"}) start_attack(attack);
  publish_meanwhile();
  EXPECT_GT(reported("stalled", "opened"), 0);
  EXPECT_GT(reported("half-open", "vanished"), 0);
  expect_as_before();
}

// Bytes that the kernel keeps for the server's side of the connection whose other end is at `peer_port`; empty if there is none.
std::optional<std::size_t> kept_input_of(std::uint16_t server_port, std::uint16_t peer_port) {
  std::ifstream table("/proc/net/tcp");
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    unsigned local = 0;
    unsigned peer = 0;
    std::size_t unread = 0;
    const int found = std::sscanf(line.c_str(), " %*u: %*x:%x %*x:%x %*x %*x:%zx", &local, &peer, &unread);
    if (found == 3 && local == server_port && peer == peer_port) return unread;
  }
  return {};
}

TEST_P(Attack, of_what_a_subscriber_goes_on_sending_the_kernel_keeps_a_segment) {
  start();
  SseStream stream = subscribe_open("/events/a");
  // Far more than fits anywhere: that it is not taken is what is asked for.
  EXPECT_FALSE(stream.connection().send(std::string(64 << 20, 'x'), Deadline::in(Millis(200))));
  const std::optional<std::size_t> kept = kept_input_of(port(), stream.connection().local_port());
  ASSERT_TRUE(kept.has_value()) << "the connection is still there";
  EXPECT_LE(*kept, 64U << 10) << "the largest segment that there is";
  publish("a", "x");
  EXPECT_TRUE(stream.wait_published(1));
}

TEST_P(Attack, slowhttptest_holds_nothing_for_long) {
  if (access("/usr/bin/slowhttptest", X_OK) != 0) GTEST_SKIP() << "slowhttptest is not installed";
  start_hurried({"--anonymous-publish", "*"});
  const Strings attacks = {"slow-head", "slow-body", "slow-read"};
  for (const std::string& attack : attacks) start_attack(attack);
  publish_meanwhile();
  for (const std::string& attack : attacks) EXPECT_GT(reported(attack, "opened"), 0) << attack;
  expect_as_before();
}

}  // namespace
}  // namespace broadside::test
