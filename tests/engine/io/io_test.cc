// Both backends, held to the same contract (engine/io/io.h).
#include "engine/io/io.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "engine/io/host.h"
#include "tests/engine/io/io_fixture.h"

namespace broadside::io {
namespace {

class IoTest : public ::testing::TestWithParam<BackendChoice> {
 protected:
  [[nodiscard]] static IoConfig config() {
    IoConfig config;
    config.backend = GetParam();
    return config;
  }
};

#define MAKE_SHARD(name, ...)  \
  TestShard name(__VA_ARGS__); \
  if (!name.works()) GTEST_SKIP() << name.reason()

std::string unix_listen() {
  static int count = 0;
  return "unix:/tmp/broadside-io-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

TEST_P(IoTest, says_what_it_is) {
  MAKE_SHARD(shard, config());
  const std::string expected = GetParam() == BackendChoice::uring ? "uring (kernel " : "epoll (kernel ";
  EXPECT_EQ(shard.io().describe().substr(0, expected.size()), expected);
  std::string reason;
  ASSERT_TRUE(make_io(config(), &reason).has_value());
  EXPECT_NE(reason.find("asked for"), std::string::npos) << reason;
}

TEST_P(IoTest, accepts_receives_and_sends) {
  MAKE_SHARD(shard, config());
  TestSocket client = connect_client(shard.address());
  const Seen accepted = shard.next(CompletionKind::accepted);
  EXPECT_EQ(accepted.token.index, 7U);
  ASSERT_TRUE(accepted.socket.is_open());
  EXPECT_FALSE(accepted.socket.is_direct());
  EXPECT_NE(::fcntl(accepted.socket.value, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(peer_address(accepted.socket.value).substr(0, 10), "127.0.0.2:");
  for (std::uint32_t round = 1; round <= 3; ++round) {
    shard.io().start_receive(accepted.socket, Token{5, round});
    client.write("question " + std::to_string(round));
    const Seen received = shard.next(CompletionKind::received);
    EXPECT_EQ(received.token.index, 5U);
    EXPECT_EQ(received.token.generation, round);
    EXPECT_EQ(received.error, 0);
    EXPECT_EQ(received.bytes, "question " + std::to_string(round));
    EXPECT_EQ(shard.send(accepted.socket, "answer").status, SendStatus::sent);
    EXPECT_EQ(client.read(6), "answer");
  }
  shard.io().close(accepted.socket, CloseMode::orderly);
  shard.turn(0);
  EXPECT_EQ(client.end(), 0);
}

TEST_P(IoTest, works_over_unix_sockets) {
  const std::string path = unix_listen();
  MAKE_SHARD(shard, config(), path);
  auto [client, socket] = shard.connect();
  shard.io().start_receive(socket, Token{1, 1});
  client.write("over unix");
  EXPECT_EQ(shard.next(CompletionKind::received).bytes, "over unix");
  ASSERT_TRUE(shard.io().watch(socket, Token{2, 2}));
  client.write("ignored");
  EXPECT_EQ(shard.send(socket, "hello").status, SendStatus::sent);
  EXPECT_EQ(client.read(5), "hello");
  shard.forget();
  shard.fill(socket);
  std::string scratch(65536, '\0');
  while (::recv(client.fd(), scratch.data(), scratch.size(), MSG_DONTWAIT) > 0) {
  }
  EXPECT_EQ(shard.next(CompletionKind::writable, 2).token.generation, 2U);
  shard.io().close(socket, CloseMode::orderly);
  shard.turn(0);
  EXPECT_EQ(client.end(), 0) << "unread input must not reset";
  ::unlink(path.substr(5).c_str());
}

TEST_P(IoTest, sends_scattered_ranges_in_order) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  std::vector<std::string> parts;
  std::vector<iovec> ranges;
  std::string whole;
  for (int i = 0; i < 64; ++i) parts.push_back("part " + std::to_string(i) + ";");
  for (std::string& part : parts) {
    ranges.push_back({part.data(), part.size()});
    whole += part;
  }
  SendRequest request;
  request.socket = socket;
  request.ranges = ranges.data();
  request.range_count = 64;
  request.bytes = whole.size();
  shard.io().send({&request, 1});
  EXPECT_EQ(request.status, SendStatus::sent);
  EXPECT_EQ(request.sent, whole.size());
  EXPECT_EQ(client.read(whole.size()), whole);
  shard.close_at_end(socket);
}

TEST_P(IoTest, sends_batches_larger_than_the_submission_ring) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  // The contract says one entry a socket; for counting entries one socket is enough, since each of these fits.
  constexpr std::size_t kCount = 2500;
  const std::string byte = "b";
  const iovec range{const_cast<char*>(byte.data()), 1};
  std::vector<SendRequest> batch(kCount);
  for (SendRequest& request : batch) {
    request.socket = socket;
    request.ranges = &range;
    request.range_count = 1;
    request.bytes = 1;
    request.status = SendStatus::failed;
  }
  shard.io().send(batch);
  for (const SendRequest& request : batch) ASSERT_EQ(request.status, SendStatus::sent);
  EXPECT_EQ(client.read(kCount), std::string(kCount, 'b'));
  shard.close_at_end(socket);
}

TEST_P(IoTest, tells_when_a_blocked_socket_takes_bytes_again) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect(4096);
  ASSERT_TRUE(shard.io().watch(socket, Token{3, 9}));
  for (int round = 0; round < 3; ++round) {
    const std::uint64_t taken = shard.fill(socket);
    ASSERT_GT(taken, 0U);
    shard.turn(0);
    shard.forget();
    EXPECT_EQ(client.read(taken).size(), taken);
    EXPECT_EQ(shard.next(CompletionKind::writable, 3).token.generation, 9U);
    EXPECT_EQ(shard.send(socket, "more").status, SendStatus::sent);
    EXPECT_EQ(client.read(4), "more");
  }
  shard.close_at_end(socket);
}

TEST_P(IoTest, tells_of_a_watched_peer_that_closes) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  ASSERT_TRUE(shard.io().watch(socket, Token{4, 1}));
  client.write("input of a subscriber is ignored");
  shard.turn(0);
  EXPECT_EQ(shard.count(CompletionKind::hung_up), 0U);
  EXPECT_EQ(shard.count(CompletionKind::received), 0U);
  client.shut();
  EXPECT_EQ(shard.next(CompletionKind::hung_up).token.index, 4U);
  shard.close_at_end(socket);
}

TEST_P(IoTest, tells_of_a_watched_peer_that_half_closes) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  ASSERT_TRUE(shard.io().watch(socket, Token{4, 1}));
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(shard.next(CompletionKind::hung_up).token.index, 4U);
  shard.close_at_end(socket);
}

