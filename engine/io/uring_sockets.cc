// The part of uring_io.h that concerns single sockets: accepting, receiving, watching, sending and closing.
#include "engine/io/uring_io.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.h"
#include "engine/io/outcome.h"
#include "engine/io/socket.h"
#include "engine/io/uring_abi.h"

namespace broadside::io {
namespace {

constexpr std::uint32_t kWatchEventsPerCall = 256;
constexpr std::uint32_t kWatchCallsPerWait = 4;

// Some kernels take O_NONBLOCK for "do not wait at all" and complete with EAGAIN. False if the flag was not set.
bool clear_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0 && ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

}  // namespace

// ---- Accepting ----

void UringIo::add_listener(int fd, std::uint32_t listener) {
  BROADSIDE_ASSERT(fd >= 0);
  listeners_.push_back(Listener{.fd = fd, .name = listener});
}

void UringIo::resume_accepts() {
  for (Listener& listener : listeners_) listener.is_paused = false;
}

void UringIo::remove_listeners() {
  for (std::uint32_t i = 0; i < listeners_.size(); ++i) {
    if (!listeners_[i].is_armed) continue;
    io_uring_sqe& entry = queue(ring_, IORING_OP_ASYNC_CANCEL, user_data_of(Operation::cancel, 0, i));
    entry.fd = -1;
    entry.addr = user_data_of(Operation::accept, listeners_generation_ & kDetailMask, i);
  }
  // The accept holds its listener open: only when it has ended may the caller's close() mean anything.
  const auto is_armed = [](const Listener& listener) { return listener.is_armed; };
  for (int i = 0; i < 1000 && std::any_of(listeners_.begin(), listeners_.end(), is_armed); ++i) {
    ring_.submit_and_look(0);
    reap(ring_);
  }
  listeners_.clear();
  ++listeners_generation_;  // What was accepted meanwhile is closed when it comes to light.
}

void UringIo::on_accept(std::uint64_t user_data, std::int32_t result, std::uint32_t flags) {
  const std::uint32_t index = index_of(user_data);
  const bool is_current = detail_of(user_data) == (listeners_generation_ & kDetailMask) && index < listeners_.size();
  if ((flags & IORING_CQE_F_MORE) == 0 && is_current) listeners_[index].is_armed = false;
  if (result >= 0) {
    pending_.push(Pending{user_data, result, flags});
    return;
  }
  if (!is_current || result == -ECANCELED) return;
  if (result == -EAGAIN) {
    clear_nonblocking(listeners_[index].fd);
  }
  if (is_transient_accept_error(-result)) return;
  listeners_[index].is_paused = true;
  pending_.push(Pending{user_data, result, flags});
}

bool UringIo::hand_out_accept(const Pending& pending, std::vector<Completion>& completions) {
  const std::uint32_t index = index_of(pending.user_data);
  if (detail_of(pending.user_data) != (listeners_generation_ & kDetailMask) || index >= listeners_.size()) {
    if (pending.result >= 0) close_plain(pending.result, CloseMode::reset);
    return false;
  }
  Completion completion;
  completion.token.index = listeners_[index].name;
  if (pending.result >= 0) {
    completion.kind = CompletionKind::accepted;
    completion.socket.value = pending.result;
  } else {
    completion.kind = CompletionKind::accept_failed;
    completion.error = -pending.result;
  }
  completions.push_back(completion);
  return true;
}

// ---- Receiving ----

void UringIo::start_receive(Socket socket, Token token) {
  BROADSIDE_ASSERT(socket.is_open());
  BROADSIDE_ASSERT(!socket.is_direct());
  const auto fd = static_cast<std::size_t>(socket.value);
  if (fd >= receive_of_.size()) receive_of_.resize(std::max<std::size_t>(fd + 1, receive_of_.size() * 2), 0);
  BROADSIDE_ASSERT(receive_of_[fd] == 0);
  std::uint32_t index = static_cast<std::uint32_t>(receives_.size());
  if (free_receives_.empty()) {
    receives_.emplace_back();
  } else {
    index = free_receives_.back();
    free_receives_.pop_back();
  }
  receives_[index] = Receive{.token = token, .fd = socket.value};
  receive_of_[fd] = index + 1;
  queue_receive(index);
}

void UringIo::queue_receive(std::uint32_t index) {
  io_uring_sqe& entry = queue(ring_, IORING_OP_RECV, user_data_of(Operation::receive, 0, index));
  entry.fd = receives_[index].fd;
  entry.len = UringBuffers::kBufferBytes;
  entry.flags = IOSQE_BUFFER_SELECT;
  entry.buf_group = UringBuffers::kGroup;
}

void UringIo::on_receive(std::uint64_t user_data, std::int32_t result, std::uint32_t flags) {
  const std::uint32_t index = index_of(user_data);
  BROADSIDE_ASSERT(index < receives_.size());
  BROADSIDE_ASSERT(receives_[index].fd >= 0);
  if (result == -ENOBUFS || (result == -EAGAIN && !receives_[index].is_closing && clear_nonblocking(receives_[index].fd))) {
    starved_.push(index);
    return;
  }
  if ((flags & IORING_CQE_F_BUFFER) != 0) buffers_.take(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT));
  pending_.push(Pending{user_data, result, flags});
}

