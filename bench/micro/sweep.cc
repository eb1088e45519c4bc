// What a sweep costs without the kernel: every subscriber of a topic is visited, its ranges are laid out, a socket that takes
// everything is pretended, and its cursor moves on. What stands between this and the cost of a delivery is the send itself.
#include <benchmark/benchmark.h>

#include <span>
#include <string>
#include <vector>

#include "engine/connection.h"
#include "engine/delivery.h"
#include "engine/io/io.h"
#include "engine/topic_store.h"

namespace broadside {
namespace {

class IdleWaker final : public ShardWaker {
 public:
  void wake_shard(std::uint32_t /*shard*/) noexcept override {}
};

// Sockets that take `share` of 256 of what they are given.
class PretendedSockets {
 public:
  explicit PretendedSockets(std::uint64_t share) : share_(share) {}
  void send(std::span<io::SendRequest> batch) const {
    for (io::SendRequest& request : batch) {
      request.sent = request.bytes * share_ / 256;
      benchmark::DoNotOptimize(request.ranges);
    }
  }

 private:
  std::uint64_t share_;
};

constexpr std::uint64_t kHistoryMemory = 1ULL << 30;
constexpr std::uint64_t kSendBytesMax = 128 << 10;

// What a shard does for its subscribers in a turn, but for the lap's bookkeeping.
class SweptSubscribers {
 public:
  SweptSubscribers(std::int64_t subscribers, std::int64_t topics, std::uint64_t share)
      : store_(config_, 1, kHistoryMemory, waker_), sockets_(share), data_(256, 'x') {
    for (std::int64_t i = 0; i < topics; ++i) topics_.push_back("topic-" + std::to_string(i));
    for (std::int64_t i = 0; i < subscribers; ++i) connect();
  }
  ~SweptSubscribers() {
    for (TopicView* view : views_) store_.unsubscribe(view);
  }

  [[nodiscard]] bool try_publish_everywhere(int events) {
    std::vector<BatchEntry> batch;
    for (int i = 0; i < events; ++i) {
      for (const std::string& topic : topics_) batch.push_back({.topic = topic, .event = Event{.data = data_}});
    }
    std::vector<Published> out;
    return store_.publish_batch(batch, out, nullptr).has_value();
  }

  // Deliveries that were completed.
  std::uint64_t sweep() {
    const TurnStart turn = store_.begin_turn(0);
    for (std::uint32_t i = 0; i < topics_.size(); ++i) store_.refresh(*views_[i], turn.published);
    std::uint64_t deliveries = 0;
    for (std::uint32_t i = 0; i < table_.size(); ++i) {
      Connection& connection = table_.at(i);
      for (std::uint32_t j = 0; j < connection.subscription_count; ++j) {
        Subscription& subscription = connection.subscriptions()[j];
        subscription.view->normalise(subscription.cursor);
      }
      batch_.add(connection, kSendBytesMax);
      if (batch_.is_full()) deliveries += send();
    }
    deliveries += send();
    // Everybody has been offered it: the logs may forget. Who was sent less is a few events behind, far from what they forget.
    for (std::uint32_t i = 0; i < topics_.size(); ++i) views_[i]->lap_position.store(turn.published.packed);
    return deliveries;
  }

 private:
  void connect() {
    const StartPlan plan = store_.subscribe(0, topics_, {});
    Connection& connection = table_.make();
    connection.state = ConnectionState::streaming;
    connection.subscription_count = static_cast<std::uint16_t>(plan.views.size());
    if (plan.views.size() > 1) connection.many = std::make_unique<Subscription[]>(plan.views.size());
    for (std::size_t i = 0; i < plan.views.size(); ++i) {
      connection.subscriptions()[i] = {.view = plan.views[i], .connection = &connection, .cursor = plan.places[i].cursor};
    }
    views_.insert(views_.end(), plan.views.begin(), plan.views.end());
  }

  std::uint64_t send() {
    requests_.clear();
    for (const Visit& visit : batch_.visits()) requests_.push_back(batch_.request_of(visit));
    sockets_.send(requests_);
    std::uint64_t deliveries = 0;
    for (std::size_t i = 0; i < requests_.size(); ++i) deliveries += batch_.apply(batch_.visits()[i], requests_[i].sent);
    batch_.clear();
    return deliveries;
  }

  const Config config_;
  IdleWaker waker_;
  TopicStore store_;
  PretendedSockets sockets_;
  const std::string data_;
  std::vector<std::string> topics_;
  ConnectionTable table_;
  std::vector<TopicView*>
      views_;  // The first ones are one of each topic: a shard's views do not change while it has subscribers.
  TornBudget torn_budget_;
  TornFrames torn_frames_{torn_budget_};
  DeliveryBatch batch_{torn_frames_};
  std::vector<io::SendRequest> requests_;
};

void run(benchmark::State& state, SweptSubscribers& swept, int events) {
  std::uint64_t deliveries = 0;
  for (int i = 0; i < 5; ++i) {  // Until everybody is as far behind as short sends leave them.
    if (!swept.try_publish_everywhere(events)) state.SkipWithError("a publish was refused");
    swept.sweep();
  }
  for (auto _ : state) {
    state.PauseTiming();
    if (!swept.try_publish_everywhere(events)) state.SkipWithError("a publish was refused");
    state.ResumeTiming();
    deliveries += swept.sweep();
  }
  if (deliveries == 0) state.SkipWithError("nothing was delivered");
  state.SetItemsProcessed(static_cast<std::int64_t>(deliveries));
}

// One event to each.
void one_event(benchmark::State& state) {
  SweptSubscribers swept(state.range(0), 1, 256);
  run(state, swept, 1);
}
BENCHMARK(one_event)->ArgName("subscribers")->Arg(1000)->Arg(10'000)->Arg(100'000);

// A burst is one range, and one send, a subscriber.
void burst_of_20(benchmark::State& state) {
  SweptSubscribers swept(state.range(0), 1, 256);
  run(state, swept, 20);
}
BENCHMARK(burst_of_20)->ArgName("subscribers")->Arg(10'000);

// The merge by position: an event in each of so many topics, all of them everybody's.
void one_event_in_each_topic(benchmark::State& state) {
  SweptSubscribers swept(state.range(0), state.range(1), 256);
  run(state, swept, 1);
}
BENCHMARK(one_event_in_each_topic)->ArgNames({"subscribers", "topics"})->Args({10'000, 2})->Args({10'000, 16});

// Sockets take three quarters: cursors stop inside frames, and the rest goes first next time.
void short_sends(benchmark::State& state) {
  SweptSubscribers swept(state.range(0), 1, 192);
  run(state, swept, 1);
}
BENCHMARK(short_sends)->ArgName("subscribers")->Arg(10'000);

}  // namespace
}  // namespace broadside
