// How strict the server is: what is malformed, oversized, slow or ambiguous gets the right answer and, where the framing is in
// doubt, a close; sent at once and byte by byte alike.
#include <gtest/gtest.h>

#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

class Http : public BackendTest {};
BROADSIDE_ON_BOTH_BACKENDS(Http);

struct Row {
  std::string name;
  std::string request;  // `{host}` is replaced.
  int status;
};

constexpr const char* kHost = "Host: {host}\r\n";

std::string get_with(const std::string& lines) { return "GET /healthz HTTP/1.1\r\n" + std::string(kHost) + lines + "\r\n"; }

std::string post_with(const std::string& lines, const std::string& body = "") {
  return "POST /events/a HTTP/1.1\r\n" + std::string(kHost) + lines + "\r\n" + body;
}

// All of these leave it in doubt where the next request begins, so each must be answered and closed.
std::vector<Row> refused_rows() {
  const std::string host = kHost;
  return {
      {"no version", "GET /healthz\r\n" + host + "\r\n", 400},
      {"nonsense", "\x16\x03\x01\x02\r\n\r\n", 400},
      {"version 2.0", "GET /healthz HTTP/2.0\r\n" + host + "\r\n", 505},
      {"version 0.9", "GET /healthz HTTP/0.9\r\n" + host + "\r\n", 505},
      {"version 1.2", "GET /healthz HTTP/1.2\r\n" + host + "\r\n", 505},
      {"version in lower case", "GET /healthz http/1.1\r\n" + host + "\r\n", 400},
      {"version too short", "GET /healthz HTTP/1\r\n" + host + "\r\n", 400},
      {"two spaces", "GET  /healthz HTTP/1.1\r\n" + host + "\r\n", 400},
      {"space at the end", "GET /healthz HTTP/1.1 \r\n" + host + "\r\n", 400},
      {"tab as separator", "GET\t/healthz\tHTTP/1.1\r\n" + host + "\r\n", 400},
      {"unknown method", "FETCH /healthz HTTP/1.1\r\n" + host + "\r\n", 501},
      {"method with a bad byte", "GE{T /healthz HTTP/1.1\r\n" + host + "\r\n", 400},
      {"relative target", "GET healthz HTTP/1.1\r\n" + host + "\r\n", 400},
      {"fragment", "GET /healthz#a HTTP/1.1\r\n" + host + "\r\n", 400},
      {"byte above ASCII in the target", "GET /health\xC3\xA4 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"control byte in the target", "GET /health\x01 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"no Host", "GET /healthz HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", get_with(host), 400},
      {"bare LF line ends", "GET /healthz HTTP/1.1\nHost: {host}\n\n", 400},
      {"bare LF after a field", get_with("A: b\n"), 400},
      {"bare CR in a field", get_with("A: b\rc\r\n"), 400},
      {"bare CR as a line end", get_with("A: b\rTransfer-Encoding: chunked\r\n"), 400},
      {"NUL in a field", get_with(std::string("A: b\0c\r\n", 8)), 400},
      {"folded line", get_with("A: b\r\n c\r\n"), 400},
      {"folded line by tab", get_with("A: b\r\n\tc\r\n"), 400},
      {"first field begins with a space", "GET /healthz HTTP/1.1\r\n " + host + "\r\n", 400},
      {"space before the colon", get_with("A : b\r\n"), 400},
      {"empty field name", get_with(": b\r\n"), 400},
      {"field without a colon", get_with("nonsense\r\n"), 400},
      {"bad byte in a field name", get_with("A(b): c\r\n"), 400},
      {"signed length", post_with("Content-Length: +5\r\n", "hello"), 400},
      {"negative length", post_with("Content-Length: -5\r\n", "hello"), 400},
      {"length in hexadecimal", post_with("Content-Length: 0x5\r\n", "hello"), 400},
      {"length with a space inside", post_with("Content-Length: 5 5\r\n", "hello"), 400},
      {"empty length", post_with("Content-Length: \r\n"), 400},
      {"length above 64 bits", post_with("Content-Length: 99999999999999999999999\r\n"), 400},
      {"two different lengths", post_with("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
      {"the same length twice", post_with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
      {"a list of lengths", post_with("Content-Length: 5, 5\r\n", "hello"), 400},
      {"length and chunked", post_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"chunked and length", post_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
      {"unknown transfer coding", post_with("Transfer-Encoding: gzip\r\n"), 501},
      {"chunked is not last", post_with("Transfer-Encoding: chunked, gzip\r\n"), 400},
      {"chunked twice", post_with("Transfer-Encoding: chunked, chunked\r\n"), 400},
      {"chunked in two fields", post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"transfer coding in 1.0", "POST /events/a HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"chunk size with a sign", post_with("Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size in 0x form", post_with("Transfer-Encoding: chunked\r\n", "0x5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk size too long", post_with("Transfer-Encoding: chunked\r\n", "11111111111111111\r\nhello"), 400},
      {"empty chunk size", post_with("Transfer-Encoding: chunked\r\n", "\r\nhello\r\n0\r\n\r\n"), 400},
      {"bare LF after a chunk size", post_with("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n"), 400},
      {"chunk longer than its size", post_with("Transfer-Encoding: chunked\r\n", "4\r\nhello\r\n0\r\n\r\n"), 400},
      {"head too large in one field", get_with("A: " + std::string(17'000, 'a') + "\r\n"), 431},
      {"head too large in many fields", get_with([] {
         std::string lines;
         for (int number = 0; number < 1000; ++number) lines += "A-Field-" + std::to_string(number) + ": some value\r\n";
         return lines;
       }()),
       431},
      {"target too long", "GET /" + std::string(15'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414},
      {"target without an end", "GET /" + std::string(20'000, 'a'), 414},
  };
}

std::string with_host(std::string text, const std::string& host) {
  for (std::size_t at = 0; (at = text.find("{host}", at)) != std::string::npos;) text.replace(at, 6, host);
  return text;
}

TEST_P(Http, what_is_malformed_is_refused_and_closed) {
  start();
  for (const Row& row : refused_rows()) {
    SCOPED_TRACE(row.name);
    HttpConnection connection = HttpConnection::open(port());
    // Anything read as a second request would be answered too: then the close would not come first.
    connection.send(with_host(row.request, authority()) + "GET /healthz HTTP/1.1\r\nHost: " + authority() + "\r\n\r\n");
    const HttpResponse response = connection.read_response();
    expect_problem(response, row.status);
    EXPECT_TRUE(header_has_token(response.head.headers, "Connection", "close")) << response.head.text;
    EXPECT_EQ(connection.read_some(100), "") << "something after the refusal";
    EXPECT_TRUE(connection.was_closed());
  }
}

TEST_P(Http, byte_by_byte_gets_the_same_answers) {
  start();
  for (const Row& row : refused_rows()) {
    if (row.request.size() > 2000) continue;  // The oversized: they are refused before they have been sent.
    SCOPED_TRACE(row.name);
    HttpConnection connection = HttpConnection::open(port());
    connection.send_byte_by_byte(with_host(row.request, authority()));  // May be cut short by the refusal.
    const HttpResponse response = connection.read_response();
    EXPECT_EQ(response.status(), row.status) << response.head.text;
    EXPECT_TRUE(header_has_token(response.head.headers, "Connection", "close"));
    EXPECT_TRUE(connection.wait_closed());
  }
}

TEST_P(Http, what_is_odd_but_allowed_is_answered) {
  start();
  const std::string host = kHost;
  const std::vector<Row> rows = {
      {"an empty line first", "\r\n" + get_with(""), 200},
      {"field values without a space", get_with("A:b\r\n"), 200},
      {"spaces around a value", get_with("A: \t b \t\r\n"), 200},
      {"an empty value", get_with("A:\r\n"), 200},
      {"bytes above ASCII in a value", get_with("A: \xC3\xA4\r\n"), 200},
      {"host in another case", "GET /healthz HTTP/1.1\r\nhOST: {host}\r\n\r\n", 200},
      {"absolute form", "GET http://{host}/healthz HTTP/1.1\r\n" + host + "\r\n", 200},
      {"an Upgrade is ignored", get_with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
       200},
      {"query on a known path", "GET /healthz?a=b HTTP/1.1\r\n" + host + "\r\n", 200},
      {"an escaped slash is no separator", "GET /topics%2Fa HTTP/1.1\r\n" + host + "\r\n", 404},
      {"chunk extensions and trailers", post_with("Transfer-Encoding: chunked\r\n", "5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"),
       200},
      {"chunk sizes in capitals and with zeros", post_with("Transfer-Encoding: chunked\r\n", "00A\r\n0123456789\r\n0\r\n\r\n"),
       200},
      {"chunked in capitals", post_with("Transfer-Encoding: Chunked\r\n", "1\r\nx\r\n0\r\n\r\n"), 200},
      {"a GET with a body", "GET /healthz HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody", 200},
      {"POST without a body", post_with("Content-Length: 0\r\n"), 200},
      {"HEAD of a known path", "HEAD /healthz HTTP/1.1\r\n" + host + "\r\n", 200},
  };
  for (const Row& row : rows) {
    for (const bool is_byte_by_byte : {false, true}) {
      SCOPED_TRACE(row.name + (is_byte_by_byte ? ", byte by byte" : ""));
      HttpConnection connection = HttpConnection::open(port());
      const std::string request = with_host(row.request, authority());
      ASSERT_TRUE(is_byte_by_byte ? connection.send_byte_by_byte(request) : connection.send(request));
      const HttpResponse response = connection.read_response(row.request.rfind("HEAD", 0) == 0);
      EXPECT_EQ(response.status(), row.status) << response.head.text << response.body;
      // The connection is still in step.
      ASSERT_TRUE(connection.send(request_text("GET", "/healthz", authority(), {}, "")));
      EXPECT_EQ(connection.read_response().status(), 200);
    }
  }
}

TEST_P(Http, a_target_of_8_kib_is_allowed) {
  start();
  const std::string target = "/healthz?" + std::string(8000, 'a');
  EXPECT_EQ(get(target).status(), 200);
}

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

TEST_P(Http, http_1_0_closes_unless_asked_to_stay) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("GET /healthz HTTP/1.0\r\n\r\n"));
  const HttpResponse response = connection.read_response();
  EXPECT_EQ(response.status(), 200);
  EXPECT_FALSE(response.head.has("Transfer-Encoding"));
  EXPECT_TRUE(connection.wait_closed());
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

TEST_P(Http, connection_close_is_honoured) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send(request_text("GET", "/healthz", authority(), {{"Connection", "close"}}, "")));
  const HttpResponse response = connection.read_response();
  EXPECT_EQ(response.status(), 200);
  EXPECT_TRUE(header_has_token(response.head.headers, "Connection", "close"));
  EXPECT_TRUE(connection.wait_closed());
}

TEST_P(Http, a_complete_request_is_answered_after_a_half_close) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send(request_text("POST", "/events/a", authority(), {}, "hello")));
  connection.half_close();
  EXPECT_EQ(connection.read_response().status(), 200);
  EXPECT_TRUE(connection.wait_closed());
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
