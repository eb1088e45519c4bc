// io.h over io_uring. Accepts are multishot, receives take a shared buffer when bytes have come, sends finish while they are
// submitted, and subscribers are watched by one edge-triggered epoll set that the ring polls: 208 bytes a socket instead of
// 256 for a poll of its own, nothing to re-arm or cancel, and the registration follows the open file into any table.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/io/fifo.h"
#include "engine/io/io.h"
#include "engine/io/uring_buffers.h"
#include "engine/io/uring_ring.h"
#include "engine/io/uring_tables.h"

namespace broadside::io {

// Invariants between calls: every completion fetched from a ring has been acted on or waits in pending_; a plain descriptor
// has at most one receive (receive_of_); no send is under way.
class UringIo final : public Io {
 public:
  // On the thread that will use it. Refuses with a reason when the kernel cannot do what is needed (5.19).
  static Result<std::unique_ptr<Io>> create(const IoConfig& config);
  ~UringIo() override;

  // Set-up, waiting and waking: uring_io.cc. What concerns one socket: uring_sockets.cc.
  [[nodiscard]] std::string describe() const override;
  void add_listener(int fd, std::uint32_t listener) override;
  void resume_accepts() override;
  void remove_listeners() override;
  void start_receive(Socket socket, Token token) override;
  [[nodiscard]] bool watch(Socket socket, Token token) override;
  Socket to_table(Socket socket) override;
  void send(std::span<SendRequest> batch) override;
  void shutdown_write(Socket socket) override;
  void close(Socket socket, CloseMode mode) override;
  void wait(Nanos timeout, std::vector<Completion>& completions) override;
  void wake() override;
  [[nodiscard]] int poll_fd() override;
  void flush() override;

 private:
  enum class Operation : std::uint8_t { accept, receive, send, watch, wake, cancel, prepare_close, close };
  struct Listener {
    int fd = -1;
    std::uint32_t name = 0;
    bool is_armed = false;
    bool is_paused = false;
  };
  // One receive, from start_receive() until its completion is handed out or dropped.
  struct Receive {
    Token token;
    int fd = -1;
    bool is_closing = false;  // Nobody wants it any more: the descriptor is closed with `mode` when the kernel is done.
    CloseMode mode = CloseMode::orderly;
  };
  // An accept or a receive that wait() has yet to hand out.
  struct Pending {
    std::uint64_t user_data = 0;
    std::int32_t result = 0;
    std::uint32_t flags = 0;
  };

  explicit UringIo(const IoConfig& config) : config_(config) {}
  // 0 or an errno; `step` names what failed.
  int open(const char** step);

  // What a request is known by: its operation, a table or generation, and an index of the operation's own.
  static constexpr std::uint32_t kDetailMask = (1U << 24) - 1;
  static constexpr std::uint32_t index_of(std::uint64_t user_data) { return static_cast<std::uint32_t>(user_data); }
  static constexpr std::uint32_t detail_of(std::uint64_t user_data) {
    return static_cast<std::uint32_t>(user_data >> 32) & kDetailMask;
  }
  static std::uint64_t user_data_of(Operation operation, std::uint32_t detail, std::uint32_t index);
  // An entry of `ring`; submits what is queued when there is none left.
  io_uring_sqe& queue(Ring& ring, std::uint8_t opcode, std::uint64_t user_data);
  // Acts on what `ring` has completed; returns how much that was.
  std::uint32_t reap(Ring& ring);
  void settle(Ring& ring);
  Ring& ring_of(Socket socket) { return socket.is_direct() ? tables_.ring(static_cast<std::uint32_t>(socket.table)) : ring_; }

  void on_completion(std::uint64_t user_data, std::int32_t result, std::uint32_t flags);
  void on_accept(std::uint64_t user_data, std::int32_t result, std::uint32_t flags);
  void on_receive(std::uint64_t user_data, std::int32_t result, std::uint32_t flags);

  void queue_receive(std::uint32_t index);
  void queue_send(std::uint32_t index);
  void queue_close(Socket socket, CloseMode mode);
  void close_receiving(std::uint32_t index, CloseMode mode);
  void release_receive(std::uint32_t index);

  void give_back_buffers();
  void retry_starved();
  void arm();
  void settle_tables();
  [[nodiscard]] bool has_leftovers() const;
  void enter(Nanos timeout);
  void hand_out(std::vector<Completion>& completions);
  bool hand_out_accept(const Pending& pending, std::vector<Completion>& completions);
  bool hand_out_receive(const Pending& pending, std::vector<Completion>& completions);
  void drain_watch(std::vector<Completion>& completions);

  IoConfig config_;
  UringBuffers buffers_;  // Outlives the ring, ...
  Ring ring_;
  UringTables tables_;  // ... which outlives its table.
  int watch_fd_ = -1;
  int poll_fd_ = -1;  // Made when first asked for.
  int wake_fd_ = -1;
  std::uint64_t wake_count_ = 0;  // Written by the kernel.
  std::atomic<bool> is_wake_requested_ = false;
  bool is_wake_armed_ = false;
  bool is_woken_ = false;
  bool is_watch_armed_ = false;
  bool is_watch_ready_ = false;

  std::vector<Listener> listeners_;
  std::uint32_t listeners_generation_ = 0;
  std::vector<Receive> receives_;
  std::vector<std::uint32_t> free_receives_;
  std::vector<std::uint32_t> receive_of_;  // By descriptor: index into receives_ plus 1, or 0.
  Fifo<std::uint32_t> starved_;            // Receives that found no buffer.
  Fifo<Pending> pending_;
  std::vector<std::uint16_t> lent_buffers_;  // In completions handed out by the last wait().
  std::span<SendRequest> batch_;
  std::uint32_t sends_unfinished_ = 0;
};

}  // namespace broadside::io
