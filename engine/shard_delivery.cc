// The hot part of shard.h: which subscriber is sent which range in this turn. Nothing here allocates once warm.
#include <algorithm>

#include "base/assert.h"
#include "engine/clock.h"
#include "engine/shard.h"

namespace broadside {
namespace {

// Places of a sweep that one turn looks at without sending (they are at the head already, or holes).
constexpr std::uint32_t kPlacesPerTurnMax = 4096;
constexpr std::size_t kHeartbeatPlaces = 16;
// What those may be sent in a batch who catch up. A send of --send-bytes takes as long as ten small ones: eight of them are a
// batch, 64 of them would keep everybody else waiting, and to ask for a whole history costs a line.
constexpr std::uint64_t kReadyBytesMax = 1 << 20;
// Half a second without a byte taken: more than a reader's scheduling and a few round trips, less than an operator's patience.
constexpr std::uint32_t kHoldTicks = 5;

}  // namespace

void Shard::queue_sweep(TopicView& view) {
  if (view.is_sweeping) return;
  view.is_sweeping = true;
  view.sweep_previous = sweeps_last_;
  view.sweep_next = nullptr;
  (sweeps_last_ != nullptr ? sweeps_last_->sweep_next : sweeps_first_) = &view;
  sweeps_last_ = &view;
  ++sweeps_count_;
}

void Shard::unqueue_sweep(TopicView& view) {
  if (!view.is_sweeping) return;
  view.is_sweeping = false;
  --sweeps_count_;
  (view.sweep_previous != nullptr ? view.sweep_previous->sweep_next : sweeps_first_) = view.sweep_next;
  (view.sweep_next != nullptr ? view.sweep_next->sweep_previous : sweeps_last_) = view.sweep_previous;
}

// Brings the view up to this turn. All views that a visit touches stand at the same moment, `published_`: so the smallest
// unsent position over a subscriber's topics is known, and nothing smaller can still come.
void Shard::ensure_current(TopicView& view) {
  if (view.refreshed_turn == turn_) return;
  const bool is_first = view.refreshed_turn == 0;
  const Position before = view.head_position;
  view.has_more = store_.refresh(view, published_, &torn_frames_);
  view.refreshed_turn = turn_;
  if (is_first || view.head_position != before) {
    if (view.trail != nullptr) view.trail->note(wheel_.now(), view.head_position);
    // Everybody has to be offered the new head: the lap under way becomes a whole one from here.
    view.lap_left = static_cast<std::uint32_t>(view.slots.size());
    if (view.mark_left == 0 && !view.is_lap_done) start_mark(view);
  }
  if (view.lap_left > 0 || view.has_more) queue_sweep(view);
}

void Shard::start_mark(TopicView& view) {
  view.mark_position = view.head_position;
  view.mark_left = static_cast<std::uint32_t>(view.slots.size());
  if (view.mark_left == 0) queue_lap(view);
}

// The smaller of `passed` and what `connection` still lacks of the view.
Position Shard::passed_by(Connection& connection, TopicView& view, Position passed) {
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    if (subscription.view != &view) continue;
    if (const std::optional<Position> next = next_position(subscription)) passed = std::min(passed, next->before());
  }
  return passed;
}

// A lap has offered mark_position to every unblocked subscriber, but for those that are still behind it: in the ready queue,
// or blocked only just now.
void Shard::finish_mark(TopicView& view, Nanos now) {
  Position passed = view.mark_position;
  Position offered = view.mark_position;  // Whoever is blocked does not hold this back.
  if (view.behind > 0) {
    for (const std::deque<io::Token>* tokens : {&ready_, &holding_}) {
      for (const io::Token token : *tokens) {
        Connection* connection = connections_.find(token);
        if (connection == nullptr || !connection->is_behind) continue;
        const Position passed_here = passed_by(*connection, view, view.mark_position);
        passed = std::min(passed, passed_here);
        if (!connection->is_blocked) offered = std::min(offered, passed_here);
      }
    }
  }
  view.is_offer_open = offered < view.mark_position;
  record_offered(view, offered, now);
  // Rated subscribers that wait for their next visit are in no lap.
  if (view.trail != nullptr && view.trail->passed(wheel_.now()) < passed) {
    passed = view.trail->passed(wheel_.now());
    if (!view.is_lap_late) laps_late_.push_back(&view);
    view.is_lap_late = true;
  }
  view.lap_position.store(passed.packed, std::memory_order_relaxed);
  if (view.head_position > view.mark_position) start_mark(view);
}

