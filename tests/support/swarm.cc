// Level-triggered epoll for who reads at full pace; a tick of two milliseconds for the others.
#include "tests/support/swarm.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "proto/position.h"
#include "tests/support/json.h"

namespace broadside::test {
namespace {

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

constexpr auto kTick = std::chrono::milliseconds(2);
constexpr std::size_t kReadBytes = 65'536;
constexpr int kReadsPerTurn = 4;  // Of one stream, so that no other starves.

int open_socket(const SwarmOptions& options, int receive_buffer_bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int one = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
  if (receive_buffer_bytes > 0) {
    // The forcing one needs a privilege; without it the kernel's limit applies.
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer_bytes, sizeof(receive_buffer_bytes)) != 0) {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    }
  }
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7F000000U | options.source);
  sockaddr_in target = source;
  target.sin_addr.s_addr = htonl(0x7F000001);
  target.sin_port = htons(options.port);
  const bool is_started = bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof(source)) == 0 &&
                          (connect(fd, reinterpret_cast<sockaddr*>(&target), sizeof(target)) == 0 || errno == EINPROGRESS);
  if (is_started) return fd;
  close(fd);
  return -1;
}

}  // namespace

Swarm::Swarm(const SwarmOptions& options)
    : options_(options),
      random_(options.seed),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      next_tick_(Clock::now()),
      buffer_(kReadBytes) {}

Swarm::~Swarm() {
  for (const auto& stream : streams_) {
    if (stream->fd >= 0) close(stream->fd);
  }
  close(epoll_fd_);
}

std::size_t Swarm::add(const StreamPlan& plan) {
  streams_.push_back(std::make_unique<Stream>());
  Stream& stream = *streams_.back();
  stream.plan = plan;
  stream.record.topics = plan.topics;
  const std::size_t index = streams_.size() - 1;
  if (is_paced(stream)) paced_.push_back(index);
  schedule(index, 0);
  return index;
}

void Swarm::leave(std::size_t index) {
  Stream& stream = *streams_[index];
  if (stream.state == State::left) return;
  close_hard_or_soft(stream);
  stream.state = State::left;
}

void Swarm::calm_down() {
  is_calm_ = true;
  for (std::size_t index = 0; index < streams_.size(); ++index) {
    Stream& stream = *streams_[index];
    const bool was_paced = is_paced(stream);
    stream.plan.pace = Pace::full;
    if (stream.state != State::head && stream.state != State::open) continue;
    if (was_paced) {
      // Its window is so small that the kernel only probes it, some bytes every 200 ms: it comes back with a whole one.
      cut(index);
    } else {
      watch(stream, index, EPOLLIN);
    }
  }
  paced_.clear();
}

void Swarm::turn(int timeout_ms) {
  const auto begin = Clock::now();
  if (last_turn_ != Clock::time_point()) {
    const auto pause = std::chrono::duration_cast<Millis>(begin - last_turn_).count();
    longest_pause_ms_ = std::max(longest_pause_ms_, static_cast<std::uint32_t>(pause));
  }
  last_turn_ = begin;
  start_waiting();
  if (!paced_.empty() || !waiting_.empty()) timeout_ms = std::min(timeout_ms, 2);
  epoll_event events[512];
  const int count = epoll_wait(epoll_fd_, events, 512, timeout_ms);
  for (int index = 0; index < count; ++index) on_ready(static_cast<std::size_t>(events[index].data.u64), events[index].events);
  const auto now = Clock::now();
  if (paced_.empty() || now < next_tick_) return;
  next_tick_ = now + kTick;
  for (const std::size_t index : paced_) read_tick(index);
}

bool Swarm::run_until(const std::function<bool()>& holds, const Deadline& deadline) {
  while (!holds()) {
    if (deadline.has_passed() || !first_violation_.empty()) return false;
    turn(deadline.remaining_ms(20));
  }
  return true;
}

const SubscriberRecord& Swarm::record(std::size_t stream) const { return streams_[stream]->record; }

bool Swarm::has_left(std::size_t stream) const { return streams_[stream]->state == State::left; }

std::string Swarm::check(const Oracle& oracle, bool are_gaps_allowed) const {
  for (std::size_t index = 0; index < streams_.size(); ++index) {
    const Stream& stream = *streams_[index];
    const std::string problem = oracle.check(stream.record, stream.state != State::left, are_gaps_allowed);
    if (!problem.empty()) return "stream " + std::to_string(index) + ": " + problem;
  }
  return "";
}

// Looks at each stream until it has the newest, and then no more: what is published meanwhile is the caller's to avoid.
bool Swarm::all_have_newest(const Oracle& oracle) {
  for (; newest_scan_ < streams_.size(); ++newest_scan_) {
    const Stream& stream = *streams_[newest_scan_];
    if (stream.state != State::left && !oracle.has_newest(stream.record)) return false;
  }
  return true;
}

void Swarm::start_waiting() {
  const auto now = Clock::now();
  while (!waiting_.empty() && waiting_.begin()->first <= now && connecting_count_ < options_.connecting_max) {
    const std::size_t index = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    if (streams_[index]->state == State::waiting) start(index);
  }
}

