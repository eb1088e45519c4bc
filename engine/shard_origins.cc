// The part of shard.h that knows where connections come from: what trusted proxies say of that, and what an address or a subject
// may have. Nothing is looked up where no limit and no proxy is configured.
#include <algorithm>
#include <utility>

#include "engine/io/socket.h"
#include "engine/shard.h"
#include "proto/forwarded_for.h"
#include "proto/proxy_header.h"

namespace broadside {
namespace {

constexpr double kBurstSeconds = 2;
constexpr double kBurstMin = 10;  // Browsers open some connections at once.
// Beyond an address's limit, for refusals.
constexpr std::uint32_t kRefusedMin = 16;
constexpr std::uint32_t kRefusedPart = 4;

std::string peer_text(const IpAddress& address, std::uint16_t port) {
  const std::string text = to_text(address);
  return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

}  // namespace

SeatLimits Shard::address_limits() const {
  const double rate = config_->address_connect_rate;
  const std::uint32_t seats = config_->address_connections_max;
  const std::uint32_t refused_of = seats != 0 ? seats : static_cast<std::uint32_t>(rate);
  return {.seats_max = seats,
          .rate = {.per_second = rate, .burst = std::max(kBurstMin, kBurstSeconds * rate)},
          .refused_max = kRefusedMin + refused_of / kRefusedPart};
}

// Those of IPv6 are counted by network: one subscriber has very many.
Seat Shard::take_address(const IpAddress& address, const SeatLimits& limits) {
  const IpAddress name = address.is_v4() ? address : address.prefix(static_cast<int>(config_->address_prefix6));
  return shared_.addresses.take({reinterpret_cast<const char*>(name.bytes.data()), name.bytes.size()}, limits, now_);
}

bool Shard::admit_origin(Origin& origin, bool is_sealed) {
  const SeatLimits limits = address_limits();
  if (!limits.is_any() || origin.is_trusted || !origin.address) return true;
  origin.seat = take_address(*origin.address, limits);
  if (origin.seat.kind() == Seat::Kind::held) return true;
  // A refusal is worth reading a request, but no handshake.
  if (origin.seat.kind() == Seat::Kind::refused && !is_sealed) return true;
  counters_.refusals.add(RefusalReason::address);
  return false;
}

bool Shard::find_origin(io::Socket socket, bool is_sealed, Origin& origin) {
  if (!shared_.trusted.is_any() && !address_limits().is_any()) return true;
  std::optional<std::array<std::uint8_t, 16>> bytes;
  if (!io::peer_ip(socket.value, bytes)) return false;  // It has gone.
  if (bytes) origin.address = IpAddress{.bytes = *bytes};
  origin.is_trusted = shared_.trusted.contains(origin.address);
  return admit_origin(origin, is_sealed);
}

// The first bytes of a trusted proxy's connection: a PROXY header, or else its own.
void Shard::on_proxy_input(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  const bool is_sealed = exchange.transport != nullptr;
  const ParseOutcome match = match_proxy_signature(exchange.input);
  if (match == ParseOutcome::need_more) return start_reading(connection);
  if (match == ParseOutcome::complete) {
    const ProxyHeader header = parse_proxy_header(exchange.input);
    if (header.outcome == ParseOutcome::need_more) return start_reading(connection);
    if (header.outcome == ParseOutcome::refused) {
      refuse(connection, 400, header.detail);
      if (is_sealed) return close(connection, io::CloseMode::reset, CloseReason::finished);
      return queue_output(connection);
    }
    exchange.input.erase(0, header.consumed);
    Origin& origin = exchange.origin;
    origin.is_proxied = true;
    // Somebody's words, and the proxy does not say whose.
    if (!header.is_local && !header.source) origin.is_trusted = false;
    if (header.source) {
      origin.address = header.source;
      origin.peer = peer_text(*header.source, header.source_port);
      origin.is_trusted = shared_.trusted.contains(header.source);
      if (!admit_origin(origin, is_sealed)) return close(connection, io::CloseMode::reset, CloseReason::finished);
    }
  }
  exchange.awaits_proxy_header = false;
  const std::string bytes = std::exchange(exchange.input, {});
  if (bytes.empty()) return start_reading(connection);
  on_bytes(connection, bytes);
}

// Whom the request whose head has come is from.
void Shard::find_client(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (!exchange.origin.is_trusted) return;
  exchange.client = forwarded_source(exchange.head.headers, shared_.trusted.networks);
  exchange.peer = exchange.client ? to_text(*exchange.client) : std::string();
}

// The seats that a stream needs beside its connection's own. Otherwise: what there is too much of.
std::optional<RefusalReason> Shard::take_seats(const Connection& connection, std::string_view subject, StreamOrigin& origin) {
  const std::optional<IpAddress>& client = connection.exchange->client;
  if (const SeatLimits limits = address_limits(); client && limits.is_any()) {
    origin.address = take_address(*client, limits);
    if (origin.address.kind() != Seat::Kind::held) return RefusalReason::address;
  }
  if (const SeatLimits limits{.seats_max = config_->subject_connections_max}; !subject.empty() && limits.is_any()) {
    origin.subject = shared_.subjects.take(subject, limits, now_);
    if (origin.subject.kind() != Seat::Kind::held) return RefusalReason::subject;
  }
  return std::nullopt;
}

// `exchange` was the connection's, which has become a stream.
void Shard::keep_origin(Connection& connection, Exchange& exchange, StreamOrigin&& origin) {
  if (!exchange.client) origin.address = std::move(exchange.origin.seat);
  if (exchange.client || exchange.origin.is_proxied) origin.peer = std::move(exchange.peer);
  if (origin.is_any()) connection.make_extras().origin = std::make_unique<StreamOrigin>(std::move(origin));
}

}  // namespace broadside
