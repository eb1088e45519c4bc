// Who may do what without a token: programs of this machine everything, others publish to the topics that --anonymous-publish
// names. Keeps out web pages of other origins, requests through a proxy, and names that were rebound to this machine (DNS
// rebinding). Immutable, for any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broadside/handler.h"
#include "hub/auth/publish_right.h"
#include "hub/auth/verdict.h"
#include "hub/cors.h"

namespace broadside::hub {

// One --listen address.
struct Listener {
  std::string host;  // "127.0.0.1", "::1", empty for a Unix socket.
  bool is_loopback = false;
  bool is_sealed = false;  // https://
};

// The listener of an address as --listen takes it. Requires: io::parse_listen_address() takes it too.
[[nodiscard]] Listener listener_of(std::string_view listen);

class PublishGuard {
 public:
  PublishGuard(std::vector<Listener> listeners, std::vector<std::string> patterns, Cors cors);

  // What a request may publish to where there are no tokens. The right lives no longer than the guard.
  [[nodiscard]] PublishRight right_of(const Request& request) const;
  // The same where there are tokens, for a request without one: being of this machine counts for nothing, `otherwise` is said
  // of all topics but those that anybody may publish to.
  [[nodiscard]] PublishRight right_without_token(const Request& request, const Verdict& otherwise) const;

  // Whether a web page sends this request that is neither of this server nor of a named origin.
  [[nodiscard]] bool is_from_foreign_page(const Request& request) const;
  // Why the request is not seen as one of this machine; empty if it is.
  [[nodiscard]] std::string why_not_local(const Request& request) const;
  [[nodiscard]] const std::vector<std::string>& patterns() const { return patterns_; }

 private:
  [[nodiscard]] bool is_own_host(std::string_view host) const;

  std::vector<Listener> listeners_;
  std::vector<std::string> patterns_;
  Cors cors_;
};

}  // namespace broadside::hub
