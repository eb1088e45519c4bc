// The part of shard.h that says what holds between two turns: check_invariants() walks all connections and views. The simulation
// calls it after its turns; nothing else does.
#include <algorithm>
#include <map>

#include "base/assert.h"
#include "engine/shard.h"

namespace broadside {

// What the connections say of a view that they are on.
struct Shard::ViewTally {
  std::uint32_t subscribers = 0;
  std::uint32_t slots = 0;
  std::uint32_t behind = 0;
  std::uint32_t behind_blocked = 0;
};

void Shard::check_invariants() {
  BROADSIDE_ASSERT(laps_done_.empty());
  std::map<const TopicView*, ViewTally> tallies;
  std::uint64_t connections = 0;
  std::uint64_t subscribers = 0;
  std::uint64_t blocked = 0;
  for (std::uint32_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_.at(i);
    check_connection(connection);
    if (connection.state == ConnectionState::free) continue;
    ++connections;
    if (connection.state != ConnectionState::streaming) continue;
    ++subscribers;
    if (connection.is_blocked) ++blocked;
    for (std::uint32_t at = 0; at < connection.subscription_count; ++at) {
      ViewTally& tally = tallies[connection.subscriptions()[at].view];
      ++tally.subscribers;
      if (!connection.is_blocked && !connection.is_waiting) ++tally.slots;
      if (connection.is_behind) ++tally.behind;
      if (connection.is_behind && connection.is_blocked) ++tally.behind_blocked;
    }
  }
  BROADSIDE_ASSERT(connections == counters_.connections.get());
  BROADSIDE_ASSERT(subscribers == counters_.subscribers.get());
  BROADSIDE_ASSERT(blocked == counters_.subscribers_blocked.get());
  std::size_t sweeping = 0;
  for (const auto& [view, tally] : tallies) {
    check_view(*view, tally);
    if (view->is_sweeping) ++sweeping;
  }
  std::size_t listed = 0;
  for (const TopicView* view = sweeps_first_; view != nullptr; view = view->sweep_next, ++listed) {
    BROADSIDE_ASSERT(view->is_sweeping);
    BROADSIDE_ASSERT((view->sweep_next == nullptr) == (view == sweeps_last_));
  }
  BROADSIDE_ASSERT(listed == sweeps_count_ && listed == sweeping);
}

void Shard::check_connection(Connection& connection) {
  const bool has_exchange = connection.state == ConnectionState::http || connection.state == ConnectionState::lingering;
  BROADSIDE_ASSERT(has_exchange == (connection.exchange != nullptr));
  switch (connection.state) {
    case ConnectionState::free:
      BROADSIDE_ASSERT(!connection.socket.is_open());
      BROADSIDE_ASSERT(connection.timer_tick == 0);
      BROADSIDE_ASSERT(connection.subscription_count == 0);
      return;
    case ConnectionState::http:
    case ConnectionState::lingering:
      BROADSIDE_ASSERT(connection.socket.is_open());
      BROADSIDE_ASSERT(connections_.find(connection.token()) == &connection);
      return;
    case ConnectionState::streaming:
      return check_stream(connection);
  }
}

void Shard::check_stream(Connection& connection) {
  BROADSIDE_ASSERT(connection.socket.is_open());
  BROADSIDE_ASSERT(by_id_.find(connection.id) == &connection);
  BROADSIDE_ASSERT(connection.timer_tick > 0);
  const auto is_in = [&](const std::deque<io::Token>& queue) {
    return std::any_of(queue.begin(), queue.end(), [&](io::Token token) { return connections_.find(token) == &connection; });
  };
  if (connection.is_ready) BROADSIDE_ASSERT(is_in(ready_));
  BROADSIDE_ASSERT(connection.is_holding == is_in(holding_));
  // Who holds its logs back is either visited soon, or does so for a moment only.
  if (connection.is_behind) BROADSIDE_ASSERT(connection.is_blocked ? connection.is_holding : connection.is_ready);
  if (connection.own != nullptr) BROADSIDE_ASSERT(connection.own->sent <= connection.own->bytes.size());
  const bool is_sealed = connection.extras != nullptr && connection.extras->sealer != nullptr;
  BROADSIDE_ASSERT(connection.is_framed == (connection.is_chunked || is_sealed));
  if (connection.is_framed) BROADSIDE_ASSERT(connection.extras->rest == nullptr || connection.extras->rest->left() > 0);
  bool is_in_lap = false;
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    TopicView& view = *subscription.view;
    BROADSIDE_ASSERT(subscription.connection == &connection);
    const bool is_apart = connection.is_blocked || connection.is_waiting;
    BROADSIDE_ASSERT(is_apart == (subscription.slot == Subscription::kNoSlot));
    if (is_apart) continue;
    BROADSIDE_ASSERT(view.slots[subscription.slot] == &subscription);
    const auto places = static_cast<std::uint32_t>(view.slots.size());
    const std::uint32_t next = view.lap_next >= places ? 0 : view.lap_next;
    const std::uint32_t distance = (subscription.slot + places - next) % places;
    if (view.is_sweeping && distance < view.lap_left) is_in_lap = true;
  }
  // Nobody is forgotten who could be sent something, or can no longer be.
  if (connection.is_waiting) BROADSIDE_ASSERT(connection.rate_steps > 0 && connection.has_reminder && !connection.is_blocked);
  const bool is_apart = connection.is_blocked || connection.is_waiting;
  if (!is_apart && lacks_something(connection)) BROADSIDE_ASSERT(connection.is_ready || is_in_lap);
  if (connection.torn != nullptr)
    BROADSIDE_ASSERT(connection.torn->is_lost() || connection.partial_bytes < connection.torn->size);
  BROADSIDE_ASSERT(connection.torn == nullptr || connection.partial_bytes > 0);
  if (connection.partial_bytes == 0 || connection.torn != nullptr) return;
  BROADSIDE_ASSERT(connection.partial_subscription < connection.subscription_count);
  const Subscription& partial = connection.subscriptions()[connection.partial_subscription];
  if (partial.view->is_lost(partial.cursor)) return;
  const HeldSegment& held = partial.view->held_at(partial.cursor.segment);
  BROADSIDE_ASSERT(partial.cursor.frame < held.frames);
  const std::uint32_t frame_bytes =
      held.segment->entry(partial.cursor.frame).end - held.segment->frame_begin(partial.cursor.frame);
  BROADSIDE_ASSERT(connection.partial_bytes < frame_bytes);
}

