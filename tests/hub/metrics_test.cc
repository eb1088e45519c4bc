// The text of a scrape, exactly, from counters made up here; which format an Accept header gets.
#include "hub/metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "broadside/version.h"

namespace broadside::hub {
namespace {

Stats some_stats() {
  Stats stats;
  stats.backend = "epoll";
  stats.shards.resize(2);
  stats.shards[0].deliveries = 40;
  stats.shards[1].deliveries = 2;
  stats.shards[0].closes[static_cast<std::size_t>(CloseReason::stalled)] = 3;
  stats.shards[1].closes[static_cast<std::size_t>(CloseReason::stalled)] = 4;
  stats.shards[1].refusals[static_cast<std::size_t>(RefusalReason::too_large)] = 5;
  stats.shards[0].busy_ns = 1'500'000'001;
  stats.shards[0].lag_max = {.events = 7, .bytes = 100, .age_ms = 50};
  stats.shards[1].lag_max = {.events = 2, .bytes = 900, .age_ms = 1234};
  stats.shards[0].first_writes.counts[0] = 2;
  stats.shards[1].first_writes.counts[0] = 1;
  stats.shards[1].first_writes.counts[3] = 4;
  stats.shards[1].first_writes.counts.back() = 1;
  stats.shards[1].first_writes.sum_ns = 12'000'000'345;
  stats.logs.history_bytes = 77;
  stats.logs.published = Position::of(1'700'000'000'007, 0);
  return stats;
}

// The lines of one family: its head and its samples.
std::string family(const std::string& text, const std::string& name) {
  const std::size_t begin = text.find("# HELP broadside_" + name + " ");
  if (begin == std::string::npos) return "";
  const std::size_t end = text.find("# HELP ", begin + 1);
  return text.substr(begin, (end == std::string::npos ? text.find("# EOF") : end) - begin);
}

TEST(Metrics, are_summed_over_shards_and_split_by_reason) {
  const std::string text = metrics_text(some_stats(), MetricsFormat::text);
  EXPECT_EQ(family(text, "deliveries_total"),
            "# HELP broadside_deliveries_total Events handed to the kernel, one per subscriber.\n"
            "# TYPE broadside_deliveries_total counter\n"
            "broadside_deliveries_total 42\n");
  EXPECT_NE(text.find("\nbroadside_closes_total{reason=\"stalled\"} 7\n"), std::string::npos);
  EXPECT_NE(text.find("\nbroadside_refusals_total{reason=\"too_large\"} 5\n"), std::string::npos);
  EXPECT_NE(text.find("\nbroadside_history_bytes 77\n"), std::string::npos);
  EXPECT_NE(text.find("\nbroadside_published_timestamp_seconds 1700000000.007\n"), std::string::npos);
  EXPECT_NE(text.find("\nbroadside_shard_busy_seconds_total{shard=\"0\"} 1.500000001\n"), std::string::npos);
  EXPECT_NE(text.find("{version=\"" BROADSIDE_VERSION "\",backend=\"epoll\"} 1\n"), std::string::npos);
}

TEST(Metrics, take_the_largest_lag_of_each_kind) {
  const std::string text = metrics_text(some_stats(), MetricsFormat::text);
  EXPECT_NE(text.find("\nbroadside_lag_events 7\n"), std::string::npos);
  EXPECT_NE(text.find("\nbroadside_lag_bytes 900\n"), std::string::npos);
  EXPECT_NE(text.find("\nbroadside_lag_seconds 1.234\n"), std::string::npos);
}

TEST(Metrics, show_histograms_with_cumulated_buckets) {
  EXPECT_EQ(
      family(metrics_text(some_stats(), MetricsFormat::text), "publish_to_first_write_seconds"),
      R"(# HELP broadside_publish_to_first_write_seconds From publish to the first subscriber that has been sent it, one sample per event and shard.
# TYPE broadside_publish_to_first_write_seconds histogram
broadside_publish_to_first_write_seconds_bucket{le="5e-05"} 3
broadside_publish_to_first_write_seconds_bucket{le="0.0001"} 3
broadside_publish_to_first_write_seconds_bucket{le="0.00025"} 3
broadside_publish_to_first_write_seconds_bucket{le="0.0005"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.001"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.0025"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.005"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.01"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.025"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.05"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.1"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.25"} 7
broadside_publish_to_first_write_seconds_bucket{le="0.5"} 7
broadside_publish_to_first_write_seconds_bucket{le="1.0"} 7
broadside_publish_to_first_write_seconds_bucket{le="2.5"} 7
broadside_publish_to_first_write_seconds_bucket{le="5.0"} 7
broadside_publish_to_first_write_seconds_bucket{le="10.0"} 7
broadside_publish_to_first_write_seconds_bucket{le="+Inf"} 8
broadside_publish_to_first_write_seconds_sum 12.000000345
broadside_publish_to_first_write_seconds_count 8
)");
}

// A `le` that says something else than the bound would make every quantile wrong.
TEST(Metrics, name_the_bounds_that_are_counted) {
  std::istringstream lines(family(metrics_text(some_stats(), MetricsFormat::text), "publish_to_last_write_seconds"));
  std::size_t bound = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find("le=\"");
    if (at == std::string::npos || line.find("+Inf") != std::string::npos) continue;
    ASSERT_LT(bound, DurationStats::kBoundsNs.size());
    EXPECT_DOUBLE_EQ(std::stod(line.substr(at + 4)) * 1e9, static_cast<double>(DurationStats::kBoundsNs[bound++])) << line;
  }
  EXPECT_EQ(bound, DurationStats::kBoundsNs.size());
}

TEST(Metrics, have_a_family_once_with_help_and_type_before_its_samples) {
  for (const MetricsFormat format : {MetricsFormat::text, MetricsFormat::open_metrics}) {
    std::istringstream lines(metrics_text(some_stats(), format));
    std::set<std::string> names;
    std::string family_name;
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("# HELP ", 0) == 0) {
        family_name = line.substr(7, line.find(' ', 7) - 7);
        EXPECT_TRUE(names.insert(family_name).second) << family_name << " stands there twice";
        ASSERT_TRUE(std::getline(lines, line));
        EXPECT_EQ(line.rfind("# TYPE " + family_name + " ", 0), 0U) << line;
        const bool is_counter = line.ends_with(" counter");
        EXPECT_EQ(is_counter && format == MetricsFormat::text, family_name.ends_with("_total")) << line;
      } else if (line != "# EOF") {
        EXPECT_EQ(line.rfind(family_name, 0), 0U) << line << " does not stand with " << family_name;
      }
    }
    EXPECT_GT(names.size(), 30U);
  }
}

