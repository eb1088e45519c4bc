// Who may publish without a token: programs of this machine, and others on topics that --anonymous-publish names. Keeps web pages
// of other origins, requests through a proxy, and names that were rebound to this machine (DNS rebinding) from publishing.
// Immutable, for any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broadside/handler.h"
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

// What one request may publish to.
class PublishRight {
 public:
  PublishRight(std::string refusal, const std::vector<std::string>* patterns)
      : refusal_(std::move(refusal)), patterns_(patterns) {}

  // Why `topic` may not be published to; empty if it may. An empty topic stands for what is no topic (a connection): only a
  // right to all topics includes it.
  [[nodiscard]] std::string refusal(std::string_view topic) const;
  // Whether there is no topic at all that it may publish to.
  [[nodiscard]] bool is_none() const { return !refusal_.empty() && patterns_ == nullptr; }

 private:
  std::string refusal_;                       // Why not to all topics; empty = to all.
  const std::vector<std::string>* patterns_;  // Topics that are allowed all the same; may be null.
};

class PublishGuard {
 public:
  PublishGuard(std::vector<Listener> listeners, std::vector<std::string> patterns, Cors cors);

  // The right lives no longer than the guard.
  [[nodiscard]] PublishRight right_of(const Request& request) const;

 private:
  // Why the request is not seen as one of this machine; empty if it is.
  [[nodiscard]] std::string local_refusal(const Request& request) const;
  [[nodiscard]] bool is_own_host(std::string_view host) const;

  std::vector<Listener> listeners_;
  std::vector<std::string> patterns_;
  Cors cors_;
};

}  // namespace broadside::hub
