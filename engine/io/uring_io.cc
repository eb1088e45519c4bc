// See uring_io.h. Everything the kernel reports passes on_completion(), which only records; what follows from it is done by
// wait() afterwards, so that send() may meet any completion.
#include "engine/io/uring_io.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/assert.h"
#include "engine/io/host.h"
#include "engine/io/outcome.h"
#include "engine/io/socket.h"
#include "engine/io/uring_abi.h"

namespace broadside::io {
namespace {

constexpr std::uint32_t kSubmissions = 1024;
constexpr std::uint32_t kCompletions = 16384;
constexpr std::uint32_t kLooksPerWait = 64;  // Times kDeferredPerEnter: 1,280 deferred completions.

}  // namespace

Result<std::unique_ptr<Io>> UringIo::create(const IoConfig& config) {
  if (!kernel_version().is_at_least(5, 19)) {
    const std::string version = kernel_version().text();
    return Error{Error::Code::unavailable, "io_uring: kernel " + version + " is older than 5.19; use the epoll backend"};
  }
  std::unique_ptr<UringIo> io(new (std::nothrow) UringIo(config));
  if (io == nullptr) return Error{Error::Code::out_of_memory, "io_uring: no memory"};
  const char* step = "";
  const int error = io->open(&step);
  if (error != 0) {
    const std::string reason = explain_uring_failure(error, find_uring_obstacles());
    return Error{Error::Code::unavailable, std::string("io_uring: ") + step + ": " + reason + "; or use the epoll backend"};
  }
  return std::unique_ptr<Io>(std::move(io));
}

int UringIo::open(const char** step) {
  *step = "set-up";
  int error = ring_.open(kSubmissions, kCompletions);
  if (error != 0) return error;
  *step = "receive buffers";
  error = buffers_.open(ring_, std::clamp<std::uint32_t>(config_.receive_buffers, 1, 32768));
  if (error != 0) return error;
  *step = "epoll set and eventfd";
  watch_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (watch_fd_ < 0) return errno;
  // Blocking on purpose: io_uring completes a read of a non-blocking one with EAGAIN instead of waiting for it.
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC);
  if (wake_fd_ < 0) return errno;
  if (config_.use_tables && kernel_version().is_at_least(6, 13) && ring_.supports(IORING_OP_URING_CMD)) {
    // Without a table sockets stay plain: describe() says so.
    static_cast<void>(tables_.open(ring_, std::max<std::uint32_t>(config_.table_places_max, 1)));
  }
  return 0;
}

UringIo::~UringIo() {
  if (ring_.is_open() && wake_fd_ >= 0) settle_tables();
  for (const Receive& receive : receives_) {
    if (receive.fd >= 0 && receive.is_closing) close_plain(receive.fd, receive.mode);
  }
  while (!pending_.empty()) {
    const Pending pending = pending_.pop();
    const auto operation = static_cast<Operation>(pending.user_data >> 56);
    if (operation == Operation::accept && pending.result >= 0) close_plain(pending.result, CloseMode::reset);
  }
  if (watch_fd_ >= 0) ::close(watch_fd_);
  if (wake_fd_ >= 0) ::close(wake_fd_);
  if (poll_fd_ >= 0) ::close(poll_fd_);
}

std::string UringIo::describe() const {
  std::string text = "uring (kernel " + kernel_version().text();
  text += ring_.defers_work() ? ", defer-taskrun" : ", without defer-taskrun";
  text += ", buffer ring, epoll watch";
  if (ring_.is_restricted()) text += ", restricted";
  if (tables_.is_open()) text += ", direct descriptors";
  return text + ")";
}

// ---- The rings ----

std::uint64_t UringIo::user_data_of(Operation operation, std::uint32_t detail, std::uint32_t index) {
  BROADSIDE_ASSERT(detail <= kDetailMask);
  return static_cast<std::uint64_t>(operation) << 56 | static_cast<std::uint64_t>(detail) << 32 | index;
}

io_uring_sqe& UringIo::queue(Ring& ring, std::uint8_t opcode, std::uint64_t user_data) {
  io_uring_sqe* entry = ring.try_queue(opcode, user_data);
  if (entry == nullptr) {
    settle(ring);
    entry = ring.try_queue(opcode, user_data);
  }
  BROADSIDE_ASSERT(entry != nullptr);
  return *entry;
}

std::uint32_t UringIo::reap(Ring& ring) {
  return ring.reap([this](std::uint64_t data, std::int32_t result, std::uint32_t flags) { on_completion(data, result, flags); });
}

void UringIo::settle(Ring& ring) {
  while (ring.queued() > 0) {
    ring.submit();
    reap(ring);
  }
}

void UringIo::settle_tables() {
  for (std::uint32_t table = 0; table < tables_.count(); ++table) settle(tables_.ring(table));
}

