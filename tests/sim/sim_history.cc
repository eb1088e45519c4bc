#include "tests/sim/sim_history.h"

#include <algorithm>
#include <utility>

#include "proto/position.h"
#include "proto/topic_name.h"

namespace broadside::sim {

History::History(const Config& config, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto section = std::find_if(config.topics.begin(), config.topics.end(),
                                      [&](const TopicSection& each) { return matches_pattern(each.pattern, name); });
    const TopicRules& rules = section == config.topics.end() ? config.defaults : section->rules;
    topics_.push_back(Topic{.name = name, .rules = rules, .events = {}, .newest_of_key = {}});
  }
}

bool History::add(PublishedEvent event) {
  if (event.position <= newest_) return false;
  newest_ = event.position;
  ++events_count_;
  Topic& topic = topics_[event.topic];
  if (!event.key.empty()) topic.newest_of_key[event.key] = event.position;
  if (!is_position_form(event.id)) own_ids_.emplace(event.id, std::pair(event.topic, event.position));
  topic.events.push_back(std::move(event));
  return true;
}

bool History::has(TopicIndex topic, std::string_view id, Position position) const {
  const std::vector<Position> found = positions_of({topic}, id);
  return std::find(found.begin(), found.end(), position) != found.end();
}

std::optional<TopicIndex> History::find_topic(std::string_view name) const {
  for (TopicIndex i = 0; i < topics_.size(); ++i) {
    if (topics_[i].name == name) return i;
  }
  return std::nullopt;
}

std::size_t History::after(TopicIndex topic, Position position) const {
  const std::vector<PublishedEvent>& events = topics_[topic].events;
  const auto found = std::upper_bound(events.begin(), events.end(), position,
                                      [](Position wanted, const PublishedEvent& event) { return wanted < event.position; });
  return static_cast<std::size_t>(found - events.begin());
}

std::vector<Position> History::positions_of(const std::vector<TopicIndex>& topics, std::string_view id) const {
  std::vector<Position> found;
  const auto [begin, end] = own_ids_.equal_range(std::string(id));
  for (auto at = begin; at != end; ++at) {
    const auto& [topic, position] = at->second;
    if (std::find(topics.begin(), topics.end(), topic) != topics.end()) found.push_back(position);
  }
  return found;
}

std::uint64_t History::count(const std::vector<TopicIndex>& topics, Position after_position, Position up_to) const {
  std::uint64_t count = 0;
  for (const TopicIndex topic : topics) {
    const std::vector<PublishedEvent>& events = topics_[topic].events;
    for (std::size_t i = after(topic, after_position); i < events.size() && events[i].position <= up_to; ++i) {
      if (!events[i].is_end) ++count;
    }
  }
  return count;
}

bool History::is_ended(TopicIndex topic) const { return !topics_[topic].events.empty() && topics_[topic].events.back().is_end; }

}  // namespace broadside::sim
