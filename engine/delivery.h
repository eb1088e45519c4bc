// What one visit sends to one subscriber: ranges of shared bytes from its places towards the heads, merged by position, with
// the connection's own bytes at a frame border; and what it means that so many of these bytes were taken. No system calls.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/connection.h"
#include "engine/framing.h"

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
  bool has_frames = false;  // Beyond the rest of one begun.
  Framed framed;            // Of a connection that is_framed.
};

// A turn's visits. Requires, for every connection: its views are up to date and its cursors normalised and not lost.
class DeliveryBatch {
 public:
  static constexpr std::uint32_t kVisitsMax = 128;  // 64 to 128 a batch cost the same a send; a turn stays below a millisecond.
  static constexpr std::uint32_t kRangesMax = 64;   // Of one visit.

  explicit DeliveryBatch(TornFrames& torn_frames);
  void clear();
  // Whether it has no room for another visit beyond `kept` ones.
  [[nodiscard]] bool is_full(std::size_t kept = 0) const {
    return visits_.size() + kept >= kVisitsMax || !framing_.has_room(kept, kVisitsMax);
  }
  [[nodiscard]] std::vector<Visit>& visits() { return visits_; }
  [[nodiscard]] const std::vector<Visit>& visits() const { return visits_; }
  // What the kernel is asked for. The bytes stay where they are until clear().
  [[nodiscard]] io::SendRequest request_of(const Visit& visit) const;

  // Adds what `connection` lacks: the rest of a frame begun, its own bytes, then frames, `bytes_max` in all or little more (0: no
  // further frames). False (and nothing added) if that is nothing. Requires: not full.
  bool add(Connection& connection, std::uint64_t bytes_max);
  void add_heartbeat(Connection& connection);
  // The kernel has taken the `sent` first bytes of request_of(): moves cursors; returns the events that are now completely sent.
  std::uint32_t apply(const Visit& visit, std::uint64_t sent);
  // What apply() has sent for the first time to anybody: frames [from, to) of `view`, in any order. Cleared by the caller.
  struct Advance {
    TopicView* view = nullptr;
    Cursor from;
    Cursor to;
  };
  [[nodiscard]] std::vector<Advance>& advances() { return advances_; }

 private:
  enum class RunKind : std::uint8_t { frames, torn, own };
  struct Run {
    RunKind kind = RunKind::frames;
    std::uint16_t subscription = 0;
    bool ends_topic = false;  // The last frame is broadside.end.
    bool is_kept = false;
    bool is_conflated = false;
    const Segment* segment = nullptr;
    std::uint32_t frame_begin = 0;
    std::uint32_t frame_end = 0;
    std::uint64_t begin = 0;  // Offset in the segment.
    std::uint64_t bytes = 0;
  };
  // Where a visit stands in one subscription, and what comes next there.
  struct Reader {
    Cursor cursor;  // Plain.
    Place place;    // Conflating: up to `until`, then it is plain.
    Position until;
    bool conflates = false;
    bool is_over = false;
    bool has_next = false;  // The rest is known, and true.
    const HeldSegment* held = nullptr;
    std::uint32_t frame = 0;
    std::uint32_t frames = 0;  // Of `held` that may be sent.
    Position position;
  };

  void add_visit(Visit& visit, std::uint64_t own_begin, std::uint64_t own_end);
  void add_range(Visit& visit, const char* bytes, std::uint64_t count);
  void add_run(Visit& visit, std::uint16_t subscription, const HeldSegment& held, std::uint32_t frame_begin,
               std::uint32_t frame_end, std::uint64_t skip);
  void add_rest_of_frame(Visit& visit, Connection& connection);
  void add_frames(Visit& visit, Connection& connection, std::uint64_t bytes_max);
  static void find_next(Reader& reader, const TopicView& view);
  static std::uint32_t end_of_run(const Reader& reader, const TopicView& view, Position next_position);
  std::uint32_t apply_torn(const Run& run, Connection& connection, std::uint64_t taken);
  std::uint32_t apply_frames(const Run& run, Connection& connection, std::uint64_t taken);
  static std::uint32_t pass(const Run& run, Subscription& subscription, std::uint32_t frame);
  void advance(const Run& run, TopicView& view, std::uint32_t frame);

  TornFrames& torn_frames_;
  std::vector<Visit> visits_;
  std::vector<iovec> ranges_;
  std::vector<Run> runs_;
  std::vector<Advance> advances_;
  FramingBuffer framing_;
  std::vector<Reader> readers_;  // Of the connection that is being added.
};

// Brings the subscription to the next frame that its head allows; its position, if there is one. It may be superseded at any
// moment: to ask twice may give two answers.
std::optional<Position> next_position(Subscription& subscription);
// Whether it lacks what is no longer to be had, and has not been told.
[[nodiscard]] bool has_untold_loss(const Subscription& subscription);
// Whether what has been sent so far is known to end between two events.
[[nodiscard]] bool is_at_border(const Connection& connection);
// Whether the connection has frames that its heads allow, or own bytes, still to be sent.
[[nodiscard]] bool lacks_something(Connection& connection);
// Whether its keys have sealed as much as they should.
[[nodiscard]] bool is_worn(const Connection& connection);
// Whether `subscription` has nothing to come: it stands behind an end, or at the head of a topic that has ended.
[[nodiscard]] bool is_over(Subscription& subscription);

}  // namespace broadside
