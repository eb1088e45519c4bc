// Who may do what: weighs a request's token (or that it has none), where it came in, and which page sent it. Without keys
// everybody may subscribe, and PublishGuard decides the rest. For any thread; immutable but for the keys.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/handler.h"
#include "hub/auth/caller.h"
#include "hub/auth/carrier.h"
#include "hub/auth/claims.h"
#include "hub/auth/key_set.h"
#include "hub/auth/publish_right.h"
#include "hub/auth/verdict.h"
#include "hub/cors.h"
#include "hub/publish_guard.h"

namespace broadside::hub {

struct AuthorityOptions {
  // Config::listen is both, one behind the other.
  std::vector<std::string> listen;
  std::vector<std::string> admin_listen;
  std::vector<std::string> anonymous_subscribe;  // Patterns; they count where there are keys.
  std::vector<std::string> anonymous_publish;    // Patterns.
  CarrierOptions carriers;
  TokenRules rules;
};

class Authority {
 public:
  Authority(const AuthorityOptions& options, const Cors& cors);

  // From here on these count. An empty set is no keys.
  void set_keys(KeySet keys);

  // Checks the request's token, once for all that is asked about it.
  [[nodiscard]] Caller caller_of(const Request& request, std::int64_t now_ms) const;

  // All of the topics, or none. Each needs a right of the caller's token, or --anonymous-subscribe.
  [[nodiscard]] Verdict subscribe(const Caller& caller, std::span<const std::string> topics) const;
  // Publishing to topics and ending them. The right lives no longer than this.
  [[nodiscard]] PublishRight publish_right(const Caller& caller, const Request& request) const;
  // An event to one connection.
  [[nodiscard]] Verdict send(const Caller& caller, const Request& request) const;
  // Letting a stream of one's own go on with a new token. Whose it is the engine knows.
  [[nodiscard]] Verdict renew(const Caller& caller, const Request& request) const;
  // What the server says of itself, its topics and its connections: to programs of this machine that reach it over loopback, to
  // whoever reaches an address of --admin-listen, and to tokens with `admin`.
  [[nodiscard]] Verdict administer(const Caller& caller, const Request& request) const;

 private:
  // A cookie comes along whoever made the page. Allowed: the token was sent on purpose, or by a page of ours.
  [[nodiscard]] Verdict check_page(const Caller& caller, const Request& request) const;

  PublishGuard guard_;
  std::vector<std::string> anonymous_subscribe_;
  CarrierOptions carriers_;
  TokenRules rules_;
  std::vector<bool> is_opened_;  // By listener: it is of --admin-listen and not loopback, so that is what it was opened for.
  mutable std::mutex mutex_;     // For `keys_`, not for what it points to.
  std::shared_ptr<const KeySet> keys_ = std::make_shared<const KeySet>();
};

}  // namespace broadside::hub
