// Payloads survive what servers do to data, and nothing else is taken for one.
#include "tools/load/payload.h"

#include <gtest/gtest.h>

namespace broadside::tools::load {
namespace {

constexpr Payload kPayload{.run = 0xdeadbeef, .topic = 77, .sequence = 4'000'000'000, .due = 1'234'567'890'123 * kMicrosecond};

std::string text_of(const Payload& payload, std::size_t bytes) {
  std::string text;
  append_payload(text, payload, bytes);
  return text;
}

TEST(LoadPayload, has_the_size_that_was_asked_for) {
  for (const std::size_t bytes : {kPayloadBytesMin, kPayloadBytesMin + 1, std::size_t{256}, std::size_t{100'000}}) {
    EXPECT_EQ(text_of(kPayload, bytes).size(), bytes);
  }
}

TEST(LoadPayload, is_found_again_bare_and_wrapped) {
  for (const std::size_t bytes : {kPayloadBytesMin, std::size_t{256}}) {
    const std::string text = text_of(kPayload, bytes);
    EXPECT_EQ(find_payload(text), kPayload);
    EXPECT_EQ(find_payload("{\"message\":\"" + text + "\"}"), kPayload);
  }
}

TEST(LoadPayload, needs_no_escape_in_a_form_or_in_json) {
  for (const char byte : text_of(kPayload, 300)) EXPECT_TRUE(byte == '.' || (byte >= 'a' && byte <= 'z')) << byte;
}

TEST(LoadPayload, cut_short_or_changed_is_none) {
  const std::string text = text_of(kPayload, kPayloadBytesMin);
  for (std::size_t bytes = 0; bytes < text.size(); ++bytes)
    EXPECT_FALSE(find_payload(text.substr(0, bytes)).has_value()) << bytes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char other : {'A', '0', 'q', '`', '\0', '\xff'}) {
      std::string changed = text;
      changed[at] = other;
      EXPECT_FALSE(find_payload(changed).has_value()) << at << " " << static_cast<int>(other);
    }
  }
}

TEST(LoadPayload, with_a_time_beyond_the_clock_is_none) {
  std::string text = text_of(kPayload, kPayloadBytesMin);
  text.replace(text.size() - 16, 16, "pppppppppppppppp");
  EXPECT_FALSE(find_payload(text).has_value());
}

}  // namespace
}  // namespace broadside::tools::load
