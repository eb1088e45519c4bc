// See rights.h.
#include "hub/auth/rights.h"

#include <algorithm>

#include "proto/topic_name.h"

namespace broadside::hub {

bool matches_any(std::span<const std::string> patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [name](const std::string& pattern) { return matches_pattern(pattern, name); });
}

}  // namespace broadside::hub
