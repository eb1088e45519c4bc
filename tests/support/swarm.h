// Thousands of event streams in one thread: an epoll client whose streams read at different paces, are cut at any byte, come back
// with their Last-Event-ID, and leave a record for the oracle. Call turn() until what you wait for is true.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/support/deadline.h"
#include "tests/support/event_stream.h"
#include "tests/support/oracle.h"

namespace broadside::test {

enum class Pace : std::uint8_t {
  full,      // Everything, as soon as it is there.
  slow,      // `bytes_per_tick` every two milliseconds, with a small receive buffer.
  one_byte,  // The same, but read and decoded one byte at a time.
  stalled,   // Reads up to `broadside.open`, then nothing.
};

struct StreamPlan {
  std::vector<TopicIndex> topics;
  Pace pace = Pace::full;
  std::uint32_t bytes_per_tick = 512;
  std::uint32_t cut_bytes_mean = 0;    // Is cut, at any byte, after about so many, and comes back; 0 = never.
  std::uint32_t reconnect_ms_max = 0;  // Comes back after a random time up to this.
};

struct SwarmOptions {
  std::uint16_t port = 0;
  std::vector<std::string> topic_names;
  std::uint64_t seed = 0;
  std::uint32_t source = 2;            // Binds 127.0.0.`source`.
  std::uint32_t connecting_max = 256;  // So many handshakes at a time: the listener's queue is finite.
  bool has_checksums = true;           // Payloads are make_payload()'s.
  int receive_buffer_bytes = 0;        // Of full-pace streams; 0 = the kernel's choice.
};

class Swarm {
 public:
  explicit Swarm(const SwarmOptions& options);
  ~Swarm();
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  // Begins a stream; returns its number.
  std::size_t add(const StreamPlan& plan);
  // Closes a stream for good, in a random way; its record stays.
  void leave(std::size_t stream);
  // From now on nobody is cut and all read at full pace.
  void calm_down();
  // One pass: waits at most this long for something to happen.
  void turn(int timeout_ms);
  // Turns until it holds; false at the deadline.
  bool run_until(const std::function<bool()>& holds, const Deadline& deadline);

  [[nodiscard]] std::size_t size() const { return streams_.size(); }
  [[nodiscard]] const SubscriberRecord& record(std::size_t stream) const;
  [[nodiscard]] bool has_left(std::size_t stream) const;
  // Streams that are connected and have had their `broadside.open`.
  [[nodiscard]] std::size_t open_count() const { return open_count_; }
  // Published events received by all streams, and how often the swarm cut and the server closed a connection.
  [[nodiscard]] std::uint64_t received_count() const { return received_count_; }
  [[nodiscard]] std::uint64_t cuts_count() const { return cuts_count_; }
  [[nodiscard]] std::uint64_t server_closes_count() const { return server_closes_count_; }
  // The longest time between two turns: above some hundred milliseconds the machine had no time for this client.
  [[nodiscard]] std::uint32_t longest_pause_ms() const { return longest_pause_ms_; }
  // The first thing that was wrong with any stream's bytes.
  [[nodiscard]] const std::string& first_violation() const { return first_violation_; }
  // Checks all; the first problem with its stream's number, or empty. Streams that left may end anywhere.
  [[nodiscard]] std::string check(const Oracle& oracle, bool are_gaps_allowed = false) const;
  [[nodiscard]] bool all_have_newest(const Oracle& oracle);

 private:
  enum class State : std::uint8_t { waiting, connecting, head, open, left };

  struct Stream {
    StreamPlan plan;
    SubscriberRecord record;
    EventStream events;
    State state = State::waiting;
    bool is_open_seen = false;  // This connection's `broadside.open` has come.
    bool has_newest = false;    // all_have_newest() has seen it.
    int fd = -1;
    std::uint32_t epoll_events = 0;
    std::uint64_t cut_left = 0;  // Bytes until the cut.
    std::string head;
    IdKey resumed_from = 0;
    bool is_resumed = false;
  };
  using Clock = std::chrono::steady_clock;

  void start_waiting();
  void start(std::size_t index);
  void schedule(std::size_t index, std::uint32_t delay_ms);
  void on_ready(std::size_t index, std::uint32_t events);
  void on_connected(Stream& stream, std::size_t index);
  void read_tick(std::size_t index);
  // Reads once, at most `bytes_max`; false when there was nothing or the stream is no more.
  bool read_once(std::size_t index, std::size_t bytes_max);
  void on_bytes(Stream& stream, std::string_view bytes);
  std::string_view take_head(Stream& stream, std::string_view bytes);
  void on_event(Stream& stream, const DecodedEvent& event);
  void on_open(Stream& stream, const DecodedEvent& event);
  void on_gap(Stream& stream, const DecodedEvent& event);
  void on_server_close(std::size_t index, bool is_reset);
  void cut(std::size_t index);
  void drop_connection(Stream& stream);
  void close_hard_or_soft(Stream& stream);
  void watch(Stream& stream, std::size_t index, std::uint32_t events);
  void fail(Stream& stream, std::string what);
  std::uint64_t draw_cut(const Stream& stream);
  [[nodiscard]] bool is_paced(const Stream& stream) const;
  [[nodiscard]] std::string request_of(const Stream& stream) const;

  SwarmOptions options_;
  std::mt19937_64 random_;
  int epoll_fd_ = -1;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<std::size_t> paced_;                         // Streams that read by ticks.
  std::multimap<Clock::time_point, std::size_t> waiting_;  // When each connects (again).
  Clock::time_point next_tick_;
  Clock::time_point last_turn_;
  std::uint32_t longest_pause_ms_ = 0;
  std::size_t connecting_count_ = 0;
  std::size_t open_count_ = 0;
  std::size_t newest_scan_ = 0;
  bool is_calm_ = false;
  std::uint64_t received_count_ = 0;
  std::uint64_t cuts_count_ = 0;
  std::uint64_t server_closes_count_ = 0;
  std::string first_violation_;
  std::vector<char> buffer_;
};

}  // namespace broadside::test
