// What `publish` has read and not yet seen answered: input lines as NDJSON, in order, within a bound. After a lost
// connection it is sent again from the first line without an answer. No input, no output, no clock; used by one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace broadside::tools {

// What every line of one run is given.
struct LineOptions {
  bool is_json = false;  // Lines are NDJSON already; otherwise each is an event's data.
  std::string type;      // Empty = none. In NDJSON: for lines that do not say.
  std::string key;       // The same.
  std::optional<std::uint64_t> retry_ms;
};

// Gives a line an id that is its own (`id_prefix` and its number) unless it has one, so that the server recognises it when it
// is sent again; adds the options; ends it with a line feed. What is not a JSON object is passed on: the server says what
// is wrong with it.
[[nodiscard]] std::string encode_line(std::string_view line, std::uint64_t number, const LineOptions& options,
                                      std::string_view id_prefix);

// Invariants: answers arrive in the order of the lines (the server publishes them in that order); at most kLinesMax lines are
// held, and kBytesMax bytes or one line.
class PublishWindow {
 public:
  // Enough to fill a path of 10 ms at 400,000 lines a second; a few MiB whatever the lines are.
  static constexpr std::size_t kLinesMax = 4096;
  static constexpr std::size_t kBytesMax = std::size_t{8} << 20;

  [[nodiscard]] bool has_room() const { return lines_.size() < kLinesMax && bytes_ < kBytesMax; }
  // Whether something may be sent now.
  [[nodiscard]] bool has_unsent() const { return sending_ < std::min(lines_.size(), in_flight_max_); }
  [[nodiscard]] bool is_all_sent() const { return sending_ == lines_.size(); }
  [[nodiscard]] bool is_empty() const { return unanswered_count_ == 0; }
  [[nodiscard]] std::size_t unanswered_count() const { return unanswered_count_; }

  // Requires: has_room(). `number` names the line in messages.
  void push(std::uint64_t number, std::string text);
  // Copies up to `size` unsent bytes and counts them as sent.
  std::size_t take_unsent(char* out, std::size_t size);
  // The connection is gone: everything without an answer is unsent again. When it brought no answer at all, the next one has
  // fewer lines in flight, so that paths that break under the whole window, and lines that break a server, are got past.
  void restart();
  // The next answer has come: the number of the line it belongs to; nothing if no line of this connection waits for one.
  [[nodiscard]] std::optional<std::uint64_t> on_answer();

 private:
  struct Line {
    std::uint64_t number;
    std::string text;
    bool is_answered = false;  // Possible before all of it is sent: a refusal does not wait for the rest.
  };

  void drop_finished();

  std::deque<Line> lines_;
  std::size_t bytes_ = 0;
  std::size_t sending_ = 0;         // Index of the line that is being sent.
  std::size_t sending_offset_ = 0;  // How much of it has been sent.
  std::size_t unanswered_count_ = 0;
  std::size_t in_flight_max_ = kLinesMax;  // Sent and not answered; each answer allows one more.
  bool is_answering_ = false;              // This connection has brought an answer.
};

}  // namespace broadside::tools
