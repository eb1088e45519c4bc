// Whose word counts: networks, addresses and Unix sockets, and what is none of them.
#include "engine/trusted_proxies.h"

#include <gtest/gtest.h>

namespace broadside {
namespace {

TEST(TrustedProxies, are_those_of_the_networks_that_are_named) {
  const Result<TrustedProxies> trusted = parse_trusted_proxies({"10.0.0.0/8", "192.0.2.1", "fd00::/8"});
  ASSERT_TRUE(trusted) << trusted.error().message;
  EXPECT_TRUE(trusted->is_any());
  for (const char* text : {"10.1.2.3", "192.0.2.1", "fd00::1", "::ffff:10.0.0.1"}) {
    EXPECT_TRUE(trusted->contains(parse_ip_address(text))) << text;
  }
  for (const char* text : {"11.0.0.1", "192.0.2.2", "fe80::1"}) EXPECT_FALSE(trusted->contains(parse_ip_address(text))) << text;
  EXPECT_FALSE(trusted->contains(std::nullopt)) << "a Unix socket";
}

TEST(TrustedProxies, are_those_on_unix_sockets_where_that_is_said) {
  const Result<TrustedProxies> trusted = parse_trusted_proxies({"unix"});
  ASSERT_TRUE(trusted);
  EXPECT_TRUE(trusted->contains(std::nullopt));
  EXPECT_FALSE(trusted->contains(parse_ip_address("127.0.0.1")));
}

TEST(TrustedProxies, are_none_where_nothing_is_said) {
  const Result<TrustedProxies> trusted = parse_trusted_proxies({});
  ASSERT_TRUE(trusted);
  EXPECT_FALSE(trusted->is_any());
}

TEST(TrustedProxies, that_cannot_be_understood_are_named) {
  for (const std::string text : {"", "proxy.example", "10.0.0.0/33", "10.1.0.0/8", "unix:/run/x", "10.0.0.1:80"}) {
    const Result<TrustedProxies> trusted = parse_trusted_proxies({"10.0.0.0/8", text});
    ASSERT_FALSE(trusted) << text;
    EXPECT_NE(trusted.error().message.find("trusted_prox"), std::string::npos) << trusted.error().message;
    EXPECT_NE(trusted.error().message.find(text), std::string::npos) << trusted.error().message;
  }
}

}  // namespace
}  // namespace broadside
