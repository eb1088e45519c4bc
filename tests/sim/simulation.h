// One seed, one whole life of the engine over a simulated kernel: shards turn by turn in one thread, clients and publishers
// between the turns and between the sends of a turn. In the end the world is healed, and everybody must have what the oracle
// says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/shard.h"
#include "engine/topic_store.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/sim_publisher.h"
#include "tests/sim/sim_totals.h"
#include "tests/sim/sim_world.h"
#include "tests/support/toy_transport.h"

namespace broadside::sim {

class Simulation final : private ShardWaker, private Bystander {
 public:
  explicit Simulation(std::uint64_t seed);
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;
  ~Simulation() override;

  // All of it. Empty when nothing was wrong.
  [[nodiscard]] std::string run();
  // Adds what this life did.
  void add_to(SimTotals& totals) const;
  // The seed, how to replay it, and the trace: for whoever finds it failed.
  void report(std::FILE* out) const;

 private:
  void wake_shard(std::uint32_t shard) noexcept override;
  void act_meanwhile() override;

  [[nodiscard]] bool has_failed() const { return !world_.failure.empty(); }
  void step();
  void step_clients();
  void step_clock();
  void send_note();
  void turn(std::uint32_t shard);
  void check();
  void post(std::uint32_t shard, Message::Kind kind);
  // The end of a life, in this order.
  void heal();
  bool rest();           // Everything that can happen without time passing. False: it never ends.
  void become_quiet();   // Until everybody has everything.
  void check_wakes();    // What is published now arrives without time passing.
  void check_silence();  // Nobody hears nothing for longer than a heartbeat.
  void drain();
  void stop();
  [[nodiscard]] std::optional<std::size_t> find_behind() const;
  void expect_everybody_at_head(const std::string& when, bool with_rated = true);

  SimWorld world_;
  test::ToyTransportFactory transports_;
  TopicStore store_;
  SimHost host_;
  ShardShared shared_;
  std::vector<std::unique_ptr<Shard>> shards_;
  SimPublisher publisher_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::uint64_t turns_count_ = 0;
  bool is_stopped_ = false;
};

// One life; what was wrong with it, with the seed. Empty when nothing was, else it is reported on stderr as well.
[[nodiscard]] std::string run_seed(std::uint64_t seed, SimTotals* totals = nullptr);

}  // namespace broadside::sim
