// The part of shard.h that speaks HTTP until a stream begins: requests out of the input, and who answers them.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "engine/io/socket.h"
#include "engine/shard.h"
#include "proto/http_response.h"
#include "proto/proxy_header.h"

namespace broadside {
namespace {

constexpr std::uint64_t kLingerBytesMax = 256 << 10;  // Read and dropped before a close that would destroy the answer on its way.

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

void Shard::start_reading(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.is_receiving) return;
  exchange.is_receiving = true;
  exchange.is_watching = exchange.is_watched = false;
  io_->start_receive(connection.socket, connection.token());
}

// All that has come has been used up.
void Shard::read_more(Connection& connection) {
  if (connection.exchange->has_ended) return on_input_end(connection);
  start_reading(connection);
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
  if (exchange.awaits_proxy_header) {
    exchange.input.append(bytes.data(), bytes.size());
    return on_proxy_input(connection);
  }
  on_bytes(connection, {bytes.data(), bytes.size()});
}

void Shard::on_bytes(Connection& connection, std::string_view bytes) {
  Exchange& exchange = *connection.exchange;
  if (exchange.transport != nullptr) return on_sealed_input(connection, bytes);
  const bool was_idle = exchange.is_idle();
  exchange.input += bytes;
  on_input(connection, was_idle, bytes.size());
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

// There is more of it, `received` bytes.
void Shard::on_input(Connection& connection, bool was_idle, std::size_t received) {
  Exchange& exchange = *connection.exchange;
  switch (exchange.phase) {
    case Exchange::Phase::head:
      // The first request's time runs since accept, or a handshake and then each first byte would begin it anew.
      if (was_idle && exchange.is_later) wheel_.set(connection, ticks_of_ms(config_->head_timeout_ms));
      break;
    case Exchange::Phase::streamed_body:
      // Between two things it may be silent for as long as it likes.
      if (!exchange.reader->awaits_more()) exchange.body_pace.begin(wheel_.now());
      [[fallthrough]];
    case Exchange::Phase::body:
    case Exchange::Phase::chunked_body:
      exchange.body_pace.add(received);
      break;
    case Exchange::Phase::awaiting_answer:
      break;
  }
  read_input(connection);
}

// For the rest of the body; of an endless one, for the rest of what has begun.
bool Shard::set_body_timer(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.phase == Exchange::Phase::streamed_body) {
    const std::uint32_t pause_ms = exchange.reader->pause_ms();
    exchange.is_paused = pause_ms > 0;
    if (exchange.is_paused) {
      wheel_.set(connection, ticks_of_ms(pause_ms));
      return true;
    }
    if (!exchange.reader->awaits_more()) {
      wheel_.clear(connection);
      return true;
    }
  }
  const std::uint32_t ticks = exchange.body_pace.ticks_left(wheel_.now(), ticks_of_ms(config_->body_timeout_ms));
  if (ticks == 0) return false;
  wheel_.set(connection, ticks);
  return true;
}

// Those who hold much make room first: small requests are taken until there is twice as much as there should be.
bool Shard::hold_memory(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  // The head of a subscription that waits for its decision is still looked at in the input.
  if (exchange.wanted == nullptr) exchange.give_back();
  exchange.memory.set(exchange.held_bytes());
  const bool is_under_way =
      exchange.phase == Exchange::Phase::head ? exchange.parser.has_begun() : exchange.phase != Exchange::Phase::awaiting_answer;
  if (!is_under_way || exchange.close_when_sent) return true;
  const std::uint64_t bytes_max = shared_.request_memory_max.load(std::memory_order_relaxed);
  const bool is_small = exchange.memory.bytes() <= Exchange::kKeptBytesMax;
  return request_memory_.bytes() <= (is_small ? 2 * bytes_max : bytes_max);
}

// Of what it holds nothing is needed for the answer.
void Shard::refuse_memory(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  exchange.input.clear();
  exchange.body.clear();
  if (exchange.phase == Exchange::Phase::streamed_body) {
    end_streamed_body(connection);  // What has no answer its publisher sends again.
  } else {
    refuse(connection, 503, "the memory for requests is full");
  }
  exchange.give_back();
  exchange.memory.set(exchange.held_bytes());
}

// Takes requests out of the input until it is used up, the output is full, or the connection has become something else.
void Shard::read_input(Connection& connection) {
  const io::Token token = connection.token();
  while (true) {
    Exchange& exchange = *connection.exchange;
    if (exchange.close_when_sent || exchange.phase == Exchange::Phase::awaiting_answer) break;
    if (exchange.unsent() > Exchange::kOutputBytesMax) break;
    const bool goes_on = exchange.phase == Exchange::Phase::head ? read_head(connection) : read_body(connection);
    if (connections_.find(token) == nullptr || connection.state != ConnectionState::http) return;
    if (!goes_on) break;
  }
  Exchange& exchange = *connection.exchange;
  if (!hold_memory(connection)) refuse_memory(connection);
  if (exchange.unsent() > 0) {
    queue_output(connection);  // Reading goes on when it has been sent.
  } else if (exchange.close_when_sent) {
    close(connection, io::CloseMode::orderly, CloseReason::finished);
  } else if (exchange.phase == Exchange::Phase::head) {
    read_more(connection);
  } else if (exchange.phase != Exchange::Phase::awaiting_answer) {
    if (!set_body_timer(connection)) return refuse_slow(connection);
    if (!exchange.is_paused) read_more(connection);
  }
}

bool Shard::read_head(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.input.empty()) return false;
  const HeadParser::Result result = exchange.parser.parse(exchange.input, exchange.head, config_->head_bytes_max);
  switch (result.outcome) {
    case ParseOutcome::need_more:
      return false;
    case ParseOutcome::refused: {
      const bool is_proxy = match_proxy_signature(exchange.input) == ParseOutcome::complete;
      refuse(connection, result.status,
             is_proxy ? "a PROXY header from an address that --trusted-proxy does not name" : result.detail);
      return false;
    }
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
  find_client(connection);
  if (exchange.origin.seat.kind() == Seat::Kind::refused) {
    refuse_stream(connection, RefusalReason::address, shared_.handler->common_headers(request_of(connection)));
    finish_subscribe_request(connection);
    return true;
  }
  if ((head.method == Method::get || head.method == Method::head) && is_subscribe_path(head.path)) {
    if (on_subscribe(connection) != Subscribed::answered) return false;
    finish_subscribe_request(connection);
    return true;
  }
  if (!head.has_body()) {
    on_request(connection, {});
    return true;
  }
  exchange.body_left = head.content_length.value_or(0);
  exchange.phase = head.is_chunked ? Exchange::Phase::chunked_body : Exchange::Phase::body;
  exchange.body.clear();
  exchange.chunked.reset();
  exchange.body_pace.begin(wheel_.now());
  exchange.body_pace.add(exchange.input.size() - consumed);
  wheel_.set(connection, ticks_of_ms(config_->body_timeout_ms));
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
    exchange.out.bytes += "\r\nCache-Control: no-store\r\n" + decision.headers;
    if (!exchange.is_keep_alive) exchange.out.bytes += "Connection: close\r\n";
    exchange.out.bytes += "Transfer-Encoding: chunked\r\n\r\n";
    exchange.input.erase(0, consumed);
    exchange.head_bytes = 0;
    exchange.is_body_complete = false;
    return true;
  }
  if (exchange.body_left > config_->body_bytes_max) {
    exchange.phase = Exchange::Phase::head;  // Which has been read, and tells the host which headers go with the refusal.
    refuse(connection, 413, "the body is larger than --body-bytes");
    return false;
  }
  if (head.expect_continue && exchange.input.size() == consumed) exchange.out.bytes += kContinue;
  return true;
}

