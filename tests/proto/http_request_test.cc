// Request heads: what is understood, what is refused and with which status; each whole, byte by byte and against a guard page.
#include "proto/http_request.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/limits.h"
#include "tests/support/guard_page.h"

namespace broadside {
namespace {

// What a parse came to, without views.
struct Outcome {
  ParseOutcome outcome = ParseOutcome::need_more;
  std::size_t consumed = 0;
  int status = 0;
  std::string detail;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome outcome_of(const HeadParser::Result& result) { return {result.outcome, result.consumed, result.status, result.detail}; }

// Parses `input` byte by byte, each time a longer buffer at another address.
Outcome parse_bytewise(std::string_view input, std::size_t head_bytes_max) {
  HeadParser parser;
  RequestHead head;
  Outcome outcome;
  for (std::size_t length = 0; length <= input.size(); ++length) {
    const GuardedBytes buffered(input.substr(0, length));
    outcome = outcome_of(parser.parse(buffered.view(), head, head_bytes_max));
    if (outcome.outcome != ParseOutcome::need_more) break;
  }
  return outcome;
}

// Parses `input` whole and byte by byte, which have to agree.
Outcome parse(std::string_view input, std::size_t head_bytes_max = kHeadBytesMaxDefault) {
  HeadParser parser;
  RequestHead head;
  const GuardedBytes guarded(input);
  const Outcome whole = outcome_of(parser.parse(guarded.view(), head, head_bytes_max));
  EXPECT_EQ(parse_bytewise(input, head_bytes_max), whole) << input << ": " << whole.status << " " << whole.detail;
  return whole;
}

int status_of(std::string_view input) {
  const Outcome outcome = parse(input);
  EXPECT_EQ(outcome.detail.empty(), outcome.outcome != ParseOutcome::refused);
  return outcome.outcome == ParseOutcome::complete ? 200 : outcome.status;
}

int status_of_fields(const std::string& fields) { return status_of("POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"); }

RequestHead head_of(std::string_view input) {
  HeadParser parser;
  RequestHead head;
  EXPECT_EQ(parse(input).outcome, ParseOutcome::complete) << input;
  EXPECT_EQ(parser.parse(input, head, kHeadBytesMaxDefault).outcome, ParseOutcome::complete);
  return head;
}

TEST(HttpRequest, is_understood) {
  const RequestHead head = head_of(
      "GET /events/a%20b?limit=1&x HTTP/1.1\r\nHost: example.com:8080\r\nAccept:text/event-stream\r\nX-Empty:\r\n"
      "x-spaces: \t a b\xFF \t\r\n\r\nrest");
  EXPECT_EQ(head.method, Method::get);
  EXPECT_EQ(head.method_text, "GET");
  EXPECT_EQ(head.target, "/events/a%20b?limit=1&x");
  EXPECT_EQ(head.path, "/events/a%20b");
  EXPECT_EQ(head.query, "limit=1&x");
  EXPECT_TRUE(head.has_query);
  EXPECT_EQ(head.host, "example.com:8080");
  EXPECT_EQ(head.version_minor, 1);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expect_continue);
  EXPECT_FALSE(head.is_chunked);
  EXPECT_FALSE(head.content_length);
  ASSERT_EQ(head.headers.size(), 4U);
  EXPECT_EQ(head.headers[1].name, "Accept");
  EXPECT_EQ(head.find("ACCEPT"), "text/event-stream");
  EXPECT_EQ(head.find("x-empty"), "");
  EXPECT_EQ(head.find("X-Spaces"), "a b\xFF");
  EXPECT_FALSE(head.find("x-none"));
}

TEST(HttpRequest, ends_where_its_head_ends) {
  const std::string request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(parse(request + "hello").consumed, request.size());
  EXPECT_EQ(head_of(request).content_length, 5U);
  for (std::size_t length = 0; length < request.size(); ++length) {
    EXPECT_EQ(parse(request.substr(0, length)).outcome, ParseOutcome::need_more) << length;
  }
}

TEST(HttpRequest, may_follow_another) {
  const std::string first = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string both = first + "\r\nDELETE /2 HTTP/1.0\r\nA: b\r\n\r\n";
  HeadParser parser;
  RequestHead head;
  EXPECT_FALSE(parser.has_begun());
  const auto result = parser.parse(both, head, kHeadBytesMaxDefault);
  ASSERT_EQ(result.outcome, ParseOutcome::complete);
  EXPECT_EQ(head.path, "/1");
  EXPECT_FALSE(parser.has_begun());
  const std::string_view rest = std::string_view(both).substr(result.consumed);
  EXPECT_EQ(parser.parse(rest.substr(0, 2), head, kHeadBytesMaxDefault).outcome, ParseOutcome::need_more);
  EXPECT_FALSE(parser.has_begun());
  EXPECT_EQ(parser.parse(rest.substr(0, 3), head, kHeadBytesMaxDefault).outcome, ParseOutcome::need_more);
  EXPECT_TRUE(parser.has_begun());
  EXPECT_EQ(parser.parse(rest, head, kHeadBytesMaxDefault).consumed, rest.size());
  EXPECT_EQ(head.method, Method::del);
  EXPECT_EQ(head.path, "/2");
  EXPECT_EQ(head.headers.size(), 1U);
  EXPECT_EQ(head.version_minor, 0);
}

TEST(HttpRequest, of_every_known_method_passes) {
  for (const char* method : {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE"}) {
    EXPECT_EQ(status_of(std::string(method) + " / HTTP/1.1\r\nHost: a\r\n\r\n"), 200) << method;
  }
  EXPECT_EQ(status_of("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"), 200);
}

TEST(HttpRequest, line_is_refused_when_it_is_wrong) {
  struct Case {
    std::string_view line;
    int status;
  };
  const Case cases[] = {
      {"BREW / HTTP/1.1", 501},
      {"get / HTTP/1.1", 501},
      {"GE!#T / HTTP/1.1", 501},
      {"G(T / HTTP/1.1", 400},
      {" GET / HTTP/1.1", 400},
      {"GET  / HTTP/1.1", 400},
      {"GET /  HTTP/1.1", 400},
      {"GET / HTTP/1.1 ", 400},
      {"GET\t/ HTTP/1.1", 400},
      {"GET /\tHTTP/1.1", 400},
      {"GET /a b HTTP/1.1", 400},
      {"GET /", 400},
      {"GET", 400},
      {"GET / HTTP/2.0", 505},
      {"GET / HTTP/0.9", 505},
      {"GET / HTTP/1.2", 505},
      {"GET / HTTP/1.10", 400},
      {"GET / HTTP/1", 400},
      {"GET / http/1.1", 400},
      {"GET / HTTP/1,1", 400},
      {"GET / HTTP/x.1", 400},
      {"GET / HTTPS/1.1", 400},
      {"PRI * HTTP/2.0", 505},
      {"GET /#a HTTP/1.1", 400},
      {"GET /\xC3\xA9 HTTP/1.1", 400},
      {"GET * HTTP/1.1", 400},
      {"GET a HTTP/1.1", 400},
      {"GET http://a@b/ HTTP/1.1", 400},
      {"GET /\x01 HTTP/1.1", 400},
      {"GET /\x7F HTTP/1.1", 400},
      {"\x16\x03\x01 / HTTP/1.1", 400},
      {std::string_view("GET /\0 HTTP/1.1", 15), 400},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(status_of(std::string(c.line) + "\r\nHost: a\r\n\r\n"), c.status) << c.line;
  }
}

TEST(HttpRequest, is_refused_at_the_first_byte_that_cannot_be) {
  for (const std::string_view start :
       {std::string_view("\x16"), std::string_view("\0", 1), std::string_view("\n"), std::string_view(" "),
        std::string_view("GET@"), std::string_view("GET /\n"), std::string_view("\rG"), std::string_view("GET /a\r\r"),
        std::string_view("\r\n\r\n\r\n")}) {
    EXPECT_EQ(parse(start).status, 400) << start;
  }
  EXPECT_EQ(parse(std::string(32, 'A')).outcome, ParseOutcome::need_more);
  EXPECT_EQ(parse(std::string(33, 'A')).status, 501);
}

TEST(HttpRequest, may_have_two_empty_lines_before_it) {
  const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(parse("\r\n\r\n" + request), (Outcome{ParseOutcome::complete, request.size() + 4, 0, ""}));
  EXPECT_EQ(status_of("\r\n\r\n\r\n" + request), 400);
}

TEST(HttpRequest, lines_end_in_crlf_and_nothing_else) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n\rX"), 400);
}

TEST(HttpRequest, fields_are_refused_when_they_are_wrong) {
  EXPECT_EQ(status_of_fields("A: b\r\n"), 200);
  EXPECT_EQ(status_of_fields("A:b\r\nA:c\r\n!#$%&'*+-.^_`|~09az: x\r\n"), 200);
  for (const std::string_view field : {
           std::string_view("A : b"),
           std::string_view("A\t: b"),
           std::string_view(": b"),
           std::string_view("A"),
           std::string_view("A b"),
           std::string_view("A: b\r\n c"),
           std::string_view("A: b\r\n\tc"),
           std::string_view(" A: b"),
           std::string_view("A(: b"),
           std::string_view("A\xC3: b"),
           std::string_view("A: \0", 4),
           std::string_view("A: \x01"),
           std::string_view("A: \x7F"),
           std::string_view("A: \x1B[0m"),
           std::string_view("\0: b", 4),
           std::string_view("A: b\x0B"),
       }) {
    EXPECT_EQ(status_of_fields(std::string(field) + "\r\n"), 400) << field;
  }
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400);
}

TEST(HttpRequest, has_one_valid_host) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
  for (const char* field : {"Host: a", "hOST: a", "Host:", "Host: a b", "Host: a,b", "Host: a/", "Host: u@a"}) {
    const std::string more = std::string("GET / HTTP/1.1\r\nHost: a\r\n") + field + "\r\n\r\n";
    EXPECT_EQ(status_of(more), 400) << more;
  }
  for (const char* value : {"", " ", "a b", "a, b", "a/b", "u@a", "[::1", "a:b"}) {
    EXPECT_EQ(status_of(std::string("GET / HTTP/1.1\r\nHost:") + value + "\r\n\r\n"), 400) << value;
    EXPECT_EQ(status_of(std::string("GET / HTTP/1.0\r\nHost:") + value + "\r\n\r\n"), 400) << value;
  }
  EXPECT_EQ(head_of("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").host, "[::1]:80");
}

