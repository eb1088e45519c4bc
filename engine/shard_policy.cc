// The part of shard.h that decides what happens to a subscriber that lags, topic by topic, and when a rated one is visited.
#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "engine/shard.h"
#include "proto/json_text.h"
#include "proto/position.h"
#include "proto/sse_encoder.h"

namespace broadside {
namespace {

bool exceeds(const LagLimits& limits, const Lag& lag) {
  return (limits.events != 0 && lag.events > limits.events) || (limits.bytes != 0 && lag.bytes > limits.bytes) ||
         (limits.age_ms != 0 && lag.age_ms > limits.age_ms);
}

// Where `skip` lets a subscriber go on: before the newest `keep` events, but not behind a broadside.end that it has yet to be
// sent.
Cursor skip_target(const TopicView& view, Cursor from, std::uint64_t keep) {
  Cursor target = view.head;
  for (std::uint32_t i = 0; i < view.held.size(); ++i) {
    const HeldSegment& held = view.held[i];
    const Cursor end{.segment = view.first_sequence + i, .frame = held.frames};
    if (!held.ends_topic || end > view.head || end <= from) continue;
    target = Cursor{.segment = end.segment, .frame = end.frame - 1};
    break;
  }
  while (keep > 0 && target > from) {
    if (target.frame == 0) {
      if (target.segment == view.first_sequence) break;
      target = Cursor{.segment = target.segment - 1, .frame = view.held_at(target.segment - 1).frames};
      continue;
    }
    const auto taken = static_cast<std::uint32_t>(std::min<std::uint64_t>(keep, target.frame));
    target.frame -= taken;
    keep -= taken;
  }
  return std::max(target, from);
}

// The position of the frame before `cursor`, or one as good.
Position position_before(const TopicView& view, Cursor cursor) {
  if (view.held.empty()) return view.published;
  if (cursor.frame > 0) return view.held_at(cursor.segment).segment->entry(cursor.frame - 1).position;
  if (cursor < view.head) return view.position_at(cursor).before();
  return view.published;
}

}  // namespace

std::string gap_json(std::string_view topic, const Gap& gap, std::optional<std::uint32_t> lost) {
  std::string json = "{\"topic\":";
  append_json_string(json, topic);
  json += ",\"from\":";
  append_json_string(json, gap.from);
  json += ",\"to\":\"" + to_string(gap.to) + "\",\"lost\":" + (lost ? std::to_string(*lost) : "null") + ",\"reason\":\"";
  json += kGapReasonNames[static_cast<std::size_t>(gap.reason)];
  json += "\"}";
  return json;
}

void Shard::tell_gap(Connection& connection, const Subscription& subscription, const Gap& gap,
                     std::optional<std::uint32_t> lost) {
  std::string event;
  append_own_event(event, "broadside.gap", to_string(sent_position(connection)),
                   gap_json(subscription.view->topic->name, gap, lost), {});
  append_own(connection, event);
  counters_.gaps.add();
}

// The cursor moves on, and the subscriber is told how many events it was not sent.
void Shard::skip_ahead(Connection& connection, Subscription& subscription) {
  TopicView& view = *subscription.view;
  const bool is_lost = view.is_lost(subscription.cursor);
  const Cursor from = is_lost ? Cursor{.segment = view.first_sequence, .frame = 0} : subscription.cursor;
  const Cursor target = skip_target(view, from, view.rules.keep);
  const std::uint32_t counted = view.events_before(target);
  const std::uint32_t lost = counted - subscription.counted;
  const Position before = subscription.passed;
  std::uint32_t steps = 0;
  const Lag lag = lag_of(subscription, clock_.wall_ms(), steps);
  subscription.cursor = target;
  subscription.counted = counted;
  if (lost == 0 && !is_lost) return;  // What is lost may be broadside.end, which is nobody's event.
  subscription.passed = position_before(view, target);
  counters_.skips.add();
  counters_.events_skipped.add(lost);
  tell_lag(connection, subscription, lag, LagOutcome::skipped);
  tell_gap(connection, subscription, Gap{.from = to_string(before), .to = subscription.passed, .reason = GapReason::skipped},
           lost);
}

// Brings `connection` in line with the policies of its topics. False: it has been closed. All its views are up to date then.
bool Shard::apply_policies(Connection& connection) {
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) ensure_current(*connection.subscriptions()[i].view);
  if (connection.torn != nullptr && connection.torn->is_lost()) {
    close_lagging(connection, connection.subscriptions()[connection.partial_subscription]);
    return false;
  }
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    if (subscription.has_ended) {
      // The topic has opened again: this stream stops at the end all the same. It is closed before anything newer goes out, so
      // that the next request, with its Last-Event-ID, goes on behind the end and misses nothing.
      if (subscription.view->has_reopened_behind(subscription.cursor)) {
        begin_finish(connection);
        make_ready(connection);
        return true;  // Nothing goes behind that.
      }
    } else if (!apply_policy(connection, i)) {
      close_lagging(connection, subscription);
      return false;
    }
  }
  return true;
}

