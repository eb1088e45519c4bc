// The public Engine in one process, and subscribers on plain sockets: what the tests of the whole engine share.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "broadside/engine.h"
#include "tests/support/deadline.h"
#include "tests/support/event_stream.h"

namespace broadside {

class TrivialHandler final : public RequestHandler {
 public:
  Response on_request(const Request& request) noexcept override {
    return Response{.status = 200, .content_type = "text/plain", .body = "path " + std::string(request.path)};
  }
};

// One subscriber on a socket: reads when there is something, decodes strictly.
class Subscriber {
 public:
  Subscriber(const Engine& engine, const std::string& target, int receive_buffer_bytes = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    const std::string url = engine.listen_urls().at(0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  // On a connected socket, whose owner it becomes.
  explicit Subscriber(int fd) : fd_(fd) {}
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;
  ~Subscriber() { ::close(fd_); }

  void send(std::string_view bytes) const {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  [[nodiscard]] int fd() const { return fd_; }
  // The stream has no head.
  void expect_no_head() { has_head_ = true; }

  // One read; false at the end of the stream or when nothing comes in time.
  bool read_some(const test::Deadline& deadline) {
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, deadline.remaining_ms()) <= 0) return false;
    char buffer[64 << 10];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    is_closed = got == 0;
    if (got < 0) was_reset = true;
    if (got <= 0) return false;
    std::string_view bytes(buffer, static_cast<std::size_t>(got));
    if (!has_head_) {
      head += bytes;
      const std::size_t border = head.find("\r\n\r\n");
      if (border == std::string::npos) return true;
      has_head_ = true;
      const std::string rest = head.substr(border + 4);
      head.resize(border + 4);
      feed(rest);
      return true;
    }
    feed(bytes);
    return true;
  }
  bool wait_open() {
    const test::Deadline deadline = test::soon();
    while (open_id.empty() && read_some(deadline)) {
    }
    return !open_id.empty();
  }
  // Reads until there are so many published events.
  bool wait_data(std::size_t count) {
    const test::Deadline deadline = test::soon();
    while (data.size() < count && read_some(deadline)) {
    }
    return data.size() >= count;
  }
  void read_to_end() {
    const test::Deadline deadline = test::Deadline::in(test::Millis(30'000));
    while (read_some(deadline)) {
    }
  }

  std::string head;
  std::string open_id;
  std::vector<std::string> data;  // Of published events.
  std::vector<std::string> gaps;  // Data of broadside.gap.
  std::string notice;             // Data of broadside.auth-expiring.
  std::string last_event_id;
  bool is_closed = false;
  bool was_reset = false;
  [[nodiscard]] const std::string& violation() const { return stream_.violation(); }

 private:
  void feed(std::string_view bytes) {
    stream_.feed(bytes, [this](const DecodedEvent& event) {
      last_event_id = event.last_event_id;
      if (event.type == "broadside.open") {
        open_id = event.last_event_id;
      } else if (event.type == "broadside.gap") {
        gaps.emplace_back(event.data);
      } else if (event.type == "broadside.auth-expiring") {
        notice = event.data;
      } else if (event.type != "broadside.end") {
        data.emplace_back(event.data);
      }
    });
  }

  int fd_ = -1;
  bool has_head_ = false;
  test::EventStream stream_;
};

class EngineFixture : public ::testing::TestWithParam<Backend> {
 protected:
  EngineFixture() {
    config_.listen = {"127.0.0.1:0"};
    config_.backend = GetParam();
    config_.shards = 2;
  }
  void start(RequestHandler* handler = nullptr) {
    Result<Engine> made = Engine::create(config_, handler != nullptr ? handler : &handler_);
    if (!made && GetParam() == Backend::uring && made.error().code == Error::Code::unavailable)
      GTEST_SKIP() << "no io_uring here: " << made.error().message;
    ASSERT_TRUE(made) << made.error().message;
    engine_ = std::make_unique<Engine>(std::move(*made));
    engine_->start();
  }
  void end_all(const std::vector<std::string>& topics) {
    for (const std::string& topic : topics) {
      bool existed = false;
      ASSERT_TRUE(engine_->end(topic, &existed));
      ASSERT_TRUE(existed);
    }
  }

  TrivialHandler handler_;
  Config config_;
  std::unique_ptr<Engine> engine_;
};

#define BROADSIDE_ENGINE_ON_BOTH_BACKENDS(suite)                                       \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::Values(Backend::uring, Backend::epoll), \
                           [](const auto& backend) { return backend.param == Backend::uring ? "uring" : "epoll"; })

#define START_OR_SKIP(...) \
  start(__VA_ARGS__);      \
  if (IsSkipped() || HasFatalFailure()) return

}  // namespace broadside
