// Everything that was published in a simulation, by topic and in the order of position: what the oracle compares with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broadside/config.h"
#include "broadside/position.h"

namespace broadside::sim {

using TopicIndex = std::uint32_t;

struct PublishedEvent {
  TopicIndex topic = 0;
  Position position;
  std::string id;  // As subscribers see it.
  std::string type;
  std::string data;
  std::string key;
  bool is_end = false;
};

class History {
 public:
  struct Topic {
    std::string name;
    TopicRules rules;
    std::vector<PublishedEvent> events;
    std::unordered_map<std::string, Position> newest_of_key;
  };

  // Rules by `config`, as the engine chooses them.
  History(const Config& config, const std::vector<std::string>& names);

  // Takes what the engine says it has published. False: its position is not newer than all before.
  [[nodiscard]] bool add(PublishedEvent event);
  // What a batch is told of an id that the log still holds: whether an event of that id stands there.
  [[nodiscard]] bool has(TopicIndex topic, std::string_view id, Position position) const;

  [[nodiscard]] const Topic& topic(TopicIndex index) const { return topics_[index]; }
  [[nodiscard]] TopicIndex topics_count() const { return static_cast<TopicIndex>(topics_.size()); }
  [[nodiscard]] std::optional<TopicIndex> find_topic(std::string_view name) const;
  [[nodiscard]] Position start() const { return start_; }
  void set_start(Position start) { start_ = newest_ = start; }
  [[nodiscard]] Position newest() const { return newest_; }  // Of all topics.
  // The place of the first event of the topic that is newer.
  [[nodiscard]] std::size_t after(TopicIndex topic, Position position) const;
  // Where the events of these topics with this id stand.
  [[nodiscard]] std::vector<Position> positions_of(const std::vector<TopicIndex>& topics, std::string_view id) const;
  // Events of these topics in (after, up_to], without ends.
  [[nodiscard]] std::uint64_t count(const std::vector<TopicIndex>& topics, Position after, Position up_to) const;
  [[nodiscard]] bool is_ended(TopicIndex topic) const;
  [[nodiscard]] std::uint64_t events_count() const { return events_count_; }

 private:
  std::vector<Topic> topics_;
  std::unordered_multimap<std::string, std::pair<TopicIndex, Position>> own_ids_;
  Position start_;
  Position newest_;
  std::uint64_t events_count_ = 0;
};

}  // namespace broadside::sim