// What a lap has offered is in this turn's batch, but not yet sent, and may be sent in part: a publisher must not be told that
// it has passed before that is known.
void Shard::queue_lap(TopicView& view) {
  if (view.is_lap_done) return;
  view.is_lap_done = true;
  laps_done_.push_back(&view);
}

void Shard::finish_laps() {
  if (laps_done_.empty()) return;
  const Nanos now = clock_.monotonic();
  for (std::size_t i = 0; i < laps_done_.size(); ++i) {  // A view without subscribers adds itself again.
    TopicView& view = *laps_done_[i];
    view.is_lap_done = false;
    finish_mark(view, now);
  }
  laps_done_.clear();
}

// `count` places of the lap have been offered the head.
void Shard::pass_slots(TopicView& view, std::uint32_t count) {
  view.lap_left -= std::min(view.lap_left, count);
  view.mark_left -= std::min(view.mark_left, count);
  if (view.lap_left == 0) {
    view.mark_position = view.head_position;
    view.mark_left = 0;
  }
  if (view.mark_left == 0) queue_lap(view);
}

void Shard::set_behind(Connection& connection, bool is_behind) {
  if (connection.is_behind == is_behind) return;
  connection.is_behind = is_behind;
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    TopicView& view = *connection.subscriptions()[i].view;
    const std::uint32_t change = is_behind ? 1 : UINT32_MAX;
    view.behind += change;
    if (connection.is_blocked) view.behind_blocked += change;
    if (!is_behind) check_offers(view);
  }
}

void Shard::set_blocked(Connection& connection, bool is_blocked) {
  BROADSIDE_ASSERT(connection.is_blocked != is_blocked);
  connection.is_blocked = is_blocked;
  if (!connection.is_behind) return;
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    TopicView& view = *connection.subscriptions()[i].view;
    view.behind_blocked += is_blocked ? 1 : UINT32_MAX;
    if (is_blocked) check_offers(view);
  }
}

// Between two laps, when the last one that was behind has caught up or is blocked: all unblocked ones have been offered the head.
void Shard::check_offers(TopicView& view) {
  if (view.mark_left > 0 || view.lap_left > 0 || view.refreshed_turn == 0) return;
  if (view.behind > 0 && !(view.is_offer_open && view.behind == view.behind_blocked)) return;
  view.mark_position = view.head_position;
  queue_lap(view);
}

void Shard::make_ready(Connection& connection) {
  set_behind(connection, true);
  if (connection.is_ready) return;
  connection.is_ready = true;
  ready_.push_back(connection.token());
}

void Shard::add_slots(Connection& connection) {
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    TopicView& view = *subscription.view;
    if (!view.holes.empty()) {
      subscription.slot = view.holes.back() & Subscription::kNoSlot;
      view.holes.pop_back();
      view.slots[subscription.slot] = &subscription;
      continue;
    }
    subscription.slot = static_cast<std::uint32_t>(view.slots.size()) & Subscription::kNoSlot;
    view.slots.push_back(&subscription);
    // The places still to be passed may reach over the end of the array, which is now one further.
    if (view.lap_left > 0) ++view.lap_left;
    if (view.mark_left > 0) ++view.mark_left;
  }
}

void Shard::remove_slots(Connection& connection) {
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    if (subscription.slot == Subscription::kNoSlot) continue;
    TopicView& view = *subscription.view;
    view.slots[subscription.slot] = nullptr;
    view.holes.push_back(subscription.slot);
    subscription.slot = Subscription::kNoSlot;
  }
}

void Shard::block(Connection& connection) {
  // The stall is counted from when the kernel took the last byte, also over edges of writability that come to nothing.
  if (connection.blocked_tick == 0) connection.blocked_tick = wheel_.now();
  set_blocked(connection, true);
  connection.is_waiting = false;
  connection.is_slow = connection.was_at_head;
  remove_slots(connection);
  counters_.subscribers_blocked.add();
  const std::uint32_t stalled_ticks = wheel_.now() - connection.blocked_tick;
  set_stall_timer(connection, stalled_ticks);
  // In a burst a healthy peer is blocked for as long as it takes to read: for a moment the logs wait for it like for the
  // unblocked (within --backlog-bytes), so that a burst throws nobody out.
  if (stalled_ticks >= kHoldTicks) return set_behind(connection, false);
  set_behind(connection, true);
  if (connection.is_holding) return;
  connection.is_holding = true;
  holding_.push_back(connection.token());
}

