// Topic names at their limits, and patterns.
#include "proto/topic_name.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/guard_page.h"

namespace broadside {
namespace {

TEST(TopicName, is_one_to_255_bytes_of_text) {
  EXPECT_FALSE(is_valid_topic(""));
  EXPECT_TRUE(is_valid_topic("a"));
  EXPECT_TRUE(is_valid_topic("news/sport, 2.0 *?#%"));
  EXPECT_TRUE(is_valid_topic("\xC3\xA9\xF0\x9F\x98\x80"));
  EXPECT_TRUE(is_valid_topic(std::string(255, 'x')));
  EXPECT_FALSE(is_valid_topic(std::string(256, 'x')));
}

TEST(TopicName, has_no_control_characters_and_is_utf8) {
  for (const std::string_view name : {std::string_view("a\0b", 3), std::string_view("a\n"), std::string_view("\x7F"),
                                      std::string_view("\xC2\x85"), std::string_view("\xFF"), std::string_view("a\xC3")}) {
    EXPECT_FALSE(is_valid_topic(GuardedBytes(name).view()));
  }
}

TEST(TopicPattern, star_is_any_run_and_the_whole_name_has_to_match) {
  struct Case {
    const char* pattern;
    const char* name;
    bool matches;
  };
  constexpr Case kCases[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "", false},
      {"*", "", true},
      {"*", "anything/at all", true},
      {"a", "a", true},
      {"a", "ab", false},
      {"a*", "ab", true},
      {"a*", "a", true},
      {"*a", "ba", true},
      {"*a", "ab", false},
      {"a*c", "abc", true},
      {"a*c", "ac", true},
      {"a*c", "abcd", false},
      {"a*b*c", "a-b-b-c", true},
      {"a*b*c", "acb", false},
      {"**", "x", true},
      {"a**b", "ab", true},
      {"*ab*ab", "abab", true},
      {"*ab*ab", "ab", false},
      {"a?c", "abc", false},
      {"a?c", "a?c", true},
      {"[ab]", "a", false},
      {"news/*", "news/a/b", true},
      {"*aab", "aaab", true},
  };
  for (const Case& c : kCases) {
    const GuardedBytes pattern(c.pattern);
    const GuardedBytes name(c.name);
    EXPECT_EQ(matches_pattern(pattern.view(), name.view()), c.matches) << c.pattern << " on " << c.name;
  }
}

TEST(TopicPattern, of_many_stars_ends_soon) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  EXPECT_FALSE(matches_pattern(pattern + "b", std::string(255, 'a')));
  EXPECT_TRUE(matches_pattern(pattern, std::string(255, 'a')));
}

}  // namespace
}  // namespace broadside
