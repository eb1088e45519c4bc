#include "base/assert.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace broadside {
namespace {
std::atomic<AssertHandler> handler{nullptr};
}  // namespace

void set_assert_handler(AssertHandler new_handler) noexcept { handler.store(new_handler); }

void assert_failed(const char* expression, const char* file, int line) noexcept {
  if (AssertHandler current = handler.load()) {
    current(expression, file, line);
  } else {
    std::fprintf(stderr, "broadside: assertion failed: %s (%s:%d)\n", expression, file, line);
  }
  std::abort();
}

}  // namespace broadside
