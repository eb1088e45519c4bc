#include "tools/load/report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <string_view>

#include "broadside/version.h"
#include "proto/json_text.h"

namespace broadside::tools::load {
namespace {

constexpr double kPercents[] = {50, 90, 99, 99.9, 99.99};

[[gnu::format(printf, 1, 2)]] std::string format(const char* text, ...) {
  va_list arguments;
  va_start(arguments, text);
  char out[512];
  const int bytes = std::vsnprintf(out, sizeof out, text, arguments);
  va_end(arguments);
  return std::string(out, static_cast<std::size_t>(std::clamp(bytes, 0, static_cast<int>(sizeof out) - 1)));
}

double milliseconds(std::uint64_t microseconds) { return static_cast<double>(microseconds) / 1e3; }
double seconds_of(Nanos nanos) { return static_cast<double>(nanos) / 1e9; }
double rate(std::uint64_t count, Nanos time) { return time > 0 ? static_cast<double>(count) / seconds_of(time) : 0; }

double percent_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole) * 100;
}

// What the streams would have been sent, had nothing been lost or superseded.
std::uint64_t expected(const Counts& counts) {
  return counts.events - counts.faults.doubled + counts.faults.lost + counts.superseded;
}

std::string percent_name(double percent) { return format(percent == static_cast<int>(percent) ? "p%.0f" : "p%.4g", percent); }

double cpu_us_per_open(const Report& report) {
  return report.opened_at_first == 0
             ? 0
             : static_cast<double>(report.server->opening_cpu) / 1e3 / static_cast<double>(report.opened_at_first);
}

double cpu_us_per_delivery(const ServerFigures& server) {
  return server.deliveries == 0 ? 0 : static_cast<double>(server.cpu) / 1e3 / static_cast<double>(server.deliveries);
}

