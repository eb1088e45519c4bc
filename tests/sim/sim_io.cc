#include "tests/sim/sim_io.h"

#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "engine/io/outcome.h"

namespace broadside::sim {

using io::CompletionKind;

namespace {

constexpr std::uint32_t kRangesMax = 64;

std::uint64_t checksum_of(const io::SendRequest& request) {
  std::uint64_t sum = request.bytes;
  for (std::uint32_t i = 0; i < request.range_count; ++i) {
    const auto* bytes = static_cast<const unsigned char*>(request.ranges[i].iov_base);
    for (std::size_t at = 0; at < request.ranges[i].iov_len; ++at) sum = sum * 31 + bytes[at];
  }
  return sum;
}

// The first `count` bytes of its ranges.
std::string copy_of(const io::SendRequest& request, std::size_t count) {
  std::string bytes;
  bytes.reserve(count);
  for (std::uint32_t i = 0; i < request.range_count && bytes.size() < count; ++i) {
    const iovec& range = request.ranges[i];
    bytes.append(static_cast<const char*>(range.iov_base), std::min(range.iov_len, count - bytes.size()));
  }
  return bytes;
}

void check_ranges(const io::SendRequest& request) {
  BROADSIDE_ASSERT(request.range_count >= 1 && request.range_count <= kRangesMax);
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < request.range_count; ++i) {
    BROADSIDE_ASSERT(request.ranges[i].iov_len >= 1);
    sum += request.ranges[i].iov_len;
  }
  BROADSIDE_ASSERT(sum == request.bytes);
}

}  // namespace

SimIo::~SimIo() { BROADSIDE_ASSERT(sockets_.empty()); }

std::shared_ptr<SimSocket> SimIo::connect(std::size_t output_max) {
  if (listeners_.empty()) return nullptr;
  backlog_.push_back(std::make_shared<SimSocket>(changed_, output_max));
  return backlog_.back();
}

bool SimIo::is_awake() const {
  const bool can_accept = is_accepting_ && !backlog_.empty();
  return is_woken_ || can_accept || !changed_.empty() || !pending_.empty() || setup_.clock.monotonic() >= sleeps_until_;
}

SimSocket& SimIo::at(io::Socket socket) {
  const auto found = sockets_.find(Key{socket.table, socket.value});
  BROADSIDE_ASSERT(found != sockets_.end());
  return *found->second;
}

// ---- Accepting ----

void SimIo::add_listener(int fd, std::uint32_t listener) {
  BROADSIDE_ASSERT(fd >= 0);
  listeners_.push_back(listener);
}

void SimIo::resume_accepts() { is_accepting_ = true; }

void SimIo::remove_listeners() {
  listeners_.clear();
  for (Pending& pending : pending_) {
    if (pending.kind == CompletionKind::accepted) backlog_.push_back(std::move(pending.socket));
  }
  std::erase_if(pending_, [](const Pending& pending) { return pending.kind == CompletionKind::accepted; });
  for (const std::shared_ptr<SimSocket>& socket : backlog_) {
    socket->has_server_ended = socket->was_server_reset = true;
    socket->detach();
  }
  backlog_.clear();
}

void SimIo::accept() {
  for (std::uint32_t count = 0; count < setup_.faults.accepts_max && is_accepting_ && !backlog_.empty(); ++count) {
    const io::Token listener{.index = setup_.dice.pick(listeners_)};
    if (setup_.dice.one_in(setup_.faults.accept_failed)) {
      is_accepting_ = false;
      add_pending({.kind = CompletionKind::accept_failed, .token = listener, .socket = nullptr});
      return;
    }
    add_pending({.kind = CompletionKind::accepted, .token = listener, .socket = std::move(backlog_.front())});
    backlog_.pop_front();
  }
}

// ---- Receiving and watching ----

void SimIo::start_receive(io::Socket socket, io::Token token) {
  BROADSIDE_ASSERT(!socket.is_direct());
  SimSocket& state = at(socket);
  BROADSIDE_ASSERT(state.interest != SimSocket::Interest::receive);
  if (state.interest == SimSocket::Interest::watch) add_stale(state);
  state.interest = SimSocket::Interest::receive;
  state.token = token;
  state.changed();
}

