#include "engine/delivery.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/assert.h"

namespace broadside {
namespace {

constexpr std::string_view kHeartbeat = ":\n\n";

// The frames of the segment at `cursor` that may be sent.
std::uint32_t frames_at(const TopicView& view, Cursor cursor) {
  return cursor.segment == view.head.segment ? view.head.frame : view.held_at(cursor.segment).frames;
}

bool has_frame_at(const TopicView& view, Cursor cursor) {
  return !view.is_lost(cursor) && cursor < view.head && cursor.frame < frames_at(view, cursor);
}

bool has_rest(const Connection& connection) { return connection.is_framed && connection.extras->rest != nullptr; }

}  // namespace

bool has_untold_loss(const Subscription& subscription) {
  const TopicView& view = *subscription.view;
  const bool needs_cursor = !subscription.conflates || subscription.goes_plain;
  if (needs_cursor && view.is_lost(subscription.cursor)) return true;
  return subscription.conflates && subscription.passed < view.keys_floor && subscription.floor_count != view.keys_floor_count;
}

// Before which frame a conflating subscription stops to conflate.
static Position conflates_until(const Subscription& subscription) {
  const TopicView& view = *subscription.view;
  const bool ends_at_frame = subscription.goes_plain && has_frame_at(view, subscription.cursor);
  return ends_at_frame ? view.position_at(subscription.cursor) : Position{UINT64_MAX};
}

std::optional<Position> next_position(Subscription& subscription) {
  TopicView& view = *subscription.view;
  if (subscription.has_ended) return {};
  view.normalise(subscription.cursor);
  if (subscription.goes_plain && view.is_lost(subscription.cursor)) return {};  // First its policy has to act.
  if (subscription.conflates) {
    if (subscription.passed < view.head_position) {
      Place place = view.find_place(subscription.passed);
      const bool is_there = view.find_live(place);
      const Position position = is_there ? view.part(place.part).segment->entry(place.frame).position : Position{};
      if (is_there && position < conflates_until(subscription)) return position;
      // All that is left is superseded.
      if (!subscription.goes_plain && !has_untold_loss(subscription)) subscription.passed = view.head_position;
    }
    if (!subscription.goes_plain) return {};
    subscription.conflates = subscription.goes_plain = 0;
  }
  if (!has_frame_at(view, subscription.cursor)) return {};
  return view.position_at(subscription.cursor);
}

bool is_over(Subscription& subscription) {
  if (subscription.has_ended) return true;
  const TopicView& view = *subscription.view;
  if (!subscription.conflates && view.is_at_end(subscription.cursor)) return true;
  return view.is_ended && !view.has_more && !next_position(subscription);
}

bool is_at_border(const Connection& connection) {
  // Of own bytes what has been sent is dropped when others are added: where one event of them ends is not known.
  return connection.partial_bytes == 0 && (connection.own == nullptr || connection.own->left() == 0) && !has_rest(connection);
}

bool is_worn(const Connection& connection) {
  return connection.is_framed && connection.extras->sealer != nullptr && connection.extras->sealer->is_worn();
}

bool lacks_something(Connection& connection) {
  if (!is_at_border(connection)) return true;
  if (connection.is_finishing) return false;
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    if (next_position(subscription)) return true;
    // What a visit makes of that is its policy's.
    if (!subscription.has_ended && has_untold_loss(subscription)) return true;
  }
  return false;
}

DeliveryBatch::DeliveryBatch(TornFrames& torn_frames) : torn_frames_(torn_frames) {
  visits_.reserve(kVisitsMax);
  ranges_.reserve(std::size_t{kVisitsMax} * kRangesMax);
  runs_.reserve(std::size_t{kVisitsMax} * (kRangesMax + 2));
  advances_.reserve(kVisitsMax);
}

void DeliveryBatch::clear() {
  visits_.clear();
  ranges_.clear();
  runs_.clear();
  advances_.clear();
  framing_.clear();
}

void DeliveryBatch::add_range(Visit& visit, const char* bytes, std::uint64_t count) {
  visit.bytes += count;
  if (visit.range_count > 0) {
    iovec& last = ranges_.back();
    if (static_cast<const char*>(last.iov_base) + last.iov_len == bytes) {
      last.iov_len += count;
      return;
    }
  }
  ranges_.push_back(iovec{.iov_base = const_cast<char*>(bytes), .iov_len = count});
  ++visit.range_count;
}

