// See publish_parameters.h.
#include "hub/publish_parameters.h"

#include <charconv>

#include "proto/uri.h"

namespace broadside::hub {

std::string parse_publish_parameters(std::string_view query, PublishParameters& out) {
  out = PublishParameters();
  bool has[4] = {};
  constexpr std::string_view kNames[4] = {"event", "id", "key", "retry"};
  std::string* const texts[3] = {&out.type, &out.id, &out.key};
  QueryParameters parameters(query);
  for (;;) {
    const QueryParameters::Step step = parameters.next();
    if (step == QueryParameters::Step::end) return {};
    if (step == QueryParameters::Step::bad_escape) return "bad percent escape in the query, at " + parameters.name();
    for (unsigned index = 0; index < 4; ++index) {
      if (parameters.name() != kNames[index]) continue;
      if (has[index]) return std::string(kNames[index]) + "= is given twice";
      has[index] = true;
      const std::string& value = parameters.value();
      if (index < 3) {
        *texts[index] = value;
        continue;
      }
      std::uint64_t retry_ms = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), retry_ms);
      if (error != std::errc() || end != value.data() + value.size()) return "retry= must be a whole number of milliseconds";
      out.retry_ms = retry_ms;
    }
  }
}

}  // namespace broadside::hub
