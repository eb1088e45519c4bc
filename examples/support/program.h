// What every example needs beside the engine, and a program of yours has in its own way: flags, a page to serve at `/`, and an
// end on SIGINT and SIGTERM. No part of Broadside.
#pragma once

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "broadside/engine.h"

namespace examples {

// The page.html beside the program, put into it at build time.
extern const char kPageHtml[];
extern const std::size_t kPageHtmlBytes;

// Serves the page. What a program has beyond that it answers in an on_request of its own.
class PageHandler : public broadside::RequestHandler {
 public:
  broadside::Response on_request(const broadside::Request& request) noexcept override {
    if (request.path != "/") return RequestHandler::on_request(request);
    return {.content_type = "text/html; charset=utf-8", .body = {kPageHtml, kPageHtmlBytes}};
  }
};

// `--name value` pairs. Made from the names that the program knows, with what counts if they are not given.
class Flags {
 public:
  Flags(int count, char** arguments, std::map<std::string, std::string> defaults) : values_(std::move(defaults)) {
    values_.emplace("--listen", "127.0.0.1:8080");
    for (int at = 1; at < count; at += 2) {
      const auto found = values_.find(arguments[at]);
      if (found == values_.end() || at + 1 == count) end_with_usage(arguments[0]);
      found->second = arguments[at + 1];
    }
  }
  const std::string& text(const std::string& name) const { return values_.at(name); }
  int number(const std::string& name) const { return std::atoi(values_.at(name).c_str()); }

 private:
  [[noreturn]] void end_with_usage(const char* program) const {
    std::fprintf(stderr, "usage: %s", program);
    for (const auto& [name, value] : values_) std::fprintf(stderr, " [%s %s]", name.c_str(), value.c_str());
    std::fprintf(stderr, "\n");
    std::exit(2);
  }

  std::map<std::string, std::string> values_;
};

// Blocks SIGINT and SIGTERM and makes them something to wait for. Threads inherit what is blocked, so it comes before the engine.
class StopSignal {
 public:
  StopSignal() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  }
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  ~StopSignal() { close(fd_); }

  int fd() const { return fd_; }  // Readable once one of them has come.
  // Waits so long at most; -1 is for ever. True once one has come.
  bool wait(int timeout_ms) const {
    pollfd signal{.fd = fd_, .events = POLLIN, .revents = 0};
    return poll(&signal, 1, timeout_ms) > 0;
  }

 private:
  int fd_ = -1;
};

// Starts the engine and says where it listens.
inline void start(broadside::Engine& engine) {
  engine.start();
  for (const std::string& url : engine.listen_urls()) std::printf("listening on %s\n", url.c_str());
  std::fflush(stdout);
}

// What main() returns when there is no engine.
[[nodiscard]] inline int fail(const broadside::Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

// For what cannot fail here but for want of memory: says so, and the program goes on.
template <typename T>
void check(const broadside::Result<T>& result) {
  if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
}

}  // namespace examples
