// See publish_limit.h.
#include "hub/publish_limit.h"

#include <algorithm>

#include "hub/answer.h"
#include "proto/ip_address.h"

namespace broadside::hub {
namespace {

BucketRate a_second_of(double rate) { return {.per_second = rate, .burst = std::max(1.0, rate)}; }

}  // namespace

PublishLimit::PublishLimit(const PublishRates& rates, std::uint32_t prefix6, const Clock& clock)
    : events_(rates.events), bytes_(rates.bytes), prefix6_(static_cast<int>(prefix6)), clock_(&clock) {}

void PublishLimit::set_rates(const PublishRates& rates) {
  events_.store(rates.events, std::memory_order_relaxed);
  bytes_.store(rates.bytes, std::memory_order_relaxed);
}

std::string PublishLimit::publisher_of(const Request& request, const Caller& caller) const {
  if (!caller.subject.empty()) return "sub " + caller.subject;
  if (caller.kind == Caller::Kind::known) return "token " + std::to_string(caller.token_hash);
  const std::optional<IpAddress> address = parse_ip_address_and_port(request.peer);
  if (!address) return "local";
  return "address " + to_text(address->is_v4() ? *address : address->prefix(prefix6_));
}

Nanos PublishLimit::try_take(std::string_view publisher, std::size_t events, std::uint64_t bytes) {
  if (events_.load(std::memory_order_relaxed) == 0 && bytes_.load(std::memory_order_relaxed) == 0) return 0;
  const BucketRate event_rate = a_second_of(events_.load(std::memory_order_relaxed));
  const BucketRate byte_rate = a_second_of(static_cast<double>(bytes_.load(std::memory_order_relaxed)));
  const auto event_count = static_cast<double>(events);
  const auto byte_count = static_cast<double>(bytes);
  const Nanos now = clock_->monotonic();
  return usages_.with(publisher, now, [&](Usage& usage) {
    const Nanos wait = std::max(usage.events.wait(event_count, event_rate, now), usage.bytes.wait(byte_count, byte_rate, now));
    if (wait > 0) return wait;
    usage.events.take(event_count, event_rate, now);
    usage.bytes.take(byte_count, byte_rate, now);
    return Nanos{0};
  });
}

Response too_much_published(Nanos wait) {
  const Nanos seconds = (wait + kSecond - 1) / kSecond;
  return problem(429,
                 "more than this publisher may publish a second (--publish-rate, --publish-bytes); nothing of it was published",
                 "Retry-After: " + std::to_string(seconds) + "\r\n");
}

}  // namespace broadside::hub
