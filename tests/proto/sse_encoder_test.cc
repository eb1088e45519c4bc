// Frames byte for byte, and every refusal where it holds and at its limit.
#include "proto/sse_encoder.h"

#include <gtest/gtest.h>

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

TEST(SseEncoder, refuses_what_cannot_be_sent) {
  const std::string longest(255, 'x');
  const std::string too_long(256, 'x');
  struct Case {
    Event event;
    EventRefusal refusal;
  };
  const Case cases[] = {
      {event_of(""), EventRefusal::none},
      {event_of("12345678"), EventRefusal::none},
      {event_of("123456789"), EventRefusal::data_too_large},
      {event_of("\xC3"), EventRefusal::data_not_utf8},
      {event_of(std::string_view("\0", 1)), EventRefusal::none},
      {event_of("", longest), EventRefusal::none},
      {event_of("", too_long), EventRefusal::type_too_long},
      {event_of("", "a b\tc:"), EventRefusal::none},
      {event_of("", "a\nb"), EventRefusal::type_invalid},
      {event_of("", "a\r"), EventRefusal::type_invalid},
      {event_of("", std::string_view("a\0b", 3)), EventRefusal::type_invalid},
      {event_of("", "\xFF"), EventRefusal::type_invalid},
      {event_of("", "broadside.open"), EventRefusal::type_reserved},
      {event_of("", "broadside."), EventRefusal::type_reserved},
      {event_of("", "broadside"), EventRefusal::none},
      {event_of("", "", longest), EventRefusal::none},
      {event_of("", "", too_long), EventRefusal::id_too_long},
      {event_of("", "", "a b"), EventRefusal::none},
      {event_of("", "", " a"), EventRefusal::id_invalid},
      {event_of("", "", "a "), EventRefusal::id_invalid},
      {event_of("", "", "a\tb"), EventRefusal::id_invalid},
      {event_of("", "", "a\nb"), EventRefusal::id_invalid},
      {event_of("", "", std::string_view("\0", 1)), EventRefusal::id_invalid},
      {event_of("", "", "\xC2\x85"), EventRefusal::id_invalid},
      {event_of("", "", "\x80"), EventRefusal::id_invalid},
      {event_of("", "", "1-2"), EventRefusal::id_reserved},
      {event_of("", "", "007-99999999999999999999999"), EventRefusal::id_reserved},
      {event_of("", "", "1-"), EventRefusal::none},
      {event_of("", "", "1-2-3"), EventRefusal::none},
      {event_of("", "", "", longest), EventRefusal::none},
      {event_of("", "", "", too_long), EventRefusal::key_too_long},
      {event_of("", "", "", "\xFF"), EventRefusal::key_not_utf8},
  };
  for (const Case& c : cases) {
    const EventRefusal refusal = check_event(c.event, 8);
    EXPECT_EQ(refusal, c.refusal) << explain(refusal) << " instead of " << explain(c.refusal);
  }
  EXPECT_EQ(check_id(""), EventRefusal::id_invalid);
}

}  // namespace
}  // namespace broadside
