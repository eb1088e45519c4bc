// What is left in the kernel when a server or a client is gone without a word: a killed server's memory is given back while the
// next one serves, and a peer that has vanished is found by TCP_USER_TIMEOUT.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "engine/io/host.h"
#include "tests/support/backend_test.h"
#include "tests/support/oracle.h"
#include "tests/support/swarm.h"

namespace broadside::test {
namespace {

// The sockets of a server's port, with their owners or without.
struct PortSockets {
  std::size_t orphans_count = 0;  // Nobody has them open any more, and they still have something to send.
  std::uint64_t unsent_bytes = 0;
};

PortSockets sockets_at(std::uint16_t port) {
  constexpr const char* kFinWait1 = "04";
  PortSockets sockets;
  std::ifstream file("/proc/net/tcp");
  std::string line;
  for (std::getline(file, line); std::getline(file, line);) {  // Behind the headings.
    std::string number;
    std::string local;
    std::string remote;
    std::string state;
    std::string queues;  // "UNSENT:UNREAD"
    std::istringstream(line) >> number >> local >> remote >> state >> queues;
    if (std::stoul(local.substr(local.find(':') + 1), nullptr, 16) != port) continue;
    if (state == kFinWait1) ++sockets.orphans_count;
    sockets.unsent_bytes += std::stoull(queues, nullptr, 16);
  }
  return sockets;
}

class Crash : public BackendTest {};
BROADSIDE_ON_BOTH_BACKENDS(Crash);

TEST_P(Crash, of_a_server_with_many_streams_leaves_nothing_and_the_next_one_resumes_them) {
  io::raise_open_files_limit();
  const std::size_t healthy_count = scaled(1900, 200);
  const std::size_t stalled_count = scaled(100, 20);
  // The kernel goes on sending for a killed server until 5 s behind the stall timeout.
  const std::vector<std::string> flags = {"--stall-timeout", "10s", "--history-events", "1000"};
  start(flags);
  const std::uint16_t port_of_both = port();
  Oracle oracle;
  Swarm swarm({.port = port_of_both, .topic_names = {"read", "not-read"}, .seed = test_seed()});
  for (std::size_t count = 0; count < healthy_count; ++count) swarm.add({.topics = {0}});
  for (std::size_t count = 0; count < stalled_count; ++count) swarm.add({.topics = {1}, .pace = Pace::stalled});
  ASSERT_TRUE(swarm.run_until([&] { return swarm.open_count() == swarm.size(); }, Deadline::in(Millis(60'000))))
      << swarm.open_count() << swarm.first_violation();
  const auto publish_read = [&](const std::string& text) {
    const std::string data = make_payload(text);
    const Published published = publish("read", data);
    oracle.on_published(0, published.position, published.id, "", data);
  };
  publish_read("before");
  for (int number = 0; number < 40; ++number) publish("not-read", make_payload(std::string(32 << 10, 'x')));
  const auto have_healthy_newest = [&] {
    for (std::size_t stream = 0; stream < healthy_count; ++stream) {
      if (!oracle.has_newest(swarm.record(stream))) return false;
    }
    return true;
  };
  const std::uint64_t unsent_bytes = stalled_count * 4096;  // Of each more than nothing.
  ASSERT_TRUE(swarm.run_until([&] { return sockets_at(port_of_both).unsent_bytes >= unsent_bytes && have_healthy_newest(); },
                              Deadline::in(Millis(60'000))))
      << sockets_at(port_of_both).unsent_bytes << " bytes are unsent, not " << unsent_bytes;

  server().process().signal(SIGKILL);
  ASSERT_EQ(wait_exit(Deadline::in(Millis(30'000))), 128 + SIGKILL);
  start(flags, {"127.0.0.1:" + std::to_string(port_of_both)});
  EXPECT_GT(sockets_at(port_of_both).orphans_count, 0U) << "nothing was unsent: this test shows nothing";
  publish_read("after");
  EXPECT_TRUE(swarm.run_until(have_healthy_newest, Deadline::in(Millis(60'000))));
  EXPECT_EQ(swarm.first_violation(), "");
  const auto is_given_back = [&] {
    const PortSockets left = sockets_at(port_of_both);
    return left.orphans_count == 0 && left.unsent_bytes == 0;
  };
  EXPECT_TRUE(swarm.run_until(is_given_back, Deadline::in(Millis(120'000))))
      << sockets_at(port_of_both).orphans_count << " orphans, " << sockets_at(port_of_both).unsent_bytes << " bytes unsent";
  for (std::size_t stream = healthy_count; stream < swarm.size(); ++stream) swarm.leave(stream);
  EXPECT_EQ(swarm.check(oracle, true), "");
  for (std::size_t stream = 0; stream < healthy_count; ++stream) {
    ASSERT_EQ(swarm.record(stream).resumes.size(), 1U);
    ASSERT_EQ(swarm.record(stream).gaps.size(), 1U) << "the restart is told";
  }
}

// This thread, and the servers it starts, in a network of their own while it lives: 127.0.0.1 and one more address, which can be
// taken away.
class OwnNetwork {
 public:
  static constexpr const char* kAddress = "198.51.100.7";  // RFC 5737: nobody's.

  OwnNetwork() : before_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (unshare(CLONE_NEWNET) != 0) {
      problem_ = std::strerror(errno);
      return;
    }
    is_entered_ = true;
    control_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    set_flags("lo", IFF_UP);
    std::strcpy(request.ifr_name, kAlias);
    auto* address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    address->sin_family = AF_INET;
    inet_pton(AF_INET, kAddress, &address->sin_addr);
    EXPECT_EQ(ioctl(control_, SIOCSIFADDR, &request), 0) << std::strerror(errno);
  }
  ~OwnNetwork() {
    if (control_ >= 0) close(control_);
    EXPECT_TRUE(!is_entered_ || setns(before_, CLONE_NEWNET) == 0) << std::strerror(errno);
    close(before_);
  }
  OwnNetwork(const OwnNetwork&) = delete;
  OwnNetwork& operator=(const OwnNetwork&) = delete;

  // Why there is none; empty if there is.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // What is sent there from now on is lost.
  void take_address_away() const { set_flags(kAlias, 0); }

 private:
  static constexpr const char* kAlias = "lo:1";

  void set_flags(const char* name, short flags) const {
    ifreq request{};
    std::strcpy(request.ifr_name, name);
    request.ifr_flags = flags;
    EXPECT_EQ(ioctl(control_, SIOCSIFFLAGS, &request), 0) << name << ": " << std::strerror(errno);
  }

  int before_;
  int control_ = -1;
  bool is_entered_ = false;
  std::string problem_;
};

// A subscriber with that address of its own, that has had its answer. Its descriptor.
int subscribe_from(const char* address, std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  inet_pton(AF_INET, address, &source.sin_addr);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof source), 0) << std::strerror(errno);
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(port);
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof server), 0) << std::strerror(errno);
  const std::string request = request_text("GET", "/events/a", "127.0.0.1", {}, "");
  EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  char byte = 0;
  EXPECT_EQ(recv(fd, &byte, 1, 0), 1);
  return fd;
}

TEST_P(Crash, of_a_peer_that_is_gone_without_a_word_is_found_and_its_connection_freed) {
  const OwnNetwork network;
  if (!network.problem().empty()) GTEST_SKIP() << "no network of its own: " << network.problem();
  start({"--stall-timeout", "1s", "--heartbeat", "1s"});
  const int vanishing = subscribe_from(OwnNetwork::kAddress, port());
  SseStream staying = subscribe_open("/events/a");
  ASSERT_TRUE(wait_subscribers("a", 2));
  network.take_address_away();
  // Of itself, by the heartbeats alone: 5 s behind the stall timeout.
  const Deadline deadline = Deadline::in(Millis(120'000));
  while (!deadline.has_passed() && !wait_subscribers("a", 1)) continue;
  EXPECT_TRUE(wait_subscribers("a", 1));
  const HttpResponse metrics = get("/metrics");
  EXPECT_NE(metrics.body.find("broadside_subscribers 1\n"), std::string::npos) << metrics.body;
  publish("a", "still here");
  EXPECT_TRUE(staying.wait_published(1));
  close(vanishing);
}

}  // namespace
}  // namespace broadside::test
