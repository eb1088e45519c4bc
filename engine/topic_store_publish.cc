// The part of topic_store.h that publishes: encodes outside the lock, gives positions and appends under it.
#include <unordered_map>

#include "base/units.h"
#include "engine/topic_store.h"
#include "proto/event_check.h"
#include "proto/json_text.h"
#include "proto/position.h"
#include "proto/sse_encoder.h"
#include "proto/topic_name.h"

namespace broadside {
namespace {

constexpr std::size_t kEventOverhead = sizeof(FrameEntry) + 300;  // Beside its body: the id line, and what indexes it.

Error full_of_unsent() {
  return Error{Error::Code::out_of_memory, "the memory for logs (--history-memory) is full of events not yet sent"};
}

Error larger_than_backlog() { return Error{Error::Code::too_large, "larger than --backlog-bytes"}; }

Error no_memory() { return Error{Error::Code::out_of_memory, "the system has no memory"}; }

Error bad_topic() {
  return Error{Error::Code::invalid_argument, "a topic is 1 to 255 bytes of UTF-8 without control characters"};
}

// Appends the frame of `event`, all but its id line, to `bodies`.
Result<Done> encode(const Event& event, std::uint64_t event_bytes_max, std::string& bodies) {
  if (Result<Done> checked = check_event(event, event_bytes_max); !checked) return checked;
  append_event_body(bodies, event);
  return Done{};
}

}  // namespace

std::size_t TopicStore::frame_bytes_of(std::size_t own_id_bytes, std::size_t body_bytes) {
  return 4 + (own_id_bytes == 0 ? kPositionTextMax : own_id_bytes) + 1 + body_bytes;
}

std::uint64_t TopicStore::cost_of_key(const Event& event) const {
  return has_keys_ && !event.key.empty() ? KeyTable::cost_of(event.key) : 0;
}

std::uint64_t TopicStore::cost_of(std::span<const BatchEntry> batch, std::span<const std::size_t> ends) const {
  const auto bytes_of = [&](std::size_t i) {
    return frame_bytes_of(batch[i].event.id.size(), ends[i] - (i == 0 ? 0 : ends[i - 1]));
  };
  std::unordered_map<std::string_view, Log::Room, TextHash> rooms;
  std::uint64_t cost = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    cost += cost_of_key(batch[i].event);
    const auto [at, is_new] = rooms.try_emplace(batch[i].topic);
    const Topic* topic = is_new ? find(batch[i].topic) : nullptr;
    if (topic != nullptr) at->second = topic->log.room();
    cost += Log::reserve_cost(at->second, bytes_of(i));
  }
  return cost;
}

bool TopicStore::append(Topic* topic, const NewFrame& frame, Published& out) {
  char id_line[4 + 256 + 1];
  std::size_t id_bytes = 0;
  // The position is taken only when the frame is sure to be written, so reserve for the longest id line first.
  Segment* made = nullptr;
  if (!topic->log.reserve(topic, frame_bytes_of(frame.own_id.size(), frame.body.size()), made)) return false;
  if (made != nullptr) logs_.charge(*made);
  const Position position = next_position();
  id_line[0] = 'i', id_line[1] = 'd', id_line[2] = ':', id_line[3] = ' ';
  id_bytes = 4;
  if (frame.own_id.empty()) {
    id_bytes += format_position(position, id_line + 4);
  } else {
    frame.own_id.copy(id_line + 4, frame.own_id.size());
    id_bytes += frame.own_id.size();
  }
  id_line[id_bytes++] = '\n';
  topic->log.append(position, std::string_view(id_line, id_bytes), frame.body, frame.own_id, stamp_of(frame.now));
  if (frame.is_end) topic->log.mark_ended();
  Segment* last = topic->log.last_segment();
  if (topic->keys != nullptr) {
    if (topic->is_ended) topic->keys->clear();  // The topic begins anew.
    if (!frame.is_end && !frame.key.empty()) topic->keys->set(frame.key, *last, last->frames() - 1);
  }
  topic->is_ended = frame.is_end;
  if (frame.is_end) topic->end_position = position;
  logs_.link_newest(last);
  out = Published{.position = position, .subscribers = subscribers_of(*topic, shard_count_), .is_duplicate = false};
  ++(frame.is_end ? counts_.ends : counts_.publishes);
  if (!frame.is_end) topic->rate.add(frame.now);
  topic->log.forget(retention_of(*topic->rules), position.milliseconds());
  release_passed(topic, topic->view_count == 0);
  mark_dirty(topic);
  return true;
}

// What makes room may take the very segment that had some: then it costs more than before, and more has to go.
template <typename Cost>
bool TopicStore::find_room(Cost&& cost) {
  while (true) {
    const std::uint64_t bytes = cost();
    if (memory_bytes() + bytes <= memory_limit()) return true;
    if (!make_room(bytes, nullptr)) return false;
  }
}

