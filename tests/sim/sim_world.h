// What the actors of one simulation share: chance, time, the plan, what was published, and the way to say that something is
// wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_dice.h"
#include "tests/sim/sim_history.h"
#include "tests/sim/sim_io.h"
#include "tests/sim/sim_plan.h"
#include "tests/sim/sim_trace.h"

namespace broadside::sim {

struct SimWorld {
  explicit SimWorld(std::uint64_t of_seed)
      : seed(of_seed),
        dice(of_seed),
        plan(draw_plan(dice)),
        clock(static_cast<Nanos>(dice.scaled(kMillisecond, 3'600 * kSecond))),
        faults(plan.faults),
        history(plan.config, plan.topics),
        trace(clock) {}
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  // The first failure is the one that counts.
  void fail(const std::string& what) {
    if (failure.empty()) failure = what;
  }

  const std::uint64_t seed;
  Dice dice;
  const SimPlan plan;
  SimClock clock;
  Faults faults;  // The plan's, until the world is healed.
  History history;
  SimTrace trace;
  std::vector<SimIo*> ios;                       // By shard.
  std::vector<std::shared_ptr<SimSocket>> mute;  // Of clients that have vanished without a word.
  bool is_healed = false;                        // No more faults, and everybody reads.
  bool is_draining = false;
  std::string failure;
};

}  // namespace broadside::sim
