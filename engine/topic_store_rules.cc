// The part of the store that knows which rules a topic has, and takes over new ones.
#include <algorithm>

#include "engine/topic_store.h"
#include "proto/topic_name.h"

namespace broadside {
namespace {

constexpr std::uint32_t kConflatedKeysDefault = 100'000;

// How many keys a topic with these rules has at most.
std::uint32_t keys_max_of(const TopicRules& rules) {
  return rules.keys == 0 && rules.policy == LagPolicy::conflate ? kConflatedKeysDefault : rules.keys;
}

}  // namespace

void TopicStore::reconfigure(const Config& config, std::uint64_t history_memory, std::uint64_t memory_max) {
  WakeSet wakes{};
  {
    const std::lock_guard lock(mutex_);
    history_memory_ = history_memory;
    memory_max_ = memory_max;
    ended_age_ms_ = config.ended_age_ms;
    event_bytes_limit_.store(config.event_bytes_max, std::memory_order_relaxed);
    defaults_ = config.defaults;
    sections_ = config.topics;
    ++rules_version_;  // Each topic looks its rules up when it is touched next.
    age_min_ms_ = defaults_.history_age_ms;
    has_keys_ = keys_max_of(defaults_) > 0;
    std::uint64_t history_bytes_max = defaults_.history_bytes;
    for (const TopicSection& section : sections_) {
      age_min_ms_ = std::min(age_min_ms_, section.rules.history_age_ms);
      has_keys_ = has_keys_ || keys_max_of(section.rules) > 0;
      history_bytes_max = std::max(history_bytes_max, section.rules.history_bytes);
    }
    backlog_limit_.store(std::max(config.backlog_bytes, history_bytes_max), std::memory_order_relaxed);
    for (Topic* topic : by_name_) {
      if (topic->view_count > 0) mark_dirty(topic);
    }
    wakes = take_wakes();
  }
  wake(wakes);
}

const TopicRules& TopicStore::rules_of(Topic& topic) {
  if (topic.rules_version != rules_version_) resolve_rules(topic);
  return *topic.rules;
}

void TopicStore::resolve_rules(Topic& topic) {
  const auto found = std::find_if(sections_.begin(), sections_.end(),
                                  [&](const TopicSection& section) { return matches_pattern(section.pattern, topic.name); });
  topic.rules = found != sections_.end() ? &found->rules : &defaults_;
  topic.rules_version = rules_version_;
  const std::uint32_t keys_max = keys_max_of(*topic.rules);
  if (keys_max == 0) {
    topic.keys.reset();
  } else if (topic.keys == nullptr) {
    topic.keys = std::make_unique<KeyTable>(&topic, kept_, keys_max, topic.log.floor());
  } else {
    topic.keys->set_keys_max(keys_max);
  }
}

}  // namespace broadside