// Microseconds of the server's CPU for each delivery of each event that was looked at alone.
std::vector<double> event_costs(const Report& report) {
  std::vector<double> costs;
  const std::uint64_t subscribers = (report.options->streams - report.options->handicapped()) / report.options->topics;
  if (subscribers == 0) return costs;
  for (const EventCost& cost : report.published.costs) {
    costs.push_back(static_cast<double>(cost.server_cpu) / 1e3 / static_cast<double>(subscribers));
  }
  return costs;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string percentiles_line(const Histogram& values) {
  if (values.count() == 0) return "none measured";
  std::string line;
  for (const double percent : kPercents)
    line += format("%s %.2f  ", percent_name(percent).c_str(), milliseconds(values.percentile(percent)));
  return line + format("max %.2f ms", milliseconds(values.max()));
}

// Members of JSON objects, one after the other.
class Json {
 public:
  Json& open(std::string_view name, char bracket = '{') {
    begin(name);
    text_ += bracket;
    is_first_ = true;
    return *this;
  }
  Json& close(char bracket = '}') {
    text_ += bracket;
    is_first_ = false;
    return *this;
  }
  Json& add(std::string_view name, std::string_view value) {
    begin(name);
    append_json_string(text_, value);
    return *this;
  }
  Json& add(std::string_view name, std::uint64_t value) { return raw(name, std::to_string(value)); }
  Json& add(std::string_view name, double value) { return raw(name, format("%.6g", value)); }
  Json& raw(std::string_view name, std::string_view value) {
    begin(name);
    text_ += value;
    return *this;
  }
  Json& add(std::string_view name, const Histogram& values) {
    open(name).add("min", milliseconds(values.min()));
    for (const double percent : kPercents) add(percent_name(percent), milliseconds(values.percentile(percent)));
    return add("max", milliseconds(values.max())).add("mean", values.mean() / 1e3).add("count", values.count()).close();
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  // An empty name stands for an element of an array, or the whole.
  void begin(std::string_view name) {
    if (!is_first_) text_ += ',';
    is_first_ = false;
    if (name.empty()) return;
    append_json_string(text_, name);
    text_ += ':';
  }
  std::string text_;
  bool is_first_ = true;
};

void add_server(Json& json, const Report& report) {
  if (!report.server) {
    json.raw("server", "null");
    return;
  }
  const ServerFigures& server = *report.server;
  const std::vector<double> costs = event_costs(report);
  json.open("server")
      .add("cpu_seconds", seconds_of(server.cpu))
      .add("core_share", rate(1, server.elapsed) * seconds_of(server.cpu));
  json.add("deliveries", server.deliveries).add("cpu_us_per_delivery", cpu_us_per_delivery(server));
  json.add("cpu_us_per_delivery_median", median(costs)).open("cpu_us_per_delivery_events", '[');
  for (const double cost : costs) json.add("", cost);
  json.close(']');
  json.add("cpu_us_per_open", cpu_us_per_open(report));
  json.add("rss_bytes_before", server.rss_bytes_before).add("rss_bytes_open", server.rss_bytes_open);
  json.add("rss_bytes_end", server.rss_bytes_end).close();
}

}  // namespace

std::vector<std::string> Report::failures() const {
  std::vector<std::string> found;
  if (counts.faults.lost > options->max_loss)
    found.push_back(format(options->is_conflated ? "of %llu keys the newest event was lost" : "%llu deliveries were lost",
                           static_cast<unsigned long long>(counts.faults.lost)));
  if (counts.faults.doubled > 0) found.emplace_back("events came twice");
  if (counts.faults.reordered > 0) found.emplace_back("events came out of order");
  if (counts.torn > 0) found.emplace_back("events came cut short");
  if (counts.refused > 0) found.push_back("streams were refused: " + stream_problem);
  if (counts.failed > 0) found.push_back("streams failed: " + stream_problem);
  // Those that read nothing may well have been closed; the table says how many.
  const std::uint64_t healthy = options->streams - options->handicapped();
  if (counts.open - counts.trouble_open < healthy && counts.refused == 0 && counts.failed == 0 && !was_stopped) {
    found.push_back(format("%llu of %llu streams were open at the end",
                           static_cast<unsigned long long>(counts.open - counts.trouble_open),
                           static_cast<unsigned long long>(healthy)));
  }
  if (published.failed > 0) found.push_back("publishes failed (what they lack is among the lost): " + published.problem);
  const double p99 = milliseconds(latencies.percentile(99));
  const double p99_max = static_cast<double>(options->max_p99) / 1e6;
  if (options->max_p99 > 0 && p99 > p99_max) found.push_back(format("p99 is %.2f ms, above --max-p99 %.2f ms", p99, p99_max));
  if (options->publish_rate > 0 && latencies.count() == 0 && !was_stopped) found.emplace_back("nothing was received");
  return found;
}

std::string second_line(const Second& second, const Faults& faults) {
  std::string line =
      format("%6.1f s  open %-7llu %9llu events/s  p50 %8.2f  p99 %8.2f  max %8.2f ms  lost %llu  doubled %llu  reordered %llu",
             second.at, static_cast<unsigned long long>(second.open), static_cast<unsigned long long>(second.events),
             second.p50_ms, second.p99_ms, second.max_ms, static_cast<unsigned long long>(faults.lost),
             static_cast<unsigned long long>(faults.doubled), static_cast<unsigned long long>(faults.reordered));
  if (second.superseded > 0) line += format("  superseded %llu", static_cast<unsigned long long>(second.superseded));
  return line;
}

std::string report_table(const Report& report) {
  const Counts& counts = report.counts;
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::string table =
      format("machine      %u x %s, %s%s%s\n", report.machine.cores, report.machine.processor.c_str(),
             report.machine.kernel.c_str(), report.backend.empty() ? "" : ", server's backend ", report.backend.c_str());
  table += format(
      "streams      %llu open of %u; opened %llu in %.2f s (%.0f/s); refused %llu, failed %llu, closed by the server %llu, "
      "reconnects %llu\n",
      number(counts.open), report.options->streams, number(report.opened_at_first), seconds_of(report.opening),
      rate(report.opened_at_first, report.opening), number(counts.refused), number(counts.failed),
      number(counts.closed_by_server), number(counts.reconnects));
  if (report.options->handicapped() > 0) {
    table += format("trouble      %llu of %u slow, stalled and half-open ones still open; %llu events read slowly\n",
                    number(counts.trouble_open), report.options->handicapped(), number(counts.slow_events));
  }
  table +=
      format("published    %llu events, %.1f/s; answered %llu, failed %llu; answers: ", number(report.published.events),
             rate(report.published.events, report.measured), number(report.published.answered), number(report.published.failed));
  table += percentiles_line(report.published.answers) + '\n';
  table += format("received     %llu events, %.0f/s, %.1f MB/s; the last one %.0f ms after it was due\n", number(counts.events),
                  rate(counts.events, report.measured + report.drain), rate(counts.bytes, report.measured + report.drain) / 1e6,
                  seconds_of(report.drain) * 1e3);
  table += "latency      " + percentiles_line(report.latencies) + " (from due to received)\n";
  if (report.options->is_conflated) {
    table += format("conflated    %llu events superseded, %.1f %% of %llu; %llu keys lost\n", number(counts.superseded),
                    percent_of(counts.superseded, expected(counts)), number(expected(counts)), number(counts.faults.lost));
  }
  table += format("faults       lost %llu, doubled %llu, reordered %llu, cut short %llu, gaps told %llu, not ours %llu\n",
                  number(counts.faults.lost), number(counts.faults.doubled), number(counts.faults.reordered), number(counts.torn),
                  number(counts.gaps_told), number(counts.unknown));
  if (report.server) {
    const ServerFigures& server = *report.server;
    table += format("server       %.2f s CPU, %.0f %% of a core, %.3f us a delivery", seconds_of(server.cpu),
                    rate(1, server.elapsed) * seconds_of(server.cpu) * 100, cpu_us_per_delivery(server));
    if (!report.published.costs.empty()) table += format(" (%.3f median of single events)", median(event_costs(report)));
    table +=
        format("; RSS %.1f MB before, %.1f MB open, %.1f MB at the end\n", static_cast<double>(server.rss_bytes_before) / 1e6,
               static_cast<double>(server.rss_bytes_open) / 1e6, static_cast<double>(server.rss_bytes_end) / 1e6);
  }
  table += format("this client  %u thread%s, %.0f %% of the core it could use%s\n", report.options->threads,
                  report.options->threads == 1 ? "" : "s", report.client_share * 100,
                  report.delivery_share > 0
                      ? format("; %.0f %% while an event was being delivered", report.delivery_share * 100).c_str()
                      : "");
  if (report.was_client_the_limit()) {
    table += "VOID         this client was the limit, not the server: give it more cores (--threads, --cpus), or ask for less\n";
  }
  return table;
}

std::string report_json(const Report& report) {
  const Counts& counts = report.counts;
  Json json;
  json.open("").add("version", BROADSIDE_VERSION).add("command", report.command).add("date", report.date);
  json.add("machine", report.machine.processor)
      .add("cores", std::uint64_t{report.machine.cores})
      .add("kernel", report.machine.kernel);
  if (report.backend.empty()) {
    json.raw("backend", "null");
  } else {
    json.add("backend", report.backend);
  }
  json.open("streams").add("asked", std::uint64_t{report.options->streams}).add("open", counts.open).add("opened", counts.opened);
  json.add("refused", counts.refused).add("failed", counts.failed).add("closed_by_server", counts.closed_by_server);
  json.add("reconnects", counts.reconnects)
      .add("trouble_open", counts.trouble_open)
      .add("connect_seconds", seconds_of(report.opening));
  json.add("connects_per_second", rate(report.opened_at_first, report.opening)).close();
  json.open("published").add("events", report.published.events).add("answered", report.published.answered);
  json.add("failed", report.published.failed).add("rate", rate(report.published.events, report.measured));
  json.add("answer_ms", report.published.answers).close();
  json.open("received").add("events", counts.events).add("bytes", counts.bytes);
  json.add("rate", rate(counts.events, report.measured + report.drain));
  json.add("superseded", counts.superseded).add("expected", expected(counts)).close();
  json.add("lost", counts.faults.lost).add("doubled", counts.faults.doubled).add("reordered", counts.faults.reordered);
  json.add("unknown", counts.unknown).add("gaps_told", counts.gaps_told).add("torn", counts.torn);
  json.add("latency_ms", report.latencies).add("drain_ms", seconds_of(report.drain) * 1e3);
  json.open("client").add("cpu_share_max", report.client_share).add("delivery_cpu_share", report.delivery_share);
  json.raw("was_limit", report.was_client_the_limit() ? "true" : "false")
      .add("threads", std::uint64_t{report.options->threads})
      .close();
  add_server(json, report);
  json.open("seconds", '[');
  for (const Second& second : report.seconds) {
    json.open("").add("second", second.at).add("open", second.open).add("events", second.events).add("p50_ms", second.p50_ms);
    json.add("p99_ms", second.p99_ms).add("max_ms", second.max_ms).add("lost", second.lost);
    json.add("superseded", second.superseded).close();
  }
  json.close(']').open("failures", '[');
  for (const std::string& failure : report.failures()) json.add("", failure);
  return json.close(']').close().text() + '\n';
}

std::string write_plot(const Report& report, const std::string& path) {
  std::string script = "set terminal svg size 900,700 background rgb 'white'\nset output '" + path +
                       "'\nset multiplot layout 2,1\nset grid\nset key left top\n"
                       "set logscale y\nset title 'latency over time'\nset xlabel 'seconds'\nset ylabel 'ms'\n"
                       "plot '-' using 1:2 with lines lw 2 title 'p50', '-' using 1:2 with lines lw 2 title 'p99', '-' using 1:2 "
                       "with lines title 'max'\n";
  for (double Second::*value : {&Second::p50_ms, &Second::p99_ms, &Second::max_ms}) {
    for (const Second& second : report.seconds) {
      if (second.max_ms > 0) script += format("%.3f %.4f\n", second.at, std::max(0.001, second.*value));
    }
    script += "e\n";
  }
  script +=
      "set title 'distribution'\nset xlabel 'percentile'\nset logscale x\nset xrange [1:100000]\n"
      "set xtics ('0' 1, '90' 10, '99' 100, '99.9' 1000, '99.99' 10000)\nplot '-' using 1:2 with lines lw 2 title 'latency'\n";
  for (double beyond = 1; beyond <= 100'000; beyond *= 1.2) {
    script += format("%.3f %.4f\n", beyond, std::max(0.001, milliseconds(report.latencies.percentile(100 - 100 / beyond))));
  }
  script += "e\n";
  std::FILE* gnuplot = ::popen("gnuplot", "w");
  if (gnuplot == nullptr) return "gnuplot could not be started";
  std::fwrite(script.data(), 1, script.size(), gnuplot);
  if (::pclose(gnuplot) != 0) return "gnuplot failed; is it installed? (Debian: gnuplot-nox)";
  return {};
}

}  // namespace broadside::tools::load
