// The part of shard.h that concerns one stream: its begin, its own bytes, its heartbeat and its end.
#include <sys/random.h>

#include <algorithm>

#include "base/assert.h"
#include "engine/io/socket.h"
#include "engine/shard.h"
#include "proto/http_response.h"
#include "proto/json_text.h"
#include "proto/position.h"
#include "proto/sse_encoder.h"

namespace broadside {
namespace {

constexpr std::size_t kOwnBytesMax = 64 << 10;  // Targeted events that wait: one more is refused, 429; a larger one always, 413.
constexpr std::size_t kSubjectBytesMax = 255;
constexpr std::size_t kIdLineBytesMax = 4 + kPositionTextMax + 1;

// What is said to whoever is no EventSource.
struct Refusal {
  int status;
  std::string_view detail;
};

Refusal refusal_for(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::address:
      return {429,
              "your address has as many connections as it may have, or makes them too fast (--address-connections, "
              "--address-connect-rate)"};
    case RefusalReason::subject:
      return {429, "the token's subject has as many streams as it may have (--subject-connections)"};
    case RefusalReason::draining:
      return {503, "the server is shutting down"};
    case RefusalReason::memory:
      return {503, "the server's memory is short (--memory-max)"};
    case RefusalReason::full:
      return {503, "the server has as many subscribers as it may have (--max-connections)"};
    case RefusalReason::overloaded:
      return {503, "whether this subscription is allowed could not be found out in time"};
    case RefusalReason::crowded:
    case RefusalReason::malformed:
    case RefusalReason::forbidden:
    case RefusalReason::not_found:
    case RefusalReason::slow:
    case RefusalReason::too_large:
    case RefusalReason::too_many:
      break;
  }
  return {503, "the server is overloaded"};
}

std::string_view name_of(RefusalReason reason) { return kRefusalReasonNames[static_cast<std::size_t>(reason)]; }

}  // namespace

std::uint32_t Shard::jittered_retry_ms() {
  const std::uint32_t third = config_->retry_ms / 3;
  return config_->retry_ms - third + static_cast<std::uint32_t>(prng_.below(2ULL * third + 1));
}

// 128 random bits that nobody can guess: whoever knows them may be told things. Drawn until they name this shard, so that any
// shard can tell where the connection is without a table that all share.
void Shard::make_id(Connection& connection) {
  do {
    if (random_used_ == random_.size()) {
      const ssize_t got = ::getrandom(random_.data(), sizeof random_, 0);
      BROADSIDE_ASSERT(got == static_cast<ssize_t>(sizeof random_));  // Does not block or fail once the machine is up.
      random_used_ = 0;
    }
    connection.id = random_[random_used_++];
  } while (shard_of_id(connection.id, shared_.shard_count) != number_);
}

void Shard::refuse_stream(Connection& connection, RefusalReason reason, const std::string& headers) {
  counters_.refusals.add(reason);
  Exchange& exchange = *connection.exchange;
  const RequestHead& head = exchange.head;
  const auto accept = head.find("Accept");
  if (exchange.is_adopted || (head.method == Method::get && accept && list_has_token(*accept, kStreamContentType))) {
    // An EventSource never comes back after a 4xx or 5xx; after an end of stream it does.
    Response response{.headers = headers, .content_type = std::string(kStreamContentType), .close = true};
    response.body = "retry: " + std::to_string(jittered_retry_ms() + config_->retry_ms) + "\n\n";
    tell_answered(connection, response.status, name_of(reason));
    write_answer(connection, response);
    return;
  }
  const Refusal refusal = refusal_for(reason);
  tell_answered(connection, refusal.status, name_of(reason));
  write_answer(connection,
               Response{.status = refusal.status,
                        .headers = headers + "Retry-After: " + std::to_string(std::max(1U, config_->retry_ms / 1000)) + "\r\n",
                        .content_type = std::string(kProblemContentType),
                        .body = problem_json(refusal.status, refusal.detail),
                        .close = true});
}

