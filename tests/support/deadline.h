// Bounded waits for tests: a moment by which a condition must hold. Nothing in the tests sleeps in place of a condition; what
// waits, waits in poll() or epoll_wait() for at most what a Deadline has left.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace broadside::test {

using Millis = std::chrono::milliseconds;

// True with BROADSIDE_TEST_SCALE=small (sanitizer builds): large tests shrink, waits get longer.
bool is_small_scale();
// `full`, or `small` with BROADSIDE_TEST_SCALE=small.
std::uint32_t scaled(std::uint32_t full, std::uint32_t small);
// The seed of this run: BROADSIDE_SEED, else random. Printed once with how to repeat it.
std::uint64_t test_seed();

class Deadline {
 public:
  // Four times as long at small scale.
  static Deadline in(Millis duration);

  [[nodiscard]] bool has_passed() const;
  // What is left for poll(): 0 once passed, never negative.
  [[nodiscard]] int remaining_ms() const;
  // The same, at most `limit`.
  [[nodiscard]] int remaining_ms(int limit) const;

 private:
  explicit Deadline(std::chrono::steady_clock::time_point moment) : moment_(moment) {}
  std::chrono::steady_clock::time_point moment_;
};

// Long enough for anything a healthy server does at once, under sanitizers and with both cores taken.
inline Deadline soon() { return Deadline::in(Millis(10'000)); }

}  // namespace broadside::test
