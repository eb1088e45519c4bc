#include "tests/sim/simulation.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "tests/sim/sim_note.h"

namespace broadside::sim {

namespace {

constexpr std::uint32_t kRestTurnsMax = 100'000;  // Of all shards, without time passing: more is a loop that never sleeps.
constexpr std::uint32_t kQuietTicksMax = 1'200;   // Two minutes: longer than any timeout that may have to pass.
constexpr std::uint32_t kRatedTicksMax = 12'000;  // Little a visit and few visits take longer.
// A batch may take more than was reckoned for it before: as its frames turn out shorter than they might have been, they lie in
// other segments, and those may be larger. And what is kept of a log's segment may be more than that had taken, while nothing
// else can go. Two of the largest segments at most.
constexpr std::uint64_t kExcessBytesMax = 128 * kKiB;
constexpr int kListener = 1 << 20;  // No descriptor of this process has this number.

Simulation* running = nullptr;

void report_assertion(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "broadside: assertion failed: %s (%s:%d)\n", expression, file, line);
  if (running != nullptr) running->report(stderr);
}

std::string describe_rules(const std::string& topic, const TopicRules& rules) {
  constexpr const char* kPolicyNames[] = {"disconnect", "skip", "conflate"};
  return "topic " + topic + ": " + kPolicyNames[static_cast<std::size_t>(rules.policy)] + ", history " +
         std::to_string(rules.history_events) + ", lag " + std::to_string(rules.lag.events) + "/" +
         std::to_string(rules.lag.bytes) + "/" + std::to_string(rules.lag.age_ms) + ", keep " + std::to_string(rules.keep) +
         ", rate " + std::to_string(rules.rate) + ", keys " + std::to_string(rules.keys) + (rules.snapshot ? ", snapshot" : "");
}

}  // namespace

Simulation::Simulation(std::uint64_t seed)
    : world_(seed),
      store_(world_.plan.config, world_.plan.shards_count, world_.plan.history_memory, *this, world_.clock),
      host_(world_),
      publisher_(world_, store_) {
  running = this;
  set_assert_handler(report_assertion);
  const SimPlan& plan = world_.plan;
  world_.history.set_start(store_.published());
  Config config = plan.config;
  config.transports = &transports_;
  shared_.config = std::make_shared<const Config>(config);
  shared_.sealed_listeners = plan.is_sealed ? UINT64_MAX : 0;
  shared_.clock = &world_.clock;
  shared_.store = &store_;
  shared_.handler = &host_;
  shared_.shard_count = plan.shards_count;
  shared_.subscribers_max = plan.subscribers_max;
  shared_.connections_max = plan.subscribers_max + plan.clients_count;
  shared_.use_tables = plan.has_tables;
  shared_.torn_budget.bytes_max = plan.history_memory / 16;
  const SimIo::Setup setup{.dice = world_.dice,
                           .clock = world_.clock,
                           .faults = world_.faults,
                           .bystander = *this,
                           .has_tables = plan.has_tables && world_.dice.one_in(2)};
  for (std::uint32_t i = 0; i < plan.shards_count; ++i) {
    auto io = std::make_unique<SimIo>(setup);
    world_.ios.push_back(io.get());
    shards_.push_back(std::make_unique<Shard>(shared_, i));
    shared_.shards.push_back(shards_.back().get());
    shards_.back()->open(std::move(io));
    shards_.back()->start({kListener, kListener + 1});
  }
  for (std::uint32_t i = 0; i < plan.clients_count; ++i) clients_.push_back(std::make_unique<SimClient>(world_, i));
}

Simulation::~Simulation() {
  if (!is_stopped_) {
    for (auto& shard : shards_) shard->close_all();
  }
  set_assert_handler(nullptr);
  running = nullptr;
}

void Simulation::wake_shard(std::uint32_t shard) noexcept {
  world_.ios[shard]->set_woken();
  shards_[shard]->signal();
}

void Simulation::post(std::uint32_t shard, Message::Kind kind) {
  Message message;
  message.kind = kind;
  shards_[shard]->post(std::move(message));
  world_.ios[shard]->set_woken();
}

void Simulation::add_to(SimTotals& totals) const {
  for (const auto& shard : shards_) totals.add(shard->stats());
  totals.add(store_.stats());
  for (const auto& client : clients_) totals.add("events read", client->delivered_count());
}

void Simulation::report(std::FILE* out) const {
  const auto seed = static_cast<unsigned long long>(world_.seed);
  world_.trace.print(out);
  for (TopicIndex topic = 0; world_.trace.is_on() && topic < world_.history.topics_count(); ++topic) {
    const std::string rules = describe_rules(world_.history.topic(topic).name, world_.history.topic(topic).rules);
    std::fprintf(out, "%s\n", rules.c_str());
  }
  std::fprintf(out, "seed %llu; replay it: BROADSIDE_SIM_TRACE=1 build/dev/tests/sim_test --seed %llu\n", seed, seed);
}

