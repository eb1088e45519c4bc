// One shard over the simulated kernel, turned by hand: what the scripted tests and the fuzzer of connections are made of.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/assert.h"
#include "engine/shard.h"
#include "tests/sim/sim_io.h"

namespace broadside::sim {

// Whoever derives from it sets config_ and shared_, and then starts.
class SimShard : public ShardWaker, public Bystander {
 protected:
  SimShard() = default;
  ~SimShard() override {
    if (shard_) shard_->close_all();
  }

  void start(bool has_tables = false) {
    store_.emplace(config_, 1, history_memory_, *this, clock_);
    shared_.config = std::make_shared<const Config>(config_);
    shared_.clock = &clock_;
    shared_.store = &*store_;
    shared_.subscribers_max = shared_.connections_max = 10;
    shared_.use_tables = has_tables;
    shard_.emplace(shared_, 0);
    shared_.shards = {&*shard_};
    auto io = std::make_unique<SimIo>(
        SimIo::Setup{.dice = dice_, .clock = clock_, .faults = faults_, .bystander = *this, .has_tables = has_tables});
    io_ = io.get();
    shard_->open(std::move(io));
    shard_->start({1 << 20});  // No descriptor of this process has this number.
  }
  // All that happens without time passing.
  void run() {
    constexpr int kTurnsMax = 10'000;  // More is a loop that never sleeps.
    for (int turns = 0; io_->is_awake(); ++turns) {
      BROADSIDE_ASSERT(turns < kTurnsMax);
      shard_->run_turn();
      shard_->check_invariants();
      store_->check_invariants();
    }
  }
  void pass(Nanos time) {
    for (; time > 0; time -= kTick) {
      clock_.advance(kTick);
      run();
    }
  }
  void post(Message message) {
    shard_->post(std::move(message));
    io_->set_woken();
  }

  Config config_;
  std::uint64_t history_memory_ = 64 * kMiB;
  SimClock clock_{kSecond};
  Dice dice_{1};
  Faults faults_;
  std::optional<TopicStore> store_;
  ShardShared shared_;
  std::optional<Shard> shard_;
  SimIo* io_ = nullptr;

 private:
  void wake_shard(std::uint32_t /*shard*/) noexcept override {
    io_->set_woken();
    shard_->signal();
  }
  void act_meanwhile() override {}
};

}  // namespace broadside::sim
