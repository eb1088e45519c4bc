#include "engine/shard.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "engine/clock.h"
#include "engine/io/socket.h"

namespace broadside {
namespace {

constexpr std::uint32_t kResetsPerTickMax = 8192;  // At the end of a drain; what is left waits for the next tick.

// Of the time while subscribers wait for events, whoever else wants something (requests, tokens to verify, handshakes, messages)
// has a ninth, so that no flood of these makes deliveries take much longer: a turn delivers for eight times as long as it has
// spent on others, within a bound that still answers them.
constexpr Nanos kDeliveryShare = 8;
constexpr Nanos kDeliveryTimeMax = 40 * kMillisecond;

}  // namespace

Shard::Shard(ShardShared& shared, std::uint32_t number)
    : shared_(shared),
      config_(shared.config),
      clock_(*shared.clock),
      store_(*shared.store),
      number_(number),
      prng_(static_cast<std::uint64_t>(shared.clock->monotonic()) + number) {}

Shard::~Shard() = default;

void Shard::start(const std::vector<int>& listeners) {
  now_ = turn_ended_ = clock_.monotonic();
  wheel_.start(now_);
  rates_.start(now_);
  counters_.last_turn_ms.set(static_cast<std::uint64_t>(now_ / kMillisecond));
  listeners_ = listeners;
  for (std::size_t i = 0; i < listeners.size(); ++i) io_->add_listener(listeners[i], static_cast<std::uint32_t>(i));
}

void Shard::run() {
  while (run_turn()) {
  }
  close_all();  // The backend itself stays until the destructor: another thread may be waking it at this moment.
}

void Shard::post(Message message) {
  {
    const std::lock_guard lock(mailbox_mutex_);
    mailbox_.push_back(std::move(message));
  }
  signal();
}

void Shard::signal() {
  // Sequentially consistent on both sides: either we see that it sleeps, or it sees the signal before it does.
  has_signal_.store(true);
  if (is_sleeping_.exchange(false)) io_->wake();
}

Nanos Shard::wait_time() const {
  const bool has_work = !ready_.empty() || sweeps_first_ != nullptr || !heartbeats_.empty() || !outputs_.empty() || is_stopped_ ||
                        !listings_.empty() || !handshakes_.empty();
  return has_work ? 0 : rates_.until_due(now_, wheel_.until_tick(now_));
}

// One pass of the loop: what the kernel has, what other threads want, what the clock says, then one batch of sends.
bool Shard::run_turn(bool may_wait) {
  Nanos timeout = may_wait ? wait_time() : 0;
  if (timeout > 0) {
    is_sleeping_.store(true);
    if (has_signal_.load()) timeout = 0;
  }
  const bool may_sleep = timeout > 0;
  completions_.clear();
  io_->wait(timeout, completions_);
  is_sleeping_.store(false);
  now_ = clock_.monotonic();
  counters_.last_turn_ms.set(static_cast<std::uint64_t>(now_ / kMillisecond));
  for (const io::Completion& completion : completions_) on_completion(completion);
  if (has_signal_.exchange(false)) take_messages();
  wheel_.advance(now_, [this](Connection& connection) { on_timer(connection); });
  if (wheel_.now() != last_tick_) on_tick();
  rates_.advance(now_, [this](std::uint64_t step, io::Token token) { on_rate_due(step, token); });
  run_handshakes();
  const Nanos delivery_begin = clock_.monotonic();
  const Nanos delivery_end = delivery_begin + std::min(kDeliveryShare * (delivery_begin - now_), kDeliveryTimeMax);
  do {
    deliver_newest();
  } while (sweeps_first_ != nullptr && clock_.monotonic() < delivery_end);
  flush_outputs();
  run_listings();
  const Nanos ended = clock_.monotonic();
  counters_.turns.add(ended - now_);
  // A wait without a timeout does work: it counts as such.
  counters_.busy_ns.add(static_cast<std::uint64_t>(ended - (may_sleep ? now_ : turn_ended_)));
  turn_ended_ = ended;
  return !is_stopped_;
}

// One batch. All views that it touches are brought to one moment; before here they stand at that of the batch before.
void Shard::deliver_newest() {
  const TurnStart start = store_.begin_turn(number_);
  published_ = start.published;
  ++turn_;
  for (TopicView* view = start.dirty; view != nullptr; view = view->next_taken) queue_sweep(*view);
  deliver();
}

// So many turns that one call does not keep the host from its own work for long.
void Shard::run_once() {
  constexpr int kTurnsMax = 8;
  has_more_ = true;
  for (int turn = 0; turn < kTurnsMax && has_more_; ++turn) {
    if (!run_turn(false)) return;
    has_more_ = !completions_.empty() || wait_time() == 0;
  }
  io_->flush();
  // The host sleeps from here on: who has a message for us wakes it.
  is_sleeping_.store(true);
  if (has_signal_.load()) io_->wake();
}

Nanos Shard::next_wait() {
  if (has_more_) return 0;
  return std::max<Nanos>(0, wait_time() - (clock_.monotonic() - now_));
}

void Shard::on_completion(const io::Completion& completion) {
  if (completion.kind == io::CompletionKind::accepted) return on_accepted(completion);
  if (completion.kind == io::CompletionKind::accept_failed) {
    counters_.accepts_paused.add();
    accepts_are_paused_ = true;  // Tried again with the next tick: descriptors come back as connections close.
    return;
  }
  Connection* connection = connections_.find(completion.token);
  if (connection == nullptr) return;
  const bool is_stream = connection->state == ConnectionState::streaming;
  switch (completion.kind) {
    case io::CompletionKind::received:
      if (!is_stream) on_received(*connection, completion.bytes, completion.error);
      break;
    case io::CompletionKind::writable:
      if (is_stream) {
        if (connection->is_blocked) unblock(*connection);
      } else if (connection->exchange->is_watching) {
        connection->exchange->is_watching = false;
        queue_output(*connection);
      }
      break;
    case io::CompletionKind::hung_up:
      // A half-close ends a stream. One that is blocked on an answer is still given it, if the peer can take it.
      if (is_stream) {
        close(*connection, io::CloseMode::orderly, CloseReason::peer);
      } else if (connection->exchange->is_watching) {
        connection->exchange->is_watching = false;
        queue_output(*connection);  // The end of input is seen by the receive that follows.
      }
      break;
    case io::CompletionKind::accepted:
    case io::CompletionKind::accept_failed:
      break;
  }
}

void Shard::on_accepted(const io::Completion& completion) {
  counters_.accepts.add();
  const bool is_sealed = (shared_.sealed_listeners >> completion.token.index & 1) != 0;
  if (is_sealed && store_.is_memory_short()) {
    // A handshake takes ten times what a stream does, and what it is for is not known yet.
    counters_.refusals.add(RefusalReason::memory);
    return io_->close(completion.socket, io::CloseMode::reset);
  }
  Origin origin;
  if (!find_origin(completion.socket, is_sealed, origin)) return io_->close(completion.socket, io::CloseMode::reset);
  Connection* connection = take_connection(completion.socket);
  if (connection == nullptr) return;
  connection->listener = static_cast<std::uint8_t>(completion.token.index);
  connection->exchange->awaits_proxy_header = origin.is_trusted;
  connection->exchange->origin = std::move(origin);
  if (is_sealed && !open_transport(*connection)) return close(*connection, io::CloseMode::reset, CloseReason::failed);
  wheel_.set(*connection, ticks_of_ms(config_->head_timeout_ms));
  start_reading(*connection);
}

Connection* Shard::take_connection(io::Socket socket) {
  if (shared_.connections.fetch_add(1, std::memory_order_relaxed) >= shared_.connections_max || is_draining_) {
    // Beyond what is kept for refusals there is nothing left to answer with.
    counters_.refusals.add(is_draining_ ? RefusalReason::draining : RefusalReason::crowded);
    shared_.connections.fetch_sub(1, std::memory_order_relaxed);
    io_->close(socket, io::CloseMode::reset);
    return nullptr;
  }
  counters_.connections.add();
  Connection& connection = connections_.make();
  connection.state = ConnectionState::http;
  connection.socket = socket;
  connection.exchange = std::make_unique<Exchange>();
  connection.exchange->memory.join(request_memory_);
  return &connection;
}

void Shard::on_timer(Connection& connection) {
  switch (connection.state) {
    case ConnectionState::streaming:
      return on_stream_timer(connection);
    case ConnectionState::http:
    case ConnectionState::lingering:
      return on_request_timer(connection);
    case ConnectionState::free:
      BROADSIDE_ASSERT(false);
  }
}

void Shard::on_tick() {
  last_tick_ = wheel_.now();
  if (accepts_are_paused_) {
    accepts_are_paused_ = false;
    io_->resume_accepts();
  }
  if (number_ == 0) {
    std::uint64_t memory = 0;
    for (const Shard* shard : shared_.shards) memory += shard->connection_memory();
    store_.set_connection_memory(memory);
    store_.tick();
  }
  release_holds();
  retry_laps();
  scan_lag();
  if (is_draining_) drain_some();
}

void Shard::take_messages() {
  {
    const std::lock_guard lock(mailbox_mutex_);
    messages_.swap(mailbox_);
  }
  for (Message& message : messages_) on_message(message);
  messages_.clear();
}

void Shard::on_message(Message& message) {
  switch (message.kind) {
    case Message::Kind::respond: {
      Connection* connection = find_awaiting(message.token);
      if (connection == nullptr || connection->exchange->wanted != nullptr) return;
      answer(*connection, message.response);
      begin_next_request(*connection);
      queue_output(*connection);
      return;
    }
    case Message::Kind::decide:
      return on_decided(message.token, *message.decision);
    case Message::Kind::adopt:
      return on_adopted(*message.adoption);
    case Message::Kind::send_to:
      return message.on_sent(send_to(message.id, message.event_body));
    case Message::Kind::renew:
      return on_renewal(message.id, *message.renewal);
    case Message::Kind::list:
      listings_.emplace_back(std::move(message.listing), message.place);
      return;
    case Message::Kind::reconfigure:
      config_ = std::move(message.config);
      return;
    case Message::Kind::drain:
      return start_drain();
    case Message::Kind::stop:
      is_stopped_ = true;
      return;
  }
}

void Shard::start_drain() {
  if (is_draining_) return;
  is_draining_ = true;
  io_->remove_listeners();
  // Whoever connects from here on is refused by the kernel instead of waiting in a queue that nobody empties.
  for (const int listener : listeners_) io::stop_listening(listener);
  drain_next_ = 0;
  drain_end_ = now_ + static_cast<Nanos>(config_->drain_timeout_ms) * kMillisecond;
  // All streams in nine tenths of the time, or as fast as was asked for. This shard has its part of the rate.
  const double ticks = std::max(1.0, 0.9 * static_cast<double>(config_->drain_timeout_ms) / 100.0);
  drain_per_tick_ = config_->drain_rate > 0 ? static_cast<double>(config_->drain_rate) / 10.0 / shared_.shard_count
                                            : static_cast<double>(counters_.subscribers.get()) / ticks;
  drain_per_tick_ = std::max(drain_per_tick_, 1.0);
  // Publishers that are between two requests are not kept waiting; the others get Connection: close with their answer.
  for (std::uint32_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_.at(i);
    if (connection.state != ConnectionState::http) continue;
    const Exchange& exchange = *connection.exchange;
    if (exchange.is_idle() && exchange.unsent() == 0) {
      close(connection, io::CloseMode::orderly, CloseReason::drained);
    } else if (exchange.phase == Exchange::Phase::streamed_body) {
      end_streamed_body(connection);
    }
  }
}

void Shard::drain_some() {
  drain_budget_ = std::min(drain_budget_ + drain_per_tick_, drain_per_tick_ + 1);
  for (; drain_next_ < connections_.size() && drain_budget_ >= 1; ++drain_next_) {
    Connection& connection = connections_.at(drain_next_);
    if (connection.state != ConnectionState::streaming) continue;
    drain_budget_ -= 1;
    begin_leave(connection);
  }
  if (now_ < drain_end_) return;
  // What is left has had its time.
  std::uint32_t closes = 0;
  for (std::uint32_t i = 0; i < connections_.size() && closes < kResetsPerTickMax; ++i) {
    Connection& connection = connections_.at(i);
    if (connection.state == ConnectionState::free) continue;
    close(connection, io::CloseMode::reset, CloseReason::drained);
    ++closes;
  }
}

void Shard::leave_topics(Connection& connection) {
  set_behind(connection, false);
  remove_slots(connection);
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    TopicView* view = connection.subscriptions()[i].view;
    if (view->subscribers.load(std::memory_order_relaxed) == 1) {
      unqueue_sweep(*view);
      if (view->is_lap_late) std::erase(laps_late_, view);
      if (view->is_lap_done) {
        std::erase(laps_done_, view);
        record_offered(*view, view->mark_position, clock_.monotonic());
      }
    }
    store_.unsubscribe(view);
  }
}