TEST_P(IoTest, tells_of_a_watched_peer_that_resets) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  ASSERT_TRUE(shard.io().watch(socket, Token{4, 1}));
  set_reset_on_close(client.fd());
  client.shut();
  EXPECT_EQ(shard.next(CompletionKind::hung_up).token.index, 4U);
  EXPECT_EQ(shard.send(socket, "x").status, SendStatus::peer_gone);
  shard.close_at_end(socket);
}

TEST_P(IoTest, tells_of_a_peer_that_hung_up_before_the_watch) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  shard.io().start_receive(socket, Token{1, 1});
  client.write("request");
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(shard.next(CompletionKind::received).bytes, "request");
  ASSERT_TRUE(shard.io().watch(socket, Token{4, 1}));
  EXPECT_EQ(shard.next(CompletionKind::hung_up).token.index, 4U);
  shard.close_at_end(socket);
}

TEST_P(IoTest, receives_the_end_of_input_after_the_last_bytes) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  client.write("last");
  ::shutdown(client.fd(), SHUT_WR);
  shard.io().start_receive(socket, Token{1, 1});
  EXPECT_EQ(shard.next(CompletionKind::received).bytes, "last");
  shard.io().start_receive(socket, Token{1, 2});
  const Seen end = shard.next(CompletionKind::received);
  EXPECT_EQ(end.bytes, "");
  EXPECT_EQ(end.error, 0);
  EXPECT_EQ(end.token.generation, 2U);
  shard.close_at_end(socket);
}

TEST_P(IoTest, receives_a_reset_as_an_error) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  shard.io().start_receive(socket, Token{1, 1});
  shard.turn(0);
  set_reset_on_close(client.fd());
  client.shut();
  EXPECT_EQ(shard.next(CompletionKind::received).error, ECONNRESET);
  shard.close_at_end(socket);
}