// The rules may have changed since the subscription began: whether it conflates. One that is inside a frame, or lost, stays
// plain.
static void follow_rules(Subscription& subscription, bool has_to_stay) {
  TopicView& view = *subscription.view;
  if (view.rules.policy == LagPolicy::conflate) {
    subscription.goes_plain = 0;
    if (subscription.conflates || has_to_stay) return;
    subscription.conflates = 1;
    subscription.floor_count = view.keys_floor_count;
  } else if (subscription.conflates && !subscription.goes_plain) {
    subscription.goes_plain = 1;
    subscription.cursor = view.cursor_after(subscription.passed);
    subscription.counted = view.events_before(subscription.cursor);
  }
}

// False: it has to be closed.
bool Shard::apply_policy(Connection& connection, std::uint32_t index) {
  Subscription& subscription = connection.subscriptions()[index];
  TopicView& view = *subscription.view;
  // Without `torn` it was begun under another policy than skip or conflate, and is in the log or lost.
  const bool is_inside_frame =
      connection.partial_bytes > 0 && connection.torn == nullptr && connection.partial_subscription == index;
  view.normalise(subscription.cursor);
  const bool is_lost = !subscription.conflates && view.is_lost(subscription.cursor);
  follow_rules(subscription, is_lost || is_inside_frame);
  if (subscription.goes_plain && view.is_lost(subscription.cursor)) {
    // While it was being sent a snapshot the log has let go of what was to come behind that.
    if (view.rules.policy == LagPolicy::disconnect) return false;
    subscription.cursor = Cursor{.segment = view.first_sequence, .frame = 0};
    subscription.counted = view.events_before(subscription.cursor);
    const Gap gap{
        .from = to_string(subscription.passed), .to = position_before(view, subscription.cursor), .reason = GapReason::retention};
    tell_gap(connection, subscription, gap, {});
  }
  if (subscription.conflates) {
    if (has_untold_loss(subscription)) {
      subscription.floor_count = view.keys_floor_count;
      tell_gap(connection, subscription,
               Gap{.from = to_string(subscription.passed), .to = view.keys_floor, .reason = GapReason::retention}, {});
      const std::optional<Position> next = next_position(subscription);
      if (!next || *next > view.keys_floor) subscription.passed = std::max(subscription.passed, view.keys_floor);
    }
    return true;
  }
  std::uint32_t steps = 0;
  const bool is_beyond = connection.is_slow && exceeds(view.rules.lag, lag_of(subscription, clock_.wall_ms(), steps));
  if (!is_lost && !is_beyond) return true;
  switch (view.rules.policy) {
    case LagPolicy::disconnect:
      return false;
    case LagPolicy::skip:
      if (is_inside_frame) return !is_lost;
      skip_ahead(connection, subscription);
      return true;
    case LagPolicy::conflate:
      return !is_lost;
  }
  return true;
}