void DeliveryBatch::add_run(Visit& visit, std::uint16_t subscription, const HeldSegment& held, std::uint32_t frame_begin,
                            std::uint32_t frame_end, std::uint64_t skip) {
  const Segment& segment = *held.segment;
  BROADSIDE_ASSERT(frame_end > frame_begin && frame_end <= held.frames);
  const std::uint64_t begin = segment.frame_begin(frame_begin) + skip;
  const std::uint64_t bytes = segment.entry(frame_end - 1).end - begin;
  runs_.push_back(Run{.kind = RunKind::frames,
                      .subscription = subscription,
                      .ends_topic = held.ends_topic && frame_end == held.frames,
                      .is_kept = segment.is_kept,
                      .segment = &segment,
                      .frame_begin = frame_begin,
                      .frame_end = frame_end,
                      .begin = begin,
                      .bytes = bytes});
  ++visit.run_count;
  add_range(visit, segment.bytes() + begin, bytes);
}

void DeliveryBatch::add_rest_of_frame(Visit& visit, Connection& connection) {
  const std::uint16_t which = connection.partial_subscription;
  if (const TornFrame* torn = connection.torn; torn != nullptr) {
    BROADSIDE_ASSERT(!torn->is_lost());
    const std::uint64_t left = torn->size - connection.partial_bytes;
    runs_.push_back(Run{.kind = RunKind::torn, .subscription = which, .bytes = left});
    ++visit.run_count;
    add_range(visit, torn->bytes + connection.partial_bytes, left);
    return;
  }
  const Subscription& subscription = connection.subscriptions()[which];
  const Cursor cursor = subscription.cursor;
  add_run(visit, which, subscription.view->held_at(cursor.segment), cursor.frame, cursor.frame + 1, connection.partial_bytes);
}

bool DeliveryBatch::add(Connection& connection, std::uint64_t bytes_max) {
  Visit visit{.connection = &connection,
              .range_begin = static_cast<std::uint32_t>(ranges_.size()),
              .run_begin = static_cast<std::uint32_t>(runs_.size())};
  if (connection.partial_bytes > 0) add_rest_of_frame(visit, connection);
  const std::uint64_t own_begin = visit.bytes;
  if (connection.own != nullptr && connection.own->left() > 0) {
    runs_.push_back(Run{.kind = RunKind::own, .bytes = connection.own->left()});
    ++visit.run_count;
    add_range(visit, connection.own->bytes.data() + connection.own->sent, connection.own->left());
  }
  const std::uint64_t own_end = visit.bytes;
  if (connection.is_framed) bytes_max = std::min(bytes_max, FramingBuffer::kPlainBytesMax);
  if (!connection.is_finishing) add_frames(visit, connection, bytes_max);
  if (visit.bytes == 0 && !has_rest(connection)) return false;
  add_visit(visit, own_begin, own_end);
  return true;
}

void DeliveryBatch::add_visit(Visit& visit, std::uint64_t own_begin, std::uint64_t own_end) {
  if (visit.connection->is_framed) {
    const std::span<const iovec> ranges{ranges_.data() + visit.range_begin, visit.range_count};
    visit.framed =
        framing_.frame(*visit.connection, {.ranges = ranges, .bytes = visit.bytes, .own_begin = own_begin, .own_end = own_end});
  }
  visits_.push_back(visit);
}

// What `reader` has next, if anything.
void DeliveryBatch::find_next(Reader& reader, const TopicView& view) {
  reader.has_next = false;
  if (reader.is_over) return;
  if (reader.conflates) {
    const bool is_there = view.find_live(reader.place);
    if (is_there) {
      reader.held = &view.part(reader.place.part);
      reader.frame = reader.place.frame;
      reader.frames = reader.held->frames;
      reader.position = reader.held->segment->entry(reader.frame).position;
    }
    reader.has_next = is_there && reader.position < reader.until;
    if (reader.has_next || reader.until == Position{UINT64_MAX}) return;
    reader.conflates = false;
  }
  view.normalise(reader.cursor);
  if (!has_frame_at(view, reader.cursor)) return;
  reader.held = &view.held_at(reader.cursor.segment);
  reader.frame = reader.cursor.frame;
  reader.frames = frames_at(view, reader.cursor);
  reader.has_next = true;
  reader.position = reader.held->segment->entry(reader.frame).position;
}

// Behind the last frame of the reader's segment that may go in one range: before `next_position`, and none that is passed over.
std::uint32_t DeliveryBatch::end_of_run(const Reader& reader, const TopicView& view, Position next_position) {
  const Segment& segment = *reader.held->segment;
  std::uint32_t end = reader.frames;
  if (reader.conflates) {
    const Position until = std::min(next_position, reader.until);
    const auto belongs = [&](const FrameEntry& entry) {
      return entry.is_live(view.keys_floor) && entry.position < until && entry.position <= view.published;
    };
    end = reader.frame + 1;
    while (end < reader.frames && belongs(segment.entry(end))) ++end;
    return end;
  }
  if (segment.entry(end - 1).position >= next_position) end = segment.find_after(next_position.before(), end);
  return end;
}

