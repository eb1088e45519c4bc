// The tests of the simulation, or with `--seeds N` (0 = endless) or `--seed S` lives without GoogleTest. BROADSIDE_SIM_SEEDS and
// BROADSIDE_SIM_SEED are the same for whoever cannot give flags.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "tests/sim/simulation.h"

namespace {

std::optional<std::uint64_t> number_of(const char* text) {
  if (text == nullptr) return std::nullopt;
  std::uint64_t number = 0;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, number);
  if (error != std::errc() || at != end) {
    std::fprintf(stderr, "sim_test: not a number: %s\n", text);
    std::exit(2);
  }
  return number;
}

std::optional<std::uint64_t> option(int count, char** arguments, const char* flag, const char* variable) {
  for (int i = 1; i + 1 < count; ++i) {
    if (std::strcmp(arguments[i], flag) == 0) return number_of(arguments[i + 1]);
  }
  return number_of(std::getenv(variable));
}

// Lives from `first` on, `count` of them or without end; 1 at the first that fails.
int run_seeds(std::uint64_t first, std::uint64_t count) {
  constexpr std::uint64_t kReportEvery = 10'000;
  broadside::sim::SimTotals totals;
  for (std::uint64_t seed = first; count == 0 || seed < first + count; ++seed) {
    const std::string failure = broadside::sim::run_seed(seed, &totals);
    if (!failure.empty()) {
      std::fprintf(stderr, "%s\n", failure.c_str());
      return 1;
    }
    if ((seed - first + 1) % kReportEvery == 0)
      std::printf("%llu seeds clean\n", static_cast<unsigned long long>(seed - first + 1));
    std::fflush(stdout);
  }
  totals.print(stdout);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  ::testing::InitGoogleTest(&count, arguments);
  const auto seed = option(count, arguments, "--seed", "BROADSIDE_SIM_SEED");
  const auto seeds = option(count, arguments, "--seeds", "BROADSIDE_SIM_SEEDS");
  if (seed && !seeds) return run_seeds(*seed, 1);
  if (seeds) return run_seeds(seed.value_or(1), *seeds);
  return RUN_ALL_TESTS();
}
