#include "proto/chunked_decoder.h"

#include <algorithm>

#include "base/assert.h"
#include "proto/http_tokens.h"
#include "proto/limits.h"

namespace broadside {
namespace {

// The value of a hexadecimal digit, or -1.
int hex_value(unsigned char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::feed(std::string_view input) {
  if (state_ == State::refused) return Step{.outcome = ParseOutcome::refused, .consumed = 0, .data = {}, .detail = detail_};
  BROADSIDE_ASSERT(state_ != State::complete);
  std::size_t i = 0;
  while (i < input.size()) {
    if (state_ == State::data) {
      const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size() - i));
      BROADSIDE_ASSERT(bytes > 0);
      remaining_ -= bytes;
      if (remaining_ == 0) state_ = State::data_cr;
      return Step{.outcome = ParseOutcome::need_more, .consumed = i + bytes, .data = input.substr(i, bytes), .detail = ""};
    }
    if (const char* detail = take_byte(static_cast<unsigned char>(input[i])); detail != nullptr) {
      state_ = State::refused;
      detail_ = detail;
      return Step{.outcome = ParseOutcome::refused, .consumed = i, .data = {}, .detail = detail};
    }
    ++i;
    if (state_ == State::complete) return Step{.outcome = ParseOutcome::complete, .consumed = i, .data = {}, .detail = ""};
  }
  return Step{.outcome = ParseOutcome::need_more, .consumed = i, .data = {}, .detail = ""};
}

const char* ChunkedDecoder::take_byte(unsigned char byte) {
  switch (state_) {
    case State::size_first:
    case State::size:
    case State::extension:
    case State::size_lf:
      return take_size_byte(byte);
    case State::data_cr:
      if (byte != '\r') return "the data of a chunk is not followed by CRLF";
      state_ = State::data_lf;
      return nullptr;
    case State::data_lf:
      if (byte != '\n') return "the data of a chunk is not followed by CRLF";
      state_ = State::size_first;
      return nullptr;
    case State::trailer_begin:
    case State::trailer_name:
    case State::trailer_value:
    case State::trailer_lf:
    case State::last_lf:
      return take_trailer_byte(byte);
    case State::data:
    case State::complete:
    case State::refused:
      break;
  }
  BROADSIDE_ASSERT(false);
}

const char* ChunkedDecoder::take_size_byte(unsigned char byte) {
  if (state_ == State::size_lf) {
    if (byte != '\n') return "the line of a chunk's size has a CR without LF";
    line_bytes_ = 0;
    digits_ = 0;
    state_ = remaining_ > 0 ? State::data : State::trailer_begin;
    return nullptr;
  }
  if (state_ == State::extension) {
    if (byte == '\r') {
      state_ = State::size_lf;
      return nullptr;
    }
    if (!is_field_byte(byte)) return "a chunk extension has a control character";
    return ++line_bytes_ > kChunkExtensionBytesMax ? "a chunk extension is too long" : nullptr;
  }
  if (const int digit = hex_value(byte); digit >= 0) {
    if (++digits_ > kChunkSizeDigitsMax) return "the size of a chunk has too many digits";
    remaining_ = remaining_ * 16 + static_cast<unsigned>(digit);
    state_ = State::size;
    return nullptr;
  }
  // White space before a CR or a semicolon is refused as well: proxies differ on it, and no sender needs it.
  if (state_ == State::size && byte == '\r') {
    state_ = State::size_lf;
  } else if (state_ == State::size && byte == ';') {
    state_ = State::extension;
  } else {
    return "the size of a chunk is not hexadecimal digits";
  }
  return nullptr;
}

const char* ChunkedDecoder::take_trailer_byte(unsigned char byte) {
  if (++line_bytes_ > kTrailerBytesMax) return "the trailers are too long";
  switch (state_) {
    case State::trailer_begin:
      if (byte == '\r') {
        state_ = State::last_lf;
        return nullptr;
      }
      state_ = State::trailer_name;
      return is_token_byte(byte) ? nullptr : "a trailer field has no name";
    case State::trailer_name:
      if (byte == ':') state_ = State::trailer_value;
      return byte == ':' || is_token_byte(byte) ? nullptr : "the name of a trailer field is not a token";
    case State::trailer_value:
      if (byte == '\r') state_ = State::trailer_lf;
      return byte == '\r' || is_field_byte(byte) ? nullptr : "a trailer field has a control character";
    case State::trailer_lf:
      state_ = State::trailer_begin;
      return byte == '\n' ? nullptr : "a trailer field has a CR without LF";
    case State::last_lf:
      state_ = State::complete;
      return byte == '\n' ? nullptr : "the end of the body has a CR without LF";
    case State::size_first:
    case State::size:
    case State::extension:
    case State::size_lf:
    case State::data:
    case State::data_cr:
    case State::data_lf:
    case State::complete:
    case State::refused:
      break;
  }
  BROADSIDE_ASSERT(false);
}

}  // namespace broadside
