// RFC 9112, and what it takes from RFC 9110, as far as it speaks of an origin server: a row for every MUST and MUST NOT that can
// be seen from outside, and for each SHOULD that is kept. What is asked of every answer (Date, Allow, Connection: close, no body
// where none may be) is looked at in all of them (tests/support/http_table.cc). The ways to smuggle a request are
// http_smuggling_test.cc's.
#include <gtest/gtest.h>

#include "tests/support/backend_test.h"
#include "tests/support/http_table.h"

namespace broadside::test {
namespace {

class HttpConformance : public BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (!IsSkipped()) start({"--diagnostic-echo"});
  }
};
BROADSIDE_ON_BOTH_BACKENDS(HttpConformance);

// "GET /healthz", the rest of the line, Host and an empty line.
std::string line_with(const std::string& method_and_target, const std::string& end = " HTTP/1.1\r\n") {
  return method_and_target + end + "Host: {host}\r\n\r\n";
}

// A head of HTTP/1.1 without Host.
std::string head_with(const std::string& lines) { return "GET /healthz HTTP/1.1\r\n" + lines + "\r\n"; }

std::string chunked(const std::string& body) { return post_with("Transfer-Encoding: chunked\r\n", body); }

TEST_P(HttpConformance, messages_are_lines_of_octets) {
  expect_answers(
      port(),
      {
          {"9112 2.2: parsed as octets, above ASCII where those are allowed", get_with("A: \xC3\xA4\xFF\r\n"), "200 open"},
          {"9112 2.2: an empty line before a request line is ignored", "\r\n" + get_with(""), "200 open"},
          {"9112 2.2: the same between two requests", get_with("") + "\r\n" + get_with(""), "200 200 open"},
          {"9112 2.2: but not for ever", "\r\n\r\n\r\n" + get_with(""), "400 closed"},
          {"9112 2.2: LF alone may be refused", "GET /healthz HTTP/1.1\nHost: {host}\n\n", "400 closed"},
          {"9112 2.2: LF alone behind a field", get_with("A: b\n"), "400 closed"},
          {"9112 2.2: bare CR in a request line", line_with("GET /health\rz"), "400 closed"},
          {"9112 2.2: bare CR in a field name", get_with("A\rB: c\r\n"), "400 closed"},
          {"9112 2.2: bare CR in a field value", get_with("A: b\rc\r\n"), "400 closed"},
          {"9112 2.2: bare CR before a line's end", get_with("A: b\r\r\n"), "400 closed"},
          {"9112 2.2: white space before the first field", head_with(" Host: {host}\r\n"), "400 closed"},
          {"9112 2.2: the same by tab", head_with("\tHost: {host}\r\n"), "400 closed"},
          {"9112 2.2: what is no HTTP gets 400 and a close", "\x16\x03\x01\x02\r\n\r\n", "400 closed"},
          {"9112 2.3: HTTP-version is of upper case", line_with("GET /healthz", " http/1.1\r\n"), "400 closed"},
          {"9112 2.3: it is there", line_with("GET /healthz", "\r\n"), "400 closed"},
          {"9112 2.3: it has two digits", line_with("GET /healthz", " HTTP/1\r\n"), "400 closed"},
          {"9112 2.3: and not three", line_with("GET /healthz", " HTTP/1.10\r\n"), "400 closed"},
          {"9110 15.6.6: another major version", line_with("GET /healthz", " HTTP/2.0\r\n"), "505 closed"},
          {"9110 15.6.6: an older one", line_with("GET /healthz", " HTTP/0.9\r\n"), "505 closed"},
          {"9110 2.5: HTTP/1.0 is answered in HTTP/1.1", "GET /healthz HTTP/1.0\r\n\r\n", "200 closed"},
      });
}

