// Fuzzes the SSE codec: a stream decoded whole, byte by byte and in pieces of any size gives the same; and an event made of the
// input, if it may be published, comes back from its frame as it was, line breaks being LF, however that is cut.
#include <string>
#include <string_view>

#include "broadside/sse.h"
#include "proto/event_check.h"
#include "proto/limits.h"
#include "proto/sse_encoder.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace broadside;
using namespace broadside::fuzz;

constexpr std::size_t kDecoderBytesMax = 256;  // Small, so that the bound is met.

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

// Feeds the stream in pieces as long as the bytes of `cuts` say, again from the first when they have all been used.
bool feed(SseDecoder& decoder, std::string_view stream, std::string_view cuts, Recorder& recorder) {
  for (std::size_t cut = 0; !stream.empty(); ++cut) {
    const std::size_t length = cuts.empty() ? stream.size() : static_cast<unsigned char>(cuts[cut % cuts.size()]);
    const ExactBytes piece(stream.substr(0, length > 0 ? length : 1));
    if (!decoder.feed(piece.view(), recorder)) return false;
    stream.remove_prefix(piece.view().size());
  }
  return true;
}

std::string decode(std::string_view stream, std::string_view cuts) {
  SseDecoder decoder(kDecoderBytesMax);
  Recorder recorder;
  const bool is_good = feed(decoder, stream, cuts, recorder);
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
  for (const std::string_view cuts : {std::string_view(), input}) {
    SseDecoder decoder;
    Recorder recorder;
    require(feed(decoder, frame, cuts, recorder));
    require(recorder.events == 1);
    require(recorder.type == (type.empty() ? "message" : type));
    require(recorder.data == with_line_feeds(input));
    require(recorder.id == sent_id);
    require(recorder.story.starts_with("retry " + std::to_string(input.size()) + "\n"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kInputBytesMax) return 0;
  const std::string_view input = as_text(data, size);
  const std::string whole = decode(input, {});
  require(decode(input, "\x01") == whole);
  require(decode(input, "\x05") == whole);
  require(decode(input, input) == whole);
  round_trip(input);
  return 0;
}
