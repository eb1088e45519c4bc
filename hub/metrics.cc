// See metrics.h.
#include "hub/metrics.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <span>

#include "broadside/version.h"
#include "proto/http_tokens.h"

namespace broadside::hub {
namespace {

enum class Type : std::uint8_t { counter, gauge, histogram };

// Names are without `broadside_`; those of counters also without `_total`.
struct ShardMetric {
  const char* name;
  Type type;
  const char* help;
  std::uint64_t ShardStats::*value;
};

constexpr ShardMetric kShardMetrics[] = {
    {"accepts", Type::counter, "Connections accepted.", &ShardStats::accepts},
    {"accepts_paused", Type::counter, "Times accepting stopped for lack of descriptors or memory.", &ShardStats::accepts_paused},
    {"connections", Type::gauge, "Connections open now, subscribers included.", &ShardStats::connections},
    {"subscribers", Type::gauge, "Streams open now.", &ShardStats::subscribers},
    {"subscribers_blocked", Type::gauge, "Streams whose client does not take bytes now.", &ShardStats::subscribers_blocked},
    {"subscribers_lagging", Type::gauge, "Blocked streams that published events wait for.", &ShardStats::subscribers_lagging},
    {"subscribers_soft_lagging", Type::gauge, "Streams beyond a soft limit of lag.", &ShardStats::subscribers_soft_lagging},
    {"soft_lags", Type::counter, "Times a stream was found beyond a soft limit of lag.", &ShardStats::soft_lags},
    {"skips", Type::counter, "Times the policy `skip` moved a stream on.", &ShardStats::skips},
    {"events_skipped", Type::counter, "Events that streams were not sent because of it.", &ShardStats::events_skipped},
    {"subscribes", Type::counter, "Streams begun.", &ShardStats::subscribes},
    {"requests", Type::counter, "Requests whose head was read, subscriptions included.", &ShardStats::requests},
    {"handshakes", Type::counter, "TLS handshakes completed.", &ShardStats::handshakes},
    {"handshakes_failed", Type::counter, "TLS handshakes that came to nothing, plain HTTP included.",
     &ShardStats::handshakes_failed},
    {"transports", Type::gauge, "TLS connections that are not (yet) streams now.", &ShardStats::transports},
    {"deliveries", Type::counter, "Events handed to the kernel, one per subscriber.", &ShardStats::deliveries},
    {"sent_bytes", Type::counter, "Bytes handed to the kernel.", &ShardStats::bytes_sent},
    {"sends", Type::counter, "Send operations to streams.", &ShardStats::sends},
    {"sends_short", Type::counter, "Send operations of which the kernel took less than all.", &ShardStats::sends_short},
    {"heartbeats", Type::counter, "Heartbeats sent.", &ShardStats::heartbeats},
    {"gaps", Type::counter, "Gap events sent: a client was told that it missed something.", &ShardStats::gaps},
};

struct LogMetric {
  const char* name;
  Type type;
  const char* help;
  std::uint64_t LogStats::*value;
};

constexpr LogMetric kLogMetrics[] = {
    {"topics", Type::gauge, "Topics that exist now.", &LogStats::topics},
    {"publishes", Type::counter, "Events published.", &LogStats::publishes},
    {"publishes_duplicate", Type::counter, "Publishes whose id the log still held.", &LogStats::publishes_duplicate},
    {"publishes_refused", Type::counter, "Events refused for want of memory.", &LogStats::publishes_refused},
    {"ends", Type::counter, "Topics ended.", &LogStats::ends},
    {"history_bytes", Type::gauge, "Memory of all logs and keys now.", &LogStats::history_bytes},
    {"history_limit_bytes", Type::gauge, "The bound of history_bytes.", &LogStats::history_bytes_max},
    {"keys_bytes", Type::gauge, "The part of history_bytes that is keys and what they keep.", &LogStats::keys_bytes},
    {"connection_bytes", Type::gauge, "What connections take of the process's and the kernel's memory, by estimate.",
     &LogStats::connection_bytes},
    {"memory_limit_bytes", Type::gauge, "The bound of history_bytes and connection_bytes together.", &LogStats::memory_bytes_max},
    {"backlog_overruns", Type::counter, "Frames trimmed by --backlog-bytes before every subscriber had been offered them.",
     &LogStats::backlog_overruns},
};

// DurationStats::kBoundsNs as OpenMetrics writes numbers in `le`; Prometheus text takes the same.
constexpr std::array<const char*, DurationStats::kBoundsNs.size()> kBoundTexts = {
    "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025",
    "0.05",  "0.1",    "0.25",    "0.5",    "1.0",   "2.5",    "5.0",   "10.0"};

std::string seconds_text(std::uint64_t whole, std::uint64_t parts, unsigned digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%llu.%0*llu", static_cast<unsigned long long>(whole), static_cast<int>(digits),
                static_cast<unsigned long long>(parts));
  return text;
}
std::string seconds_of_ns(std::uint64_t ns) { return seconds_text(ns / 1'000'000'000, ns % 1'000'000'000, 9); }
std::string seconds_of_ms(std::uint64_t ms) { return seconds_text(ms / 1000, ms % 1000, 3); }

// Writes families one after the other: head() first, then its samples.
class Exposition {
 public:
  explicit Exposition(MetricsFormat format) : format_(format) { out_.reserve(16 << 10); }

