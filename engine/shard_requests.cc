// The part of shard.h that speaks HTTP: requests in, answers out, until a stream begins.
#include <ctime>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "engine/io/socket.h"
#include "engine/shard.h"
#include "proto/http_response.h"

namespace broadside {
namespace {

constexpr std::size_t kOutputBytesMax = 256 << 10;    // Answers to pipelined requests that wait to be sent; then reading stops.
constexpr std::uint32_t kLingerMs = 2000;             // How long, and how much, is read and dropped before a close that would
constexpr std::uint64_t kLingerBytesMax = 256 << 10;  // otherwise destroy the answer on its way.

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// What `input` has of the body, by the body's framing.
ChunkedDecoder::Step next_piece(Exchange& exchange, std::string_view input) {
  if (exchange.head.is_chunked) return exchange.chunked.feed(input);
  const std::string_view data = input.substr(0, exchange.body_left);
  exchange.body_left -= data.size();
  return {.outcome = exchange.body_left == 0 ? ParseOutcome::complete : ParseOutcome::need_more,
          .consumed = data.size(),
          .data = data};
}

}  // namespace

std::string_view Shard::date() {
  const std::int64_t second = std::time(nullptr);
  if (second != date_second_) {
    date_second_ = second;
    date_ = http_date(second);
  }
  return date_;
}

void Shard::start_reading(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.is_receiving) return;
  exchange.is_receiving = true;
  exchange.is_watching = exchange.is_watched = false;
  io_->start_receive(connection.socket, connection.token());
}

void Shard::on_received(Connection& connection, std::span<const char> bytes, int error) {
  Exchange& exchange = *connection.exchange;
  exchange.is_receiving = false;
  if (connection.state == ConnectionState::lingering) {
    exchange.dropped_bytes += bytes.size();
    if (bytes.empty() || exchange.dropped_bytes > kLingerBytesMax) {
      close(connection, io::CloseMode::orderly, CloseReason::finished);
    } else {
      start_reading(connection);
    }
    return;
  }
  if (bytes.empty()) {
    if (error == 0) return on_input_end(connection);
    return close(connection, io::CloseMode::orderly, CloseReason::peer);
  }
  if (exchange.transport != nullptr) return on_sealed_input(connection, {bytes.data(), bytes.size()});
  const bool was_idle = exchange.is_idle();
  exchange.input.append(bytes.data(), bytes.size());
  on_input(connection, was_idle);
}

// A half-close: what was asked for completely is still answered.
void Shard::on_input_end(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.phase != Exchange::Phase::awaiting_answer && exchange.unsent() == 0) {
    return close(connection, io::CloseMode::orderly, CloseReason::peer);
  }
  exchange.close_when_sent = true;
  // Blocked while it was being read from, it could not be watched; now it can.
  queue_output(connection);
}

// There is more of it.
void Shard::on_input(Connection& connection, bool was_idle) {
  const Exchange& exchange = *connection.exchange;
  if (was_idle) {
    wheel_.set(connection, ticks_of_ms(config_->head_timeout_ms));
  } else if (exchange.phase == Exchange::Phase::body || exchange.phase == Exchange::Phase::chunked_body) {
    wheel_.set(connection, ticks_of_ms(config_->body_timeout_ms));
  }
  read_input(connection);
}

// Takes requests out of the input until it is used up, the output is full, or the connection has become something else.
void Shard::read_input(Connection& connection) {
  const io::Token token = connection.token();
  while (true) {
    Exchange& exchange = *connection.exchange;
    if (exchange.close_when_sent || exchange.phase == Exchange::Phase::awaiting_answer) break;
    if (exchange.unsent() > kOutputBytesMax) break;
    const bool goes_on = exchange.phase == Exchange::Phase::head ? read_head(connection) : read_body(connection);
    if (connections_.find(token) == nullptr || connection.state != ConnectionState::http) return;
    if (!goes_on) break;
  }
  Exchange& exchange = *connection.exchange;
  if (exchange.unsent() > 0) {
    queue_output(connection);  // Reading goes on when it has been sent.
  } else if (exchange.close_when_sent) {
    close(connection, io::CloseMode::orderly, CloseReason::finished);
  } else if (exchange.phase != Exchange::Phase::awaiting_answer) {
    start_reading(connection);
  }
}

bool Shard::read_head(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.input.empty()) return false;
  const HeadParser::Result result = exchange.parser.parse(exchange.input, exchange.head, config_->head_bytes_max);
  switch (result.outcome) {
    case ParseOutcome::need_more:
      return false;
    case ParseOutcome::refused:
      refuse(connection, result.status, result.detail);
      return false;
    case ParseOutcome::complete:
      break;
  }
  counters_.requests.add();
  ++exchange.request;
  return on_head(connection, result.consumed);
}

