// Knows every event that was published, in the total order, and so which events each subscriber must have, and in which order.
// Says what is wrong: lost, doubled, reordered, torn or unknown. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broadside/position.h"

namespace broadside::test {

using TopicIndex = std::uint32_t;

// `data` as a decoder gives it back: CRLF and CR are LF.
std::string normalized_lines(std::string_view data);

// Data that carries a checksum of itself: "<checksum>:<text>".
std::string make_payload(std::string_view text);
// Whether data made by make_payload() arrived whole.
bool is_payload_intact(std::string_view data);

// What identifies an event's content: its type and its decoded data.
std::uint64_t digest_of(std::string_view type, std::string_view data);

// An event's id as a number: its position, or, for a publisher's own id, a hash with the top bit set (positions never have it).
using IdKey = std::uint64_t;
IdKey id_key_of(std::string_view id);

struct Received {
  IdKey id = 0;
  std::uint64_t digest = 0;
};

// A range of one topic (or of all) of which a subscriber was told that it may have missed it: after `from`, up to `to`.
struct ToldGap {
  std::optional<TopicIndex> topic;
  Position from;
  Position to;
};

// What one subscriber went through, over all its reconnects.
struct SubscriberRecord {
  struct Resume {
    IdKey last_id = 0;    // Sent as Last-Event-ID.
    Position open_after;  // What `broadside.open` answered.
  };

  std::vector<TopicIndex> topics;
  std::optional<Position> start;  // The id of the first `broadside.open`.
  std::vector<Received> received;
  std::vector<Resume> resumes;
  std::vector<ToldGap> gaps;
  std::string violation;  // The first thing that was wrong with its bytes.
};

class Oracle {
 public:
  // Takes what a publish answered. `id` is the event's as sent to subscribers. In any order of positions.
  void on_published(TopicIndex topic, Position position, std::string_view id, std::string_view type, std::string_view data);
  // The same with the digest already made and the position as id (for a process that is told by another).
  void on_published(TopicIndex topic, Position position, std::uint64_t digest);

  // What is wrong with this subscriber; empty when nothing is. `is_complete`: it must have everything published so far, else
  // it may end anywhere. Gaps are a fault unless `are_gaps_allowed`.
  [[nodiscard]] std::string check(const SubscriberRecord& record, bool is_complete, bool are_gaps_allowed = false) const;

  // Whether the newest event of its topics has arrived, or none has been published since it came.
  [[nodiscard]] bool has_newest(const SubscriberRecord& record) const;

  [[nodiscard]] std::size_t events_count() const { return events_count_; }
  // `<topic> <position> <digest>` a line, in order, for another process.
  [[nodiscard]] std::string to_text() const;

 private:
  // Every topic's events by position.
  using TopicEvents = std::map<std::uint64_t, std::uint64_t>;  // Packed position to digest.

  struct Expected {
    std::uint64_t position = 0;
    std::uint64_t digest = 0;
    TopicIndex topic = 0;
  };

  [[nodiscard]] std::vector<Expected> expected_of(const SubscriberRecord& record) const;
  [[nodiscard]] std::optional<std::uint64_t> position_of(IdKey id) const;
  [[nodiscard]] std::string check_resumes(const SubscriberRecord& record) const;

  std::unordered_map<TopicIndex, TopicEvents> topics_;
  std::unordered_map<IdKey, std::uint64_t> own_ids_;  // Publishers' own ids to positions.
  std::size_t events_count_ = 0;
};

}  // namespace broadside::test
