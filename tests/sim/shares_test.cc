// Who asks for much leaves room for the others: of a shard's time to those who wait for events, of its memory to other requests.
// Over the simulated kernel, whose clock is ours.
#include <string>

#include "tests/sim/scripted_fixture.h"

namespace broadside::sim {
namespace {

// Takes its time for each request.
class DearHost final : public RequestHandler {
 public:
  explicit DearHost(SimClock& clock) : clock_(clock) {}
  Response on_request(const Request& /*request*/) noexcept override {
    clock_.advance(takes);
    return {.body = "answer"};
  }
  // Of one that waits for its decision.
  SubscribeDecision authorise(const Request& request, const SubscribeRequest& /*wanted*/) noexcept override {
    return {.is_deferred = request.query == "topic=later"};
  }
  Nanos takes = 0;

 private:
  SimClock& clock_;
};

class SharesTest : public ScriptedTest {
 protected:
  SharesTest() {
    shared_.handler = &host_;
    config_.shards = 1;
  }
  void start_with_subscribers(int count) {
    start();
    shared_.subscribers_max = shared_.connections_max = 10'000;
    for (int i = 0; i < count; ++i) sockets_.push_back(subscribe("topic=t", kRoomy));
  }
  std::shared_ptr<SimSocket> connect(std::string_view bytes) {
    std::shared_ptr<SimSocket> socket = io_->connect(kRoomy);
    socket->write(bytes);
    run();
    return socket;
  }
  // A request without the last byte of its body.
  static std::string begun(std::size_t body_bytes) {
    return "POST /whole HTTP/1.1\r\nHost: sim\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n" +
           std::string(body_bytes - 1, 'x');
  }
  // Events that one turn delivers when a request comes at the same time.
  std::uint64_t delivered_beside_a_request() {
    const auto socket = connect("");
    publish_unseen("t", "x");
    socket->write("GET /dear HTTP/1.1\r\nHost: sim\r\n\r\n");
    const std::uint64_t before = shard_->stats().deliveries;
    while (shard_->stats().requests == requests_) shard_->run_turn();
    requests_ = shard_->stats().requests;
    return shard_->stats().deliveries - before;
  }

  DearHost host_{clock_};
  std::vector<std::shared_ptr<SimSocket>> sockets_;
  std::uint64_t requests_ = 0;
};

TEST_F(SharesTest, a_turn_that_took_long_over_a_request_delivers_for_longer) {
  constexpr int kSubscribers = 1000;
  start_with_subscribers(kSubscribers);
  requests_ = shard_->stats().requests;
  EXPECT_EQ(delivered_beside_a_request(), DeliveryBatch::kVisitsMax) << "one batch is a turn";
  run();
  host_.takes = kMillisecond;
  EXPECT_EQ(delivered_beside_a_request(), kSubscribers) << "while the clock stands still, the share is not used up";
}

TEST_F(SharesTest, large_bodies_are_refused_when_the_memory_for_requests_is_full) {
  start();
  shared_.request_memory_max = 350'000;  // Two of them, each with room to grow.
  const auto first = connect(begun(100'000));
  const auto second = connect(begun(100'000));
  EXPECT_EQ(read(*first) + read(*second), "");
  const auto third = connect(begun(100'000));
  const std::string refusal = read(*third);
  EXPECT_TRUE(has(refusal, "HTTP/1.1 503 ")) << refusal;
  EXPECT_TRUE(has(refusal, "Retry-After: 1\r\n")) << refusal;
  EXPECT_TRUE(has(read(*connect(begun(10'000) + "x")), "HTTP/1.1 200 ")) << "small ones are always taken";
  first->write("x");
  run();
  EXPECT_TRUE(has(read(*first), "HTTP/1.1 200 ")) << "and who was first is served";
  EXPECT_TRUE(has(read(*connect(begun(100'000) + "x")), "HTTP/1.1 200 "));
}

TEST_F(SharesTest, small_requests_have_twice_that_memory_and_no_more) {
  start();
  shared_.subscribers_max = shared_.connections_max = 1000;
  shared_.request_memory_max = 350'000;
  std::vector<std::shared_ptr<SimSocket>> held;
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    held.push_back(connect(begun(10'000)));
    if (has(read(*held.back()), "HTTP/1.1 503 ")) ++refused;
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 80);
}

TEST_F(SharesTest, connections_that_are_kept_keep_no_room_of_a_large_request) {
  start();
  shared_.request_memory_max = 250'000;
  std::vector<std::shared_ptr<SimSocket>> kept;
  for (int i = 0; i < 8; ++i) {
    kept.push_back(connect(begun(100'000) + "x"));
    EXPECT_TRUE(has(read(*kept.back()), "HTTP/1.1 200 ")) << i;
  }
}

// Its head lies in the input, which a large request before it has made large.
TEST_F(SharesTest, a_subscription_that_waits_is_still_known_for_what_it_is) {
  config_.answer_timeout_ms = 1000;
  start();
  const auto socket =
      connect(begun(100'000) + "xGET /events?topic=later HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\n\r\n");
  EXPECT_TRUE(has(read(*socket), "HTTP/1.1 200 "));
  pass(2 * kSecond);
  const std::string refusal = read(*socket);
  EXPECT_TRUE(has(refusal, "HTTP/1.1 200 ")) << refusal;
  EXPECT_TRUE(has(refusal, "retry:")) << "as an EventSource is refused: " << refusal;
}

}  // namespace
}  // namespace broadside::sim