// ---- A life ----

std::string Simulation::run() {
  for (std::uint32_t i = 0; i < world_.plan.steps_count && !has_failed(); ++i) step();
  if (!has_failed()) heal();
  if (!has_failed()) become_quiet();
  if (!has_failed()) check_wakes();
  if (!has_failed()) check_silence();
  if (!has_failed() && world_.plan.drains) drain();
  if (!has_failed()) stop();
  return world_.failure;
}

void Simulation::step() {
  host_.act(shards_);
  const std::uint64_t dice = world_.dice.below(100);
  const SimPlan& plan = world_.plan;
  if (dice < plan.publishes_percent) return publisher_.act();
  if (dice < plan.publishes_percent + plan.clocks_percent) return step_clock();
  if (dice % 2 == 0) return step_clients();
  const auto shard = static_cast<std::uint32_t>(world_.dice.below(shards_.size()));
  // A wait may return early.
  if (world_.ios[shard]->is_awake() || world_.dice.one_in(64)) turn(shard);
}

void Simulation::step_clients() {
  if (world_.dice.one_in(world_.plan.note)) return send_note();
  world_.dice.pick(clients_)->act();
}

void Simulation::step_clock() {
  Dice& dice = world_.dice;
  world_.clock.advance(static_cast<Nanos>(dice.scaled(1, static_cast<std::uint64_t>(world_.plan.clock_step_max))));
  if (!dice.one_in(world_.plan.wall_step)) return;
  const auto by_ms = static_cast<std::int64_t>(dice.scaled(1, 10'000));
  world_.clock.step_wall(dice.one_in(2) ? by_ms : -by_ms);
}

void Simulation::act_meanwhile() {
  switch (world_.dice.below(3)) {
    case 0:
      return publisher_.act();
    case 1:
      return step_clients();
    default:
      world_.clock.advance(static_cast<Nanos>(world_.dice.scaled(1, kMillisecond)));
  }
}

void Simulation::send_note() {
  const SimClient& client = *world_.dice.pick(clients_);
  if (client.connection_id().empty()) return;
  Message message = make_note(client.connection_id());
  const std::uint32_t shard = shard_of_id(message.id, world_.plan.shards_count);
  shards_[shard]->post(std::move(message));
  world_.ios[shard]->set_woken();
}

void Simulation::turn(std::uint32_t shard) {
  if (world_.trace.is_on()) world_.trace.add("turn of shard " + std::to_string(shard));
  if (!shards_[shard]->run_turn()) world_.fail("a shard stopped by itself");
  if (++turns_count_ % world_.plan.turns_per_check != 0) return;
  shards_[shard]->check_invariants();
  check();
}

void Simulation::check() {
  store_.check_invariants();
  const LogStats logs = store_.stats();
  if (logs.history_bytes > logs.history_bytes_max + kExcessBytesMax) world_.fail("the logs hold more than --history-memory");
}

// ---- Its end ----

void Simulation::heal() {
  world_.is_healed = true;
  host_.act(shards_);
  world_.faults = Faults{};
  // The kernel gives up on peers that do not acknowledge.
  for (const std::shared_ptr<SimSocket>& socket : world_.mute) socket->leave();
  for (auto& client : clients_) client->heal();
  // A millisecond, so that what was late by chance is looked at.
  world_.clock.advance(kMillisecond);
}

bool Simulation::rest() {
  bool goes_on = true;
  for (std::uint32_t turns = 0; goes_on && turns < kRestTurnsMax && !has_failed();) {
    goes_on = false;
    for (std::uint32_t shard = 0; shard < shards_.size(); ++shard) {
      if (!world_.ios[shard]->is_awake()) continue;
      goes_on = true;
      turn(shard);
      ++turns;
    }
    for (auto& client : clients_) {
      if (client->act()) goes_on = true;
    }
  }
  if (goes_on && !has_failed()) world_.fail("the shards never sleep");
  return !has_failed();
}

// The number of one who is not at the head; nothing when everybody is.
std::optional<std::size_t> Simulation::find_behind() const {
  const auto found = std::find_if(clients_.begin(), clients_.end(), [](const auto& client) {
    return !client->is_done() && !(client->is_streaming() && client->is_at_head());
  });
  return found == clients_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - clients_.begin()));
}

