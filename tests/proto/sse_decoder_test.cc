// The decoder against tables made from WHATWG HTML 9.2.6, each fed whole, byte by byte and against a guard page; and against
// the encoder with random events.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "broadside/sse.h"
#include "tests/support/guard_page.h"

namespace broadside {
namespace {

using Lines = std::vector<std::string>;

// Writes down what it is told, one line a call.
class Recorder final : public SseDecoder::Sink {
 public:
  void on_event(const DecodedEvent& event) noexcept override {
    lines.push_back(std::string(event.type) + "|" + std::string(event.data) + "|" + std::string(event.last_event_id));
  }
  void on_retry(std::uint64_t retry_ms) noexcept override { lines.push_back("retry " + std::to_string(retry_ms)); }
  void on_comment(std::string_view text) noexcept override { lines.push_back("comment" + std::string(text)); }

  Lines lines;
};

// Decodes `stream` whole; then in pieces of one to seven bytes, each against a guard page. All have to agree.
Lines decode(std::string_view stream, std::size_t bytes_max = SseDecoder::kBytesMaxDefault) {
  Recorder whole;
  const GuardedBytes guarded(stream);
  SseDecoder decoder(bytes_max);
  const bool is_good = decoder.feed(guarded.view(), whole);
  for (std::size_t piece_bytes = 1; piece_bytes <= 7; ++piece_bytes) {
    Recorder pieces;
    SseDecoder split_decoder(bytes_max);
    bool is_split_good = true;
    for (std::size_t i = 0; i < stream.size(); i += piece_bytes) {
      const GuardedBytes piece(stream.substr(i, piece_bytes));
      is_split_good = split_decoder.feed(piece.view(), pieces);
    }
    EXPECT_EQ(pieces.lines, whole.lines) << "in pieces of " << piece_bytes;
    EXPECT_EQ(is_split_good, is_good);
    EXPECT_EQ(split_decoder.last_event_id(), decoder.last_event_id());
  }
  if (!is_good) whole.lines.emplace_back("overflow");
  return whole.lines;
}

TEST(SseDecoder, dispatches_at_a_blank_line_only) {
  EXPECT_EQ(decode("data: a\n\n"), Lines{"message|a|"});
  EXPECT_EQ(decode("data: a\n"), Lines{});
  EXPECT_EQ(decode("data: a"), Lines{});
  EXPECT_EQ(decode("data: a\n\ndata: b\n"), Lines{"message|a|"});
  EXPECT_EQ(decode("\n\n\n"), Lines{});
  EXPECT_EQ(decode(""), Lines{});
}

TEST(SseDecoder, joins_data_lines_with_line_feeds) {
  EXPECT_EQ(decode("data: YHOO\ndata: +2\ndata: 10\n\n"), Lines{"message|YHOO\n+2\n10|"});
  EXPECT_EQ(decode("data\ndata\n\n"), Lines{"message|\n|"});
  EXPECT_EQ(decode("data:\ndata: x\ndata\n\n"), Lines{"message|\nx\n|"});
}

TEST(SseDecoder, dispatches_empty_data_but_not_no_data) {
  EXPECT_EQ(decode("data\n\n"), Lines{"message||"});
  EXPECT_EQ(decode("data:\n\n"), Lines{"message||"});
  EXPECT_EQ(decode("data: \n\n"), Lines{"message||"});
  EXPECT_EQ(decode("event: x\n\ndata: a\n\n"), Lines{"message|a|"});
}

TEST(SseDecoder, takes_cr_lf_and_crlf_as_line_ends) {
  EXPECT_EQ(decode("data: a\r\rdata: b\r\n\r\ndata: c\n\n"), (Lines{"message|a|", "message|b|", "message|c|"}));
  EXPECT_EQ(decode("data: a\n\rdata: b\r\n\n"), (Lines{"message|a|", "message|b|"}));
  EXPECT_EQ(decode("data: a\r\ndata: b\rdata: c\n\r\n"), Lines{"message|a\nb\nc|"});
}

TEST(SseDecoder, removes_one_leading_space) {
  EXPECT_EQ(decode("data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\ndata: a \n\n"),
            (Lines{"message|a|", "message|a|", "message| a|", "message|\ta|", "message|a |"}));
}

TEST(SseDecoder, takes_a_byte_order_mark_once) {
  EXPECT_EQ(decode("\xEF\xBB\xBF"
                   "data: a\n\n"),
            Lines{"message|a|"});
  EXPECT_EQ(decode("\xEF\xBB\xBF\xEF\xBB\xBF"
                   "data: a\n\n"),
            Lines{});
  EXPECT_EQ(decode("\xEF\xBB"
                   "data: a\n\n"),
            Lines{});
  EXPECT_EQ(decode("\xEF\n"
                   "data: a\n\n"),
            Lines{"message|a|"});
  EXPECT_EQ(decode("data: a\n\n\xEF\xBB\xBF"
                   "data: b\n\n"),
            Lines{"message|a|"});
}

TEST(SseDecoder, knows_fields_by_their_exact_name) {
  EXPECT_EQ(decode("Data: a\ndata : b\n data: c\ndata2: d\ndat: e\nx\n\n"), Lines{});
  EXPECT_EQ(decode("event: add\ndata: 7\n\nevent: \ndata: 8\n\nevent\ndata: 9\n\n"),
            (Lines{"add|7|", "message|8|", "message|9|"}));
  EXPECT_EQ(decode("event: a\nevent: b\ndata: x\n\n"), Lines{"b|x|"});
}

TEST(SseDecoder, passes_comments) {
  EXPECT_EQ(decode(":\n: x\n:y:z\ndata: a\n\n"), (Lines{"comment", "comment x", "commenty:z", "message|a|"}));
}

TEST(SseDecoder, keeps_the_last_event_id_until_it_changes) {
  EXPECT_EQ(decode("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: 2\n\ndata: d\n\n"),
            (Lines{"message|a|1", "message|b|1", "message|c|", "message|d|2"}));
  EXPECT_EQ(decode(std::string("id: 1\nid: 2\0\ndata: a\n\n", 23)), Lines{"message|a|1"});
}

TEST(SseDecoder, does_not_take_the_id_of_an_unfinished_block) {
  Recorder recorder;
  SseDecoder decoder;
  decoder.feed("id: 1\ndata: a\n\nid: 2\ndata: b\n", recorder);
  EXPECT_EQ(decoder.last_event_id(), "1");
  decoder.restart();
  decoder.feed("data: c\n\n", recorder);
  EXPECT_EQ(recorder.lines, (Lines{"message|a|1", "message|c|1"}));
  decoder.restart("9");
  decoder.feed(
      "\xEF\xBB\xBF"
      "data: d\n\n",
      recorder);
  EXPECT_EQ(recorder.lines.back(), "message|d|9");
}

TEST(SseDecoder, takes_retry_of_digits_only) {
  EXPECT_EQ(decode("retry: 10\nretry:007\nretry\nretry: \nretry: 1a\nretry: -1\nretry: +1\nretry: 1.0\nretry:  1\n"),
            (Lines{"retry 10", "retry 7"}));
  EXPECT_EQ(decode("retry: 18446744073709551615\nretry: 18446744073709551616\n"), Lines{"retry 18446744073709551615"});
}

TEST(SseDecoder, stops_at_a_line_or_an_event_above_its_bound) {
  EXPECT_EQ(decode("data: 89\n\n", 8), Lines{"message|89|"});
  EXPECT_EQ(decode("data: a\n\ndata: 890\n\ndata: b\n\n", 8), (Lines{"message|a|", "overflow"}));
  EXPECT_EQ(decode(":23456789", 8), Lines{"overflow"});
  EXPECT_EQ(decode("data: ab\ndata: cd\ndata: ef\n\n", 8), Lines{"message|ab\ncd\nef|"});
  EXPECT_EQ(decode("data: ab\ndata: cd\ndata: ef\ndata\n\ndata: x\n\n", 8), Lines{"overflow"});
}

// What a decoder makes of data: each line break is an LF.
std::string with_line_feeds(std::string_view data) {
  std::string out;
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] == '\r' && i + 1 < data.size() && data[i + 1] == '\n') continue;
    out += data[i] == '\r' ? '\n' : data[i];
  }
  return out;
}

