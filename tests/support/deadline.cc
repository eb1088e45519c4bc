// Reads the environment variables that scale and seed the tests.
#include "tests/support/deadline.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

namespace broadside::test {

bool is_small_scale() {
  const char* scale = std::getenv("BROADSIDE_TEST_SCALE");
  return scale != nullptr && std::strcmp(scale, "small") == 0;
}

std::uint32_t scaled(std::uint32_t full, std::uint32_t small) { return is_small_scale() ? small : full; }

std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("BROADSIDE_SEED");
    std::random_device device;
    const std::uint64_t value =
        given != nullptr ? std::strtoull(given, nullptr, 10) : (static_cast<std::uint64_t>(device()) << 32 | device());
    std::printf("seed %llu (BROADSIDE_SEED=%llu repeats it)\n", static_cast<unsigned long long>(value),
                static_cast<unsigned long long>(value));
    std::fflush(stdout);
    return value;
  }();
  return seed;
}

Deadline Deadline::in(Millis duration) {
  return Deadline(std::chrono::steady_clock::now() + duration * (is_small_scale() ? 4 : 1));
}

bool Deadline::has_passed() const { return std::chrono::steady_clock::now() >= moment_; }

int Deadline::remaining_ms() const { return remaining_ms(60'000); }

int Deadline::remaining_ms(int limit) const {
  const auto left = std::chrono::ceil<Millis>(moment_ - std::chrono::steady_clock::now()).count();
  if (left <= 0) return 0;
  return left < limit ? static_cast<int>(left) : limit;
}

}  // namespace broadside::test
