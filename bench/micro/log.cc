// What a publish costs without subscribers (check, encode, lock, position, append, forget), and what a resume costs: finding its
// place in a log.
#include <benchmark/benchmark.h>

#include <span>
#include <string>
#include <vector>

#include "engine/topic_store.h"
#include "proto/position.h"

namespace broadside {
namespace {

class IdleWaker final : public ShardWaker {
 public:
  void wake_shard(std::uint32_t /*shard*/) noexcept override {}
};

constexpr std::uint64_t kHistoryMemory = 1ULL << 30;

void expect_published(benchmark::State& state, TopicStore& store, std::span<const BatchEntry> batch) {
  std::vector<Published> out;
  if (!store.publish_batch(batch, out, nullptr)) state.SkipWithError("a publish was refused");
}

// Arguments: bytes of data, events of a batch.
void publish(benchmark::State& state) {
  IdleWaker waker;
  const Config config;
  TopicStore store(config, 1, kHistoryMemory, waker);
  const std::string data(static_cast<std::size_t>(state.range(0)), 'x');
  const std::vector<BatchEntry> batch(static_cast<std::size_t>(state.range(1)),
                                      BatchEntry{.topic = "prices", .event = Event{.data = data}});
  for (auto _ : state) expect_published(state, store, batch);
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(publish)->ArgNames({"data", "batch"})->Args({256, 1})->Args({256, 100})->Args({16384, 1});

// Each event to another topic of so many.
void publish_over_topics(benchmark::State& state) {
  IdleWaker waker;
  const Config config;
  TopicStore store(config, 1, kHistoryMemory, waker);
  std::vector<std::string> topics;
  for (std::int64_t i = 0; i < state.range(0); ++i) topics.push_back("topic-" + std::to_string(i));
  const std::string data(256, 'x');
  std::size_t next = 0;
  for (auto _ : state) {
    const BatchEntry entry{.topic = topics[next], .event = Event{.data = data}};
    expect_published(state, store, {&entry, 1});
    next = (next + 7919) % topics.size();  // A prime: no order that a cache could guess.
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(publish_over_topics)->Arg(1)->Arg(1000)->Arg(100'000);

// Subscribing and leaving again, from each of the positions of a log of so many events in turn.
void resume(benchmark::State& state) {
  IdleWaker waker;
  Config config;
  config.defaults.history_events = static_cast<std::uint64_t>(state.range(0));
  config.defaults.history_bytes = 1ULL << 30;
  config.backlog_bytes = 1ULL << 30;
  TopicStore store(config, 1, kHistoryMemory, waker);
  const std::string data(256, 'x');
  const BatchEntry entry{.topic = "prices", .event = Event{.data = data}};
  std::vector<StartRequest> requests;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    std::vector<Published> out;
    if (!store.publish_batch({&entry, 1}, out, nullptr)) state.SkipWithError("a publish was refused");
    if (!out.empty()) requests.push_back({.kind = StartRequest::Kind::after_id, .id = to_string(out.front().position)});
  }
  // Somebody is there all along: the view is not made anew each time.
  const std::string topics[] = {"prices"};
  const StartPlan live = store.subscribe(0, topics, {});
  std::size_t next = 0;
  for (auto _ : state) {
    const StartPlan plan = store.subscribe(0, topics, requests[next]);
    if (!plan.gaps.empty()) state.SkipWithError("the log no longer has the position");
    store.unsubscribe(plan.views.front());
    next = (next + 7919) % requests.size();
  }
  store.unsubscribe(live.views.front());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(resume)->Arg(10)->Arg(1000)->Arg(100'000);

}  // namespace
}  // namespace broadside
