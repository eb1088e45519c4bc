#include "engine/topic_store.h"

#include <algorithm>

#include "base/assert.h"

namespace broadside {
namespace {

constexpr std::size_t kUnsentMax = 4096;        // Unsent segments looked at for one publish, so that the lock stays short.
constexpr std::size_t kTickSegmentsMax = 4096;  // The same for a tick.

}  // namespace

TopicStore::TopicStore(const Config& config, std::uint32_t shard_count, std::uint64_t history_memory, ShardWaker& waker,
                       const Clock& clock, std::uint64_t memory_max)
    : shard_count_(shard_count),
      waker_(waker),
      clock_(clock),
      dirty_(shard_count, nullptr),
      start_(Position::of(clock_.wall_ms(), 0)),
      last_(start_),
      vanished_floor_(start_) {
  published_.store(start_.packed, std::memory_order_release);
  reconfigure(config, history_memory, memory_max);
}

TopicStore::~TopicStore() {
  for (auto& [name, topic] : topics_) {
    BROADSIDE_ASSERT(topic->view_count == 0);
    topic->keys.reset();
    for (Segment* segment = topic->log.first_segment(); segment != nullptr;) {
      Segment* next = segment->next;
      segment->release();
      segment = next;
    }
  }
}

Topic* TopicStore::find(std::string_view name) const {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : found->second.get();
}

Topic* TopicStore::find_or_make(std::string_view name) {
  if (Topic* topic = find(name)) return topic;
  auto owned = std::make_unique<Topic>(name);
  Topic* topic = owned.get();
  // A topic of this name may have been here before: nothing is known of it up to there.
  topic->log.raise_floor(vanished_floor_);
  resolve_rules(*topic);
  topics_.emplace(std::string_view(topic->name), std::move(owned));
  by_name_.insert(topic);
  return topic;
}

// What an ended topic costs: the topic, which has to stay, and its name twice.
std::uint64_t TopicStore::ended_cost(std::string_view name) {
  return sizeof(Topic) + sizeof(std::pair<Position, std::string>) + 2 * name.size();
}

Topic& TopicStore::open_topic(std::string_view name) {
  const std::lock_guard lock(mutex_);
  Topic* topic = find_or_make(name);
  ++topic->handles;
  return *topic;
}

void TopicStore::close_topic(Topic& topic) {
  const std::lock_guard lock(mutex_);
  BROADSIDE_ASSERT(topic.handles > 0);
  --topic.handles;
  delete_if_idle(&topic);
}

void TopicStore::delete_if_idle(Topic* topic) {
  if (topic->view_count != 0 || topic->is_ended || topic->log.first_segment() != nullptr || topic->is_overdue) return;
  if (topic->handles != 0) return;
  if (topic->keys != nullptr && topic->keys->count() > 0) return;
  vanished_floor_ = std::max(vanished_floor_, topic->log.floor());
  by_name_.erase(topic);
  topics_.erase(topics_.find(topic->name));
}

Position TopicStore::next_position() {
  const Position now = Position::of(clock_.wall_ms(), 0);
  last_ = now > last_ ? now : last_.after();
  return last_;
}

bool TopicStore::is_passed(const Topic& topic, Position position) const {
  if (topic.view_count == 0) return true;
  for (std::uint32_t shard = 0; shard < shard_count_; ++shard) {
    const TopicView* view = topic.views[shard];
    if (view != nullptr && view->lap_position.load(std::memory_order_relaxed) < position.packed) return false;
  }
  return true;
}

void TopicStore::mark_dirty(Topic* topic) {
  if (topic->view_count == 0) return;
  for (std::uint32_t shard = 0; shard < shard_count_; ++shard) {
    TopicView* view = topic->views[shard];
    if (view == nullptr || view->is_dirty) continue;
    view->is_dirty = true;
    if (dirty_[shard] == nullptr) to_wake_[shard / 64] |= std::uint64_t{1} << (shard % 64);
    view->next_dirty = dirty_[shard];
    dirty_[shard] = view;
  }
}

TopicStore::WakeSet TopicStore::take_wakes() {
  const WakeSet wakes = to_wake_;
  to_wake_ = {};
  return wakes;
}

void TopicStore::wake(const WakeSet& shards) {
  for (std::uint32_t shard = 0; shard < shard_count_; ++shard) {
    if ((shards[shard / 64] >> (shard % 64) & 1) != 0) waker_.wake_shard(shard);
  }
}

void TopicStore::drop_first(Topic* topic) {
  if (topic->keys != nullptr) topic->keys->keep_from(*topic->log.first_segment());
  logs_.let_go(topic->log.take_first());
  mark_dirty(topic);  // So that the shards let go of it as well.
}

void TopicStore::release_passed(Topic* topic, bool with_last) {
  Log& log = topic->log;
  while (log.is_first_forgotten()) {
    Segment* segment = log.first_segment();
    // The last segment has room for what comes next: freeing it for every event of a topic without history would be dear.
    if (segment == log.last_segment() && !with_last) return;
    if (!is_passed(*topic, segment->last_position())) {
      if (log.frame_bytes() <= backlog_limit_.load(std::memory_order_relaxed)) {
        if (!topic->is_overdue) overdue_.push_back(topic);
        topic->is_overdue = true;
        return;
      }
      counts_.backlog_overruns += segment->frames();
    }
    drop_first(topic);
  }
}

// What logs and keys may take: as connections take more of all memory, less, but never less than a sixteenth.
std::uint64_t TopicStore::memory_limit() const {
  if (memory_max_ == 0) return history_memory_;
  const std::uint64_t near = memory_max_ - memory_max_ / 16;
  const std::uint64_t connections = connection_memory_.load(std::memory_order_relaxed);
  return std::min(history_memory_, std::max(near - std::min(near, connections), memory_max_ / 16));
}

// Takes the segment out if all who need it have had it: of a log its first one, of which the newest events of their keys stay; of
// what was kept of them, it and its keys. Its topic may go with it.
bool TopicStore::drop_for_room(Segment* segment, const Topic* keep) {
  Topic* topic = segment->topic;
  if (!segment->is_kept) {
    // Within a log the order is that of the list, so an older segment that had to stay blocks only its own topic.
    if (segment != topic->log.first_segment()) return false;
    topic->log.forget_segment(*segment);
  }
  if (!is_passed(*topic, segment->last_position())) return false;
  if (segment->is_kept) {
    topic->keys->drop(*segment);
    mark_dirty(topic);
  } else {
    drop_first(topic);
  }
  if (topic != keep) delete_if_idle(topic);
  return true;
}

// The oldest segments of `list` go until all take no more than `memory_max`.
void TopicStore::drop_from(SegmentList& list, std::uint64_t memory_max, const Topic* keep) {
  Segment* segment = list.oldest();
  for (std::size_t unsent = 0; unsent < kUnsentMax && segment != nullptr && memory_bytes() > memory_max;) {
    Segment* next = segment->newer;
    if (!drop_for_room(segment, keep)) ++unsent;
    segment = next;
  }
}

bool TopicStore::make_room(std::uint64_t bytes, const Topic* keep) {
  const std::uint64_t limit = memory_limit();
  if (bytes > limit) return false;
  // History goes before keys.
  drop_from(logs_, limit - bytes, keep);
  drop_from(kept_, limit - bytes, keep);
  return memory_bytes() + bytes <= limit;
}

// What is kept of a segment that goes may for once be more than what went.
void TopicStore::hold_memory_limit() {
  if (memory_bytes() > memory_limit()) make_room(0, nullptr);
}

// Names are kept within a sixteenth of the history memory, so that ending topics cannot push the history out; what is more is
// forgotten before its age, the oldest first.
void TopicStore::remember_ended(Position position, std::string_view name) {
  const std::uint64_t cost = ended_cost(name);
  while (ended_next_ < ended_.size() && ended_memory_ + cost > history_memory_ / 16) forget_oldest_ended();
  ended_.emplace_back(position, std::string(name));
  ended_memory_ += cost;
  logs_.charge(cost);
}

void TopicStore::forget_oldest_ended() {
  const Position position = ended_[ended_next_].first;
  const std::string name = std::move(ended_[ended_next_++].second);
  ended_memory_ -= ended_cost(name);
  logs_.discharge(ended_cost(name));
  Topic* topic = find(name);
  if (topic != nullptr && topic->is_ended && topic->end_position == position) {
    topic->is_ended = false;
    if (topic->keys != nullptr) topic->keys->clear();  // The name is new from here on.
    mark_dirty(topic);
    delete_if_idle(topic);
  }
  if (ended_next_ > 1024 && ended_next_ * 2 > ended_.size()) {
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(ended_next_));
    ended_next_ = 0;
  }
}

