#include "tests/sim/sim_oracle.h"

#include <algorithm>

#include "proto/position.h"
#include "tests/support/json.h"

namespace broadside::sim {

// What a broadside.gap says.
struct SubscriberOracle::GapReport {
  std::string from_text;
  std::optional<Position> from;  // Nothing if it is a publisher's own id, or none at all.
  Position to;
  std::optional<std::uint64_t> lost;
  std::string reason;
};

void SubscriberOracle::fail(std::string_view what, Position position) {
  if (!violation_.empty()) return;
  violation_ = std::string(what);
  if (position != Position{}) violation_ += " at " + to_string(position);
  violation_ += " (last delivered " + to_string(last_) + ", newest " + to_string(history_.newest()) + ")";
}

SubscriberOracle::Part* SubscriberOracle::part_of(TopicIndex topic) {
  const auto found = std::find_if(parts_.begin(), parts_.end(), [&](const Part& part) { return part.topic == topic; });
  return found == parts_.end() ? nullptr : &*found;
}

void SubscriberOracle::begin(const StreamRequest& request) {
  request_ = request;
  is_open_ = false;
  parts_.clear();
  newest_at_request_ = history_.newest();
  last_ = {};
  events_on_stream_ = replayed_count_ = 0;
  visited_at_.reset();
  rate_ = request.rate;
  for (const TopicIndex topic : request.topics) {
    const double rate = history_.topic(topic).rules.rate;
    if (rate > 0 && (rate_ == 0 || rate < rate_)) rate_ = rate;
  }
}

void SubscriberOracle::on_event(const DecodedEvent& event, Nanos sent_at) {
  if (!violation_.empty()) return;
  if (event.type == "broadside.open") return on_open(event);
  if (!is_open_) return fail("an event before broadside.open");
  if (event.type == "broadside.gap") return on_gap(event);
  if (event.type == "note" || event.type == "broadside.auth-expiring") {  // To this subscriber alone.
    const std::optional<Position> position = parse_position(event.last_event_id);
    return position ? check_claim(*position) : fail("a note's id is no position");
  }
  on_published(event, sent_at);
}

// ---- Where the stream begins ----

bool SubscriberOracle::has_snapshot(TopicIndex topic) const {
  const TopicRules& rules = history_.topic(topic).rules;
  return request_.start == StreamRequest::Start::live && has_keys(rules) && request_.snapshot.value_or(rules.snapshot);
}

void SubscriberOracle::on_open(const DecodedEvent& event) {
  if (is_open_) return fail("a second broadside.open");
  is_open_ = true;
  const std::optional<Position> open = parse_position(event.last_event_id);
  if (!open) return fail("the id of broadside.open is no position");
  if (*open > history_.newest()) return fail("the stream opens in the future", *open);
  const bool is_snapshot =
      std::any_of(request_.topics.begin(), request_.topics.end(), [&](TopicIndex topic) { return has_snapshot(topic); });
  const std::optional<Position> start = is_snapshot ? newest_at_request_ : start_of(*open);
  if (!start) return;
  last_ = is_snapshot ? Position{} : *start;
  for (const TopicIndex topic : request_.topics) {
    Part part{.topic = topic, .next = history_.after(topic, *start)};
    if (has_snapshot(topic)) {
      part.next = 0;
      part.snapshot_end = history_.newest();
    } else if (is_snapshot || (request_.start == StreamRequest::Start::last && !keeps_everything())) {
      part.ambiguous_until = history_.newest();
    }
    parts_.push_back(part);
  }
  check_claim(*open);
}

// The position behind which everything has to come; nothing if `open` is wrong.
std::optional<Position> SubscriberOracle::start_of(Position open) {
  switch (request_.start) {
    case StreamRequest::Start::live:
      if (open >= newest_at_request_) return open;
      fail("a live stream opens in the past", open);
      return std::nullopt;
    case StreamRequest::Start::since:
      return std::min(open, Position::of(request_.since_ms, 0).before());
    case StreamRequest::Start::last:
      check_last(open);
      return open;
    case StreamRequest::Start::after_id:
      return start_after_id(open);
  }
  return std::nullopt;
}

void SubscriberOracle::check_last(Position open) {
  const std::uint64_t all = history_.count(request_.topics, {}, history_.newest());
  const std::uint64_t wanted = std::min(request_.last, all);
  if (keeps_everything() && history_.count(request_.topics, open, history_.newest()) < wanted)
    fail("less than last= asked for", open);
}

std::optional<Position> SubscriberOracle::start_after_id(Position open) {
  const Position nowhere{};  // What a stream with an unknown id begins after.
  std::vector<Position> known = history_.positions_of(request_.topics, request_.id);
  if (const auto position = parse_position(request_.id); position && *position <= history_.newest()) known = {*position};
  if (std::find(known.begin(), known.end(), open) != known.end()) return open;
  // An own id may have left the log; a position has not, as long as it is one.
  const bool may_be_unknown = known.empty() || (!keeps_everything() && !is_position_form(request_.id));
  if (open == nowhere && may_be_unknown) return open;
  fail("resumed from " + request_.id + ", but the stream opens elsewhere", open);
  return std::nullopt;
}

// ---- Gaps and other claims ----

void SubscriberOracle::on_gap(const DecodedEvent& event) {
  GapReport gap{.from_text = test::json_string(event.data, "/from"),
                .from = {},
                .to = parse_position(test::json_string(event.data, "/to")).value_or(Position{UINT64_MAX}),
                .lost = {},
                .reason = test::json_string(event.data, "/reason")};
  gap.from = parse_position(gap.from_text);
  if (const auto lost = test::json_int(event.data, "/lost")) gap.lost = static_cast<std::uint64_t>(*lost);
  const std::optional<TopicIndex> topic = history_.find_topic(test::json_string(event.data, "/topic"));
  Part* part = topic ? part_of(*topic) : nullptr;
  if (part == nullptr) return fail("a gap of a topic that was not asked for");
  if (gap.to > history_.newest()) return fail("a gap ends in the future, or nowhere");
  check_gap(gap, *part);
  if (gap.reason != "skipped" && has_keys(history_.topic(part->topic).rules)) {
    part->told_until = std::max(part->told_until, gap.to);
  } else {
    part->next = std::max(part->next, history_.after(part->topic, gap.to));
  }
  const std::optional<Position> id = parse_position(event.last_event_id);
  if (!id) return fail("a gap's id is no position");
  check_claim(*id);
}

void SubscriberOracle::check_gap(const GapReport& gap, const Part& part) {
  const History::Topic& topic = history_.topic(part.topic);
  if (gap.from && *gap.from > gap.to && *gap.from <= history_.newest()) return fail("a gap ends before it begins", *gap.from);
  if (gap.reason == "unknown-id") {
    const bool is_known = gap.from ? *gap.from <= newest_at_request_
                                   : keeps_everything() && !history_.positions_of(request_.topics, gap.from_text).empty();
    if (gap.from_text != request_.id || is_known) fail("told that a known id is unknown: " + gap.from_text);
  } else if (gap.reason == "restart") {
    if (!gap.from || *gap.from >= history_.start()) fail("told of a restart after the start: " + gap.from_text);
    if (gap.to > history_.start()) check_retention(topic, gap.to);
  } else if (gap.reason == "retention") {
    check_retention(topic, gap.to);
  } else if (gap.reason == "skipped") {
    if (topic.rules.policy != LagPolicy::skip) fail("skipped under another policy, up to", gap.to);
  } else {
    fail("an unknown reason of a gap: " + gap.reason);
  }
  std::size_t first = part.next;  // That is missing without an excuse.
  const Position behind = gap.from.value_or(Position{}).after();
  while (first < topic.events.size() && is_excused(part, topic.events[first], behind)) ++first;
  const Position missing = first < topic.events.size() ? topic.events[first].position : Position{UINT64_MAX};
  if (gap.from && gap.reason != "unknown-id" && missing <= *gap.from) fail("lost before a gap", missing);
  if (!gap.lost) return;
  // What is superseded before the place where a snapshot goes over into the log was not lost, and may lie between.
  const Position next = part.next < topic.events.size() ? topic.events[part.next].position : missing;
  const std::uint64_t least = history_.count({part.topic}, missing.before(), gap.to);
  const std::uint64_t most = history_.count({part.topic}, next.before(), gap.to);
  if (*gap.lost < least || *gap.lost > most) {
    fail("a gap says that " + std::to_string(*gap.lost) + " are lost, but it is not so many, up to", gap.to);
  }
}

// Nothing is told as forgotten that is still to be had.
void SubscriberOracle::check_retention(const History::Topic& topic, Position to) {
  if (keeping_ == Keeping::bounded) return;
  const std::uint64_t kept = std::min<std::uint64_t>(topic.rules.history_events, topic.events.size());
  const std::size_t first = topic.events.size() - static_cast<std::size_t>(kept);
  if (first == 0 || to > topic.events[first - 1].position) fail("told of a gap where nothing is forgotten, up to", to);
}

void SubscriberOracle::check_claim(Position position) {
  for (Part& part : parts_) {
    const std::vector<PublishedEvent>& events = history_.topic(part.topic).events;
    for (std::size_t i = part.next; i < events.size() && events[i].position <= position; ++i) {
      if (!is_excused(part, events[i], position.after())) return fail("an id claims what was not delivered", events[i].position);
    }
  }
}

// ---- What was published ----

const PublishedEvent* SubscriberOracle::find_published(const DecodedEvent& event) const {
  std::vector<Position> known = history_.positions_of(request_.topics, event.last_event_id);
  if (const auto position = parse_position(event.last_event_id)) known = {*position};
  for (const Position position : known) {
    for (const TopicIndex topic : request_.topics) {
      const std::vector<PublishedEvent>& events = history_.topic(topic).events;
      const std::size_t place = history_.after(topic, position.before());
      if (place == events.size() || events[place].position != position) continue;
      const PublishedEvent& found = events[place];
      if (found.type == event.type && found.data == event.data && found.id == event.last_event_id) return &found;
    }
  }
  return nullptr;
}

void SubscriberOracle::on_published(const DecodedEvent& event, Nanos sent_at) {
  const PublishedEvent* found = find_published(event);
  if (found == nullptr) {
    return fail("an event that was never published like this: id " + std::string(event.last_event_id) + ", type " +
                std::string(event.type) + ", data " + std::string(event.data.substr(0, 80)));
  }
  if (found->position <= last_) return fail("doubled or out of order", found->position);
  last_ = found->position;
  for (Part& part : parts_) pass(part, found->position);
  if (!violation_.empty()) return;
  Part& part = *part_of(found->topic);
  const std::vector<PublishedEvent>& events = history_.topic(part.topic).events;
  if (part.next == events.size() || &events[part.next] != found) return fail("delivered behind a gap of it", found->position);
  if (part.has_ended) return fail("delivered behind the topic's end", found->position);
  ++part.next;
  ++delivered_count_;
  part.ambiguous_until = {};
  check_rate(sent_at);
  part.has_ended = found->is_end;
  if (!found->is_end) check_counts(found->position);
}

// broadside.end is nobody's event and counts for nothing.
void SubscriberOracle::check_counts(Position position) {
  if (++events_on_stream_ > request_.limit && request_.limit != 0) return fail("more than limit= asked for", position);
  if (request_.start != StreamRequest::Start::last || position > newest_at_request_) return;
  if (++replayed_count_ > request_.last) fail("more than last= asked for", position);
}

void SubscriberOracle::pass(Part& part, Position position) {
  const std::vector<PublishedEvent>& events = history_.topic(part.topic).events;
  for (; part.next < events.size() && events[part.next].position < position; ++part.next) {
    if (!is_excused(part, events[part.next], position)) {
      return fail("lost of topic " + history_.topic(part.topic).name, events[part.next].position);
    }
  }
}

bool SubscriberOracle::is_excused(const Part& part, const PublishedEvent& event, Position position) const {
  if (event.position <= part.ambiguous_until || is_told(part, event)) return true;
  const History::Topic& topic = history_.topic(part.topic);
  if (event.position <= part.snapshot_end) {
    // Superseded, also by what came while the snapshot was being sent: that comes as well.
    if (event.key.empty() || !has_room(topic) || is_of_former_life(topic, event) ||
        topic.newest_of_key.at(event.key) > event.position)
      return true;
  }
  if (topic.rules.policy != LagPolicy::conflate || event.key.empty()) return false;
  // A newer one of its key is the very event that has come, or comes later, or is excused by one that does.
  return topic.newest_of_key.at(event.key) >= position;
}

// A topic that opens again has none of its former keys.
bool SubscriberOracle::is_of_former_life(const History::Topic& topic, const PublishedEvent& event) {
  return std::any_of(topic.events.begin(), topic.events.end(),
                     [&](const PublishedEvent& each) { return each.is_end && each.position > event.position; });
}

bool SubscriberOracle::has_room(const History::Topic& topic) const {
  constexpr std::uint32_t kKeysEnough = 1'000;
  return keeping_ != Keeping::bounded && (topic.rules.keys == 0 || topic.rules.keys >= kKeysEnough);
}

// With room for all keys the newest event of each is there all the same, so a gap tells of the others alone.
bool SubscriberOracle::is_told(const Part& part, const PublishedEvent& event) const {
  if (event.position > part.told_until) return false;
  const History::Topic& topic = history_.topic(part.topic);
  return event.key.empty() || !has_room(topic) || is_of_former_life(topic, event) ||
         topic.newest_of_key.at(event.key) > event.position;
}

void SubscriberOracle::check_rate(Nanos sent_at) {
  // What a chunked stream is visited with may be sent later: it has the bytes to itself.
  if (rate_ == 0 || may_leave_ || request_.limit != 0 || visited_at_ == sent_at) return;
  const auto interval = static_cast<Nanos>(static_cast<double>(kSecond) / rate_);
  // Of simulated time a millisecond may pass within a turn.
  const bool is_same_visit = visited_at_ && sent_at - *visited_at_ < kMillisecond;
  if (visited_at_ && !is_same_visit && sent_at - *visited_at_ < interval - kMillisecond) {
    fail("visited after " + std::to_string((sent_at - *visited_at_) / kMillisecond) + " ms at a rate of " +
         std::to_string(rate_));
  }
  visited_at_ = sent_at;
}

// ---- How it ends ----

bool SubscriberOracle::is_at_head() const {
  return std::all_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    const std::vector<PublishedEvent>& events = history_.topic(part.topic).events;
    return std::all_of(events.begin() + static_cast<std::ptrdiff_t>(part.next), events.end(),
                       [&](const PublishedEvent& event) { return is_excused(part, event, Position{UINT64_MAX}); });
  });
}