void DeliveryBatch::add_frames(Visit& visit, Connection& connection, std::uint64_t bytes_max) {
  if (visit.bytes >= bytes_max) return;
  const std::uint32_t count = connection.subscription_count;
  readers_.assign(count, Reader{});
  for (std::uint32_t i = 0; i < count; ++i) {
    const Subscription& subscription = connection.subscriptions()[i];
    Reader& reader = readers_[i];
    reader.is_over = subscription.has_ended;
    reader.conflates = subscription.conflates != 0;
    reader.cursor = subscription.cursor;
    if (reader.conflates) {
      reader.place = subscription.view->find_place(subscription.passed);
      reader.until = conflates_until(subscription);
    } else {
      const bool is_inside = connection.partial_bytes > 0 && connection.torn == nullptr && connection.partial_subscription == i;
      if (is_inside) ++reader.cursor.frame;
    }
    const TopicView& view = *subscription.view;
    find_next(reader, view);
    // Behind an end the topic has opened again: nothing newer may go out on this stream (see Shard::apply_policies).
    const bool is_behind_end = !reader.conflates && !reader.is_over && view.is_at_end(reader.cursor);
    if (is_behind_end && view.has_reopened_behind(reader.cursor)) return;
  }
  std::uint64_t limit = connection.limit_left == 0 ? UINT64_MAX : connection.limit_left;
  if (connection.limit_left != 0 && connection.partial_bytes > 0) --limit;  // The frame begun is one of them.
  while (visit.bytes < bytes_max && visit.range_count < kRangesMax && limit > 0) {
    // The smallest unsent position over all topics, and the one that ends its run.
    std::uint32_t best = count;
    Position next_position{UINT64_MAX};
    for (std::uint32_t i = 0; i < count; ++i) {
      if (!readers_[i].has_next) continue;
      if (best == count || readers_[i].position < readers_[best].position) {
        if (best != count) next_position = readers_[best].position;
        best = i;
      } else if (readers_[i].position < next_position) {
        next_position = readers_[i].position;
      }
    }
    if (best == count) return;
    const Subscription& subscription = connection.subscriptions()[best];
    Reader& reader = readers_[best];
    const HeldSegment& held = *reader.held;
    std::uint32_t end = end_of_run(reader, *subscription.view, next_position);
    // broadside.end, always the last of its segment, is nobody's event and does not count.
    const bool has_end_frame = held.ends_topic && end == held.frames;
    const std::uint64_t events = end - reader.frame - (has_end_frame ? 1U : 0U);
    if (events > limit) end = reader.frame + static_cast<std::uint32_t>(limit);
    limit -= std::min(events, limit);
    // Not much more than bytes_max, but a whole frame at least.
    const std::uint64_t last_byte = held.segment->frame_begin(reader.frame) + (bytes_max - visit.bytes);
    while (end - reader.frame > 1 && held.segment->entry(end - 1).end > last_byte) end -= std::max(1U, (end - reader.frame) / 8);
    add_run(visit, static_cast<std::uint16_t>(best), held, reader.frame, end, 0);
    runs_.back().is_conflated = reader.conflates;
    visit.has_frames = true;
    (reader.conflates ? reader.place.frame : reader.cursor.frame) = end;
    if (held.ends_topic && end == held.frames) {
      reader.is_over = true;
      if (subscription.view->head > Cursor{.segment = held.segment->sequence() + 1, .frame = 0}) return;
    }
    find_next(reader, *subscription.view);
  }
}

void DeliveryBatch::add_heartbeat(Connection& connection) {
  Visit visit{.connection = &connection,
              .range_begin = static_cast<std::uint32_t>(ranges_.size()),
              .run_begin = static_cast<std::uint32_t>(runs_.size()),
              .is_heartbeat = true};
  add_range(visit, kHeartbeat.data(), kHeartbeat.size());
  add_visit(visit, 0, 0);
}

io::SendRequest DeliveryBatch::request_of(const Visit& visit) const {
  const Connection& connection = *visit.connection;
  if (connection.is_framed) {
    const iovec& range = visit.framed.range;
    return {.socket = connection.socket, .ranges = &range, .range_count = 1, .bytes = range.iov_len};
  }
  return {.socket = connection.socket,
          .ranges = ranges_.data() + visit.range_begin,
          .range_count = visit.range_count,
          .bytes = visit.bytes};
}

