// The public Engine in one process: publishers on threads, subscribers on plain sockets, on both backends. The oracle is what
// the publishers were answered: every subscriber must have all of its topics' events in the order of their positions.
#include "broadside/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "tests/engine/engine_fixture.h"
#include "tests/support/deadline.h"

namespace broadside {
namespace {

class EngineTest : public EngineFixture {};

TEST_P(EngineTest, gives_every_subscriber_everything_in_one_order) {
  // Readers that are given no processor for a while are no laggards here.
  config_.defaults.history_events = 100'000;
  config_.defaults.history_bytes = 1 << 30;
  START_OR_SKIP();
  const std::vector<std::string> topics = {"a", "b", "c", "d"};
  const std::vector<std::vector<std::string>> wanted = {{"a"}, {"b"}, {"a", "b"}, {"d", "c", "b", "a"}, {"c"}, {"c", "d"}};
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  std::vector<std::size_t> wants;
  for (std::size_t i = 0; i < 36; ++i) {
    std::string target = "/events?";
    for (const std::string& topic : wanted[i % wanted.size()]) target += "topic=" + topic + "&";
    target.pop_back();
    // Some have little room, so that sends are short.
    subscribers.push_back(std::make_unique<Subscriber>(*engine_, target, i % 2 == 0 ? 4096 : 0));
    wants.push_back(i % wanted.size());
  }
  for (auto& subscriber : subscribers) ASSERT_TRUE(subscriber->wait_open());
  std::mutex mutex;
  std::map<Position, std::pair<std::string, std::string>> oracle;  // Topic and data.
  const std::uint32_t count = test::scaled(3000, 800);
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t i = 0; i < count; ++i) {
        const std::string& topic = topics[(i * 7 + t * 3 + i / 5) % topics.size()];
        const std::string filling(i % 97 == 0 ? 9000 : i % 60, 'x');
        const std::string data = std::to_string(t) + ":" + std::to_string(i) + ":" + filling;
        const Result<Published> published = engine_->publish(topic, Event{.data = data});
        ASSERT_TRUE(published);
        const std::lock_guard lock(mutex);
        oracle.emplace(published.value().position, std::make_pair(topic, data));
      }
    });
  }
  // Two readers, each for half of the subscribers: one after the other until all streams have ended.
  std::atomic<bool> is_published{false};
  for (std::size_t half = 0; half < 2; ++half) {
    threads.emplace_back([&, half] {
      while (!is_published.load()) {
        for (std::size_t i = half; i < subscribers.size(); i += 2) subscribers[i]->read_some(test::Deadline::in(test::Millis(0)));
      }
      for (std::size_t i = half; i < subscribers.size(); i += 2) subscribers[i]->read_to_end();
    });
  }
  for (std::size_t t = 0; t < 4; ++t) threads[t].join();
  end_all(topics);
  is_published.store(true);
  for (std::size_t t = 4; t < threads.size(); ++t) threads[t].join();
  ASSERT_EQ(oracle.size(), 4U * count);
  for (std::size_t i = 0; i < subscribers.size(); ++i) {
    const Subscriber& subscriber = *subscribers[i];
    EXPECT_EQ(subscriber.violation(), "");
    EXPECT_TRUE(subscriber.is_closed) << i;
    EXPECT_EQ(subscriber.gaps.size(), 0U);
    std::vector<std::string> expected;
    for (const auto& [position, event] : oracle) {
      const auto& names = wanted[wants[i]];
      if (std::find(names.begin(), names.end(), event.first) != names.end()) expected.push_back(event.second);
    }
    EXPECT_EQ(subscriber.data.size(), expected.size()) << i;
    EXPECT_TRUE(subscriber.data == expected) << "subscriber " << i;
  }
  const Stats stats = engine_->stats();
  for (const ShardStats& shard : stats.shards) EXPECT_EQ(shard.closes_for(CloseReason::lagging), 0U);
}

