// UTF-8: each boundary of RFC 3629's table, at each offset to the eight-byte steps.
#include "proto/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/guard_page.h"

namespace broadside {
namespace {

TEST(Utf8, accepts_every_kind_of_character_at_its_bounds) {
  for (const char* text :
       {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xEC\xBF\xBF", "\xED\x80\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF3\xBF\xBF\xBF", "\xF4\x8F\xBF\xBF"}) {
    for (std::size_t before = 0; before < 18; ++before) {
      const GuardedBytes guarded(std::string(before, 'x') + text);
      EXPECT_TRUE(is_valid_utf8(guarded.view())) << before << " and " << text;
    }
  }
  EXPECT_TRUE(is_valid_utf8(std::string_view("\0", 1)));
}

TEST(Utf8, refuses_overlong_surrogate_too_high_cut_and_stray_bytes) {
  for (const char* text : {"\x80",
                           "\xBF",
                           "\xC0\x80",
                           "\xC1\xBF",
                           "\xC2",
                           "\xC2\x41",
                           "\xC2\xC2",
                           "\xE0\x80\x80",
                           "\xE0\x9F\xBF",
                           "\xE1\x80",
                           "\xE1\x80\x41",
                           "\xED\xA0\x80",
                           "\xED\xBF\xBF",
                           "\xF0\x80\x80\x80",
                           "\xF0\x8F\xBF\xBF",
                           "\xF0\x90\x80",
                           "\xF4\x90\x80\x80",
                           "\xF5\x80\x80\x80",
                           "\xFE",
                           "\xFF"}) {
    for (std::size_t before = 0; before < 18; ++before) {
      const GuardedBytes guarded(std::string(before, 'x') + text);
      EXPECT_FALSE(is_valid_utf8(guarded.view())) << before;
      EXPECT_EQ(valid_utf8_prefix(guarded.view()), before);
      EXPECT_FALSE(is_valid_utf8(std::string(guarded.view()) + "and more than eight bytes after it"));
    }
  }
}

TEST(Utf8, finds_control_characters_of_all_three_kinds) {
  EXPECT_FALSE(has_control_characters(" ~\xC2\xA0\xE2\x80\xA8\xC3\x80"));
  for (const std::string_view text : {std::string_view("\0", 1), std::string_view("\x1F"), std::string_view("a\tb"),
                                      std::string_view("\x7F"), std::string_view("\xC2\x80"), std::string_view("\xC2\x9F")}) {
    EXPECT_TRUE(has_control_characters(text));
  }
}

}  // namespace
}  // namespace broadside
