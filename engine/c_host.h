// A host that speaks C, as the engine's RequestHandler: what the engine asks and tells becomes calls of its hooks, and what the
// hooks answer is checked before the engine sees it. Runs on shards' threads, several at once; it has no state but the hooks.
#pragma once

#include <string>
#include <string_view>

#include "broadside/c_host.h"
#include "broadside/handler.h"

namespace broadside {

class CHost final : public RequestHandler {
 public:
  explicit CHost(const broadside_hooks& hooks) : hooks_(hooks) {}

  Response on_request(const Request& request) noexcept override;
  StreamDecision on_stream(const Request& request) noexcept override;
  SubscribeDecision authorise(const Request& request, const SubscribeRequest& wanted) noexcept override;
  std::string common_headers(const Request& request) noexcept override;
  void on_subscribe(const SubscriberView& subscriber) noexcept override;
  void on_disconnect(const SubscriberView& subscriber, CloseReason reason) noexcept override;
  void on_lag(const SubscriberView& subscriber, std::string_view topic, const Lag& lag, LagOutcome outcome) noexcept override;

 private:
  const broadside_hooks hooks_;
};

}  // namespace broadside
