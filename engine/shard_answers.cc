// The part of shard.h that speaks HTTP, the other half: answers on their way to the socket, and what takes too long.
#include <ctime>

#include <utility>

#include "base/assert.h"
#include "engine/shard.h"
#include "proto/http_response.h"

namespace broadside {
namespace {

constexpr std::uint32_t kLingerMs = 2000;  // How long is read and dropped before a close.

}  // namespace

std::string_view Shard::date() {
  const std::int64_t second = std::time(nullptr);
  if (second != date_second_) {
    date_second_ = second;
    date_ = http_date(second);
  }
  return date_;
}

void Shard::count_refusal(int status) {
  switch (status) {
    case 401:
    case 403:
      return counters_.refusals.add(RefusalReason::forbidden);
    case 404:
    case 405:
      return counters_.refusals.add(RefusalReason::not_found);
    case 408:
      return counters_.refusals.add(RefusalReason::slow);
    case 413:
    case 414:
    case 431:
      return counters_.refusals.add(RefusalReason::too_large);
    case 429:
      return counters_.refusals.add(RefusalReason::too_many);
    case 503:
      return counters_.refusals.add(RefusalReason::overloaded);
    default:
      if (status >= 400) counters_.refusals.add(RefusalReason::malformed);
  }
}

void Shard::answer(Connection& connection, const Response& response) {
  count_refusal(response.status);
  write_answer(connection, response);
}

// Without counting it as a refusal, which the caller has done.
void Shard::write_answer(Connection& connection, const Response& response) {
  Exchange& exchange = *connection.exchange;
  const bool keep_alive = exchange.is_keep_alive && !response.close && !is_draining_;
  if (exchange.is_head_written) {
    // The response has begun as a stream: what can still be said is what a stream can say.
    if (response.content_type == kStreamContentType) exchange.out.bytes += response.body;
  } else {
    std::string_view headers = response.headers;
    std::string staying;
    if (keep_alive && exchange.head.version_minor == 0) headers = staying = response.headers + "Connection: keep-alive\r\n";
    append_response(exchange.out.bytes, response.status, headers, response.content_type, response.body, keep_alive,
                    exchange.is_head_request, date());
  }
  if (!keep_alive) exchange.close_when_sent = true;
  exchange.phase = Exchange::Phase::head;
}

// The host, of a request whose head has been read and is still in the input.
void Shard::tell_answered(Connection& connection, int status, std::string_view reason) {
  if (!connection.exchange->is_adopted) shared_.handler->on_answered(request_of(connection), status, reason);
}

// Refuses a request whose framing is in doubt or whose body nobody wants: the answer, then the close.
void Shard::refuse(Connection& connection, int status, std::string_view detail) {
  Exchange& exchange = *connection.exchange;
  count_refusal(status);
  if (exchange.phase != Exchange::Phase::head || exchange.head_bytes == 0) exchange.head = RequestHead{};
  const Request request = request_of(connection);
  std::string headers;
  if (!request.method.empty()) headers = shared_.handler->common_headers(request);
  shared_.handler->on_answered(request, status, detail);
  if (status == 503) headers += "Retry-After: 1\r\n";
  append_response(exchange.out.bytes, status, headers, kProblemContentType, problem_json(status, detail), false, false, date());
  exchange.close_when_sent = exchange.lingers = true;
  exchange.phase = Exchange::Phase::head;
}

void Shard::queue_output(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.is_out_queued || exchange.is_watching) return;
  exchange.is_out_queued = true;
  outputs_.push_back(connection.token());
}

void Shard::flush_outputs() {
  while (!outputs_.empty()) {
    requests_.clear();
    std::vector<iovec>& ranges = output_ranges_;
    ranges.clear();
    flushing_.clear();
    while (!outputs_.empty() && flushing_.size() < DeliveryBatch::kVisitsMax) {
      Connection* connection = connections_.find(outputs_.back());
      outputs_.pop_back();
      if (connection == nullptr || connection->state != ConnectionState::http) continue;
      connection->exchange->is_out_queued = false;
      if (!seal_output(*connection)) continue;
      const OwnBytes& out = connection->exchange->outward();
      if (out.left() == 0) continue;
      flushing_.push_back(connection);
      ranges.push_back(iovec{.iov_base = const_cast<char*>(out.bytes.data()) + out.sent, .iov_len = out.left()});
    }
    for (std::size_t i = 0; i < flushing_.size(); ++i) {
      requests_.push_back(
          io::SendRequest{.socket = flushing_[i]->socket, .ranges = &ranges[i], .range_count = 1, .bytes = ranges[i].iov_len});
    }
    if (requests_.empty()) return;
    io_->send(requests_);
    // What is answered next is put on the list anew, and sent in the next round.
    const std::vector<Connection*> sent = flushing_;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      sent[i]->exchange->outward().sent += requests_[i].sent;
      counters_.bytes_sent.add(requests_[i].sent);
      on_output_sent(*sent[i], requests_[i].status, requests_[i].sent);
    }
  }
}