TEST_P(HttpConformance, request_lines_have_three_parts) {
  const std::string long_target(15'000, 'a');
  expect_answers(port(),
                 {
                     {"9112 3: single spaces", line_with("GET  /healthz"), "400 closed"},
                     {"9112 3: none at the end", line_with("GET /healthz", " HTTP/1.1 \r\n"), "400 closed"},
                     {"9112 3: spaces, not tabs", line_with("GET\t/healthz"), "400 closed"},
                     {"9112 3: spaces, not tabs, before the version", line_with("GET /healthz", "\tHTTP/1.1\r\n"), "400 closed"},
                     {"9112 3: no white space in the target", line_with("GET /health z"), "400 closed"},
                     {"9112 3: no control byte in the target", line_with("GET /health\x01"), "400 closed"},
                     {"9112 3: nor one above ASCII", line_with("GET /health\xC3\xA4"), "400 closed"},
                     {"9112 3: nor a fragment", line_with("GET /healthz#a"), "400 closed"},
                     {"9112 3.1: methods have their case", line_with("get /healthz"), "501 closed"},
                     {"9112 3: a method longer than any", line_with(std::string(40, 'A') + " /healthz"), "501 closed"},
                     {"9110 9.1: an unknown method", line_with("FETCH /healthz"), "501 closed"},
                     {"9112 3.1: a method is a token", line_with("GE{T /healthz"), "400 closed"},
                     {"9112 3: a target longer than is taken", line_with("GET /" + long_target), "414 closed"},
                     {"9112 3: the same without an end", "GET /" + long_target + long_target, "414 closed"},
                     {"9112 3: lines of 8000 octets are taken", get_with("", "/healthz?" + std::string(7'960, 'a')), "200 open"},
                     {"9112 3.2.1: a query without meaning", get_with("", "/healthz?a=b"), "200 open"},
                     {"3986 2.2: an escaped slash is no slash", get_with("", "/topics%2Fa"), "404 open"},
                     {"9112 3.2.1: a target without slash", line_with("GET healthz"), "400 closed"},
                     {"9112 3.2.2: the absolute form is taken", get_with("", "http://{host}/healthz"), "200 open"},
                     {"9112 3.2.2: in any case of the scheme", get_with("", "HTTP://{host}/healthz"), "200 open"},
                     {"9112 3.2.2: Host is ignored for that of the target",
                      "POST http://{host}/events/a HTTP/1.1\r\nHost: other.example\r\nContent-Length: 1\r\n\r\nx", "200 open"},
                     {"9112 3.2.2: also where Host would have been better",
                      post_with("Content-Length: 1\r\n", "x", "http://other.example/events/a"), "403 open"},
                     {"9110 4.2.1: no empty host", get_with("", "http:///healthz"), "400 closed"},
                     {"9112 3.2.2: no user information", get_with("", "http://a@{host}/healthz"), "400 closed"},
                     {"9112 3.2.3: CONNECT is for proxies", line_with("CONNECT {host}"), "404 open"},
                     {"9112 3.2.3: and has an authority", line_with("CONNECT /healthz"), "400 closed"},
                     {"9112 3.2.4: the asterisk is for OPTIONS", line_with("OPTIONS *"), "204 open"},
                     {"9112 3.2.4: as a proxy's OPTIONS without a path is", line_with("OPTIONS http://{host}"), "204 open"},
                     {"9112 3.2.4: and for nothing else", line_with("GET *"), "400 closed"},
                 });
}

TEST_P(HttpConformance, requests_name_one_host) {
  std::vector<HttpRow> rows = {
      {"9112 3.2: no Host", head_with(""), "400 closed"},
      {"9112 3.2: none in the absolute form", "GET http://{host}/healthz HTTP/1.1\r\n\r\n", "400 closed"},
      {"9112 3.2: two Hosts", get_with("Host: other.example\r\n"), "400 closed"},
      {"9112 3.2: twice the same", get_with("Host: {host}\r\n"), "400 closed"},
      {"9112 3.2: two in HTTP/1.0", "GET /healthz HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400 closed"},
      {"9110 5.1: names of fields have no case", head_with("hOST: {host}\r\n"), "200 open"},
      {"9112 3.2: one that is an IPv6 address", head_with("Host: [::1]:80\r\n"), "200 open"},
  };
  for (const char* value :
       {"", ":80", "a b", "a,b", "a/b", "u@a", "[::1", "::1", "a:b", "a:65536", "a\\b", "a?b", "a#b", "\"a\"", "a%zz"}) {
    rows.push_back({"9112 3.2: a Host that is no host", head_with("Host: " + std::string(value) + "\r\n"), "400 closed"});
  }
  expect_answers(port(), rows);
}

TEST_P(HttpConformance, fields_are_names_and_values) {
  std::string many;
  for (int number = 0; number < 1000; ++number) many += "A-Field-" + std::to_string(number) + ": some value\r\n";
  expect_answers(
      port(), {
                  {"9112 5.1: a space before the colon", get_with("A : b\r\n"), "400 closed"},
                  {"9112 5.1: a tab before the colon", get_with("A\t: b\r\n"), "400 closed"},
                  {"9112 5.1: white space around a value is no part of it", post_with("Content-Length: \t 5 \t\r\n", "hello"),
                   "200 open"},
                  {"9112 5.1: nor is any needed", post_with("Content-Length:5\r\n", "hello"), "200 open"},
                  {"9112 5: an empty value", get_with("A:\r\n"), "200 open"},
                  {"9112 5: an empty name", get_with(": b\r\n"), "400 closed"},
                  {"9112 5: no colon", get_with("nonsense\r\n"), "400 closed"},
                  {"9110 5.1: a name is a token", get_with("A(b): c\r\n"), "400 closed"},
                  {"9110 5.1: of ASCII", get_with("\xC3\xA4: c\r\n"), "400 closed"},
                  {"9112 5.2: a folded value", get_with("A: b\r\n c\r\n"), "400 closed"},
                  {"9112 5.2: folded by a tab", get_with("A: b\r\n\tc\r\n"), "400 closed"},
                  {"9112 5.2: an empty folded line", get_with("A: b\r\n \r\n"), "400 closed"},
                  {"9110 5.5: NUL in a value", get_with(std::string("A: b\0c\r\n", 8)), "400 closed"},
                  {"9110 5.5: another control byte", get_with("A: \x1B[0m\r\n"), "400 closed"},
                  {"9110 5.4: a field larger than is taken", get_with("A: " + std::string(17'000, 'a') + "\r\n"), "431 closed"},
                  {"9110 5.4: more of them than are taken", get_with(many), "431 closed"},
              });
}

TEST_P(HttpConformance, bodies_are_as_long_as_is_said) {
  const std::string both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
  const std::string old = "POST /events/a HTTP/1.0\r\nHost: {host}\r\n";
  expect_answers(
      port(),
      {
          {"9112 6.3: neither length nor coding is no body", post_with("") + get_with(""), "200 200 open"},
          {"9112 6.3: Content-Length octets", post_with("Content-Length: 5\r\n", "hello") + get_with(""), "200 200 open"},
          {"9112 6.3: of which there may be none", post_with("Content-Length: 0\r\n") + get_with(""), "200 200 open"},
          {"9110 8.6: any number of digits that is no other number", post_with("Content-Length: 0005\r\n", "hello"), "200 open"},
          {"9110 8.6: large ones are anticipated", post_with("Content-Length: 18446744073709551621\r\n", "hello"), "400 closed"},
          {"9110 15.5.14: and refused", post_with("Content-Length: 99999999999\r\n"), "413 closed"},
          {"9112 6.3: an invalid length", post_with("Content-Length: five\r\n", "hello"), "400 closed"},
          {"9112 6.3: an empty one", post_with("Content-Length: \r\n"), "400 closed"},
          {"9112 6.3: two that differ", post_with("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), "400 closed"},
          {"9112 6.3: two alike may be refused", post_with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "400 closed"},
          {"9112 6.1: length and coding: the connection is closed", post_with(both, "0\r\n\r\n"), "400 closed"},
          {"9112 6.1: a coding in HTTP/1.0 is faulty framing", old + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 closed"},
          {"9112 6.1: also beside a length", old + both + "\r\n0\r\n\r\n", "400 closed"},
          {"9112 6.1: an unknown coding before chunked", post_with("Transfer-Encoding: x, chunked\r\n", "0\r\n\r\n"),
           "501 closed"},
          {"9112 6.3: chunked is not the last coding", post_with("Transfer-Encoding: chunked, gzip\r\n"), "400 closed"},
          {"9112 6.3: or not there", post_with("Transfer-Encoding: gzip\r\n"), "400 closed"},
          {"9112 6.3: or nothing is", post_with("Transfer-Encoding:\r\n"), "400 closed"},
          {"9112 6.1: chunked twice", post_with("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), "400 closed"},
          {"9110 8.4: a content coding that is not taken", post_with("Content-Length: 1\r\nContent-Encoding: gzip\r\n", "x"),
           "415 open"},
          {"9112 9.3: the body of a GET is read", get_with("Content-Length: 5\r\n") + "hello" + get_with(""), "200 200 open"},
          {"9112 9.3: that of a HEAD", "HEAD /healthz HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello", "200 open"},
          {"9112 9.3: that of what is not there", post_with("Content-Length: 5\r\n", "hello", "/none"), "404 open"},
          {"9112 9.3: that of a method that is not allowed", post_with("Content-Length: 5\r\n", "hello", "/healthz"), "405 open"},
          {"9112 9.3: or the connection closed", get_with("Content-Length: 5\r\n", "/events") + "hello", "400 closed"},
      });
}

TEST_P(HttpConformance, chunks_are_decoded) {
  const std::string extension(300, 'a');
  expect_answers(
      port(),
      {
          {"9112 7.1: chunked has to be known", chunked("5\r\nhello\r\n0\r\n\r\n") + get_with(""), "200 200 open"},
          {"9112 6.1: in any case", post_with("transfer-encoding: cHUNKED\r\n", "1\r\nx\r\n0\r\n\r\n"), "200 open"},
          {"9112 7.1: sizes are hexadecimal", chunked("00A\r\n0123456789\r\n0b\r\n0123456789a\r\n000\r\n\r\n"), "200 open"},
          {"9112 7.1: large ones are anticipated", chunked("10000000000000001\r\nx\r\n0\r\n\r\n"), "400 closed"},
          {"9112 7.1: a sign", chunked("+5\r\nhello\r\n0\r\n\r\n"), "400 closed"},
          {"9112 7.1: a prefix", chunked("0x5\r\nhello\r\n0\r\n\r\n"), "400 closed"},
          {"9112 7.1: no size", chunked("\r\nhello\r\n0\r\n\r\n"), "400 closed"},
          {"9112 7.1: less data than its size", chunked("6\r\nhello\r\n0\r\n\r\n"), "400 closed"},
          {"9112 7.1: more", chunked("4\r\nhello\r\n0\r\n\r\n"), "400 closed"},
          {"9112 7.1.1: unknown extensions are ignored", chunked("5;a=b;c\r\nhello\r\n0;d=\"e f\"\r\n\r\n"), "200 open"},
          {"9112 7.1.1: their length is limited", chunked("5;" + extension + "\r\nhello\r\n0\r\n\r\n"), "400 closed"},
          {"9112 2.2: bare CR in an extension", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), "400 closed"},
          {"9112 2.2: bare CR in a trailer", chunked("0\r\nA: b\rc\r\n\r\n"), "400 closed"},
          {"9112 7.1.2: trailers are not fields of the head",
           chunked("5\r\nhello\r\n0\r\nContent-Length: 50\r\nHost: other.example\r\nConnection: close\r\n\r\n"), "200 open"},
          {"9112 7.1.2: they have the same form", chunked("0\r\nA : b\r\n\r\n"), "400 closed"},
      });
}

TEST_P(HttpConformance, incomplete_requests_are_not_acted_upon) {
  expect_answers(
      port(),
      {
          {"9110 6.1: not before the end of the head", "POST /events/incomplete HTTP/1.1\r\nHost: {host}\r\n", "closed"},
          {"9112 8: fewer octets than Content-Length", post_with("Content-Length: 6\r\n", "hello", "/events/incomplete"),
           "closed"},
          {"9112 8: no last chunk", post_with("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n", "/events/incomplete"),
           "closed"},
          {"9112 8: no end of the trailers",
           post_with("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n", "/events/incomplete"), "closed"},
          {"9112 7.1: a chunk of 2^64 - 1 bytes", chunked("ffffffffffffffff\r\nx"), "closed"},
          {"9112 9.6: what is complete is answered", post_with("Content-Length: 5\r\n", "hello"), "200 closed"},
      },
      AfterSending::half_close);
  EXPECT_EQ(get("/topics/incomplete").status(), 404);
}

TEST_P(HttpConformance, connections_persist_until_somebody_says_close) {
  const std::string more = get_with("");
  const std::string old = "GET /healthz HTTP/1.0\r\n";
  expect_answers(
      port(),
      {
          {"9112 9.3: HTTP/1.1 persists", get_with(""), "200 open"},
          {"9112 9.3: HTTP/1.0 does not", old + "\r\n" + more, "200 closed"},
          {"9112 9.3: unless it asks", old + "Connection: keep-alive\r\n\r\n" + more, "200 200 open"},
          {"9112 9.6: close, and nothing further is processed", get_with("Connection: close\r\n") + more, "200 closed"},
          {"9110 7.6.1: in any case", get_with("Connection: CLOSE\r\n") + more, "200 closed"},
          {"9110 7.6.1: in a list", get_with("Connection: x, close ,y\r\n") + more, "200 closed"},
          {"9110 7.6.1: in a second field", get_with("Connection: keep-alive\r\nConnection: close\r\n") + more, "200 closed"},
          {"9112 9.3: close wins in HTTP/1.0", old + "Connection: keep-alive, close\r\n\r\n" + more, "200 closed"},
          {"9110 5.6.1: empty elements of a list are ignored", get_with("Connection: ,close,,\r\n") + more, "200 closed"},
          {"9110 7.6.1: other options are nothing", get_with("Connection: closed, x-close\r\n"), "200 open"},
          {"9112 9.6: after a refusal nothing is processed", get_with("A : b\r\n") + more, "400 closed"},
          {"9112 9.3.2: answers come in order", more + get_with("", "/none") + post_with("Content-Length: 1\r\n", "x") + more,
           "200 404 200 200 open"},
          {"9110 10.1.4: TE asks for nothing that is needed", get_with("Connection: TE\r\nTE: trailers, deflate;q=0.5\r\n"),
           "200 open"},
          {"9110 7.8: Upgrade may be ignored", get_with("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "200 open"},
          {"9110 7.8: and is in HTTP/1.0", old + "Connection: Upgrade\r\nUpgrade: HTTP/1.1\r\n\r\n", "200 closed"},
      });
}

TEST_P(HttpConformance, methods_do_what_they_are_for) {
  std::vector<HttpRow> rows = {
      {"9110 9.3.2: HEAD has no content", line_with("HEAD /healthz"), "200 open"},
      {"9110 9.3.2: nor when it is refused", line_with("HEAD /none"), "404 open"},
      {"9110 9.3.2: nor of a stream", line_with("HEAD /events/a"), "200 closed"},
      {"9110 14.2: Range may be ignored", get_with("Range: bytes=0-1\r\n"), "200 open"},
      {"9110 15.3.5: 204 has no content",
       post_with("Content-Length: 1\r\n", "x", "/events/ended") + line_with("DELETE /events/ended") +
           line_with("GET /events/ended"),
       "200 200 204 open"},
      {"9112 6.1: a stream of HTTP/1.0 is not chunked", "GET /events/none?follow=0 HTTP/1.0\r\n\r\n", "200 closed"},
  };
  for (const char* method : {"PUT", "PATCH", "DELETE", "TRACE", "POST"}) {
    rows.push_back({"9110 15.5.6: known, but not allowed here", line_with(std::string(method) + " /healthz"), "405 open"});
  }
  expect_answers(port(), rows);
}

TEST_P(HttpConformance, expectations_are_met_or_refused) {
  const std::string expects = "Expect: 100-continue\r\n";
  const std::string old = "POST /events/a HTTP/1.0\r\nHost: {host}\r\n" + expects;
  expect_answers(
      port(),
      {
          {"9110 10.1.1: no 100 is needed behind the body", post_with(expects + "Content-Length: 5\r\n", "hello"), "200 open"},
          {"9110 10.1.1: nor where no body will come", post_with(expects + "Content-Length: 0\r\n"), "200 open"},
          {"9110 10.1.1: another expectation", post_with("Expect: x\r\nContent-Length: 5\r\n", "hello"), "417 closed"},
          {"9110 10.1.1: it is ignored in HTTP/1.0", old + "Content-Length: 5\r\n\r\nhello", "200 closed"},
      },
      AfterSending::ask_more);
}

TEST_P(HttpConformance, bodies_are_asked_for_before_they_come) {
  const std::string old = "POST /events/a HTTP/1.0\r\nHost: {host}\r\nExpect: 100-continue\r\n";
  expect_answers(
      port(),
      {
          {"9110 10.1.1: 100 at once", post_with("Expect: 100-Continue\r\nContent-Length: 5\r\n"), "100 closed"},
          {"9110 10.1.1: also for chunks", post_with("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"), "100 closed"},
          {"9110 10.1.1: or the final answer", post_with("Expect: 100-continue\r\nContent-Length: 9999999\r\n"), "413 closed"},
          {"9110 15.2: no 1xx to HTTP/1.0", old + "Content-Length: 5\r\n\r\n", "closed"},
      },
      AfterSending::half_close);
}

}  // namespace
}  // namespace broadside::test