bool Shard::on_head(Connection& connection, std::size_t consumed) {
  Exchange& exchange = *connection.exchange;
  const RequestHead& head = exchange.head;
  exchange.is_keep_alive = head.keep_alive && !is_draining_;
  exchange.is_head_request = head.method == Method::head;
  exchange.head_bytes = consumed;
  if ((head.method == Method::get || head.method == Method::head) && is_subscribe_path(head.path)) {
    if (on_subscribe(connection) != Subscribed::answered) return false;
    finish_subscribe_request(connection);
    return true;
  }
  if (!head.is_chunked && head.content_length.value_or(0) == 0) {
    on_request(connection, {});
    return true;
  }
  exchange.body_left = head.content_length.value_or(0);
  exchange.phase = head.is_chunked ? Exchange::Phase::chunked_body : Exchange::Phase::body;
  exchange.body.clear();
  exchange.chunked.reset();
  // The answer to a body that is read as it arrives comes in chunks, which HTTP/1.0 does not know.
  StreamDecision decision = head.version_minor == 1 ? shared_.handler->on_stream(request_of(connection)) : StreamDecision{};
  if (decision.refusal) {
    decision.refusal->close = true;
    answer(connection, *decision.refusal);
    exchange.lingers = true;
    return false;
  }
  if (decision.reader != nullptr) {
    if (head.expect_continue && exchange.input.size() == consumed) exchange.out.bytes += kContinue;
    exchange.phase = Exchange::Phase::streamed_body;
    exchange.reader = std::move(decision.reader);
    exchange.out.bytes += "HTTP/1.1 200 OK\r\nDate: ";
    exchange.out.bytes += date();
    exchange.out.bytes += "\r\nCache-Control: no-store\r\n" + decision.headers + "Transfer-Encoding: chunked\r\n\r\n";
    exchange.input.erase(0, consumed);
    exchange.head_bytes = 0;
    wheel_.clear(connection);  // Idle between lines for as long as it likes.
    return true;
  }
  if (exchange.body_left > config_->body_bytes_max) {
    exchange.phase = Exchange::Phase::head;  // Which has been read, and tells the host which headers go with the refusal.
    refuse(connection, 413, "the body is larger than --body-bytes");
    return false;
  }
  wheel_.set(connection, ticks_of_ms(config_->body_timeout_ms));
  if (head.expect_continue && exchange.input.size() == consumed) exchange.out.bytes += kContinue;
  return true;
}

bool Shard::read_body(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.phase == Exchange::Phase::body) {
    if (exchange.input.size() - exchange.head_bytes < exchange.body_left) return false;
    on_request(connection, std::string_view(exchange.input).substr(exchange.head_bytes, exchange.body_left));
    return true;
  }
  // Chunks: what was consumed is cut out of the input, behind the head that is still needed.
  std::size_t at = exchange.head_bytes;
  std::string answers;
  bool is_complete = false;
  bool goes_on = true;
  while (goes_on && !is_complete && at < exchange.input.size()) {
    const ChunkedDecoder::Step step = next_piece(exchange, std::string_view(exchange.input).substr(at));
    if (step.outcome == ParseOutcome::refused) {
      if (exchange.phase == Exchange::Phase::streamed_body) {
        exchange.reader.reset();
        exchange.close_when_sent = exchange.lingers = true;
        break;
      }
      refuse(connection, 400, step.detail);
      return false;
    }
    at += step.consumed;
    is_complete = step.outcome == ParseOutcome::complete;
    if (exchange.phase == Exchange::Phase::streamed_body) {
      if (!step.data.empty()) goes_on = exchange.reader->on_body(step.data, answers);
    } else if (exchange.body.size() + step.data.size() > config_->body_bytes_max) {
      refuse(connection, 413, "the body is larger than --body-bytes");
      return false;
    } else {
      exchange.body += step.data;
    }
  }
  exchange.input.erase(exchange.head_bytes, at - exchange.head_bytes);
  if (exchange.phase == Exchange::Phase::chunked_body) {
    if (!is_complete) return false;
    exchange.body_left = 0;
    on_request(connection, exchange.body);
    return true;
  }
  if (is_complete && goes_on) exchange.reader->on_end(answers);
  append_chunk(exchange.out.bytes, answers);
  if (!is_complete && goes_on) return false;
  exchange.out.bytes += kLastChunk;
  exchange.reader.reset();
  exchange.body_left = 0;
  if (!exchange.is_keep_alive || !goes_on) exchange.close_when_sent = true;
  if (!goes_on) exchange.lingers = true;
  begin_next_request(connection);
  return true;
}