void Shard::on_output_sent(Connection& connection, io::SendStatus status, std::uint64_t taken) {
  Exchange& exchange = *connection.exchange;
  OwnBytes& out = exchange.outward();
  switch (status) {
    case io::SendStatus::peer_gone:
      return close(connection, io::CloseMode::reset, CloseReason::peer);
    case io::SendStatus::failed:
      return close(connection, io::CloseMode::reset, CloseReason::failed);
    case io::SendStatus::blocked:
      if (out.sent > Exchange::kOutputBytesMax) {
        out.bytes.erase(0, out.sent);
        out.sent = 0;
      }
      // Nothing is read until the peer has taken what it asked for. An edge without progress is no progress.
      if (taken > 0 || !exchange.is_out_blocked) {
        // What filled the kernel's buffer nobody has taken yet.
        if (exchange.is_out_blocked) {
          exchange.out_pace.add(taken);
        } else {
          exchange.out_pace.begin(wheel_.now());
        }
        exchange.is_out_blocked = true;
        const std::uint32_t ticks = exchange.out_pace.ticks_left(wheel_.now(), ticks_of_ms(config_->stall_timeout_ms));
        if (ticks == 0) return close(connection, io::CloseMode::reset, CloseReason::stalled);
        wheel_.set(connection, ticks);
      }
      if (exchange.is_receiving) return;  // Only while lingering could begin; the timer ends it.
      exchange.is_watching = true;
      if (exchange.is_watched) return;
      exchange.is_watched = true;
      if (!io_->watch(connection.socket, connection.token())) close(connection, io::CloseMode::reset, CloseReason::failed);
      return;
    case io::SendStatus::sent:
      break;
  }
  out = OwnBytes{};
  exchange.is_out_blocked = false;
  const bool was_answer = exchange.transport == nullptr || std::exchange(exchange.is_answer_sealed, false);
  if (exchange.close_when_sent) {
    if (exchange.lingers) {
      linger(connection);
    } else {
      close(connection, io::CloseMode::orderly, CloseReason::finished);
    }
    return;
  }
  if (is_draining_ && exchange.phase == Exchange::Phase::head && exchange.input.empty()) {
    close(connection, io::CloseMode::orderly, CloseReason::drained);
    return;
  }
  if (was_answer && exchange.phase == Exchange::Phase::head) {
    wheel_.set(connection, ticks_of_ms(exchange.input.empty() ? config_->idle_timeout_ms : config_->head_timeout_ms));
  } else if (was_answer) {
    exchange.body_pace.begin(wheel_.now());  // Nothing could be read until now, or something has been answered.
  }
  read_input(connection);
}

void Shard::linger(Connection& connection) {
  send_end(connection);
  connection.state = ConnectionState::lingering;
  io_->shutdown_write(connection.socket);
  wheel_.set(connection, ticks_of_ms(kLingerMs));
  start_reading(connection);
}

// Draining: a publisher of endless lines is told that this is all; what it has no answer for it sends again, elsewhere.
void Shard::end_streamed_body(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  exchange.reader.reset();
  exchange.out.bytes += kLastChunk;
  exchange.close_when_sent = exchange.lingers = true;
  exchange.phase = Exchange::Phase::head;
  queue_output(connection);
}

void Shard::on_request_timer(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.is_out_queued)
    return wheel_.set(connection, 1);  // It has come in the last moment; the answer goes out in this turn.
  if (connection.state == ConnectionState::lingering || exchange.is_watching || exchange.unsent() > 0) {
    const bool is_stalled = exchange.is_watching || exchange.unsent() > 0;
    close(connection, exchange.is_watching ? io::CloseMode::reset : io::CloseMode::orderly,
          is_stalled ? CloseReason::stalled : CloseReason::finished);
    return;
  }
  if (exchange.phase == Exchange::Phase::awaiting_answer) return on_answer_late(connection);
  if (exchange.is_paused) {
    exchange.body_pace.begin(wheel_.now());
    return read_input(connection);
  }
  if (exchange.phase == Exchange::Phase::head && !exchange.parser.has_begun()) {
    close(connection, io::CloseMode::orderly, CloseReason::idle);
    return;
  }
  refuse_slow(connection);
}

void Shard::refuse_slow(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.phase == Exchange::Phase::streamed_body) {
    // The answer has begun: what has none in it has not been taken.
    count_refusal(408);
    return end_streamed_body(connection);
  }
  refuse(connection, 408,
         exchange.phase == Exchange::Phase::head ? "the request head took too long" : "the request body took too long");
  queue_output(connection);
}

}  // namespace broadside
