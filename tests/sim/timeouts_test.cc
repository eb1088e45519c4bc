// What a peer that is too slow meets, while it sends a head or a body and while it takes an answer: over the simulated kernel,
// whose clock is ours.
#include <string>

#include "tests/sim/scripted_fixture.h"
#include "tests/support/toy_transport.h"

namespace broadside::sim {
namespace {

// Answers with very much, and reads bodies of /lines: begun is what does not end in a line feed; "wait" makes it pause.
class Host final : public RequestHandler {
 public:
  class Lines final : public BodyReader {
   public:
    bool on_body(std::string_view bytes, std::string& out) noexcept override {
      pause_ms_ = bytes.find("wait") == std::string_view::npos ? 0 : 5'000;
      is_inside_ = bytes.empty() ? is_inside_ : !bytes.ends_with('\n');
      if (bytes.empty()) out += "went on;";
      if (!is_inside_) out += "line;";
      return true;
    }
    void on_end(std::string& out) noexcept override { out += "end;"; }
    [[nodiscard]] bool awaits_more() const noexcept override { return is_inside_; }
    [[nodiscard]] std::uint32_t pause_ms() const noexcept override { return pause_ms_; }

   private:
    bool is_inside_ = false;
    std::uint32_t pause_ms_ = 0;
  };

