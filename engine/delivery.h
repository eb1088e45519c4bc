// What one visit sends to one subscriber: ranges of shared bytes from its cursors towards the heads, merged by position, with
// the connection's own bytes at a frame border; and what it means that so many of these bytes were taken. No system calls.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "engine/connection.h"

namespace broadside {

// One visit of a batch. Indexes into the batch's ranges and runs.
struct Visit {
  Connection* connection = nullptr;
  std::uint32_t range_begin = 0;
  std::uint32_t range_count = 0;
  std::uint32_t run_begin = 0;
  std::uint32_t run_count = 0;
  std::uint64_t bytes = 0;
  bool is_heartbeat = false;
};

// A turn's visits. Requires, for every connection: its views are up to date and its cursors normalised and not lost.
class DeliveryBatch {
 public:
  static constexpr std::uint32_t kVisitsMax = 128;  // 64 to 128 a batch cost the same a send; a turn stays below a millisecond.
  static constexpr std::uint32_t kRangesMax = 64;   // Of one visit.

  DeliveryBatch();
  void clear();
  [[nodiscard]] bool is_full() const { return visits_.size() >= kVisitsMax; }
  [[nodiscard]] std::vector<Visit>& visits() { return visits_; }
  [[nodiscard]] const std::vector<Visit>& visits() const { return visits_; }
  [[nodiscard]] const iovec* ranges_of(const Visit& visit) const { return ranges_.data() + visit.range_begin; }

  // Adds what `connection` lacks, `bytes_max` or little more. False (and nothing added) if it lacks nothing.
  bool add(Connection& connection, std::uint64_t bytes_max);
  void add_heartbeat(Connection& connection);
  // Moves cursors by the `sent` first bytes of the visit; returns the events that are now completely sent.
  std::uint32_t apply(const Visit& visit, std::uint64_t sent);
  // What apply() has sent for the first time to anybody: frames [from, to) of `view`, in any order. Cleared by the caller.
  struct Advance {
    TopicView* view = nullptr;
    Cursor from;
    Cursor to;
  };
  [[nodiscard]] std::vector<Advance>& advances() { return advances_; }
  // The bytes of the visit, one behind the other (for streams whose framing is their own).
  void copy(const Visit& visit, std::string& out) const;
  // Takes the last visit out again.
  void drop_last();

 private:
  struct Run {
    bool is_own = false;
    std::uint16_t subscription = 0;
    std::uint32_t segment = 0;
    std::uint32_t frame_begin = 0;
    std::uint32_t frame_end = 0;
    std::uint64_t begin = 0;  // Offset in the segment.
    std::uint64_t bytes = 0;
  };

  void add_range(Visit& visit, const char* bytes, std::uint64_t count);
  void add_run(Visit& visit, Connection& connection, std::uint16_t subscription, Cursor cursor, std::uint32_t frame_end,
               std::uint64_t skip);
  void add_frames(Visit& visit, Connection& connection, std::uint64_t bytes_max);

  std::vector<Visit> visits_;
  std::vector<iovec> ranges_;
  std::vector<Run> runs_;
  std::vector<Advance> advances_;
  std::vector<Cursor> cursors_;  // Of the connection that is being added: how far the visit has come.
};

// Whether what has been sent so far is known to end between two events.
[[nodiscard]] bool is_at_border(const Connection& connection);
// Whether the connection has frames that its heads allow, or own bytes, still to be sent.
[[nodiscard]] bool lacks_something(Connection& connection);
// Whether `subscription` has nothing to come: it stands behind an end, or at the head of a topic that has ended.
[[nodiscard]] bool is_over(const Subscription& subscription);

}  // namespace broadside
