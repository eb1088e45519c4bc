// See stderr_log.h.
#include "tools/stderr_log.h"

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>

#include "proto/json_text.h"

namespace broadside::tools {
namespace {

const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

std::string time_text(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(unix_ms % 1000));
  return text;
}

}  // namespace

std::string format_log_line(LogFormat format, LogLevel level, std::string_view message, std::int64_t unix_ms) {
  if (format == LogFormat::json) {
    std::string line = "{\"time\":\"" + time_text(unix_ms) + "\",\"level\":\"" + name_of(level) + "\",\"message\":";
    append_json_string(line, message);
    return line + "}";
  }
  std::string line = time_text(unix_ms) + ' ' + name_of(level) + ' ';
  for (const char byte : message) line += static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F ? ' ' : byte;
  return line;
}

void StderrLog::log(LogLevel level, std::string_view message) noexcept {
  if (level < least_.load(std::memory_order_relaxed)) return;
  try {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
    const std::string line = format_log_line(format_, level, message, now.count()) + '\n';
    const std::lock_guard lock(mutex_);
    // Where stderr is gone there is nobody left to tell.
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace broadside::tools