// False: the system has no memory.
bool TopicStore::publish_to(Topic* topic, const Event& event, std::string_view body, Nanos now, Published& out) {
  rules_of(*topic);
  if (!event.id.empty() && topic->log.find_id(event.id, out.position)) {
    out.subscribers = subscribers_of(*topic, shard_count_);
    out.is_duplicate = true;
    ++counts_.publishes_duplicate;
    return true;
  }
  return append(topic, {.own_id = event.id, .body = body, .key = event.key, .now = now}, out);
}

TopicStore::WakeSet TopicStore::finish_publish() {
  hold_memory_limit();
  published_.store(last_.packed, std::memory_order_release);
  return take_wakes();
}

Result<Published> TopicStore::publish(std::string_view topic, const Event& event, std::string& body) {
  if (!is_valid_topic(topic)) return bad_topic();
  return publish_one(nullptr, topic, event, body);
}

Result<Published> TopicStore::publish(Topic& topic, const Event& event, std::string& body) {
  return publish_one(&topic, topic.name, event, body);
}

Result<Published> TopicStore::publish_one(Topic* known, std::string_view name, const Event& event, std::string& body) {
  body.clear();
  if (Result<Done> good = encode(event, event_bytes_limit_.load(std::memory_order_relaxed), body); !good) return good.error();
  if (body.size() + kEventOverhead > backlog_limit_.load(std::memory_order_relaxed)) return larger_than_backlog();
  Published published;
  WakeSet wakes{};
  // Before the lock: waiting for it is a part of what the publisher sees, and the lock stays short.
  const Nanos now = clock_.monotonic();
  {
    const std::lock_guard lock(mutex_);
    const bool has_room = find_room([&] {
      const Topic* topic = known != nullptr ? known : find(name);
      const std::size_t bytes = frame_bytes_of(event.id.size(), body.size());
      return cost_of_key(event) + (topic != nullptr ? topic->log.reserve_cost(bytes) : Log().reserve_cost(bytes));
    });
    if (!has_room) {
      ++counts_.publishes_refused;
      return full_of_unsent();
    }
    Topic* topic = known != nullptr ? known : find_or_make(name);
    if (!publish_to(topic, event, body, now, published)) return no_memory();
    delete_if_idle(topic);
    wakes = finish_publish();
  }
  wake(wakes);
  return published;
}

Result<Done> TopicStore::publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index) {
  const std::uint64_t event_bytes_max = event_bytes_limit_.load(std::memory_order_relaxed);
  // One buffer for all bodies: what is made before the lock is the bytes, all but the id line.
  std::string bodies;
  std::vector<std::size_t> ends;
  ends.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (bad_index != nullptr) *bad_index = i;
    if (!is_valid_topic(batch[i].topic)) return bad_topic();
    if (Result<Done> good = encode(batch[i].event, event_bytes_max, bodies); !good) return good;
    ends.push_back(bodies.size());
  }
  const std::uint64_t need = bodies.size() + batch.size() * kEventOverhead;
  if (need > backlog_limit_.load(std::memory_order_relaxed)) return larger_than_backlog();
  out.clear();
  out.reserve(batch.size());
  WakeSet wakes{};
  const Nanos now = clock_.monotonic();
  {
    const std::lock_guard lock(mutex_);
    if (!find_room([&] { return cost_of(batch, ends); })) {
      counts_.publishes_refused += batch.size();
      return full_of_unsent();
    }
    std::size_t begin = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::string_view body = std::string_view(bodies).substr(begin, ends[i] - begin);
      begin = ends[i];
      Topic* topic = find_or_make(batch[i].topic);
      Published published;
      if (!publish_to(topic, batch[i].event, body, now, published)) {
        if (bad_index != nullptr) *bad_index = i;
        return no_memory();
      }
      out.push_back(published);
      delete_if_idle(topic);
    }
    wakes = finish_publish();
  }
  wake(wakes);
  return Done{};
}

Result<Published> TopicStore::end(std::string_view name, bool* existed) {
  std::string body = "event: broadside.end\ndata: {\"topic\":";
  append_json_string(body, name);
  body += "}\n\n";
  Published published;
  WakeSet wakes{};
  {
    const std::lock_guard lock(mutex_);
    Topic* topic = find(name);
    *existed = topic != nullptr;
    if (topic == nullptr) return published;
    if (topic->is_ended) {
      published.position = topic->end_position;
      published.is_duplicate = true;
      return published;
    }
    // Where the frame would fit into the last segment, that one may be what has to go.
    const std::size_t frame_bytes = frame_bytes_of(0, body.size());
    Log::Room none{.left_bytes = 0, .payload_bytes = topic->log.room().payload_bytes};
    const std::uint64_t cost = topic->log.reserve_cost(frame_bytes) + ended_cost(name);
    const bool has_room =
        memory_bytes() + cost <= memory_limit() || make_room(Log::reserve_cost(none, frame_bytes) + ended_cost(name), topic);
    rules_of(*topic);
    if (!has_room || !append(topic, {.body = body, .is_end = true, .now = clock_.monotonic()}, published)) {
      delete_if_idle(topic);  // All that it had may have been what had to go.
      return full_of_unsent();
    }
    remember_ended(published.position, name);
    wakes = finish_publish();
  }
  wake(wakes);
  return published;
}

}  // namespace broadside
