/// @file
/// The codec of text/event-stream (WHATWG HTML, section 9.2), for servers and clients that bring their own sockets: events to
/// bytes, and bytes to events as they come in. Of libbroadside, and alone in libbroadside_sse (CMake: broadside::sse). No system
/// calls, no threads: functions may be called from any thread, a decoder from one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "broadside/error.h"
#include "broadside/event.h"
#include "broadside/export.h"

namespace broadside {

/// Whether `event` can be written to a stream (9.2.5): `data`, `type` and `id` are UTF-8, and neither `type` nor `id` has a CR,
/// LF or NUL. Any size will do; `key` is not looked at. An Engine takes less: see Event. Error::Code::invalid_argument names the
/// field as the stream does: data, event or id.
[[nodiscard]] BROADSIDE_API Result<Done> check_sse_event(const Event& event);

/// Appends `event` to `out` as one block: an `id:` line if it has an id, an `event:` line if it has a type, a `retry:` line if it
/// has a time, a `data:` line for each line of its data (at least one), and a blank line. Each line ends in LF.
/// Requires: check_sse_event() takes it.
BROADSIDE_API void append_sse_event(std::string& out, const Event& event);

/// Appends to `out` a block of `retry:` alone: how long the client waits before it reconnects, in milliseconds. No event comes of
/// it.
BROADSIDE_API void append_sse_retry(std::string& out, std::uint64_t retry_ms);

/// Appends to `out` a comment, a line of colon and text for each line of `text` (at least one), and a blank line. Clients pass
/// over it; an empty one is what keeps a silent connection open (9.2.7).
BROADSIDE_API void append_sse_comment(std::string& out, std::string_view text);

/// An event as a client gets it. The views are valid during the call that hands it over.
struct DecodedEvent {
  std::string_view type;           ///< "message" if the block named none.
  std::string_view data;           ///< Lines joined by LF.
  std::string_view last_event_id;  ///< The newest id of the stream, which may be an earlier block's; may be empty.
};

/// Bytes to events, incrementally, as 9.2.6 has it: pieces may end anywhere. Bytes are passed on as they came: replacing what is
/// not UTF-8 (the standard's first step) is left to whoever shows them. A line that lies within one feed() is not copied.
/// Between two calls no view into a caller's bytes is kept.
class BROADSIDE_API SseDecoder {
 public:
  /// Larger than what anybody should send in one event, small enough for a client to hold.
  static constexpr std::size_t kBytesMaxDefault = 16 << 20;

  /// Who is told what was decoded, in the order of the stream, during feed(). Must not call back into the decoder.
  class Sink {
   public:
    /// An event was dispatched: its block had data and was ended by a blank line.
    virtual void on_event(const DecodedEvent& event) noexcept = 0;
    /// The server asks to wait so many milliseconds before a reconnect, from now on.
    virtual void on_retry(std::uint64_t retry_ms) noexcept { static_cast<void>(retry_ms); }
    /// A comment; `text` is what follows the colon, valid during the call.
    virtual void on_comment(std::string_view text) noexcept { static_cast<void>(text); }

   protected:
    ~Sink() = default;
  };

  /// `bytes_max` bounds a line, and the data of an event, in bytes.
  explicit SseDecoder(std::size_t bytes_max = kBytesMaxDefault) : bytes_max_(bytes_max) {}

  /// Decodes the next bytes of the stream. False when a line or an event was longer than the bound: nothing behind that is
  /// decoded, and every further call says false too, until restart().
  bool feed(std::string_view bytes, Sink& sink);

  /// The id to resume from (Last-Event-ID): that of the last block that was ended by a blank line. An id in a block cut short
  /// does not count. Empty: none. The reference is good until the next call.
  [[nodiscard]] const std::string& last_event_id() const { return last_event_id_; }

  /// Begins a new stream after a reconnect: an unfinished block is dropped, the last event id stays, as browsers have it.
  void restart();
  /// The same with another last event id, for example one kept from an earlier run.
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
