#include "proto/forwarded_for.h"

#include "proto/http_tokens.h"

namespace broadside {
namespace {

// Cuts the last element off a comma-separated list.
std::string_view take_last_element(std::string_view& list) {
  const std::size_t comma = list.rfind(',');
  const std::string_view element = list.substr(comma == std::string_view::npos ? 0 : comma + 1);
  list = list.substr(0, comma == std::string_view::npos ? 0 : comma);
  return without_white_space(element);
}

}  // namespace

std::optional<IpAddress> forwarded_source(std::span<const Header> headers, std::span<const IpNetwork> trusted) {
  std::optional<IpAddress> believed;
  for (auto header = headers.rbegin(); header != headers.rend(); ++header) {
    if (!equals_ignoring_case(header->name, "x-forwarded-for")) continue;
    std::string_view list = header->value;
    // An empty list has one element, which is malformed.
    do {
      const std::optional<IpAddress> address = parse_ip_address_and_port(take_last_element(list));
      if (!address) return believed;
      believed = address;
      if (!contains(trusted, *address)) return believed;
    } while (!list.empty());
  }
  return believed;
}

}  // namespace broadside
