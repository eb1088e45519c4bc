// Answers in every framing, whole and byte by byte.
#include "tools/load/answer_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace broadside::tools::load {
namespace {

// What a reader made of its input: `H200` for a head, `+` before an event stream's, the body as it is, `.` at the end.
std::string read_all(const std::string& bytes, std::size_t piece) {
  AnswerReader reader;
  std::string seen;
  for (std::size_t at = 0; at <= bytes.size(); at += piece) {
    const std::string copy = bytes.substr(at, piece);
    std::string_view input = copy;
    for (bool goes_on = true; goes_on;) {
      switch (reader.next(input)) {
        case AnswerReader::Step::need_more:
          EXPECT_TRUE(input.empty());
          goes_on = false;
          break;
        case AnswerReader::Step::head:
          seen += (reader.is_event_stream() ? "+H" : "H") + std::to_string(reader.status()) + (reader.is_last() ? "! " : " ");
          break;
        case AnswerReader::Step::body:
          seen += reader.body();
          break;
        case AnswerReader::Step::end:
          seen += ".";
          break;
        case AnswerReader::Step::bad:
          return seen + "BAD";
      }
    }
  }
  return seen;
}

struct Case {
  const char* bytes;
  const char* seen;
};

TEST(LoadAnswerReader, reads_every_framing) {
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "H200 abc."},
      {"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", "H200 ."},
      {"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 201 x\r\nContent-Length: 1\r\n\r\ny", "H204 .H201 y."},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "H200 abcde."},
      {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: Close\r\n\r\ndata: x\n\n",
       "+H200! data: x\n\n"},
      {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "H200! x."},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "H100 .H200 x."},
      {"SSH-2.0-OpenSSH\r\n\r\n", "BAD"},
      {"HTTP/1.1 abc\r\n\r\n", "BAD"},
      {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "BAD"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "H200 BAD"},
  };
  for (const Case& one : cases) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{4096}}) {
      EXPECT_EQ(read_all(one.bytes, piece), one.seen) << "pieces of " << piece << ":\n" << one.bytes;
    }
  }
}

TEST(LoadAnswerReader, gives_up_on_a_head_without_end) {
  EXPECT_EQ(read_all("HTTP/1.1 200 OK\r\n" + std::string(100'000, 'x'), 1000), "BAD");
}

}  // namespace
}  // namespace broadside::tools::load