void Simulation::become_quiet() {
  // Where there are fewer places than clients, some are turned away for good.
  const bool has_places = world_.plan.subscribers_max >= world_.plan.clients_count;
  const std::uint32_t ticks_max = world_.plan.has_rates ? kRatedTicksMax : kQuietTicksMax;
  for (std::uint32_t tick = 0; tick < ticks_max; ++tick) {
    if (!rest()) return;
    if (has_places && !find_behind()) break;
    if (!has_places && tick > 200) break;
    world_.clock.advance(kTick);
  }
  if (const auto behind = find_behind(); has_places && behind)
    world_.fail("client " + std::to_string(*behind) + " never gets a stream, or never gets to the head of it");
  // Where some are turned away and come back, a rated stream may have begun just now.
  expect_everybody_at_head("in the end", has_places);
  std::uint64_t blocked = 0;
  for (const auto& shard : shards_) blocked += shard->stats().subscribers_blocked;
  if (blocked > 0) world_.fail("somebody who has read everything counts as blocked");
}

void Simulation::expect_everybody_at_head(const std::string& when, bool with_rated) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const SimClient& client = *clients_[i];
    if (!client.is_streaming() || (client.is_rated() && !with_rated)) continue;
    if (!client.is_at_head()) world_.fail("client " + std::to_string(i) + " lacks something " + when);
    if (!client.is_between_events()) world_.fail("client " + std::to_string(i) + " is left inside an event " + when);
  }
}

void Simulation::check_wakes() {
  for (TopicIndex topic = 0; topic < world_.history.topics_count(); ++topic) publisher_.publish_to(topic);
  if (!rest()) return;
  expect_everybody_at_head("though its shard had only to be woken", false);
  // A rated one may need some visits; one that has ended and comes back, some more.
  std::vector<bool> was_at_head(clients_.size(), false);
  for (int visits = 0; visits < 60 && rest(); ++visits) {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      if (!clients_[i]->is_streaming() || clients_[i]->is_at_head()) was_at_head[i] = true;
    }
    world_.clock.advance(kSecond + kTick);
  }
  const auto never = std::find(was_at_head.begin(), was_at_head.end(), false);
  if (never == was_at_head.end() || !rest()) return;
  world_.fail("client " + std::to_string(never - was_at_head.begin()) + " lacks something though its visits were due");
}

void Simulation::check_silence() {
  const std::uint32_t heartbeat_ms = world_.plan.config.defaults.heartbeat_ms;
  if (heartbeat_ms == 0 || !world_.plan.config.topics.empty()) return;
  if (world_.plan.config.stream_age_max_ms != 0) return;  // Meanwhile it may have become another stream.
  std::vector<std::uint64_t> before;
  for (const auto& client : clients_) before.push_back(client->comments_count());
  std::vector<bool> was_streaming;
  for (const auto& client : clients_) was_streaming.push_back(client->is_streaming());
  // Ticks are what time is looked at in: one more before, and one after.
  for (std::uint32_t tick = 0; tick < ticks_of_ms(heartbeat_ms) + 2; ++tick) {
    world_.clock.advance(kTick);
    if (!rest()) return;
  }
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (!was_streaming[i] || !clients_[i]->is_streaming() || clients_[i]->comments_count() > before[i]) continue;
    world_.fail("client " + std::to_string(i) + " hears nothing for longer than a heartbeat");
  }
}

void Simulation::drain() {
  for (TopicIndex topic = 0; topic < world_.history.topics_count(); ++topic) publisher_.publish_to(topic);
  world_.is_draining = true;
  shared_.is_draining = true;
  for (std::uint32_t shard = 0; shard < shards_.size(); ++shard) post(shard, Message::Kind::drain);
  const std::uint32_t ticks_max = ticks_of_ms(world_.plan.config.drain_timeout_ms) + 2;
  for (std::uint32_t tick = 0; tick < ticks_max && rest(); ++tick) world_.clock.advance(kTick);
  if (shared_.connections.load() > 0) world_.fail("a drain leaves connections behind");
}

void Simulation::stop() {
  is_stopped_ = true;
  for (std::uint32_t shard = 0; shard < shards_.size(); ++shard) {
    post(shard, Message::Kind::stop);
    for (std::uint32_t turns = 0; shards_[shard]->run_turn(); ++turns) BROADSIDE_ASSERT(turns < kRestTurnsMax);
    shards_[shard]->close_all();
    shards_[shard]->check_invariants();
    if (world_.ios[shard]->sockets_count() > 0) world_.fail("a stopped shard leaves sockets open");
  }
  check();
  if (host_.streams_count() != 0) world_.fail("the host is not told that streams have ended");
  if (shared_.connections.load() != 0) world_.fail("connections are counted that are closed");
  if (shared_.subscribers.load() != 0) world_.fail("subscribers are counted that are gone");
}

std::string run_seed(std::uint64_t seed, SimTotals* totals) {
  Simulation simulation(seed);
  std::string failure = simulation.run();
  if (totals != nullptr) simulation.add_to(*totals);
  if (failure.empty()) return failure;
  simulation.report(stderr);
  return "seed " + std::to_string(seed) + ": " + failure;
}

}  // namespace broadside::sim