Request Shard::request_of(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  const RequestHead& head = exchange.head;
  header_views_.clear();
  for (const Header& header : head.headers) header_views_.push_back(RequestHeader{.name = header.name, .value = header.value});
  if (exchange.peer.empty()) exchange.peer = io::peer_address(connection.socket.value);
  const ResponseToken token{
      .shard = number_, .index = connection.index, .generation = connection.generation, .request = exchange.request};
  return Request{.method = head.method_text,
                 .path = head.path,
                 .query = head.query,
                 .host = head.host,
                 .headers = header_views_,
                 .body = {},
                 .peer = exchange.peer,
                 .listener = connection.listener,
                 .is_chunked = head.is_chunked,
                 .token = token};
}

void Shard::on_request(Connection& connection, std::string_view body) {
  Exchange& exchange = *connection.exchange;
  if (exchange.phase != Exchange::Phase::head) {
    // The head's views pointed into an input that may have moved while the body came.
    exchange.parser.reset();
    const std::string_view bytes = std::string_view(exchange.input).substr(0, exchange.head_bytes);
    // It was accepted as it is; the limit may have changed since.
    const HeadParser::Result again = exchange.parser.parse(bytes, exchange.head, exchange.head_bytes);
    BROADSIDE_ASSERT(again.outcome == ParseOutcome::complete);
  }
  Request request = request_of(connection);
  request.body = body;
  exchange.phase = Exchange::Phase::awaiting_answer;
  wheel_.set(connection, ticks_of_ms(config_->answer_timeout_ms));
  const Response response = shared_.handler->on_request(request);
  if (!response.is_deferred) answer(connection, response);
  if (exchange.phase == Exchange::Phase::awaiting_answer) {
    // The request's bytes are done with; the answer comes by message.
    exchange.input.erase(0, exchange.head_bytes + exchange.body_left);
    exchange.head_bytes = exchange.body_left = 0;
    return;
  }
  begin_next_request(connection);
}

void Shard::begin_next_request(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  exchange.input.erase(0, exchange.head_bytes + exchange.body_left);
  exchange.head_bytes = exchange.body_left = 0;
  exchange.body.clear();
  exchange.phase = Exchange::Phase::head;
  exchange.parser.reset();
  wheel_.set(connection, ticks_of_ms(exchange.input.empty() ? config_->idle_timeout_ms : config_->head_timeout_ms));
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
    append_response(exchange.out.bytes, response.status, response.headers, response.content_type, response.body, keep_alive,
                    exchange.is_head_request, date());
  }
  if (!keep_alive) exchange.close_when_sent = true;
  exchange.phase = Exchange::Phase::head;
}

// Refuses a request whose framing is in doubt or whose body nobody wants: the answer, then the close.
void Shard::refuse(Connection& connection, int status, std::string_view detail) {
  Exchange& exchange = *connection.exchange;
  count_refusal(status);
  std::string headers;
  if (exchange.phase == Exchange::Phase::head && exchange.head_bytes > 0) {
    headers = shared_.handler->common_headers(request_of(connection));
  }
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
      if (out.sent > kOutputBytesMax) {
        out.bytes.erase(0, out.sent);
        out.sent = 0;
      }
      // Nothing is read until the peer has taken what it asked for. An edge without progress is no progress.
      if (taken > 0 || !exchange.is_watched) wheel_.set(connection, ticks_of_ms(config_->stall_timeout_ms));
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
  if (exchange.phase == Exchange::Phase::streamed_body) {
    wheel_.clear(connection);
  } else if (exchange.phase == Exchange::Phase::head && was_answer) {
    wheel_.set(connection, ticks_of_ms(exchange.input.empty() ? config_->idle_timeout_ms : config_->head_timeout_ms));
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
  if (connection.state == ConnectionState::lingering || exchange.is_watching || exchange.unsent() > 0) {
    const bool is_stalled = exchange.is_watching || exchange.unsent() > 0;
    close(connection, exchange.is_watching ? io::CloseMode::reset : io::CloseMode::orderly,
          is_stalled ? CloseReason::stalled : CloseReason::finished);
    return;
  }
  if (exchange.phase == Exchange::Phase::awaiting_answer) return on_answer_late(connection);
  if (exchange.phase == Exchange::Phase::head && !exchange.parser.has_begun()) {
    close(connection, io::CloseMode::orderly, CloseReason::idle);
    return;
  }
  refuse(connection, 408,
         exchange.phase == Exchange::Phase::head ? "the request head took too long" : "the request body took too long");
  queue_output(connection);
}

}  // namespace broadside
