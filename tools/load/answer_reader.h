// Reads HTTP/1.1 answers incrementally, one after the other on one connection: head, then the body in whatever framing the server
// chose. Lenient where a foreign server may be; the strict side is the server's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/chunked_decoder.h"

namespace broadside::tools::load {

class AnswerReader {
 public:
  enum class Step : std::uint8_t {
    need_more,  // All input was consumed.
    head,       // The head is complete: status() and is_event_stream() are known.
    body,       // body() is the next piece, a view into the input.
    end,        // The answer is over; the next one may follow.
    bad,        // No HTTP/1.x.
  };

  // Takes input up to and including the next step; `input` is moved behind what was consumed.
  Step next(std::string_view& input);

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] bool is_event_stream() const { return is_event_stream_; }
  // The connection does not outlive this answer.
  [[nodiscard]] bool is_last() const { return is_last_; }
  [[nodiscard]] std::string_view body() const { return body_; }
  // For a new connection.
  void reset();

 private:
  enum class State : std::uint8_t { head, sized, chunked, until_close, done };

  Step read_head(std::string_view& input);
  Step read_chunked(std::string_view& input);
  bool parse_head(std::string_view head);

  State state_ = State::head;
  int status_ = 0;
  bool is_event_stream_ = false;
  bool is_last_ = false;
  std::uint64_t left_ = 0;
  ChunkedDecoder chunked_;
  std::string partial_head_;
  std::string_view body_;
};

}  // namespace broadside::tools::load
