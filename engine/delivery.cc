#include "engine/delivery.h"

#include <algorithm>

#include "base/assert.h"

namespace broadside {
namespace {

constexpr char kHeartbeat[] = ":\n\n";
constexpr char kHeartbeatChunk[] = "3\r\n:\n\n\r\n";

// The frames of the segment at `cursor` that may be sent.
std::uint32_t frames_at(const TopicView& view, Cursor cursor) {
  return cursor.segment == view.head.segment ? view.head.frame : view.held_at(cursor.segment).frames;
}

bool has_frame(const TopicView& view, Cursor cursor) {
  return !view.is_lost(cursor) && cursor < view.head && cursor.frame < frames_at(view, cursor);
}

}  // namespace

bool is_over(const Subscription& subscription) {
  if (subscription.has_ended) return true;
  const TopicView& view = *subscription.view;
  return view.is_at_end(subscription.cursor) || (view.is_ended && subscription.cursor >= view.head && !view.has_more);
}

bool is_at_border(const Connection& connection) {
  // Of own bytes what has been sent is dropped when others are added: where one event of them ends is not known.
  return connection.partial_bytes == 0 && (connection.own == nullptr || connection.own->left() == 0);
}

bool lacks_something(Connection& connection) {
  if (connection.own != nullptr && connection.own->left() > 0) return true;
  if (connection.partial_bytes > 0) return true;
  if (connection.is_finishing) return false;
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
    Subscription& subscription = connection.subscriptions()[i];
    if (subscription.has_ended) continue;
    subscription.view->normalise(subscription.cursor);
    if (has_frame(*subscription.view, subscription.cursor)) return true;
  }
  return false;
}

DeliveryBatch::DeliveryBatch() {
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
}

void DeliveryBatch::drop_last() {
  ranges_.resize(visits_.back().range_begin);
  runs_.resize(visits_.back().run_begin);
  visits_.pop_back();
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

void DeliveryBatch::add_run(Visit& visit, Connection& connection, std::uint16_t subscription, Cursor cursor,
                            std::uint32_t frame_end, std::uint64_t skip) {
  const HeldSegment& held = connection.subscriptions()[subscription].view->held_at(cursor.segment);
  const Segment& segment = *held.segment;
  BROADSIDE_ASSERT(frame_end > cursor.frame && frame_end <= held.frames);
  const std::uint64_t begin = segment.frame_begin(cursor.frame) + skip;
  const std::uint64_t bytes = segment.entry(frame_end - 1).end - begin;
  runs_.push_back(Run{.is_own = false,
                      .subscription = subscription,
                      .segment = cursor.segment,
                      .frame_begin = cursor.frame,
                      .frame_end = frame_end,
                      .begin = begin,
                      .bytes = bytes});
  ++visit.run_count;
  add_range(visit, segment.bytes() + begin, bytes);
}

bool DeliveryBatch::add(Connection& connection, std::uint64_t bytes_max) {
  Visit visit{.connection = &connection,
              .range_begin = static_cast<std::uint32_t>(ranges_.size()),
              .run_begin = static_cast<std::uint32_t>(runs_.size())};
  cursors_.clear();
  for (std::uint32_t i = 0; i < connection.subscription_count; ++i) cursors_.push_back(connection.subscriptions()[i].cursor);
  if (connection.partial_bytes > 0) {
    Cursor& cursor = cursors_[connection.partial_subscription];
    add_run(visit, connection, connection.partial_subscription, cursor, cursor.frame + 1, connection.partial_bytes);
    ++cursor.frame;
  }
  const bool has_own = connection.own != nullptr && connection.own->left() > 0;
  if (has_own) {
    runs_.push_back(Run{.is_own = true, .bytes = connection.own->left()});
    ++visit.run_count;
    add_range(visit, connection.own->bytes.data() + connection.own->sent, connection.own->left());
  }
  // Behind the own bytes of a chunked stream frames need a chunk line first: they wait for the next visit.
  if (!connection.is_finishing && !(connection.is_chunked && has_own)) add_frames(visit, connection, bytes_max);
  if (visit.bytes == 0) return false;
  visits_.push_back(visit);
  return true;
}

void DeliveryBatch::add_frames(Visit& visit, Connection& connection, std::uint64_t bytes_max) {
  std::uint64_t limit = connection.limit_left == 0 ? UINT64_MAX : connection.limit_left;
  if (connection.limit_left != 0 && connection.partial_bytes > 0) --limit;  // The frame begun is one of them.
  while (visit.bytes < bytes_max && visit.range_count < kRangesMax && limit > 0) {
    // The smallest unsent position over all topics, and the one that ends its run.
    std::uint32_t best = connection.subscription_count;
    Position best_position;
    Position next_position{UINT64_MAX};
    for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
      if (connection.subscriptions()[i].has_ended) continue;
      const TopicView& view = *connection.subscriptions()[i].view;
      view.normalise(cursors_[i]);
      if (!has_frame(view, cursors_[i])) {
        // Behind an end the topic has opened again: nothing newer may go out on this stream (see Shard::visit).
        if (view.is_at_end(cursors_[i]) && view.has_reopened_behind(cursors_[i])) return;
        continue;
      }
      const Position position = view.position_at(cursors_[i]);
      if (best == connection.subscription_count || position < best_position) {
        if (best != connection.subscription_count) next_position = best_position;
        best = i;
        best_position = position;
      } else if (position < next_position) {
        next_position = position;
      }
    }
    if (best == connection.subscription_count) return;
    const TopicView& view = *connection.subscriptions()[best].view;
    const Cursor cursor = cursors_[best];
    const HeldSegment& held = view.held_at(cursor.segment);
    std::uint32_t end = frames_at(view, cursor);
    if (held.segment->entry(end - 1).position >= next_position) end = held.segment->find_after(next_position.before(), end);
    // broadside.end, always the last of its segment, is nobody's event and does not count.
    const bool has_end_frame = held.ends_topic && end == held.frames;
    const std::uint64_t events = end - cursor.frame - (has_end_frame ? 1U : 0U);
    if (events > limit) end = cursor.frame + static_cast<std::uint32_t>(limit);
    limit -= std::min(events, limit);
    // Not much more than bytes_max, but a whole frame at least.
    const std::uint64_t last_byte = held.segment->frame_begin(cursor.frame) + (bytes_max - visit.bytes);
    while (end - cursor.frame > 1 && held.segment->entry(end - 1).end > last_byte) end -= std::max(1U, (end - cursor.frame) / 8);
    add_run(visit, connection, static_cast<std::uint16_t>(best), cursor, end, 0);
    cursors_[best].frame = end;
  }
}

