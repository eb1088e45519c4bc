// `broadside load` against real servers: what it counts is what happened, and its exit status says so. The servers at fault are
// ours as well: each does one thing wrong, a known number of times.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

ProgramResult run_load(Strings flags) {
  Strings arguments{"load", "--json", "-", "--quiet"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return run_program(arguments, Deadline::in(Millis(60'000)));
}

// Expects a number in the report.
void expect_count(const ProgramResult& result, const char* pointer, std::int64_t count) {
  EXPECT_EQ(json_int(result.stdout_text, pointer), count) << pointer << "\n" << result.stdout_text << result.stderr_text;
}

class Load : public BackendTest {
 protected:
  ProgramResult load(Strings flags) {
    flags.insert(flags.end(), {"--server", "http://" + authority()});
    return run_load(std::move(flags));
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Load);

TEST_P(Load, counts_every_delivery_of_a_steady_run) {
  start();
  const ProgramResult result = load({"--streams", "50", "--topics", "2", "--publish-rate", "100", "--warm-up", "200ms",
                                     "--duration", "800ms", "--server-pid", std::to_string(server().process().pid())});
  ASSERT_EQ(result.exit_code, 0) << result.stderr_text;
  expect_count(result, "/published/events", 100);
  expect_count(result, "/published/answered", 100);
  expect_count(result, "/received/events", 100 * 25);
  expect_count(result, "/received/expected", 100 * 25);
  expect_count(result, "/streams/open", 50);
  expect_count(result, "/latency_ms/count", 80 * 25);
  expect_count(result, "/published/answer_ms/count", 80);
  expect_count(result, "/server/deliveries", 100 * 25);
  for (const char* fault : {"/lost", "/doubled", "/reordered", "/torn", "/unknown", "/streams/failed"})
    expect_count(result, fault, 0);
}

TEST_P(Load, nothing_is_lost_over_churn_and_storms_with_resume) {
  start();
  const ProgramResult result = load({"--streams", "100", "--publish-rate", "200", "--duration", "2s", "--churn", "100",
                                     "--storm-every", "700ms", "--resume", "--burst", "5"});
  ASSERT_EQ(result.exit_code, 0) << result.stderr_text;
  expect_count(result, "/received/events", 600 * 100);
  EXPECT_GE(json_int(result.stdout_text, "/streams/reconnects").value_or(0), 200) << result.stdout_text;
}

TEST_P(Load, those_in_trouble_stay_apart_from_the_others) {
  start();
  const ProgramResult result =
      load({"--streams", "20", "--stalled", "4", "--half-open", "3", "--slow", "2", "--slow-rate", "1KiB", "--publish-rate",
            "100", "--warm-up", "0s", "--duration", "500ms", "--size", "4KiB"});
  ASSERT_EQ(result.exit_code, 0) << result.stderr_text;
  expect_count(result, "/streams/trouble_open", 9);
  expect_count(result, "/latency_ms/count", 50 * 11);
}

TEST_P(Load, keys_and_sizes_reach_the_server) {
  start();
  SseStream stream = subscribe_open("/events/k0");
  const ProgramResult result = load({"--streams", "1", "--topic-prefix", "k", "--keys", "3", "--size", "1000", "--publish-rate",
                                     "50", "--warm-up", "0s", "--duration", "100ms"});
  ASSERT_EQ(result.exit_code, 0) << result.stderr_text;
  ASSERT_TRUE(stream.wait_published(5));
  for (const std::string& data : stream.published_data()) EXPECT_EQ(data.size(), 1000U);
}

TEST_P(Load, conflation_loses_no_key_and_what_it_passes_over_is_counted) {
  start({"--policy", "conflate", "--send-buffer", "16KiB"});
  const ProgramResult result =
      load({"--streams", "6", "--slow", "3", "--slow-rate", "50KiB", "--conflated", "--keys", "40", "--size", "1KiB",
            "--publish-rate", "1000", "--warm-up", "0s", "--duration", "1s", "--grace", "30s"});
  ASSERT_EQ(result.exit_code, 0) << result.stderr_text;
  expect_count(result, "/lost", 0);
  expect_count(result, "/streams/trouble_open", 3);
  expect_count(result, "/received/expected", 1000 * 6);
  EXPECT_GT(json_int(result.stdout_text, "/received/superseded").value_or(0), 1000) << result.stdout_text;
  // Those of slow readers count as well.
  EXPECT_EQ(json_int(result.stdout_text, "/latency_ms/count"), json_int(result.stdout_text, "/received/events"));
}

TEST_P(Load, a_bound_that_is_missed_is_said_and_fails) {
  start();
  // Nothing is read for a tenth of a second after each event, so no latency can be below.
  const ProgramResult result = load({"--streams", "5", "--publish-rate", "5", "--warm-up", "0s", "--duration", "600ms", "--hold",
                                     "100ms", "--max-p99", "50ms"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.stderr_text.find("--max-p99"), std::string::npos) << result.stderr_text;
}

TEST_P(Load, refused_streams_are_counted_and_fail) {
  start({"--max-connections", "5"});
  const ProgramResult result =
      load({"--streams", "8", "--publish-rate", "20", "--warm-up", "0s", "--duration", "200ms", "--grace", "1s"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_GE(json_int(result.stdout_text, "/streams/refused").value_or(0), 3) << result.stdout_text;
  expect_count(result, "/streams/open", 5);
  EXPECT_NE(result.stderr_text.find("refused"), std::string::npos) << result.stderr_text;
}

TEST_P(Load, listens_to_what_others_publish) {
  start();
  publish("load-0", "not one of ours");
  const auto child =
      ChildProcess::spawn({program_path(), "load", "--server", "http://" + authority(), "--streams", "3", "--publish-rate", "0",
                           "--duration", "3s", "--warm-up", "0s", "--json", "-", "--quiet"});
  ASSERT_TRUE(wait_subscribers("load-0", 3));
  publish("load-0", "a stranger's");
  const std::optional<std::string> report = child->read_line(soon());
  ASSERT_TRUE(report.has_value()) << child->stderr_text();
  EXPECT_EQ(json_int(*report, "/unknown"), 3) << *report;
  EXPECT_EQ(child->wait_exit(soon()), 0) << child->stderr_text();
}

TEST_P(Load, plots_what_it_saw) {
  start();
  // Stands in for gnuplot: keeps what it is told.
  char folder[] = "/tmp/broadside-load-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string script = std::string(folder) + "/gnuplot";
  std::ofstream(script) << "#!/bin/sh\ncat > " << folder << "/told\n";
  ::chmod(script.c_str(), 0755);
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (std::string(folder) + ":" + path).c_str(), 1);
  const ProgramResult result =
      load({"--streams", "5", "--publish-rate", "20", "--duration", "2s", "--plot", std::string(folder) + "/plot.svg"});
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(result.exit_code, 0) << result.stderr_text;
  std::ostringstream told;
  told << std::ifstream(std::string(folder) + "/told").rdbuf();
  EXPECT_NE(told.str().find(std::string(folder) + "/plot.svg"), std::string::npos);
  EXPECT_NE(told.str().find("title 'p99'"), std::string::npos);
  for (const char* name : {"/told", "/gnuplot", ""}) ::remove((std::string(folder) + name).c_str());
}

// An SSE server in a thread, for one publisher and some streams, that sends at the n-th publish what it is told to.
class FaultyServer {
 public:
  // The numbers of the events that are sent at publish `number` (from 1), in order; a
  // negative one is cut short.
  using Plan = std::function<std::vector<int>(int number)>;

  FaultyServer(Plan plan, bool is_chunked) : plan_(std::move(plan)), is_chunked_(is_chunked) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 100);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~FaultyServer() {
    is_stopped_ = true;
    thread_.join();
    for (const Peer& peer : peers_) {
      if (peer.fd >= 0) ::close(peer.fd);
    }
    ::close(listener_);
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  struct Peer {
    int fd = -1;
    bool is_stream = false;
    std::string input;
  };

  void serve() {
    while (!is_stopped_) {
      std::vector<pollfd> polled{{.fd = listener_, .events = POLLIN, .revents = 0}};
      for (const Peer& peer : peers_) polled.push_back({.fd = peer.fd, .events = POLLIN, .revents = 0});
      ::poll(polled.data(), polled.size(), 20);
      for (std::size_t i = 1; i < polled.size(); ++i) {
        if (polled[i].revents != 0) read(peers_[i - 1]);
      }
      if (polled[0].revents != 0) peers_.push_back({.fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), .input = {}});
    }
  }

  void read(Peer& peer) {
    char bytes[65536];
    const ssize_t count = ::recv(peer.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count <= 0) {  // Gone; the place stays, so that others keep theirs.
      peer.is_stream = false;
      ::close(peer.fd);
      peer.fd = -1;
      return;
    }
    peer.input.append(bytes, static_cast<std::size_t>(count));
    for (;;) {
      const std::size_t end = peer.input.find("\r\n\r\n");
      if (end == std::string::npos) return;
      if (peer.input.starts_with("GET")) {
        peer.is_stream = true;
        peer.input.clear();
        send(peer, std::string("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n") +
                       (is_chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"));
        return;
      }
      const std::size_t at = peer.input.find("Content-Length: ");
      const std::size_t length = std::strtoul(peer.input.c_str() + at + 16, nullptr, 10);
      if (peer.input.size() < end + 4 + length) return;
      events_.push_back(peer.input.substr(end + 4, length));
      peer.input.erase(0, end + 4 + length);
      deliver();
      send(peer, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    }
  }

  void deliver() {
    for (const int number : plan_(static_cast<int>(events_.size()))) {
      std::string data = events_[static_cast<std::size_t>(std::abs(number)) - 1];
      if (number < 0) data.resize(100);
      std::string frame = "data: " + data + "\n\n";
      if (is_chunked_) {
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", frame.size());
        frame = size + frame + "\r\n";
      }
      for (const Peer& peer : peers_) {
        if (peer.is_stream) send(peer, frame);
      }
    }
  }

  static void send(const Peer& peer, const std::string& bytes) {
    EXPECT_EQ(::send(peer.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  const Plan plan_;
  const bool is_chunked_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::vector<Peer> peers_;
  std::vector<std::string> events_;
  std::atomic<bool> is_stopped_{false};
  std::thread thread_;
};

// `grace`: short where the newest event never comes, which is waited out.
ProgramResult load_faulty(const FaultyServer::Plan& plan, bool is_chunked, const char* grace = "30s", Strings more = {}) {
  const FaultyServer server(plan, is_chunked);
  Strings flags{"--subscribe-url", server.url() + "/sub",
                "--publish-url",   server.url() + "/pub",
                "--streams",       "10",
                "--publish-rate",  "100",
                "--warm-up",       "0s",
                "--duration",      "300ms",
                "--grace",         grace};
  flags.insert(flags.end(), more.begin(), more.end());
  return run_load(std::move(flags));
}

TEST(LoadOfOthers, a_server_without_fault_passes_in_either_framing) {
  for (const bool is_chunked : {false, true}) {
    const ProgramResult result = load_faulty([](int number) { return std::vector<int>{number}; }, is_chunked);
    EXPECT_EQ(result.exit_code, 0) << result.stderr_text;
    expect_count(result, "/received/events", 300);
  }
}

TEST(LoadOfOthers, loss_doubles_order_and_cuts_are_told_apart) {
  const auto plan = [](int number) -> std::vector<int> {
    if (number == 5 || number == 6 || number == 30) return {};  // 30 is the last: missing at the end counts as well.
    if (number == 8) return {8, 8};
    if (number == 10) return {};
    if (number == 11) return {11, 10};
    if (number == 13) return {-13};
    return {number};
  };
  const ProgramResult result = load_faulty(plan, true, "2s");
  EXPECT_EQ(result.exit_code, 1);
  expect_count(result, "/lost", 3 * 10);
  expect_count(result, "/doubled", 10);
  expect_count(result, "/reordered", 10);
  expect_count(result, "/torn", 10);
  expect_count(result, "/received/events", 28 * 10);
  EXPECT_NE(result.stderr_text.find("30 deliveries were lost"), std::string::npos) << result.stderr_text;
}

TEST(LoadOfOthers, of_conflated_keys_the_newest_must_come) {
  // Six events of each of five keys: most of the middle is passed over, and the very last one never comes.
  const auto plan = [](int number) -> std::vector<int> {
    if (number == 3) return {3, 3};
    if (number == 8) return {8, 7};
    if (number == 9) return {-9};
    if (number == 7 || (number >= 10 && number <= 25) || number == 30) return {};
    return {number};
  };
  const ProgramResult result = load_faulty(plan, false, "2s", {"--conflated", "--keys", "5"});
  EXPECT_EQ(result.exit_code, 1);
  expect_count(result, "/lost", 10);
  expect_count(result, "/received/superseded", 16 * 10);
  expect_count(result, "/received/expected", 30 * 10);
  expect_count(result, "/doubled", 10);
  expect_count(result, "/reordered", 10);
  expect_count(result, "/torn", 10);
  EXPECT_NE(result.stderr_text.find("of 10 keys"), std::string::npos) << result.stderr_text;
}

TEST(LoadOfOthers, loss_within_the_bound_passes) {
  const auto plan = [](int number) { return number == 3 ? std::vector<int>{} : std::vector<int>{number}; };
  const ProgramResult result = load_faulty(plan, false, "30s", {"--max-loss", "10"});
  EXPECT_EQ(result.exit_code, 0) << result.stderr_text;
  expect_count(result, "/lost", 10);
}

TEST(LoadOfOthers, a_server_that_is_not_there_is_named) {
  const ProgramResult result = run_load({"--server", "http://127.0.0.1:9", "--streams", "2"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.stderr_text.find("127.0.0.1:9"), std::string::npos) << result.stderr_text;
  EXPECT_NE(result.stderr_text.find("refused"), std::string::npos) << result.stderr_text;
}

}  // namespace
}  // namespace broadside::test
