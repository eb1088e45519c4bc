// The floor that deliveries are measured against: accepts the streams that Broadside would accept, answers them with the same
// head, and puts each event on them by a bare loop of non-blocking send(). It keeps nothing, waits for nobody and counts
// nothing; what it costs is what the kernel costs. Every stream gets every event: its clients use one topic. With --watch it
// keeps the streams in its epoll set, as a server that wants to know who is gone must: the least kernel memory a stream can
// have. Not a server for anything else.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/io/socket.h"

namespace {

using broadside::Result;

constexpr std::string_view kStreamStart =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
    "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n\r\n"
    "id: 1700000000000-0\nevent: broadside.open\nretry: 3000\n"
    "data: {\"connection\":\"00000000000000000000000000000000\",\"topics\":[\"fanout\"]}\n\n";
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

std::uint64_t wall_clock_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

class FloorServer {
 public:
  FloorServer(int listener, bool watches) : listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)), watches_(watches) {
    watch(listener_);
  }

  [[noreturn]] void run() {
    for (;;) {
      epoll_event events[256];
      const int count = ::epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == listener_) {
          accept_all();
        } else {
          on_readable(events[i].data.fd);
        }
      }
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      watch(fd);
    }
  }

  void on_readable(int fd) {
    char bytes[65536];
    const ssize_t count = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
      inputs_.erase(fd);
      if (watches_) std::erase(streams_, fd);
      ::close(fd);
      return;
    }
    std::string& input = inputs_[fd];
    input.append(bytes, static_cast<std::size_t>(count));
    while (take_request(fd, input)) {
    }
    if (input.empty()) inputs_.erase(fd);
  }

  // Serves the first request of `input` and takes it out. False if it is not complete yet, or begins a stream.
  bool take_request(int fd, std::string& input) {
    const std::size_t head_end = input.find("\r\n\r\n");
    if (head_end == std::string::npos) return false;
    const std::string_view head = std::string_view(input).substr(0, head_end + 2);
    if (head.starts_with("GET /events/")) {
      begin_stream(fd);
      input.clear();
      return false;
    }
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const std::size_t length_at = head.find(kLength);
    const std::size_t body_bytes =
        length_at == std::string_view::npos ? 0 : std::strtoul(head.data() + length_at + kLength.size(), nullptr, 10);
    const std::size_t body_at = head_end + 4;
    if (input.size() < body_at + body_bytes) return false;
    if (head.starts_with("POST /events/")) publish(std::string_view(input).substr(body_at, body_bytes));
    answer(fd);
    input.erase(0, body_at + body_bytes);
    return true;
  }

  void begin_stream(int fd) {
    if (watches_) {
      epoll_event event{};
      event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
      event.data.fd = fd;
      ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
    } else {
      ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    }
    streams_.push_back(fd);
    ::send(fd, kStreamStart.data(), kStreamStart.size(), kSendFlags);
  }

  static void answer(int fd) {
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{}\n";
    ::send(fd, kAnswer.data(), kAnswer.size(), kSendFlags);
  }

  // The loop that is the floor. Streams that are gone, or have no room, are closed here, since nothing else looks at them.
  void publish(std::string_view data) {
    const std::string frame = "id: " + std::to_string(wall_clock_ms()) + "-0\ndata: " + std::string(data) + "\n\n";
    bool has_gone = false;
    for (int& fd : streams_) {
      const ssize_t sent = ::send(fd, frame.data(), frame.size(), kSendFlags);
      if (sent == static_cast<ssize_t>(frame.size())) continue;
      ::close(fd);
      fd = -1;
      has_gone = true;
    }
    if (has_gone) std::erase(streams_, -1);
  }

  const int listener_;
  const int epoll_;
  const bool watches_;
  std::unordered_map<int, std::string> inputs_;  // Requests that have not come whole.
  std::vector<int> streams_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string where = argc > 1 ? argv[1] : "127.0.0.1:0";
  const bool watches = argc > 2 && std::string_view(argv[2]) == "--watch";
  Result<broadside::io::ListenAddress> address = broadside::io::parse_listen_address(where);
  if (!address) {
    std::fprintf(stderr, "usage: %s [HOST:PORT [--watch]]; %s\n", argv[0], address.error().message.c_str());
    return 2;
  }
  // The same options as the engine's, so that the sockets are the same.
  broadside::io::ListenerOptions options;
  options.user_timeout = 35 * broadside::kSecond;
  Result<int> listener = broadside::io::open_listener(*address, options);
  if (!listener) {
    std::fprintf(stderr, "%s\n", listener.error().message.c_str());
    return 1;
  }
  Result<broadside::io::ListenAddress> bound = broadside::io::bound_address(*listener);
  std::printf("listening on %s\n", broadside::io::format_url(bound ? *bound : *address).c_str());
  std::fflush(stdout);
  FloorServer(*listener, watches).run();
}
