// Request smuggling: what one server on a path may read as the end of a request and another not. Behind each try stands a request
// that must never be answered, and never be acted upon: what is in doubt is refused, and the connection closed.
#include <gtest/gtest.h>

#include <string_view>

#include "tests/support/backend_test.h"
#include "tests/support/http_table.h"

namespace broadside::test {
namespace {

// What is smuggled. It would be acted upon, not only answered.
const std::string& smuggled() {
  static const std::string request = post_with("Content-Length: 8\r\n", "smuggled", "/events/smuggled");
  return request;
}

class HttpSmuggling : public BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (!IsSkipped()) start({"--diagnostic-echo"});
  }
  // Each of `fields` makes a head that is refused, with the rest of the bytes unread.
  void expect_refused(const char* rule, const std::vector<std::string>& fields, const std::string& body, const char* answers) {
    std::vector<HttpRow> rows;
    for (const std::string& field : fields) rows.push_back({rule, post_with(field, body) + smuggled(), answers});
    expect_answers(port(), rows);
    expect_nothing_smuggled();
  }
  void expect_nothing_smuggled() { EXPECT_EQ(get("/topics/smuggled").status(), 404); }
};
BROADSIDE_ON_BOTH_BACKENDS(HttpSmuggling);

std::string chunked(const std::string& body) { return post_with("Transfer-Encoding: chunked\r\n", body) + smuggled(); }

// So that control bytes may be written inside of text.
std::string bytes(std::string_view text) { return std::string(text); }

using namespace std::string_view_literals;

TEST_P(HttpSmuggling, by_a_length_and_a_coding) {
  expect_refused("CL.TE and TE.CL",
                 {
                     "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                     "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                     "Content-Length: 0\r\nA: b\r\nTransfer-Encoding: chunked\r\n",
                     "Content-Length: 5\r\ntransfer-encoding:chunked\r\n",
                     "Content-Length: 5\r\nTransfer-Encoding:\tchunked\r\n",
                     "Content-Length: 5\r\nTransfer-Encoding: x\r\n",
                     "Content-Length: 5\r\nTransfer-Encoding:\r\n",
                     "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
                 },
                 "0\r\n\r\n", "400 closed");
}