TEST(Metrics, are_open_metrics_when_asked_for) {
  const std::string text = metrics_text(some_stats(), MetricsFormat::open_metrics);
  EXPECT_EQ(family(text, "deliveries"),
            "# HELP broadside_deliveries Events handed to the kernel, one per subscriber.\n"
            "# TYPE broadside_deliveries counter\n"
            "broadside_deliveries_total 42\n");
  EXPECT_NE(text.find("# TYPE broadside_build info\nbroadside_build_info{"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
  EXPECT_EQ(text.find("# EOF"), text.size() - 6);
  EXPECT_EQ(metrics_text(some_stats(), MetricsFormat::text).find("# EOF"), std::string::npos);
}

TEST(Metrics, are_open_metrics_only_for_those_who_prefer_it) {
  for (const char* accept : {"", "*/*", "text/plain", "text/html,*/*;q=0.8", "application/openmetrics-text;q=0",
                             "application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=0.0.4;q=0.9"}) {
    EXPECT_EQ(metrics_format_of(accept), MetricsFormat::text) << accept;
  }
  for (const char* accept : {"application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8",
                             "text/plain;q=0.5, application/openmetrics-text;version=0.0.1",
                             "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                             "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}) {
    EXPECT_EQ(metrics_format_of(accept), MetricsFormat::open_metrics) << accept;
  }
}

}  // namespace
}  // namespace broadside::hub
