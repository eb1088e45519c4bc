// What decoding a stream costs a reader: whole reads, and reads that cut lines anywhere.
#include <benchmark/benchmark.h>

#include <string>

#include "broadside/sse.h"
#include "proto/sse_encoder.h"

namespace broadside {
namespace {

class CountingSink final : public SseDecoder::Sink {
 public:
  void on_event(const DecodedEvent& event) noexcept override {
    ++events;
    bytes += event.data.size();
  }
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
};

constexpr int kEvents = 1000;

std::string stream_of(std::size_t data_bytes) {
  const std::string data(data_bytes, 'x');
  std::string stream;
  for (int i = 0; i < kEvents; ++i) {
    append_id_line(stream, "1700000000000-" + std::to_string(i));
    append_event_body(stream, Event{.data = data});
  }
  return stream;
}

// Arguments: bytes of data of an event, bytes of a read.
void reads_of(benchmark::State& state) {
  const std::string stream = stream_of(static_cast<std::size_t>(state.range(0)));
  const auto read_bytes = static_cast<std::size_t>(state.range(1));
  CountingSink sink;
  for (auto _ : state) {
    SseDecoder decoder;
    for (std::size_t at = 0; at < stream.size(); at += read_bytes) {
      if (!decoder.feed(std::string_view(stream).substr(at, read_bytes), sink)) state.SkipWithError("the stream did not decode");
    }
  }
  if (sink.events != static_cast<std::uint64_t>(state.iterations()) * kEvents) state.SkipWithError("events are missing");
  state.SetItemsProcessed(static_cast<std::int64_t>(sink.events));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stream.size()));
}
BENCHMARK(reads_of)->ArgNames({"data", "read"})->Args({256, 65536})->Args({256, 1448})->Args({256, 7})->Args({16384, 65536});

}  // namespace
}  // namespace broadside
