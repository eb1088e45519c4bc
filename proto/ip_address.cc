#include "proto/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/assert.h"

namespace broadside {
namespace {

constexpr std::array<std::uint8_t, kIpV4PrefixBits / 8> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool is_v6_text(std::string_view text) { return text.find(':') != std::string_view::npos; }

// The bits of the 128 before those that the text of an address of this version has.
int bits_before(const IpAddress& address) { return address.is_v4() ? kIpV4PrefixBits : 0; }

// Decimal, without sign or leading zeros.
std::optional<std::uint16_t> parse_number(std::string_view digits) {
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

Error network_error(std::string_view text, const std::string& reason) {
  return Error{Error::Code::invalid_argument, "network " + std::string(text) + ": " + reason};
}

}  // namespace

bool IpAddress::is_v4() const { return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes.begin()); }

IpAddress IpAddress::prefix(int bits) const {
  BROADSIDE_ASSERT(bits >= 0);
  BROADSIDE_ASSERT(bits <= kIpBits);
  IpAddress kept;
  const auto whole_bytes = static_cast<std::size_t>(bits / 8);
  std::copy_n(bytes.begin(), whole_bytes, kept.bytes.begin());
  if (bits % 8 != 0) kept.bytes[whole_bytes] = static_cast<std::uint8_t>(bytes[whole_bytes] & (0xFF00 >> (bits % 8)));
  return kept;
}

std::size_t IpAddressHash::operator()(const IpAddress& address) const {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, address.bytes.data(), sizeof high);
  std::memcpy(&low, address.bytes.data() + sizeof high, sizeof low);
  // The last step of splitmix64, so that neighbours do not fall next to each other.
  std::uint64_t mixed = high * 0x9E3779B97F4A7C15 + low;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  return static_cast<std::size_t>(mixed ^ (mixed >> 31));
}

IpAddress ip_address_of(std::string_view bytes) {
  IpAddress address;
  BROADSIDE_ASSERT(bytes.size() == 4 || bytes.size() == address.bytes.size());
  if (bytes.size() == 4) std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.bytes.begin());
  std::copy(bytes.begin(), bytes.end(), address.bytes.end() - static_cast<std::ptrdiff_t>(bytes.size()));
  return address;
}

std::string to_text(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  const std::uint8_t* begin = address.bytes.data() + (address.is_v4() ? kV4Prefix.size() : 0);
  const char* written = ::inet_ntop(address.is_v4() ? AF_INET : AF_INET6, begin, text, sizeof text);
  BROADSIDE_ASSERT(written != nullptr);
  return written;
}

std::optional<std::uint16_t> parse_port(std::string_view text) { return parse_number(text); }

std::optional<IpAddress> parse_ip_address(std::string_view text) {
  // inet_pton() reads up to a NUL.
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated || text.find('\0') != std::string_view::npos) return std::nullopt;
  text.copy(terminated, text.size());
  char bytes[sizeof(IpAddress)];
  const bool is_v6 = is_v6_text(text);
  if (::inet_pton(is_v6 ? AF_INET6 : AF_INET, terminated, bytes) != 1) return std::nullopt;
  return ip_address_of({bytes, is_v6 ? sizeof bytes : 4});
}

std::optional<IpAddress> parse_ip_address_and_port(std::string_view text) {
  std::string_view host = text;
  std::string_view port;  // With its colon.
  const bool is_bracketed = text.starts_with('[');
  if (is_bracketed) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else if (const std::size_t colon = text.find(':'); colon == text.rfind(':') && colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  if (is_bracketed && !is_v6_text(host)) return std::nullopt;
  if (!port.empty() && (port.front() != ':' || !parse_port(port.substr(1)))) return std::nullopt;
  return parse_ip_address(host);
}

bool IpNetwork::contains(const IpAddress& other) const {
  return address.is_v4() == other.is_v4() && other.prefix(bits) == address;
}

bool contains(std::span<const IpNetwork> networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(), [&](const IpNetwork& network) { return network.contains(address); });
}

std::string to_text(const IpNetwork& network) {
  return to_text(network.address) + "/" + std::to_string(network.bits - bits_before(network.address));
}

Result<IpNetwork> parse_ip_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view address_text = text.substr(0, slash);
  const std::optional<IpAddress> address = parse_ip_address(address_text);
  if (!address) return network_error(text, "not an address; use 10.0.0.0/8, fd00::/8, 192.0.2.1 or ::1");
  IpNetwork network{.address = *address, .bits = kIpBits};
  if (slash == std::string_view::npos) return network;
  // ::ffff:10.0.0.0/104 counts as IPv6 does.
  const int before = is_v6_text(address_text) ? 0 : kIpV4PrefixBits;
  const std::optional<std::uint16_t> bits = parse_number(text.substr(slash + 1));
  if (!bits || before + *bits > kIpBits) {
    return network_error(text, "the prefix is not a number from 0 to " + std::to_string(kIpBits - before));
  }
  network.bits = before + *bits;
  network.address = address->prefix(network.bits);
  if (network.address != *address) {
    return network_error(text, "the address has bits behind its prefix; did you mean " + to_text(network) + "?");
  }
  return network;
}

}  // namespace broadside