Shard::Subscribed Shard::on_subscribe(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  const RequestHead& head = exchange.head;
  // Its body, if it has one, is nobody's: an answer that is no stream is the last one, and says so.
  if (head.has_body()) exchange.is_keep_alive = false;
  const Request request = request_of(connection);
  auto wanted = std::make_unique<SubscribeRequest>();
  std::string wrong = read_subscribe_request(head.path, head.query, head.find("Last-Event-ID").value_or(std::string_view{}),
                                             config_->topics_per_subscriber_max, clock_.wall_ms(), *wanted);
  if (!wrong.empty()) {
    SubscribeDecision refusal{.status = 400, .detail = std::move(wrong)};
    refusal.admission.headers = shared_.handler->common_headers(request);
    return admit(connection, *wanted, refusal);
  }
  const SubscribeDecision decision = shared_.handler->authorise(request, *wanted);
  if (!decision.is_deferred) return admit(connection, *wanted, decision);
  exchange.phase = Exchange::Phase::awaiting_answer;
  exchange.wanted = std::move(wanted);
  wheel_.set(connection, ticks_of_ms(config_->answer_timeout_ms));
  return Subscribed::deferred;
}

// Does what was decided.
Shard::Subscribed Shard::admit(Connection& connection, SubscribeRequest& wanted, const SubscribeDecision& decision) {
  const std::string& headers = decision.admission.headers;
  const auto refuse_with = [&](int status, std::string_view detail) {
    tell_answered(connection, status, detail);
    answer(connection, Response{.status = status,
                                .headers = headers,
                                .content_type = std::string(kProblemContentType),
                                .body = problem_json(status, detail)});
    return Subscribed::answered;
  };
  const auto refuse_for = [&](RefusalReason reason) {
    refuse_stream(connection, reason, headers);
    return Subscribed::answered;
  };
  if (decision.status != 200) return refuse_with(decision.status, decision.detail);
  if (!decision.topics.empty()) {
    wanted.topics = decision.topics;
    const std::string wrong = check_subscribe_request(wanted, config_->topics_per_subscriber_max);
    if (!wrong.empty()) return refuse_with(500, "the host of this server named topics that cannot be: " + wrong);
  }
  if (connection.exchange->head.method == Method::head) {
    tell_answered(connection, 200, {});
    answer(connection,
           Response{
               .headers = headers + "X-Accel-Buffering: no\r\n", .content_type = std::string(kStreamContentType), .close = true});
    return Subscribed::answered;
  }
  if (is_draining_) return refuse_for(RefusalReason::draining);
  if (store_.is_memory_short()) return refuse_for(RefusalReason::memory);
  StreamOrigin origin;
  if (const auto reason = take_seats(connection, decision.admission.subject, origin)) return refuse_for(*reason);
  if (connection.exchange->transport != nullptr) {
    connection.exchange->sealer = connection.exchange->transport->begin_stream();
    if (connection.exchange->sealer == nullptr) return refuse_with(400, "no stream after a change of keys; connect again");
  }
  if (shared_.subscribers.fetch_add(1, std::memory_order_relaxed) >= shared_.subscribers_max) {
    shared_.subscribers.fetch_sub(1, std::memory_order_relaxed);
    return refuse_for(RefusalReason::full);
  }
  StartPlan plan = store_.subscribe(number_, wanted.topics, wanted.start);
  if (plan.is_over || plan.lacks_keys) {
    shared_.subscribers.fetch_sub(1, std::memory_order_relaxed);
    if (plan.lacks_keys) return refuse_with(400, "snapshot= needs a topic with keys (`keys`, or the policy `conflate`)");
    tell_answered(connection, 204, {});
    answer(connection, Response{.status = 204, .headers = headers, .content_type = {}, .body = {}});
    return Subscribed::answered;
  }
  tell_answered(connection, 200, {});
  begin_stream(connection, wanted, plan, decision.admission, std::move(origin));
  return Subscribed::streaming;
}

