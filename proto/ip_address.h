// Addresses and networks of IP as numbers: both versions in one type, so that what counts by address has one key and one order.
// No names, no zones (`%eth0`), no ports: where text may have a port it is checked and dropped.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broadside/error.h"

namespace broadside {

constexpr int kIpBits = 128;
constexpr int kIpV4PrefixBits = 96;  // What all IPv4 addresses begin with, ::ffff:0:0.

// An address in the order of the network. IPv4 is what IPv6 maps it to (::ffff:a.b.c.d), so a peer that a socket of both versions
// has accepted is the same as one of an IPv4 socket.
struct IpAddress {
  std::array<std::uint8_t, kIpBits / 8> bytes{};

  [[nodiscard]] bool is_v4() const;
  // The first `bits` of the 128, the others zero. An IPv4 address has its own behind the first 96. Requires: 0 to 128.
  [[nodiscard]] IpAddress prefix(int bits) const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// For hash tables. Not secret: a table that strangers fill has to be bounded.
struct IpAddressHash {
  [[nodiscard]] std::size_t operator()(const IpAddress& address) const;
};

// The address that 4 bytes (IPv4) or 16 bytes are, in the order of the network. Requires: one of the two.
[[nodiscard]] IpAddress ip_address_of(std::string_view bytes);

// "192.0.2.1", "2001:db8::1"; IPv4 always in the first form.
[[nodiscard]] std::string to_text(const IpAddress& address);

// 0 to 65535 in decimal, without sign or leading zeros.
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text);
// `192.0.2.1` (four decimal numbers without leading zeros), `2001:db8::1` or `::ffff:192.0.2.1`, and nothing around it.
[[nodiscard]] std::optional<IpAddress> parse_ip_address(std::string_view text);
// The same, and `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`: what is found in X-Forwarded-For.
[[nodiscard]] std::optional<IpAddress> parse_ip_address_and_port(std::string_view text);

// All addresses of one version that begin in the same way. Invariant: `address` is zero behind its first `bits`.
struct IpNetwork {
  IpAddress address;
  int bits = kIpBits;  // Of the 128: 10.0.0.0/8 has 104.

  // No network of IPv6, not even ::/0, has IPv4 addresses in it.
  [[nodiscard]] bool contains(const IpAddress& other) const;

  friend auto operator<=>(const IpNetwork&, const IpNetwork&) = default;
};

[[nodiscard]] bool contains(std::span<const IpNetwork> networks, const IpAddress& address);

// "10.0.0.0/8", "2001:db8::/32".
[[nodiscard]] std::string to_text(const IpNetwork& network);

// `10.0.0.0/8`, `fd00::/8`, or an address, which is a network of one. An address with bits behind its prefix (10.1.0.0/8) is
// refused: whoever wrote it meant another network, and a larger one than meant must not be trusted.
Result<IpNetwork> parse_ip_network(std::string_view text);

}  // namespace broadside
