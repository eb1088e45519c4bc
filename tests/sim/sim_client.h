// One subscriber's client: connects, asks, reads as fast or as slowly as it is, vanishes in every way there is, and comes back
// with its Last-Event-ID. Its oracle looks at every event as it is read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/sim_oracle.h"
#include "tests/sim/sim_response.h"
#include "tests/sim/sim_world.h"
#include "tests/support/event_stream.h"
#include "tests/support/toy_transport.h"

namespace broadside::sim {

class SimClient {
 public:
  SimClient(SimWorld& world, std::uint32_t number);

  // One thing that it may do now. False: nothing.
  bool act();
  // The world is healed: from now on it reads all there is, and comes back until it has a stream that goes on.
  void heal();

  [[nodiscard]] bool is_streaming() const { return socket_ != nullptr && oracle_.is_open() && !has_vanished_; }
  // The engine has said that there is nothing to come.
  [[nodiscard]] bool is_done() const { return is_done_; }
  [[nodiscard]] bool is_at_head() const { return oracle_.is_at_head(); }
  [[nodiscard]] bool is_rated() const { return oracle_.is_rated(); }
  // Whether what it has read so far ends between two events.
  [[nodiscard]] bool is_between_events() const { return !stream_.is_inside_block(); }
  [[nodiscard]] std::uint64_t comments_count() const { return stream_.comments_count(); }
  [[nodiscard]] std::uint64_t delivered_count() const { return oracle_.delivered_count(); }
  [[nodiscard]] const StreamRequest& request() const { return request_; }
  [[nodiscard]] const std::string& connection_id() const { return connection_id_; }

 private:
  struct Habit {
    std::size_t output_max = 0;  // What the kernels hold for it.
    std::size_t read_max = 0;    // At once.
    std::uint64_t bytes_a_second = 0;
    std::uint64_t stall = 0;  // Once in so many reads it begins to read nothing for long.
  };

  void draw_habit();
  void connect();
  [[nodiscard]] StreamRequest draw_request();
  void draw_start(StreamRequest& request);
  [[nodiscard]] std::string request_text();
  void seal_request();
  bool write();
  bool read();
  [[nodiscard]] std::size_t read_allowance();
  void take(const SimSocket::Piece& piece);
  void take_stream(std::string_view bytes, Nanos sent_at);
  void vanish();
  void finish();
  void go_away(Nanos for_time);
  [[nodiscard]] bool may_have_to_leave() const;
  void check_end();
  void fail(const std::string& what);

  SimWorld& world_;
  const std::uint32_t number_;
  Habit habit_;
  std::shared_ptr<SimSocket> socket_;  // Null while it is away.
  Nanos returns_at_ = 0;
  bool is_done_ = false;
  StreamRequest request_;
  std::string outgoing_;    // Of its request, not yet written.
  test::ToyOpener opener_;  // Where the plan seals: of what the engine sends.
  Nanos record_began_ = 0;  // When the engine sent the first byte of the record under way.
  SimResponse response_;
  test::EventStream stream_;
  SubscriberOracle oracle_;
  std::vector<std::string> ids_;  // Some that it had: it may come back with an old one.
  std::string connection_id_;
  bool has_vanished_ = false;  // Half: it has ended or left, and sees what the engine does.
  Nanos block_began_ = 0;      // When the engine sent the first byte of the event under way.
  Nanos read_at_ = 0;
  Nanos stalled_until_ = 0;
};

}  // namespace broadside::sim