void Shard::begin_stream(Connection& connection, const SubscribeRequest& request, StartPlan& plan, const Admission& admission,
                         StreamOrigin&& origin) {
  const std::unique_ptr<Exchange> exchange = std::move(connection.exchange);
  const bool is_chunked = request.limit != 0 && exchange->head.version_minor == 1 && !exchange->is_head_written;
  std::string head = std::move(exchange->out.bytes);  // Answers to pipelined requests go first.
  head.erase(0, exchange->out.sent);
  if (!exchange->is_head_written) {
    head += "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\nDate: ";
    head += date();
    head += is_chunked ? "\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n" : "\r\nConnection: close\r\n";
    head += admission.headers + "\r\n";
  }
  connection.state = ConnectionState::streaming;
  connection.is_chunked = connection.is_framed = is_chunked;
  if (is_chunked) connection.make_extras();
  if (exchange->transport != nullptr) begin_sealed_stream(connection, std::move(exchange->sealer), std::move(exchange->sealed));
  connection.limit_left = request.limit;
  connection.follows = request.follows;
  connection.own = std::make_unique<OwnBytes>();
  connection.own->bytes = std::move(head);
  if (!admission.subject.empty() || admission.user_data != 0 || admission.expires_ms != 0) {
    Extras& extras = connection.make_extras();
    extras.subject = admission.subject.substr(0, kSubjectBytesMax);
    extras.user_data = admission.user_data;
    extras.expires_ms = admission.expires_ms;
  }
  keep_origin(connection, *exchange, std::move(origin));
  begin_subscriptions(connection, plan);
  make_id(connection);
  by_id_.insert(connection);
  counters_.subscribes.add();
  counters_.subscribers.add();
  append_start(connection, request, plan);
  set_bounds(connection, request, plan, admission);
  add_slots(connection);
  make_ready(connection);
  tell_subscribed(connection, std::min(plan.start_position, published_));
  io::stop_keeping_input(connection.socket.value);
  if (!io_->watch(connection.socket, connection.token())) {
    close(connection, io::CloseMode::reset, CloseReason::failed);
    return;
  }
  if (shared_.use_tables && request.follows && request.limit == 0) connection.socket = io_->to_table(connection.socket);
}

// Its heartbeat, its age and its rate.
void Shard::set_bounds(Connection& connection, const SubscribeRequest& request, const StartPlan& plan,
                       const Admission& admission) {
  // The phase of the heartbeat comes from the place in the table, not from the time: a reconnect storm must not make a pulse.
  connection.last_write_tick = connection.begin_tick = wheel_.now();
  connection.heartbeat_ticks = plan.heartbeat_ms == 0 ? 0 : ticks_of_ms(plan.heartbeat_ms / 2);
  if (config_->stream_age_max_ms != 0) {
    const std::uint32_t age = ticks_of_ms(config_->stream_age_max_ms);
    connection.end_tick = wheel_.now() + age - static_cast<std::uint32_t>(prng_.below(age / 5 + 1));
  }
  if (admission.age_max_ms != 0) {
    const std::uint32_t end = wheel_.now() + ticks_of_ms(admission.age_max_ms);
    connection.end_tick = connection.end_tick == 0 ? end : std::min(connection.end_tick, end);
  }
  std::uint32_t first_ticks = 1 + static_cast<std::uint32_t>((connection.index * 0x9e3779b1U) % stream_timer_ticks(connection));
  if (admission.expires_ms != 0) first_ticks = std::min(first_ticks, ticks_to_expiry(connection));
  wheel_.set(connection, first_ticks);
  double rate = plan.rate;
  for (const double other : {request.rate, admission.rate_max}) {
    if (other > 0 && (rate == 0 || other < rate)) rate = std::clamp(other, kRateMin, kRateMax);
  }
  set_rate(connection, rate);
}

