// What the simulation once found, each as the few steps that it takes: one shard over the simulated kernel, without chance.
#include <gtest/gtest.h>

#include "proto/position.h"
#include "tests/sim/scripted_fixture.h"
#include "tests/support/toy_transport.h"

namespace broadside::sim {
namespace {

TEST_F(ScriptedTest, ends_a_resumed_stream_at_the_end_of_a_topic_that_has_opened_again) {
  start();
  const Position before = publish("t", "before");
  end("t");
  publish("t", "behind the end");
  const auto socket = subscribe("topic=t&topic=u&last_event_id=" + to_string(before), kRoomy);
  const std::string bytes = read(*socket);
  EXPECT_TRUE(has(bytes, "event: broadside.end"));
  EXPECT_FALSE(has(bytes, "behind the end"));
  // Else it would wait for what has been published already.
  EXPECT_TRUE(socket->is_over());
}

TEST_F(ScriptedTest, sends_no_note_whose_id_would_claim_what_lies_behind_an_end) {
  start();
  const auto socket = subscribe("topic=t&topic=u", 2'000);
  const std::string begin = read(*socket);
  end("t");
  publish("u", std::string(10'000, 'x'));  // From here on it is blocked.
  publish("t", "behind the end");
  send_note(begin);
  const std::string rest = read(*socket);
  EXPECT_TRUE(has(rest, "event: broadside.end"));
  EXPECT_FALSE(has(rest, "event: note"));
  EXPECT_TRUE(socket->is_over());
}

TEST_F(ScriptedTest, resets_a_lagging_stream_that_is_inside_its_own_bytes) {
  config_.defaults.history_events = 1;
  config_.defaults.history_bytes = 1'000;
  config_.backlog_bytes = 2'000;
  start();
  const auto socket = subscribe("topic=t", 100);  // The head alone is longer.
  pass(kSecond);
  for (int i = 0; i < 10; ++i) publish("t", std::string(1'000, 'x'));
  read(*socket);
  EXPECT_TRUE(socket->is_over());
  EXPECT_TRUE(socket->was_server_reset);
}

TEST_F(ScriptedTest, closes_who_lacks_what_the_backlog_dropped_though_nothing_comes_after_it) {
  config_.defaults.history_bytes = config_.backlog_bytes = 2'000;
  config_.defaults.history_age_ms = 50;
  start();
  const auto socket = subscribe("topic=t", kRoomy);
  for (int i = 0; i < 200; ++i) publish("t", std::string(100, 'x'));
  publish_unseen("t", "dropped");
  clock_.advance(90 * kMillisecond);
  store_->tick();  // All are too old, and the last segment alone is larger than the backlog may be.
  ASSERT_GT(store_->stats().backlog_overruns, 0);
  run();
  EXPECT_FALSE(has(read(*socket), "dropped"));
  EXPECT_TRUE(socket->is_over());
}

TEST_F(ScriptedTest, sends_a_late_refusal_to_a_peer_that_has_ended_its_side) {
  config_.head_timeout_ms = 1'000;
  start();
  const auto socket = io_->connect(0);
  socket->write("GET /events?to");
  pass(2 * kSecond);  // Its head took too long, but the refusal is not taken.
  socket->end();
  run();
  socket->set_output_max(kRoomy);
  run();
  EXPECT_TRUE(has(read(*socket), "HTTP/1.1 408"));
  EXPECT_TRUE(socket->is_over());
}

TEST_F(ScriptedTest, nothing_goes_behind_the_end_of_a_sealed_refusal) {
  test::ToyTransportFactory transports;
  config_.transports = &transports;
  shared_.sealed_listeners = 1;
  start();
  const std::shared_ptr<SimSocket> socket = io_->connect(kRoomy);
  std::string request;
  test::ToySealer client;
  client.append(test::ToyRecord::hello, {}, request);
  client.append(test::ToyRecord::data, "GET / HTTP/1.1\n", request);
  socket->write(request);
  run();
  test::ToyOpener opener;
  std::string text;
  opener.feed(read(*socket), text);
  EXPECT_TRUE(has(text, "HTTP/1.1 400")) << text;
  EXPECT_TRUE(opener.is_ended());
  EXPECT_TRUE(socket->has_server_ended);  // It reads on, so that the answer arrives.
  socket->end();
  run();
  EXPECT_EQ(read(*socket), "");
  EXPECT_EQ(io_->sockets_count(), 0U);
}

TEST_F(ScriptedTest, a_stream_whose_keys_are_worn_is_told_to_come_back) {
  test::ToyTransportFactory transports(4);
  config_.transports = &transports;
  shared_.sealed_listeners = 1;
  start();
  const std::shared_ptr<SimSocket> socket = io_->connect(kRoomy);
  std::string request;
  test::ToySealer client;
  client.append(test::ToyRecord::hello, {}, request);
  client.append(test::ToyRecord::data, "GET /events?topic=t HTTP/1.1\r\nHost: sim\r\n\r\n", request);
  socket->write(request);
  run();
  test::ToyOpener opener;
  std::string text;
  opener.feed(read(*socket), text);
  for (int i = 0; i < 10 && !opener.is_ended(); ++i) {
    publish("t", std::to_string(i));
    opener.feed(read(*socket), text);
  }
  EXPECT_EQ(opener.violation(), "");
  EXPECT_TRUE(opener.is_ended());
  EXPECT_NE(text.find("data: 0\n\n"), std::string::npos);
  EXPECT_EQ(text.find("data: 9\n\n"), std::string::npos);
  EXPECT_EQ(text.substr(text.size() - 2), "\n\n");
  EXPECT_NE(text.substr(text.rfind("\n\n", text.size() - 3)).find("retry: "), std::string::npos) << text;
  EXPECT_EQ(shard_->stats().closes_for(CloseReason::aged), 1U);
}

}  // namespace
}  // namespace broadside::sim
