// The part of the store that decides where a subscriber starts, and which gaps it is told.
#include <algorithm>
#include <queue>
#include <utility>

#include "base/units.h"
#include "engine/topic_store.h"
#include "proto/position.h"

namespace broadside {

TopicView* TopicStore::view_of(Topic* topic, std::uint32_t shard) {
  if (topic->views == nullptr) topic->views = std::make_unique<TopicView*[]>(shard_count_);
  TopicView*& view = topic->views[shard];
  if (view != nullptr) return view;
  view = new TopicView(topic, shard);
  ++topic->view_count;
  // It reads from where the log begins; until its first refresh nothing is held and nothing can be lost.
  view->first_sequence = topic->log.first_sequence();
  view->dropped_frames = topic->log.taken_frames();
  view->lap_position.store(last_.packed, std::memory_order_relaxed);
  view->written = view->offered = topic->log.head();  // What is replayed from before has no latency.
  return view;
}

// Whether a subscriber that starts at `place` has anything to be sent yet, and the position of the first.
bool TopicStore::has_unsent(const Topic& topic, const StartPlace& place, Position& position) const {
  if (!place.conflates) {
    if (place.cursor >= topic.log.head()) return false;
    position = topic.log.position_at(place.cursor);
    return true;
  }
  if (place.passed >= topic.log.newest()) return false;
  // From its cursor on a plain one lacks everything.
  const bool ends_at_frame = place.goes_plain && place.cursor < topic.log.head();
  const Position plain = ends_at_frame ? topic.log.position_at(place.cursor) : Position{UINT64_MAX};
  const auto find = [&](const Segment& segment) {
    for (std::uint32_t frame = segment.find_after(place.passed, segment.frames()); frame < segment.frames(); ++frame) {
      position = segment.entry(frame).position;
      if (segment.entry(frame).is_live() || position >= plain) return true;
    }
    return false;
  };
  for (const Segment* segment : topic.keys->kept()) {
    if (find(*segment)) return true;
  }
  for (const Segment* segment = topic.log.first_segment(); segment != nullptr; segment = segment->next) {
    if (find(*segment)) return true;
  }
  return false;
}

// The position before the first frame that the plan's places will give, or the newest one if they give none.
Position TopicStore::before_first(std::span<Topic* const> topics, const StartPlan& plan) const {
  Position first = last_.after();
  for (std::size_t i = 0; i < topics.size(); ++i) {
    Position position;
    if (has_unsent(*topics[i], plan.places[i], position)) first = std::min(first, position);
  }
  return first.before();
}

static bool wants_conflation(const Topic& topic) { return topic.rules->policy == LagPolicy::conflate; }

// Where everything after `position` comes from, and what there is of the keys by then is known to be missing or told.
static StartPlace place_after(const Topic& topic, Position position) {
  StartPlace place{.cursor = topic.log.find_after(position), .passed = position, .conflates = wants_conflation(topic)};
  // Before the log there may still be the newest event of each key.
  if (topic.keys != nullptr && !place.conflates && position < topic.log.floor()) place.conflates = place.goes_plain = true;
  return place;
}

// Everything the logs still hold, after a gap of unknown size in each.
void TopicStore::plan_all(std::span<Topic* const> topics, const std::string& from, StartPlan& plan) {
  for (const Topic* topic : topics) plan.places.push_back(place_after(*topic, Position{}));
  plan.start_position = before_first(topics, plan);
  for (std::size_t i = 0; i < topics.size(); ++i) {
    // What one log has forgotten may be newer than what another one begins with.
    const Position to = std::max(topics[i]->log.floor(), plan.start_position);
    plan.gaps.push_back(Gap{.topic_index = i, .from = from, .to = to, .reason = GapReason::unknown_id});
  }
  // A client that is cut between broadside.open and the gap comes back with this, and is told again.
  plan.open_position = Position{};
}

void TopicStore::plan_resume(std::span<Topic* const> topics, Position after, const std::string& from, StartPlan& plan) {
  for (std::size_t i = 0; i < topics.size(); ++i) {
    plan.places.push_back(place_after(*topics[i], after));
    const Position floor = wants_conflation(*topics[i]) ? topics[i]->keys->floor() : topics[i]->log.floor();
    if (after < start_) {
      plan.gaps.push_back(Gap{.topic_index = i, .from = from, .to = std::max(floor, start_), .reason = GapReason::restart});
    } else if (after < floor) {
      plan.gaps.push_back(Gap{.topic_index = i, .from = from, .to = floor, .reason = GapReason::retention});
    }
  }
  plan.open_position = after;
  plan.start_position = plan.gaps.empty() ? after : before_first(topics, plan);
}

void TopicStore::plan_after(std::span<Topic* const> topics, const StartRequest& request, StartPlan& plan) {
  if (is_position_form(request.id)) {
    const std::optional<Position> position = parse_position(request.id);
    if (!position || *position > last_) return plan_all(topics, request.id, plan);
    return plan_resume(topics, *position, request.id, plan);
  }
  Position newest;
  bool is_known = false;
  for (const Topic* topic : topics) {
    Position position;
    const bool is_in_log = topic->log.find_id(request.id, position);
    if (!is_in_log && (topic->keys == nullptr || !topic->keys->find_id(request.id, position))) continue;
    newest = std::max(newest, position);
    is_known = true;
  }
  if (!is_known) return plan_all(topics, request.id, plan);
  plan_resume(topics, newest, request.id, plan);
}

// Live, or from the newest event of each key on where that is wanted.
void TopicStore::plan_live(std::span<Topic* const> topics, const StartRequest& request, StartPlan& plan) {
  const bool is_asked = request.kind == StartRequest::Kind::snapshot;
  bool has_snapshot = false;
  for (const Topic* topic : topics) {
    StartPlace place{.cursor = topic->log.head(), .passed = last_, .conflates = wants_conflation(*topic)};
    if (topic->keys != nullptr && (is_asked || (request.is_default && topic->rules->snapshot))) {
      place.passed = Position{};
      place.goes_plain = !place.conflates;
      place.conflates = true;
      has_snapshot = true;
    }
    plan.places.push_back(place);
  }
  plan.lacks_keys = is_asked && !has_snapshot;
  plan.open_position = plan.start_position = has_snapshot ? before_first(topics, plan) : last_;
}

void TopicStore::plan_last(std::span<Topic* const> topics, std::uint64_t count, StartPlan& plan) {
  // Walk back from all heads at once, always over the newest frame: of very many topics at a cost that hardly depends on how many
  // they are, since strangers ask for this, under the lock.
  std::vector<std::vector<const Segment*>> chains(topics.size());
  std::vector<std::uint32_t> frames(topics.size(), 0);
  for (std::size_t i = 0; i < topics.size(); ++i) {
    const Log& log = topics[i]->log;
    plan.places.push_back({.cursor = log.head(), .passed = last_, .conflates = wants_conflation(*topics[i])});
    for (const Segment* segment = log.first_segment(); segment != nullptr; segment = segment->next) chains[i].push_back(segment);
    if (!chains[i].empty()) frames[i] = chains[i].back()->frames();
  }
  std::priority_queue<std::pair<Position, std::size_t>> newest;  // The next frame of each topic.
  const auto add_next = [&](std::size_t i) {
    while (!chains[i].empty() && frames[i] == 0) {
      chains[i].pop_back();
      frames[i] = chains[i].empty() ? 0 : chains[i].back()->frames();
    }
    if (chains[i].empty()) return;
    const Cursor before{.segment = chains[i].back()->sequence(), .frame = frames[i] - 1};
    if (before < topics[i]->log.first()) return;
    newest.emplace(chains[i].back()->entry(before.frame).position, i);
  };
  for (std::size_t i = 0; i < topics.size(); ++i) add_next(i);
  for (std::uint64_t taken = 0; taken < count && !newest.empty();) {
    const auto [best_position, best] = newest.top();
    newest.pop();
    const Segment& segment = *chains[best].back();
    const std::uint32_t frame = --frames[best];
    add_next(best);
    StartPlace& place = plan.places[best];
    if (place.conflates && !segment.entry(frame).is_live()) continue;  // It will not be sent.
    place.cursor = Cursor{.segment = segment.sequence(), .frame = frame};
    place.passed = best_position.before();
    const bool is_end = segment.ends_topic && frame + 1 == segment.frames();
    if (!is_end) ++taken;  // broadside.end is nobody's event.
  }
  plan.start_position = before_first(topics, plan);
  plan.open_position = plan.start_position;
}

StartPlan TopicStore::subscribe(std::uint32_t shard, std::span<const std::string> names, const StartRequest& request) {
  StartPlan plan;
  std::vector<Topic*> topics;
  topics.reserve(names.size());
  const std::lock_guard lock(mutex_);
  // Not the newest position's time: nothing may have been published for long.
  const std::uint64_t now = std::max(clock_.wall_ms(), last_.milliseconds());
  for (const std::string& name : names) {
    Topic* topic = find_or_make(name);
    const TopicRules& rules = rules_of(*topic);
    topic->log.forget(retention_of(rules), now);
    if (rules.rate > 0) plan.rate = plan.rate > 0 ? std::min(plan.rate, rules.rate) : rules.rate;
    if (rules.heartbeat_ms > 0 && (plan.heartbeat_ms == 0 || rules.heartbeat_ms < plan.heartbeat_ms))
      plan.heartbeat_ms = rules.heartbeat_ms;
    topics.push_back(topic);
  }
  switch (request.kind) {
    case StartRequest::Kind::after_id:
      plan_after(topics, request, plan);
      break;
    case StartRequest::Kind::last:
      plan_last(topics, request.last, plan);
      break;
    case StartRequest::Kind::since: {
      const Position after = Position::of(request.since_ms, 0).before();
      plan_resume(topics, std::min(after, last_), to_string(after), plan);
      // With a gap the open event keeps the place asked for, so that a client cut before the gap is told again.
      if (plan.gaps.empty()) plan.open_position = plan.start_position = before_first(topics, plan);
      break;
    }
    case StartRequest::Kind::live:
    case StartRequest::Kind::snapshot:
      plan_live(topics, request, plan);
      break;
  }
  plan.is_over = plan.gaps.empty();
  std::vector<std::optional<Position>> unsent(topics.size());
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (Position first; has_unsent(*topics[i], plan.places[i], first)) unsent[i] = first;
    if (!topics[i]->is_ended || unsent[i]) plan.is_over = false;
  }
  for (std::size_t i = 0; i < topics.size(); ++i) {
    Topic* topic = topics[i];
    if (plan.is_over || plan.lacks_keys) {
      delete_if_idle(topic);
      continue;
    }
    TopicView* view = view_of(topic, shard);
    view->subscribers.fetch_add(1, std::memory_order_relaxed);
    StartPlace& place = plan.places[i];
    place.counted = topic->log.events_before(place.cursor);
    // What gap there may be in the keys up to now is told, or nothing is missing that was asked for.
    if (place.conflates) place.floor_count = topic->keys->floor_count();
    // What it has yet to be sent must not be freed before: the shard raises this again when it has been offered all.
    if (unsent[i]) {
      const std::uint64_t before = unsent[i]->before().packed;
      if (before < view->lap_position.load(std::memory_order_relaxed))
        view->lap_position.store(before, std::memory_order_relaxed);
    }
    plan.views.push_back(view);
  }
  return plan;
}

bool TopicStore::unsubscribe(TopicView* view) {
  if (view->subscribers.fetch_sub(1, std::memory_order_relaxed) != 1) return false;
  {
    const std::lock_guard lock(mutex_);
    // A publish may have put it on the list of this shard; only the shard takes that list, and it is the one that asks.
    if (view->is_dirty) {
      for (TopicView** link = &dirty_[view->shard]; *link != nullptr; link = &(*link)->next_dirty) {
        if (*link != view) continue;
        *link = view->next_dirty;
        break;
      }
    }
    Topic* topic = view->topic;
    topic->views[view->shard] = nullptr;
    if (--topic->view_count == 0) {
      topic->views.reset();
      release_passed(topic, true);
    }
    delete_if_idle(topic);
    hold_memory_limit();
  }
  for (const HeldSegment& held : view->held) held.segment->release();
  for (const HeldSegment& kept : view->kept) kept.segment->release();
  delete view;
  return true;
}

}  // namespace broadside
