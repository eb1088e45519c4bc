// See trusted_proxies.h.
#include "engine/trusted_proxies.h"

#include <algorithm>

namespace broadside {

bool TrustedProxies::contains(const std::optional<IpAddress>& peer) const {
  if (!peer) return has_unix;
  return std::any_of(networks.begin(), networks.end(), [&](const IpNetwork& network) { return network.contains(*peer); });
}

Result<TrustedProxies> parse_trusted_proxies(const std::vector<std::string>& texts) {
  TrustedProxies trusted;
  for (const std::string& text : texts) {
    if (text == "unix") {
      trusted.has_unix = true;
      continue;
    }
    const Result<IpNetwork> network = parse_ip_network(text);
    if (!network) return Error{Error::Code::invalid_argument, "trusted_proxies: " + network.error().message + "; or `unix`"};
    trusted.networks.push_back(*network);
  }
  return trusted;
}

}  // namespace broadside