// Without any history a burst is delivered all the same: a frame stays until the sweeps have passed it.
TEST_P(EngineTest, throws_no_healthy_subscriber_out_in_a_burst) {
  config_.defaults.history_events = 0;
  config_.defaults.history_bytes = 0;
  config_.send_buffer_bytes = 16 << 10;
  START_OR_SKIP();
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < 8; ++i) {
    subscribers.push_back(std::make_unique<Subscriber>(*engine_, i % 2 == 0 ? "/events/t" : "/events?topic=t&topic=u", 8192));
    ASSERT_TRUE(subscribers.back()->wait_open());
  }
  std::vector<std::thread> readers;
  for (auto& subscriber : subscribers) readers.emplace_back([&subscriber] { subscriber->read_to_end(); });
  const std::string data(2000, 'x');
  const std::uint32_t count = test::scaled(4000, 1500);
  std::vector<std::thread> publishers;
  for (const char* topic : {"t", "u"}) {
    publishers.emplace_back([&, topic] {
      for (std::uint32_t i = 0; i < count; ++i) ASSERT_TRUE(engine_->publish(topic, Event{.data = data}));
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  end_all({"t", "u"});
  for (std::thread& reader : readers) reader.join();
  for (std::size_t i = 0; i < subscribers.size(); ++i) {
    EXPECT_EQ(subscribers[i]->data.size(), i % 2 == 0 ? count : 2 * count) << i;
    EXPECT_EQ(subscribers[i]->violation(), "");
  }
  const Stats stats = engine_->stats();
  for (const ShardStats& shard : stats.shards) EXPECT_EQ(shard.closes_for(CloseReason::lagging), 0U);
  EXPECT_EQ(stats.logs.backlog_overruns, 0U);
}

// The same with one frame a visit and many subscribers that never block: what a lap has offered but not yet sent must stay.
TEST_P(EngineTest, keeps_what_a_visit_could_not_send_at_once) {
  config_.defaults.history_events = 0;
  config_.defaults.history_bytes = 0;
  config_.send_bytes_max = 16 << 10;
  config_.shards = 1;
  START_OR_SKIP();
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < 4; ++i) {
    subscribers.push_back(std::make_unique<Subscriber>(*engine_, "/events/t"));
    ASSERT_TRUE(subscribers.back()->wait_open());
  }
  std::vector<std::thread> readers;
  for (auto& subscriber : subscribers) readers.emplace_back([&subscriber] { subscriber->read_to_end(); });
  // Batches that take many visits each, with publishes close behind that would free them.
  const std::string data(3000, 'x');
  std::vector<BatchEntry> batch(200, BatchEntry{.topic = "t", .event = {.data = data}});
  std::vector<Published> out;
  const std::uint32_t rounds = test::scaled(60, 20);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    ASSERT_TRUE(engine_->publish_batch(batch, out, nullptr));
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(engine_->publish("t", Event{.data = "small"}));
  }
  end_all({"t"});
  for (std::thread& reader : readers) reader.join();
  for (const auto& subscriber : subscribers) EXPECT_EQ(subscriber->data.size(), rounds * 250);
  EXPECT_EQ(engine_->stats().shards[0].closes_for(CloseReason::lagging), 0U);
}

TEST_P(EngineTest, resumes_across_connections_without_a_gap) {
  START_OR_SKIP();
  for (int i = 0; i < 100; ++i) {
    const std::string data = std::to_string(i);
    const std::string id = "id" + data;
    ASSERT_TRUE(engine_->publish("t", Event{.data = data, .id = id}));
  }
  for (int from = 0; from < 100; from += 33) {
    Subscriber subscriber(*engine_, "/events/t?follow=0&last_event_id=id" + std::to_string(from));
    subscriber.read_to_end();
    EXPECT_TRUE(subscriber.is_closed);
    EXPECT_EQ(subscriber.gaps.size(), 0U);
    ASSERT_EQ(subscriber.data.size(), 99U - from);
    for (int i = from + 1; i < 100; ++i) EXPECT_EQ(subscriber.data[i - from - 1], std::to_string(i));
  }
}

TEST_P(EngineTest, asks_its_handler_about_everything_else) {
  START_OR_SKIP();
  Subscriber client(*engine_, "/hello");
  const test::Deadline deadline = test::soon();
  while (client.head.find("\r\n\r\n") == std::string::npos && client.read_some(deadline)) {
  }
  EXPECT_EQ(client.head.substr(0, 12), "HTTP/1.1 200");
}

TEST_P(EngineTest, lets_two_engines_live_in_one_process) {
  START_OR_SKIP();
  Result<Engine> other = Engine::create(config_, &handler_);
  ASSERT_TRUE(other) << other.error().message;
  other->start();
  ASSERT_NE(engine_->listen_urls(), other->listen_urls());
  Subscriber here(*engine_, "/events/t");
  Subscriber there(*other, "/events/t");
  ASSERT_TRUE(here.wait_open() && there.wait_open());
  ASSERT_TRUE(engine_->publish("t", Event{.data = "here"}));
  ASSERT_TRUE(other->publish("t", Event{.data = "there"}));
  bool existed = false;
  ASSERT_TRUE(engine_->end("t", &existed));
  ASSERT_TRUE(other->end("t", &existed));
  here.read_to_end();
  there.read_to_end();
  EXPECT_EQ(here.data, std::vector<std::string>{"here"});
  EXPECT_EQ(there.data, std::vector<std::string>{"there"});
}