std::uint64_t TopicStore::subscribers_of(const Topic& topic, std::uint32_t shard_count) {
  if (topic.view_count == 0) return 0;
  std::uint64_t sum = 0;
  for (std::uint32_t shard = 0; shard < shard_count; ++shard) {
    if (const TopicView* view = topic.views[shard]) sum += view->subscribers.load(std::memory_order_relaxed);
  }
  return sum;
}

TurnStart TopicStore::begin_turn(std::uint32_t shard) {
  const std::lock_guard lock(mutex_);
  const TurnStart start{.published = last_, .dirty = dirty_[shard]};
  // A view is dirty exactly while it is on the store's list: else the next publish would put it on a second time.
  for (TopicView* view = dirty_[shard]; view != nullptr; view = view->next_dirty) {
    view->is_dirty = false;
    view->next_taken = view->next_dirty;
  }
  dirty_[shard] = nullptr;
  return start;
}

// The kept segments as they are now; those that are gone are let go of.
void TopicStore::refresh_kept(TopicView& view, const KeyTable* keys, std::vector<Segment*>& dropped) {
  // Where the rules no longer want keys, what the log has let go of is lost.
  const std::uint64_t version = keys != nullptr ? keys->version() : 0;
  view.keys_floor = keys != nullptr ? keys->floor() : view.topic->log.floor();
  view.keys_floor_count = keys != nullptr ? keys->floor_count() : UINT32_MAX;
  if (view.kept_version == version) return;
  view.kept_version = version;
  std::vector<HeldSegment> before;
  before.swap(view.kept);
  if (keys != nullptr) {
    for (Segment* segment : keys->kept()) {
      segment->retain();
      view.kept.push_back(HeldSegment{.segment = segment, .frames = segment->frames(), .ends_topic = false});
    }
  }
  // Whoever is still here has just been retained once more: the count from before can go without a look.
  const auto by_segment = [](const HeldSegment& a, const HeldSegment& b) { return a.segment < b.segment; };
  std::vector<HeldSegment> now = view.kept;
  std::sort(now.begin(), now.end(), by_segment);
  for (const HeldSegment& held : before) {
    if (std::binary_search(now.begin(), now.end(), held, by_segment)) {
      held.segment->release();
    } else {
      dropped.push_back(held.segment);
    }
  }
}

