// The peers whose word about whom they speak for counts: Config::trusted_proxies. Immutable, for any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broadside/error.h"
#include "proto/ip_address.h"

namespace broadside {

struct TrustedProxies {
  std::vector<IpNetwork> networks;
  bool has_unix = false;  // Whoever can reach our Unix sockets.

  [[nodiscard]] bool is_any() const { return has_unix || !networks.empty(); }
  // Nothing: a peer without an address, on a Unix socket.
  [[nodiscard]] bool contains(const std::optional<IpAddress>& peer) const;
};

// Of networks, addresses, or `unix`. Error::invalid_argument says which is none and why.
[[nodiscard]] Result<TrustedProxies> parse_trusted_proxies(const std::vector<std::string>& texts);

}  // namespace broadside
