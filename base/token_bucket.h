// How much may be done a second: a bucket that fills steadily up to its burst, kept as one number, the moment at which it will be
// full again (the generic cell rate algorithm, ITU-T I.371). A bucket that nobody uses is full. Time is handed in.
#pragma once

#include <algorithm>

#include "base/units.h"

namespace broadside {

struct BucketRate {
  double per_second = 0;  // 0: no limit.
  double burst = 1;       // What a full bucket holds, at least 1.

  [[nodiscard]] bool is_limit() const { return per_second > 0; }
  // How long the bucket takes to get `count`.
  [[nodiscard]] Nanos time_of(double count) const {
    return static_cast<Nanos>(std::min(count / per_second * static_cast<double>(kSecond), static_cast<double>(kTimeMax)));
  }
  static constexpr Nanos kTimeMax = 86'400 * kSecond;  // A debt is forgiven after a day, and no sum overflows.
};

class TokenBucket {
 public:
  // How long until `count` may be taken; 0: now. More than the burst may be taken from a full bucket, and is a debt from then on:
  // nothing is too large for ever, and the average holds. Of none: until there is no debt.
  [[nodiscard]] Nanos wait(double count, const BucketRate& rate, Nanos now) const {
    if (!rate.is_limit()) return 0;
    const Nanos missing = std::max<Nanos>(full_at_ - now, 0);
    return std::max<Nanos>(missing + rate.time_of(std::min(count, rate.burst)) - rate.time_of(rate.burst), 0);
  }
  // Takes them, whether or not they are there.
  void take(double count, const BucketRate& rate, Nanos now) {
    if (!rate.is_limit()) return;
    full_at_ = std::min(std::max(full_at_, now) + rate.time_of(count), now + BucketRate::kTimeMax);
  }
  [[nodiscard]] bool is_full(Nanos now) const { return full_at_ <= now; }

 private:
  Nanos full_at_ = 0;
};

}  // namespace broadside
