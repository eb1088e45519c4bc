// The engine's counters as a scrape takes them: Prometheus text, or OpenMetrics where it is asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "broadside/stats.h"

namespace broadside::hub {

enum class MetricsFormat : std::uint8_t {
  text,          // Prometheus text 0.0.4.
  open_metrics,  // OpenMetrics 1.0.0.
};

// What an Accept header asks for: OpenMetrics only if it names the type with a quality above 0 and not below that of text/plain.
[[nodiscard]] MetricsFormat metrics_format_of(std::string_view accept);
[[nodiscard]] const char* content_type_of(MetricsFormat format);

// Every counter of `stats`, each family with its HELP and TYPE. The number of lines depends on the number of shards alone.
[[nodiscard]] std::string metrics_text(const Stats& stats, MetricsFormat format);

}  // namespace broadside::hub
