#include "proto/proxy_header.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"
#include "proto/limits.h"

namespace broadside {
namespace {

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedBytes = 16;  // Of version 2: signature, version and command, family and protocol, length.

ProxyHeader refused(const char* detail) { return {.outcome = ParseOutcome::refused, .detail = detail}; }

// Whether `bytes` begin with `signature`; need_more if they end within it.
ParseOutcome match(std::string_view bytes, std::string_view signature) {
  const std::size_t length = std::min(bytes.size(), signature.size());
  if (bytes.substr(0, length) != signature.substr(0, length)) return ParseOutcome::refused;
  return length == signature.size() ? ParseOutcome::complete : ParseOutcome::need_more;
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  BROADSIDE_ASSERT(at < bytes.size());
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t number_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

// Cuts the text before the next space off `line`, and that space.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return word;
}

// What stands behind "PROXY TCP4 ", without the CRLF.
ProxyHeader parse_addresses(std::string_view line, bool is_v6) {
  std::optional<IpAddress> addresses[2];
  for (std::optional<IpAddress>& address : addresses) {
    const std::string_view word = take_word(line);
    const bool is_v6_text = word.find(':') != std::string_view::npos;
    address = parse_ip_address(word);
    if (!address || is_v6_text != is_v6) return refused("the PROXY line has no address of its protocol where one belongs");
  }
  const std::optional<std::uint16_t> source_port = parse_port(take_word(line));
  // The whole rest: a further word is refused.
  if (!source_port || !parse_port(line)) return refused("the PROXY line does not end in two ports");
  return {.outcome = ParseOutcome::complete, .source = addresses[0], .source_port = *source_port};
}

ProxyHeader parse_line(std::string_view bytes) {
  const std::string_view line_and_more = bytes.substr(0, kProxyLineBytesMax);
  const std::size_t end = line_and_more.find('\r');
  if (line_and_more.substr(0, end).find('\n') != std::string_view::npos) return refused("the PROXY line ends in LF without CR");
  if (end == std::string_view::npos || end + 1 == line_and_more.size()) {
    return bytes.size() < kProxyLineBytesMax ? ProxyHeader() : refused("the PROXY line is too long");
  }
  if (line_and_more[end + 1] != '\n') return refused("the PROXY line has a CR without LF");
  std::string_view line = line_and_more.substr(kSignature1.size(), end - kSignature1.size());
  const std::string_view protocol = take_word(line);
  ProxyHeader header{.outcome = ParseOutcome::complete};
  if (protocol == "TCP4" || protocol == "TCP6") {
    header = parse_addresses(line, protocol == "TCP6");
  } else if (protocol != "UNKNOWN") {
    return refused("the PROXY line names a protocol other than TCP4, TCP6 and UNKNOWN");
  }
  if (header.outcome == ParseOutcome::complete) header.consumed = end + 2;
  return header;
}

// The families of version 2 and the bytes of their two addresses and ports.
enum class Family : std::uint8_t { unspecified = 0, ipv4 = 1, ipv6 = 2, unix_socket = 3 };
constexpr std::size_t kAddressesBytes[] = {0, 12, 36, 216};
constexpr int kTransports = 3;  // Unspecified, stream, datagram: QUIC comes from a datagram, as a stream to us.

ProxyHeader parse_block(std::string_view bytes) {
  // The command and the family are judged before the rest is there.
  if (bytes.size() < kSignature2.size() + 1) return {};
  const int version_and_command = byte_at(bytes, 12);
  if (version_and_command != 0x20 && version_and_command != 0x21) {
    return refused("the PROXY header has a version other than 2, or a command other than LOCAL and PROXY");
  }
  if (bytes.size() < kFixedBytes) return {};
  const int family = byte_at(bytes, 13) >> 4;
  const int transport = byte_at(bytes, 13) & 0x0F;
  const std::size_t block_bytes = number_at(bytes, 14);
  if (kFixedBytes + block_bytes > kProxyHeaderBytesMax) return refused("the PROXY header is too long");
  const bool is_local = version_and_command == 0x20;  // Its family and addresses mean nothing.
  if (!is_local) {
    if (family >= std::ssize(kAddressesBytes) || transport >= kTransports)
      return refused("the PROXY header has an unknown family");
    if (block_bytes < kAddressesBytes[family]) return refused("the PROXY header is too short for its addresses");
  }
  if (bytes.size() < kFixedBytes + block_bytes) return {};
  ProxyHeader header{.outcome = ParseOutcome::complete, .consumed = kFixedBytes + block_bytes};
  header.is_local = is_local;
  if (is_local || transport == 0) return header;
  const std::string_view block = bytes.substr(kFixedBytes, block_bytes);
  switch (static_cast<Family>(family)) {
    case Family::ipv4:
      header.source = ip_address_of(block.substr(0, 4));
      header.source_port = number_at(block, 8);
      break;
    case Family::ipv6:
      header.source = ip_address_of(block.substr(0, 16));
      header.source_port = number_at(block, 32);
      break;
    case Family::unspecified:
    case Family::unix_socket:
      break;
  }
  return header;
}

}  // namespace

ParseOutcome match_proxy_signature(std::string_view bytes) {
  const ParseOutcome line = match(bytes, kSignature1);
  return line == ParseOutcome::refused ? match(bytes, kSignature2) : line;
}

ProxyHeader parse_proxy_header(std::string_view bytes) {
  switch (match_proxy_signature(bytes)) {
    case ParseOutcome::need_more:
      return {};
    case ParseOutcome::refused:
      return refused("the connection does not begin with a PROXY header");
    case ParseOutcome::complete:
      break;
  }
  return bytes.starts_with(kSignature1) ? parse_line(bytes) : parse_block(bytes);
}

}  // namespace broadside
