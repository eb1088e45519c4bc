// X-Forwarded-For: who a request is from, for every mix of trusted, other and malformed elements.
#include "proto/forwarded_for.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/guard_page.h"

namespace broadside {
namespace {

// "" if nothing is believed. 10.0.0.0/8, 192.0.2.1 and fd00::/8 are trusted.
std::string source_of(const std::vector<Header>& headers) {
  const IpNetwork trusted[] = {parse_ip_network("10.0.0.0/8").value(), parse_ip_network("192.0.2.1").value(),
                               parse_ip_network("fd00::/8").value()};
  const auto source = forwarded_source(headers, trusted);
  return source ? to_text(*source) : "";
}

TEST(ForwardedFor, is_the_last_address_that_is_not_trusted) {
  struct Case {
    std::string_view value;
    std::string_view expected;
  };
  constexpr Case kCases[] = {
      {"203.0.113.7", "203.0.113.7"},
      {"203.0.113.7, 10.0.0.1", "203.0.113.7"},
      {"203.0.113.7,10.0.0.1,192.0.2.1 ,\tfd12::1", "203.0.113.7"},
      {"198.51.100.1, 203.0.113.7, 10.0.0.1", "203.0.113.7"},
      {"10.9.9.9, 203.0.113.7, 10.0.0.1", "203.0.113.7"},
      {"198.51.100.1, 203.0.113.7", "203.0.113.7"},
      {"2001:db8::1, fd00::1", "2001:db8::1"},
      {"203.0.113.7:1234, [fd00::1]:80, 10.0.0.1:65535", "203.0.113.7"},
      {"[2001:db8::1]:1234", "2001:db8::1"},
      {"::ffff:203.0.113.7, ::ffff:10.0.0.1", "203.0.113.7"},
      {"10.0.0.2, 10.0.0.1", "10.0.0.2"},
      {"10.0.0.1", "10.0.0.1"},
      {"unknown, 203.0.113.7", "203.0.113.7"},
      {"203.0.113.7, unknown", ""},
      {"203.0.113.7, unknown, 10.0.0.1", "10.0.0.1"},
      {"203.0.113.7,, 10.0.0.1", "10.0.0.1"},
      {"203.0.113.7, 10.0.0.1,", ""},
      {", 10.0.0.1", "10.0.0.1"},
      {"203.0.113.7 10.0.0.1", ""},
      {"\"203.0.113.7\"", ""},
      {"for=203.0.113.7", ""},
      {"203.0.113.7, 10.0.0.1:99999", ""},
      {"203.0.113.7, fd00::1%eth0", ""},
      {"", ""},
      {",", ""},
  };
  for (const Case& c : kCases) {
    const GuardedBytes guarded(c.value);
    EXPECT_EQ(source_of({{.name = "X-Forwarded-For", .value = guarded.view()}}), c.expected) << c.value;
  }
}

TEST(ForwardedFor, is_one_list_of_all_its_fields) {
  EXPECT_EQ(source_of({{"X-Forwarded-For", "203.0.113.7"}, {"x-forwarded-for", "10.0.0.1"}}), "203.0.113.7");
  EXPECT_EQ(source_of({{"X-FORWARDED-FOR", "10.0.0.1"}, {"Via", "x"}, {"X-Forwarded-For", "203.0.113.7"}}), "203.0.113.7");
  EXPECT_EQ(source_of({{"X-Forwarded-For", "203.0.113.7, 10.0.0.2"}, {"X-Forwarded-For", "10.0.0.1"}}), "203.0.113.7");
  EXPECT_EQ(source_of({{"X-Forwarded-For", "203.0.113.7"}, {"X-Forwarded-For", ""}}), "");
  EXPECT_EQ(source_of({{"X-Forwarded-For", "203.0.113.7"}, {"X-Forwarded-For", ",10.0.0.1"}}), "10.0.0.1") << "as in one list";
  EXPECT_EQ(source_of({{"X-Forwarded-For", "203.0.113.7"}, {"X-Forwarded-For", "-"}, {"X-Forwarded-For", "10.0.0.1"}}),
            "10.0.0.1");
}

TEST(ForwardedFor, is_not_any_other_field) {
  EXPECT_EQ(source_of({}), "");
  EXPECT_EQ(source_of({{"Forwarded", "for=203.0.113.7"}, {"X-Real-IP", "203.0.113.7"}, {"X-Forwarded", "203.0.113.7"}}), "");
}

TEST(ForwardedFor, believes_one_element_where_no_network_is_trusted) {
  const Header header{.name = "X-Forwarded-For", .value = "198.51.100.1, 203.0.113.7"};
  EXPECT_EQ(to_text(forwarded_source({&header, 1}, {}).value()), "203.0.113.7");
}

}  // namespace
}  // namespace broadside
