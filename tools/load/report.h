// What a run of the load client came to, as a table, as JSON and as a plot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "tools/load/options.h"
#include "tools/load/process_stats.h"
#include "tools/load/publisher.h"
#include "tools/load/worker.h"

namespace broadside::tools::load {

// One second of the run.
struct Second {
  double at = 0;  // Seconds since streams began to be opened.
  std::uint64_t open = 0;
  std::uint64_t events = 0;  // In this second.
  double p50_ms = 0;
  double p99_ms = 0;
  double max_ms = 0;
  std::uint64_t lost = 0;  // Since the start, as the next.
  std::uint64_t superseded = 0;
};

struct ServerFigures {
  Nanos opening_cpu = 0;  // Until the streams were open.
  Nanos cpu = 0;          // While events were published and delivered.
  Nanos elapsed = 0;
  std::uint64_t deliveries = 0;
  std::uint64_t rss_bytes_before = 0;
  std::uint64_t rss_bytes_open = 0;
  std::uint64_t rss_bytes_end = 0;
};

struct Report {
  const LoadOptions* options = nullptr;
  std::string command;
  std::string date;
  Machine machine;
  std::string backend;  // Empty if the server does not tell.
  Counts counts;
  Nanos opening = 0;  // From the first connect to the last stream that opened before publishing began.
  std::uint64_t opened_at_first = 0;
  PublisherResult published;
  Histogram latencies;
  Nanos measured = 0;         // From the first event, warm-up included, to the last that was due.
  Nanos drain = 0;            // From when the last event was due to the last delivery; 0 when none came after.
  double client_share = 0;    // The busiest of: a thread of its core, all threads of all cores they may use.
  double delivery_share = 0;  // With single events: the client's share of one core from publish to last delivery.
  std::optional<ServerFigures> server;
  std::vector<Second> seconds;
  std::string stream_problem;
  bool was_stopped = false;  // By Ctrl-C.

  // Beyond this the client's own pace is in the figures.
  static constexpr double kLimitShare = 0.9;
  [[nodiscard]] bool was_client_the_limit() const { return client_share > kLimitShare; }
  // What was asked for and not reached, a sentence each; empty = exit status 0.
  [[nodiscard]] std::vector<std::string> failures() const;
};

// The line of a second, without line feed.
[[nodiscard]] std::string second_line(const Second& second, const Faults& faults);
[[nodiscard]] std::string report_table(const Report& report);
[[nodiscard]] std::string report_json(const Report& report);
// Runs gnuplot. What went wrong; empty if nothing did.
[[nodiscard]] std::string write_plot(const Report& report, const std::string& path);

}  // namespace broadside::tools::load