TEST_P(IoTest, closes_in_order_or_by_reset_as_asked) {
  for (const bool is_receiving : {false, true}) {
    for (const CloseMode mode : {CloseMode::orderly, CloseMode::reset}) {
      MAKE_SHARD(shard, config());
      auto [client, socket] = shard.connect();
      EXPECT_EQ(shard.send(socket, "before").status, SendStatus::sent);
      if (is_receiving) shard.io().start_receive(socket, Token{1, 1});
      shard.turn(0);
      const std::size_t open_files = count_open_files();
      shard.io().close(socket, mode);
      for (int i = 0; i < 100 && count_open_files() == open_files; ++i) shard.turn(10 * kMillisecond);
      EXPECT_EQ(count_open_files(), open_files - 1);
      EXPECT_EQ(shard.count(CompletionKind::received), 0U) << "a receive given up must not surface";
      EXPECT_EQ(client.end(), mode == CloseMode::orderly ? 0 : ECONNRESET) << "receiving: " << is_receiving;
    }
  }
}

TEST_P(IoTest, closes_in_order_with_input_unread) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  client.write(std::string(100000, 'u'));
  EXPECT_EQ(shard.send(socket, "tail").status, SendStatus::sent);
  shard.io().close(socket, CloseMode::orderly);
  shard.turn(0);
  EXPECT_EQ(client.read(4), "tail");
  EXPECT_EQ(client.end(), 0);
}

TEST_P(IoTest, closes_a_socket_whose_receive_has_just_completed) {
  MAKE_SHARD(shard, config());
  for (int round = 0; round < 20; ++round) {
    auto [client, socket] = shard.connect();
    shard.io().start_receive(socket, Token{1, 1});
    if (round % 2 == 0) shard.turn(0);
    client.write("late");
    shard.send(socket, "x");  // On the ring this submits the receive, which completes at once.
    shard.io().close(socket, CloseMode::orderly);
    shard.turn(0);
    EXPECT_EQ(client.end(), 0);
    EXPECT_EQ(shard.count(CompletionKind::received), 0U);
  }
}

TEST_P(IoTest, leaves_no_descriptor_behind_when_it_ends) {
  const std::size_t open_files = count_open_files();
  {
    MAKE_SHARD(shard, config());
    auto [client, socket] = shard.connect();
    shard.io().start_receive(socket, Token{1, 1});
    shard.turn(0);
    shard.io().close(socket, CloseMode::orderly);
    // Ends without another wait(): what was closing is closed.
  }
  EXPECT_EQ(count_open_files(), open_files);
}

TEST_P(IoTest, shuts_down_writing_alone) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  shard.send(socket, "bye");
  shard.io().shutdown_write(socket);
  EXPECT_EQ(client.read(3), "bye");
  EXPECT_EQ(client.end(), 0);
  shard.io().start_receive(socket, Token{1, 1});
  client.write("still heard");
  EXPECT_EQ(shard.next(CompletionKind::received).bytes, "still heard");
  shard.close_at_end(socket);
}

TEST_P(IoTest, wakes_from_another_thread) {
  MAKE_SHARD(shard, config());
  shard.turn(0);
  std::atomic<int> rounds = 0;
  for (int round = 0; round < 200; ++round) {
    std::thread waker([&] {
      rounds.fetch_add(1, std::memory_order_relaxed);
      shard.io().wake();
    });
    const auto start = std::chrono::steady_clock::now();
    while (rounds.load(std::memory_order_relaxed) <= round) shard.turn(20 * kSecond);
    waker.join();
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << "round " << round;
  }
}

TEST_P(IoTest, keeps_a_wake_that_came_before_the_wait) {
  MAKE_SHARD(shard, config());
  for (int round = 0; round < 3; ++round) {
    shard.io().wake();
    shard.io().wake();
    const auto start = std::chrono::steady_clock::now();
    shard.turn(20 * kSecond);
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  }
}

TEST_P(IoTest, does_not_wait_without_timeout_and_waits_with_one) {
  MAKE_SHARD(shard, config());
  shard.turn(0);
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) shard.turn(0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  start = std::chrono::steady_clock::now();
  // It may return early (a ring that has ended elsewhere in the process interrupts this thread), but does not spin.
  int waits = 0;
  for (; std::chrono::steady_clock::now() - start < std::chrono::milliseconds(20); ++waits) shard.turn(20 * kMillisecond);
  EXPECT_LE(waits, 10);
}

