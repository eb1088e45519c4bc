// The HTTP client of the commands against a server that behaves badly; and the text it shows.
#include "tools/client_support.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace broadside::tools {
namespace {

// A listener on a free port, served by hand in the test's own thread.
class HandServer {
 public:
  HandServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/events/t";
  }
  ~HandServer() {
    if (connection_ >= 0) close(connection_);
    close(listener_);
  }
  void accept_one() { connection_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); }
  void answer(std::string_view text) const {
    EXPECT_EQ(send(connection_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Reads until the request's body shows `text`.
  void read_until(std::string_view text) const {
    std::string seen;
    char bytes[4096];
    while (seen.find(text) == std::string::npos) {
      const ssize_t length = recv(connection_, bytes, sizeof bytes, 0);
      ASSERT_GT(length, 0);
      seen.append(bytes, static_cast<std::size_t>(length));
    }
  }
  void stop_sending() const { shutdown(connection_, SHUT_WR); }
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  int listener_;
  int connection_ = -1;
  std::string url_;
};

HttpEnd run_to_end(HttpRequest& request) {
  const auto until = SteadyClock::now() + std::chrono::seconds(20);
  while (SteadyClock::now() < until) {
    if (auto end = request.step()) return *end;
    request.wait({}, Milliseconds(1000));
  }
  ADD_FAILURE() << "the request does not end";
  return {};
}

// An upload that has one line and then nothing for ever; the server answers `answer` and stops sending.
HttpEnd end_after(std::string_view answer, std::string& body) {
  HandServer server;
  bool is_sent = false;
  HttpRequest request({.url = server.url(), .headers = {}, .unix_socket = {}}, {"Connection: close"},
                      {.on_body =
                           [&body](std::string_view bytes) {
                             body += bytes;
                             return true;
                           },
                       .body_source = [&is_sent](char* out, std::size_t) -> std::optional<std::size_t> {
                         if (std::exchange(is_sent, true)) return std::nullopt;
                         *out = 'x';
                         return 1;
                       }});
  static_cast<void>(request.step());
  server.accept_one();
  while (!is_sent) {
    request.wait({}, Milliseconds(10));
    static_cast<void>(request.step());
  }
  static_cast<void>(request.step());
  server.read_until("\r\n\r\n1\r\nx\r\n");
  server.answer(answer);
  server.stop_sending();
  return run_to_end(request);
}

TEST(HttpRequest, ends_when_the_server_ends_its_answer_while_there_is_nothing_to_send) {
  std::string body;
  const HttpEnd end = end_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n", body);
  EXPECT_EQ(end.status, 200);
  EXPECT_EQ(body, "one");
}

TEST(HttpRequest, ends_when_the_connection_is_lost_wherever_while_there_is_nothing_to_send) {
  const std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n";
  for (std::size_t size = 0; size < answer.size(); ++size) {
    SCOPED_TRACE(size);
    std::string body;
    static_cast<void>(end_after(answer.substr(0, size), body));
    EXPECT_TRUE(std::string_view("onethree").starts_with(body));
  }
}

TEST(HttpRequest, hands_over_a_refusal) {
  std::string body;
  const HttpEnd end = end_after(
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{\"detail\":\"too "
      "many\"}",
      body);
  EXPECT_EQ(end.status, 503);
  EXPECT_EQ(end.retry_after_s, 7);
  EXPECT_TRUE(end.is_passing());
  EXPECT_EQ(problem_text(end.body), "too many");
  EXPECT_EQ(body, "");
}

TEST(HttpRequest, says_that_nobody_listens) {
  std::string url;
  {
    const HandServer server;
    url = server.url();
  }
  HttpRequest request({.url = url, .headers = {}, .unix_socket = {}}, {},
                      {.on_body = [](std::string_view) { return true; }, .body_source = nullptr});
  const HttpEnd end = run_to_end(request);
  EXPECT_EQ(end.status, 0);
  EXPECT_TRUE(end.is_unreachable());
  EXPECT_FALSE(end.message.empty());
}

TEST(ClientText, tells_what_is_wrong_with_a_url) {
  EXPECT_EQ(url_problem("http://127.0.0.1:8080/events/a"), "");
  EXPECT_EQ(url_problem("https://example.com"), "");
  EXPECT_NE(url_problem("127.0.0.1:8080/events/a"), "");
  EXPECT_NE(url_problem("ftp://example.com"), "");
  EXPECT_NE(url_problem(""), "");
}

TEST(ClientText, puts_topics_into_the_query) {
  EXPECT_EQ(url_with_query("http://h/events", "topic", "a b&c/\xC3\xBC"), "http://h/events?topic=a%20b%26c%2F%C3%BC");
  EXPECT_EQ(url_with_query("http://h/events?topic=a#x", "topic", "b"), "http://h/events?topic=a&topic=b");
}

TEST(ClientText, shows_no_control_characters) {
  EXPECT_EQ(printable("a\tb \xC3\xBC"), "a\tb \xC3\xBC");
  EXPECT_EQ(printable("\x1b[2J\r\x7f\xC2\x9B"), "\\x1b[2J\\x0d\\x7f\\x9b");
}

TEST(ClientText, finds_the_reason_in_a_problem_document) {
  EXPECT_EQ(problem_text(R"({"title":"Bad","status":400,"detail":"no topic"})"), "no topic");
  EXPECT_EQ(problem_text(R"({"title":"Bad"})"), "Bad");
  EXPECT_EQ(problem_text("plain words\n"), "plain words");
  EXPECT_EQ(problem_text(""), "");
  EXPECT_EQ(problem_text("[1"), "[1");
}

TEST(Backoff, doubles_to_its_limit_with_a_jitter_of_a_third) {
  Backoff backoff(Milliseconds(100), Milliseconds(300));
  for (const int base : {100, 200, 300, 300}) {
    const auto pause = backoff.take();
    EXPECT_GE(pause.count(), base - base / 3);
    EXPECT_LE(pause.count(), base + base / 3);
  }
  backoff.reset();
  EXPECT_LE(backoff.take().count(), 133);
}

}  // namespace
}  // namespace broadside::tools
