// Assertions: on in every build. They check ourselves, never bytes from outside.
#pragma once

namespace broadside {

using AssertHandler = void (*)(const char* expression, const char* file, int line) noexcept;
// Is called before the process aborts; null restores the default, which prints to stderr.
void set_assert_handler(AssertHandler handler) noexcept;
[[noreturn]] void assert_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace broadside

#define BROADSIDE_ASSERT(condition)                                         \
  (__builtin_expect(static_cast<bool>(condition), 1) ? static_cast<void>(0) \
                                                     : ::broadside::assert_failed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define BROADSIDE_DEBUG_ASSERT(condition) static_cast<void>(0)
#else
#define BROADSIDE_DEBUG_ASSERT(condition) BROADSIDE_ASSERT(condition)
#endif