std::uint32_t DeliveryBatch::apply(const Visit& visit, std::uint64_t sent) {
  Connection& connection = *visit.connection;
  if (connection.is_framed) sent = framing_.settle(visit.framed, connection, sent);
  BROADSIDE_ASSERT(sent <= visit.bytes);
  if (visit.is_heartbeat && sent > 0 && sent < visit.bytes) {
    // The rest of a torn comment goes before everything else.
    connection.own = std::make_unique<OwnBytes>(OwnBytes{.bytes = std::string(kHeartbeat), .sent = sent});
  }
  std::uint32_t events = 0;
  for (std::uint32_t i = 0; i < visit.run_count && sent > 0; ++i) {
    const Run& run = runs_[visit.run_begin + i];
    const std::uint64_t taken = std::min(sent, run.bytes);
    sent -= taken;
    switch (run.kind) {
      case RunKind::own:
        connection.own->sent += taken;
        break;
      case RunKind::torn:
        events += apply_torn(run, connection, taken);
        break;
      case RunKind::frames:
        events += apply_frames(run, connection, taken);
        break;
    }
  }
  return events;
}

std::uint32_t DeliveryBatch::apply_torn(const Run& run, Connection& connection, std::uint64_t taken) {
  connection.partial_bytes += static_cast<std::uint32_t>(taken);
  if (taken < run.bytes) return 0;
  const std::uint32_t events = connection.torn->is_end ? 0 : 1;
  connection.partial_bytes = 0;
  torn_frames_.release(std::exchange(connection.torn, nullptr));
  return events;
}

std::uint32_t DeliveryBatch::apply_frames(const Run& run, Connection& connection, std::uint64_t taken) {
  const Segment& segment = *run.segment;
  Subscription& subscription = connection.subscriptions()[run.subscription];
  std::uint32_t frame = run.frame_end;
  std::uint64_t offset = 0;
  connection.partial_bytes = 0;
  if (taken < run.bytes) {
    // The first frame that ends behind what was taken.
    frame = run.frame_begin;
    offset = run.begin + taken;
    std::uint32_t high = run.frame_end;
    while (frame < high) {
      const std::uint32_t middle = frame + (high - frame) / 2;
      if (segment.entry(middle).end > offset) {
        high = middle;
      } else {
        frame = middle + 1;
      }
    }
    connection.partial_bytes = static_cast<std::uint32_t>(offset - segment.frame_begin(frame));
    connection.partial_subscription = run.subscription;
  }
  const std::uint32_t sent = pass(run, subscription, frame);
  if (!run.is_kept && sent > 0) advance(run, *subscription.view, frame);
  // Under these policies the frame begun is completed whatever becomes of the place behind it, which may move on at once.
  const bool may_go = run.is_conflated || subscription.view->rules.policy == LagPolicy::skip;
  if (connection.partial_bytes > 0 && may_go) {
    const bool is_end = run.ends_topic && frame + 1 == run.frame_end;
    connection.torn = torn_frames_.hold(segment, frame, is_end);
    pass(run, subscription, frame + 1);
  }
  return sent;
}

// Moves the subscription's place to `frame`; returns the events that are before it in the run.
std::uint32_t DeliveryBatch::pass(const Run& run, Subscription& subscription, std::uint32_t frame) {
  const Segment& segment = *run.segment;
  const bool has_end = run.ends_topic && frame == run.frame_end;
  const std::uint32_t ends = has_end ? 1 : 0;  // Nobody's event.
  if (!run.is_conflated) {
    subscription.conflates = subscription.goes_plain = 0;  // If it did, it has come to its cursor.
    subscription.cursor = Cursor{.segment = segment.sequence(), .frame = frame};
    subscription.counted = segment.first_event + frame - ends;
  }
  if (frame > run.frame_begin) subscription.passed = segment.entry(frame - 1).position;
  if (has_end) {
    subscription.has_ended = 1;
    subscription.cursor = Cursor{.segment = segment.sequence(), .frame = frame};
  }
  return frame - run.frame_begin - ends;
}

// Notes what was sent for the first time to anybody.
void DeliveryBatch::advance(const Run& run, TopicView& view, std::uint32_t frame) {
  const Cursor to{.segment = run.segment->sequence(), .frame = frame};
  if (to <= view.written) return;
  // What lies between has been sent to nobody, since all were blocked, and this one came later: it has no latency.
  const Cursor from = std::max(view.written, Cursor{.segment = to.segment, .frame = run.frame_begin});
  if (view.offered == view.written) view.offered = from;
  advances_.push_back(Advance{.view = &view, .from = from, .to = to});
  view.written = to;
}

}  // namespace broadside
