// Frames byte for byte, and what cannot be written.
#include "proto/sse_encoder.h"

#include <gtest/gtest.h>

#include "broadside/sse.h"
#include "proto/limits.h"
#include "tests/support/guard_page.h"

namespace broadside {
namespace {

Event event_of(std::string_view data, std::string_view type = {}, std::string_view id = {}, std::string_view key = {}) {
  return Event{.data = data, .type = type, .id = id, .retry_ms = std::nullopt, .key = key};
}

std::string body_of(const Event& event) {
  std::string out;
  append_event_body(out, event);
  return out;
}

TEST(SseEncoder, splits_data_at_every_kind_of_line_break) {
  struct Case {
    const char* data;
    const char* body;
  };
  constexpr Case kCases[] = {
      {"", "data: \n\n"},
      {"a", "data: a\n\n"},
      {" a", "data:  a\n\n"},
      {"a\nb", "data: a\ndata: b\n\n"},
      {"a\rb", "data: a\ndata: b\n\n"},
      {"a\r\nb", "data: a\ndata: b\n\n"},
      {"a\n\rb", "data: a\ndata: \ndata: b\n\n"},
      {"a\r\rb", "data: a\ndata: \ndata: b\n\n"},
      {"a\r\n", "data: a\ndata: \n\n"},
      {"\n", "data: \ndata: \n\n"},
      {"\r", "data: \ndata: \n\n"},
      {"\r\n\r\nx\n", "data: \ndata: \ndata: x\ndata: \n\n"},
      {"data: x: y", "data: data: x: y\n\n"},
  };
  for (const Case& c : kCases) {
    const GuardedBytes data(c.data);
    EXPECT_EQ(body_of(event_of(data.view())), c.body);
  }
}

TEST(SseEncoder, writes_type_then_retry_then_data) {
  EXPECT_EQ(body_of(Event{.data = "x", .type = "tick", .id = "ignored", .retry_ms = 3000, .key = "not sent"}),
            "event: tick\nretry: 3000\ndata: x\n\n");
  EXPECT_EQ(body_of(Event{.data = "x", .type = {}, .id = {}, .retry_ms = UINT64_MAX, .key = {}}),
            "retry: 18446744073709551615\ndata: x\n\n");
}

TEST(SseEncoder, writes_own_events_whole) {
  std::string out;
  append_own_event(out, "broadside.open", "12-3", R"({"a":1})", 2500);
  append_own_event(out, "broadside.end", "12-4", "{}", std::nullopt);
  EXPECT_EQ(out,
            "id: 12-3\nevent: broadside.open\nretry: 2500\ndata: {\"a\":1}\n\n"
            "id: 12-4\nevent: broadside.end\ndata: {}\n\n");
}

TEST(SseEncoder, never_exceeds_the_frame_bound) {
  const std::string data(1000, '\n');
  const std::string type(kTypeBytesMax, 't');
  std::string frame;
  append_id_line(frame, std::string(kIdBytesMax, 'i'));
  append_event_body(frame, Event{.data = data, .type = type, .id = {}, .retry_ms = UINT64_MAX, .key = {}});
  EXPECT_EQ(frame.size(), frame_bytes_max(data.size()));
}

TEST(SseEncoder, writes_an_event_whole) {
  std::string out;
  append_sse_event(out, Event{.data = "a\nb", .type = "tick", .id = "7", .retry_ms = 3000, .key = "not sent"});
  append_sse_event(out, event_of("c"));
  EXPECT_EQ(out, "id: 7\nevent: tick\nretry: 3000\ndata: a\ndata: b\n\ndata: c\n\n");
}

TEST(SseEncoder, writes_retry_and_comments_as_blocks_of_their_own) {
  std::string out;
  append_sse_retry(out, 0);
  append_sse_comment(out, "");
  append_sse_comment(out, " one\r\ndata: two\n\rthree");
  EXPECT_EQ(out, "retry: 0\n\n:\n\n: one\n:data: two\n:\n:three\n\n");
}

TEST(SseEncoder, refuses_what_cannot_be_written) {
  const std::string long_text(100000, 'x');
  const char* const bad_data = "data is not UTF-8";
  const char* const bad_type = "event has a line break or a NUL, or is not UTF-8";
  const char* const bad_id = "id has a line break or a NUL, or is not UTF-8";
  struct Case {
    Event event;
    const char* message;  // Null: it is taken.
  };
  const Case cases[] = {
      {event_of(""), nullptr},
      {event_of("a\r\nb"), nullptr},
      {event_of(std::string_view("\0", 1)), nullptr},
      {event_of(long_text, long_text, long_text), nullptr},
      {event_of("\xC3"), bad_data},
      {event_of("", "broadside.open", "1-2"), nullptr},
      {event_of("", " a:\tb "), nullptr},
      {event_of("", "a\nb"), bad_type},
      {event_of("", "a\r"), bad_type},
      {event_of("", std::string_view("a\0b", 3)), bad_type},
      {event_of("", "\xFF"), bad_type},
      {event_of("", "", " a\t"), nullptr},
      {event_of("", "", "\n"), bad_id},
      {event_of("", "", "a\rb"), bad_id},
      {event_of("", "", std::string_view("\0", 1)), bad_id},
      {event_of("", "", "\x80"), bad_id},
      {event_of("", "", "", "\xFF\n"), nullptr},
  };
  for (const Case& c : cases) {
    const Result<Done> checked = check_sse_event(c.event);
    ASSERT_EQ(checked.has_value(), c.message == nullptr) << (c.message != nullptr ? c.message : checked.error().message);
    if (checked) continue;
    EXPECT_EQ(checked.error().code, Error::Code::invalid_argument);
    EXPECT_EQ(checked.error().message, c.message);
  }
}

}  // namespace
}  // namespace broadside
