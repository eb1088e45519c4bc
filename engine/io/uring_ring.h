// One io_uring: set-up with a ladder down for older kernels, the submission and completion rings, and enter. Knows nothing
// of sockets. Sole includer of <liburing.h>; used by the thread that opened it alone.
#pragma once

#include <liburing.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/units.h"

namespace broadside::io {

class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  // Makes the ring on the calling thread. The completion ring shrinks when memory is short. 0 or an errno.
  [[nodiscard]] int open(std::uint32_t submissions, std::uint32_t completions);
  [[nodiscard]] bool is_open() const { return is_open_; }
  [[nodiscard]] bool defers_work() const { return (ring_.flags & IORING_SETUP_DEFER_TASKRUN) != 0; }
  // Does what this backend needs and refuses all else.
  [[nodiscard]] bool is_restricted() const { return is_restricted_; }
  [[nodiscard]] bool has_feature(std::uint32_t feature) const { return (ring_.features & feature) == feature; }
  [[nodiscard]] bool supports(int opcode);
  [[nodiscard]] io_uring* raw() { return &ring_; }

  // A zeroed entry to fill, or null when the submission ring is full: enter() first.
  [[nodiscard]] io_uring_sqe* try_queue(std::uint8_t opcode, std::uint64_t user_data);
  [[nodiscard]] std::uint32_t queued() const;
  // A message header that lives as long as the entry does.
  [[nodiscard]] msghdr& header_of(const io_uring_sqe* entry);

  // Submits what is queued. Completions of requests that finish at once are in the completion ring afterwards.
  void submit();
  // Submits, runs deferred completions and waits up to `timeout` for one completion (0: does not wait).
  void submit_and_look(Nanos timeout);

  // Calls handle(user_data, result, flags) for each completion there is and returns their number.
  template <typename Handle>
  std::uint32_t reap(Handle&& handle) {
    const std::uint32_t mask = *ring_.cq.kring_mask;
    std::uint32_t head = *ring_.cq.khead;
    const std::uint32_t tail = io_uring_smp_load_acquire(ring_.cq.ktail);
    const std::uint32_t count = tail - head;
    for (; head != tail; ++head) {
      const io_uring_cqe& entry = ring_.cq.cqes[head & mask];
      handle(static_cast<std::uint64_t>(entry.user_data), entry.res, entry.flags);
    }
    io_uring_smp_store_release(ring_.cq.khead, head);
    return count;
  }

 private:
  int enter(std::uint32_t wait_count, std::uint32_t flags, Nanos timeout);

  io_uring ring_{};
  std::unique_ptr<msghdr[]> headers_;
  bool is_open_ = false;
  bool is_restricted_ = false;
  bool is_descriptor_registered_ = false;
};

}  // namespace broadside::io