void Shard::begin_subscriptions(Connection& connection, StartPlan& plan) {
  connection.subscription_count = static_cast<std::uint16_t>(plan.views.size());
  if (plan.views.size() > 1) connection.many = std::make_unique<Subscription[]>(plan.views.size());
  for (std::size_t i = 0; i < plan.views.size(); ++i) {
    const StartPlace& place = plan.places[i];
    connection.subscriptions()[i] = Subscription{.view = plan.views[i],
                                                 .connection = &connection,
                                                 .cursor = place.cursor,
                                                 .passed = place.passed,
                                                 .counted = place.counted,
                                                 .floor_count = place.floor_count,
                                                 .conflates = place.conflates,
                                                 .goes_plain = place.goes_plain};
  }
}

void Shard::append_start(Connection& connection, const SubscribeRequest& request, const StartPlan& plan) {
  std::string json = "{\"connection\":\"" + id_text(connection.id) + "\",\"topics\":[";
  for (std::size_t i = 0; i < request.topics.size(); ++i) {
    if (i > 0) json += ',';
    append_json_string(json, request.topics[i]);
  }
  json += "]}";
  std::string events;
  append_own_event(events, "broadside.open", to_string(plan.open_position), json, jittered_retry_ms());
  for (const Gap& gap : plan.gaps) {
    // Only the last gap moves the client on: one that is cut between two of them comes back with the old id, and is told all
    // again.
    const Position id = &gap == &plan.gaps.back() ? plan.start_position : plan.open_position;
    append_own_event(events, "broadside.gap", to_string(id), gap_json(request.topics[gap.topic_index], gap, {}), {});
    counters_.gaps.add();
  }
  append_own(connection, events);
}

void Shard::append_own(Connection& connection, std::string_view bytes) {
  if (connection.own == nullptr) connection.own = std::make_unique<OwnBytes>();
  std::string& out = connection.own->bytes;
  out.erase(0, connection.own->sent);
  connection.own->sent = 0;
  if (connection.is_chunked) {
    append_chunk(out, bytes);
  } else {
    out += bytes;
  }
}

// The position up to which the connection has been sent everything, once the frame under way is complete.
Position Shard::sent_position(Connection& connection) {
  Position sent = published_;
  Position passed{UINT64_MAX};  // In every topic. Of a newcomer that is newer than this turn.
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    passed = std::min(passed, subscription.passed);
    ensure_current(*subscription.view);
    if (subscription.has_ended) {
      // What comes behind the end is for the next stream.
      if (subscription.view->has_reopened_behind(subscription.cursor)) sent = std::min(sent, subscription.passed);
      continue;
    }
    const std::optional<Position> next = next_position(subscription);
    // Nor may it claim what is lost, as long as no gap has said so.
    if (has_untold_loss(subscription)) sent = std::min(sent, subscription.passed);
    if (!next) continue;
    const bool is_inside = connection.partial_bytes > 0 && connection.torn == nullptr && connection.partial_subscription == i;
    sent = std::min(sent, is_inside ? *next : next->before());
  }
  return std::max(sent, passed);
}

SendOutcome Shard::send_to(const std::array<std::uint64_t, 2>& id, std::string_view event_body) {
  Connection* connection = by_id_.find(id);
  if (connection == nullptr || connection->is_finishing) return SendOutcome::unknown;
  for (std::uint32_t i = 0; i < connection->subscription_count; ++i) {
    // The stream is about to end for a topic that has opened again. The position of anything that is sent until then would
    // claim what lies behind the end, which is for the next stream.
    const Subscription& subscription = connection->subscriptions()[i];
    if (!subscription.has_ended) continue;
    ensure_current(*subscription.view);
    if (subscription.view->has_reopened_behind(subscription.cursor)) return SendOutcome::unknown;
  }
  const std::size_t waiting = connection->own != nullptr ? connection->own->left() : 0;
  const std::size_t frame_bytes = kIdLineBytesMax + event_body.size();
  if (frame_bytes > kOwnBytesMax) return SendOutcome::too_large;
  if (waiting + frame_bytes > kOwnBytesMax) return SendOutcome::full;
  std::string frame;
  append_id_line(frame, to_string(sent_position(*connection)));
  frame += event_body;
  append_own(*connection, frame);
  if (!connection->is_blocked) make_ready(*connection);
  return SendOutcome::taken;
}

