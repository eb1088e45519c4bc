// What a load balancer sends before anything else to say for whom it has connected: HAProxy's PROXY protocol, versions 1 and 2.
// Only reads; whom to believe is decided elsewhere, and nobody else may be: anyone can send such a header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/ip_address.h"
#include "proto/parse_outcome.h"

namespace broadside {

struct ProxyHeader {
  ParseOutcome outcome = ParseOutcome::need_more;
  std::size_t consumed = 0;  // complete: the header's bytes; the connection proper begins behind them.
  const char* detail = "";   // refused: a sentence for people, static.
  // complete: who has connected to the proxy. Nothing if the proxy speaks for itself (health checks), does not know, or took
  // the connection from a Unix socket: then the address of the socket stands.
  std::optional<IpAddress> source;
  bool is_local = false;  // complete: the proxy speaks for itself.
  std::uint16_t source_port = 0;
};

// Whether `bytes`, from the first of a connection on, begin a header of either version: complete if so, refused if not.
[[nodiscard]] ParseOutcome match_proxy_signature(std::string_view bytes);

// Parses the header that `bytes` begin with; all of them again at each call, which are at most kProxyHeaderBytesMax and come in
// one segment. Extensions (TLVs) are passed over unread.
[[nodiscard]] ProxyHeader parse_proxy_header(std::string_view bytes);

}  // namespace broadside
