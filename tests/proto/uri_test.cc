// Percent escapes and query parameters.
#include "proto/uri.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/support/guard_page.h"

namespace broadside {
namespace {

TEST(PercentDecode, replaces_escapes_and_leaves_the_rest) {
  EXPECT_EQ(percent_decode(GuardedBytes("").view(), false), "");
  EXPECT_EQ(percent_decode(GuardedBytes("a%20b%2Fc%2f%C3%A9").view(), false), "a b/c/\xC3\xA9");
  EXPECT_EQ(percent_decode("%00", false), std::string(1, '\0'));
  EXPECT_EQ(percent_decode("%2525", false), "%25");
}

TEST(PercentDecode, has_plus_as_space_in_queries_only) {
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_decode("a+b%2B", false), "a+b+");
}

TEST(PercentDecode, refuses_bad_escapes) {
  for (const char* text : {"%", "%2", "%g0", "%0g", "a%", "%%20", "%2", "% 20", "%-1", "%u0041"}) {
    EXPECT_FALSE(percent_decode(GuardedBytes(text).view(), false)) << text;
  }
}

TEST(QueryParameters, come_in_order_and_decoded) {
  const GuardedBytes query("topic=a%20b&topic=c+d&&flag&=x&e=&f=1=2&");
  QueryParameters parameters(query.view());
  std::vector<std::pair<std::string, std::string>> found;
  auto step = parameters.next();
  for (; step == QueryParameters::Step::parameter; step = parameters.next())
    found.emplace_back(parameters.name(), parameters.value());
  EXPECT_EQ(step, QueryParameters::Step::end);
  const std::vector<std::pair<std::string, std::string>> expected = {{"topic", "a b"}, {"topic", "c d"}, {"flag", ""},
                                                                     {"", "x"},        {"e", ""},        {"f", "1=2"}};
  EXPECT_EQ(found, expected);
}

TEST(QueryParameters, tell_of_a_bad_escape_and_go_on) {
  QueryParameters parameters("a=%zz&b=1&%=2");
  EXPECT_EQ(parameters.next(), QueryParameters::Step::bad_escape);
  EXPECT_EQ(parameters.name(), "a");
  EXPECT_EQ(parameters.next(), QueryParameters::Step::parameter);
  EXPECT_EQ(parameters.name(), "b");
  EXPECT_EQ(parameters.next(), QueryParameters::Step::bad_escape);
  EXPECT_EQ(parameters.name(), "%");
  EXPECT_EQ(parameters.next(), QueryParameters::Step::end);
  EXPECT_EQ(parameters.next(), QueryParameters::Step::end);
}

}  // namespace
}  // namespace broadside