TEST_P(IoTest, bounds_what_one_wait_hands_out_and_loses_nothing) {
  IoConfig bounded = config();
  bounded.accepts_per_wait_max = 8;
  bounded.receives_per_wait_max = 5;
  MAKE_SHARD(shard, bounded);
  constexpr std::uint32_t kCount = 200;
  std::vector<TestSocket> clients;
  for (std::uint32_t i = 0; i < kCount; ++i) clients.push_back(connect_client(shard.address()));
  std::vector<Socket> sockets;
  for (std::uint32_t turns = 0; sockets.size() < kCount && turns < 10000; ++turns) {
    std::vector<Completion> completions;
    shard.io().wait(100 * kMillisecond, completions);
    ASSERT_LE(completions.size(), 8U);
    for (const Completion& one : completions) sockets.push_back(one.socket);
  }
  ASSERT_EQ(sockets.size(), kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    shard.io().start_receive(sockets[i], Token{i, 1});
    clients[i].write("all at once");
  }
  std::vector<int> counts(kCount, 0);
  std::uint32_t total = 0;
  for (std::uint32_t turns = 0; total < kCount && turns < 10000; ++turns) {
    std::vector<Completion> completions;
    shard.io().wait(100 * kMillisecond, completions);
    ASSERT_LE(completions.size(), 5U);
    for (const Completion& one : completions) {
      ASSERT_EQ(one.kind, CompletionKind::received);
      EXPECT_EQ(std::string(one.bytes.begin(), one.bytes.end()), "all at once");
      ++counts[one.token.index];
      ++total;
    }
  }
  EXPECT_EQ(counts, std::vector<int>(kCount, 1));
  for (const Socket socket : sockets) shard.io().close(socket, CloseMode::reset);
}

TEST_P(IoTest, receives_more_at_once_than_it_has_buffers) {
  IoConfig few = config();
  few.receive_buffers = 4;
  MAKE_SHARD(shard, few);
  constexpr std::uint32_t kCount = 300;
  std::vector<std::pair<TestSocket, Socket>> pairs;
  for (std::uint32_t i = 0; i < kCount; ++i) pairs.push_back(shard.connect());
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < kCount; ++i) {
      // Half of them wait armed, half find the bytes there.
      if (i % 2 == 0) shard.io().start_receive(pairs[i].second, Token{i, 1});
    }
    shard.turn(0);
    for (std::uint32_t i = 0; i < kCount; ++i) {
      pairs[i].first.write(std::to_string(i));
      if (i % 2 == 1) shard.io().start_receive(pairs[i].second, Token{i, 1});
    }
    for (std::uint32_t i = 0; i < kCount; ++i) {
      EXPECT_EQ(shard.next(CompletionKind::received, i).bytes, std::to_string(i));
    }
    EXPECT_EQ(shard.count(CompletionKind::received), 0U);
  }
  // Given up while starved: nothing surfaces, the descriptors go.
  const std::size_t open_files = count_open_files();
  for (std::uint32_t i = 0; i < kCount; ++i) shard.io().start_receive(pairs[i].second, Token{i, 1});
  shard.turn(0);
  for (auto& [client, socket] : pairs) shard.io().close(socket, CloseMode::orderly);
  for (int i = 0; i < 1000 && count_open_files() > open_files - kCount; ++i) shard.turn(10 * kMillisecond);
  EXPECT_EQ(count_open_files(), open_files - kCount);
  EXPECT_EQ(shard.count(CompletionKind::received), 0U);
}

TEST_P(IoTest, hands_out_bytes_that_stay_until_the_next_wait) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  const std::string large(200000, 'r');
  std::thread writer([&, fd = client.fd()] {
    std::size_t sent = 0;
    while (sent < large.size()) {
      const ssize_t result = ::send(fd, large.data() + sent, large.size() - sent, MSG_NOSIGNAL);
      if (result <= 0) break;
      sent += static_cast<std::size_t>(result);
    }
  });
  std::size_t got = 0;
  for (int turns = 0; got < large.size() && turns < 10000; ++turns) {
    std::vector<Completion> completions;
    if (turns == 0) shard.io().start_receive(socket, Token{1, 1});
    shard.io().wait(100 * kMillisecond, completions);
    for (const Completion& one : completions) {
      if (one.kind != CompletionKind::received) continue;
      shard.io().start_receive(socket, Token{1, 1});
      shard.io().send({});  // Lets the next receive complete while these bytes are being looked at.
      EXPECT_EQ(std::string(one.bytes.begin(), one.bytes.end()), std::string(one.bytes.size(), 'r'));
      got += one.bytes.size();
    }
  }
  writer.join();
  EXPECT_EQ(got, large.size());
  shard.close_at_end(socket);
}

