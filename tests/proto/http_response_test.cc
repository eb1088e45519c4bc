// Whole responses byte for byte, problem documents, and dates.
#include "proto/http_response.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>

namespace broadside {
namespace {

constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string response(int status, std::string_view extra, std::string_view type, std::string_view body, bool keep_alive,
                     bool is_head) {
  std::string out;
  append_response(out, status, extra, type, body, keep_alive, is_head, kDate);
  return out;
}

TEST(HttpResponse, has_its_fields_and_body) {
  EXPECT_EQ(response(200, "X-A: b\r\n", "text/plain", "hello", true, false),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: no-store\r\nX-A: b\r\n"
            "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
}

TEST(HttpResponse, says_close_and_leaves_the_body_out_for_head) {
  EXPECT_EQ(response(404, "", "text/plain", "hello", false, true),
            "HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: no-store\r\n"
            "Connection: close\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
}

TEST(HttpResponse, of_204_and_100_has_no_body) {
  EXPECT_EQ(response(204, "", "text/plain", "hello", true, false),
            "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: no-store\r\n\r\n");
  EXPECT_EQ(response(100, "", "", "", true, false), "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST(HttpResponse, without_a_body_has_length_zero) {
  EXPECT_EQ(
      response(202, "", "", "", true, false),
      "HTTP/1.1 202 Accepted\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n");
}

TEST(Chunks, have_their_length_before_them_and_are_never_empty) {
  std::string out;
  append_chunk(out, "0123456789abcdef");
  append_chunk(out, "");
  append_chunk(out, "x");
  EXPECT_EQ(out, "10\r\n0123456789abcdef\r\n1\r\nx\r\n");
  char line[kChunkLineBytesMax];
  EXPECT_EQ(write_chunk_line(line, SIZE_MAX), kChunkLineBytesMax);
  EXPECT_EQ(std::string(line, kChunkLineBytesMax), "ffffffffffffffff\r\n");
}

TEST(ProblemJson, names_status_and_detail) {
  EXPECT_EQ(problem_json(400, "a \"b\""), R"({"type":"about:blank","title":"Bad Request","status":400,"detail":"a \"b\""})");
}

TEST(HttpDate, is_an_imf_fixdate) {
  EXPECT_EQ(http_date(784111777), kDate);
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(http_date(951868799), "Tue, 29 Feb 2000 23:59:59 GMT");
  EXPECT_EQ(http_date(4107542400), "Mon, 01 Mar 2100 00:00:00 GMT");
  EXPECT_EQ(http_date(253402300799), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(HttpDate, agrees_with_the_c_library) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 2000; ++i) {
    const auto seconds = static_cast<std::time_t>(random() % 253402300800U);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    EXPECT_EQ(http_date(seconds), text);
  }
}

}  // namespace
}  // namespace broadside