  void head(std::string_view name, Type type, std::string_view help) {
    name_ = name;
    type_ = type;
    // The sample of a counter ends in _total. The family is called so in Prometheus text, and without it in OpenMetrics.
    const bool has_suffix = type == Type::counter && format_ == MetricsFormat::text;
    const std::string_view suffix = has_suffix ? "_total" : "";
    constexpr std::string_view kTypes[] = {" counter\n", " gauge\n", " histogram\n"};
    append({"# HELP broadside_", name, suffix, " ", help, "\n"});
    append({"# TYPE broadside_", name, suffix, kTypes[static_cast<std::size_t>(type)]});
  }
  // `labels` without braces; may be empty.
  void sample(std::string_view labels, std::string_view value) {
    append({"broadside_", name_, type_ == Type::counter ? "_total" : ""});
    append_labels(labels);
    append({" ", value, "\n"});
  }
  void durations(std::string_view labels, const DurationStats& stats) {
    const std::string_view comma = labels.empty() ? "" : ",";
    std::uint64_t below = 0;
    for (std::size_t bucket = 0; bucket < stats.counts.size(); ++bucket) {
      below += stats.counts[bucket];
      const char* bound = bucket < kBoundTexts.size() ? kBoundTexts[bucket] : "+Inf";
      append({"broadside_", name_, "_bucket{", labels, comma, "le=\"", bound, "\"} ", std::to_string(below), "\n"});
    }
    append({"broadside_", name_, "_sum"});
    append_labels(labels);
    append({" ", seconds_of_ns(stats.sum_ns), "\n"});
    append({"broadside_", name_, "_count"});
    append_labels(labels);
    append({" ", std::to_string(below), "\n"});
  }
  void single(std::string_view name, Type type, std::string_view help, std::string_view value) {
    head(name, type, help);
    sample({}, value);
  }
  void raw(std::initializer_list<std::string_view> pieces) { append(pieces); }
  [[nodiscard]] std::string take() {
    if (format_ == MetricsFormat::open_metrics) out_ += "# EOF\n";
    return std::move(out_);
  }
  [[nodiscard]] MetricsFormat format() const { return format_; }

 private:
  void append(std::initializer_list<std::string_view> pieces) {
    for (const std::string_view piece : pieces) out_ += piece;
  }
  void append_labels(std::string_view labels) {
    if (!labels.empty()) append({"{", labels, "}"});
  }