bool SimIo::watch(io::Socket socket, io::Token token) {
  SimSocket& state = at(socket);
  BROADSIDE_ASSERT(!socket.is_direct());
  BROADSIDE_ASSERT(state.interest != SimSocket::Interest::receive);
  if (setup_.dice.one_in(setup_.faults.watch_refused)) {
    state.was_failed = true;
    return false;
  }
  state.interest = SimSocket::Interest::watch;
  state.token = token;
  state.owes_edge = true;  // A new watch reports what is so already.
  state.has_told_hang_up = false;
  state.changed();
  return true;
}

io::Socket SimIo::to_table(io::Socket socket) {
  SimSocket& state = at(socket);
  BROADSIDE_ASSERT(!socket.is_direct());
  BROADSIDE_ASSERT(state.interest == SimSocket::Interest::watch);
  if (!setup_.has_tables) return socket;
  auto node = sockets_.extract(Key{socket.table, socket.value});
  state.name = next_name(static_cast<std::int16_t>(setup_.dice.below(2)));
  node.key() = Key{state.name.table, state.name.value};
  sockets_.insert(std::move(node));
  return state.name;
}

// ---- Sending and closing ----

void SimIo::send(std::span<io::SendRequest> batch) {
  std::vector<std::uint64_t> checksums;
  const bool is_interrupted = setup_.dice.one_in(setup_.faults.interrupted);
  ++batches_count_;
  for (const io::SendRequest& request : batch) {
    check_ranges(request);
    SimSocket& socket = at(request.socket);
    BROADSIDE_ASSERT(socket.last_batch != batches_count_);  // One entry a socket.
    socket.last_batch = batches_count_;
    if (is_interrupted) checksums.push_back(checksum_of(request));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (is_interrupted && setup_.dice.one_in(2)) setup_.bystander.act_meanwhile();
    // Whatever others have done since the batch was made: its bytes are the engine's promise.
    if (is_interrupted) BROADSIDE_ASSERT(checksum_of(batch[i]) == checksums[i]);
    send_one(batch[i]);
  }
}

void SimIo::send_one(io::SendRequest& request) {
  SimSocket& socket = at(request.socket);
  BROADSIDE_ASSERT(!socket.has_server_ended);
  const Faults& faults = setup_.faults;
  if (socket.is_client_gone) return io::set_send_result(request, setup_.dice.one_in(2) ? -EPIPE : -ECONNRESET);
  if (setup_.dice.one_in(faults.failed_send)) {
    socket.was_failed = true;
    return io::set_send_result(request, -ENOBUFS);
  }
  std::uint64_t taken = std::min<std::uint64_t>(request.bytes, socket.room());
  if (setup_.dice.one_in(faults.blocked_send)) taken = 0;
  if (taken > 0 && setup_.dice.one_in(faults.short_send)) taken = setup_.dice.between(1, taken);
  const Nanos now = setup_.clock.monotonic();
  if (socket.blocked_since) socket.blocked_longest = std::max(socket.blocked_longest, now - *socket.blocked_since);
  if (taken > 0) {
    socket.put(copy_of(request, taken), now);
    socket.blocked_since.reset();
  }
  if (taken < request.bytes) {
    if (!socket.blocked_since) socket.blocked_since = now;
    socket.owes_edge = true;
    socket.changed();
  }
  io::set_send_result(request, taken == 0 ? -EAGAIN : static_cast<std::int64_t>(taken));
}

void SimIo::shutdown_write(io::Socket socket) {
  BROADSIDE_ASSERT(!socket.is_direct());
  at(socket).has_server_ended = true;
}

void SimIo::close(io::Socket socket, io::CloseMode mode) {
  SimSocket& state = at(socket);
  state.has_server_ended = true;
  if (state.blocked_since)
    state.blocked_longest = std::max(state.blocked_longest, setup_.clock.monotonic() - *state.blocked_since);
  if (state.interest == SimSocket::Interest::watch) add_stale(state);
  if (mode == io::CloseMode::reset) {
    state.was_server_reset = true;
    state.drop_output(setup_.dice.below(state.output_bytes() + 1));
  }
  state.name = io::Socket{};
  state.detach();
  sockets_.erase(Key{socket.table, socket.value});
}

// ---- Waiting ----

void SimIo::add_pending(Pending pending) {
  // What is ready comes in any order.
  const std::size_t place = setup_.dice.one_in(8) ? setup_.dice.below(pending_.size() + 1) : pending_.size();
  pending_.insert(pending_.begin() + static_cast<std::ptrdiff_t>(place), std::move(pending));
}

