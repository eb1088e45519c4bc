// Addresses and networks: what text is one, how it is written back, and which network has which address.
#include "proto/ip_address.h"

#include <gtest/gtest.h>

#include <set>
#include <unordered_set>

#include "tests/support/guard_page.h"

namespace broadside {
namespace {

// What the text comes to, written back; "-" if it is refused.
std::string plain(std::string_view text) {
  const GuardedBytes guarded(text);
  const auto address = parse_ip_address(guarded.view());
  return address ? to_text(*address) : "-";
}

std::string with_port(std::string_view text) {
  const GuardedBytes guarded(text);
  const auto address = parse_ip_address_and_port(guarded.view());
  return address ? to_text(*address) : "-";
}

// Also why not.
std::string network(std::string_view text) {
  const GuardedBytes guarded(text);
  const auto parsed = parse_ip_network(guarded.view());
  return parsed ? to_text(*parsed) : parsed.error().message;
}

IpAddress address(std::string_view text) { return parse_ip_address(text).value(); }

struct Case {
  std::string_view text;
  std::string_view expected;
};

TEST(IpAddress, is_read_and_written_in_its_usual_form) {
  constexpr Case kCases[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"2001:DB8:0:0::1", "2001:db8::1"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"::ffff:c000:201", "192.0.2.1"},
      {"0000:0000:0000:0000:0000:ffff:192.168.100.228", "192.168.100.228"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(plain(c.text), c.expected) << c.text;
    EXPECT_EQ(with_port(c.text), c.expected) << c.text;
  }
}

TEST(IpAddress, is_refused_when_it_is_written_otherwise) {
  for (const std::string_view text : {std::string_view(""),
                                      std::string_view("a"),
                                      std::string_view("localhost"),
                                      std::string_view("1.2.3"),
                                      std::string_view("1.2.3.4.5"),
                                      std::string_view("1.2.3.256"),
                                      std::string_view("1.2.3.-4"),
                                      std::string_view("01.2.3.4"),
                                      std::string_view("0x1.2.3.4"),
                                      std::string_view("16909060"),
                                      std::string_view("1.2.3.4 "),
                                      std::string_view(" 1.2.3.4"),
                                      std::string_view("1.2.3.4\0", 8),
                                      std::string_view("1.2.3.4\0x", 9),
                                      std::string_view(":"),
                                      std::string_view(":::"),
                                      std::string_view("1:2:3:4:5:6:7"),
                                      std::string_view("1:2:3:4:5:6:7:8:9"),
                                      std::string_view("1::2::3"),
                                      std::string_view("::12345"),
                                      std::string_view("::g"),
                                      std::string_view("fe80::1%eth0"),
                                      std::string_view("::1/64"),
                                      std::string_view("[::1"),
                                      std::string_view("::1]"),
                                      std::string_view("unix:"),
                                      std::string_view("unknown"),
                                      std::string_view("_hidden"),
                                      std::string_view("00000:0000:0000:0000:0000:ffff:192.168.100.228")}) {
    EXPECT_EQ(plain(text), "-") << text;
    EXPECT_EQ(with_port(text), "-") << text;
  }
}

TEST(IpAddress, may_have_a_port_where_that_is_asked_for) {
  constexpr Case kCases[] = {
      {"192.0.2.1:80", "192.0.2.1"},
      {"192.0.2.1:0", "192.0.2.1"},
      {"192.0.2.1:65535", "192.0.2.1"},
      {"[2001:db8::1]", "2001:db8::1"},
      {"[2001:db8::1]:65535", "2001:db8::1"},
      {"[::ffff:192.0.2.1]:1", "192.0.2.1"},
      {"192.0.2.1:", "-"},
      {"192.0.2.1:65536", "-"},
      {"192.0.2.1:-1", "-"},
      {"192.0.2.1:+1", "-"},
      {"192.0.2.1:080", "-"},
      {"192.0.2.1:8a", "-"},
      {"192.0.2.1: 80", "-"},
      {":80", "-"},
      {"[::1]:", "-"},
      {"[::1]80", "-"},
      {"[::1]:80:80", "-"},
      {"[[::1]]", "-"},
      {"[]", "-"},
      {"[", "-"},
      {"[192.0.2.1]", "-"},
      {"[192.0.2.1]:80", "-"},
      {"[fe80::1%1]:80", "-"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(with_port(c.text), c.expected) << c.text;
    EXPECT_EQ(plain(c.text), "-") << c.text;
  }
}

TEST(IpAddress, is_made_of_the_bytes_of_either_version) {
  EXPECT_EQ(to_text(ip_address_of("\x7F\x01\x02\x03")), "127.1.2.3");
  EXPECT_EQ(to_text(ip_address_of("abcdefghijklmnop")), "6162:6364:6566:6768:696a:6b6c:6d6e:6f70");
}

TEST(IpAddress, has_a_version_an_order_and_a_hash) {
  EXPECT_TRUE(address("192.0.2.1").is_v4());
  EXPECT_TRUE(address("::ffff:192.0.2.1").is_v4());
  EXPECT_FALSE(address("::192.0.2.1").is_v4());
  EXPECT_FALSE(address("0:0:0:0:fffe:ffff:c000:201").is_v4());
  EXPECT_EQ(address("192.0.2.1"), address("::ffff:192.0.2.1"));
  EXPECT_LT(address("192.0.2.1"), address("192.0.2.2"));
  EXPECT_LT(address("::1"), address("192.0.2.1"));
  EXPECT_LT(address("192.0.2.1"), address("2001::"));
  std::set<std::size_t> hashes;
  std::unordered_set<IpAddress, IpAddressHash> addresses;
  for (const char* text : {"192.0.2.1", "192.0.2.2", "::1", "::2", "1::", "2::", "1::1"}) {
    hashes.insert(IpAddressHash()(address(text)));
    addresses.insert(address(text));
  }
  EXPECT_EQ(hashes.size(), 7U);
  EXPECT_EQ(addresses.size(), 7U);
  EXPECT_TRUE(addresses.contains(address("::ffff:192.0.2.2")));
}

TEST(IpAddress, prefix_is_its_first_bits) {
  const IpAddress all = address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  EXPECT_EQ(to_text(all.prefix(0)), "::");
  EXPECT_EQ(to_text(all.prefix(1)), "8000::");
  EXPECT_EQ(to_text(all.prefix(7)), "fe00::");
  EXPECT_EQ(to_text(all.prefix(64)), "ffff:ffff:ffff:ffff::");
  EXPECT_EQ(to_text(all.prefix(127)), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
  EXPECT_EQ(all.prefix(128), all);
  EXPECT_EQ(to_text(address("192.0.2.255").prefix(kIpV4PrefixBits + 25)), "192.0.2.128");
}

TEST(IpNetwork, is_read_and_written_in_its_usual_form) {
  constexpr Case kCases[] = {
      {"10.0.0.0/8", "10.0.0.0/8"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"192.0.2.1", "192.0.2.1/32"},
      {"192.0.2.1/32", "192.0.2.1/32"},
      {"192.0.2.128/25", "192.0.2.128/25"},
      {"fd00::/8", "fd00::/8"},
      {"::/0", "::/0"},
      {"::1", "::1/128"},
      {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
      {"::ffff:0:0/96", "0.0.0.0/0"},
      {"::ffff:10.0.0.1", "10.0.0.1/32"},
  };
  for (const Case& c : kCases) EXPECT_EQ(network(c.text), c.expected) << c.text;
}

TEST(IpNetwork, is_refused_with_a_reason) {
  const std::string no_address = ": not an address; use 10.0.0.0/8, fd00::/8, 192.0.2.1 or ::1";
  for (const std::string text : {"", "/8", "a/8", "10.0.0.0.0/8", "10/8", "[::1]/128", "10.0.0.0:80/8", " 10.0.0.0/8"}) {
    EXPECT_EQ(network(text), "network " + text + no_address);
  }
  for (const std::string bits : {"", "33", "-1", "+8", "08", "8 ", "8/8", "255.0.0.0", "65536", "99999999999999999999"}) {
    EXPECT_EQ(network("10.0.0.0/" + bits), "network 10.0.0.0/" + bits + ": the prefix is not a number from 0 to 32");
  }
  EXPECT_EQ(network("fd00::/129"), "network fd00::/129: the prefix is not a number from 0 to 128");
  constexpr Case kNetworks[] = {
      {"10.1.0.0/8", "10.0.0.0/8"},   {"10.0.0.1/31", "10.0.0.0/31"},        {"1.0.0.0/0", "0.0.0.0/0"},
      {"fd00::1/64", "fd00::/64"},    {"::ffff:10.1.0.0/104", "10.0.0.0/8"}, {"::ffff:0:0/95", "::fffe:0:0/95"},
      {"::ffff:0.0.0.0/80", "::/80"},
  };
  for (const Case& c : kNetworks) {
    EXPECT_EQ(network(c.text), "network " + std::string(c.text) + ": the address has bits behind its prefix; did you mean " +
                                   std::string(c.expected) + "?");
  }
}

TEST(IpNetwork, contains_what_begins_like_it_in_its_version) {
  struct Row {
    const char* network;
    const char* inside;
    const char* outside;
  };
  constexpr Row kRows[] = {
      {"10.0.0.0/8", "10.0.0.0", "9.255.255.255"},
      {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
      {"10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"},
      {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
      {"192.0.2.1", "192.0.2.1", "192.0.2.0"},
      {"0.0.0.0/0", "255.1.2.3", "::1"},
      {"::/0", "::1", "10.0.0.1"},
      {"::/64", "::1", "0.0.0.0"},
      {"fd00::/8", "fdff::1", "fc00::1"},
      {"::1", "::1", "::2"},
  };
  for (const Row& row : kRows) {
    const IpNetwork parsed = parse_ip_network(row.network).value();
    EXPECT_TRUE(parsed.contains(address(row.inside))) << row.network << " " << row.inside;
    EXPECT_FALSE(parsed.contains(address(row.outside))) << row.network << " " << row.outside;
  }
  const IpNetwork networks[] = {parse_ip_network("10.0.0.0/8").value(), parse_ip_network("::1").value()};
  EXPECT_TRUE(contains(networks, address("10.1.1.1")));
  EXPECT_TRUE(contains(networks, address("::1")));
  EXPECT_FALSE(contains(networks, address("::2")));
  EXPECT_FALSE(contains({}, address("::1")));
}

}  // namespace
}  // namespace broadside
