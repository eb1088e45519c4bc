#include "engine/c_config.h"

#include "broadside/engine.h"

namespace broadside {
namespace {

static_assert(BROADSIDE_BACKEND_AUTOMATIC == static_cast<int>(Backend::automatic));
static_assert(BROADSIDE_BACKEND_URING == static_cast<int>(Backend::uring));
static_assert(BROADSIDE_BACKEND_EPOLL == static_cast<int>(Backend::epoll));
static_assert(BROADSIDE_LOG_DEBUG == static_cast<int>(LogLevel::debug));
static_assert(BROADSIDE_LOG_INFO == static_cast<int>(LogLevel::info));
static_assert(BROADSIDE_LOG_WARNING == static_cast<int>(LogLevel::warning));
static_assert(BROADSIDE_LOG_ERROR == static_cast<int>(LogLevel::error));
static_assert(BROADSIDE_LAG_DISCONNECT == static_cast<int>(LagPolicy::disconnect));
static_assert(BROADSIDE_LAG_SKIP == static_cast<int>(LagPolicy::skip));
static_assert(BROADSIDE_LAG_CONFLATE == static_cast<int>(LagPolicy::conflate));

// Each pair of members that mean the same, handed to `copy`: one list for both directions.
template <typename C, typename Copy>
void each_pair(C& c, LagLimits& ours, const Copy& copy) {
  copy(c.events, ours.events);
  copy(c.bytes, ours.bytes);
  copy(c.age_ms, ours.age_ms);
}

template <typename C, typename Copy>
void each_pair(C& c, TopicRules& ours, const Copy& copy) {
  copy(c.history_events, ours.history_events);
  copy(c.history_bytes, ours.history_bytes);
  copy(c.history_age_ms, ours.history_age_ms);
  copy(c.heartbeat_ms, ours.heartbeat_ms);
  each_pair(c.lag, ours.lag, copy);
  each_pair(c.soft_lag, ours.soft_lag, copy);
  copy(c.keep, ours.keep);
  copy(c.rate, ours.rate);
  copy(c.keys, ours.keys);
  copy(c.snapshot, ours.snapshot);
}

template <typename C, typename Copy>
void each_pair(C& c, Config& ours, const Copy& copy) {
  copy(c.shards, ours.shards);
  copy(c.connections_max, ours.connections_max);
  copy(c.head_bytes_max, ours.head_bytes_max);
  copy(c.head_timeout_ms, ours.head_timeout_ms);
  copy(c.body_timeout_ms, ours.body_timeout_ms);
  copy(c.answer_timeout_ms, ours.answer_timeout_ms);
  copy(c.idle_timeout_ms, ours.idle_timeout_ms);
  copy(c.body_bytes_max, ours.body_bytes_max);
  copy(c.event_bytes_max, ours.event_bytes_max);
  copy(c.topics_per_subscriber_max, ours.topics_per_subscriber_max);
  copy(c.stream_age_max_ms, ours.stream_age_max_ms);
  copy(c.memory_max, ours.memory_max);
  copy(c.history_memory, ours.history_memory);
  copy(c.backlog_bytes, ours.backlog_bytes);
  copy(c.ended_age_ms, ours.ended_age_ms);
  copy(c.expiry_notice_ms, ours.expiry_notice_ms);
  copy(c.retry_ms, ours.retry_ms);
  copy(c.stall_timeout_ms, ours.stall_timeout_ms);
  copy(c.send_bytes_max, ours.send_bytes_max);
  copy(c.send_buffer_bytes, ours.send_buffer_bytes);
  copy(c.drain_timeout_ms, ours.drain_timeout_ms);
  copy(c.drain_rate, ours.drain_rate);
  copy(c.is_host_driven, ours.is_host_driven);
  copy(c.address_prefix6, ours.address_prefix6);
  copy(c.address_connections_max, ours.address_connections_max);
  copy(c.subject_connections_max, ours.subject_connections_max);
  copy(c.address_connect_rate, ours.address_connect_rate);
}

constexpr auto kToOurs = [](const auto& c, auto& ours) { ours = c; };
constexpr auto kToC = [](auto& c, const auto& ours) { c = ours; };

broadside_topic_rules default_rules() {
  broadside_topic_rules rules{};
  TopicRules ours;
  rules.size = sizeof rules;
  rules.policy = static_cast<broadside_lag_policy>(ours.policy);
  each_pair(rules, ours, kToC);
  return rules;
}

broadside_config default_config() {
  broadside_config config{};
  Config ours;
  config.size = sizeof config;
  config.backend = static_cast<broadside_backend>(ours.backend);
  each_pair(config, ours, kToC);
  return config;
}

TopicRules read_rules(CArguments& arguments, const broadside_topic_rules* rules, const char* name) {
  const broadside_topic_rules known = arguments.sized(rules, broadside_topic_rules_init, name);
  TopicRules read;
  each_pair(known, read, kToOurs);
  read.policy = arguments.value(known.policy, LagPolicy::conflate, "policy");
  return read;
}

}  // namespace

broadside_config known_config(CArguments& arguments, const broadside_config* config) {
  return arguments.sized(config, broadside_config_init, "config");
}

Config read_config(CArguments& arguments, const broadside_config& known) {
  Config read;
  each_pair(known, read, kToOurs);
  read.backend = arguments.value(known.backend, Backend::epoll, "backend");
  read.listen = arguments.texts(known.listen, known.listen_count, "listen");
  read.trusted_proxies = arguments.texts(known.trusted_proxies, known.trusted_proxy_count, "trusted_proxies");
  if (known.defaults != nullptr) read.defaults = read_rules(arguments, known.defaults, "defaults");
  for (const broadside_topic_section& section : arguments.list(known.topics, known.topic_count, "topics")) {
    read.topics.push_back({.pattern = std::string(arguments.text(section.pattern, "pattern")),
                           .rules = read_rules(arguments, section.rules, "rules")});
  }
  return read;
}

}  // namespace broadside

void broadside_config_set_defaults(broadside_config* config, size_t size) {
  if (config == nullptr || size < sizeof size) return;
  config->size = size;
  broadside::give(broadside::default_config(), config);
}

void broadside_topic_rules_set_defaults(broadside_topic_rules* rules, size_t size) {
  if (rules == nullptr || size < sizeof size) return;
  rules->size = size;
  broadside::give(broadside::default_rules(), rules);
}

broadside_status broadside_config_check(const broadside_config* config, broadside_error* error) {
  broadside::CArguments arguments(error);
  const broadside::Config read = read_config(arguments, known_config(arguments, config));
  if (!arguments.are_good()) return arguments.status();
  return arguments.finish(broadside::Engine::check(read));
}
