// The part of shard.h that deals with its host: decisions that come later, sockets that it hands over, and what it is told.
#include <utility>

#include "base/assert.h"
#include "engine/shard.h"
#include "proto/position.h"
#include "proto/sse_encoder.h"

namespace broadside {

// The answer to a subscription that has become no stream is in the output; the next request may come.
void Shard::finish_subscribe_request(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.head.has_body()) exchange.close_when_sent = exchange.lingers = true;
  begin_next_request(connection);
}

Connection* Shard::find_awaiting(const ResponseToken& token) {
  Connection* connection = connections_.find(io::Token{.index = token.index, .generation = token.generation});
  if (connection == nullptr || connection->state != ConnectionState::http) return nullptr;
  const Exchange& exchange = *connection->exchange;
  return exchange.phase == Exchange::Phase::awaiting_answer && exchange.request == token.request ? connection : nullptr;
}

void Shard::on_decided(const ResponseToken& token, const SubscribeDecision& decision) {
  Connection* connection = find_awaiting(token);
  if (connection == nullptr || connection->exchange->wanted == nullptr) return;
  const std::unique_ptr<SubscribeRequest> wanted = std::move(connection->exchange->wanted);
  if (admit(*connection, *wanted, decision) == Subscribed::streaming) return;
  finish_subscribe_request(*connection);
  queue_output(*connection);
}

void Shard::on_answer_late(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.wanted == nullptr) {
    refuse(connection, 504, "there was no answer in time");
  } else {
    exchange.wanted.reset();
    refuse_stream(connection, RefusalReason::overloaded, {});
    finish_subscribe_request(connection);
  }
  queue_output(connection);
}

void Shard::on_adopted(Adoption& adoption) {
  Connection* connection = take_connection(io::Socket{.value = std::exchange(adoption.fd, -1)});
  if (connection == nullptr) return;
  Exchange& exchange = *connection->exchange;
  exchange.is_adopted = true;
  exchange.is_head_written = adoption.options.is_head_written;
  exchange.head.method = Method::get;
  exchange.head.version_minor = 1;
  const SubscribeDecision decision{.admission = std::move(adoption.options.admission)};
  if (admit(*connection, adoption.request, decision) == Subscribed::streaming) return;
  if (exchange.out.left() == 0) return close(*connection, io::CloseMode::orderly, CloseReason::finished);
  wheel_.set(*connection, ticks_of_ms(config_->head_timeout_ms));
  queue_output(*connection);
}

// Calls `hook` with what the host may know of the stream.
template <typename Hook>
void Shard::tell_host(Connection& connection, Position sent, Hook&& hook) {
  hook_topics_.clear();
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    hook_topics_.emplace_back(connection.subscriptions()[i].view->topic->name);
  }
  const std::string id = id_text(connection.id);
  SubscriberView subscriber{.connection = id, .topics = hook_topics_, .sent = sent};
  if (connection.extras != nullptr) {
    subscriber.subject = connection.extras->subject;
    subscriber.user_data = connection.extras->user_data;
  }
  hook(subscriber);
}

void Shard::on_renewal(const std::array<std::uint64_t, 2>& id, const Renewal& renewal) {
  Connection* connection = by_id_.find(id);
  if (connection == nullptr || connection->is_finishing) return renewal.done(RenewOutcome::unknown);
  bool is_allowed = false;
  tell_host(*connection, sent_position(*connection),
            [&](const SubscriberView& subscriber) { is_allowed = renewal.allows(subscriber); });
  if (!is_allowed) return renewal.done(RenewOutcome::refused);
  if (connection->extras == nullptr) connection->extras = std::make_unique<Extras>();
  connection->extras->expires_ms = renewal.expires_ms;
  connection->extras->is_told_of_expiry = false;
  if (check_expiry(*connection) && !connection->is_blocked) set_stream_timer(*connection);
  renewal.done(RenewOutcome::renewed);
}

// Tells a stream that its right is about to end, and ends it.
bool Shard::check_expiry(Connection& connection) {
  Extras* extras = connection.extras.get();
  if (extras == nullptr || extras->expires_ms == 0 || connection.is_finishing) return true;
  const std::uint64_t now_ms = clock_.wall_ms();
  if (now_ms >= extras->expires_ms) {
    // An end between two events if it stands there; no more is sent, however far behind it is.
    close(connection, is_at_border(connection) ? io::CloseMode::orderly : io::CloseMode::reset, CloseReason::expired);
    return false;
  }
  if (extras->is_told_of_expiry || extras->expires_ms - now_ms > config_->expiry_notice_ms) return true;
  extras->is_told_of_expiry = true;
  std::string event;
  append_own_event(event, "broadside.auth-expiring", to_string(sent_position(connection)),
                   "{\"connection\":\"" + id_text(connection.id) + "\",\"expires\":" + std::to_string(extras->expires_ms) + "}",
                   {});
  append_own(connection, event);
  if (!connection.is_blocked) make_ready(connection);
  return true;
}

void Shard::tell_subscribed(Connection& connection, Position start) {
  tell_host(connection, start, [this](const SubscriberView& subscriber) { shared_.handler->on_subscribe(subscriber); });
}

void Shard::tell_disconnected(Connection& connection, CloseReason reason) {
  tell_host(connection, sent_position(connection),
            [this, reason](const SubscriberView& subscriber) { shared_.handler->on_disconnect(subscriber, reason); });
}

void Shard::tell_lag(Connection& connection, const Subscription& subscription, const Lag& lag, LagOutcome outcome) {
  tell_host(connection, sent_position(connection), [&](const SubscriberView& subscriber) {
    shared_.handler->on_lag(subscriber, subscription.view->topic->name, lag, outcome);
  });
}

}  // namespace broadside