TEST_P(EngineTest, closes_open_streams_when_it_stops_and_stops_once) {
  START_OR_SKIP();
  Subscriber subscriber(*engine_, "/events/t");
  ASSERT_TRUE(subscriber.wait_open());
  engine_->stop();
  subscriber.read_to_end();
  EXPECT_TRUE(subscriber.is_closed || subscriber.was_reset);
  engine_->stop();
  engine_.reset();
}

TEST_P(EngineTest, drains_streams_and_says_when_none_is_left) {
  config_.drain_timeout_ms = 1000;
  START_OR_SKIP();
  Subscriber subscriber(*engine_, "/events/t");
  ASSERT_TRUE(subscriber.wait_open());
  ASSERT_TRUE(engine_->publish("t", Event{.data = "before"}));
  engine_->start_drain();
  engine_->start_drain();
  subscriber.read_to_end();
  EXPECT_EQ(subscriber.data, std::vector<std::string>{"before"});
  EXPECT_TRUE(subscriber.is_closed);
  EXPECT_TRUE(engine_->wait_drained());
}

TEST_P(EngineTest, can_be_destroyed_without_a_start) {
  Result<Engine> made = Engine::create(config_, &handler_);
  if (!made && GetParam() == Backend::uring) GTEST_SKIP() << made.error().message;
  ASSERT_TRUE(made);
  ASSERT_TRUE(made->publish("t", Event{.data = "x"}));
}

TEST_P(EngineTest, can_be_moved) {
  START_OR_SKIP();
  Engine moved = std::move(*engine_);
  engine_ = std::make_unique<Engine>(std::move(moved));
  Subscriber subscriber(*engine_, "/events/t");
  EXPECT_TRUE(subscriber.wait_open());
}

// Sums over the shards.
std::uint64_t first_writes_count(const Stats& stats) {
  std::uint64_t sum = 0;
  for (const ShardStats& shard : stats.shards) sum += shard.first_writes.count();
  return sum;
}
std::uint64_t last_writes_count(const Stats& stats) {
  std::uint64_t sum = 0;
  for (const ShardStats& shard : stats.shards) sum += shard.last_writes.count();
  return sum;
}

TEST_P(EngineTest, takes_the_latencies_of_each_event_once_a_shard) {
  config_.shards = 1;
  START_OR_SKIP();
  // What was published before anybody came, and is replayed, has no latency.
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(engine_->publish("t", Event{.data = "before"}));
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (const char* target : {"/events/t", "/events/t", "/events?topic=t&topic=u", "/events/t?last=20", "/events/u"}) {
    subscribers.push_back(std::make_unique<Subscriber>(*engine_, target));
    ASSERT_TRUE(subscribers.back()->wait_open());
  }
  const std::uint32_t count = test::scaled(500, 200);
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_TRUE(engine_->publish("t", Event{.data = std::string(1 + i * 13 % 3000, 'x')}));
    ASSERT_TRUE(engine_->publish(i % 2 == 0 ? "u" : "nobody", Event{.data = "x"}));
  }
  std::vector<BatchEntry> batch(100, BatchEntry{.topic = "t", .event = {.data = "x"}});
  std::vector<Published> out;
  ASSERT_TRUE(engine_->publish_batch(batch, out, nullptr));
  end_all({"t", "u"});
  for (auto& subscriber : subscribers) subscriber->read_to_end();
  EXPECT_EQ(subscribers[3]->data.size(), 20U + count + 100);
  const Stats stats = engine_->stats();
  const std::uint64_t events = count + count / 2 + 100;
  EXPECT_EQ(first_writes_count(stats), events);
  EXPECT_EQ(last_writes_count(stats), events);
  EXPECT_GE(stats.shards[0].last_writes.sum_ns, stats.shards[0].first_writes.sum_ns);
  EXPECT_EQ(stats.logs.publishes, 20U + 2 * count + 100);
  EXPECT_EQ(stats.logs.ends, 2U);
  EXPECT_EQ(stats.shards[0].closes_for(CloseReason::finished), 5U);
  EXPECT_GT(stats.shards[0].turns.count(), 0U);
  EXPECT_GT(stats.shards[0].busy_ns, 0U);
}