bool Shard::read_body(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.phase == Exchange::Phase::streamed_body) return read_streamed_body(connection);
  if (exchange.phase == Exchange::Phase::body) {
    if (exchange.input.size() - exchange.head_bytes < exchange.body_left) return false;
    on_request(connection, std::string_view(exchange.input).substr(exchange.head_bytes, exchange.body_left));
    return true;
  }
  // Chunks: what was consumed is cut out of the input, behind the head that is still needed.
  std::size_t at = exchange.head_bytes;
  bool is_complete = false;
  while (!is_complete && at < exchange.input.size()) {
    const ChunkedDecoder::Step step = next_piece(exchange, std::string_view(exchange.input).substr(at));
    if (step.outcome == ParseOutcome::refused) {
      refuse(connection, 400, step.detail);
      return false;
    }
    if (exchange.body.size() + step.data.size() > config_->body_bytes_max) {
      refuse(connection, 413, "the body is larger than --body-bytes");
      return false;
    }
    at += step.consumed;
    is_complete = step.outcome == ParseOutcome::complete;
    exchange.body += step.data;
  }
  exchange.input.erase(exchange.head_bytes, at - exchange.head_bytes);
  if (!is_complete) return false;
  exchange.body_left = 0;
  on_request(connection, exchange.body);
  return true;
}

bool Shard::read_streamed_body(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  BodyReader& reader = *exchange.reader;
  std::string answers;
  // After a pause it first goes on with what it has.
  bool goes_on = !std::exchange(exchange.is_paused, false) || reader.on_body({}, answers);
  bool is_broken = false;
  std::size_t at = 0;
  while (goes_on && !is_broken && !exchange.is_body_complete && reader.pause_ms() == 0 && at < exchange.input.size()) {
    const ChunkedDecoder::Step step = next_piece(exchange, std::string_view(exchange.input).substr(at));
    at += step.consumed;
    is_broken = step.outcome == ParseOutcome::refused;
    exchange.is_body_complete = step.outcome == ParseOutcome::complete;
    if (!step.data.empty()) goes_on = reader.on_body(step.data, answers);
  }
  exchange.input.erase(0, at);
  const bool is_complete = exchange.is_body_complete && reader.pause_ms() == 0;
  if (is_complete && goes_on && !is_broken) reader.on_end(answers);
  append_chunk(exchange.out.bytes, answers);
  if (goes_on && !is_complete && !is_broken) return false;
  if (!is_broken) exchange.out.bytes += kLastChunk;
  exchange.reader.reset();
  exchange.body_left = 0;
  if (!exchange.is_keep_alive || !goes_on || is_broken) exchange.close_when_sent = true;
  if (!goes_on || is_broken) exchange.lingers = true;
  begin_next_request(connection);
  return true;
}

Request Shard::request_of(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  const RequestHead& head = exchange.head;
  header_views_.clear();
  for (const Header& header : head.headers) header_views_.push_back(RequestHeader{.name = header.name, .value = header.value});
  if (exchange.peer.empty()) {
    exchange.peer = exchange.origin.peer.empty() ? io::peer_address(connection.socket.value) : exchange.origin.peer;
  }
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
                 .is_proxied = exchange.origin.is_proxied || exchange.client.has_value(),
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
  exchange.is_later = true;
  exchange.parser.reset();
  wheel_.set(connection, ticks_of_ms(exchange.input.empty() ? config_->idle_timeout_ms : config_->head_timeout_ms));
}

}  // namespace broadside
