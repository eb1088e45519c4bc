// The engine's host: in some lives it decides later who may subscribe; in all it keeps account of whom it was told of. Its chance
// is its own, so that lives without it are as they were.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "engine/shard.h"
#include "tests/sim/sim_world.h"

namespace broadside::sim {

class SimHost final : public RequestHandler {
 public:
  explicit SimHost(SimWorld& world) : world_(world), dice_(~world.seed), defers_(dice_.one_in(3)) {}

  SubscribeDecision authorise(const Request& request, const SubscribeRequest& /*wanted*/) noexcept override {
    SubscribeDecision decision;
    decision.admission.user_data = 1;
    // Where any stream may have to leave at any time, some for want of a right.
    if (world_.plan.config.stream_age_max_ms != 0 && !world_.is_healed && dice_.one_in(4))
      decision.admission.expires_ms = world_.clock.wall_ms() + dice_.scaled(1, 20'000);
    decision.is_deferred = defers_ && !world_.is_healed && dice_.one_in(2);
    if (decision.is_deferred) waiting_.push_back(request.token);
    return decision;
  }
  void on_subscribe(const SubscriberView& subscriber) noexcept override {
    if (!streams_.emplace(subscriber.connection).second) world_.fail("the host is told twice of a stream");
  }
  void on_disconnect(const SubscriberView& subscriber, CloseReason /*reason*/) noexcept override {
    expect_known(subscriber);
    streams_.erase(std::string(subscriber.connection));
  }
  void on_lag(const SubscriberView& subscriber, std::string_view /*topic*/, const Lag& /*lag*/,
              LagOutcome /*outcome*/) noexcept override {
    expect_known(subscriber);
  }

  // Between two turns, sometimes: one of the decisions that wait, or in the end all of them. Most admit.
  void act(const std::vector<std::unique_ptr<Shard>>& shards) {
    while (!waiting_.empty() && (world_.is_healed || dice_.one_in(4))) {
      Message message;
      message.kind = Message::Kind::decide;
      message.token = dice_.pick(waiting_);
      // Now and then the same is decided twice, or what waits no longer is.
      if (world_.is_healed || !dice_.one_in(8))
        std::erase_if(waiting_, [&](const ResponseToken& each) { return is_same(each, message.token); });
      message.decision = std::make_unique<SubscribeDecision>();
      message.decision->admission.user_data = 1;
      const std::uint32_t shard = message.token.shard;
      shards[shard]->post(std::move(message));
      world_.ios[shard]->set_woken();
    }
  }
  [[nodiscard]] std::size_t streams_count() const { return streams_.size(); }

 private:
  static bool is_same(const ResponseToken& a, const ResponseToken& b) {
    return a.shard == b.shard && a.index == b.index && a.generation == b.generation && a.request == b.request;
  }
  void expect_known(const SubscriberView& subscriber) {
    if (!streams_.contains(subscriber.connection)) world_.fail("the host is told of a stream that it does not know");
    if (subscriber.user_data != 1 || subscriber.topics.empty()) world_.fail("the host is told something else of a stream");
  }

  SimWorld& world_;
  Dice dice_;
  const bool defers_;
  std::vector<ResponseToken> waiting_;
  std::set<std::string, std::less<>> streams_;  // Open ones.
};

}  // namespace broadside::sim
