// Who a request behind proxies is from: X-Forwarded-For, believed as far as those who wrote it are trusted.
#pragma once

#include <optional>
#include <span>

#include "proto/http_request.h"
#include "proto/ip_address.h"

namespace broadside {

// The X-Forwarded-For fields are one list, to whose end each proxy adds whom it was connected to by. So it is read from its end:
// an address of a trusted network is a proxy's, and what it has added stands before it; the first other one is whom the request
// is from, and what stands before that may be anybody's invention. A malformed element ends what is believed. Nothing if there is
// nothing to believe: then the address of the connection stands. Requires: the connection itself comes from a trusted proxy.
[[nodiscard]] std::optional<IpAddress> forwarded_source(std::span<const Header> headers, std::span<const IpNetwork> trusted);

}  // namespace broadside