void DeliveryBatch::add_heartbeat(Connection& connection) {
  Visit visit{.connection = &connection,
              .range_begin = static_cast<std::uint32_t>(ranges_.size()),
              .run_begin = static_cast<std::uint32_t>(runs_.size()),
              .is_heartbeat = true};
  if (connection.is_chunked) {
    add_range(visit, kHeartbeatChunk, sizeof kHeartbeatChunk - 1);
  } else {
    add_range(visit, kHeartbeat, sizeof kHeartbeat - 1);
  }
  visits_.push_back(visit);
}

std::uint32_t DeliveryBatch::apply(const Visit& visit, std::uint64_t sent) {
  BROADSIDE_ASSERT(sent <= visit.bytes);
  Connection& connection = *visit.connection;
  std::uint32_t events = 0;
  for (std::uint32_t i = 0; i < visit.run_count && sent > 0; ++i) {
    const Run& run = runs_[visit.run_begin + i];
    const std::uint64_t taken = std::min(sent, run.bytes);
    sent -= taken;
    if (run.is_own) {
      connection.own->sent += taken;
      continue;
    }
    Subscription& subscription = connection.subscriptions()[run.subscription];
    const HeldSegment& held = subscription.view->held_at(run.segment);
    std::uint32_t frame = run.frame_end;
    connection.partial_bytes = 0;
    if (taken < run.bytes) {
      // The first frame that ends behind what was taken.
      frame = run.frame_begin;
      const std::uint64_t offset = run.begin + taken;
      std::uint32_t high = run.frame_end;
      while (frame < high) {
        const std::uint32_t middle = frame + (high - frame) / 2;
        if (held.segment->entry(middle).end > offset) {
          high = middle;
        } else {
          frame = middle + 1;
        }
      }
      connection.partial_bytes = static_cast<std::uint32_t>(offset - held.segment->frame_begin(frame));
      connection.partial_subscription = run.subscription;
    }
    events += frame - run.frame_begin;
    if (held.ends_topic && frame == held.frames && frame > run.frame_begin) --events;
    subscription.cursor = Cursor{.segment = run.segment, .frame = frame};
    TopicView& view = *subscription.view;
    if (subscription.cursor > view.written) {
      // What lies between has been sent to nobody, since all were blocked, and this one came later: it has no latency.
      const Cursor from = std::max(view.written, Cursor{.segment = run.segment, .frame = run.frame_begin});
      if (view.offered == view.written) view.offered = from;
      advances_.push_back(Advance{.view = &view, .from = from, .to = subscription.cursor});
      view.written = subscription.cursor;
    }
    if (held.ends_topic && frame == held.frames) subscription.has_ended = true;
  }
  return events;
}

void DeliveryBatch::copy(const Visit& visit, std::string& out) const {
  for (std::uint32_t i = 0; i < visit.range_count; ++i) {
    const iovec& range = ranges_[visit.range_begin + i];
    out.append(static_cast<const char*>(range.iov_base), range.iov_len);
  }
}

}  // namespace broadside
