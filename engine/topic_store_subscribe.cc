// The part of the store that decides where a subscriber starts, and which gaps it is told.
#include <algorithm>

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

// The position before the first frame that the plan's cursors will give, or the newest one if they give none.
static Position before_first(std::span<Topic* const> topics, const StartPlan& plan, Position newest) {
  Position first = newest.after();
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (plan.cursors[i] < topics[i]->log.head()) first = std::min(first, topics[i]->log.position_at(plan.cursors[i]));
  }
  return first.before();
}

// Everything the logs still hold, after a gap of unknown size in each.
void TopicStore::plan_all(std::span<Topic* const> topics, const std::string& from, StartPlan& plan) {
  for (std::size_t i = 0; i < topics.size(); ++i) plan.cursors.push_back(topics[i]->log.find_after(Position{}));
  plan.start_position = before_first(topics, plan, last_);
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
    const Log& log = topics[i]->log;
    plan.cursors.push_back(log.find_after(after));
    if (after < start_) {
      plan.gaps.push_back(Gap{.topic_index = i, .from = from, .to = std::max(log.floor(), start_), .reason = GapReason::restart});
    } else if (after < log.floor()) {
      plan.gaps.push_back(Gap{.topic_index = i, .from = from, .to = log.floor(), .reason = GapReason::retention});
    }
  }
  plan.open_position = after;
  plan.start_position = plan.gaps.empty() ? after : before_first(topics, plan, last_);
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
    if (!topic->log.find_id(request.id, position)) continue;
    newest = std::max(newest, position);
    is_known = true;
  }
  if (!is_known) return plan_all(topics, request.id, plan);
  plan_resume(topics, newest, request.id, plan);
}

void TopicStore::plan_last(std::span<Topic* const> topics, std::uint64_t count, StartPlan& plan) {
  // Walk back from all heads at once, always over the newest frame.
  std::vector<std::vector<const Segment*>> chains(topics.size());
  std::vector<std::uint32_t> frames(topics.size(), 0);
  for (std::size_t i = 0; i < topics.size(); ++i) {
    const Log& log = topics[i]->log;
    plan.cursors.push_back(log.head());
    for (const Segment* segment = log.first_segment(); segment != nullptr; segment = segment->next) chains[i].push_back(segment);
    if (!chains[i].empty()) frames[i] = chains[i].back()->frames();
  }
  for (std::uint64_t taken = 0; taken < count;) {
    std::size_t best = topics.size();
    Position best_position;
    for (std::size_t i = 0; i < topics.size(); ++i) {
      while (!chains[i].empty() && frames[i] == 0) {
        chains[i].pop_back();
        frames[i] = chains[i].empty() ? 0 : chains[i].back()->frames();
      }
      if (chains[i].empty()) continue;
      const Cursor before{.segment = chains[i].back()->sequence(), .frame = frames[i] - 1};
      if (before < topics[i]->log.first()) continue;
      const Position position = chains[i].back()->entry(before.frame).position;
      if (best == topics.size() || position > best_position) best = i, best_position = position;
    }
    if (best == topics.size()) break;
    --frames[best];
    plan.cursors[best] = Cursor{.segment = chains[best].back()->sequence(), .frame = frames[best]};
    const bool is_end = chains[best].back()->ends_topic && frames[best] + 1 == chains[best].back()->frames();
    if (!is_end) ++taken;  // broadside.end is nobody's event.
  }
  plan.start_position = before_first(topics, plan, last_);
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
    topic->log.forget(retention_, now);
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
      if (plan.gaps.empty()) plan.open_position = plan.start_position = before_first(topics, plan, last_);
      break;
    }
    case StartRequest::Kind::live:
      for (const Topic* topic : topics) plan.cursors.push_back(topic->log.head());
      plan.open_position = plan.start_position = last_;
      break;
  }
  plan.is_over = plan.gaps.empty();
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (!topics[i]->is_ended || plan.cursors[i] < topics[i]->log.head()) plan.is_over = false;
  }
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (plan.is_over) {
      delete_if_idle(topics[i]);
      continue;
    }
    TopicView* view = view_of(topics[i], shard);
    view->subscribers.fetch_add(1, std::memory_order_relaxed);
    // What it has yet to be sent must not be freed before: the shard raises this again when it has been offered all.
    if (plan.cursors[i] < topics[i]->log.head()) {
      const std::uint64_t before = topics[i]->log.position_at(plan.cursors[i]).before().packed;
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
  }
  for (const HeldSegment& held : view->held) held.segment->release();
  delete view;
  return true;
}

}  // namespace broadside
