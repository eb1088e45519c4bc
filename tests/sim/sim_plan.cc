#include "tests/sim/sim_plan.h"

#include <algorithm>

namespace broadside::sim {

namespace {

constexpr std::uint64_t kPlenty = 64 * kMiB;
constexpr std::uint64_t kCrowdOneIn = 64;
constexpr std::uint32_t kNeverMs = 3'600'000;

void draw_policy(Dice& dice, TopicRules& rules) {
  constexpr LagPolicy kPolicies[] = {LagPolicy::disconnect, LagPolicy::skip, LagPolicy::conflate};
  rules.policy = kPolicies[dice.below(3)];
  if (dice.one_in(2)) rules.lag.events = dice.scaled(1, 500);
  if (dice.one_in(4)) rules.lag.bytes = dice.scaled(100, 100'000);
  if (dice.one_in(4)) rules.lag.age_ms = dice.scaled(100, 5'000);
  if (rules.policy == LagPolicy::skip) rules.keep = dice.one_in(2) ? dice.scaled(1, 50) : 0;
  if (dice.one_in(4)) rules.rate = static_cast<double>(dice.scaled(4, 50));
  if (rules.policy == LagPolicy::conflate || dice.one_in(4))
    rules.keys = static_cast<std::uint32_t>(dice.one_in(4) ? dice.scaled(1, 8) : 100'000);
  rules.snapshot = rules.keys > 0 && dice.one_in(2);
}

TopicRules draw_rules(Dice& dice, Keeping keeping) {
  TopicRules rules;
  rules.heartbeat_ms = dice.one_in(4) ? 0 : static_cast<std::uint32_t>(dice.scaled(200, 20'000));
  rules.history_events = UINT32_MAX;
  rules.history_bytes = kPlenty;
  rules.history_age_ms = UINT32_MAX;
  if (keeping == Keeping::everything) return rules;
  rules.history_events = dice.scaled(1, 1'000);
  if (keeping == Keeping::bounded) {
    if (dice.one_in(8)) rules.history_events = 0;
    rules.history_bytes = dice.scaled(1, 200'000);
    rules.history_age_ms = dice.scaled(50, 100'000);
  }
  draw_policy(dice, rules);
  return rules;
}

void draw_config(Dice& dice, SimPlan& plan) {
  Config& config = plan.config;
  const bool has_plenty = plan.keeping != Keeping::bounded;
  config.defaults = draw_rules(dice, plan.keeping);
  if (dice.one_in(2)) {
    config.topics.push_back({.pattern = "a*", .rules = draw_rules(dice, plan.keeping)});
    config.topics.push_back({.pattern = "*b*", .rules = draw_rules(dice, plan.keeping)});
  }
  config.shards = plan.shards_count;
  config.head_timeout_ms = static_cast<std::uint32_t>(dice.scaled(500, 10'000));
  config.idle_timeout_ms = static_cast<std::uint32_t>(dice.scaled(500, 10'000));
  config.event_bytes_max = 64 * kKiB;
  config.backlog_bytes = has_plenty ? kPlenty : dice.scaled(2'000, 1 << 20);
  config.ended_age_ms = dice.scaled(100, 60'000);
  if (dice.one_in(4)) config.stream_age_max_ms = static_cast<std::uint32_t>(dice.scaled(1'000, 60'000));
  config.retry_ms = static_cast<std::uint32_t>(dice.scaled(1, 3'000));
  config.stall_timeout_ms = has_plenty ? kNeverMs : static_cast<std::uint32_t>(dice.scaled(100, 30'000));
  // Little a visit and few visits would take for ever.
  const auto is_rated = [](const TopicSection& section) { return section.rules.rate > 0; };
  plan.has_rates =
      config.defaults.rate > 0 || std::any_of(config.topics.begin(), config.topics.end(), is_rated) || dice.one_in(2);
  config.send_bytes_max = static_cast<std::uint32_t>(dice.scaled(plan.has_rates ? 16 << 10 : 64, 128 << 10));
  config.drain_timeout_ms = static_cast<std::uint32_t>(dice.scaled(5'000, 25'000));
  // Fast enough for all, though one shard should have them.
  const std::uint64_t drain_rate_min = 20 + 2'000ULL * plan.clients_count * plan.shards_count / config.drain_timeout_ms;
  config.drain_rate = dice.one_in(2) ? static_cast<std::uint32_t>(dice.scaled(drain_rate_min, 2 * drain_rate_min)) : 0;
  plan.history_memory = has_plenty ? kPlenty : dice.scaled(8'000, 4 << 20);
  plan.subscribers_max = dice.one_in(4) ? static_cast<std::uint32_t>(dice.between(1, plan.clients_count)) : 1'000;
}

// Each fault is absent in half of all lives, so that nothing hides behind another's noise.
std::uint64_t draw_fault(Dice& dice, std::uint64_t rarest) { return dice.one_in(2) ? 0 : dice.scaled(2, rarest); }

Faults draw_faults(Dice& dice) {
  Faults faults;
  faults.short_send = draw_fault(dice, 32);
  faults.blocked_send = draw_fault(dice, 64);
  faults.failed_send = draw_fault(dice, 4'096);
  faults.accept_failed = draw_fault(dice, 16);
  faults.watch_refused = draw_fault(dice, 64);
  faults.spurious_edge = draw_fault(dice, 16);
  faults.repeated_hang_up = draw_fault(dice, 4);
  faults.stale_completion = draw_fault(dice, 4);
  faults.late_completion = draw_fault(dice, 8);
  faults.interrupted = draw_fault(dice, 16);
  if (faults.watch_refused != 0) faults.watch_refused *= 8;
  if (faults.failed_send != 0) faults.failed_send *= 16;
  if (dice.one_in(2)) faults.completions_max = static_cast<std::uint32_t>(dice.scaled(1, 32));
  if (dice.one_in(2)) faults.accepts_max = static_cast<std::uint32_t>(dice.scaled(1, 64));
  if (dice.one_in(2)) faults.receive_bytes_max = static_cast<std::uint32_t>(dice.scaled(1, 1'000));
  return faults;
}

// Many clients are sent little, so that a life does not take long.
void bound_crowd(SimPlan& plan) {
  plan.steps_count = std::max(plan.steps_count, 15 * plan.clients_count);
  plan.data_bytes_max = std::min(plan.data_bytes_max, 200U);
  plan.batch_max = std::min(plan.batch_max, 4U);
  plan.config.send_bytes_max = std::max(plan.config.send_bytes_max, 4'096U);
}

}  // namespace

SimPlan draw_plan(Dice& dice) {
  SimPlan plan;
  plan.shards_count = static_cast<std::uint32_t>(dice.between(1, 3));
  plan.clients_count = static_cast<std::uint32_t>(dice.scaled(1, 40));
  plan.steps_count = static_cast<std::uint32_t>(dice.scaled(400, 6'000));
  plan.turns_per_check = static_cast<std::uint32_t>(dice.scaled(1, 16));
  constexpr Keeping kKeepings[] = {Keeping::everything, Keeping::by_count, Keeping::bounded, Keeping::bounded};
  plan.keeping = kKeepings[dice.below(4)];
  plan.has_tables = dice.one_in(2);
  plan.drains = dice.one_in(2);
  for (std::uint64_t i = dice.scaled(1, 8); i > 0; --i) plan.topics.push_back(std::string(1, "abc"[i % 3]) + std::to_string(i));
  // Now and then so many clients that a batch of sends is full, and a lap takes several turns.
  const bool is_crowd = dice.one_in(kCrowdOneIn);
  if (is_crowd) plan.clients_count = static_cast<std::uint32_t>(dice.between(130, 400));
  draw_config(dice, plan);
  plan.faults = draw_faults(dice);
  plan.batch_max = static_cast<std::uint32_t>(dice.scaled(1, 64));
  plan.data_bytes_max = static_cast<std::uint32_t>(dice.scaled(32, 20'000));
  plan.keys_count = static_cast<std::uint32_t>(dice.scaled(1, 64));
  plan.own_id = draw_fault(dice, 16);
  plan.end = draw_fault(dice, 64);
  plan.publishes_percent = static_cast<std::uint32_t>(dice.scaled(4, 40));
  plan.clocks_percent = static_cast<std::uint32_t>(dice.scaled(2, 20));
  plan.clock_step_max = static_cast<Nanos>(dice.scaled(kMillisecond, 4 * kSecond));
  plan.wall_step = draw_fault(dice, 32);
  plan.note = draw_fault(dice, 64);
  plan.vanish = draw_fault(dice, 64) * 4;
  plan.slow_client = dice.one_in(4) ? 0 : dice.scaled(1, 8);
  plan.is_sealed = dice.one_in(3);
  if (is_crowd) bound_crowd(plan);
  return plan;
}

}  // namespace broadside::sim