void UringIo::on_completion(std::uint64_t user_data, std::int32_t result, std::uint32_t flags) {
  const std::uint32_t index = index_of(user_data);
  switch (static_cast<Operation>(user_data >> 56)) {
    case Operation::accept:
      on_accept(user_data, result, flags);
      break;
    case Operation::receive:
      on_receive(user_data, result, flags);
      break;
    case Operation::send:
      BROADSIDE_ASSERT(index < batch_.size());
      BROADSIDE_ASSERT(sends_unfinished_ > 0);
      --sends_unfinished_;
      set_send_result(batch_[index], result);
      break;
    case Operation::watch:
      is_watch_ready_ = true;
      if ((flags & IORING_CQE_F_MORE) == 0) is_watch_armed_ = false;
      break;
    case Operation::wake:
      is_wake_armed_ = false;
      is_woken_ = true;
      break;
    case Operation::cancel:
    case Operation::prepare_close:
      break;
    case Operation::close:
      if (result < 0) tables_.evict(detail_of(user_data), index);
      tables_.free_place(detail_of(user_data), index);
      break;
  }
}

// ---- Waiting ----

void UringIo::arm() {
  for (std::uint32_t i = 0; i < listeners_.size(); ++i) {
    Listener& listener = listeners_[i];
    if (listener.is_armed || listener.is_paused) continue;
    io_uring_sqe& entry = queue(ring_, IORING_OP_ACCEPT, user_data_of(Operation::accept, listeners_generation_ & kDetailMask, i));
    entry.fd = listener.fd;
    entry.ioprio = IORING_ACCEPT_MULTISHOT;
    entry.accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    listener.is_armed = true;
  }
  if (!is_watch_armed_) {
    io_uring_sqe& entry = queue(ring_, IORING_OP_POLL_ADD, user_data_of(Operation::watch, 0, 0));
    entry.fd = watch_fd_;
    entry.len = IORING_POLL_ADD_MULTI;
    entry.poll32_events = __io_uring_prep_poll_mask(POLLIN);
    is_watch_armed_ = true;
  }
  if (!is_wake_armed_) {
    io_uring_sqe& entry = queue(ring_, IORING_OP_READ, user_data_of(Operation::wake, 0, 0));
    entry.fd = wake_fd_;
    entry.addr = reinterpret_cast<std::uint64_t>(&wake_count_);
    entry.len = sizeof wake_count_;
    is_wake_armed_ = true;
  }
}

bool UringIo::has_leftovers() const { return !pending_.empty() || !starved_.empty() || is_watch_ready_ || is_woken_; }

void UringIo::enter(Nanos timeout) {
  // From 6.13 on an enter runs few deferred completions: look again while there may be more.
  for (std::uint32_t look = 0; look < kLooksPerWait; ++look) {
    ring_.submit_and_look(look == 0 ? timeout : 0);
    const std::uint32_t count = reap(ring_);
    if (count < kDeferredPerEnter && ring_.queued() == 0) return;
  }
}

void UringIo::wait(Nanos timeout, std::vector<Completion>& completions) {
  BROADSIDE_ASSERT(timeout >= 0);
  BROADSIDE_ASSERT(batch_.empty());
  if (poll_fd_ >= 0) {
    // Before looking: what comes from here on makes it readable again.
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t result = ::read(poll_fd_, &count, sizeof count);
  }
  give_back_buffers();
  retry_starved();
  for (std::uint32_t table = 0; table < tables_.count(); ++table) {
    if (&tables_.ring(table) != &ring_) settle(tables_.ring(table));
  }
  arm();
  enter(has_leftovers() ? 0 : timeout);
  // A wake() from here on writes again; one before is answered by this return. Reads what the waker wrote before it.
  if (is_woken_) is_wake_requested_.exchange(false, std::memory_order_acq_rel);
  is_woken_ = false;
  hand_out(completions);
  if (is_watch_ready_) drain_watch(completions);
}

void UringIo::hand_out(std::vector<Completion>& completions) {
  std::uint32_t accepts = 0;
  std::uint32_t receives = 0;
  while (!pending_.empty() && accepts < config_.accepts_per_wait_max && receives < config_.receives_per_wait_max) {
    const Pending pending = pending_.pop();
    if (static_cast<Operation>(pending.user_data >> 56) == Operation::accept) {
      accepts += hand_out_accept(pending, completions) ? 1 : 0;
    } else {
      receives += hand_out_receive(pending, completions) ? 1 : 0;
    }
  }
}

int UringIo::poll_fd() {
  if (poll_fd_ >= 0) return poll_fd_;
  // The ring's own descriptor does not wake while the ring defers its work.
  poll_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (poll_fd_ >= 0 && io_uring_register_eventfd(ring_.raw(), poll_fd_) != 0) {
    ::close(poll_fd_);
    poll_fd_ = -1;
  }
  return poll_fd_;
}

void UringIo::flush() {
  settle_tables();
  arm();
  ring_.submit();
}

void UringIo::wake() {
  if (is_wake_requested_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  // Cannot fail: the counter is far from full, since each write is answered before the next.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

}  // namespace broadside::io