TEST(HttpRequest, in_absolute_form_has_the_host_of_its_target) {
  const RequestHead head = head_of("GET http://b:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(head.host, "b:80");
  EXPECT_EQ(head.path, "/x");
  EXPECT_EQ(head.query, "y");
  EXPECT_EQ(status_of("GET http://b/ HTTP/1.1\r\n\r\n"), 400);
}

TEST(HttpRequest, has_one_plain_content_length) {
  EXPECT_EQ(status_of_fields("Content-Length: 0\r\n"), 200);
  EXPECT_EQ(status_of_fields("Content-Length: 999999999999999999\r\n"), 200);
  for (const char* value :
       {"", "-1", "+1", "1 1", "1,1", "1, 1", "0x1", "1.0", "1a", "a", "1000000000000000000", "18446744073709551616"}) {
    EXPECT_EQ(status_of_fields(std::string("Content-Length: ") + value + "\r\n"), 400) << value;
  }
  EXPECT_EQ(status_of_fields("Content-Length: 1\r\nContent-Length: 1\r\n"), 400);
  EXPECT_EQ(status_of_fields("Content-Length: 1\r\ncontent-length: 2\r\n"), 400);
}

TEST(HttpRequest, has_chunked_as_its_only_transfer_encoding) {
  EXPECT_TRUE(head_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n").is_chunked);
  struct Case {
    const char* fields;
    int status;
  };
  constexpr Case kCases[] = {
      {"Transfer-Encoding: gzip\r\n", 400},
      {"Transfer-Encoding: identity\r\n", 400},
      {"Transfer-Encoding: xchunked\r\n", 400},
      {"Transfer-Encoding: chunked;q=1\r\n", 400},
      {"Transfer-Encoding: \"chunked\"\r\n", 400},
      {"Transfer-Encoding: gzip, chunked\r\n", 501},
      {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501},
      {"Transfer-Encoding: chunked, gzip\r\n", 400},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400},
      {"Transfer-Encoding: chunked, chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding:\r\n", 400},
      {"Transfer-Encoding: chunked,\r\n", 400},
      {"Transfer-Encoding: ,chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", 400},
      {"Transfer-Encoding: \x0B"
       "chunked\r\n",
       400},
      {"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400},
      {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Content-Length: 1\r\nTransfer-Encoding: gzip\r\n", 400},
      {"Transfer-Encoding : chunked\r\n", 400},
  };
  for (const Case& c : kCases) EXPECT_EQ(status_of_fields(c.fields), c.status) << c.fields;
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n"), 400);
}

TEST(HttpRequest, keeps_alive_as_its_version_and_connection_say) {
  const auto keep_alive = [](const char* version, const std::string& fields) {
    return head_of(std::string("GET / HTTP/") + version + "\r\nHost: a\r\n" + fields + "\r\n").keep_alive;
  };
  EXPECT_TRUE(keep_alive("1.1", ""));
  EXPECT_FALSE(keep_alive("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keep_alive("1.1", "Connection: TE, Close\r\n"));
  EXPECT_FALSE(keep_alive("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_TRUE(keep_alive("1.1", "Connection: closed\r\n"));
  EXPECT_TRUE(
      keep_alive("1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"));
  EXPECT_FALSE(keep_alive("1.0", ""));
  EXPECT_TRUE(keep_alive("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keep_alive("1.0", "Connection: keep-alive, close\r\n"));
}

TEST(HttpRequest, may_expect_100_continue_alone) {
  EXPECT_TRUE(head_of("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n").expect_continue);
  EXPECT_FALSE(head_of("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expect_continue);
  EXPECT_EQ(status_of_fields("Expect: 200-ok\r\n"), 417);
  EXPECT_EQ(status_of_fields("Expect: 100-continue, x\r\n"), 417);
}

TEST(HttpRequest, target_has_a_limit) {
  const auto request = [](std::size_t bytes) { return "GET /" + std::string(bytes - 1, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"; };
  EXPECT_EQ(status_of(request(kTargetBytesMax)), 200);
  EXPECT_EQ(status_of(request(kTargetBytesMax + 1)), 414);
  EXPECT_EQ(status_of(request(2 * kTargetBytesMax)), 414);
  EXPECT_EQ(status_of("GET /" + std::string(kRequestLineBytesMax, 'x')), 414);
}

TEST(HttpRequest, head_has_a_limit) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const auto request = [&start](std::size_t bytes) { return start + std::string(bytes - start.size() - 4, 'x') + "\r\n\r\n"; };
  EXPECT_EQ(parse(request(1000) + "body", 1000), (Outcome{ParseOutcome::complete, 1000, 0, ""}));
  EXPECT_EQ(parse(request(1001), 1000).status, 431);
  EXPECT_EQ(parse(request(2000), 1000).status, 431);
  EXPECT_EQ(parse(start + std::string(1000 - start.size(), 'x'), 1000).outcome, ParseOutcome::need_more);
  EXPECT_EQ(parse(start + std::string(1001 - start.size(), 'x'), 1000).status, 431);
}

TEST(HttpRequest, fields_have_a_limit) {
  std::string fields;
  for (std::size_t i = 1; i < kHeadersMax; ++i) fields += "A: b\r\n";
  EXPECT_EQ(status_of_fields(fields), 200);
  EXPECT_EQ(status_of_fields(fields + "A: b\r\n"), 431);
}

TEST(HttpRequest, refusal_is_for_good_until_reset) {
  HeadParser parser;
  RequestHead head;
  EXPECT_EQ(parser.parse("\x16", head, 100).status, 400);
  EXPECT_EQ(parser.parse("GET / HTTP/1.0\r\n\r\n", head, 100).status, 400);
  parser.reset();
  EXPECT_EQ(parser.parse("GET / HTTP/1.0\r\n\r\n", head, 100).outcome, ParseOutcome::complete);
}

TEST(HttpLists, are_searched_by_token) {
  EXPECT_TRUE(list_has_token("text/html, text/event-stream;q=0.9", "Text/Event-Stream"));
  EXPECT_TRUE(list_has_token("close", "close"));
  EXPECT_TRUE(list_has_token(" a ,\tclose ; x , b", "close"));
  EXPECT_FALSE(list_has_token("closed, not-close", "close"));
  EXPECT_FALSE(list_has_token("", "close"));
  EXPECT_FALSE(list_has_token(",,", "close"));
}

}  // namespace
}  // namespace broadside