// At a border between two events if it stands there: else what it was sent of one must not look like all of it.
void Shard::close_lagging(Connection& connection, const Subscription& subscription) {
  std::uint32_t steps = 0;
  tell_lag(connection, subscription, lag_of(subscription, clock_.wall_ms(), steps), LagOutcome::disconnected);
  close(connection, is_at_border(connection) ? io::CloseMode::orderly : io::CloseMode::reset, CloseReason::lagging);
}

// Adds up how far it is behind. Returns where it is beyond a limit whose policy closes it, also while it takes nothing; or null.
const Subscription* Shard::look_at_lag(Connection& connection, Lag& sum, std::uint64_t wall_ms, std::uint32_t& steps) {
  const Subscription* over_soft = nullptr;
  Lag soft_lag;
  const Subscription* over_hard = nullptr;
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    const Subscription& subscription = connection.subscriptions()[i];
    const TopicRules& rules = subscription.view->rules;
    const Lag lag = lag_of(subscription, wall_ms, steps);
    sum += lag;
    if (!connection.is_slow) continue;
    if (exceeds(rules.soft_lag, lag)) over_soft = &subscription, soft_lag = lag;
    if (rules.policy == LagPolicy::disconnect && exceeds(rules.lag, lag)) over_hard = &subscription;
  }
  const bool is_new = over_soft != nullptr && !connection.is_over_soft;
  connection.is_over_soft = over_soft != nullptr;
  if (is_new) {
    counters_.soft_lags.add();
    tell_lag(connection, *over_soft, soft_lag, LagOutcome::soft);
  }
  return connection.is_blocked ? over_hard : nullptr;
}

// Whether it may be sent frames now.
bool Shard::is_due(const Connection& connection) const {
  return connection.rate_steps == 0 || connection.is_leaving || rates_.reached_at(now_) >= connection.rate_due;
}

// A rated one that is sent frames is not due again before its time.
void Shard::note_visit(Connection& connection, const Visit& visit) {
  if (visit.has_frames && connection.rate_steps != 0) connection.rate_due = rates_.step_at(now_) + connection.rate_steps;
}

void Shard::set_rate(Connection& connection, double rate) {
  if (rate <= 0) return;
  BROADSIDE_ASSERT(is_valid_rate(rate));
  connection.rate_steps = static_cast<std::uint32_t>(std::ceil(static_cast<double>(RateWheel::kStepsPerSecond) / rate));
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    TopicView& view = *connection.subscriptions()[i].view;
    const Position passed{view.lap_position.load(std::memory_order_relaxed)};
    if (view.trail == nullptr) view.trail = std::make_unique<HeadTrail>(passed);
  }
}

// Until its next visit it is in no lap.
void Shard::wait_for_rate(Connection& connection) {
  set_behind(connection, false);
  if (connection.is_waiting) return;
  connection.is_waiting = true;
  remove_slots(connection);
  if (connection.has_reminder) return;
  connection.has_reminder = true;
  rates_.add(connection.rate_due, connection.token());
}

void Shard::on_rate_due(std::uint64_t step, io::Token token) {
  Connection* connection = connections_.find(token);
  if (connection == nullptr) return;
  connection->has_reminder = false;
  if (!connection->is_waiting) return;
  if (connection->rate_due > step) {
    connection->has_reminder = true;
    return rates_.add(connection->rate_due, token);
  }
  connection->is_waiting = false;
  add_slots(*connection);
  if (lacks_something(*connection)) make_ready(*connection);
}

// Laps that were held back for rated subscribers: by now these may have been visited.
void Shard::retry_laps() {
  std::vector<TopicView*> late;
  late.swap(laps_late_);
  for (TopicView* view : late) {
    view->is_lap_late = false;
    check_offers(*view);
  }
}

}  // namespace broadside