void Shard::close(Connection& connection, io::CloseMode mode, CloseReason reason) {
  counters_.closes.add(reason);
  if (mode == io::CloseMode::orderly && reason != CloseReason::peer) send_end(connection);
  if (connection.exchange != nullptr && connection.exchange->transport != nullptr) counters_.transports.subtract();
  if (connection.state == ConnectionState::streaming) tell_disconnected(connection, reason);
  if (connection.torn != nullptr) torn_frames_.release(std::exchange(connection.torn, nullptr));
  if (connection.state == ConnectionState::streaming) {
    if (connection.is_blocked) counters_.subscribers_blocked.subtract();
    by_id_.erase(connection);
    leave_topics(connection);
    counters_.subscribers.subtract();
    shared_.subscribers.fetch_sub(1, std::memory_order_relaxed);
  }
  wheel_.clear(connection);
  connection.is_ready = false;
  io_->close(connection.socket, mode);
  counters_.connections.subtract();
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  connections_.free(connection);
}

// A connection costs the kernel 4 KB, and the process a good deal less; one that has stopped reading holds some 16 KiB more
// (TCP_NOTSENT_LOWAT), and OpenSSL some 40 for one that speaks HTTP.
std::uint64_t Shard::connection_memory() const {
  constexpr std::uint64_t kConnectionBytes = 4608;
  constexpr std::uint64_t kBlockedBytes = 16 * kKiB;
  constexpr std::uint64_t kTransportBytes = 40 * kKiB;
  return counters_.connections.get() * kConnectionBytes + counters_.subscribers_blocked.get() * kBlockedBytes +
         counters_.transports.get() * kTransportBytes + request_memory_.bytes();
}

void Shard::close_all() {
  for (std::uint32_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_.at(i);
    if (connection.state != ConnectionState::free) close(connection, io::CloseMode::reset, CloseReason::stopped);
  }
  io_->remove_listeners();
  completions_.clear();
  io_->wait(0, completions_);  // Closes that are queued reach the kernel.
}

}  // namespace broadside