  Response on_request(const Request& request) noexcept override {
    return {.body = request.path == "/large" ? std::string(100'000, 'x') : "body of " + std::to_string(request.body.size())};
  }
  StreamDecision on_stream(const Request& request) noexcept override {
    if (request.path != "/lines") return {};
    return {.reader = std::make_unique<Lines>(), .headers = "Content-Type: text/plain\r\n"};
  }
};

class TimeoutsTest : public ScriptedTest {
 protected:
  TimeoutsTest() {
    shared_.handler = &host_;
    config_.head_timeout_ms = 10'000;
    config_.body_timeout_ms = 10'000;
    config_.stall_timeout_ms = 10'000;
  }
  std::shared_ptr<SimSocket> connect(std::string_view bytes, std::size_t output_max = kRoomy) {
    std::shared_ptr<SimSocket> socket = io_->connect(output_max);
    socket->write(bytes);
    run();
    return socket;
  }
  void write(SimSocket& socket, std::string_view bytes) {
    socket.write(bytes);
    run();
  }
  // Sends `piece` every second; whether the shard has still not closed after so many.
  bool endures(SimSocket& socket, std::string_view piece, int seconds) {
    for (int i = 0; i < seconds && !socket.has_server_ended; ++i) {
      write(socket, piece);
      pass(kSecond);
    }
    return !socket.has_server_ended;
  }
  [[nodiscard]] std::uint64_t slow_ones() const { return shard_->stats().refusals_for(RefusalReason::slow); }

  Host host_;
};

const std::string kPost = "POST /whole HTTP/1.1\r\nHost: sim\r\nContent-Length: 100000\r\n\r\n";
const std::string kChunked = " HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST_F(TimeoutsTest, the_time_of_a_first_head_runs_since_the_connection_whatever_comes_of_it) {
  start();
  const auto socket = io_->connect(kRoomy);
  pass(6 * kSecond);
  write(*socket, "GET / HT");
  pass(5 * kSecond);
  EXPECT_TRUE(has(read(*socket), "HTTP/1.1 408"));
}

TEST_F(TimeoutsTest, the_time_of_a_first_head_includes_the_handshake) {
  test::ToyTransportFactory transports(1 << 20);
  config_.transports = &transports;
  shared_.sealed_listeners = 1;
  start();
  const auto socket = io_->connect(kRoomy);
  test::ToySealer client;
  std::string bytes;
  client.append(test::ToyRecord::hello, {}, bytes);
  pass(6 * kSecond);
  write(*socket, bytes);
  bytes.clear();
  client.append(test::ToyRecord::data, "GET / HT", bytes);
  write(*socket, bytes);
  EXPECT_EQ(slow_ones(), 0U);
  pass(5 * kSecond);
  EXPECT_EQ(slow_ones(), 1U);
}

TEST_F(TimeoutsTest, the_time_of_a_later_head_runs_since_its_first_byte) {
  start();
  const auto socket = connect("GET / HTTP/1.1\r\nHost: sim\r\n\r\n");
  EXPECT_TRUE(has(read(*socket), "HTTP/1.1 200"));
  pass(60 * kSecond);
  write(*socket, "GET / HT");
  pass(9 * kSecond);
  EXPECT_EQ(read(*socket), "");
  pass(2 * kSecond);
  EXPECT_TRUE(has(read(*socket), "HTTP/1.1 408"));
}

TEST_F(TimeoutsTest, a_byte_now_and_then_keeps_no_body_alive) {
  start();
  const auto socket = connect(kPost);
  EXPECT_FALSE(endures(*socket, "x", 12));
  EXPECT_TRUE(has(read(*socket), "HTTP/1.1 408"));
  EXPECT_EQ(slow_ones(), 1U);
}

TEST_F(TimeoutsTest, nor_do_bytes_that_come_faster_than_the_clock_ticks) {
  start();
  const auto socket = connect(kPost);
  for (int i = 0; i < 1'000 && !socket->has_server_ended; ++i) {
    write(*socket, "x");
    clock_.advance(kTick / 4);
    run();
  }
  EXPECT_TRUE(has(read(*socket), "HTTP/1.1 408"));
}

TEST_F(TimeoutsTest, a_body_that_keeps_the_least_pace_is_read_whole) {
  start();
  const auto socket = connect("POST /whole HTTP/1.1\r\nHost: sim\r\nContent-Length: 16000\r\n\r\n");
  EXPECT_TRUE(endures(*socket, std::string(320, 'x'), 50));
  EXPECT_TRUE(has(read(*socket), "body of 16000"));
}

TEST_F(TimeoutsTest, a_body_in_chunks_has_to_keep_it_too) {
  start();
  const auto socket = connect("POST /whole" + kChunked);
  EXPECT_FALSE(endures(*socket, "1\r\nx\r\n", 20));
  EXPECT_TRUE(has(read(*socket), "HTTP/1.1 408"));
}

TEST_F(TimeoutsTest, an_endless_body_may_be_silent_between_two_lines_and_not_within_one) {
  start();
  const auto socket = connect("POST /lines" + kChunked);
  pass(100 * kSecond);
  write(*socket, "4\r\nabc\n\r\n");
  pass(100 * kSecond);
  EXPECT_TRUE(has(read(*socket), "line;"));
  write(*socket, "3\r\nabc\r\n");
  EXPECT_FALSE(endures(*socket, "1\r\nx\r\n", 20));
  EXPECT_EQ(slow_ones(), 1U);
  const std::string rest = read(*socket);
  EXPECT_FALSE(has(rest, "HTTP/1.1")) << "the answer had begun: " << rest;
  EXPECT_FALSE(has(rest, "end;"));
}

TEST_F(TimeoutsTest, each_line_of_an_endless_body_has_its_own_time) {
  start();
  const auto socket = connect("POST /lines" + kChunked);
  for (int i = 0; i < 20; ++i) {
    write(*socket, "3\r\nabc\r\n");
    pass(5 * kSecond);
    write(*socket, "1\r\n\n\r\n");
    EXPECT_TRUE(has(read(*socket), "line;"));
  }
  EXPECT_EQ(slow_ones(), 0U);
}

TEST_F(TimeoutsTest, a_reader_that_pauses_is_given_nothing_meanwhile_and_the_rest_afterwards) {
  start();
  const auto socket = connect("POST /lines" + kChunked);
  write(*socket, "5\r\nwait\n\r\n");
  EXPECT_TRUE(has(read(*socket), "line;"));
  write(*socket, "4\r\nabc\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: sim\r\n\r\n");
  pass(4 * kSecond);
  EXPECT_EQ(read(*socket), "");
  pass(2 * kSecond);
  const std::string rest = read(*socket);
  EXPECT_TRUE(has(rest, "went on;"));
  EXPECT_TRUE(has(rest, "end;"));
  EXPECT_TRUE(has(rest, "body of 0")) << "the next request: " << rest;
}

TEST_F(TimeoutsTest, a_reader_that_pauses_at_the_end_of_its_body_is_asked_again_before_the_end) {
  start();
  const auto socket = connect("POST /lines HTTP/1.1\r\nHost: sim\r\nContent-Length: 5\r\n\r\nwait\n");
  EXPECT_FALSE(has(read(*socket), "end;"));
  pass(6 * kSecond);
  const std::string rest = read(*socket);
  EXPECT_LT(rest.find("went on;"), rest.find("end;")) << rest;
  EXPECT_TRUE(has(rest, "end;"));
}

TEST_F(TimeoutsTest, a_drain_does_not_wait_for_a_reader_that_pauses) {
  start();
  const auto socket = connect("POST /lines" + kChunked);
  write(*socket, "5\r\nwait\n\r\n");
  Message message;
  message.kind = Message::Kind::drain;
  post(std::move(message));
  run();
  EXPECT_TRUE(has(read(*socket), "0\r\n\r\n"));
  socket->end();
  run();
  EXPECT_TRUE(socket->is_over());
}

TEST_F(TimeoutsTest, a_seal_that_breaks_takes_the_reader_with_it) {
  test::ToyTransportFactory transports(1 << 20);
  config_.transports = &transports;
  shared_.sealed_listeners = 1;
  start();
  test::ToySealer client;
  std::string bytes;
  client.append(test::ToyRecord::hello, {}, bytes);
  client.append(test::ToyRecord::data, "POST /lines" + kChunked, bytes);
  const auto socket = connect(bytes);
  bytes.clear();
  client.append(test::ToyRecord::data, "4\r\nabc\n\r\n", bytes);
  write(*socket, bytes + std::string(64, 'x'));
  socket->end();
  run();
  read(*socket);
  EXPECT_TRUE(socket->is_over());
}

TEST_F(TimeoutsTest, an_answer_that_is_taken_a_byte_at_a_time_is_cut) {
  start();
  const auto socket = connect("GET /large HTTP/1.1\r\nHost: sim\r\n\r\n", 1'000);
  for (int i = 0; i < 30 && !socket->has_server_ended; ++i) {
    static_cast<void>(socket->read(1));
    run();
    pass(kSecond);
  }
  EXPECT_TRUE(socket->was_server_reset);
  EXPECT_EQ(shard_->stats().closes_for(CloseReason::stalled), 1U);
}

TEST_F(TimeoutsTest, an_answer_that_is_taken_at_the_least_pace_is_sent_whole) {
  start();
  const auto socket = connect("GET /large HTTP/1.1\r\nHost: sim\r\n\r\n", 1'000);
  std::size_t taken = 0;
  for (int i = 0; i < 400 && taken < 100'000; ++i) {
    const auto piece = socket->read(500);
    taken += piece ? piece->bytes.size() : 0;
    run();
    pass(kSecond);
  }
  EXPECT_GE(taken, 100'000U);
  EXPECT_FALSE(socket->was_server_reset);
}

}  // namespace
}  // namespace broadside::sim
