#include "tests/sim/sim_publisher.h"

#include <utility>

#include "proto/position.h"

namespace broadside::sim {

PublishedEvent SimPublisher::draw_event() {
  Dice& dice = world_.dice;
  PublishedEvent event{.topic = static_cast<TopicIndex>(dice.below(world_.history.topics_count())),
                       .position = {},
                       .id = {},
                       .type = dice.one_in(4) ? "tick" : "",
                       .data = std::to_string(++serial_) + " "};
  const std::uint64_t bytes = dice.scaled(1, world_.plan.data_bytes_max);
  if (bytes > event.data.size()) event.data.append(bytes - event.data.size(), "abcdefg\n"[serial_ % 8]);
  if (dice.one_in(2)) event.key = "k" + std::to_string(dice.below(world_.plan.keys_count));
  if (!dice.one_in(world_.plan.own_id)) return event;
  const bool is_repeated = !own_ids_.empty() && dice.one_in(4);
  event.id = is_repeated ? dice.pick(own_ids_) : "own-" + std::to_string(serial_);
  if (!is_repeated) own_ids_.push_back(event.id);
  return event;
}

void SimPublisher::act() {
  Dice& dice = world_.dice;
  if (dice.one_in(world_.plan.end)) return end(static_cast<TopicIndex>(dice.below(world_.history.topics_count())));
  std::vector<PublishedEvent> events;
  for (std::uint64_t left = dice.scaled(1, world_.plan.batch_max); left > 0; --left) events.push_back(draw_event());
  publish(std::move(events));
}

void SimPublisher::publish_to(TopicIndex topic) {
  PublishedEvent event{.topic = topic};
  event.data = std::to_string(++serial_);
  publish({std::move(event)});
}

void SimPublisher::publish(std::vector<PublishedEvent> events) {
  std::vector<BatchEntry> batch;
  for (const PublishedEvent& event : events) {
    batch.push_back(BatchEntry{.topic = world_.history.topic(event.topic).name,
                               .event = Event{.data = event.data, .type = event.type, .id = event.id, .key = event.key}});
  }
  std::vector<Published> published;
  const Result<Done> done = store_.publish_batch(batch, published, nullptr);
  if (!done) {
    const bool is_excused = done.error().code == Error::Code::out_of_memory || done.error().code == Error::Code::too_large;
    if (world_.plan.keeping == Keeping::everything || !is_excused) world_.fail("a publish was refused: " + done.error().message);
    return;
  }
  if (published.size() != events.size()) return world_.fail("a publish answers for another number of events");
  for (std::size_t i = 0; i < events.size(); ++i) {
    PublishedEvent& event = events[i];
    event.position = published[i].position;
    const std::string at = " at " + to_string(event.position);
    if (published[i].is_duplicate) {
      if (!world_.history.has(event.topic, event.id, event.position)) world_.fail("a duplicate of nothing" + at);
      continue;
    }
    if (event.id.empty()) event.id = to_string(event.position);
    if (event.type.empty()) event.type = "message";
    if (world_.trace.is_on()) world_.trace.add("published to topic " + std::to_string(event.topic) + at + ", id " + event.id);
    if (!world_.history.add(std::move(event))) world_.fail("a position that is not newer than all before," + at);
  }
}

void SimPublisher::end(TopicIndex topic) {
  bool existed = false;
  const std::string& name = world_.history.topic(topic).name;
  Result<Published> ended = store_.end(name, &existed);
  if (!ended) {
    if (world_.plan.keeping == Keeping::everything) world_.fail("an end was refused: " + ended.error().message);
    return;
  }
  if (!existed || ended->is_duplicate) return;
  const std::string id = to_string(ended->position);
  if (world_.trace.is_on()) world_.trace.add("ended topic " + std::to_string(topic) + " at " + id);
  PublishedEvent event{.topic = topic, .position = ended->position, .id = id, .type = "broadside.end"};
  event.data = "{\"topic\":\"" + name + "\"}";
  event.is_end = true;
  if (!world_.history.add(std::move(event))) world_.fail("an end that is not newer than all before, at " + id);
}

}  // namespace broadside::sim