// Forgets a receive of which the kernel knows no more.
void UringIo::release_receive(std::uint32_t index) {
  BROADSIDE_ASSERT(receives_[index].fd >= 0);
  receive_of_[static_cast<std::size_t>(receives_[index].fd)] = 0;
  receives_[index] = Receive{};
  free_receives_.push_back(index);
}

bool UringIo::hand_out_receive(const Pending& pending, std::vector<Completion>& completions) {
  const std::uint32_t index = index_of(pending.user_data);
  const Receive receive = receives_[index];
  const bool has_buffer = (pending.flags & IORING_CQE_F_BUFFER) != 0;
  const auto buffer = static_cast<std::uint16_t>(pending.flags >> IORING_CQE_BUFFER_SHIFT);
  release_receive(index);
  if (receive.is_closing) {
    if (has_buffer) buffers_.give_back(buffer);
    close_plain(receive.fd, receive.mode);
    return false;
  }
  if (has_buffer) lent_buffers_.push_back(buffer);
  Completion completion;
  completion.kind = CompletionKind::received;
  completion.token = receive.token;
  completion.socket.value = receive.fd;
  if (pending.result < 0) completion.error = -pending.result;
  if (pending.result > 0) {
    BROADSIDE_ASSERT(has_buffer);
    completion.bytes = {buffers_.bytes_of(buffer), static_cast<std::size_t>(pending.result)};
  }
  completions.push_back(completion);
  return true;
}

void UringIo::give_back_buffers() {
  for (const std::uint16_t buffer : lent_buffers_) buffers_.give_back(buffer);
  lent_buffers_.clear();
}

void UringIo::retry_starved() {
  // One that finds nothing to read gives its buffer back at once; the others are as many as there are buffers.
  for (std::size_t count = std::min<std::size_t>(starved_.size(), buffers_.free_count()); count > 0; --count) {
    const std::uint32_t index = starved_.pop();
    const Receive receive = receives_[index];
    if (receive.is_closing) {
      release_receive(index);
      close_plain(receive.fd, receive.mode);
    } else {
      queue_receive(index);
    }
  }
}

// ---- Watching ----

bool UringIo::watch(Socket socket, Token token) {
  BROADSIDE_ASSERT(socket.is_open());
  BROADSIDE_ASSERT(!socket.is_direct());
  epoll_event event{};
  event.events = EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = static_cast<std::uint64_t>(token.generation) << 32 | token.index;
  if (::epoll_ctl(watch_fd_, EPOLL_CTL_ADD, socket.value, &event) == 0) return true;
  // Watched before, then received again. Changing it also makes the edge anew.
  return errno == EEXIST && ::epoll_ctl(watch_fd_, EPOLL_CTL_MOD, socket.value, &event) == 0;
}

void UringIo::drain_watch(std::vector<Completion>& completions) {
  epoll_event events[kWatchEventsPerCall];
  for (std::uint32_t call = 0; call < kWatchCallsPerWait; ++call) {
    const int count = ::epoll_wait(watch_fd_, events, kWatchEventsPerCall, 0);
    for (int i = 0; i < count; ++i) {
      Completion completion;
      completion.kind = is_hang_up(events[i].events) ? CompletionKind::hung_up : CompletionKind::writable;
      completion.token = {static_cast<std::uint32_t>(events[i].data.u64), static_cast<std::uint32_t>(events[i].data.u64 >> 32)};
      completions.push_back(completion);
    }
    if (count < static_cast<int>(kWatchEventsPerCall)) {
      // Empty now; the ring's poll reports what comes from here on.
      is_watch_ready_ = false;
      return;
    }
  }
}

Socket UringIo::to_table(Socket socket) {
  BROADSIDE_ASSERT(socket.is_open());
  if (socket.is_direct() || !tables_.is_open()) return socket;
  if (!tables_.has_room()) settle_tables();  // Closes on their way make room.
  if (!tables_.has_room() && !tables_.grow()) return socket;
  const Socket moved = tables_.insert(socket.value);
  if (!moved.is_open()) return socket;
  ::close(socket.value);
  return moved;
}

// ---- Sending and closing ----

