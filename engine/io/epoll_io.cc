// See epoll_io.h.
#include "engine/io/epoll_io.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <new>

#include "base/assert.h"
#include "engine/io/host.h"
#include "engine/io/outcome.h"
#include "engine/io/socket.h"

namespace broadside::io {
namespace {

constexpr std::size_t kBufferBytes = 16 * kKiB;
constexpr int kEventsPerWait = 512;

// What an epoll entry stands for: a kind in the upper half, a descriptor or a listener's index in the lower.
constexpr std::uint64_t kKindListener = 1ULL << 32;
constexpr std::uint64_t kKindWake = 2ULL << 32;
constexpr std::uint64_t kKindMask = ~0ULL << 32;

bool control(int epoll_fd, int operation, int fd, std::uint32_t events, std::uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return ::epoll_ctl(epoll_fd, operation, fd, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<Io>> EpollIo::create(const IoConfig& config) {
  std::unique_ptr<EpollIo> io(new (std::nothrow) EpollIo(config));
  if (io == nullptr) return Error{Error::Code::out_of_memory, "epoll: no memory"};
  if (!io->open()) {
    return Error{Error::Code::unavailable, "epoll: " + errno_text(errno) + "; raise the limit of open files (ulimit -n)"};
  }
  return std::unique_ptr<Io>(std::move(io));
}

bool EpollIo::open() {
  config_.receives_per_wait_max = std::max<std::uint32_t>(config_.receives_per_wait_max, 1);
  void* pages = ::mmap(nullptr, config_.receives_per_wait_max * kBufferBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) return false;
  buffers_ = static_cast<char*>(pages);
  epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return false;
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return wake_fd_ >= 0 && control(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, EPOLLIN, kKindWake);
}

EpollIo::~EpollIo() {
  if (buffers_ != nullptr) ::munmap(buffers_, config_.receives_per_wait_max * kBufferBytes);
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

std::string EpollIo::describe() const { return "epoll (kernel " + kernel_version().text() + ", edge-triggered)"; }

EpollIo::Descriptor& EpollIo::descriptor(int fd) {
  const auto place = static_cast<std::size_t>(fd);
  if (place >= descriptors_.size()) descriptors_.resize(std::max<std::size_t>(place + 1, descriptors_.size() * 2));
  return descriptors_[place];
}

// ---- Accepting ----

void EpollIo::add_listener(int fd, std::uint32_t listener) {
  BROADSIDE_ASSERT(fd >= 0);
  // Another shard may have taken the connection by the time we accept.
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  listeners_.push_back(Listener{.fd = fd, .name = listener});
}

void EpollIo::resume_accepts() {
  for (Listener& listener : listeners_) listener.is_paused = false;
}

void EpollIo::remove_listeners() {
  for (const Listener& listener : listeners_) {
    if (listener.is_registered) control(epoll_fd_, EPOLL_CTL_DEL, listener.fd, 0, 0);
  }
  listeners_.clear();
}

void EpollIo::register_listeners() {
  for (std::uint32_t i = 0; i < listeners_.size(); ++i) {
    Listener& listener = listeners_[i];
    if (listener.is_registered || listener.is_paused) continue;
    // Exclusive: of several shards on one Unix listener, one wakes.
    listener.is_registered = control(epoll_fd_, EPOLL_CTL_ADD, listener.fd, EPOLLIN | EPOLLEXCLUSIVE, kKindListener | i);
  }
}

void EpollIo::accept_all(std::uint32_t index, std::vector<Completion>& completions) {
  Listener& listener = listeners_[index];
  Completion completion;
  completion.token.index = listener.name;
  for (std::uint32_t count = 0; count < config_.accepts_per_wait_max; ++count) {
    const int fd = ::accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      completion.kind = CompletionKind::accepted;
      completion.socket.value = fd;
      completions.push_back(completion);
      continue;
    }
    if (errno == EAGAIN) return;
    if (is_transient_accept_error(errno)) continue;
    completion.kind = CompletionKind::accept_failed;
    completion.socket = Socket{};
    completion.error = errno;
    completions.push_back(completion);
    control(epoll_fd_, EPOLL_CTL_DEL, listener.fd, 0, 0);
    listener.is_registered = false;
    listener.is_paused = true;
    return;
  }
  // Level-triggered: the rest is reported again.
}

// ---- Receiving and watching ----

void EpollIo::queue_if_ready(int fd, Descriptor& state) {
  if (!state.is_receiving || !state.is_readable || state.is_queued) return;
  state.is_queued = true;
  ready_.push(Ready{fd, state.generation});
}

void EpollIo::start_receive(Socket socket, Token token) {
  BROADSIDE_ASSERT(socket.is_open());
  BROADSIDE_ASSERT(!socket.is_direct());
  Descriptor& state = descriptor(socket.value);
  BROADSIDE_ASSERT(!state.is_receiving);
  state.token = token;
  state.is_receiving = true;
  if (!state.is_registered || state.is_watched) {
    // Input that is there already makes an edge at once. Without the kernel's memory the receive itself tells.
    state.is_registered = control(epoll_fd_, state.is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket.value,
                                  EPOLLIN | EPOLLRDHUP | EPOLLET, static_cast<std::uint32_t>(socket.value));
    state.is_watched = false;
    state.is_readable = true;
  }
  queue_if_ready(socket.value, state);
}

bool EpollIo::receive_one(int fd, Descriptor& state, std::uint32_t buffer, std::vector<Completion>& completions) {
  char* bytes = buffers_ + buffer * kBufferBytes;
  ssize_t count = 0;
  do {
    count = ::recv(fd, bytes, kBufferBytes, MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  int error = count < 0 ? errno : 0;
  if (error == EAGAIN && state.is_registered) {
    state.is_readable = false;
    return false;
  }
  if (error == EAGAIN) error = ENOMEM;  // Never registered: no edge would ever come.
  state.is_receiving = false;
  Completion completion;
  completion.kind = CompletionKind::received;
  completion.token = state.token;
  completion.socket.value = fd;
  completion.error = error;
  if (count > 0) completion.bytes = {bytes, static_cast<std::size_t>(count)};
  completions.push_back(completion);
  return true;
}

void EpollIo::receive_ready(std::vector<Completion>& completions) {
  std::uint32_t buffers_used = 0;
  for (std::size_t left = ready_.size(); left > 0 && buffers_used < config_.receives_per_wait_max; --left) {
    const Ready ready = ready_.pop();
    Descriptor& state = descriptors_[static_cast<std::size_t>(ready.fd)];
    if (state.generation != ready.generation) continue;
    BROADSIDE_ASSERT(state.is_queued);
    state.is_queued = false;
    if (receive_one(ready.fd, state, buffers_used, completions)) ++buffers_used;
  }
}

bool EpollIo::watch(Socket socket, Token token) {
  BROADSIDE_ASSERT(socket.is_open());
  Descriptor& state = descriptor(socket.value);
  BROADSIDE_ASSERT(!state.is_receiving);
  state.token = token;
  state.is_watched = true;
  const bool was_registered = state.is_registered;
  state.is_registered = control(epoll_fd_, was_registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket.value,
                                EPOLLOUT | EPOLLRDHUP | EPOLLET, static_cast<std::uint32_t>(socket.value));
  return state.is_registered;
}

Socket EpollIo::to_table(Socket socket) { return socket; }

// ---- Sending and closing ----

void EpollIo::send(std::span<SendRequest> batch) {
  for (SendRequest& request : batch) {
    BROADSIDE_ASSERT(request.socket.is_open());
    BROADSIDE_ASSERT(request.range_count >= 1 && request.range_count <= 64);
    ssize_t result = 0;
    do {
      if (request.range_count == 1 && !request.is_tls_alert) {
        result = ::send(request.socket.value, request.ranges[0].iov_base, request.ranges[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
      } else {
        msghdr header{};
        header.msg_iov = const_cast<iovec*>(request.ranges);  // Only read by the kernel.
        header.msg_iovlen = request.range_count;
        if (request.is_tls_alert) {
          header.msg_control = tls_alert_control().data();
          header.msg_controllen = tls_alert_control().size();
        }
        result = ::sendmsg(request.socket.value, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
      }
    } while (result < 0 && errno == EINTR);
    set_send_result(request, result < 0 ? -errno : result);
  }
}

void EpollIo::shutdown_write(Socket socket) { ::shutdown(socket.value, SHUT_WR); }

void EpollIo::close(Socket socket, CloseMode mode) {
  BROADSIDE_ASSERT(socket.is_open());
  const auto place = static_cast<std::size_t>(socket.value);
  if (place < descriptors_.size()) {
    const std::uint32_t generation = descriptors_[place].generation + 1;
    descriptors_[place] = Descriptor{};
    descriptors_[place].generation = generation;
  }
  close_plain(socket.value, mode);
}

// ---- Waiting ----

int EpollIo::wait_for_events(Nanos timeout, epoll_event* events, int count) {
  const timespec limit{.tv_sec = timeout / kSecond, .tv_nsec = timeout % kSecond};
  const int found = ::epoll_pwait2(epoll_fd_, events, count, &limit, nullptr);
  if (found >= 0 || errno != ENOSYS) return found;
  // Before 5.11: whole milliseconds, rounded up so as not to spin.
  const Nanos timeout_ms = (timeout + kMillisecond - 1) / kMillisecond;
  return ::epoll_wait(epoll_fd_, events, count, static_cast<int>(std::min<Nanos>(timeout_ms, INT_MAX)));
}

void EpollIo::on_event(std::uint64_t data, std::uint32_t events, std::vector<Completion>& completions) {
  switch (data & kKindMask) {
    case kKindListener:
      accept_all(static_cast<std::uint32_t>(data), completions);
      return;
    case kKindWake: {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t result = ::read(wake_fd_, &count, sizeof count);
      // A wake() from here on writes again; one before is answered by this return. Reads what the waker wrote before it.
      is_wake_requested_.exchange(false, std::memory_order_acq_rel);
      return;
    }
    default:
      break;
  }
  const int fd = static_cast<int>(data);
  Descriptor& state = descriptors_[static_cast<std::size_t>(fd)];
  if (state.is_watched) {
    Completion completion;
    completion.kind = is_hang_up(events) ? CompletionKind::hung_up : CompletionKind::writable;
    completion.token = state.token;
    completions.push_back(completion);
    return;
  }
  state.is_readable = true;
  queue_if_ready(fd, state);
}

void EpollIo::wait(Nanos timeout, std::vector<Completion>& completions) {
  BROADSIDE_ASSERT(timeout >= 0);
  register_listeners();
  epoll_event events[kEventsPerWait];
  const int count = wait_for_events(ready_.empty() ? timeout : 0, events, kEventsPerWait);
  for (int i = 0; i < count; ++i) on_event(events[i].data.u64, events[i].events, completions);
  receive_ready(completions);
}

int EpollIo::poll_fd() { return epoll_fd_; }

void EpollIo::flush() { register_listeners(); }

void EpollIo::wake() {
  if (is_wake_requested_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  // Cannot fail: the counter is far from full, since each write is answered before the next.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

}  // namespace broadside::io