bool TopicStore::refresh(TopicView& view, Position published, TornFrames* torn) {
  std::vector<Segment*> dropped;
  bool has_more = false;
  Position newest;
  {
    const std::lock_guard lock(mutex_);
    Topic& topic = *view.topic;
    const Log& log = topic.log;
    if (view.rules_version != rules_version_) {
      view.rules = rules_of(topic);
      view.rules_version = rules_version_;
    }
    std::size_t gone = 0;
    while (gone < view.held.size() && view.held[gone].segment->sequence() < log.first_sequence()) {
      dropped.push_back(view.held[gone++].segment);
    }
    view.held.erase(view.held.begin(), view.held.begin() + static_cast<std::ptrdiff_t>(gone));
    view.first_sequence = log.first_sequence();
    view.dropped_frames = log.taken_frames();
    view.events_total = log.events_total();
    // What was the last one may have grown, and others may have come behind it.
    if (!view.held.empty()) {
      HeldSegment& last = view.held.back();
      last.frames = last.segment->frames();
      last.ends_topic = last.segment->ends_topic;
    }
    Segment* segment = view.held.empty() ? log.first_segment() : view.held.back().segment->next;
    for (; segment != nullptr; segment = segment->next) {
      segment->retain();
      view.held.push_back(HeldSegment{.segment = segment, .frames = segment->frames(), .ends_topic = segment->ends_topic});
    }
    refresh_kept(view, topic.keys.get(), dropped);
    view.is_ended = topic.is_ended;
    newest = log.newest();
    has_more = newest > published;
  }
  for (Segment* segment : dropped) {
    if (torn != nullptr) torn->rescue(*segment);
    segment->release();
  }
  view.published = published;
  view.find_head(newest);
  return has_more;
}

