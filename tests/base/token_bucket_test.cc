// Buckets by a clock of our own.
#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace broadside {
namespace {

constexpr BucketRate kTenASecond{.per_second = 10, .burst = 20};
constexpr Nanos kStart = 5 * kSecond;

TEST(TokenBucket, gives_its_burst_at_once_and_then_as_it_fills) {
  TokenBucket bucket;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(bucket.wait(1, kTenASecond, kStart), 0) << i;
    bucket.take(1, kTenASecond, kStart);
  }
  EXPECT_EQ(bucket.wait(1, kTenASecond, kStart), kSecond / 10);
  EXPECT_EQ(bucket.wait(5, kTenASecond, kStart), kSecond / 2);
  EXPECT_EQ(bucket.wait(1, kTenASecond, kStart + kSecond / 10), 0);
  EXPECT_GT(bucket.wait(2, kTenASecond, kStart + kSecond / 10), 0);
}

TEST(TokenBucket, is_full_again_when_all_that_was_taken_has_come_back) {
  TokenBucket bucket;
  EXPECT_TRUE(bucket.is_full(0));
  bucket.take(5, kTenASecond, kStart);
  EXPECT_FALSE(bucket.is_full(kStart + kSecond / 2 - 1));
  EXPECT_TRUE(bucket.is_full(kStart + kSecond / 2));
  EXPECT_EQ(bucket.wait(20, kTenASecond, kStart + kSecond / 2), 0);
}

TEST(TokenBucket, holds_no_more_than_its_burst_however_long_nothing_is_taken) {
  TokenBucket bucket;
  bucket.take(1, kTenASecond, kStart);
  const Nanos later = kStart + 3600 * kSecond;
  bucket.take(20, kTenASecond, later);
  EXPECT_GT(bucket.wait(1, kTenASecond, later), 0);
}

TEST(TokenBucket, gives_more_than_its_burst_when_it_is_full_and_is_in_debt_then) {
  TokenBucket bucket;
  EXPECT_EQ(bucket.wait(100, kTenASecond, kStart), 0);
  bucket.take(100, kTenASecond, kStart);
  EXPECT_EQ(bucket.wait(0, kTenASecond, kStart), 8 * kSecond);
  EXPECT_EQ(bucket.wait(1, kTenASecond, kStart), 8 * kSecond + kSecond / 10);
  EXPECT_EQ(bucket.wait(100, kTenASecond, kStart), 10 * kSecond);
}

TEST(TokenBucket, forgives_a_debt_of_more_than_a_day) {
  TokenBucket bucket;
  constexpr BucketRate kSlow{.per_second = 0.01, .burst = 1};
  for (int i = 0; i < 100; ++i) bucket.take(1e9, kSlow, kStart);
  EXPECT_LE(bucket.wait(1, kSlow, kStart), 86'400 * kSecond);
  EXPECT_TRUE(bucket.is_full(kStart + 86'400 * kSecond));
}

TEST(TokenBucket, without_a_rate_gives_everything) {
  TokenBucket bucket;
  bucket.take(1e9, {}, kStart);
  EXPECT_EQ(bucket.wait(1e9, {}, kStart), 0);
  EXPECT_TRUE(bucket.is_full(0));
}

}  // namespace
}  // namespace broadside