TEST_P(HttpSmuggling, by_a_coding_that_one_does_not_know) {
  expect_refused("TE.TE",
                 {
                     "Transfer-Encoding: xchunked\r\n",
                     "Transfer-Encoding: chunkedx\r\n",
                     "Transfer-Encoding: x chunked\r\n",
                     "Transfer-Encoding: chunked;a=b\r\n",
                     "Transfer-Encoding: \"chunked\"\r\n",
                     "Transfer-Encoding: 'chunked'\r\n",
                     "Transfer-Encoding: identity\r\n",
                     "Transfer-Encoding: chunked, identity\r\n",
                     "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
                     "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
                     "Transfer-Encoding: chunked,\r\n",
                     "Transfer-Encoding: ,chunked\r\n",
                     "Transfer-Encoding: chunked, chunked\r\n",
                     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                     "Transfer-Encoding : chunked\r\n",
                     "Transfer-Encoding\t: chunked\r\n",
                     "Transfer-Encoding\n: chunked\r\n",
                     "A: b\r\n Transfer-Encoding: chunked\r\n",
                     "A: b\nTransfer-Encoding: chunked\r\n",
                     "A: b\rTransfer-Encoding: chunked\r\n",
                     "Transfer-Encoding:\r\n chunked\r\n",
                     "Transfer-Encoding: chunked\r\n ,x\r\n",
                     bytes("Transfer-Encoding: \0chunked\r\n"sv),
                     bytes("Transfer-Encoding: chunked\0\r\n"sv),
                     bytes("Transfer-Encoding\0: chunked\r\n"sv),
                     "Transfer-Encoding: \x0B"
                     "chunked\r\n",
                     "Transfer-Encoding: \x7F"
                     "chunked\r\n",
                     "Transfer-Encoding: \xC2\xA0"
                     "chunked\r\n",
                 },
                 "0\r\n\r\n", "400 closed");
  expect_refused("TE.TE, of which the last is chunked",
                 {"Transfer-Encoding: x, chunked\r\n", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n"}, "0\r\n\r\n",
                 "501 closed");
}

TEST_P(HttpSmuggling, by_a_length_that_is_read_in_two_ways) {
  std::vector<std::string> fields = {
      "Content-Length: 0\r\nContent-Length: 5\r\n",
      "Content-Length: 5\r\nContent-Length: 0\r\n",
      "Content-Length: 0\r\ncontent-length: 0\r\n",
      "Content-Length : 0\r\n",
      "Content-Length\t: 0\r\n",
      " Content-Length: 0\r\n",
      "A: b\r\n Content-Length: 0\r\n",
      "A: b\nContent-Length: 0\r\n",
      "A: b\rContent-Length: 0\r\n",
      bytes("Content-Length: 0\0\r\n"sv),
      bytes("Content-Length: \0000\r\n"sv),
      bytes("Content-Length\0: 0\r\n"sv),
  };
  // 2^64, and 2^64 and 5: nothing and 5 to whoever counts in 64 bits.
  for (const char* value : {"",
                            "+0",
                            "-0",
                            "- 0",
                            "0,0",
                            "0, 0",
                            "0,5",
                            "0 0",
                            "0x0",
                            "0x5",
                            "0.0",
                            "0e0",
                            "0_0",
                            "0;a",
                            "\"0\"",
                            "a",
                            "0a",
                            "\x0B"
                            "0",
                            "0\x0C",
                            "\xC2\xA0"
                            "0",
                            "\xEF\xBC\x90",
                            "18446744073709551616",
                            "18446744073709551621",
                            "99999999999999999999999999"}) {
    fields.push_back("Content-Length: " + std::string(value) + "\r\n");
  }
  expect_refused("Content-Length", fields, "", "400 closed");
}

TEST_P(HttpSmuggling, by_chunks) {
  std::vector<HttpRow> rows;
  for (const std::string_view body : {
           "10000000000000000\r\n\r\n"sv,  // 2^64.
           "00000000000000000\r\n\r\n"sv,  // More digits than 64 bits have.
           "fffffffffffffffff\r\n\r\n"sv,
           "+0\r\n\r\n"sv,
           "-0\r\n\r\n"sv,
           "0x0\r\n\r\n"sv,
           "0_0\r\n\r\n"sv,
           " 0\r\n\r\n"sv,
           "g\r\n\r\n"sv,
           "\r\n\r\n"sv,
           ";a\r\n\r\n"sv,
           "0\n\r\n"sv,
           "0\r\r\n\r\n"sv,
           "0\rX\r\n\r\n"sv,
           "0\0\r\n\r\n"sv,
           "0;\n\r\n"sv,
           "0;a\nb\r\n\r\n"sv,
           "0;a\rb\r\n\r\n"sv,
           "0;a\0b\r\n\r\n"sv,
           "0;\"\n\"\r\n\r\n"sv,
           "1\r\nXX\r\n0\r\n\r\n"sv,
           "1\r\nX\n0\r\n\r\n"sv,
           "1\r\nX0\r\n\r\n"sv,
           "1\r\nX\r\r\n0\r\n\r\n"sv,
           "2\r\nX\r\n0\r\n\r\n"sv,
           "0\r\nA\r\n\r\n"sv,
           "0\r\nA : b\r\n\r\n"sv,
           "0\r\n A: b\r\n\r\n"sv,
           "0\r\nA: b\r\n c\r\n\r\n"sv,
           "0\r\nA: b\n\r\n"sv,
           "0\r\nA: b\r\n\n"sv,
           "0\r\n: b\r\n\r\n"sv,
           "0\r\nA: \0\r\n\r\n"sv,
           "0\r\n\n"sv,
           "0\r\n\rX"sv,
       }) {
    rows.push_back({"chunks", chunked(bytes(body)), "400 closed"});
  }
  expect_answers(port(), rows);
  // What follows is their data, of which there is never enough.
  expect_answers(port(),
                 {
                     {"a chunk as large as can be", chunked("ffffffffffffffff\r\n\r\n"), "closed"},
                     {"one that runs over with the next", chunked("1\r\nX\r\nffffffffffffffff\r\n\r\n"), "closed"},
                 },
                 AfterSending::half_close);
  expect_nothing_smuggled();
}

TEST_P(HttpSmuggling, by_request_lines_and_hosts) {
  const std::string host = "Host: {host}\r\n";
  const std::string bad_lines[] = {
      "GET /healthz HTTP/1.1 HTTP/1.1\r\n" + host + "\r\n",
      "GET /healthz /none HTTP/1.1\r\n" + host + "\r\n",
      "GET /healthz\nGET /none HTTP/1.1\r\n" + host + "\r\n",
      "GET /healthz\rGET /none HTTP/1.1\r\n" + host + "\r\n",
      bytes("GET /healthz\0 HTTP/1.1\r\n"sv) + host + "\r\n",
      "GET /healthz HTTP/1.1\n" + host + "\r\n",
      "GET /healthz HTTP/1.1\r" + host + "\r\n",
      "GET /healthz HTTP/1.1\r\n" + host + "\n",
      "GET /healthz HTTP/1.1\r\n" + host + "\rX",
      "GET /healthz HTTP/1.1\r\nHost: {host}\r\n\tb\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nHost : {host}\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nHost: {host}, other.example\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nHost: {host}\r\nHost: other.example\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nHost: {host}/none\r\n\r\n",
      "GET http://{host}, other.example/healthz HTTP/1.1\r\n" + host + "\r\n",
      "GET http:///healthz HTTP/1.1\r\n" + host + "\r\n",
      "GET ftp://{host}/healthz HTTP/1.1\r\n" + host + "\r\n",
      "GET \\healthz HTTP/1.1\r\n" + host + "\r\n",
  };
  std::vector<HttpRow> rows;
  for (const std::string& line : bad_lines) rows.push_back({"request line or Host", line + smuggled(), "400 closed"});
  expect_answers(port(), rows);
  expect_nothing_smuggled();
}

TEST_P(HttpSmuggling, as_a_body_that_nobody_wants) {
  const std::string body = with_host(smuggled(), authority());
  const std::string framed[] = {"Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body,
                                "Transfer-Encoding: chunked\r\n\r\n" + chunk_text(body) + "0\r\n\r\n"};
  struct Try {
    const char* line;
    const char* answers;
  };
  constexpr Try kTries[] = {
      {"GET /healthz", "200 open"},      {"HEAD /healthz", "200 open"},    {"POST /healthz", "405 open"},
      {"POST /none", "404 open"},        {"PUT /healthz", "405 open"},     {"DELETE /events/none", "404 open"},
      {"OPTIONS /events/a", "204 open"}, {"TRACE /healthz", "405 open"},   {"GET /events", "400 closed"},
      {"HEAD /events/a", "200 closed"},  {"GET /topics/none", "404 open"}, {"POST /connections/none", "404 open"},
  };
  std::vector<HttpRow> rows;
  for (const std::string& rest : framed) {
    for (const Try& each : kTries) {
      rows.push_back({each.line, std::string(each.line) + " HTTP/1.1\r\nHost: {host}\r\n" + rest, each.answers});
    }
  }
  rows.push_back({"a body that is too large", post_with("Content-Length: 99999999\r\n", smuggled()), "413 closed"});
  rows.push_back(
      {"an expectation that is none", post_with("Expect: 100-continue, x\r\nContent-Length: 9\r\n", smuggled()), "417 closed"});
  expect_answers(port(), rows);
  expect_nothing_smuggled();
}

TEST_P(HttpSmuggling, by_a_change_of_protocol) {
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings = bytes("\0\0\0\x04\0\0\0\0\0"sv);
  const std::string h2c = get_with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n");
  expect_answers(
      port(), {
                  {"HTTP/2 from the start", preface + settings + smuggled(), "505 closed"},
                  {"h2c by Upgrade", h2c + preface + settings + smuggled(), "200 505 closed"},
                  {"a websocket", get_with("Connection: Upgrade\r\nUpgrade: websocket\r\n") + "\x81\x05hello" + smuggled(),
                   "200 400 closed"},
                  {"a tunnel", "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n" + smuggled(), "404 closed"},
                  {"TLS", "\x16\x03\x01\x02" + smuggled(), "400 closed"},
                  {"PROXY from a stranger", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + smuggled(), "400 closed"},
              });
  expect_nothing_smuggled();
}

TEST_P(HttpSmuggling, behind_a_subscription_is_ignored) {
  const std::string more = with_host(smuggled(), authority());
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send(with_host(get_with("", "/events/a"), authority()) + more));
  SseStream stream = SseStream::from(std::move(connection));
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  ASSERT_TRUE(stream.connection().send(more));
  publish("a", "x");
  EXPECT_TRUE(stream.wait_published(1));
  expect_nothing_smuggled();
}

}  // namespace
}  // namespace broadside::test
