// What the server says of itself: health, readiness, topics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/engine.h"
#include "broadside/handler.h"
#include "broadside/stats.h"

namespace broadside::hub {

// A shard wakes at least once a second; one that has not for this long does not serve its connections.
constexpr std::uint64_t kShardSilenceMsMax = 5000;

// 200, or 503 with the number of the first shard that makes no progress. `started_ms` is when the engine was about to start, on
// the clock of Stats::monotonic_ms: a shard that has made no turn yet is measured from there.
[[nodiscard]] Response health_response(const Stats& stats, std::uint64_t started_ms);
// 200, or 503 while draining.
[[nodiscard]] Response readiness_response(const Stats& stats);

constexpr std::size_t kListingCountDefault = 100;
constexpr std::size_t kListingCountMax = 1000;

// Which part of a listing is asked for.
struct ListingRange {
  std::size_t count = kListingCountDefault;
  std::string after;
  std::size_t top = 0;  // Not 0: so many that come first in `order`, instead of a page.
  TopicOrder order = TopicOrder::lag;
};
// Reads `limit` and `after`, or `top` and `by`. Returns what is wrong; empty if nothing is.
[[nodiscard]] std::string parse_listing_range(std::string_view query, ListingRange& range);

[[nodiscard]] std::string topic_json(const TopicInfo& topic);
// {"topics":[...],"next":name or null}: `next` is what to pass as `after=` for what follows.
[[nodiscard]] std::string topics_json(const std::vector<TopicInfo>& topics, std::size_t count);
// The same, largest first; with each topic's lag if it is known.
[[nodiscard]] std::string top_topics_json(const std::vector<TopicInfo>& topics, bool has_lag);
// {"connections":[...],"next":text or null}
[[nodiscard]] std::string connections_json(const ConnectionPage& page);

}  // namespace broadside::hub