void Swarm::schedule(std::size_t index, std::uint32_t delay_ms) {
  streams_[index]->state = State::waiting;
  waiting_.emplace(Clock::now() + std::chrono::milliseconds(delay_ms), index);
}

bool Swarm::is_paced(const Stream& stream) const { return stream.plan.pace == Pace::slow || stream.plan.pace == Pace::one_byte; }

void Swarm::start(std::size_t index) {
  Stream& stream = *streams_[index];
  stream.fd = open_socket(options_, stream.plan.pace == Pace::full ? options_.receive_buffer_bytes : 4096);
  if (stream.fd < 0) {
    fail(stream, std::string("connect: ") + std::strerror(errno));
    stream.state = State::left;
    return;
  }
  stream.state = State::connecting;
  stream.is_open_seen = false;
  stream.head.clear();
  stream.events.restart();
  stream.is_resumed = !stream.events.last_event_id().empty();
  stream.resumed_from = stream.is_resumed ? id_key_of(stream.events.last_event_id()) : 0;
  stream.cut_left = draw_cut(stream);
  ++connecting_count_;
  epoll_event event{.events = EPOLLOUT, .data = {.u64 = index}};
  stream.epoll_events = EPOLLOUT;
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, stream.fd, &event);
}

std::uint64_t Swarm::draw_cut(const Stream& stream) {
  if (stream.plan.cut_bytes_mean == 0 || is_calm_) return 0;
  // One in four falls into the head, the open event or what comes right after it.
  const std::uint64_t bound = random_() % 4 == 0 ? 700 : 2 * std::uint64_t{stream.plan.cut_bytes_mean};
  return 1 + random_() % bound;
}

void Swarm::watch(Stream& stream, std::size_t index, std::uint32_t events) {
  if (stream.epoll_events == events) return;
  epoll_event event{.events = events, .data = {.u64 = index}};
  stream.epoll_events = events;
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, stream.fd, &event);
}

std::string Swarm::request_of(const Stream& stream) const {
  std::string target = "/events/" + options_.topic_names[stream.plan.topics[0]];
  if (stream.plan.topics.size() > 1) {
    target = "/events";
    for (std::size_t index = 0; index < stream.plan.topics.size(); ++index) {
      target += (index == 0 ? "?topic=" : "&topic=") + options_.topic_names[stream.plan.topics[index]];
    }
  }
  std::string request =
      "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(options_.port) + "\r\nAccept: text/event-stream\r\n";
  if (stream.is_resumed) request += "Last-Event-ID: " + stream.events.last_event_id() + "\r\n";
  return request + "\r\n";
}

