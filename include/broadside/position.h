/// @file
/// Where an event stands in the total order of one engine: milliseconds since 1970 and a counter within the millisecond.
/// Written `<milliseconds>-<counter>`, it is the default SSE `id` (WHATWG HTML 9.2.6, "last event ID").
#pragma once

#include <compare>
#include <cstdint>

namespace broadside {

/// Totally ordered; 44 bits of milliseconds (to the year 2527) and 20 bits of counter. 0-0 is before every event.
struct Position {
  static constexpr std::uint32_t kCounterBits = 20;                                     ///< Of `packed`, the lowest ones.
  static constexpr std::uint64_t kCounterMax = (std::uint64_t{1} << kCounterBits) - 1;  ///< So many events a millisecond.

  std::uint64_t packed = 0;  ///< Milliseconds and counter in one number of the same order.

  /// Requires: `milliseconds` has at most 44 bits, `counter` is at most kCounterMax.
  static constexpr Position of(std::uint64_t milliseconds, std::uint64_t counter) {
    return Position{(milliseconds << kCounterBits) | counter};
  }
  /// Since 1970.
  [[nodiscard]] constexpr std::uint64_t milliseconds() const { return packed >> kCounterBits; }
  /// Within the millisecond.
  [[nodiscard]] constexpr std::uint64_t counter() const { return packed & kCounterMax; }
  /// The position just before this one; 0-0 has none and stays.
  [[nodiscard]] constexpr Position before() const { return Position{packed == 0 ? 0 : packed - 1}; }
  /// The position just after this one.
  [[nodiscard]] constexpr Position after() const { return Position{packed + 1}; }

  /// By time, then by counter.
  friend constexpr auto operator<=>(const Position&, const Position&) = default;
};

}  // namespace broadside
