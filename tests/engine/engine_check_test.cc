// What Engine::check() refuses of the rules of topics and of the limits beside them: at the limit, beyond it, and by which name.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "broadside/engine.h"

namespace broadside {
namespace {

// The refusal; empty if there is none.
std::string refusal(const std::function<void(Config&)>& change) {
  Config config;
  change(config);
  const Result<Done> good = Engine::check(config);
  return good ? "" : good.error().message;
}

std::string refusal_of_rules(const std::function<void(TopicRules&)>& change) {
  const std::string of_defaults = refusal([&](Config& config) { change(config.defaults); });
  const std::string of_section = refusal([&](Config& config) {
    config.topics.push_back({.pattern = "a.*", .rules = {}});
    change(config.topics.back().rules);
  });
  EXPECT_EQ(of_section, of_defaults.empty() ? "" : "topics matching `a.*`: " + of_defaults);
  return of_defaults;
}

TEST(EngineCheck, defaults_are_good) {
  EXPECT_EQ(refusal([](Config&) {}), "");
}

TEST(EngineCheck, a_rate_is_none_or_in_range) {
  const auto of = [](double rate) { return refusal_of_rules([rate](TopicRules& rules) { rules.rate = rate; }); };
  for (const double good : {0.0, 0.01, 1.0, 100.0}) EXPECT_EQ(of(good), "") << good;
  for (const double bad : {0.009, 100.1, -1.0, std::nan("")}) EXPECT_EQ(of(bad), "rate: 0, or 0.01 to 100 a second") << bad;
}

TEST(EngineCheck, a_heartbeat_is_none_or_slow_enough) {
  const auto of = [](std::uint32_t ms) { return refusal_of_rules([ms](TopicRules& rules) { rules.heartbeat_ms = ms; }); };
  EXPECT_EQ(of(0), "");
  EXPECT_EQ(of(200), "");
  EXPECT_NE(of(199), "");
}

TEST(EngineCheck, what_is_kept_needs_the_policy_that_skips) {
  const auto of = [](LagPolicy policy) {
    return refusal_of_rules([policy](TopicRules& rules) {
      rules.keep = 1;
      rules.policy = policy;
    });
  };
  EXPECT_EQ(of(LagPolicy::skip), "");
  EXPECT_NE(of(LagPolicy::disconnect), "");
  EXPECT_NE(of(LagPolicy::conflate), "");
}

TEST(EngineCheck, a_snapshot_needs_keys) {
  const auto of = [](LagPolicy policy, std::uint32_t keys) {
    return refusal_of_rules([=](TopicRules& rules) {
      rules.snapshot = true;
      rules.policy = policy;
      rules.keys = keys;
    });
  };
  EXPECT_NE(of(LagPolicy::disconnect, 0), "");
  EXPECT_NE(of(LagPolicy::skip, 0), "");
  EXPECT_EQ(of(LagPolicy::skip, 1), "");
  EXPECT_EQ(of(LagPolicy::conflate, 0), "") << "conflate has keys without being told how many";
}

TEST(EngineCheck, an_address_is_told_by_some_of_its_bits_and_connects_at_a_rate_in_range) {
  const auto of_rate = [](double rate) { return refusal([rate](Config& config) { config.address_connect_rate = rate; }); };
  for (const double good : {0.0, 0.01, 1e6}) EXPECT_EQ(of_rate(good), "") << good;
  for (const double bad : {0.009, 1e6 + 1, -1.0, std::nan("")}) EXPECT_NE(of_rate(bad), "") << bad;
  const auto of_bits = [](std::uint32_t bits) { return refusal([bits](Config& config) { config.address_prefix6 = bits; }); };
  for (const std::uint32_t good : {1U, 128U}) EXPECT_EQ(of_bits(good), "") << good;
  for (const std::uint32_t bad : {0U, 129U}) EXPECT_NE(of_bits(bad), "") << bad;
}

TEST(EngineCheck, a_trusted_proxy_is_a_network) {
  EXPECT_EQ(refusal([](Config& config) { config.trusted_proxies = {"10.0.0.0/8", "unix"}; }), "");
  EXPECT_NE(refusal([](Config& config) { config.trusted_proxies = {"proxy.example"}; }), "");
}

TEST(EngineCheck, a_section_needs_a_pattern) {
  EXPECT_NE(refusal([](Config& config) { config.topics.push_back({}); }), "");
}

TEST(EngineCheck, an_age_of_streams_is_none_or_a_second) {
  EXPECT_EQ(refusal([](Config& config) { config.stream_age_max_ms = 1000; }), "");
  EXPECT_NE(refusal([](Config& config) { config.stream_age_max_ms = 999; }), "");
}

TEST(EngineCheck, all_memory_holds_the_memory_of_logs) {
  const auto of = [](std::uint64_t all, std::uint64_t logs) {
    return refusal([=](Config& config) {
      config.memory_max = all;
      config.history_memory = logs;
    });
  };
  EXPECT_EQ(of(1 << 20, 0), "");
  EXPECT_NE(of((1 << 20) - 1, 0), "");
  EXPECT_EQ(of(1 << 21, 1 << 21), "");
  EXPECT_NE(of(1 << 21, (1 << 21) + 1), "");
  EXPECT_EQ(of(0, std::uint64_t{1} << 50), "") << "without a bound there is nothing to hold it";
}

}  // namespace
}  // namespace broadside
