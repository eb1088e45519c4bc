// Chunked bodies: each table row whole, in pieces, and against a guard page.
#include "proto/chunked_decoder.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/limits.h"
#include "tests/support/guard_page.h"

namespace broadside {
namespace {

struct Outcome {
  ParseOutcome outcome = ParseOutcome::need_more;
  std::string body;
  std::size_t consumed = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome feed_in_pieces(std::string_view input, std::size_t piece_bytes) {
  ChunkedDecoder decoder;
  Outcome result;
  for (std::size_t begin = 0; begin < input.size(); begin += piece_bytes) {
    const GuardedBytes piece(input.substr(begin, piece_bytes));
    std::string_view rest = piece.view();
    while (!rest.empty()) {
      const ChunkedDecoder::Step step = decoder.feed(rest);
      result.outcome = step.outcome;
      result.body += step.data;
      result.consumed += step.consumed;
      if (step.outcome != ParseOutcome::need_more) return result;
      EXPECT_TRUE(!step.data.empty() || step.consumed == rest.size());
      rest.remove_prefix(step.consumed);
    }
  }
  return result;
}

Outcome feed(std::string_view input) {
  const Outcome whole = feed_in_pieces(input, input.size() + 1);
  for (std::size_t piece_bytes = 1; piece_bytes <= 5; ++piece_bytes) {
    EXPECT_EQ(feed_in_pieces(input, piece_bytes), whole) << "in pieces of " << piece_bytes << ": " << input;
  }
  return whole;
}

TEST(ChunkedDecoder, gives_the_data_and_stops_at_the_end) {
  const std::string body = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
  EXPECT_EQ(feed(body + "GET /"), (Outcome{ParseOutcome::complete, "hello world", body.size()}));
  EXPECT_EQ(feed("0\r\n\r\n"), (Outcome{ParseOutcome::complete, "", 5}));
  EXPECT_EQ(feed("000\r\n\r\n").outcome, ParseOutcome::complete);
  EXPECT_EQ(feed("A\r\n0123456789\r\n00a\r\nabcdefghij\r\n0\r\n\r\n").body, "0123456789abcdefghij");
}

TEST(ChunkedDecoder, asks_for_more_at_every_cut) {
  const std::string body = "3;x=y\r\nab\n\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t length = 0; length < body.size(); ++length) {
    EXPECT_EQ(feed(body.substr(0, length)).outcome, ParseOutcome::need_more) << length;
  }
  EXPECT_EQ(feed(body).outcome, ParseOutcome::complete);
}

TEST(ChunkedDecoder, drops_extensions_and_trailers) {
  EXPECT_EQ(feed("3;a=b;c=\"d e\"\r\nabc\r\n0;z\r\nChecksum: 1\r\nX:\r\n\r\n").body, "abc");
  EXPECT_EQ(feed("0\r\nChecksum: 1\r\nX:\r\n\r\n").outcome, ParseOutcome::complete);
}

TEST(ChunkedDecoder, refuses_what_is_not_exactly_so) {
  for (const std::string_view input : {
           std::string_view("\r\n"),
           std::string_view("g\r\n"),
           std::string_view("-1\r\n"),
           std::string_view("+1\r\n"),
           std::string_view("0x1\r\n"),
           std::string_view(" 1\r\n"),
           std::string_view("1 \r\n"),
           std::string_view("1 ;a\r\n"),
           std::string_view(";a\r\n"),
           std::string_view("1\na\r\n"),
           std::string_view("1\r\r\n"),
           std::string_view("1\ra"),
           std::string_view("1;a\nb\r\n"),
           std::string_view("1;a\rb\r\n"),
           std::string_view("1;\0\r\n", 5),
           std::string_view("1;\x7F\r\n"),
           std::string_view("1\r\nab"),
           std::string_view("1\r\na\n"),
           std::string_view("1\r\na\r\r"),
           std::string_view("0\r\n\n"),
           std::string_view("0\r\n\ra"),
           std::string_view("0\r\n: a\r\n"),
           std::string_view("0\r\n a: b\r\n"),
           std::string_view("0\r\na : b\r\n"),
           std::string_view("0\r\na\r\n"),
           std::string_view("0\r\na: b\n"),
           std::string_view("0\r\na: b\rc"),
           std::string_view("0\r\na: \0\r\n", 10),
           std::string_view("0\r\na: b\r\n c\r\n"),
           std::string_view("00000000000000001\r\n"),
           std::string_view("10000000000000000\r\n"),
       }) {
    EXPECT_EQ(feed(input).outcome, ParseOutcome::refused) << input;
  }
}

TEST(ChunkedDecoder, stays_refused) {
  ChunkedDecoder decoder;
  EXPECT_EQ(decoder.feed("x").outcome, ParseOutcome::refused);
  EXPECT_EQ(decoder.feed("0\r\n\r\n").outcome, ParseOutcome::refused);
  EXPECT_STRNE(decoder.feed("").detail, "");
  decoder.reset();
  EXPECT_EQ(decoder.feed("0\r\n\r\n").outcome, ParseOutcome::complete);
}

TEST(ChunkedDecoder, takes_the_largest_size) {
  EXPECT_EQ(feed("ffffffffffffffff\r\nab"), (Outcome{ParseOutcome::need_more, "ab", 20}));
  EXPECT_EQ(feed("0000000000000001\r\na\r\n").outcome, ParseOutcome::need_more);
}

TEST(ChunkedDecoder, bounds_extensions_and_trailers) {
  const std::string extension(kChunkExtensionBytesMax, 'x');
  EXPECT_EQ(feed("0;" + extension + "\r\n\r\n").outcome, ParseOutcome::complete);
  EXPECT_EQ(feed("0;" + extension + "x\r\n\r\n").outcome, ParseOutcome::refused);
  EXPECT_EQ(feed("1;" + extension + "\r\na\r\n0;" + extension + "\r\n\r\n").outcome, ParseOutcome::complete);
  // The name, colon, two CR and two LF are six bytes.
  const std::string value(kTrailerBytesMax - 6, 'x');
  EXPECT_EQ(feed("0;a\r\nA:" + value + "\r\n\r\n").outcome, ParseOutcome::complete);
  EXPECT_EQ(feed("0\r\nA:" + value + "x\r\n\r\n").outcome, ParseOutcome::refused);
}

}  // namespace
}  // namespace broadside
