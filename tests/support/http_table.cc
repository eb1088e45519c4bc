#include "tests/support/http_table.h"

#include <gtest/gtest.h>

#include <regex>
#include <utility>

#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

constexpr std::string_view kProbe = "is it open?";
constexpr std::size_t kBytewiseMax = 2'000;  // Longer rows are refused before they have been sent.

// What a sender has to do in every message, whatever was asked.
void expect_well_formed(const HttpHead& head, bool is_http_1_0) {
  static const std::regex status_line(R"(HTTP/1\.1 [1-5][0-9][0-9] [\t -~]*)");  // 4: the space also without a phrase.
  static const std::regex imf_fixdate(
      "(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] [A-Z][a-z][a-z] [0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT");
  EXPECT_TRUE(std::regex_match(head.text.substr(0, head.text.find("\r\n")), status_line)) << "9112 4";
  EXPECT_EQ(head.text.find("\n "), std::string::npos) << "9112 5.2: no folded lines";
  const bool has_length = head.has("Content-Length");
  const bool has_coding = head.has("Transfer-Encoding");
  EXPECT_FALSE(has_length && has_coding) << "9112 6.2";
  const bool is_interim = head.status < 200;
  EXPECT_FALSE((is_interim || head.status == 204) && (has_length || has_coding)) << "9112 6.1, 9110 8.6";
  EXPECT_FALSE(is_http_1_0 && has_coding) << "9112 6.1: no Transfer-Encoding to HTTP/1.0";
  EXPECT_FALSE(is_http_1_0 && is_interim) << "9110 15.2: no 1xx to HTTP/1.0";
  EXPECT_TRUE(is_interim || std::regex_match(head.header("Date"), imf_fixdate)) << "9110 6.6.1";
  EXPECT_TRUE(head.status != 405 || head.has("Allow")) << "9110 15.5.6";
  EXPECT_TRUE(head.status != 401 || head.has("WWW-Authenticate")) << "9110 11.6.1";
}

// All that comes back, in the form of HttpRow::answers.
std::string read_answers(HttpConnection& connection, std::string_view sent, AfterSending after) {
  std::string answers;
  const bool is_http_1_0 = sent.substr(0, sent.find("\r\n")).ends_with("HTTP/1.0");
  bool is_head = sent.starts_with("HEAD ");
  bool says_close = false;
  while (true) {
    HttpHead head = connection.read_head();
    if (head.status == 0) break;
    expect_well_formed(head, is_http_1_0);
    answers += std::to_string(head.status) + " ";
    if (head.status < 200) continue;
    EXPECT_FALSE(says_close) << "9112 9.6: something after the last answer";
    says_close = header_has_token(head.headers, "Connection", "close");
    const bool has_content = !std::exchange(is_head, false);
    const HttpResponse response = connection.read_rest(std::move(head), !has_content);
    EXPECT_TRUE(response.is_complete);
    if (has_content && response.status() >= 400) expect_problem(response, response.status());
    if (response.body != kProbe) continue;
    answers.erase(answers.size() - 4);
    return answers + (connection.wait_closed() ? "open" : "never closed");
  }
  EXPECT_EQ(connection.read_some(1), "") << "no head, but bytes";
  // Whether the client would end was not known when the answer was made.
  const bool may_be_silent = answers.empty() || after == AfterSending::half_close;
  EXPECT_TRUE(says_close || may_be_silent) << "9112 9.6: the last answer says that it is the last";
  return answers + (connection.was_closed() ? "closed" : "never closed");
}

}  // namespace

std::string with_host(std::string text, const std::string& host) {
  for (std::size_t at = 0; (at = text.find("{host}", at)) != std::string::npos;) text.replace(at, 6, host);
  return text;
}

std::string get_with(const std::string& lines, const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: {host}\r\n" + lines + "\r\n";
}

std::string post_with(const std::string& lines, const std::string& body, const std::string& target) {
  return "POST " + target + " HTTP/1.1\r\nHost: {host}\r\n" + lines + "\r\n" + body;
}

void expect_answers(std::uint16_t port, const std::vector<HttpRow>& rows, AfterSending after) {
  const std::string host = "127.0.0.1:" + std::to_string(port);
  const std::string probe = request_text("POST", "/", host, {{"Connection", "close"}}, kProbe);
  for (const HttpRow& row : rows) {
    for (const bool is_bytewise : {false, true}) {
      if (is_bytewise && row.sent.size() > kBytewiseMax) continue;
      SCOPED_TRACE(row.rule + std::string(is_bytewise ? ", byte by byte" : ""));
      const std::string sent = with_host(row.sent, host);
      HttpConnection connection = HttpConnection::open(port);
      // Either may be cut short by a refusal.
      static_cast<void>(is_bytewise ? connection.send_byte_by_byte(sent) : connection.send(sent));
      if (after == AfterSending::ask_more) connection.send(probe);
      if (after == AfterSending::half_close) connection.half_close();
      std::string answers = read_answers(connection, sent, after);
      // A body that has not come yet may be asked for, where that is not what the row is about.
      const auto is_asked = [](std::string_view text) { return text.starts_with("100 "); };
      if (is_bytewise && is_asked(answers) && !is_asked(row.answers)) answers.erase(0, 4);
      EXPECT_EQ(answers, row.answers) << row.sent.substr(0, kBytewiseMax);
    }
  }
}

}  // namespace broadside::test