TEST(SseDecoder, gives_back_what_the_encoder_wrote) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto text_of = [&random](std::size_t length_max, std::string_view alphabet) {
    std::string text;
    for (std::size_t length = random() % (length_max + 1); length > 0; --length) text += alphabet[random() % alphabet.size()];
    return text;
  };
  std::string stream;
  Lines expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string data = text_of(20, "\n\r:\t ad");
    const std::string type = text_of(4, " :ab");
    const std::string id = "i" + text_of(5, "-12x");
    Event event{.data = data, .type = type, .id = id, .retry_ms = std::nullopt, .key = {}};
    if (random() % 4 == 0) event.retry_ms = random() % 100000;
    ASSERT_TRUE(check_sse_event(event));
    append_sse_event(stream, event);
    if (event.retry_ms) expected.push_back("retry " + std::to_string(*event.retry_ms));
    expected.push_back((type.empty() ? "message" : type) + "|" + with_line_feeds(data) + "|" + id);
    if (random() % 4 == 0) {
      append_sse_comment(stream, " still\nthere");
      append_sse_retry(stream, 1500);
      expected.insert(expected.end(), {"comment still", "commentthere", "retry 1500"});
    }
  }
  Recorder recorder;
  SseDecoder decoder;
  for (std::size_t i = 0; i < stream.size();) {
    const std::size_t piece_bytes = 1 + random() % 200;
    const GuardedBytes piece(std::string_view(stream).substr(i, piece_bytes));
    ASSERT_TRUE(decoder.feed(piece.view(), recorder));
    i += piece_bytes;
  }
  EXPECT_EQ(recorder.lines, expected);
}

}  // namespace
}  // namespace broadside
