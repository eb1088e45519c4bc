// The part of shard.h that concerns sealed connections: their transports while they speak HTTP, and how their streams begin and
// end.
#include <utility>

#include "base/assert.h"
#include "engine/shard.h"

namespace broadside {
namespace {

// Of a turn. Keys are agreed on and signatures made in tenths of a millisecond, with RSA in more than one: those that come at
// once must not stop deliveries for longer than a batch of sends does.
constexpr Nanos kHandshakeTimeMax = kMillisecond;

// What kernels can seal is TLS, whose last word is this alert: a warning, close_notify.
constexpr std::string_view kCloseNotify{"\1\0", 2};

}  // namespace

bool Shard::open_transport(Connection& connection) {
  connection.exchange->transport = config_->transports->make_transport();
  if (connection.exchange->transport == nullptr) return false;
  counters_.transports.add();
  return true;
}

void Shard::on_sealed_input(Connection& connection, std::string_view bytes) {
  Exchange& exchange = *connection.exchange;
  if (exchange.transport->is_established()) return unseal(connection, bytes);
  if (exchange.sealed_input.empty()) handshakes_.push_back(connection.token());
  exchange.sealed_input += bytes;
}

// One at least, so that all have their turn.
void Shard::run_handshakes() {
  if (handshakes_.empty()) return;
  const Nanos end = clock_.monotonic() + kHandshakeTimeMax;
  do {
    const io::Token token = handshakes_.front();
    handshakes_.pop_front();
    Connection* connection = connections_.find(token);
    if (connection == nullptr || connection->state != ConnectionState::http) continue;
    const std::string bytes = std::move(connection->exchange->sealed_input);
    connection->exchange->sealed_input.clear();
    unseal(*connection, bytes);
  } while (!handshakes_.empty() && clock_.monotonic() < end);
}

void Shard::unseal(Connection& connection, std::string_view bytes) {
  Exchange& exchange = *connection.exchange;
  const bool was_established = exchange.transport->is_established();
  const bool was_idle = exchange.is_idle();
  const std::size_t input_bytes = exchange.input.size();
  const Transport::Outcome outcome = exchange.transport->on_received(bytes, exchange.input, exchange.sealed.bytes);
  if (!was_established && exchange.transport->is_established()) counters_.handshakes.add();
  exchange.has_ended = outcome == Transport::Outcome::ended;
  if (outcome == Transport::Outcome::failed) {
    if (!was_established) counters_.handshakes_failed.add();
    // Nobody is answered any more; the transport's last words are sent.
    exchange.out = OwnBytes{};
    if (std::exchange(exchange.reader, nullptr) != nullptr) exchange.phase = Exchange::Phase::head;
    exchange.close_when_sent = exchange.lingers = true;
  }
  if (exchange.input.size() > input_bytes) {
    on_input(connection, was_idle, exchange.input.size() - input_bytes);
  } else {
    read_input(connection);
  }
}

// Brings the connection's output into the form in which the socket gets it. False: it has been closed.
bool Shard::seal_output(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.transport == nullptr || exchange.out.left() == 0) return true;
  BROADSIDE_ASSERT(exchange.out.sent == 0);
  if (!exchange.transport->seal(exchange.out.bytes, exchange.sealed.bytes)) {
    close(connection, io::CloseMode::reset, CloseReason::failed);
    return false;
  }
  exchange.out = OwnBytes{};
  exchange.is_answer_sealed = true;
  return true;
}

// `sealed` is what was sealed before the stream and has not been sent.
void Shard::begin_sealed_stream(Connection& connection, std::unique_ptr<StreamSealer> sealer, OwnBytes sealed) {
  BROADSIDE_ASSERT(sealer != nullptr);
  counters_.transports.subtract();
  if (sealed.left() > 0) {
    // The last words of the handshake, mostly; the kernel can take over only behind them.
    const iovec range{.iov_base = sealed.bytes.data() + sealed.sent, .iov_len = sealed.left()};
    io::SendRequest request{.socket = connection.socket, .ranges = &range, .range_count = 1, .bytes = range.iov_len};
    io_->send({&request, 1});
    counters_.bytes_sent.add(request.sent);
    sealed.sent += request.sent;
  }
  if (sealed.left() == 0 && sealer->start_in_kernel(connection.socket.value)) {
    connection.is_kernel_sealed = true;
    return;
  }
  Extras& extras = connection.make_extras();
  extras.sealer = std::move(sealer);
  if (sealed.left() > 0) extras.rest = std::make_unique<OwnBytes>(std::move(sealed));
  connection.is_framed = true;
}

// Tells the peer that nothing comes any more, as far as the kernel takes it at once: else a close looks like a cut.
void Shard::send_end(Connection& connection) {
  if (connection.state == ConnectionState::lingering) return;  // It has been told, and nothing goes behind its FIN.
  std::string end;
  bool is_tls_alert = false;
  if (connection.exchange != nullptr) {
    const Exchange& exchange = *connection.exchange;
    const bool may_end = exchange.transport != nullptr && exchange.transport->is_established() && exchange.unsent() == 0;
    if (may_end) exchange.transport->seal_end(end);
  } else if (connection.is_kernel_sealed) {
    end = kCloseNotify;
    is_tls_alert = true;
  } else if (connection.is_framed) {
    const Extras& extras = *connection.extras;
    if (extras.sealer != nullptr && extras.rest == nullptr) extras.sealer->seal_end(end);
  }
  if (end.empty()) return;
  const iovec range{.iov_base = end.data(), .iov_len = end.size()};
  io::SendRequest request{
      .socket = connection.socket, .ranges = &range, .range_count = 1, .bytes = range.iov_len, .is_tls_alert = is_tls_alert};
  io_->send({&request, 1});
}

}  // namespace broadside
