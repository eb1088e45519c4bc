// NDJSON: a line of JSON is an event, {"topic","data","event","id","retry","key"}. Parses single lines and cuts bytes into lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "broadside/event.h"

namespace broadside::hub {

// What a line says. Whether the engine takes it as an event is the engine's to say.
struct LineEvent {
  std::string topic;
  std::string data;
  std::string type;
  std::string id;
  std::string key;
  std::optional<std::uint64_t> retry_ms;

  // Views into this.
  [[nodiscard]] Event event() const { return {.data = data, .type = type, .id = id, .retry_ms = retry_ms, .key = key}; }
};

// Whether a line has nothing but white space; such lines are passed over.
[[nodiscard]] bool is_blank_line(std::string_view line);

// Reads one line without its line feed. `path_topic` is the topic of the request's path, or empty: then the line must name one.
// Returns what is wrong with it, naming the member; empty if nothing is.
[[nodiscard]] std::string parse_event_line(std::string_view line, std::string_view path_topic, LineEvent& out);

// Cuts bytes into lines, however they are cut into pieces. A line longer than `line_bytes_max` is reported when it becomes so,
// and skipped to its end. Lines are counted from 1, blank ones too.
class LineCutter {
 public:
  // `line` lives during the call alone; nothing if it is too long.
  using Visit = std::function<void(std::uint64_t number, std::optional<std::string_view> line)>;

  explicit LineCutter(std::uint64_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  void feed(std::string_view bytes, const Visit& visit);
  // The bytes are at their end: a last line need not have a line feed.
  void finish(const Visit& visit);
  [[nodiscard]] std::size_t held_bytes() const { return partial_.capacity(); }
  // Whether a line has begun and not ended.
  [[nodiscard]] bool is_inside_line() const { return !partial_.empty() || is_skipping_; }

 private:
  void take(std::string_view piece, bool is_complete, const Visit& visit);

  std::uint64_t line_bytes_max_;
  std::uint64_t number_ = 1;  // Of the line under way.
  std::string partial_;       // Its begin, if it came in an earlier piece.
  bool is_skipping_ = false;  // It was too long and has been reported.
};

}  // namespace broadside::hub