void Shard::unblock(Connection& connection) {
  set_blocked(connection, false);
  add_slots(connection);
  counters_.subscribers_blocked.subtract();
  set_stream_timer(connection);
  make_ready(connection);
  // From here on its logs wait for it again.
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    TopicView& view = *connection.subscriptions()[i].view;
    ensure_current(view);
    const Position lap{view.lap_position.load(std::memory_order_relaxed)};
    view.lap_position.store(passed_by(connection, view, lap).packed, std::memory_order_relaxed);
  }
}

// Those that have been blocked for longer than a healthy peer would be no longer hold their logs.
void Shard::release_holds() {
  for (std::size_t left = holding_.size(); left > 0; --left) {
    const io::Token token = holding_.front();
    holding_.pop_front();
    Connection* connection = connections_.find(token);
    if (connection == nullptr) continue;
    if (connection->is_blocked && wheel_.now() - connection->blocked_tick < kHoldTicks) {
      holding_.push_back(token);
      continue;
    }
    connection->is_holding = false;
    if (connection->is_blocked) set_behind(*connection, false);
  }
}

// Adds a visit for what the connection lacks. False if there is none: it lacks nothing, or has been closed.
bool Shard::visit(Connection& connection) {
  if (connection.visited_turn == turn_) return false;  // Two sweeps may reach it; it is sent once.
  connection.visited_turn = turn_;
  // One that only needs the rest of its own bytes no longer depends on the logs.
  const bool needs_logs = !connection.is_finishing || connection.partial_bytes > 0;
  if (needs_logs && !apply_policies(connection)) return false;
  const bool may_have_frames = is_due(connection);
  if (!batch_.add(connection, may_have_frames ? config_->send_bytes_max : 0)) {
    if (!may_have_frames) wait_for_rate(connection);
    return false;
  }
  note_visit(connection, batch_.visits().back());
  return true;
}

void Shard::visit_ready() {
  // Half a batch, so that newcomers and the recovered cannot hold up the sweeps; all of it when there is nothing to sweep.
  std::size_t left = ready_.size();
  std::uint64_t bytes = 0;
  const std::size_t kept = sweeps_first_ != nullptr ? DeliveryBatch::kVisitsMax / 2 : 0;
  while (left-- > 0 && !batch_.is_full(kept) && bytes < kReadyBytesMax) {
    const io::Token token = ready_.front();
    ready_.pop_front();
    Connection* connection = connections_.find(token);
    if (connection == nullptr || !connection->is_ready) continue;
    connection->is_ready = false;
    if (connection->is_blocked) continue;
    if (visit(*connection)) {
      bytes += batch_.visits().back().bytes;
    } else if (connections_.find(token) != nullptr) {
      after_sent(*connection);
    }
  }
}

// Heartbeats that are due have some places of the batch to themselves, however busy the sweeps are.
bool Shard::is_sweep_full() const { return batch_.is_full(heartbeats_.empty() ? 0 : kHeartbeatPlaces); }

void Shard::sweep_some(TopicView& view) {
  ensure_current(view);
  std::uint32_t looked = 0;
  while (view.lap_left > 0 && !is_sweep_full() && looked < kPlacesPerTurnMax) {
    if (view.lap_next >= view.slots.size()) view.lap_next = 0;
    Subscription* subscription = view.slots[view.lap_next++];
    ++looked;
    const bool rests = subscription != nullptr &&
                       (subscription->conflates ? subscription->passed >= view.head_position : subscription->cursor == view.head);
    if (subscription == nullptr || rests || subscription->connection->is_ready) {
      pass_slots(view, 1);
      continue;
    }
    Connection& connection = *subscription->connection;
    const bool is_last_subscriber = view.subscribers.load(std::memory_order_relaxed) == 1;
    const std::uint32_t generation = connection.generation;
    visit(connection);
    // Closing the last subscriber takes the view with it.
    if (connection.generation != generation && is_last_subscriber) return;
    pass_slots(view, 1);
  }
  if (view.lap_left == 0 && !view.has_more) unqueue_sweep(view);
}

void Shard::sweep() {
  // Each topic gets what is left of the batch; the one that was first goes behind the others, so that all get their share.
  for (std::size_t left = sweeps_count_; left > 0 && sweeps_first_ != nullptr && !is_sweep_full(); --left) {
    TopicView* view = sweeps_first_;
    unqueue_sweep(*view);
    queue_sweep(*view);
    sweep_some(*view);
  }
}