void Swarm::on_connected(Stream& stream, std::size_t index) {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(stream.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  const std::string request = request_of(stream);
  if (error == 0 && send(stream.fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    error = errno;
  }
  if (error != 0) {
    fail(stream, std::string("connect or request: ") + std::strerror(error));
    drop_connection(stream);
    stream.state = State::left;
    return;
  }
  stream.state = State::head;
  // Handshakes are not what slow readers are slow at: all heads are read as they come, but one byte at a time if so planned.
  watch(stream, index, is_paced(stream) ? 0U : EPOLLIN);
}

void Swarm::on_ready(std::size_t index, std::uint32_t ready) {
  Stream& stream = *streams_[index];
  if (stream.fd < 0) return;
  if (stream.state == State::connecting) {
    on_connected(stream, index);
    return;
  }
  for (int reads = 0; reads < kReadsPerTurn; ++reads) {
    if (stream.plan.pace == Pace::stalled && stream.is_open_seen && (ready & (EPOLLERR | EPOLLHUP)) == 0) {
      watch(stream, index, 0);
      return;
    }
    if (is_paced(stream)) {
      // Only an error or a hang-up is reported with no events asked for; the next tick reads it.
      watch(stream, index, 0);
      return;
    }
    const std::size_t bytes_max = stream.plan.pace == Pace::stalled ? 64 : kReadBytes;
    if (!read_once(index, bytes_max)) return;
  }
}

void Swarm::read_tick(std::size_t index) {
  const Stream& stream = *streams_[index];
  if (stream.state != State::head && stream.state != State::open) return;
  if (stream.plan.pace == Pace::slow) {
    read_once(index, stream.plan.bytes_per_tick);
    return;
  }
  for (std::uint32_t bytes = 0; bytes < stream.plan.bytes_per_tick; ++bytes) {
    if (!read_once(index, 1)) return;
  }
}

bool Swarm::read_once(std::size_t index, std::size_t bytes_max) {
  Stream& stream = *streams_[index];
  if (stream.cut_left > 0 && !is_calm_) bytes_max = std::min<std::size_t>(bytes_max, stream.cut_left);
  const ssize_t count = recv(stream.fd, buffer_.data(), std::min(bytes_max, buffer_.size()), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (count <= 0) {
    on_server_close(index, count < 0);
    return false;
  }
  on_bytes(stream, std::string_view(buffer_.data(), static_cast<std::size_t>(count)));
  if (stream.state == State::left) {
    drop_connection(stream);
    return false;
  }
  if (stream.cut_left > 0 && !is_calm_) {
    stream.cut_left -= static_cast<std::uint64_t>(count);
    if (stream.cut_left == 0) {
      cut(index);
      return false;
    }
  }
  return static_cast<std::size_t>(count) == bytes_max || stream.plan.pace == Pace::one_byte;
}

void Swarm::on_bytes(Stream& stream, std::string_view bytes) {
  if (stream.state == State::head) bytes = take_head(stream, bytes);
  if (stream.state != State::open || bytes.empty()) return;
  stream.events.feed(bytes, [this, &stream](const DecodedEvent& event) { on_event(stream, event); });
  if (!stream.events.violation().empty()) fail(stream, stream.events.violation());
}

// Returns what follows the head once it is complete.
std::string_view Swarm::take_head(Stream& stream, std::string_view bytes) {
  const std::size_t had = stream.head.size();
  stream.head.append(bytes);
  const auto end = stream.head.find("\r\n\r\n", had < 3 ? 0 : had - 3);
  if (end == std::string::npos) return {};
  if (stream.head.rfind("HTTP/1.1 200", 0) != 0 || stream.head.find("text/event-stream") == std::string::npos) {
    fail(stream, "not a stream: " + stream.head.substr(0, stream.head.find("\r\n")));
    --connecting_count_;
    stream.state = State::left;
    return {};
  }
  --connecting_count_;
  stream.state = State::open;
  bytes.remove_prefix(end + 4 - had);
  stream.head.clear();
  stream.head.shrink_to_fit();
  return bytes;
}

void Swarm::on_event(Stream& stream, const DecodedEvent& event) {
  if (event.type == "broadside.open") return on_open(stream, event);
  if (!stream.is_open_seen) fail(stream, "an event before broadside.open");
  if (event.type == "broadside.gap") return on_gap(stream, event);
  if (event.type.substr(0, 10) == "broadside.") return;
  if (options_.has_checksums && !is_payload_intact(event.data)) fail(stream, "torn: " + std::string(event.data.substr(0, 100)));
  stream.record.received.push_back({.id = id_key_of(event.last_event_id), .digest = digest_of(event.type, event.data)});
  ++received_count_;
}

void Swarm::on_open(Stream& stream, const DecodedEvent& event) {
  const auto position = parse_position(event.last_event_id);
  if (!position) return fail(stream, "the open event's id is no position: " + std::string(event.last_event_id));
  if (stream.is_open_seen) return fail(stream, "a second broadside.open on one connection");
  stream.is_open_seen = true;
  ++open_count_;
  if (stream.is_resumed) {
    stream.record.resumes.push_back({.last_id = stream.resumed_from, .open_after = *position});
  } else {
    stream.record.start = position;
  }
}

void Swarm::on_gap(Stream& stream, const DecodedEvent& event) {
  const auto from = parse_position(json_string(event.data, "/from"));
  const auto to = parse_position(json_string(event.data, "/to"));
  ToldGap gap{.topic = std::nullopt, .from = from.value_or(Position{0}), .to = to.value_or(Position{~std::uint64_t{0} >> 1})};
  const std::string topic = json_string(event.data, "/topic");
  const auto found = std::find(options_.topic_names.begin(), options_.topic_names.end(), topic);
  if (found != options_.topic_names.end()) gap.topic = static_cast<TopicIndex>(found - options_.topic_names.begin());
  stream.record.gaps.push_back(gap);
}

void Swarm::on_server_close(std::size_t index, bool is_reset) {
  Stream& stream = *streams_[index];
  ++server_closes_count_;
  if (!is_reset && stream.events.is_inside_block()) fail(stream, "closed cleanly, but inside an event");
  if (!is_reset && stream.state == State::head) fail(stream, "closed before an answer");
  drop_connection(stream);
  schedule(index, 1 + static_cast<std::uint32_t>(random_() % 20));
}

void Swarm::cut(std::size_t index) {
  Stream& stream = *streams_[index];
  ++cuts_count_;
  close_hard_or_soft(stream);
  const std::uint32_t delay_ms_max = stream.plan.reconnect_ms_max;
  schedule(index, delay_ms_max == 0 ? 0 : static_cast<std::uint32_t>(random_() % delay_ms_max));
}

void Swarm::close_hard_or_soft(Stream& stream) {
  if (stream.fd >= 0 && random_() % 2 == 0) {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(stream.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }
  drop_connection(stream);
}

void Swarm::drop_connection(Stream& stream) {
  if (stream.fd < 0) return;
  if (stream.state == State::connecting || stream.state == State::head) --connecting_count_;
  if (stream.is_open_seen) --open_count_;
  stream.is_open_seen = false;
  close(stream.fd);
  stream.fd = -1;
}

void Swarm::fail(Stream& stream, std::string what) {
  if (stream.record.violation.empty()) stream.record.violation = what;
  if (first_violation_.empty()) first_violation_ = std::move(what);
}

}  // namespace broadside::test
