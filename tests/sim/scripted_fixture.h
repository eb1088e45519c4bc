// One shard over the simulated kernel, step by step and without chance: what the scripted tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shard.h"
#include "tests/sim/sim_io.h"
#include "tests/sim/sim_note.h"

namespace broadside::sim {

constexpr std::size_t kRoomy = 1 << 20;

class ScriptedTest : public ::testing::Test, public ShardWaker, public Bystander {
 protected:
  ~ScriptedTest() override {
    if (shard_) shard_->close_all();
  }

  void start() {
    store_.emplace(config_, 1, 64 * kMiB, *this, clock_);
    shared_.config = std::make_shared<const Config>(config_);
    shared_.clock = &clock_;
    shared_.store = &*store_;
    if (handler_ != nullptr) shared_.handler = handler_;
    shared_.subscribers_max = shared_.connections_max = 10;
    shard_.emplace(shared_, 0);
    shared_.shards = {&*shard_};
    auto io = std::make_unique<SimIo>(SimIo::Setup{.dice = dice_, .clock = clock_, .faults = faults_, .bystander = *this});
    io_ = io.get();
    shard_->open(std::move(io));
    shard_->start({1 << 20});
  }
  // All that happens without time passing.
  void run() {
    for (int turns = 0; io_->is_awake(); ++turns) {
      ASSERT_LT(turns, 1000) << "the shard never sleeps";
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
  // The shard has no turn until something runs it.
  Position publish_unseen(std::string_view topic, std::string_view data) {
    const BatchEntry entry{.topic = topic, .event = Event{.data = data}};
    std::vector<Published> published;
    EXPECT_TRUE(store_->publish_batch({&entry, 1}, published, nullptr));
    return published.front().position;
  }
  Position publish(std::string_view topic, std::string_view data) {
    const Position position = publish_unseen(topic, data);
    run();
    return position;
  }
  void end(std::string_view topic) {
    bool existed = false;
    EXPECT_TRUE(store_->end(topic, &existed));
    run();
  }
  std::shared_ptr<SimSocket> subscribe(const std::string& query, std::size_t output_max) {
    std::shared_ptr<SimSocket> socket = io_->connect(output_max);
    socket->write("GET /events?" + query + " HTTP/1.1\r\nHost: sim\r\n\r\n");
    run();
    return socket;
  }
  // All that has come and that comes while it is read.
  std::string read(SimSocket& socket) {
    std::string bytes;
    while (const auto piece = socket.read(kRoomy)) {
      bytes += piece->bytes;
      run();
    }
    return bytes;
  }
  void send_note(const std::string& stream) {
    constexpr std::string_view kBefore = "{\"connection\":\"";
    shard_->post(make_note(std::string_view(stream).substr(stream.find(kBefore) + kBefore.size(), 32)));
    io_->set_woken();
    run();
  }

  Config config_;
  RequestHandler* handler_ = nullptr;
  SimClock clock_{kSecond};
  Dice dice_{1};
  Faults faults_;
  std::optional<TopicStore> store_;
  ShardShared shared_;
  std::optional<Shard> shard_;
  SimIo* io_ = nullptr;

 private:
  void wake_shard(std::uint32_t) noexcept override {
    io_->set_woken();
    shard_->signal();
  }
  void act_meanwhile() override {}
};

inline bool has(const std::string& bytes, std::string_view part) { return bytes.find(part) != std::string::npos; }

}  // namespace broadside::sim
