// What `publish` and `subscribe` share: one HTTP request at a time over libcurl, that can send and receive at once and is
// waited for together with other descriptors; stop signals as a descriptor; pauses between attempts. Used by one thread.
#pragma once

#include <curl/curl.h>
#include <poll.h>

#include <CLI/App.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/client_token.h"

namespace broadside::tools {

using SteadyClock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

// Exit statuses of both commands.
constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;

// Where a command connects to, and what every request of it carries.
struct Target {
  std::string url;
  std::vector<std::string> headers;  // "Name: value", each with a colon.
  std::string unix_socket;           // Empty = TCP.
  TokenSource token;
  std::string ca_file;       // PEM of whom to believe for https; empty = the system's.
  bool is_insecure = false;  // Believes everybody.
};

// Adds the URL and the options that a Target is made of.
void add_target_options(CLI::App& command, Target& target, const std::string& url_help);
// Adds the header that carries the token, if there is one. Throws CLI::ValidationError, for callbacks of commands.
void add_token_header(Target& target);

// What is wrong with `header` as a field of a request; empty if nothing is.
[[nodiscard]] std::string header_problem(const std::string& header);

// What is wrong with `url` as an http or https address; empty if nothing is.
[[nodiscard]] std::string url_problem(const std::string& url);

// `url` with a further member in its query, percent-encoded; a fragment is cut off.
[[nodiscard]] std::string url_with_query(std::string url, std::string_view name, std::string_view value);

// The `detail` (or `title`) of a problem+json body, else the start of the body itself, as one line.
[[nodiscard]] std::string problem_text(std::string_view body);

// Text that a terminal cannot mistake for a command: control characters but the tab become \x1b and the like.
[[nodiscard]] std::string printable(std::string_view text);

// SIGINT and SIGTERM, as something that poll() can wait for. While it lives they do not end the process, and SIGPIPE is ignored.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // The next signal that has come, or 0.
  [[nodiscard]] int take() const;

 private:
  int fd_;
};

// How long to wait before the next attempt: doubles from `first` to `most`, with a jitter of a third, so that many clients
// of one server that was restarted do not return in step.
class Backoff {
 public:
  Backoff(Milliseconds first, Milliseconds most) : first_(first), most_(most), next_(first), random_(std::random_device{}()) {}

  [[nodiscard]] Milliseconds take();
  void reset() { next_ = first_; }
  void reset(Milliseconds first) { next_ = first_ = first; }

 private:
  Milliseconds first_;
  Milliseconds most_;
  Milliseconds next_;
  std::minstd_rand random_;
};

// How a request ended.
struct HttpEnd {
  CURLcode code = CURLE_OK;
  long status = 0;         // 0 = no answer came.
  std::string message;     // Why there is no answer, in libcurl's words.
  std::string body;        // The start of the body, if the status is not 200.
  long retry_after_s = 0;  // Of the answer; 0 = it said nothing.

  // Whether another attempt could do better: the network failed, or a server that is overloaded or about to stop said so.
  [[nodiscard]] bool is_passing() const { return status == 0 || status == 200 || status == 429 || status >= 500; }
  // Whether not even a connection was made.
  [[nodiscard]] bool is_unreachable() const;
  // Whether libcurl would fail again without asking anybody: a bad URL, an unknown protocol.
  [[nodiscard]] bool is_our_fault() const;
};

// One request under way. Invariants: handlers are called from step() and the destructor alone; none after step() gave an end.
class HttpRequest {
 public:
  struct Handlers {
    // The next bytes of a 200 answer; false ends the request.
    std::function<bool(std::string_view)> on_body;
    // Writes up to `size` bytes of a request body and returns how many; 0 ends the body, nothing means "not yet": then it is
    // asked again after resume_sending(). Without a source the request is a GET.
    std::function<std::optional<std::size_t>(char* out, std::size_t size)> body_source;
  };

  HttpRequest(const Target& target, const std::vector<std::string>& more_headers, Handlers handlers);
  ~HttpRequest();
  HttpRequest(const HttpRequest&) = delete;
  HttpRequest& operator=(const HttpRequest&) = delete;

  // Waits until something can be done here or on one of `others`, `wait` at most.
  void wait(std::span<curl_waitfd> others, Milliseconds wait);
  // Sends and receives what can be without waiting. The end, once there is one.
  [[nodiscard]] std::optional<HttpEnd> step();
  // The source has bytes, or its end, again.
  void resume_sending();

  [[nodiscard]] long status() const;
  // The answer's Content-Type without parameters, in lower case.
  [[nodiscard]] std::string content_type() const;

 private:
  void set_options(const Target& target, const std::vector<std::string>& more_headers);
  // The connection's socket; -1 when there is none, or still a choice of several.
  [[nodiscard]] int connection_fd() const { return sockets_.size() == 1 ? sockets_.front() : -1; }
  // Whether the server has ended the connection while we have nothing to send.
  [[nodiscard]] bool is_peer_gone() const;
  static std::size_t on_write(char* bytes, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_read(char* out, std::size_t size, std::size_t count, void* self) noexcept;
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;
  static int on_close_socket(void* self, curl_socket_t socket) noexcept;

  Handlers handlers_;
  CURLM* multi_;
  CURL* easy_;
  curl_slist* headers_ = nullptr;
  std::vector<int> sockets_;  // Those that libcurl has open for this request.
  std::string refusal_body_;
  char error_[CURL_ERROR_SIZE] = {};
  bool is_sending_paused_ = false;
};

// Waits without a request under way: for one of `others`, `wait` at most.
void wait_for(std::span<curl_waitfd> others, Milliseconds wait);

}  // namespace broadside::tools
