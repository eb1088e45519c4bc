// What a life is like: the engine's configuration, the world around it, and how often what goes wrong. All drawn from the seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broadside/config.h"
#include "tests/sim/sim_dice.h"
#include "tests/sim/sim_io.h"

namespace broadside::sim {

// What a life may lose, and so how much the oracle can expect.
enum class Keeping : std::uint8_t {
  everything,  // Nothing is forgotten and nobody is too slow: every loss and every close is a fault.
  by_count,    // Each topic keeps exactly its newest history_events. Who reads is not too slow.
  bounded,     // By bytes and age as well, and in little memory.
};

struct SimPlan {
  std::uint32_t shards_count = 1;
  std::uint32_t clients_count = 1;
  std::uint32_t steps_count = 1000;
  std::uint32_t turns_per_check = 1;  // check_invariants() after so many turns.
  Keeping keeping = Keeping::bounded;
  bool has_tables = false;
  bool is_sealed = false;  // What clients and the engine send each other goes in records.
  bool drains = false;     // At the end; else the engine is stopped.

  Config config;
  std::uint64_t history_memory = 0;
  std::uint32_t subscribers_max = 0;
  std::vector<std::string> topics;
  Faults faults;

  // Publishers: how large, and once in so many what is special.
  std::uint32_t batch_max = 1;
  std::uint32_t data_bytes_max = 1;
  std::uint32_t keys_count = 1;
  std::uint64_t own_id = 0;
  std::uint64_t end = 0;
  // Out of 100 steps.
  std::uint32_t publishes_percent = 10;
  std::uint32_t clocks_percent = 10;
  Nanos clock_step_max = 0;
  std::uint64_t wall_step = 0;  // Once in so many steps of the clock.
  std::uint64_t note = 0;       // Events to one subscriber alone: once in so many steps of clients.
  bool has_rates = false;       // Clients may ask for one.
  // Clients.
  std::uint64_t vanish = 0;       // Once in so many steps of one.
  std::uint64_t slow_client = 0;  // One of so many does not read as fast as it could.
};

[[nodiscard]] SimPlan draw_plan(Dice& dice);

}  // namespace broadside::sim