// A stream that closes with the event that it was open for, framed in chunks of its own.
TEST_P(EngineTest, takes_the_latency_of_an_event_that_ends_its_stream) {
  config_.shards = 1;
  START_OR_SKIP();
  for (std::uint64_t round = 1; round <= 3; ++round) {
    Subscriber subscriber(*engine_, "/events/t?limit=1");
    ASSERT_TRUE(subscriber.wait_open());
    ASSERT_TRUE(engine_->publish("t", Event{.data = "x"}));
    subscriber.read_to_end();
    EXPECT_EQ(first_writes_count(engine_->stats()), round);
    EXPECT_EQ(last_writes_count(engine_->stats()), round);
  }
}

// A subscriber that takes nothing does not keep the others' last write from being measured.
TEST_P(EngineTest, measures_the_last_write_apart_from_who_is_blocked) {
  config_.shards = 1;
  config_.defaults.history_bytes = 64 << 20;
  config_.defaults.history_events = 10'000;
  config_.send_buffer_bytes = 16 << 10;
  START_OR_SKIP();
  Subscriber stalled(*engine_, "/events/t", 4096);
  Subscriber reading(*engine_, "/events/t");
  ASSERT_TRUE(stalled.wait_open() && reading.wait_open());
  const std::string data(50'000, 'x');
  for (std::uint64_t i = 1; i <= 40; ++i) {
    ASSERT_TRUE(engine_->publish("t", Event{.data = data}));
    const test::Deadline deadline = test::soon();
    while (reading.data.size() < i && reading.read_some(deadline)) {
    }
    ASSERT_EQ(reading.data.size(), i);
  }
  const test::Deadline deadline = test::soon();
  while (last_writes_count(engine_->stats()) < 40 && !deadline.has_passed()) std::this_thread::yield();
  const Stats stats = engine_->stats();
  EXPECT_EQ(first_writes_count(stats), 40U);
  EXPECT_EQ(last_writes_count(stats), 40U);
  EXPECT_EQ(stats.shards[0].subscribers_blocked, 1U);
  EXPECT_GT(stats.shards[0].sends_short, 0U);
}

BROADSIDE_ENGINE_ON_BOTH_BACKENDS(EngineTest);

TEST(Engine, refuses_a_configuration_out_of_range) {
  const auto is_refused = [](auto change) {
    Config config;
    config.backend = Backend::epoll;
    config.shards = 1;
    change(config);
    const Result<Engine> made = Engine::create(config, nullptr);
    return !made && made.error().code == Error::Code::invalid_argument && !made.error().message.empty();
  };
  EXPECT_FALSE(is_refused([](Config&) {}));
  EXPECT_TRUE(is_refused([](Config& config) { config.shards = 257; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.connections_max = 4'000'001; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.topics_per_subscriber_max = 0; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.topics_per_subscriber_max = 129; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.head_bytes_max = 1023; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.event_bytes_max = 0; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.send_bytes_max = (16 << 10) - 1; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.send_bytes_max = (1 << 20) + 1; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.stall_timeout_ms = 99; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.retry_ms = 86'400'001; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.defaults.heartbeat_ms = 199; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.backlog_bytes = 0; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.listen = {"nonsense"}; }));
  EXPECT_TRUE(is_refused([](Config& config) { config.listen = {"127.0.0.1:99999"}; }));
}

TEST(Engine, refuses_an_address_that_is_taken) {
  Config config;
  config.backend = Backend::epoll;
  config.shards = 2;
  config.listen = {"127.0.0.1:0"};
  Result<Engine> first = Engine::create(config, nullptr);
  ASSERT_TRUE(first);
  config.listen = {first->listen_urls().at(0).substr(7)};
  const Result<Engine> second = Engine::create(config, nullptr);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Error::Code::address_in_use);
}

TEST(Engine, serves_without_a_handler_and_without_a_listener) {
  Config config;
  config.backend = Backend::epoll;
  Result<Engine> made = Engine::create(config, nullptr);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(made->listen_urls().empty());
  made->start();
  EXPECT_TRUE(made->publish("t", Event{.data = "x"}));
  EXPECT_FALSE(made->publish("t", Event{.data = "x", .id = "1-1"}));
  TopicInfo info;
  EXPECT_TRUE(made->topic_info("t", info));
  EXPECT_EQ(info.events, 1U);
}

}  // namespace
}  // namespace broadside
