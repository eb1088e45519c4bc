// Bytes to events: text/event-stream as WHATWG HTML 9.2.6 has it, incrementally, for `subscribe`, the load client and tests.
// Bytes are passed on as they came: replacing what is not UTF-8 (the standard's first step) is left to whoever shows them.
// A line that lies within one feed() is not copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/limits.h"

namespace broadside {

// An event as it was dispatched. The views are valid during the call that hands it over.
struct DecodedEvent {
  std::string_view type;           // "message" if the block named none.
  std::string_view data;           // Lines joined by LF.
  std::string_view last_event_id;  // The newest id of the stream, which may be an earlier block's.
};

// Invariants: between two calls no view into a caller's bytes is kept. After an overflow nothing is decoded any more.
class SseDecoder {
 public:
  // Who is told what was decoded, in the order of the stream. Must not call back into the decoder.
  class Sink {
   public:
    virtual void on_event(const DecodedEvent& event) noexcept = 0;
    virtual void on_retry(std::uint64_t retry_ms) noexcept { static_cast<void>(retry_ms); }
    virtual void on_comment(std::string_view text) noexcept { static_cast<void>(text); }  // What follows the colon.

   protected:
    ~Sink() = default;
  };

  // `bytes_max` bounds a line, and the data of an event.
  explicit SseDecoder(std::size_t bytes_max = kDecoderBytesMaxDefault) : bytes_max_(bytes_max) {}

  // Decodes the next bytes of the stream. False when a line or an event was longer than the bound, then and from then on.
  bool feed(std::string_view bytes, Sink& sink);

  // The id to resume from: that of the last block that was ended by a blank line. An id in a block cut short does not count.
  [[nodiscard]] const std::string& last_event_id() const { return last_event_id_; }

  // Begins a new stream after a reconnect: an unfinished block is dropped, the last event id stays, as browsers have it.
  void restart();
  // The same with another last event id.
  void restart(std::string_view last_event_id);

 private:
  // A field's value: a view into the bytes being fed, or, once it has to outlive them or grow, a copy.
  struct Value {
    std::string_view view;
    std::string copy;
    bool is_set = false;
    bool is_copied = false;

    [[nodiscard]] std::string_view get() const { return is_copied ? std::string_view(copy) : view; }
    void set(std::string_view value) {
      view = value;
      is_set = true;
      is_copied = false;
    }
    void keep() {
      if (!is_set || is_copied) return;
      copy.assign(view);
      is_copied = true;
    }
    void clear() { is_set = is_copied = false; }
  };

  [[nodiscard]] std::string_view take_byte_order_mark(std::string_view bytes);
  void keep_rest(std::string_view part);
  void keep_fields();
  bool try_plain_block(const char*& at, const char* end, Sink& sink);
  void take_line(std::string_view line, Sink& sink);
  void on_line(std::string_view line, Sink& sink);
  void on_field(std::string_view name, std::string_view value, Sink& sink);
  void add_data(std::string_view value);
  void dispatch(Sink& sink);

  std::size_t bytes_max_;
  std::string partial_line_;  // The begin of a line whose end has not come.
  Value data_;                // Lines joined by LF, without the LF after the last one.
  Value type_;
  Value id_;  // Set by this block; the stream's once it is dispatched.
  std::string last_event_id_;
  std::uint8_t mark_bytes_ = 0;   // How much of the byte order mark has been seen.
  bool is_mark_possible_ = true;  // Only at the start of the stream.
  bool is_lf_ignored_ = false;    // The last byte was a CR: an LF would belong to it.
  bool has_overflown_ = false;
};

}  // namespace broadside
