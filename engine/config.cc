// What a Config may hold.
#include "broadside/config.h"

#include "broadside/engine.h"
#include "engine/subscribe_request.h"
#include "engine/topic_store.h"
#include "engine/trusted_proxies.h"
#include "proto/limits.h"

namespace broadside {
namespace {

Error bad(std::string message) { return Error{Error::Code::invalid_argument, std::move(message)}; }

// `of` begins the message: which topics they are the rules of.
Result<Done> check_rules(const TopicRules& rules, const std::string& of) {
  if (rules.heartbeat_ms != 0 && rules.heartbeat_ms < 200) return bad(of + "heartbeat_ms: 0, or at least 200");
  const bool is_rate = is_valid_rate(rules.rate);
  if (rules.rate != 0 && !is_rate) return bad(of + "rate: 0, or 0.01 to 100 a second");
  if (rules.keep != 0 && rules.policy != LagPolicy::skip) return bad(of + "keep: for policy skip alone");
  if (rules.snapshot && rules.keys == 0 && rules.policy != LagPolicy::conflate) {
    return bad(of + "snapshot: needs keys, or policy conflate");
  }
  return Done{};
}

}  // namespace

Result<Done> Engine::check(const Config& config) {
  if (config.shards > kShardsMax) return bad("shards: at most 256");
  if (config.is_host_driven && config.shards > 1) return bad("shards: a host-driven engine has one");
  if (config.answer_timeout_ms < 100) return bad("answer_timeout_ms: at least 100");
  if (config.connections_max > 4'000'000) return bad("connections_max: at most 4,000,000");
  if (config.topics_per_subscriber_max < 1 || config.topics_per_subscriber_max > kTopicsPerSubscriberMax) {
    return bad("topics_per_subscriber_max: 1 to 128");
  }
  if (config.head_bytes_max < 1024 || config.head_bytes_max > (1U << 20)) return bad("head_bytes_max: 1 KiB to 1 MiB");
  if (config.event_bytes_max < 1 || config.event_bytes_max > (64ULL << 20)) return bad("event_bytes_max: 1 byte to 64 MiB");
  if (config.send_bytes_max < (16U << 10) || config.send_bytes_max > (1U << 20)) return bad("send_bytes_max: 16 KiB to 1 MiB");
  if (config.stall_timeout_ms < 100) return bad("stall_timeout_ms: at least 100");
  if (config.retry_ms > 86'400'000) return bad("retry_ms: at most a day");
  if (config.stream_age_max_ms != 0 && config.stream_age_max_ms < 1000) return bad("stream_age_max_ms: 0, or at least 1000");
  if (config.listen.size() > 64) return bad("listen: at most 64 addresses");
  if (config.backlog_bytes < (64U << 10)) return bad("backlog_bytes: at least 64 KiB");
  if (frame_bytes_max(config.event_bytes_max) > UINT32_MAX) return bad("event_bytes_max: a frame must stay below 4 GiB");
  if (config.address_prefix6 < 1 || config.address_prefix6 > 128) return bad("address_prefix6: 1 to 128");
  const double connect_rate = config.address_connect_rate;
  if (connect_rate != 0 && !(connect_rate >= 0.01 && connect_rate <= 1e6))
    return bad("address_connect_rate: 0, or 0.01 to 1,000,000");
  if (const Result<TrustedProxies> trusted = parse_trusted_proxies(config.trusted_proxies); !trusted) return trusted.error();
  if (config.memory_max != 0 && config.memory_max < (1U << 20)) return bad("memory_max: 0, or at least 1 MiB");
  if (config.memory_max != 0 && config.history_memory > config.memory_max) return bad("history_memory: at most memory_max");
  if (Result<Done> good = check_rules(config.defaults, ""); !good) return good;
  for (const TopicSection& section : config.topics) {
    if (Result<Done> good = check_rules(section.rules, "topics matching `" + section.pattern + "`: "); !good) return good;
    if (section.pattern.empty()) return bad("topics: each section needs a pattern, like chat.*");
  }
  return Done{};
}

}  // namespace broadside
