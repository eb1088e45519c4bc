// The codec for C: broadside/sse.h behind functions, handles and callbacks.
#include "broadside/c_sse.h"

#include <cstring>
#include <new>
#include <string>

#include "broadside/sse.h"
#include "proto/c_arguments.h"

using broadside::CArguments;
using broadside::slice_of;

struct broadside_sse_decoder {
  broadside::SseDecoder decoder;
};

namespace {

class CSink final : public broadside::SseDecoder::Sink {
 public:
  explicit CSink(const broadside_sse_sink& sink) : sink_(sink) {}

  void on_event(const broadside::DecodedEvent& event) noexcept override {
    if (sink_.on_event == nullptr) return;
    const broadside_sse_event decoded = {.size = sizeof decoded,
                                         .type = slice_of(event.type),
                                         .data = slice_of(event.data),
                                         .last_event_id = slice_of(event.last_event_id)};
    sink_.on_event(sink_.user, &decoded);
  }
  void on_retry(std::uint64_t retry_ms) noexcept override {
    if (sink_.on_retry != nullptr) sink_.on_retry(sink_.user, retry_ms);
  }
  void on_comment(std::string_view text) noexcept override {
    if (sink_.on_comment != nullptr) sink_.on_comment(sink_.user, slice_of(text));
  }

 private:
  const broadside_sse_sink& sink_;
};

// Hands out what was written, if there is room for all of it.
broadside_status give_bytes(CArguments& arguments, const std::string& bytes, char* buffer, std::size_t size,
                            std::size_t* written) {
  if (size != 0 && !arguments.need(buffer, "buffer")) return arguments.status();
  if (written != nullptr) *written = bytes.size();
  if (bytes.size() > size) return arguments.refuse(BROADSIDE_TOO_LARGE, "buffer is too small");
  std::memcpy(buffer, bytes.data(), bytes.size());
  return BROADSIDE_OK;
}

}  // namespace

broadside_status broadside_sse_write_event(const broadside_event* event, char* buffer, size_t buffer_size, size_t* written,
                                           broadside_error* error) {
  CArguments arguments(error);
  const broadside::Event read = read_event(arguments, event);
  if (!arguments.are_good()) return arguments.status();
  if (const auto good = check_sse_event(read); !good) return arguments.finish(good);
  std::string bytes;
  append_sse_event(bytes, read);
  return give_bytes(arguments, bytes, buffer, buffer_size, written);
}

broadside_status broadside_sse_write_retry(uint64_t retry_ms, char* buffer, size_t buffer_size, size_t* written,
                                           broadside_error* error) {
  CArguments arguments(error);
  std::string bytes;
  broadside::append_sse_retry(bytes, retry_ms);
  return give_bytes(arguments, bytes, buffer, buffer_size, written);
}

broadside_status broadside_sse_write_comment(broadside_slice text, char* buffer, size_t buffer_size, size_t* written,
                                             broadside_error* error) {
  CArguments arguments(error);
  const std::string_view comment = arguments.text(text, "text");
  if (!arguments.are_good()) return arguments.status();
  std::string bytes;
  broadside::append_sse_comment(bytes, comment);
  return give_bytes(arguments, bytes, buffer, buffer_size, written);
}

broadside_status broadside_sse_decoder_create(size_t bytes_max, broadside_sse_decoder** decoder, broadside_error* error) {
  CArguments arguments(error);
  if (!arguments.need(decoder, "decoder")) return arguments.status();
  const std::size_t bound = bytes_max != 0 ? bytes_max : broadside::SseDecoder::kBytesMaxDefault;
  *decoder = new (std::nothrow) broadside_sse_decoder{broadside::SseDecoder(bound)};
  return *decoder != nullptr ? BROADSIDE_OK : arguments.refuse(BROADSIDE_OUT_OF_MEMORY, "no memory for a decoder");
}

void broadside_sse_decoder_destroy(broadside_sse_decoder* decoder) { delete decoder; }

broadside_status broadside_sse_decoder_feed(broadside_sse_decoder* decoder, broadside_slice bytes, const broadside_sse_sink* sink,
                                            broadside_error* error) {
  CArguments arguments(error);
  arguments.need(decoder, "decoder");
  const std::string_view read = arguments.text(bytes, "bytes");
  const broadside_sse_sink known = arguments.sized(sink, broadside_sse_sink_init, "sink");
  if (!arguments.are_good()) return arguments.status();
  CSink told(known);
  if (decoder->decoder.feed(read, told)) return BROADSIDE_OK;
  return arguments.refuse(BROADSIDE_TOO_LARGE, "a line or an event is longer than the decoder's bound");
}

broadside_slice broadside_sse_decoder_last_event_id(const broadside_sse_decoder* decoder) {
  return decoder != nullptr ? slice_of(decoder->decoder.last_event_id()) : broadside_slice{};
}

broadside_status broadside_sse_decoder_restart(broadside_sse_decoder* decoder, broadside_error* error) {
  CArguments arguments(error);
  if (arguments.need(decoder, "decoder")) decoder->decoder.restart();
  return arguments.status();
}

broadside_status broadside_sse_decoder_restart_after(broadside_sse_decoder* decoder, broadside_slice last_event_id,
                                                     broadside_error* error) {
  CArguments arguments(error);
  const std::string_view id = arguments.text(last_event_id, "last_event_id");
  if (arguments.need(decoder, "decoder") && arguments.are_good()) decoder->decoder.restart(id);
  return arguments.status();
}
