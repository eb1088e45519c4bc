// See publish_right.h.
#include "hub/auth/publish_right.h"

#include <utility>

#include "hub/auth/rights.h"

namespace broadside::hub {

PublishRight::PublishRight(Verdict otherwise, const std::vector<std::string>* patterns, std::vector<std::string> own_patterns,
                           std::int64_t expires_ms)
    : otherwise_(std::move(otherwise)), patterns_(patterns), own_patterns_(std::move(own_patterns)), expires_ms_(expires_ms) {}

Verdict PublishRight::verdict(std::string_view topic) const {
  if (patterns_ != nullptr && matches_any(*patterns_, topic)) return {};
  if (matches_any(own_patterns_, topic)) return {};
  return otherwise_;
}

bool PublishRight::is_none() const {
  return !otherwise_.is_allowed() && (patterns_ == nullptr || patterns_->empty()) && own_patterns_.empty();
}

}  // namespace broadside::hub
