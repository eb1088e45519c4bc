// io.h over epoll and plain calls: for kernels and containers without io_uring. One edge-triggered set holds all sockets;
// listeners and the eventfd are level-triggered. No tables: to_table() gives the socket back.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/io/fifo.h"
#include "engine/io/io.h"

namespace broadside::io {

// Invariant between calls: a receiving socket is in ready_ exactly if `is_queued`, and it is queued if it may have input.
class EpollIo final : public Io {
 public:
  static Result<std::unique_ptr<Io>> create(const IoConfig& config);
  ~EpollIo() override;

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
  struct Listener {
    int fd = -1;
    std::uint32_t name = 0;
    bool is_registered = false;
    bool is_paused = false;
  };
  // What is known of one descriptor, from its first start_receive() or watch() to its close().
  struct Descriptor {
    Token token;
    std::uint32_t generation = 0;  // Counts closes: tells a queued entry from an older owner of the number.
    bool is_registered = false;
    bool is_receiving = false;
    bool is_readable = false;  // There may be input: an edge came and no receive has said EAGAIN since.
    bool is_queued = false;
    bool is_watched = false;
  };
  struct Ready {
    int fd = -1;
    std::uint32_t generation = 0;
  };

  explicit EpollIo(const IoConfig& config) : config_(config) {}
  bool open();
  Descriptor& descriptor(int fd);
  void queue_if_ready(int fd, Descriptor& state);
  void register_listeners();
  int wait_for_events(Nanos timeout, epoll_event* events, int count);
  void on_event(std::uint64_t data, std::uint32_t events, std::vector<Completion>& completions);
  void accept_all(std::uint32_t index, std::vector<Completion>& completions);
  void receive_ready(std::vector<Completion>& completions);
  bool receive_one(int fd, Descriptor& state, std::uint32_t buffer, std::vector<Completion>& completions);

  IoConfig config_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::atomic<bool> is_wake_requested_ = false;
  char* buffers_ = nullptr;  // receives_per_wait_max of them, mapped when first used.
  std::vector<Listener> listeners_;
  std::vector<Descriptor> descriptors_;  // By descriptor.
  Fifo<Ready> ready_;
};

}  // namespace broadside::io