void Shard::check_view(const TopicView& view, const ViewTally& tally) {
  BROADSIDE_ASSERT(tally.subscribers == view.subscribers.load(std::memory_order_relaxed));
  BROADSIDE_ASSERT(tally.behind == view.behind);
  BROADSIDE_ASSERT(tally.behind_blocked == view.behind_blocked);
  const auto holes = static_cast<std::size_t>(std::count(view.slots.begin(), view.slots.end(), nullptr));
  BROADSIDE_ASSERT(view.slots.size() == tally.slots + holes);
  BROADSIDE_ASSERT(view.holes.size() == holes);
  for (const std::uint32_t hole : view.holes) BROADSIDE_ASSERT(view.slots[hole] == nullptr);
  BROADSIDE_ASSERT(view.lap_left <= view.slots.size());
  BROADSIDE_ASSERT(view.mark_left <= view.slots.size());
  BROADSIDE_ASSERT(!view.is_lap_done);
  BROADSIDE_ASSERT(view.mark_position <= view.head_position);
  // A lap under way goes on by itself.
  if (view.lap_left > 0) BROADSIDE_ASSERT(view.is_sweeping);
  for (std::size_t i = 0; i < view.held.size(); ++i) {
    BROADSIDE_ASSERT(view.held[i].segment->sequence() == view.first_sequence + i);
    BROADSIDE_ASSERT(view.held[i].frames <= view.held[i].segment->frames());
  }
}

}  // namespace broadside
