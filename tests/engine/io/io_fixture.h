// What the tests of the kernel seam share: a backend with its listener, clients made of plain blocking sockets, and waiting
// for a condition instead of sleeping.
#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/io.h"
#include "engine/io/socket.h"

namespace broadside::io {

// A plain descriptor that closes itself.
class TestSocket {
 public:
  explicit TestSocket(int fd = -1) : fd_(fd) {}
  TestSocket(TestSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  TestSocket& operator=(TestSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~TestSocket() { shut(); }
  [[nodiscard]] int fd() const { return fd_; }
  void shut() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void write(const std::string& bytes) const {
    ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // Reads exactly `count` bytes, or fewer at the end of input.
  [[nodiscard]] std::string read(std::size_t count) const {
    std::string bytes(count, '\0');
    std::size_t got = 0;
    while (got < count) {
      const ssize_t result = ::recv(fd_, bytes.data() + got, count - got, 0);
      if (result <= 0) break;
      got += static_cast<std::size_t>(result);
    }
    bytes.resize(got);
    return bytes;
  }
  // How the connection ends: 0 = orderly, else the errno (ECONNRESET; EAGAIN = not within 10 s). Drops what is still to come.
  [[nodiscard]] int end() const {
    char scratch[65536];
    for (;;) {
      const ssize_t result = ::recv(fd_, scratch, sizeof scratch, 0);
      if (result == 0) return 0;
      if (result < 0) return errno;
    }
  }

 private:
  int fd_;
};

// Connects from 127.0.0.2 (or over a Unix socket); a read that takes 10 s fails.
inline TestSocket connect_client(const ListenAddress& address, int receive_buffer_bytes = 0) {
  TestSocket client(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (receive_buffer_bytes > 0) {
    ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  if (!address.is_unix()) {
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(0x7f000002);
    EXPECT_EQ(::bind(client.fd(), reinterpret_cast<const sockaddr*>(&source), sizeof source), 0);
  }
  EXPECT_EQ(::connect(client.fd(), reinterpret_cast<const sockaddr*>(&address.storage), address.length), 0)
      << std::strerror(errno);
  return client;
}

inline std::size_t count_open_files() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

// A completion whose bytes have been copied out.
struct Seen {
  CompletionKind kind = CompletionKind::accepted;
  Token token;
  Socket socket;
  int error = 0;
  std::string bytes;
};

// One backend, listening on a port of its own (or a Unix path), and everything it has reported.
class TestShard {
 public:
  // Null when this machine cannot: `reason()` says why.
  explicit TestShard(IoConfig config, const std::string& listen = "127.0.0.1:0", const ListenerOptions& options = {}) {
    Result<std::unique_ptr<Io>> made = make_io(config, nullptr);
    if (!made) {
      reason_ = made.error().message;
      return;
    }
    io_ = std::move(*made);
    const Result<ListenAddress> address = parse_listen_address(listen);
    Result<int> listener = open_listener(address.value(), options);
    EXPECT_TRUE(listener.has_value()) << (listener ? "" : listener.error().message);
    listener_ = TestSocket(*listener);
    address_ = bound_address(listener_.fd()).value();
    io_->add_listener(listener_.fd(), 7);
  }
  ~TestShard() {
    for (const Socket socket : to_close_) io_->close(socket, CloseMode::reset);
  }

  [[nodiscard]] bool works() const { return io_ != nullptr; }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] Io& io() { return *io_; }
  [[nodiscard]] const ListenAddress& address() const { return address_; }
  [[nodiscard]] TestSocket& listener() { return listener_; }

  void turn(Nanos timeout) {
    std::vector<Completion> completions;
    io_->wait(timeout, completions);
    for (const Completion& one : completions) {
      seen_.push_back({one.kind, one.token, one.socket, one.error, std::string(one.bytes.begin(), one.bytes.end())});
    }
  }
  // The oldest completion not yet taken that fits; waits for it for 10 s, then fails with a `token.index` of 0xdead.
  template <typename Fits>
  Seen next(Fits&& fits) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    do {
      for (auto one = seen_.begin(); one != seen_.end(); ++one) {
        if (!fits(*one)) continue;
        Seen found = *one;
        seen_.erase(one);
        return found;
      }
      turn(100 * kMillisecond);
    } while (std::chrono::steady_clock::now() < end);
    ADD_FAILURE() << "nothing of the kind came";
    Seen nothing;
    nothing.token.index = 0xdead;
    return nothing;
  }
  Seen next(CompletionKind kind) {
    return next([kind](const Seen& one) { return one.kind == kind; });
  }
  Seen next(CompletionKind kind, std::uint32_t index) {
    return next([kind, index](const Seen& one) { return one.kind == kind && one.token.index == index; });
  }
  [[nodiscard]] std::size_t count(CompletionKind kind) const {
    std::size_t found = 0;
    for (const Seen& one : seen_) found += one.kind == kind ? 1 : 0;
    return found;
  }
  void forget() { seen_.clear(); }

  // A client and the accepted socket that belongs to it (the only one under way).
  std::pair<TestSocket, Socket> connect(int receive_buffer_bytes = 0) {
    TestSocket client = connect_client(address_, receive_buffer_bytes);
    const Socket socket = next(CompletionKind::accepted).socket;
    return {std::move(client), socket};
  }
  // Sends one range; the request says how it went.
  SendRequest send(Socket socket, const std::string& bytes) {
    const iovec range{const_cast<char*>(bytes.data()), bytes.size()};
    SendRequest request;
    request.socket = socket;
    request.ranges = &range;
    request.range_count = 1;
    request.bytes = bytes.size();
    io_->send({&request, 1});
    return request;
  }
  // Sends until the kernel refuses; returns how much it took.
  std::uint64_t fill(Socket socket) {
    const std::string chunk(65536, 'x');
    std::uint64_t total = 0;
    for (int i = 0; i < 10000; ++i) {
      const SendRequest request = send(socket, chunk);
      total += request.sent;
      if (request.status != SendStatus::sent) {
        EXPECT_EQ(request.status, SendStatus::blocked);
        return total;
      }
    }
    ADD_FAILURE() << "never blocked";
    return total;
  }
  void close_at_end(Socket socket) { to_close_.push_back(socket); }

 private:
  std::string reason_;
  TestSocket listener_;
  ListenAddress address_;
  std::unique_ptr<Io> io_;
  std::deque<Seen> seen_;
  std::vector<Socket> to_close_;
};

}  // namespace broadside::io
