// What encoding an event costs: its check, the body that is written outside any lock, and the id line written under it.
#include <benchmark/benchmark.h>

#include <string>

#include "proto/event_check.h"
#include "proto/position.h"
#include "proto/sse_encoder.h"

namespace broadside {
namespace {

constexpr std::uint64_t kDataBytesMax = 1 << 20;

// Text without line breaks, as most events are.
void one_line(benchmark::State& state) {
  const std::string data(static_cast<std::size_t>(state.range(0)), 'x');
  const Event event{.data = data};
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_event_body(out, event);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(one_line)->Arg(64)->Arg(256)->Arg(4096)->Arg(65536);

// A line break every 40 bytes: each line becomes a `data:` line.
void many_lines(benchmark::State& state) {
  std::string data(static_cast<std::size_t>(state.range(0)), 'x');
  for (std::size_t at = 39; at < data.size(); at += 40) data[at] = '\n';
  const Event event{.data = data, .type = "update"};
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_event_body(out, event);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(many_lines)->Arg(256)->Arg(4096)->Arg(65536);

// UTF-8 and the limits, over text that is not all ASCII.
void check(benchmark::State& state) {
  std::string data;
  while (data.size() + 8 <= static_cast<std::size_t>(state.range(0))) data += "caf\xC3\xA9 ok";
  const Event event{.data = data, .type = "update", .id = "order-4711"};
  for (auto _ : state) benchmark::DoNotOptimize(check_event(event, kDataBytesMax));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data.size()));
}
BENCHMARK(check)->Arg(256)->Arg(65536);

void id_line(benchmark::State& state) {
  Position position = Position::of(1'700'000'000'000, 0);
  std::string out;
  for (auto _ : state) {
    char text[kPositionTextMax];
    const std::size_t bytes = format_position(position, text);
    out.clear();
    append_id_line(out, std::string_view(text, bytes));
    benchmark::DoNotOptimize(out.data());
    position = position.after();
  }
}
BENCHMARK(id_line);

}  // namespace
}  // namespace broadside
