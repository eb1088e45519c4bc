// Chunked bodies (RFC 9112 7.1), incrementally and strictly. Data is passed on as views into the input; extensions and
// trailers are checked, bounded and dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/parse_outcome.h"

namespace broadside {

// Invariant: nothing of the input is kept; the whole state is these few integers.
class ChunkedDecoder {
 public:
  struct Step {
    ParseOutcome outcome = ParseOutcome::need_more;
    std::size_t consumed = 0;  // Bytes of the input that are done with.
    std::string_view data;     // The next piece of the body, within the input; only with need_more.
    const char* detail = "";   // refused (400, and close): a sentence for people, static.
  };

  // Takes input up to and including one piece of data. need_more with data: call again with what follows `consumed`, if
  // anything does; need_more without data: all of the input was consumed. complete: what follows is the next request.
  Step feed(std::string_view input);

  [[nodiscard]] bool is_complete() const { return state_ == State::complete; }
  // Ready for the next body.
  void reset() { *this = ChunkedDecoder(); }

 private:
  enum class State : std::uint8_t {
    size_first,  // The first digit of a size.
    size,        // Its other digits.
    extension,   // From the semicolon to the CR.
    size_lf,     // The LF after it.
    data,        // remaining_ bytes of data are to come.
    data_cr,     // The CR after the data.
    data_lf,
    trailer_begin,  // The first byte of a trailer line, or the last CR.
    trailer_name,
    trailer_value,
    trailer_lf,
    last_lf,
    complete,
    refused,
  };

  // Takes one byte outside of data; returns null, or why it is refused.
  const char* take_byte(unsigned char byte);
  const char* take_size_byte(unsigned char byte);
  const char* take_trailer_byte(unsigned char byte);

  std::uint64_t remaining_ = 0;   // Of the chunk under way, or its size as far as read.
  std::uint32_t line_bytes_ = 0;  // Of the extension, or of all trailers.
  std::uint8_t digits_ = 0;
  State state_ = State::size_first;
  const char* detail_ = "";
};

}  // namespace broadside