TEST_P(IoTest, stops_accepting_when_listeners_are_removed) {
  MAKE_SHARD(shard, config());
  shard.turn(0);
  shard.io().remove_listeners();
  shard.listener().shut();
  TestSocket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const ListenAddress address = shard.address();
  EXPECT_EQ(::connect(client.fd(), reinterpret_cast<const sockaddr*>(&address.storage), address.length), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  shard.turn(0);
  EXPECT_EQ(shard.count(CompletionKind::accepted), 0U);
}

TEST_P(IoTest, ends_the_connection_of_a_client_that_came_before_the_listeners_went) {
  MAKE_SHARD(shard, config());
  shard.turn(0);
  TestSocket client = connect_client(shard.address());
  shard.io().remove_listeners();
  shard.listener().shut();
  for (int i = 0; i < 5; ++i) shard.turn(0);
  EXPECT_EQ(shard.count(CompletionKind::accepted), 0U);
  EXPECT_EQ(client.end(), ECONNRESET);
}

TEST_P(IoTest, accepts_on_several_listeners_and_names_them) {
  MAKE_SHARD(shard, config());
  const Result<int> second = open_listener(parse_listen_address("127.0.0.1:0").value(), {});
  ASSERT_TRUE(second.has_value());
  TestSocket owner(second.value());
  shard.turn(0);
  shard.io().add_listener(owner.fd(), 8);
  TestSocket one = connect_client(shard.address());
  TestSocket two = connect_client(bound_address(owner.fd()).value());
  shard.io().close(shard.next(CompletionKind::accepted, 7).socket, CloseMode::orderly);
  shard.io().close(shard.next(CompletionKind::accepted, 8).socket, CloseMode::orderly);
  shard.io().remove_listeners();
}

// Runs in a child of its own, since it lowers the limit of the process. Returns the number of the step that failed, or 0.
int run_out_of_descriptors(const IoConfig& config) {
  TestShard shard(config);
  if (!shard.works()) return 1;
  shard.turn(0);
  std::vector<TestSocket> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (clients.back().fd() < 0) return 2;
  }
  // The lowest free number is where the limit goes: two more sockets fit.
  const int lowest = ::dup(0);
  ::close(lowest);
  const rlimit limit{static_cast<rlim_t>(lowest) + 2, static_cast<rlim_t>(lowest) + 2};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 3;
  // What is armed remembers the limit of its making: the engine raises it before, here it is lowered after.
  shard.io().remove_listeners();
  shard.io().add_listener(shard.listener().fd(), 7);
  const ListenAddress address = shard.address();
  for (const TestSocket& client : clients) {
    if (::connect(client.fd(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) return 4;
  }
  const Seen failed = shard.next(CompletionKind::accept_failed);
  if (failed.error != EMFILE || failed.token.index != 7) return 5;
  if (shard.count(CompletionKind::accepted) != 2) return 6;
  for (int i = 0; i < 10; ++i) shard.turn(0);
  if (shard.count(CompletionKind::accept_failed) != 0) return 7;  // Paused: told once.
  std::size_t accepted = 0;
  for (int round = 0; round < 8; ++round) {
    const Seen one = shard.next(CompletionKind::accepted);
    if (one.token.index != 7) return 8;
    ++accepted;
    shard.io().close(one.socket, CloseMode::reset);
    shard.io().resume_accepts();
  }
  return accepted == 8 ? 0 : 9;
}

// Runs a function in a child, for what changes the whole process. Returns what it returned, or -1 if it died.
template <typename Function>
int run_in_child(Function&& function) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(function());
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_P(IoTest, pauses_accepting_when_descriptors_run_out) {
  { MAKE_SHARD(shard, config()); }
  EXPECT_EQ(run_in_child([] { return run_out_of_descriptors(config()); }), 0)
      << "the step of run_out_of_descriptors() that failed";
}

TEST_P(IoTest, hands_tokens_back_unchanged) {
  MAKE_SHARD(shard, config());
  auto [client, socket] = shard.connect();
  const Token token{0xfffffffe, 0x80000001};
  shard.io().start_receive(socket, token);
  client.write("x");
  const Seen received = shard.next(CompletionKind::received);
  EXPECT_EQ(received.token.index, token.index);
  EXPECT_EQ(received.token.generation, token.generation);
  ASSERT_TRUE(shard.io().watch(socket, token));
  client.shut();
  const Seen hung_up = shard.next(CompletionKind::hung_up);
  EXPECT_EQ(hung_up.token.index, token.index);
  EXPECT_EQ(hung_up.token.generation, token.generation);
  shard.close_at_end(socket);
}

TEST_P(IoTest, reports_nothing_of_a_closed_socket_whose_number_is_used_again) {
  MAKE_SHARD(shard, config());
  for (std::uint32_t generation = 1; generation < 50; ++generation) {
    auto [client, socket] = shard.connect();
    if (generation % 2 == 0) {
      shard.io().start_receive(socket, Token{1, generation});
    } else {
      ASSERT_TRUE(shard.io().watch(socket, Token{1, generation}));
    }
    shard.turn(0);
    shard.forget();
    shard.io().close(socket, CloseMode::orderly);
    client.shut();
  }
  for (int i = 0; i < 5; ++i) shard.turn(0);
  EXPECT_EQ(shard.count(CompletionKind::hung_up), 0U);
  EXPECT_EQ(shard.count(CompletionKind::received), 0U);
}

TEST_P(IoTest, reports_every_hang_up_of_many) {
  MAKE_SHARD(shard, config());
  constexpr std::uint32_t kCount = 1500;
  std::vector<std::pair<TestSocket, Socket>> pairs;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    pairs.push_back(shard.connect());
    ASSERT_TRUE(shard.io().watch(pairs.back().second, Token{i, 1}));
  }
  shard.turn(0);
  shard.forget();
  for (auto& pair : pairs) pair.first.shut();
  std::vector<bool> is_gone(kCount, false);
  for (std::uint32_t gone = 0; gone < kCount;) {
    const Seen one = shard.next(CompletionKind::hung_up);
    ASSERT_LT(one.token.index, kCount);
    if (!is_gone[one.token.index]) ++gone;
    is_gone[one.token.index] = true;
  }
  for (auto& pair : pairs) shard.io().close(pair.second, CloseMode::reset);
}

INSTANTIATE_TEST_SUITE_P(Backends, IoTest, ::testing::Values(BackendChoice::uring, BackendChoice::epoll),
                         [](const auto& tested) { return tested.param == BackendChoice::uring ? "uring" : "epoll"; });

TEST(MakeIo, always_finds_a_backend) {
  IoConfig config;
  std::string reason;
  const Result<std::unique_ptr<Io>> made = make_io(config, &reason);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(reason.find(made.value()->describe()), 0U) << reason;
}

// What containers do: io_uring_setup is refused with EPERM by a filter. Returns the number of the step that failed, or 0.
int refuse_io_uring() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 77;
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return 77;
  std::string reason;
  const Result<std::unique_ptr<Io>> made = make_io(IoConfig{}, &reason);
  if (!made) return 2;
  if (made.value()->describe().find("epoll") != 0) return 3;
  if (reason.find("because io_uring: ") == std::string::npos) return 4;
  // Where the administrator has switched io_uring off, that comes first.
  if (reason.find("seccomp") == std::string::npos && reason.find("io_uring_disabled") == std::string::npos) return 5;
  IoConfig uring;
  uring.backend = BackendChoice::uring;
  const Result<std::unique_ptr<Io>> refused = make_io(uring, nullptr);
  if (refused || refused.error().code != Error::Code::unavailable) return 6;
  return 0;
}

TEST(MakeIo, falls_back_to_epoll_under_a_seccomp_filter_and_says_so) {
  const int step = run_in_child(refuse_io_uring);
  if (step == 77) GTEST_SKIP() << "seccomp filters cannot be installed here";
  EXPECT_EQ(step, 0) << "the step of refuse_io_uring() that failed";
}

}  // namespace
}  // namespace broadside::io
