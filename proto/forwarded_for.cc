#include "proto/forwarded_for.h"

#include <cstddef>
#include <string_view>

#include "proto/http_tokens.h"

namespace broadside {

std::optional<IpAddress> forwarded_source(std::span<const Header> headers, std::span<const IpNetwork> trusted) {
  std::optional<IpAddress> believed;
  for (auto header = headers.rbegin(); header != headers.rend(); ++header) {
    if (!equals_ignoring_case(header->name, "x-forwarded-for")) continue;
    std::string_view list = header->value;
    for (bool has_more = true; has_more;) {
      const std::size_t comma = list.rfind(',');
      has_more = comma != std::string_view::npos;
      const std::string_view element = has_more ? list.substr(comma + 1) : list;
      const std::optional<IpAddress> address = parse_ip_address_and_port(without_white_space(element));
      if (!address) return believed;
      believed = address;
      if (!contains(trusted, *address)) return believed;
      if (has_more) list = list.substr(0, comma);
    }
  }
  return believed;
}

}  // namespace broadside
