// Methods, request targets and hosts.
#include "proto/http_target.h"

#include <gtest/gtest.h>

#include "tests/support/guard_page.h"

namespace broadside {
namespace {

TEST(HttpTarget, splits_every_form) {
  struct Case {
    Method method;
    const char* target;
    const char* path;   // Null: refused.
    const char* query;  // Null: none.
    const char* authority;
  };
  constexpr Case kCases[] = {
      {Method::get, "/", "/", nullptr, ""},
      {Method::get, "/a/b?c=d&e", "/a/b", "c=d&e", ""},
      {Method::get, "/a?", "/a", "", ""},
      {Method::get, "/a?b?c", "/a", "b?c", ""},
      {Method::get, "//a/b", "//a/b", nullptr, ""},
      {Method::get, "http://example.com/a?b", "/a", "b", "example.com"},
      {Method::get, "HTTPS://example.com:443/", "/", nullptr, "example.com:443"},
      {Method::get, "http://example.com", "/", nullptr, "example.com"},
      {Method::get, "http://example.com?a/b", "/", "a/b", "example.com"},
      {Method::options, "*", "*", nullptr, ""},
      {Method::options, "http://example.com", "*", nullptr, "example.com"},
      {Method::options, "/a", "/a", nullptr, ""},
      {Method::connect, "example.com:80", "example.com:80", nullptr, "example.com:80"},
      {Method::get, "*", nullptr, nullptr, ""},
      {Method::options, "**", nullptr, nullptr, ""},
      {Method::get, "a", nullptr, nullptr, ""},
      {Method::get, "?a", nullptr, nullptr, ""},
      {Method::get, "example.com:80", nullptr, nullptr, ""},
      {Method::get, "http:///a", nullptr, nullptr, ""},
      {Method::get, "http://", nullptr, nullptr, ""},
      {Method::get, "http://user@example.com/", nullptr, nullptr, ""},
      {Method::get, "http:/a", nullptr, nullptr, ""},
      {Method::get, "ftp://example.com/", nullptr, nullptr, ""},
      {Method::connect, "/", nullptr, nullptr, ""},
      {Method::connect, "example.com", nullptr, nullptr, ""},
  };
  for (const Case& c : kCases) {
    const GuardedBytes target(c.target);
    TargetParts parts;
    EXPECT_EQ(split_target(c.method, target.view(), parts), c.path != nullptr) << c.target;
    if (c.path == nullptr) continue;
    EXPECT_EQ(parts.path, c.path) << c.target;
    EXPECT_EQ(parts.has_query, c.query != nullptr) << c.target;
    EXPECT_EQ(parts.query, c.query != nullptr ? c.query : "") << c.target;
    EXPECT_EQ(parts.authority, c.authority) << c.target;
  }
}

TEST(HttpTarget, knows_valid_hosts) {
  for (const char* host : {"a", "localhost", "example.com", "EXAMPLE.com:80", "127.0.0.1:65535", "a:", "[::1]", "[::1]:8080",
                           "[fe80::1.2.3.4]", "a_b-c~d!$&'()*+;=e", "%41"}) {
    EXPECT_TRUE(is_valid_host(GuardedBytes(host).view())) << host;
  }
}

TEST(HttpTarget, knows_what_no_host_is) {
  for (const char* host : {"",        ":80",      "a b",  "a,b",     "a/b",      "a@b",  "a?b",   "a#b", "a:b",
                           "a:65536", "a:000080", "a:-1", "a:80:80", "::1",      "[::1", "[]",    "[1]", "[::g]",
                           "[::1]a",  "[::1]:x",  "%4",   "%zz",     "\xC3\xA9", "a\\b", "\"a\"", "<a>", "a\tb"}) {
    EXPECT_FALSE(is_valid_host(GuardedBytes(host).view())) << host;
  }
}

}  // namespace
}  // namespace broadside
