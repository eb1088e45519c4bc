// Knows what one subscriber must have, under its topics' policies, and in which order. Looks at every event as it arrives, over
// all the subscriber's streams, and says what is wrong: lost, doubled, out of order, changed, or a gap that does not say the
// truth.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "broadside/sse.h"
#include "tests/sim/sim_history.h"
#include "tests/sim/sim_plan.h"

namespace broadside::sim {

// What a stream was asked for.
struct StreamRequest {
  enum class Start : std::uint8_t { live, after_id, since, last };
  std::vector<TopicIndex> topics;
  Start start = Start::live;
  std::string id;              // after_id.
  std::uint64_t since_ms = 0;  // since.
  std::uint64_t last = 0;      // last.
  std::uint64_t limit = 0;     // 0 = none.
  bool follows = true;
  std::optional<bool> snapshot;  // `snapshot=`, where it was given.
  double rate = 0;               // `rate=`; 0 = none.
};

// How a stream ended, as far as its bytes say.
enum class StreamEnd : std::uint8_t { closed, completed, cut };  // FIN; behind the last chunk of a chunked one; reset, or by us.

// Invariant: of each of its topics, everything before `next` has been delivered, or did not have to be.
class SubscriberOracle {
 public:
  SubscriberOracle(const History& history, Keeping keeping) : history_(history), keeping_(keeping) {}

  // A new stream. `request` is kept; what was delivered before still counts if it goes on behind that.
  void begin(const StreamRequest& request);
  // `sent_at`: when the engine sent the event's first byte.
  void on_event(const DecodedEvent& event, Nanos sent_at);
  void on_leave() { may_leave_ = true; }  // Who has to leave is sent everything at once.
  void on_end(StreamEnd end, bool is_draining);
  // 204: there is nothing more to come.
  void on_nothing_left();

  [[nodiscard]] bool is_open() const { return is_open_; }
  // Whether nothing that was published up to now is missing.
  [[nodiscard]] bool is_at_head() const;
  // Whether a policy may close it for its lag alone.
  [[nodiscard]] bool may_lag_too_far() const;
  [[nodiscard]] bool is_rated() const { return rate_ > 0; }
  // Whether the engine may end the stream by itself, without a fault of anybody.
  [[nodiscard]] bool may_be_ended() const;
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] std::uint64_t delivered_count() const { return delivered_count_; }

 private:
  struct Part {
    TopicIndex topic = 0;
    std::size_t next = 0;      // The first event not accounted for.
    bool has_ended = false;    // On this stream: behind broadside.end.
    Position snapshot_end;     // Up to here only the newest event of each key has to come.
    Position told_until;       // Up to here it was told of a gap in keys: what they still have of it may come.
    Position ambiguous_until;  // Up to here the stream may have begun before or after an event, until the first has come.
  };
  struct GapReport;

  void on_open(const DecodedEvent& event);
  [[nodiscard]] std::optional<Position> start_of(Position open);
  [[nodiscard]] std::optional<Position> start_after_id(Position open);
  void check_last(Position open);
  [[nodiscard]] bool keeps_everything() const { return keeping_ == Keeping::everything; }
  void on_gap(const DecodedEvent& event);
  void check_gap(const GapReport& gap, const Part& part);
  void check_retention(const History::Topic& topic, Position to);
  void on_published(const DecodedEvent& event, Nanos sent_at);
  [[nodiscard]] const PublishedEvent* find_published(const DecodedEvent& event) const;
  // All events of the part before `position` that have not come need an excuse.
  void pass(Part& part, Position position);
  [[nodiscard]] bool is_excused(const Part& part, const PublishedEvent& event, Position position) const;
  // The subscriber would resume from here: nothing at or before it may be missing.
  void check_claim(Position position);
  // Whether no key of the topic need ever be forgotten.
  [[nodiscard]] bool has_room(const History::Topic& topic) const;
  [[nodiscard]] static bool is_of_former_life(const History::Topic& topic, const PublishedEvent& event);
  // Whether a gap told of its loss.
  [[nodiscard]] bool is_told(const Part& part, const PublishedEvent& event) const;
  [[nodiscard]] static bool has_keys(const TopicRules& rules) { return rules.keys > 0 || rules.policy == LagPolicy::conflate; }
  void check_counts(Position position);
  void check_rate(Nanos sent_at);
  [[nodiscard]] bool has_snapshot(TopicIndex topic) const;
  // Whether the part stands behind an end, delivered or passed by where it began.
  [[nodiscard]] bool is_behind_end(const Part& part) const;
  // Whether a topic has opened again behind an end that was delivered: that ends the stream, for what comes next is for another.
  [[nodiscard]] bool has_reopened() const;
  [[nodiscard]] Part* part_of(TopicIndex topic);
  void fail(std::string_view what, Position position = {});

  const History& history_;
  const Keeping keeping_;
  StreamRequest request_;
  std::vector<Part> parts_;
  bool is_open_ = false;
  Position newest_at_request_;
  Position last_;  // The newest position delivered on this stream.
  std::uint64_t events_on_stream_ = 0;
  std::uint64_t replayed_count_ = 0;
  std::optional<Nanos> visited_at_;
  double rate_ = 0;
  bool may_leave_ = false;
  std::uint64_t delivered_count_ = 0;
  std::string violation_;
};

}  // namespace broadside::sim