void UringIo::send(std::span<SendRequest> batch) {
  BROADSIDE_ASSERT(sends_unfinished_ == 0);
  batch_ = batch;
  for (std::uint32_t i = 0; i < batch.size(); ++i) queue_send(i);
  settle(ring_);
  settle_tables();
  // A full completion ring keeps results in the kernel until it is asked for them.
  while (sends_unfinished_ > 0) {
    ring_.submit_and_look(0);
    reap(ring_);
    for (std::uint32_t table = 0; table < tables_.count(); ++table) {
      tables_.ring(table).submit_and_look(0);
      reap(tables_.ring(table));
    }
  }
  batch_ = {};
}

void UringIo::queue_send(std::uint32_t index) {
  const SendRequest& request = batch_[index];
  BROADSIDE_ASSERT(request.socket.is_open());
  BROADSIDE_ASSERT(request.range_count >= 1 && request.range_count <= 64);
  Ring& ring = ring_of(request.socket);
  const bool is_single = request.range_count == 1 && !request.is_tls_alert;
  io_uring_sqe& entry = queue(ring, is_single ? IORING_OP_SEND : IORING_OP_SENDMSG, user_data_of(Operation::send, 0, index));
  entry.fd = request.socket.value;
  entry.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (request.socket.is_direct()) entry.flags = IOSQE_FIXED_FILE;
  if (is_single) {
    entry.addr = reinterpret_cast<std::uint64_t>(request.ranges[0].iov_base);
    entry.len = static_cast<std::uint32_t>(request.ranges[0].iov_len);
  } else {
    msghdr& header = ring.header_of(&entry);
    header = msghdr{};
    header.msg_iov = const_cast<iovec*>(request.ranges);  // Only read by the kernel.
    header.msg_iovlen = request.range_count;
    if (request.is_tls_alert) {
      header.msg_control = tls_alert_control().data();
      header.msg_controllen = tls_alert_control().size();
    }
    entry.addr = reinterpret_cast<std::uint64_t>(&header);
    entry.len = 1;
  }
  ++sends_unfinished_;
}

void UringIo::shutdown_write(Socket socket) {
  BROADSIDE_ASSERT(!socket.is_direct());
  ::shutdown(socket.value, SHUT_WR);
}

void UringIo::close(Socket socket, CloseMode mode) {
  BROADSIDE_ASSERT(socket.is_open());
  if (socket.is_direct()) {
    queue_close(socket, mode);
    return;
  }
  const auto fd = static_cast<std::size_t>(socket.value);
  if (fd < receive_of_.size() && receive_of_[fd] != 0) {
    close_receiving(receive_of_[fd] - 1, mode);
  } else {
    close_plain(socket.value, mode);
  }
}

// A pending receive holds the file: close() would neither end it nor send anything. The descriptor stays ours until then.
void UringIo::close_receiving(std::uint32_t index, CloseMode mode) {
  Receive& receive = receives_[index];
  BROADSIDE_ASSERT(!receive.is_closing);
  receive.is_closing = true;
  receive.mode = mode;
  if (mode == CloseMode::orderly && ::shutdown(receive.fd, SHUT_RDWR) == 0) return;
  // A shutdown would send FIN before the reset.
  io_uring_sqe& entry = queue(ring_, IORING_OP_ASYNC_CANCEL, user_data_of(Operation::cancel, 0, index));
  entry.fd = -1;
  entry.addr = user_data_of(Operation::receive, 0, index);
}

// Goes to the kernel with the next send() or wait(). Entries of one ring are run in order.
void UringIo::queue_close(Socket socket, CloseMode mode) {
  static constexpr linger kResetNow{.l_onoff = 1, .l_linger = 0};
  const auto table = static_cast<std::uint32_t>(socket.table);
  const auto place = static_cast<std::uint32_t>(socket.value);
  Ring& ring = ring_of(socket);
  switch (mode) {
    case CloseMode::orderly: {
      // Unread input would turn the FIN into a reset.
      io_uring_sqe& drop = queue(ring, IORING_OP_RECV, user_data_of(Operation::prepare_close, table, place));
      drop.fd = socket.value;
      drop.flags = IOSQE_FIXED_FILE;
      drop.len = kDroppedInputBytesMax;
      drop.msg_flags = MSG_DONTWAIT | MSG_TRUNC;
      break;
    }
    case CloseMode::reset: {
      io_uring_sqe& option = queue(ring, IORING_OP_URING_CMD, user_data_of(Operation::prepare_close, table, place));
      option.fd = socket.value;
      option.flags = IOSQE_FIXED_FILE;
      option.off = kSocketCommandSetsockopt;
      option.addr = static_cast<std::uint64_t>(SO_LINGER) << 32 | SOL_SOCKET;
      option.file_index = sizeof kResetNow;
      option.addr3 = reinterpret_cast<std::uint64_t>(&kResetNow);
      break;
    }
  }
  io_uring_sqe& entry = queue(ring, IORING_OP_CLOSE, user_data_of(Operation::close, table, place));
  entry.file_index = place + 1;
}

}  // namespace broadside::io
