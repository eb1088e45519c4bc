// How much each publisher may publish a second: events, and bytes of their data. Who that is its token says, else its address.
// For any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/token_bucket.h"
#include "broadside/handler.h"
#include "engine/clock.h"
#include "engine/usage_table.h"
#include "hub/auth/caller.h"

namespace broadside::hub {

// 0: no limit.
struct PublishRates {
  double events = 0;
  std::uint64_t bytes = 0;
};

class PublishLimit {
 public:
  // IPv6 publishers without a token are those whose addresses begin with the same `prefix6` bits. `clock` outlives this.
  PublishLimit(const PublishRates& rates, std::uint32_t prefix6, const Clock& clock);

  // From here on these count.
  void set_rates(const PublishRates& rates);
  // Whose share the request's events are taken from: the token's `sub`, a token without one for itself, or an address.
  [[nodiscard]] std::string publisher_of(const Request& request, const Caller& caller) const;
  // Takes all of that at once and says 0; or takes nothing and says how long to wait. A second's worth may come at once; what is
  // more waits until nothing has come for a second, and then keeps what comes behind it waiting.
  [[nodiscard]] Nanos try_take(std::string_view publisher, std::size_t events, std::uint64_t bytes);
  // Those who have published of late.
  [[nodiscard]] std::size_t size() const { return usages_.size(); }

 private:
  struct Usage {
    TokenBucket events;
    TokenBucket bytes;
    [[nodiscard]] static bool is_held() { return false; }
    [[nodiscard]] bool is_idle(Nanos now) const { return events.is_full(now) && bytes.is_full(now); }
  };

  std::atomic<double> events_;
  std::atomic<std::uint64_t> bytes_;
  const int prefix6_;
  const Clock* clock_;
  UsageTable<Usage> usages_;
};

// One request's share.
class PublishShare {
 public:
  // Without end.
  PublishShare() = default;
  PublishShare(PublishLimit& limit, std::string publisher) : limit_(&limit), publisher_(std::move(publisher)) {}

  // As PublishLimit::try_take().
  [[nodiscard]] Nanos try_take(std::size_t events, std::uint64_t bytes) const {
    return publisher_.empty() ? 0 : limit_->try_take(publisher_, events, bytes);
  }

 private:
  PublishLimit* limit_ = nullptr;
  std::string publisher_;
};

// 429: to be tried again after `wait`.
[[nodiscard]] Response too_much_published(Nanos wait);

}  // namespace broadside::hub
