// Decodes a stream twice: with proto's SseDecoder, and with a strict reader of its own that knows what Broadside writes. They
// must agree, so that neither a bug of the decoder nor a torn frame hides behind the standard's tolerance.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/sse.h"

namespace broadside::test {

struct ReceivedEvent {
  std::string type;  // "message" when the block named none.
  std::string data;
  std::string id;

  friend bool operator==(const ReceivedEvent&, const ReceivedEvent&) = default;
};

// Whether the type is one of Broadside's own (`broadside.open`, ...).
bool is_own(const ReceivedEvent& event);

// One subscriber's stream, over its reconnects.
class EventStream final : private SseDecoder::Sink {
 public:
  // The views are valid during the call.
  using OnEvent = std::function<void(const DecodedEvent&)>;

  // Decodes and checks the next bytes.
  void feed(std::string_view bytes, const OnEvent& on_event);
  // Begins a new connection's stream; the last event id stays.
  void restart();

  [[nodiscard]] const std::string& last_event_id() const { return decoder_.last_event_id(); }
  [[nodiscard]] std::optional<std::uint64_t> retry_ms() const { return retry_ms_; }
  [[nodiscard]] std::uint64_t comments_count() const { return comments_count_; }
  // Whether the bytes so far end inside a line or a block.
  [[nodiscard]] bool is_inside_block() const { return !line_.empty() || block_.lines_count > 0; }
  // The same, but a comment that has begun is nothing.
  [[nodiscard]] bool is_inside_event() const { return block_.lines_count > 0 || (!line_.empty() && line_.front() != ':'); }
  // The first thing that was wrong with the bytes; empty when nothing was.
  [[nodiscard]] const std::string& violation() const { return violation_; }

 private:
  struct Block {
    int lines_count = 0;
    int data_lines_count = 0;
    bool has_id = false;
    bool has_type = false;
    bool has_retry = false;
    std::string type;
    std::string data;
    std::string id;
    void clear();
  };

  void on_event(const DecodedEvent& event) noexcept override;
  void on_retry(std::uint64_t retry_ms) noexcept override;
  void on_comment(std::string_view text) noexcept override;
  void check(std::string_view bytes);
  void check_line(std::string_view line);
  void end_block();
  void fail(std::string_view what, std::string_view line);

  SseDecoder decoder_;
  const OnEvent* on_event_ = nullptr;
  std::optional<std::uint64_t> retry_ms_;
  std::uint64_t comments_count_ = 0;
  std::string violation_;
  std::string line_;  // The begin of an unfinished line.
  Block block_;
  std::vector<ReceivedEvent> strict_events_;  // Of the feed under way, for the comparison.
  std::size_t strict_events_compared_ = 0;
};

}  // namespace broadside::test
