// See publish_access.h.
#include "hub/auth/publish_access.h"

#include <utility>

namespace broadside::hub {

PublishAccess::PublishAccess(PublishRight right, Caller caller, std::string_view peer, AuditLog& audit, const Clock& clock)
    : right_(std::move(right)), caller_(std::move(caller)), peer_(peer), audit_(&audit), clock_(&clock) {}

Verdict PublishAccess::check(std::string_view action, std::string_view topic) const {
  Verdict verdict = right_.verdict(topic);
  if (audit_ != nullptr) {
    audit_->write({.action = action, .target = topic, .peer = peer_}, caller_, verdict,
                  static_cast<std::int64_t>(clock_->wall_ms()));
  }
  return verdict;
}

bool PublishAccess::has_expired() const {
  return clock_ != nullptr && static_cast<std::int64_t>(clock_->wall_ms()) >= right_.expires_ms();
}

}  // namespace broadside::hub
