// Who publishes how much a second: whose share it is taken from, and when there is more of it.
#include "hub/publish_limit.h"

#include <gtest/gtest.h>

namespace broadside::hub {
namespace {

class HandClock final : public Clock {
 public:
  [[nodiscard]] Nanos monotonic() const override { return now; }
  Nanos now = kSecond;
};

Caller known(std::string subject, std::uint64_t token_hash = 0) {
  Caller caller;
  caller.kind = Caller::Kind::known;
  caller.subject = std::move(subject);
  caller.token_hash = token_hash;
  return caller;
}

Caller anonymous() {
  Caller caller;
  caller.kind = Caller::Kind::anonymous;
  return caller;
}

Request from(std::string_view peer) { return {.peer = peer}; }

TEST(PublishLimit, tells_publishers_apart_by_subject_token_and_address) {
  HandClock clock;
  const PublishLimit limit({.events = 1}, 64, clock);
  const auto of = [&limit](std::string_view peer, const Caller& caller) { return limit.publisher_of(from(peer), caller); };
  EXPECT_EQ(of("192.0.2.1:1", known("alice")), of("192.0.2.2:1", known("alice")));
  EXPECT_NE(of("192.0.2.1:1", known("alice")), of("192.0.2.1:1", known("bob")));
  EXPECT_EQ(of("192.0.2.1:1", known("", 7)), of("192.0.2.2:1", known("", 7)));
  EXPECT_NE(of("192.0.2.1:1", known("", 7)), of("192.0.2.1:1", known("", 8)));
  EXPECT_EQ(of("192.0.2.1:1", anonymous()), of("192.0.2.1:2", {}));
  EXPECT_EQ(of("192.0.2.1:1", anonymous()), of("192.0.2.1", anonymous()));
  EXPECT_NE(of("192.0.2.1:1", anonymous()), of("192.0.2.2:1", anonymous()));
  EXPECT_EQ(of("[2001:db8::1]:1", anonymous()), of("[2001:db8::ffff:1]:1", anonymous()));
  EXPECT_NE(of("[2001:db8::1]:1", anonymous()), of("[2001:db8:0:1::1]:1", anonymous()));
  EXPECT_EQ(of("unix:", anonymous()), of("", anonymous()));
}

TEST(PublishLimit, takes_events_and_bytes_or_nothing) {
  HandClock clock;
  PublishLimit limit({.events = 10, .bytes = 1000}, 64, clock);
  EXPECT_EQ(limit.try_take("a", 5, 900), 0);
  EXPECT_EQ(limit.try_take("a", 1, 200), kSecond / 10) << "too many bytes";
  EXPECT_EQ(limit.try_take("a", 5, 100), 0) << "nothing was taken before";
  EXPECT_GT(limit.try_take("a", 1, 0), 0) << "too many events";
  EXPECT_EQ(limit.try_take("b", 10, 1000), 0);
  clock.now += kSecond;
  EXPECT_EQ(limit.try_take("a", 10, 1000), 0);
}

TEST(PublishLimit, lets_an_event_through_that_is_larger_than_a_seconds_worth) {
  HandClock clock;
  PublishLimit limit({.bytes = 1000}, 64, clock);
  EXPECT_EQ(limit.try_take("a", 1, 10'000), 0);
  EXPECT_EQ(limit.try_take("a", 1, 1), 9 * kSecond + kMillisecond);
}

TEST(PublishLimit, is_changed_while_it_works) {
  HandClock clock;
  PublishLimit limit({}, 64, clock);
  const PublishShare share(limit, limit.publisher_of(from("192.0.2.1:1"), {}));
  EXPECT_EQ(share.try_take(1'000'000, 0), 0);
  EXPECT_EQ(limit.size(), 0) << "nothing is counted";
  limit.set_rates({.events = 1});  // For those as well who began before.
  EXPECT_EQ(share.try_take(1, 0), 0);
  EXPECT_EQ(share.try_take(1, 0), kSecond);
}

TEST(PublishLimit, says_in_whole_seconds_when_to_try_again) {
  const Response response = too_much_published(kSecond + 1);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers, "Retry-After: 2\r\n");
  EXPECT_EQ(response.content_type, "application/problem+json");
}

}  // namespace
}  // namespace broadside::hub
