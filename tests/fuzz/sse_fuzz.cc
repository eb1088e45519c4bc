// Fuzzes the SSE codec: a stream decoded whole, byte by byte and in pieces gives the same; and an event made of the input, if it
// may be published, comes back from its frame as it was, line breaks being LF.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/sse.h"
#include "proto/event_check.h"
#include "proto/limits.h"
#include "proto/sse_encoder.h"

namespace {

using namespace broadside;

constexpr std::size_t kDecoderBytesMax = 256;  // Small, so that the bound is met.

void require(bool condition) {
  if (!condition) std::abort();
}

class Recorder final : public SseDecoder::Sink {
 public:
  void on_event(const DecodedEvent& event) noexcept override {
    ++events;
    type = event.type;
    data = event.data;
    id = event.last_event_id;
    story += "event " + type + "\n" + data + "\n" + id + "\n";
  }
  void on_retry(std::uint64_t retry_ms) noexcept override { story += "retry " + std::to_string(retry_ms) + "\n"; }
  void on_comment(std::string_view text) noexcept override { story += "comment " + std::string(text) + "\n"; }

  int events = 0;
  std::string type;
  std::string data;
  std::string id;
  std::string story;
};

std::string decode(std::string_view stream, std::size_t piece_bytes) {
  SseDecoder decoder(kDecoderBytesMax);
  Recorder recorder;
  bool is_good = true;
  for (std::size_t i = 0; i < stream.size() && is_good; i += piece_bytes) {
    const std::string_view piece = stream.substr(i, piece_bytes);
    // A copy of the exact size, so that the sanitizer sees each byte read behind it, or after feed() has returned.
    const std::vector<char> exact(piece.begin(), piece.end());
    is_good = decoder.feed(std::string_view(exact.data(), exact.size()), recorder);
  }
  return recorder.story + (is_good ? "good" : "overflow") + decoder.last_event_id();
}

std::string with_line_feeds(std::string_view data) {
  std::string out;
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] == '\r' && i + 1 < data.size() && data[i + 1] == '\n') continue;
    out += data[i] == '\r' ? '\n' : data[i];
  }
  return out;
}

// Takes a piece off `rest` whose length is its first byte.
std::string_view take_piece(std::string_view& rest) {
  if (rest.empty()) return {};
  const std::size_t length = static_cast<unsigned char>(rest.front());
  rest.remove_prefix(1);
  const std::string_view piece = rest.substr(0, length);
  rest.remove_prefix(piece.size());
  return piece;
}

void round_trip(std::string_view input) {
  const std::string_view type = take_piece(input);
  const std::string_view id = take_piece(input);
  const Event event{.data = input, .type = type, .id = id, .retry_ms = input.size(), .key = {}};
  if (!check_event(event, kEventDataBytesMaxDefault)) return;
  const std::string_view sent_id = id.empty() ? "1-2" : id;
  std::string frame;
  append_id_line(frame, sent_id);
  append_event_body(frame, event);
  require(frame.size() <= frame_bytes_max(input.size()));
  SseDecoder decoder;
  Recorder recorder;
  require(decoder.feed(frame, recorder));
  require(recorder.events == 1);
  require(recorder.type == (type.empty() ? "message" : type));
  require(recorder.data == with_line_feeds(input));
  require(recorder.id == sent_id);
  require(recorder.story.starts_with("retry " + std::to_string(input.size()) + "\n"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16 * 1024) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = decode(input, size + 1);
  require(decode(input, 1) == whole);
  require(decode(input, 5) == whole);
  round_trip(input);
  return 0;
}
