// Time and sizes. Time is whole nanoseconds; milliseconds appear only in flags, JSON and positions.
#pragma once

#include <cstdint>

namespace broadside {

using Nanos = std::int64_t;  // A duration, or a moment of the monotonic clock.

constexpr Nanos kMicrosecond = 1'000;
constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kSecond = 1'000'000'000;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;

}  // namespace broadside