bool SubscriberOracle::may_lag_too_far() const {
  if (rate_ > 0) return true;  // Logs wait for it for a second, not until it has caught up.
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    const TopicRules& rules = history_.topic(part.topic).rules;
    return rules.policy == LagPolicy::disconnect && rules.lag != LagLimits{};
  });
}

bool SubscriberOracle::is_behind_end(const Part& part) const {
  const std::vector<PublishedEvent>& events = history_.topic(part.topic).events;
  if (part.has_ended || (part.next > 0 && events[part.next - 1].is_end)) return true;
  // Or behind one that need not have come.
  for (std::size_t i = part.next; i < events.size() && is_excused(part, events[i], Position{UINT64_MAX}); ++i) {
    if (events[i].is_end) return true;
  }
  return false;
}

bool SubscriberOracle::may_be_ended() const {
  if (!request_.follows || (request_.limit != 0 && events_on_stream_ == request_.limit)) return true;
  return has_reopened() || std::all_of(parts_.begin(), parts_.end(), [&](const Part& part) { return is_behind_end(part); });
}

bool SubscriberOracle::has_reopened() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const Part& part) { return part.has_ended && part.next < history_.topic(part.topic).events.size(); });
}

void SubscriberOracle::on_end(StreamEnd end, bool is_draining) {
  if (!is_open_ || !violation_.empty() || end == StreamEnd::cut) return;
  if (end == StreamEnd::completed && !may_be_ended() && !is_draining) return fail("completed, but there was more to come");
  const bool has_limit = request_.limit != 0 && events_on_stream_ == request_.limit;
  if (request_.follows || has_limit || has_reopened() || is_draining) return;
  if (!keeps_everything() && end != StreamEnd::completed) return;  // Perhaps it was too slow.
  for (const Part& part : parts_) {
    const std::vector<PublishedEvent>& events = history_.topic(part.topic).events;
    const bool is_missing = part.next < events.size() && events[part.next].position <= newest_at_request_ && !part.has_ended &&
                            !is_excused(part, events[part.next], newest_at_request_.after());
    if (is_missing) return fail("follow=0 ends before the head", events[part.next].position);
  }
}

void SubscriberOracle::on_nothing_left() {
  for (const TopicIndex topic : request_.topics) {
    const std::vector<PublishedEvent>& events = history_.topic(topic).events;
    const bool has_reopened = !events.empty() && events.back().position > newest_at_request_;
    if (!history_.is_ended(topic) && !has_reopened) return fail("204, but a topic has not ended: " + history_.topic(topic).name);
    if (request_.start != StreamRequest::Start::after_id) continue;
    const std::optional<Position> id = parse_position(request_.id);
    const std::size_t next = id ? history_.after(topic, *id) : events.size();
    if (next < events.size() && events[next].position <= newest_at_request_)
      return fail("204, but there is something left", events[next].position);
  }
}

}  // namespace broadside::sim