void Shard::deliver() {
  batch_.clear();
  visit_ready();
  sweep();
  while (!heartbeats_.empty() && !batch_.is_full()) {
    Connection* connection = connections_.find(heartbeats_.back());
    heartbeats_.pop_back();
    // Only where nothing is unsent: in the middle of a frame a comment would tear it.
    if (connection == nullptr || connection->is_blocked || connection->is_ready || connection->visited_turn == turn_) continue;
    if (wheel_.now() - connection->last_write_tick < connection->heartbeat_ticks) continue;  // Has been told something since.
    if (!is_at_border(*connection)) continue;
    connection->visited_turn = turn_;
    batch_.add_heartbeat(*connection);
  }
  if (batch_.visits().empty()) return finish_laps();
  requests_.clear();
  for (const Visit& visit : batch_.visits()) requests_.push_back(batch_.request_of(visit));
  const Nanos began = clock_.monotonic();
  io_->send(requests_);
  const Nanos ended = clock_.monotonic();
  // The sends of a batch cost about the same: so it is known when each was done, without a clock for each.
  const Nanos each = (ended - began) / static_cast<Nanos>(requests_.size());
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    settle(batch_.visits()[i], requests_[i], began + each * static_cast<Nanos>(i + 1));
  }
  finish_laps();
}

void Shard::settle(const Visit& visit, const io::SendRequest& request, Nanos sent_at) {
  Connection& connection = *visit.connection;
  BROADSIDE_ASSERT(connection.state == ConnectionState::streaming);
  counters_.sends.add();
  counters_.bytes_sent.add(request.sent);
  if (visit.is_heartbeat) counters_.heartbeats.add();
  const std::uint32_t events = batch_.apply(visit, request.sent);
  if (!batch_.advances().empty()) record_written(sent_at);
  counters_.deliveries.add(events);
  if (connection.limit_left != 0 && (connection.limit_left -= std::min(events, connection.limit_left)) == 0)
    begin_finish(connection);
  if (connection.own != nullptr && connection.own->left() == 0) connection.own.reset();
  if (request.sent > 0) {
    connection.last_write_tick = wheel_.now();
    connection.blocked_tick = 0;
  }
  switch (request.status) {
    case io::SendStatus::sent:
      after_sent(connection);
      break;
    case io::SendStatus::blocked:
      counters_.sends_short.add();
      block(connection);
      break;
    case io::SendStatus::peer_gone:
      close(connection, io::CloseMode::reset, CloseReason::peer);
      break;
    case io::SendStatus::failed:
      close(connection, io::CloseMode::reset, CloseReason::failed);
      break;
  }
}

// It has been sent everything that there is. Whether nothing more will come: all its topics have ended, or it does not follow.
bool Shard::arrive_at_head(Connection& connection) {
  connection.was_at_head = true;
  connection.is_slow = false;
  bool is_over_everywhere = connection.subscription_count > 0;
  bool has_reopened = false;    // Behind an end that it has been sent: what comes next there is for the next request.
  bool may_lack_a_key = false;  // What it was spared as superseded may be by an event of after this turn.
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    TopicView& view = *subscription.view;
    if (!is_over(subscription)) is_over_everywhere = false;
    if (subscription.has_ended && view.has_reopened_behind(subscription.cursor)) has_reopened = true;
    if (!subscription.conflates || subscription.has_ended) continue;
    if (view.has_more) may_lack_a_key = true;
  }
  return is_over_everywhere || has_reopened || (!connection.follows && !may_lack_a_key);
}

// All that the visit had was sent. Is there more, is it over, or does it rest at the head?
void Shard::after_sent(Connection& connection) {
  if (is_worn(connection)) connection.is_leaving = true;  // Its next stream has new keys.
  bool lacks = lacks_something(connection);
  if (!lacks && !connection.is_finishing) {
    const bool is_over = arrive_at_head(connection);
    if (connection.is_leaving) {
      give_notice_of_leave(connection);
    } else if (is_over) {
      begin_finish(connection);
    }
    lacks = !is_at_border(connection);  // What either has given it.
  }
  const bool may_wait = is_at_border(connection) && !connection.is_finishing && !is_due(connection);
  if (may_wait) {
    wait_for_rate(connection);
  } else if (lacks) {
    make_ready(connection);
  } else if (connection.is_finishing) {
    const CloseReason left = is_draining_ ? CloseReason::drained : CloseReason::aged;
    close(connection, io::CloseMode::orderly, connection.is_leaving ? left : CloseReason::finished);
  } else {
    set_behind(connection, false);
  }
}

}  // namespace broadside
