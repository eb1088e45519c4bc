// One request's way to topics: what it may publish to, for how long and how much, and the audit log told of each use.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "engine/clock.h"
#include "hub/auth/audit.h"
#include "hub/auth/caller.h"
#include "hub/auth/publish_right.h"
#include "hub/auth/verdict.h"
#include "hub/publish_limit.h"

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
  // What it may publish is taken from this; without it there is no limit.
  void set_share(PublishShare share) { share_ = std::move(share); }
  // As PublishLimit::try_take(), for endless lines, which wait.
  [[nodiscard]] Nanos try_take(std::size_t events, std::uint64_t bytes) const { return share_.try_take(events, bytes); }
  // The same for what is refused then: the audit log is told that what check() allowed has not been done.
  [[nodiscard]] Nanos take_or_refuse(std::string_view action, std::string_view topic, std::size_t events,
                                     std::uint64_t bytes) const;
  // Whether the token has expired since the request came.
  [[nodiscard]] bool has_expired() const;

 private:
  void write(const Verdict& verdict, std::string_view action, std::string_view topic) const;

  PublishRight right_;
  Caller caller_;
  PublishShare share_;
  std::string peer_;
  AuditLog* audit_ = nullptr;
  const Clock* clock_ = nullptr;
};

}  // namespace broadside::hub
