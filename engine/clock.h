// The clocks that the engine reads: the monotonic one for turns and latencies, the wall clock for positions. A simulation hands
// in its own.
#pragma once

#include <cstdint>
#include <ctime>

#include "base/units.h"

namespace broadside {

inline Nanos clock_now(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<Nanos>(now.tv_sec) * kSecond + now.tv_nsec;
}

inline Nanos monotonic_now() { return clock_now(CLOCK_MONOTONIC); }

// The wall clock, as positions have it.
inline std::uint64_t wall_clock_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Nanos monotonic() const { return monotonic_now(); }
  [[nodiscard]] virtual std::uint64_t wall_ms() const { return wall_clock_ms(); }  // As positions have it.
};

inline const Clock& system_clock() {
  static const Clock clock;
  return clock;
}

// Steps of two microseconds of the monotonic clock in 29 bits, so that a stamp costs an event no memory: it comes round after 17
// minutes.
using PublishStamp = std::uint32_t;
constexpr std::uint32_t kPublishStampBits = 29;
constexpr Nanos kPublishStampStep = 2 * kMicrosecond;
constexpr PublishStamp kPublishStampMask = (PublishStamp{1} << kPublishStampBits) - 1;
constexpr PublishStamp stamp_of(Nanos moment) {
  return static_cast<PublishStamp>(moment / kPublishStampStep) & kPublishStampMask;
}
// How long before `now` the stamp was taken. Requires: less than 17 minutes, and not after `now`.
constexpr Nanos since_stamp(PublishStamp stamp, Nanos now) {
  return static_cast<Nanos>((stamp_of(now) - stamp) & kPublishStampMask) * kPublishStampStep;
}

}  // namespace broadside
