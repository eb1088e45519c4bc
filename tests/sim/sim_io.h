// The seam's third implementation: a simulated kernel. It does what io.h allows a kernel to do, as awkwardly as the faults say,
// and asserts what io.h requires of the engine. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/io/io.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_dice.h"
#include "tests/sim/sim_socket.h"

namespace broadside::sim {

// How often the kernel is awkward: once in so many chances, 0 = never.
struct Faults {
  std::uint64_t short_send = 0;     // Any number of bytes is taken, though there is room.
  std::uint64_t blocked_send = 0;   // None is.
  std::uint64_t failed_send = 0;    // ENOBUFS.
  std::uint64_t accept_failed = 0;  // Out of descriptors.
  std::uint64_t watch_refused = 0;  // Out of memory.
  std::uint64_t spurious_edge = 0;  // `writable` without reason.
  std::uint64_t repeated_hang_up = 0;
  std::uint64_t stale_completion = 0;  // For a socket that is closed, or no longer watched.
  std::uint64_t late_completion = 0;   // With the next wait.
  std::uint64_t interrupted = 0;       // Something else happens between two sends of a batch, or while the shard sleeps.
  std::uint32_t completions_max = UINT32_MAX;
  std::uint32_t accepts_max = 64;  // As IoConfig::accepts_per_wait_max.
  std::uint32_t receive_bytes_max = 16 << 10;
};

// What else goes on in the world, when a shard is in the middle of something.
class Bystander {
 public:
  virtual ~Bystander() = default;
  virtual void act_meanwhile() = 0;
};

// Invariant: every socket that the engine may name is in sockets_, under that name; names are never used twice.
class SimIo final : public io::Io {
 public:
  struct Setup {
    Dice& dice;
    const SimClock& clock;
    const Faults& faults;
    Bystander& bystander;
    bool has_tables = false;
  };
  explicit SimIo(const Setup& setup) : setup_(setup) {}
  ~SimIo() override;

  // A client connects. Null: nobody listens.
  std::shared_ptr<SimSocket> connect(std::size_t output_max);
  // Whether the shard's wait would return by now, were it in it. The turn after a wait that slept does nothing, so a shard that
  // is left alone until then is one that sleeps.
  [[nodiscard]] bool is_awake() const;
  // Another thread has something for the shard.
  void set_woken() { is_woken_ = true; }
  [[nodiscard]] std::size_t sockets_count() const { return sockets_.size(); }

  [[nodiscard]] std::string describe() const override { return "simulated"; }
  void add_listener(int fd, std::uint32_t listener) override;
  void resume_accepts() override;
  void remove_listeners() override;
  void start_receive(io::Socket socket, io::Token token) override;
  [[nodiscard]] bool watch(io::Socket socket, io::Token token) override;
  io::Socket to_table(io::Socket socket) override;
  void send(std::span<io::SendRequest> batch) override;
  void shutdown_write(io::Socket socket) override;
  void close(io::Socket socket, io::CloseMode mode) override;
  void wait(Nanos timeout, std::vector<io::Completion>& completions) override;
  void wake() override { is_woken_ = true; }

 private:
  struct Pending {
    io::CompletionKind kind = io::CompletionKind::writable;
    io::Token token;
    std::shared_ptr<SimSocket> socket;  // Null: a stale one.
  };
  using Key = std::pair<std::int16_t, std::int32_t>;  // Table and value.

  [[nodiscard]] SimSocket& at(io::Socket socket);
  [[nodiscard]] io::Socket next_name(std::int16_t table) { return {.value = next_value_++, .table = table}; }
  void accept();
  void look_at(const std::shared_ptr<SimSocket>& socket);
  void add_pending(Pending pending);
  void add_stale(const SimSocket& socket);
  bool hand_out(Pending& pending, std::vector<io::Completion>& completions);
  void send_one(io::SendRequest& request);

  Setup setup_;
  std::map<Key, std::shared_ptr<SimSocket>> sockets_;
  std::int32_t next_value_ = 1 << 24;  // Above every descriptor that the process may really have.
  std::vector<std::uint32_t> listeners_;
  std::deque<std::shared_ptr<SimSocket>> backlog_;  // Connected, not accepted.
  bool is_accepting_ = true;
  SimSocket::List changed_;
  std::deque<Pending> pending_;
  std::deque<std::string> received_;  // What the last wait handed out.
  std::uint64_t batches_count_ = 0;
  bool is_woken_ = true;
  Nanos turn_began_ = 0;
  Nanos sleeps_until_ = 0;
};

}  // namespace broadside::sim
