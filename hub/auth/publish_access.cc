// See publish_access.h.
#include "hub/auth/publish_access.h"

#include <utility>

namespace broadside::hub {

PublishAccess::PublishAccess(PublishRight right, Caller caller, std::string_view peer, AuditLog& audit, const Clock& clock)
    : right_(std::move(right)), caller_(std::move(caller)), peer_(peer), audit_(&audit), clock_(&clock) {}

Verdict PublishAccess::check(std::string_view action, std::string_view topic) const {
  Verdict verdict = right_.verdict(topic);
  write(verdict, action, topic);
  return verdict;
}

Nanos PublishAccess::take_or_refuse(std::string_view action, std::string_view topic, std::size_t events,
                                    std::uint64_t bytes) const {
  const Nanos wait = share_.try_take(events, bytes);
  if (wait > 0) write({.status = 429, .reason = "the publisher is beyond its rate"}, action, topic);
  return wait;
}

void PublishAccess::write(const Verdict& verdict, std::string_view action, std::string_view topic) const {
  if (audit_ == nullptr) return;
  audit_->write({.action = action, .target = topic, .peer = peer_}, caller_, verdict,
                static_cast<std::int64_t>(clock_->wall_ms()));
}

bool PublishAccess::has_expired() const {
  return clock_ != nullptr && static_cast<std::int64_t>(clock_->wall_ms()) >= right_.expires_ms();
}

}  // namespace broadside::hub
