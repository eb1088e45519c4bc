// PROXY protocol: what is understood, what is refused, and from which byte on; each whole, byte by byte and against a guard page.
#include "proto/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/limits.h"
#include "tests/support/guard_page.h"

namespace broadside {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

// What a header comes to: its length and who has connected, or why it is refused, or "more".
std::string story_of(const ProxyHeader& header) {
  switch (header.outcome) {
    case ParseOutcome::need_more:
      return "more";
    case ParseOutcome::refused:
      return header.detail;
    case ParseOutcome::complete:
      break;
  }
  const std::string source = header.source ? to_text(*header.source) + " " + std::to_string(header.source_port) : "none";
  return std::to_string(header.consumed) + " " + source;
}

// Parses the header whole and in every shorter piece, whose first answer other than "more" has to be that of the whole.
std::string parse(std::string_view bytes) {
  const GuardedBytes guarded(bytes);
  const std::string whole = story_of(parse_proxy_header(guarded.view()));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const GuardedBytes begun(bytes.substr(0, length));
    const std::string story = story_of(parse_proxy_header(begun.view()));
    if (story == "more") continue;
    EXPECT_EQ(story, whole) << bytes << " up to " << length;
    break;
  }
  return whole;
}

std::string block(int version_and_command, int family_and_transport, std::string_view addresses) {
  std::string bytes(kSignature);
  bytes += static_cast<char>(version_and_command);
  bytes += static_cast<char>(family_and_transport);
  bytes += static_cast<char>(addresses.size() >> 8);
  bytes += static_cast<char>(addresses.size() & 0xFF);
  return bytes.append(addresses);
}

const std::string kV4Addresses("\xC0\x00\x02\x01\x0A\x00\x00\x01\xC3\x50\x00\x50", 12);
const std::string kV6Addresses = "abcdefghijklmnopABCDEFGHIJKLMNOP\x01\x02\x03\x04";

constexpr const char* kNoAddress = "the PROXY line has no address of its protocol where one belongs";
constexpr const char* kNoPorts = "the PROXY line does not end in two ports";
constexpr const char* kNoProtocol = "the PROXY line names a protocol other than TCP4, TCP6 and UNKNOWN";

