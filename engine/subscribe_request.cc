#include "engine/subscribe_request.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "broadside/position.h"
#include "engine/clock.h"
#include "proto/limits.h"
#include "proto/topic_name.h"
#include "proto/uri.h"
#include "proto/utf8.h"

namespace broadside {
namespace {

constexpr std::string_view kPath = "/events";
constexpr const char* kTopicRule = "a topic is 1 to 255 bytes of UTF-8 without control characters";
constexpr const char* kLastEventIdRule = "Last-Event-ID is at most 255 bytes of UTF-8";
constexpr const char* kRateRule = "rate= is the most visits a second, 0.01 to 100";

bool is_valid_last_event_id(std::string_view id) { return id.size() <= kIdBytesMax && is_valid_utf8(id); }

bool read_number(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// `since=`: milliseconds since 1970, or a duration with a unit, counted back from now.
bool read_since(std::string_view text, std::uint64_t now_ms, std::uint64_t& out) {
  if (read_number(text, out)) return true;
  struct Unit {
    std::string_view suffix;
    std::uint64_t ms;
  };
  constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  for (const Unit& unit : kUnits) {
    std::uint64_t count = 0;
    if (!text.ends_with(unit.suffix) || !read_number(text.substr(0, text.size() - unit.suffix.size()), count)) continue;
    if (count > UINT64_MAX / unit.ms) return false;
    out = count * unit.ms >= now_ms ? 0 : now_ms - count * unit.ms;
    return true;
  }
  return false;
}

std::string too_many_topics(std::size_t topics_max) {
  return "more than " + std::to_string(topics_max) + " topics; subscribe to the rest on another connection";
}

std::string add_topic(std::string name, std::size_t topics_max, SubscribeRequest& out) {
  if (!is_valid_topic(name)) return kTopicRule;
  if (std::find(out.topics.begin(), out.topics.end(), name) != out.topics.end()) return {};
  if (out.topics.size() == topics_max) return too_many_topics(topics_max);
  out.topics.push_back(std::move(name));
  return {};
}

// `rate=`: a decimal number of visits a second.
bool read_rate(std::string_view text, double& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, std::chars_format::fixed);
  return error == std::errc() && end == text.data() + text.size() && is_valid_rate(out);
}

// Which of the ways to say where to start was used; the later in this order win.
struct Starts {
  std::optional<bool> snapshot;
  std::optional<std::uint64_t> last;
  std::optional<std::uint64_t> since_ms;
  std::string last_event_id;
};

std::string read_parameter(const std::string& name, const std::string& value, std::size_t topics_max, std::uint64_t now_ms,
                           Starts& starts, SubscribeRequest& out) {
  std::uint64_t number = 0;
  if (name == "topic") return add_topic(value, topics_max, out);
  if (name == "last_event_id") {
    starts.last_event_id = value;
  } else if (name == "since") {
    if (!read_since(value, now_ms, number)) return "since= is milliseconds since 1970, or a duration like 90s, 15m or 1h";
    starts.since_ms = std::min(number, Position{UINT64_MAX}.milliseconds());
  } else if (name == "last") {
    if (!read_number(value, number)) return "last= is a number of events";
    starts.last = number;
  } else if (name == "snapshot") {
    if (value != "0" && value != "1") return "snapshot= is 0 or 1";
    starts.snapshot = value == "1";
  } else if (name == "rate") {
    if (!read_rate(value, out.rate)) return kRateRule;
  } else if (name == "limit") {
    if (!read_number(value, number) || number == 0 || number > UINT32_MAX) return "limit= is a number of events, 1 or more";
    out.limit = static_cast<std::uint32_t>(number);
  } else if (name == "follow") {
    if (value != "0" && value != "1") return "follow= is 0 or 1";
    out.follows = value == "1";
  }
  return {};
}

}  // namespace

bool is_subscribe_path(std::string_view path) {
  return path.starts_with(kPath) && (path.size() == kPath.size() || path[kPath.size()] == '/');
}

std::string read_subscribe_request(std::string_view path, std::string_view query, std::string_view last_event_id,
                                   std::size_t topics_max, std::uint64_t now_ms, SubscribeRequest& out) {
  Starts starts;
  if (path.size() > kPath.size() + 1) {
    const std::optional<std::string> name = percent_decode(path.substr(kPath.size() + 1), false);
    if (!name) return "the path has a bad percent escape";
    if (std::string wrong = add_topic(*name, topics_max, out); !wrong.empty()) return wrong;
  }
  QueryParameters parameters(query);
  for (auto step = parameters.next(); step != QueryParameters::Step::end; step = parameters.next()) {
    if (step == QueryParameters::Step::bad_escape) return "the query has a bad percent escape in " + parameters.name();
    std::string wrong = read_parameter(parameters.name(), parameters.value(), topics_max, now_ms, starts, out);
    if (!wrong.empty()) return wrong;
  }
  if (out.topics.empty()) return "no topic: GET /events/{topic} or /events?topic=a&topic=b";
  // EventSource repeats its URL on every reconnect, so what it adds by itself wins.
  if (!last_event_id.empty()) starts.last_event_id = std::string(last_event_id);
  if (!is_valid_last_event_id(starts.last_event_id)) return kLastEventIdRule;
  if (!starts.last_event_id.empty()) {
    out.start.kind = StartRequest::Kind::after_id;
    out.start.id = starts.last_event_id;
  } else if (starts.since_ms) {
    out.start.kind = StartRequest::Kind::since;
    out.start.since_ms = *starts.since_ms;
  } else if (starts.last) {
    out.start.kind = StartRequest::Kind::last;
    out.start.last = *starts.last;
  } else if (starts.snapshot) {
    out.start.is_default = false;
    if (*starts.snapshot) out.start.kind = StartRequest::Kind::snapshot;
  }
  return {};
}

std::string check_subscribe_request(const SubscribeRequest& request, std::size_t topics_max) {
  if (request.topics.empty()) return "no topic";
  if (request.topics.size() > topics_max) return too_many_topics(topics_max);
  for (auto topic = request.topics.begin(); topic != request.topics.end(); ++topic) {
    if (!is_valid_topic(*topic)) return kTopicRule;
    if (std::find(request.topics.begin(), topic, *topic) != topic) return "the topic " + *topic + " is named twice";
  }
  if (request.rate != 0 && !is_valid_rate(request.rate)) return kRateRule;
  if (!is_valid_last_event_id(request.start.id)) return kLastEventIdRule;
  return {};
}

Result<SubscribeRequest> read_subscribe_request(std::string_view path, std::string_view query, std::string_view last_event_id) {
  SubscribeRequest request;
  if (!is_subscribe_path(path))
    return Error{Error::Code::invalid_argument, "a subscription's path is /events or begins with /events/"};
  std::string wrong =
      read_subscribe_request(path, query, last_event_id, kTopicsPerSubscriberMax, system_clock().wall_ms(), request);
  if (!wrong.empty()) return Error{Error::Code::invalid_argument, std::move(wrong)};
  return request;
}

}  // namespace broadside
