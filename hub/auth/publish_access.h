// One request's way to topics: what it may publish to, for how long, and the audit log told of each use.
#pragma once

#include <string>
#include <string_view>

#include "engine/clock.h"
#include "hub/auth/audit.h"
#include "hub/auth/caller.h"
#include "hub/auth/publish_right.h"
#include "hub/auth/verdict.h"

namespace broadside::hub {

// Used by one thread at a time. Outlived by the audit log, the clock and the authority that gave the right.
class PublishAccess {
 public:
  // To all topics, told to nobody.
  PublishAccess() = default;
  PublishAccess(PublishRight right, Caller caller, std::string_view peer, AuditLog& audit, const Clock& clock);

  // Whether `action`, "publish" or "end", may be done to `topic`.
  [[nodiscard]] Verdict check(std::string_view action, std::string_view topic) const;
  // Whether there is no topic at all that may be published to: then check() says the same of any.
  [[nodiscard]] bool is_none() const { return right_.is_none(); }
  // Whether the token has expired since the request came.
  [[nodiscard]] bool has_expired() const;

 private:
  PublishRight right_;
  Caller caller_;
  std::string peer_;
  AuditLog* audit_ = nullptr;
  const Clock* clock_ = nullptr;
};

}  // namespace broadside::hub
