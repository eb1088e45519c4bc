// Every refusal of an event where it holds and at its limit.
#include "proto/event_check.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/sse_encoder.h"

namespace broadside {
namespace {

constexpr std::uint64_t kDataBytesMax = 8;

Event event_of(std::string_view data, std::string_view type = {}, std::string_view id = {}, std::string_view key = {}) {
  return Event{.data = data, .type = type, .id = id, .retry_ms = std::nullopt, .key = key};
}

TEST(EventCheck, refuses_what_cannot_be_published) {
  const std::string longest(255, 'x');
  const std::string too_long(256, 'x');
  struct Case {
    Event event;
    const char* reason;  // How the message begins; null: it is taken.
  };
  const Case cases[] = {
      {event_of(""), nullptr},
      {event_of("12345678"), nullptr},
      {event_of("123456789"), "data is larger"},
      {event_of("\xC3"), "data is not UTF-8"},
      {event_of(std::string_view("\0", 1)), nullptr},
      {event_of("", longest), nullptr},
      {event_of("", too_long), "event is longer"},
      {event_of("", "a b\tc:"), nullptr},
      {event_of("", "a\nb"), "event has a line break"},
      {event_of("", std::string_view("a\0b", 3)), "event has a line break"},
      {event_of("", "\xFF"), "event has a line break"},
      {event_of("", "broadside.open"), "event begins with 'broadside.'"},
      {event_of("", kOwnTypePrefix), "event begins with 'broadside.'"},
      {event_of("", "broadside"), nullptr},
      {event_of("", "", longest), nullptr},
      {event_of("", "", too_long), "id is longer"},
      {event_of("", "", "a b"), nullptr},
      {event_of("", "", " a"), "id has a space"},
      {event_of("", "", "a "), "id has a space"},
      {event_of("", "", "a\tb"), "id has a control character"},
      {event_of("", "", "\xC2\x85"), "id has a control character"},
      {event_of("", "", "a\nb"), "id has a line break"},
      {event_of("", "", std::string_view("\0", 1)), "id has a line break"},
      {event_of("", "", "\x80"), "id has a line break"},
      {event_of("", "", "1-2"), "id has the form digits-digits"},
      {event_of("", "", "007-99999999999999999999999"), "id has the form digits-digits"},
      {event_of("", "", "1-"), nullptr},
      {event_of("", "", "1-2-3"), nullptr},
      {event_of("", "", "", longest), nullptr},
      {event_of("", "", "", too_long), "key is longer"},
      {event_of("", "", "", "\xFF"), "key is not UTF-8"},
  };
  for (const Case& c : cases) {
    const Result<Done> checked = check_event(c.event, kDataBytesMax);
    const std::string message = checked ? "" : checked.error().message;
    ASSERT_EQ(checked.has_value(), c.reason == nullptr) << message << " instead of " << (c.reason != nullptr ? c.reason : "none");
    if (checked) continue;
    EXPECT_TRUE(message.starts_with(c.reason)) << message << " instead of " << c.reason;
  }
}

TEST(EventCheck, tells_too_much_data_from_what_is_wrong) {
  EXPECT_EQ(check_event(event_of("123456789"), kDataBytesMax).error().code, Error::Code::too_large);
  EXPECT_EQ(check_event(event_of("", "a\nb"), kDataBytesMax).error().code, Error::Code::invalid_argument);
}

}  // namespace
}  // namespace broadside