TEST(ProxyHeader, of_version_1_is_a_line) {
  struct Case {
    std::string line;
    std::string expected;
  };
  const std::string long_v6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const Case cases[] = {
      {"PROXY TCP4 192.0.2.1 10.0.0.1 50000 80", "40 192.0.2.1 50000"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0", "52 255.255.255.255 65535"},
      {"PROXY TCP6 2001:db8::1 ::1 0 65535", "36 2001:db8::1 0"},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", "37 192.0.2.1 1"},
      {"PROXY UNKNOWN", "15 none"},
      {"PROXY UNKNOWN ", "16 none"},
      {"PROXY UNKNOWN 192.0.2.1 what ever", "35 none"},
      {"PROXY UNKNOWN " + long_v6 + " " + long_v6 + " 65535 65535", "107 none"},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 50000", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 50000 ", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 50000 80 ", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 50000  80", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 50000 80 x", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 65536 80", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 50000 65536", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 050 80", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 -1 80", kNoPorts},
      {"PROXY TCP4 192.0.2.1 10.0.0.1 a 80", kNoPorts},
      {"PROXY TCP4 192.0.2.1", kNoAddress},
      {"PROXY TCP4 192.0.2.1  10.0.0.1 50000 80", kNoAddress},
      {"PROXY TCP4  192.0.2.1 10.0.0.1 50000 80", kNoAddress},
      {"PROXY TCP4\t192.0.2.1 10.0.0.1 50000 80", kNoProtocol},
      {"PROXY TCP4 192.0.2.1:1 10.0.0.1 50000 80", kNoAddress},
      {"PROXY TCP4 192.0.2.001 10.0.0.1 50000 80", kNoAddress},
      {"PROXY TCP4 2001:db8::1 ::1 50000 80", kNoAddress},
      {"PROXY TCP4 192.0.2.1 ::1 50000 80", kNoAddress},
      {"PROXY TCP6 192.0.2.1 10.0.0.1 50000 80", kNoAddress},
      {"PROXY TCP6 [::1] [::1] 50000 80", kNoAddress},
      {"PROXY TCP4", kNoAddress},
      {"PROXY ", kNoProtocol},
      {"PROXY UDP4 192.0.2.1 10.0.0.1 50000 80", kNoProtocol},
      {"PROXY tcp4 192.0.2.1 10.0.0.1 50000 80", kNoProtocol},
      {"PROXY unknown", kNoProtocol},
  };
  for (const Case& c : cases) EXPECT_EQ(parse(c.line + "\r\n"), c.expected) << c.line;
}

TEST(ProxyHeader, of_version_1_ends_in_crlf_and_has_a_limit) {
  const std::string line = "PROXY UNKNOWN";
  EXPECT_EQ(parse(line + "\r\nGET / HTTP/1.1\r\n"), "15 none");
  EXPECT_EQ(parse(line + "\r"), "more");
  EXPECT_EQ(parse(line + "\n"), "the PROXY line ends in LF without CR");
  EXPECT_EQ(parse(line + "\rx"), "the PROXY line has a CR without LF");
  EXPECT_EQ(parse(line + "\r\r\n"), "the PROXY line has a CR without LF");
  const auto line_of = [&line](std::size_t bytes) { return line + std::string(bytes - line.size() - 2, ' ') + "\r\n"; };
  EXPECT_EQ(parse(line_of(kProxyLineBytesMax)), "107 none");
  EXPECT_EQ(parse(line_of(kProxyLineBytesMax + 1)), "the PROXY line is too long");
  EXPECT_EQ(parse(line + std::string(1000, 'x')), "the PROXY line is too long");
  EXPECT_EQ(parse((line + std::string(1000, 'x')).substr(0, kProxyLineBytesMax - 1)), "more");
}

TEST(ProxyHeader, of_version_2_is_a_block) {
  constexpr const char* kFamily = "the PROXY header has an unknown family";
  constexpr const char* kCommand = "the PROXY header has a version other than 2, or a command other than LOCAL and PROXY";
  constexpr const char* kTooShort = "the PROXY header is too short for its addresses";
  struct Case {
    int version_and_command;
    int family_and_transport;
    std::string addresses;
    std::string expected;
  };
  const std::string text = "6162:6364:6566:6768:696a:6b6c:6d6e:6f70";
  const Case cases[] = {
      {0x21, 0x11, kV4Addresses, "28 192.0.2.1 50000"},
      {0x21, 0x12, kV4Addresses, "28 192.0.2.1 50000"},
      {0x21, 0x11, kV4Addresses + std::string("\x04\x00\x01x", 4), "32 192.0.2.1 50000"},
      {0x21, 0x21, kV6Addresses, "52 " + text + " 258"},
      {0x21, 0x22, kV6Addresses + "not a TLV", "61 " + text + " 258"},
      {0x21, 0x31, std::string(216, 'x'), "232 none"},
      {0x21, 0x32, std::string(216, 'x'), "232 none"},
      {0x21, 0x00, "", "16 none"},
      {0x21, 0x00, kV4Addresses, "28 none"},
      {0x21, 0x10, kV4Addresses, "28 none"},
      {0x21, 0x01, "", "16 none"},
      {0x20, 0x00, "", "16 none"},
      {0x20, 0x11, kV4Addresses, "28 none"},
      {0x20, 0xFF, "x", "17 none"},
      {0x21, 0x11, kV4Addresses.substr(1), kTooShort},
      {0x21, 0x21, kV6Addresses.substr(1), kTooShort},
      {0x21, 0x31, std::string(215, 'x'), kTooShort},
      {0x21, 0x41, std::string(216, 'x'), kFamily},
      {0x21, 0x13, kV4Addresses, kFamily},
      {0x22, 0x11, kV4Addresses, kCommand},
      {0x11, 0x11, kV4Addresses, kCommand},
      {0x31, 0x11, kV4Addresses, kCommand},
      {0x01, 0x11, kV4Addresses, kCommand},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(parse(block(c.version_and_command, c.family_and_transport, c.addresses)), c.expected)
        << c.version_and_command << " " << c.family_and_transport << " " << c.addresses.size();
  }
}

TEST(ProxyHeader, of_version_2_has_a_limit_and_its_connection_follows) {
  const std::string largest(kProxyHeaderBytesMax - 16, 'x');
  EXPECT_EQ(parse(block(0x20, 0, largest)), std::to_string(kProxyHeaderBytesMax) + " none");
  EXPECT_EQ(parse(block(0x20, 0, largest + "x")), "the PROXY header is too long");
  EXPECT_EQ(parse(block(0x21, 0x11, kV4Addresses) + "GET / HTTP/1.1\r\n"), "28 192.0.2.1 50000");
  const std::string whole = block(0x21, 0x11, kV4Addresses);
  EXPECT_EQ(parse(whole.substr(0, whole.size() - 1)), "more");
}

TEST(ProxyHeader, is_told_from_everything_else_at_the_first_byte_that_differs) {
  const std::string signatures[] = {"PROXY ", std::string(kSignature)};
  for (const std::string& signature : signatures) {
    for (std::size_t length = 0; length < signature.size(); ++length) {
      const GuardedBytes begun(std::string_view(signature).substr(0, length));
      EXPECT_EQ(match_proxy_signature(begun.view()), ParseOutcome::need_more) << length;
      const std::string other = signature.substr(0, length) + "#";
      EXPECT_EQ(match_proxy_signature(other), ParseOutcome::refused) << length;
      EXPECT_EQ(parse(other), "the connection does not begin with a PROXY header");
    }
    EXPECT_EQ(match_proxy_signature(signature), ParseOutcome::complete);
    EXPECT_EQ(match_proxy_signature(signature + "#"), ParseOutcome::complete);
  }
  for (const std::string_view other :
       {"GET / HTTP/1.1\r\n", "POST", "PROXY\t", "proxy ", "\r\nGET", "\r\n\r\nGET", "\x16\x03\x01"}) {
    EXPECT_EQ(match_proxy_signature(other), ParseOutcome::refused) << other;
  }
}

}  // namespace
}  // namespace broadside
