// The harness itself: an oracle that finds nothing would make every other test pass.
#include <gtest/gtest.h>

#include "tests/support/event_stream.h"
#include "tests/support/http_client.h"
#include "tests/support/oracle.h"

namespace broadside::test {
namespace {

class OracleFinds : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t number = 1; number <= 6; ++number) {
      const Position position = Position::of(1000, number);
      oracle_.on_published(number % 2 == 0 ? 1 : 0, position, id(number), "", "data " + std::to_string(number));
    }
  }
  static std::string id(std::uint64_t number) { return number == 3 ? "own" : "1000-" + std::to_string(number); }
  static Received received(std::uint64_t number) {
    return {.id = id_key_of(id(number)), .digest = digest_of("message", "data " + std::to_string(number))};
  }
  static SubscriberRecord record(const std::vector<std::uint64_t>& numbers, std::uint64_t start = 0) {
    SubscriberRecord record;
    record.topics = {0, 1};
    record.start = Position::of(1000, start);
    for (const std::uint64_t number : numbers) record.received.push_back(received(number));
    return record;
  }
  std::string check(const SubscriberRecord& record, bool is_complete = true) const { return oracle_.check(record, is_complete); }

  Oracle oracle_;
};

TEST_F(OracleFinds, nothing_wrong_with_what_is_right) {
  EXPECT_EQ(check(record({1, 2, 3, 4, 5, 6})), "");
  EXPECT_EQ(check(record({5, 6}, 4)), "");
  EXPECT_EQ(check(record({1, 2, 3}), false), "");
  EXPECT_EQ(check(record({}, 6)), "");
  SubscriberRecord one_topic = record({2, 4, 6});
  one_topic.topics = {1, 1};
  EXPECT_EQ(check(one_topic), "");
}

TEST_F(OracleFinds, what_was_lost) {
  EXPECT_EQ(check(record({1, 2, 4, 5, 6})).rfind("lost", 0), 0U);
  EXPECT_EQ(check(record({2, 3, 4, 5, 6})).rfind("lost", 0), 0U);
  EXPECT_EQ(check(record({1, 2, 3, 4, 5})).rfind("lost", 0), 0U);
  EXPECT_EQ(check(record({1, 3}), false).rfind("lost", 0), 0U);
  EXPECT_FALSE(oracle_.has_newest(record({1, 2, 3, 4, 5})));
  EXPECT_TRUE(oracle_.has_newest(record({1, 2, 3, 4, 5, 6})));
}

TEST_F(OracleFinds, what_was_doubled_reordered_unknown_or_changed) {
  EXPECT_EQ(check(record({1, 1, 2, 3, 4, 5, 6})).rfind("doubled", 0), 0U);
  EXPECT_EQ(check(record({1, 3, 2, 4, 5, 6})).rfind("lost", 0), 0U);
  EXPECT_EQ(check(record({1, 2, 3, 4, 2, 5, 6})).rfind("reordered", 0), 0U);
  EXPECT_EQ(check(record({1}, 1)).rfind("doubled", 0), 0U);
  SubscriberRecord unknown = record({1, 2});
  unknown.received[1].id = id_key_of("1000-77");
  EXPECT_NE(check(unknown), "");
  SubscriberRecord changed = record({1, 2});
  changed.received[1].digest += 1;
  EXPECT_EQ(check(changed).rfind("torn", 0), 0U);
}

TEST_F(OracleFinds, gaps_excuse_only_their_range_and_topic) {
  SubscriberRecord gap = record({1, 4, 5, 6});
  EXPECT_NE(oracle_.check(gap, true, true), "");
  gap.gaps.push_back({.topic = std::nullopt, .from = Position::of(1000, 1), .to = Position::of(1000, 3)});
  EXPECT_EQ(oracle_.check(gap, true, true), "");
  EXPECT_NE(oracle_.check(gap, true, false), "");
  gap.gaps[0].topic = 1;
  EXPECT_NE(oracle_.check(gap, true, true), "");
}

TEST_F(OracleFinds, a_resume_from_somewhere_else) {
  SubscriberRecord resumed = record({1, 2, 3, 4, 5, 6});
  resumed.resumes.push_back({.last_id = id_key_of("own"), .open_after = Position::of(1000, 3)});
  EXPECT_EQ(check(resumed), "");
  resumed.resumes[0].open_after = Position::of(1000, 4);
  EXPECT_NE(check(resumed), "");
}

TEST(Payload, shows_that_it_is_torn) {
  const std::string payload = normalized_lines(make_payload("one\r\ntwo\rthree"));
  EXPECT_TRUE(is_payload_intact(payload));
  EXPECT_FALSE(is_payload_intact(payload.substr(0, payload.size() - 1)));
  EXPECT_FALSE(is_payload_intact(payload + payload));
  EXPECT_FALSE(is_payload_intact(""));
}

std::string violation_of(std::string_view text) {
  EventStream whole;
  whole.feed(text, [](const DecodedEvent&) {});
  EventStream byte_by_byte;
  for (const char& byte : text) byte_by_byte.feed(std::string_view(&byte, 1), [](const DecodedEvent&) {});
  EXPECT_EQ(whole.violation().empty(), byte_by_byte.violation().empty()) << text;
  return whole.violation();
}

TEST(StrictReader, takes_what_broadside_writes) {
  EXPECT_EQ(
      violation_of("id: 1-0\nevent: broadside.open\nretry: 3000\ndata: {}\n\n:\n\nid: 1-1\ndata: a\ndata: b\n\nretry: 5\n\n"),
      "");
  EXPECT_EQ(violation_of(": heartbeat\nid: 1-0\ndata: \n\n"), "");
}

TEST(StrictReader, finds_torn_frames) {
  for (const std::string text :
       {"id: 1-0\ndata: aid: 1-1\ndata: b\n\nda\n\n", "data: a\n\n", "id: 1-0\n\n", "id: 1-0\nid: 1-1\ndata: a\n\n",
        "id: 1-0\r\ndata: a\r\n\r\n", "retry: \n\n", "event: a\n\n", "id: 1-0\ntext\ndata: a\n\n"}) {
    EXPECT_NE(violation_of(text), "") << text;
  }
}

TEST(StrictReader, knows_whether_a_stream_ends_inside_an_event) {
  EventStream stream;
  const auto ignore = [](const DecodedEvent&) {};
  stream.feed("id: 1-0\ndata: a\n", ignore);
  EXPECT_TRUE(stream.is_inside_block());
  stream.feed("\n", ignore);
  EXPECT_FALSE(stream.is_inside_block());
  stream.feed("i", ignore);
  EXPECT_TRUE(stream.is_inside_block());
}

}  // namespace
}  // namespace broadside::test