  MetricsFormat format_;
  std::string_view name_;
  Type type_ = Type::gauge;
  std::string out_;
};

void append_build(Exposition& out, const Stats& stats) {
  // OpenMetrics has a type for this, whose samples end in _info.
  if (out.format() == MetricsFormat::open_metrics) {
    out.raw({"# HELP broadside_build The version that runs, and its backend.\n# TYPE broadside_build info\n"});
  } else {
    out.raw({"# HELP broadside_build_info The version that runs, and its backend.\n# TYPE broadside_build_info gauge\n"});
  }
  out.raw({"broadside_build_info{version=\"" BROADSIDE_VERSION "\",backend=\"", stats.backend, "\"} 1\n"});
}

// A counter for each reason: `name{reason="..."}`.
template <typename Array>
void append_reasons(Exposition& out, const Stats& stats, std::span<const std::string_view> names, Array ShardStats::*counts) {
  for (std::size_t reason = 0; reason < names.size(); ++reason) {
    std::uint64_t sum = 0;
    for (const ShardStats& shard : stats.shards) sum += (shard.*counts)[reason];
    out.sample("reason=\"" + std::string(names[reason]) + "\"", std::to_string(sum));
  }
}

void append_latencies(Exposition& out, const Stats& stats) {
  DurationStats first;
  DurationStats last;
  for (const ShardStats& shard : stats.shards) {
    first += shard.first_writes;
    last += shard.last_writes;
  }
  out.head("publish_to_first_write_seconds", Type::histogram,
           "From publish to the first subscriber that has been sent it, one sample per event and shard.");
  out.durations({}, first);
  out.head("publish_to_last_write_seconds", Type::histogram,
           "From publish to the end of the first lap that offered it to every subscriber not blocked, one sample per event and "
           "shard.");
  out.durations({}, last);
}

void append_lag(Exposition& out, const Stats& stats) {
  Lag lag;
  for (const ShardStats& shard : stats.shards) {
    lag.events = std::max(lag.events, shard.lag_max.events);
    lag.bytes = std::max(lag.bytes, shard.lag_max.bytes);
    lag.age_ms = std::max(lag.age_ms, shard.lag_max.age_ms);
  }
  out.single("lag_events", Type::gauge, "The most events that a subscriber has not been sent now.", std::to_string(lag.events));
  out.single("lag_bytes", Type::gauge, "The most bytes that a subscriber has not been sent now.", std::to_string(lag.bytes));
  out.single("lag_seconds", Type::gauge, "The age of the oldest event that a subscriber has not been sent now.",
             seconds_of_ms(lag.age_ms));
}

void append_shards(Exposition& out, const Stats& stats) {
  const auto label = [](std::size_t shard) { return "shard=\"" + std::to_string(shard) + "\""; };
  out.head("shard_busy_seconds", Type::counter, "Time that the shard's thread did not wait; its rate is the loop's utilisation.");
  for (std::size_t i = 0; i < stats.shards.size(); ++i) out.sample(label(i), seconds_of_ns(stats.shards[i].busy_ns));
  out.head("shard_subscribers", Type::gauge, "Streams open now on the shard.");
  for (std::size_t i = 0; i < stats.shards.size(); ++i) out.sample(label(i), std::to_string(stats.shards[i].subscribers));
  out.head("shard_turn_seconds", Type::histogram, "Length of the turns of the shard's loop.");
  for (std::size_t i = 0; i < stats.shards.size(); ++i) out.durations(label(i), stats.shards[i].turns);
}

// The quality of a media range's parameters: 1 without `q=`.
double quality_of(std::string_view parameters) {
  const std::size_t at = parameters.find("q=");
  return at == std::string_view::npos ? 1 : std::strtod(std::string(parameters.substr(at + 2)).c_str(), nullptr);
}

}  // namespace

MetricsFormat metrics_format_of(std::string_view accept) {
  double text = 0;
  double open_metrics = 0;
  while (!accept.empty()) {
    const std::size_t comma = accept.find(',');
    const std::string_view range = accept.substr(0, comma);
    accept.remove_prefix(comma == std::string_view::npos ? accept.size() : comma + 1);
    const std::size_t border = std::min(range.find(';'), range.size());
    const std::string_view name = without_white_space(range.substr(0, border));
    const double quality = quality_of(range.substr(border));
    if (name == "application/openmetrics-text") open_metrics = std::max(open_metrics, quality);
    if (name == "text/plain") text = std::max(text, quality);
  }
  return open_metrics > 0 && open_metrics >= text ? MetricsFormat::open_metrics : MetricsFormat::text;
}

const char* content_type_of(MetricsFormat format) {
  switch (format) {
    case MetricsFormat::text:
      return "text/plain; version=0.0.4; charset=utf-8";
    case MetricsFormat::open_metrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
  }
  return "";
}

std::string metrics_text(const Stats& stats, MetricsFormat format) {
  Exposition out(format);
  append_build(out, stats);
  out.single("shards", Type::gauge, "Threads that serve connections.", std::to_string(stats.shards.size()));
  out.single("draining", Type::gauge, "1 while the server is draining.", stats.is_draining ? "1" : "0");
  for (const ShardMetric& metric : kShardMetrics) {
    std::uint64_t sum = 0;
    for (const ShardStats& shard : stats.shards) sum += shard.*metric.value;
    out.single(metric.name, metric.type, metric.help, std::to_string(sum));
  }
  out.head("closes", Type::counter, "Connections closed, by reason.");
  append_reasons(out, stats, kCloseReasonNames, &ShardStats::closes);
  out.head("refusals", Type::counter, "Connections, streams and requests refused, by reason.");
  append_reasons(out, stats, kRefusalReasonNames, &ShardStats::refusals);
  for (const LogMetric& metric : kLogMetrics) {
    out.single(metric.name, metric.type, metric.help, std::to_string(stats.logs.*metric.value));
  }
  out.single("published_timestamp_seconds", Type::gauge, "The time of the newest position; the start before the first event.",
             seconds_of_ms(stats.logs.published.milliseconds()));
  append_lag(out, stats);
  append_latencies(out, stats);
  append_shards(out, stats);
  return out.take();
}

}  // namespace broadside::hub
