// JSON strings: what is escaped, and that the result is JSON whatever came in.
#include "proto/json_text.h"

#include <gtest/gtest.h>

#include "tests/support/guard_page.h"

namespace broadside {
namespace {

std::string json_of(std::string_view text) {
  const GuardedBytes guarded(text);
  std::string out;
  append_json_string(out, guarded.view());
  return out;
}

TEST(JsonText, quotes_and_escapes) {
  EXPECT_EQ(json_of(""), R"("")");
  EXPECT_EQ(json_of("plain \xC3\xA9 /"), "\"plain \xC3\xA9 /\"");
  EXPECT_EQ(json_of("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json_of("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(json_of(std::string_view("\0\x1F\x7F", 3)), "\"\\u0000\\u001f\x7F\"");
}

TEST(JsonText, replaces_what_is_not_utf8) {
  EXPECT_EQ(json_of("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(json_of("\xC3"), "\"\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace broadside