void SimIo::add_stale(const SimSocket& socket) {
  if (!setup_.dice.one_in(setup_.faults.stale_completion)) return;
  // Of a socket that lives on it says nothing that is not so.
  const bool may_hang_up = socket.has_client_ended || socket.has_server_ended;
  const CompletionKind kind = may_hang_up && setup_.dice.one_in(2) ? CompletionKind::hung_up : CompletionKind::writable;
  add_pending({.kind = kind, .token = socket.token, .socket = nullptr});
}

void SimIo::look_at(const std::shared_ptr<SimSocket>& socket) {
  socket->is_listed = false;
  if (!socket->name.is_open()) return;
  if (setup_.dice.one_in(setup_.faults.late_completion)) return socket->changed();
  switch (socket->interest) {
    case SimSocket::Interest::none:
      return;
    case SimSocket::Interest::receive:
      if (socket->is_receive_pending || (socket->input.empty() && !socket->has_client_ended)) return;
      socket->is_receive_pending = true;
      return add_pending({.kind = CompletionKind::received, .token = socket->token, .socket = socket});
    case SimSocket::Interest::watch:
      break;
  }
  if (socket->has_client_ended && !socket->has_told_hang_up) {
    socket->has_told_hang_up = !setup_.dice.one_in(setup_.faults.repeated_hang_up);
    if (!socket->has_told_hang_up) socket->changed();
    return add_pending({.kind = CompletionKind::hung_up, .token = socket->token, .socket = socket});
  }
  const bool is_due = socket->owes_edge && socket->room() > 0;
  if (!is_due && !setup_.dice.one_in(setup_.faults.spurious_edge)) return;
  socket->owes_edge = socket->owes_edge && !is_due;
  add_pending({.kind = CompletionKind::writable, .token = socket->token, .socket = socket});
}

// False: there is nothing to hand out any more.
bool SimIo::hand_out(Pending& pending, std::vector<io::Completion>& completions) {
  io::Completion completion{.kind = pending.kind, .token = pending.token};
  switch (pending.kind) {
    case CompletionKind::accepted:
      pending.socket->name = completion.socket = next_name(-1);
      sockets_.emplace(Key{completion.socket.table, completion.socket.value}, pending.socket);
      break;
    case CompletionKind::accept_failed:
      completion.error = EMFILE;
      break;
    case CompletionKind::received: {
      SimSocket& socket = *pending.socket;
      if (!socket.name.is_open()) return false;  // A receive under way at close() is given up.
      socket.is_receive_pending = false;
      socket.interest = SimSocket::Interest::none;
      completion.socket = socket.name;
      if (socket.is_client_gone) {
        completion.error = ECONNRESET;
      } else {
        const std::size_t count = std::min<std::size_t>(socket.input.size(), setup_.faults.receive_bytes_max);
        received_.push_back(socket.input.substr(0, count));
        socket.input.erase(0, count);
        completion.bytes = received_.back();
      }
      break;
    }
    case CompletionKind::writable:
    case CompletionKind::hung_up:
      break;
  }
  completions.push_back(completion);
  return true;
}

void SimIo::wait(Nanos timeout, std::vector<io::Completion>& completions) {
  BROADSIDE_ASSERT(timeout >= 0);
  // Whoever still reads what the last wait handed out shall notice.
  for (std::string& bytes : received_) bytes.assign(bytes.size(), '\xff');
  received_.clear();
  if (timeout > 0 && setup_.dice.one_in(setup_.faults.interrupted)) setup_.bystander.act_meanwhile();
  accept();
  for (const std::shared_ptr<SimSocket>& socket : std::exchange(changed_, {})) look_at(socket);
  std::uint32_t count = 0;
  while (!pending_.empty() && count < setup_.faults.completions_max) {
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    if (hand_out(pending, completions)) ++count;
  }
  // The timeout is counted from when the shard last read the clock. If that has passed, this turn runs timers, which may make
  // work.
  const Nanos now = setup_.clock.monotonic();
  const bool sleeps = timeout > 0 && count == 0 && !is_woken_ && now < turn_began_ + timeout;
  sleeps_until_ = sleeps ? turn_began_ + timeout : now;
  is_woken_ = false;
  turn_began_ = now;
}

}  // namespace broadside::sim
