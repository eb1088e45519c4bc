// Publishes into the store as any thread may: bursts, batches, own ids and their duplicates, keys, ends and reopenings. What the
// store answers goes into the history.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/topic_store.h"
#include "tests/sim/sim_world.h"

namespace broadside::sim {

class SimPublisher {
 public:
  SimPublisher(SimWorld& world, TopicStore& store) : world_(world), store_(store) {}

  void act();
  // One small event, so that there is something newest.
  void publish_to(TopicIndex topic);

 private:
  [[nodiscard]] PublishedEvent draw_event();
  void publish(std::vector<PublishedEvent> events);
  void end(TopicIndex topic);

  SimWorld& world_;
  TopicStore& store_;
  std::uint64_t serial_ = 0;
  std::vector<std::string> own_ids_;  // All that were used, to be used again.
};

}  // namespace broadside::sim
