// See status_route.h.
#include "hub/status_route.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "hub/answer.h"
#include "proto/json_text.h"
#include "proto/position.h"
#include "proto/uri.h"

namespace broadside::hub {

Response health_response(const Stats& stats, std::uint64_t started_ms) {
  for (std::size_t index = 0; index < stats.shards.size(); ++index) {
    const std::uint64_t last_ms = std::max(stats.shards[index].last_turn_ms, started_ms);
    // A shard may have stamped a turn after the clock was read.
    if (last_ms >= stats.monotonic_ms || stats.monotonic_ms - last_ms <= kShardSilenceMsMax) continue;
    return problem(503, "shard " + std::to_string(index) + " has made no progress for " +
                            std::to_string(stats.monotonic_ms - last_ms) + " ms");
  }
  return json_answer("{\"status\":\"ok\",\"shards\":" + std::to_string(stats.shards.size()) + "}");
}

Response readiness_response(const Stats& stats) {
  if (stats.is_draining) return problem(503, "draining: no new streams", "Retry-After: 1\r\n");
  return json_answer("{\"status\":\"ready\"}");
}

namespace {

// 1 to kListingCountMax.
bool parse_count(const std::string& text, std::size_t& count) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc() && end == text.data() + text.size() && count >= 1 && count <= kListingCountMax;
}

bool parse_order(std::string_view text, TopicOrder& order) {
  if (text == "lag") order = TopicOrder::lag;
  if (text == "subscribers") order = TopicOrder::subscribers;
  if (text == "rate") order = TopicOrder::rate;
  return text == "lag" || text == "subscribers" || text == "rate";
}

void append_lag(std::string& json, const Lag& lag) {
  json += ",\"lag\":{\"events\":" + std::to_string(lag.events) + ",\"bytes\":" + std::to_string(lag.bytes) +
          ",\"age_ms\":" + std::to_string(lag.age_ms) + "}";
}

// Without the closing brace.
void append_topic(std::string& json, const TopicInfo& topic) {
  json += "{\"name\":";
  append_json_string(json, topic.name);
  json += ",\"subscribers\":" + std::to_string(topic.subscribers) + ",\"events\":" + std::to_string(topic.events) +
          ",\"bytes\":" + std::to_string(topic.bytes) + ",\"newest\":";
  // A topic with subscribers alone has no event yet.
  json += topic.newest == Position{} ? "null" : '"' + to_string(topic.newest) + '"';
  json += ",\"keys\":" + std::to_string(topic.keys);
  json += topic.is_ended ? ",\"ended\":true" : ",\"ended\":false";
  char rate[40];
  std::snprintf(rate, sizeof rate, ",\"rate\":%.3f", topic.rate);
  json += rate;
}

void append_string_or_null(std::string& json, const std::string& text) {
  if (text.empty()) {
    json += "null";
  } else {
    append_json_string(json, text);
  }
}

void append_connection(std::string& json, const ConnectionInfo& connection) {
  json += "{\"id\":\"" + connection.id + "\",\"peer\":";
  append_string_or_null(json, connection.peer);
  json += ",\"subject\":";
  append_string_or_null(json, connection.subject);
  json += ",\"topics\":[";
  for (const std::string& topic : connection.topics) {
    if (&topic != &connection.topics.front()) json += ',';
    append_json_string(json, topic);
  }
  json += "],\"topic_count\":" + std::to_string(connection.topic_count) + ",\"sent\":\"" + to_string(connection.sent) + '"';
  append_lag(json, connection.lag);
  json += connection.is_over_soft_lag ? ",\"over_soft_limit\":true" : ",\"over_soft_limit\":false";
  json += connection.is_blocked ? ",\"blocked\":true" : ",\"blocked\":false";
  json += ",\"blocked_ms\":" + std::to_string(connection.blocked_ms) + ",\"age_ms\":" + std::to_string(connection.age_ms) + "}";
}

}  // namespace

std::string parse_listing_range(std::string_view query, ListingRange& range) {
  range = ListingRange();
  bool has_page = false;
  bool has_order = false;
  QueryParameters parameters(query);
  for (;;) {
    const QueryParameters::Step step = parameters.next();
    if (step == QueryParameters::Step::end) break;
    if (step == QueryParameters::Step::bad_escape) return "bad percent escape in the query, at " + parameters.name();
    const std::string& name = parameters.name();
    const bool is_count = name == "limit" || name == "top";
    if (is_count && !parse_count(parameters.value(), name == "top" ? range.top : range.count)) {
      return name + " must be a number from 1 to " + std::to_string(kListingCountMax);
    }
    if (name == "by" && !parse_order(parameters.value(), range.order)) return "by is lag, subscribers or rate";
    if (name == "after") range.after = parameters.value();
    has_page = has_page || name == "limit" || name == "after";
    has_order = has_order || name == "by";
  }
  if (range.top != 0 && has_page) return "top= gives those that come first; limit= and after= are for a page";
  if (range.top == 0 && has_order) return "by= is for top=";
  return {};
}

std::string topic_json(const TopicInfo& topic) {
  std::string json;
  append_topic(json, topic);
  return json + "}";
}

std::string top_topics_json(const std::vector<TopicInfo>& topics, bool has_lag) {
  std::string json = "{\"topics\":[";
  for (const TopicInfo& topic : topics) {
    if (&topic != &topics.front()) json += ',';
    append_topic(json, topic);
    if (has_lag) append_lag(json, topic.lag);
    json += '}';
  }
  return json + "],\"next\":null}";
}

std::string connections_json(const ConnectionPage& page) {
  std::string json = "{\"connections\":[";
  for (const ConnectionInfo& connection : page.connections) {
    if (&connection != &page.connections.front()) json += ',';
    append_connection(json, connection);
  }
  json += page.next.empty() ? "],\"next\":null}" : "],\"next\":\"" + page.next + "\"}";
  return json;
}

std::string topics_json(const std::vector<TopicInfo>& topics, std::size_t count) {
  std::string json = "{\"topics\":[";
  for (const TopicInfo& topic : topics) {
    if (&topic != &topics.front()) json += ',';
    json += topic_json(topic);
  }
  json += "],\"next\":";
  if (topics.size() < count) {
    json += "null";
  } else {
    append_json_string(json, topics.back().name);
  }
  return json + "}";
}

}  // namespace broadside::hub