// Forgets by age: a rolling pass over all segments, since each topic may have an age of its own. Those whose last frame is
// younger than the shortest of them end it.
void TopicStore::sweep_ages(std::uint64_t now) {
  Segment* segment = logs_.walk() != nullptr ? logs_.walk() : logs_.oldest();
  for (std::size_t i = 0; i < kTickSegmentsMax && segment != nullptr; ++i) {
    if (segment->last_position().milliseconds() + age_min_ms_ > now) {
      segment = nullptr;
      break;
    }
    Topic* topic = segment->topic;
    logs_.set_walk(segment->newer);
    if (segment->last_position().milliseconds() + rules_of(*topic).history_age_ms <= now) {
      topic->log.forget(retention_of(*topic->rules), now);
      release_passed(topic, true);
      delete_if_idle(topic);
    }
    segment = logs_.walk();
  }
  logs_.set_walk(segment);
}

void TopicStore::tick() {
  WakeSet wakes{};
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t now = clock_.wall_ms();
    std::vector<Topic*> overdue;
    overdue.swap(overdue_);
    for (Topic* topic : overdue) {
      topic->is_overdue = false;
      release_passed(topic, topic->view_count == 0);
      delete_if_idle(topic);
    }
    sweep_ages(now);
    hold_memory_limit();
    is_memory_short_.store(
        memory_max_ != 0 && connection_memory_.load(std::memory_order_relaxed) + memory_bytes() > memory_max_ - memory_max_ / 16,
        std::memory_order_relaxed);
    while (ended_next_ < ended_.size() && ended_[ended_next_].first.milliseconds() + ended_age_ms_ <= now) forget_oldest_ended();
    wakes = take_wakes();
  }
  wake(wakes);
}

LogStats TopicStore::stats() const {
  const std::lock_guard lock(mutex_);
  LogStats stats = counts_;
  stats.topics = topics_.size();
  stats.history_bytes = memory_bytes();
  stats.keys_bytes = kept_.memory_bytes();
  stats.connection_bytes = connection_memory_.load(std::memory_order_relaxed);
  stats.history_bytes_max = memory_limit();
  stats.memory_bytes_max = memory_max_;
  stats.published = last_;
  return stats;
}

void TopicStore::fill_info(const Topic& topic, Nanos now, TopicInfo& out) const {
  out = TopicInfo{.name = topic.name,
                  .subscribers = subscribers_of(topic, shard_count_),
                  .events = topic.log.events(),
                  .bytes = topic.log.event_bytes(),
                  .newest = topic.log.newest(),
                  .keys = topic.keys != nullptr ? topic.keys->count() : 0,
                  .is_ended = topic.is_ended,
                  .rate = topic.rate.at(now)};
}

bool TopicStore::topic_info(std::string_view name, TopicInfo& out) const {
  const Nanos now = clock_.monotonic();
  const std::lock_guard lock(mutex_);
  const Topic* topic = find(name);
  if (topic == nullptr) return false;
  fill_info(*topic, now, out);
  return true;
}

std::vector<TopicInfo> TopicStore::topics(std::size_t count, std::string_view after) const {
  std::vector<TopicInfo> infos;
  const Nanos now = clock_.monotonic();
  std::string last(after);
  bool is_over = false;
  while (!is_over && infos.size() < count) {
    // A hundred at a time: publishers wait for the lock.
    const std::lock_guard lock(mutex_);
    auto it = by_name_.upper_bound(std::string_view(last));
    for (std::size_t left = 100; left > 0 && infos.size() < count && it != by_name_.end(); --left, ++it)
      fill_info(**it, now, infos.emplace_back());
    is_over = it == by_name_.end();
    if (!infos.empty()) last = infos.back().name;
  }
  return infos;
}

bool TopicStore::list_top_topics(TopicOrder order, std::size_t count, std::string& after, TopList<TopicInfo>& top) const {
  const Nanos now = clock_.monotonic();
  const std::lock_guard lock(mutex_);
  auto it = by_name_.upper_bound(std::string_view(after));
  const Topic* last = nullptr;
  for (; count > 0 && it != by_name_.end(); --count, ++it) {
    last = *it;
    // A thousandth of an event a second is as fine as it is shown.
    const std::uint64_t value =
        order == TopicOrder::rate ? static_cast<std::uint64_t>(last->rate.at(now) * 1000) : subscribers_of(*last, shard_count_);
    const TopKey key{value, 0};
    if (!top.takes(key)) continue;
    TopicInfo info;
    fill_info(*last, now, info);
    top.add(key, std::move(info));
  }
  if (last != nullptr) after = last->name;
  return it == by_name_.end();
}

}  // namespace broadside
