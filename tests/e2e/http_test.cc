// What the server does over HTTP that takes a while or a feature of its own: timeouts, HTTP/1.0, large bodies, preflights. What
// it takes and refuses is in http_conformance_test.cc and http_smuggling_test.cc.
#include <gtest/gtest.h>

#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

class Http : public BackendTest {};
BROADSIDE_ON_BOTH_BACKENDS(Http);

TEST_P(Http, a_slow_head_gets_408) {
  start({"--head-timeout", "1s"});
  HttpConnection slow = HttpConnection::open(port());
  ASSERT_TRUE(slow.send("GET /healthz HTTP/1.1\r\nHost:"));
  const HttpResponse response = slow.read_response();
  expect_problem(response, 408);
  EXPECT_TRUE(slow.wait_closed());
}

TEST_P(Http, a_connection_that_says_nothing_is_closed) {
  start({"--head-timeout", "1s"});
  HttpConnection silent = HttpConnection::open(port());
  EXPECT_TRUE(silent.wait_closed());
}

TEST_P(Http, http_1_0_gets_streams_too) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("GET /events/a HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n"));
  SseStream stream = SseStream::from(std::move(connection));
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  publish("a", "x");
  EXPECT_TRUE(stream.wait_published(1));
}

TEST_P(Http, http_1_0_is_told_that_a_connection_stays_open) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(connection.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    EXPECT_TRUE(header_has_token(connection.read_response().head.headers, "Connection", "keep-alive"));
  }
  ASSERT_TRUE(connection.send("GET /healthz HTTP/1.1\r\nHost: " + authority() + "\r\n\r\n"));
  EXPECT_FALSE(connection.read_response().head.has("Connection"));
}

TEST_P(Http, an_endless_body_is_told_when_its_connection_will_close) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(
      connection.send("POST /events HTTP/1.1\r\nHost: " + authority() +
                      "\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"));
  EXPECT_TRUE(header_has_token(connection.read_head().headers, "Connection", "close"));
}

TEST_P(Http, a_refused_large_body_does_not_lose_the_answer) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST /events/a HTTP/1.1\r\nHost: " + authority() + "\r\nContent-Length: 5000000\r\n\r\n"));
  connection.send(std::string(200'000, 'x'));  // Input that is never read would make the close a reset.
  expect_problem(connection.read_response(), 413);
}

TEST_P(Http, a_chunked_body_that_grows_too_large_is_refused) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST /events/a HTTP/1.1\r\nHost: " + authority() + "\r\nTransfer-Encoding: chunked\r\n\r\n"));
  for (int number = 0; number < 20; ++number) {
    if (!connection.send(chunk_text(std::string(65'536, 'x')))) break;  // It may be refused before all is sent.
  }
  const HttpResponse response = connection.read_response();
  expect_problem(response, 413);
  EXPECT_TRUE(header_has_token(response.head.headers, "Connection", "close"));
}

TEST_P(Http, options_answers_a_preflight) {
  start({"--cors-origin", "https://app.example"});
  const HttpResponse response = fetch(port(), "OPTIONS", "/events/a",
                                      {{"Origin", "https://app.example"},
                                       {"Access-Control-Request-Method", "POST"},
                                       {"Access-Control-Request-Headers", "content-type"}});
  EXPECT_TRUE(response.status() == 204 || response.status() == 200) << response.head.text;
  EXPECT_EQ(response.header("Access-Control-Allow-Origin"), "https://app.example");
  for (const std::string method : {"GET", "POST", "DELETE"}) {
    EXPECT_TRUE(header_has_token(response.head.headers, "Access-Control-Allow-Methods", method)) << method;
  }
  for (const std::string header : {"Last-Event-ID", "Content-Type", "Authorization"}) {
    EXPECT_TRUE(header_has_token(response.head.headers, "Access-Control-Allow-Headers", header)) << header;
  }
  EXPECT_TRUE(response.head.has("Access-Control-Max-Age"));
  HttpConnection star = HttpConnection::open(port());
  ASSERT_TRUE(star.send("OPTIONS * HTTP/1.1\r\nHost: " + authority() + "\r\n\r\n"));
  const int status = star.read_response().status();
  EXPECT_TRUE(status == 200 || status == 204) << status;
}

TEST_P(Http, diagnostic_echo_answers_a_post_with_its_body) {
  start({"--diagnostic-echo"});
  EXPECT_EQ(get("/").status(), 200);
  EXPECT_EQ(fetch(port(), "HEAD", "/").status(), 200);
  const HttpResponse response = post("/", "the body");
  EXPECT_EQ(response.status(), 200);
  EXPECT_EQ(response.body, "the body");
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST / HTTP/1.1\r\nHost: " + authority() + "\r\nTransfer-Encoding: chunked\r\n\r\n" +
                              chunk_text("the ") + chunk_text("chunks") + "0\r\n\r\n"));
  EXPECT_EQ(connection.read_response().body, "the chunks");
}

TEST_P(Http, without_diagnostic_echo_the_page_takes_no_post) {
  start();
  const HttpResponse page = get("/");
  EXPECT_EQ(page.status(), 200);
  EXPECT_EQ(page.header("Content-Type").rfind("text/html", 0), 0U);
  expect_problem(post("/", "x"), 405);
}

}  // namespace
}  // namespace broadside::test
