// Log lines on stderr, as text (`2026-11-20T21:15:23.456Z info message`) or as one JSON object a line. For any thread.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include "broadside/config.h"

namespace broadside::tools {

enum class LogFormat : unsigned char { text, json };

// One line without its line feed. `unix_ms` is when it was said. Line breaks within a message become spaces.
[[nodiscard]] std::string format_log_line(LogFormat format, LogLevel level, std::string_view message, std::int64_t unix_ms);

class StderrLog final : public LogSink {
 public:
  StderrLog(LogLevel least, LogFormat format) : least_(least), format_(format) {}
  // What is below `least` is dropped from here on.
  void set_least(LogLevel least) { least_.store(least, std::memory_order_relaxed); }
  void log(LogLevel level, std::string_view message) noexcept override;

 private:
  std::atomic<LogLevel> least_;
  LogFormat format_;
  std::mutex mutex_;  // A line is never torn.
};

}  // namespace broadside::tools