void Shard::begin_finish(Connection& connection) {
  if (connection.is_finishing) return;
  connection.is_finishing = true;
  if (!connection.is_chunked) return;
  if (connection.own == nullptr) connection.own = std::make_unique<OwnBytes>();
  connection.own->bytes += kLastChunk;
}

// It is to be closed when it has been sent everything, and told when to come back.
void Shard::begin_leave(Connection& connection) {
  connection.is_leaving = true;
  if (!connection.is_blocked) make_ready(connection);
}

void Shard::give_notice_of_leave(Connection& connection) {
  append_own(connection, "retry: " + std::to_string(jittered_retry_ms()) + "\n\n");
  begin_finish(connection);
}

std::uint32_t Shard::stream_timer_ticks(const Connection& connection) {
  // Looked at twice per heartbeat and silent for one half or more: never longer silent than one heartbeat.
  constexpr std::uint32_t kWithoutHeartbeat = 600;
  return connection.heartbeat_ticks == 0 ? kWithoutHeartbeat : connection.heartbeat_ticks;
}

void Shard::set_stream_timer(Connection& connection) {
  std::uint32_t ticks = stream_timer_ticks(connection);
  if (connection.end_tick > wheel_.now()) ticks = std::min(ticks, connection.end_tick - wheel_.now());
  if (connection.extras != nullptr && connection.extras->expires_ms != 0) ticks = std::min(ticks, ticks_to_expiry(connection));
  wheel_.set(connection, ticks);
}

// While it is blocked: to when it counts as stalled.
void Shard::set_stall_timer(Connection& connection, std::uint32_t stalled_ticks) {
  const std::uint32_t stall_ticks_max = ticks_of_ms(config_->stall_timeout_ms);
  std::uint32_t ticks = stalled_ticks < stall_ticks_max ? stall_ticks_max - stalled_ticks : 1;
  if (connection.extras != nullptr && connection.extras->expires_ms != 0) ticks = std::min(ticks, ticks_to_expiry(connection));
  wheel_.set(connection, ticks);
}

// To its end, or to when it is told of that.
std::uint32_t Shard::ticks_to_expiry(const Connection& connection) const {
  const Extras& extras = *connection.extras;
  const std::uint64_t notice_ms = extras.is_told_of_expiry ? 0 : config_->expiry_notice_ms;
  const std::uint64_t at_ms = extras.expires_ms - std::min(extras.expires_ms, notice_ms);
  const std::uint64_t now_ms = clock_.wall_ms();
  constexpr std::uint64_t kTicksMax = 36'000;  // An hour: the clock may be set meanwhile.
  const std::uint64_t ticks = at_ms <= now_ms ? 1 : (at_ms - now_ms) / static_cast<std::uint64_t>(kTick / kMillisecond) + 1;
  return static_cast<std::uint32_t>(std::min(ticks, kTicksMax));
}

void Shard::on_stream_timer(Connection& connection) {
  if (!check_expiry(connection)) return;
  if (connection.is_blocked) {
    const std::uint32_t stall_ticks_max = ticks_of_ms(config_->stall_timeout_ms);
    const std::uint32_t stalled_ticks = wheel_.now() - connection.blocked_tick;
    if (stalled_ticks >= stall_ticks_max) return close(connection, io::CloseMode::reset, CloseReason::stalled);
    set_stall_timer(connection, stalled_ticks);
    return;
  }
  set_stream_timer(connection);
  if (connection.end_tick != 0 && wheel_.now() >= connection.end_tick && !connection.is_leaving) return begin_leave(connection);
  if (connection.heartbeat_ticks == 0 || wheel_.now() - connection.last_write_tick < connection.heartbeat_ticks) return;
  heartbeats_.push_back(connection.token());
}

}  // namespace broadside
