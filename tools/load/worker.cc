#include "tools/load/worker.h"

#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/assert.h"
#include "tools/load/payload.h"

namespace broadside::tools::load {
namespace {

constexpr std::uint32_t kUnderWayMax = 512;          // Connects that wait for their answer: fewer than any accept queue.
constexpr Nanos kWaitMax = 20 * kMillisecond;        // How soon a thread sees what the others want.
constexpr Nanos kPublishEvery = 100 * kMillisecond;  // How fresh the figures that others see are.
constexpr Nanos kSlowEvery = 50 * kMillisecond;      // Slow readers read so often.
constexpr std::size_t kReadBytes = 256 << 10;
constexpr int kSmallReceiveBuffer = 4096;  // Of those that do not keep up: what they leave unread shall be the server's concern.
constexpr std::uint32_t kRetryAfterFailureMs = 1000;

void sleep_until(Nanos moment) {
  const timespec until{.tv_sec = moment / kSecond, .tv_nsec = moment % kSecond};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

// One of Broadside's own events.
bool is_own(std::string_view type) {
  constexpr std::string_view kPrefix = "broadside.";
  return type.size() > kPrefix.size() && std::memcmp(type.data(), kPrefix.data(), kPrefix.size()) == 0;
}

// From here on the kernel drops every packet for this socket unseen: its peer has vanished without a word.
void vanish(int fd) {
  sock_filter nothing{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0};
  const sock_fprog program{.len = 1, .filter = &nothing};
  ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

}  // namespace

bool SocketAddress::is_ipv4_loopback() const {
  if (family() != AF_INET) return false;
  const auto& address = reinterpret_cast<const sockaddr_in&>(bytes);
  return ntohl(address.sin_addr.s_addr) >> 24 == 127;
}

Counts& Counts::operator+=(const Counts& other) {
  settled += other.settled;
  open += other.open;
  opened += other.opened;
  refused += other.refused;
  failed += other.failed;
  closed_by_server += other.closed_by_server;
  reconnects += other.reconnects;
  trouble_open += other.trouble_open;
  events += other.events;
  bytes += other.bytes;
  slow_events += other.slow_events;
  unknown += other.unknown;
  gaps_told += other.gaps_told;
  superseded += other.superseded;
  torn += other.torn;
  incomplete += other.incomplete;
  faults += other.faults;
  last_delivery = std::max(last_delivery, other.last_delivery);
  last_open = std::max(last_open, other.last_open);
  cpu += other.cpu;
  return *this;
}

Worker::Worker(Run& run, std::uint32_t number, std::uint32_t of)
    : run_(run),
      options_(run.options),
      worker_(number),
      worker_count_(of),
      streams_(options_.streams / of + (number < options_.streams % of ? 1 : 0)),
      buffer_(kReadBytes),
      prng_(run.number + number) {
  shown_.incomplete = counts_.incomplete = streams_.size();  // Until it has been looked at.
  for (std::uint32_t i = 0; i < streams_.size(); ++i) {
    Stream& stream = streams_[i];
    const std::uint32_t stream_number = number_of(i);
    stream.topic = stream_number % options_.topics;
    if (stream_number < options_.stalled) {
      stream.kind = Kind::stalled;
    } else if (stream_number < options_.stalled + options_.half_open) {
      stream.kind = Kind::half_open;
    } else if (stream_number < options_.handicapped()) {
      stream.kind = Kind::slow;
      slow_.push_back(i);
    }
  }
}

Worker::~Worker() { BROADSIDE_ASSERT(epoll_ < 0); }

void Worker::start() {
  const int error = ::pthread_create(&thread_, nullptr, run_thread, this);
  BROADSIDE_ASSERT(error == 0);
}

void Worker::join() { ::pthread_join(thread_, nullptr); }

void* Worker::run_thread(void* self) {
  static_cast<Worker*>(self)->loop();
  return nullptr;
}

void Worker::loop() {
  // A table of descriptors of its own: the limit is one table's (unshare(2), CLONE_FILES).
  if (worker_count_ > 1 && ::unshare(CLONE_FILES) != 0) {
    const std::lock_guard lock(mutex_);
    problem_ = std::string("unshare: ") + std::strerror(errno);
  }
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  BROADSIDE_ASSERT(epoll_ >= 0);
  started_ = slow_read_at_ = churned_at_ = monotonic_now();
  std::array<epoll_event, 512> events;
  while (!run_.is_stopped.load(std::memory_order_relaxed)) {
    Nanos now = monotonic_now();
    const bool is_opening = under_way_ < kUnderWayMax && options_.ramp == 0 && started_count_ < streams_.size();
    const int count =
        ::epoll_wait(epoll_, events.data(), events.size(), is_opening ? 0 : static_cast<int>(kWaitMax / kMillisecond));
    // What has come waits in the kernel until then.
    if (const Nanos hold = run_.hold_until.load(std::memory_order_relaxed); hold > now) sleep_until(hold);
    for (int i = 0; i < count; ++i)
      on_ready(streams_[events[static_cast<std::size_t>(i)].data.u32], events[static_cast<std::size_t>(i)].events);
    now = monotonic_now();
    if (run_.storms.load(std::memory_order_relaxed) != storms_seen_) storm();
    open_some(now);
    churn(now);
    read_slow(now);
    if (run_.is_finishing.load(std::memory_order_relaxed)) count_incomplete();
    publish_counts(now);
  }
  // What never came, to those that had to have everything.
  for (Stream& stream : streams_) {
    if (must_have_all(stream) && stream.was_open && (stream.state == State::open || options_.resumes)) finish_tally(stream);
    if (stream.fd < 0) continue;
    // With a reset, so that no port rests for a minute on this run's account.
    const linger reset_now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(stream.fd, SOL_SOCKET, SO_LINGER, &reset_now, sizeof reset_now);
    ::close(stream.fd);
  }
  published_at_ = 0;
  publish_counts(monotonic_now());
  ::close(epoll_);
  epoll_ = -1;
}

void Worker::open_some(Nanos now) {
  double due = static_cast<double>(streams_.size());
  if (options_.ramp > 0) {
    due = std::min(due, options_.ramp / worker_count_ * static_cast<double>(now - started_) / static_cast<double>(kSecond) + 1);
  }
  while (under_way_ < kUnderWayMax && started_count_ < static_cast<std::uint32_t>(due)) open(started_count_++);
  while (under_way_ < kUnderWayMax && !reopens_.empty() && reopens_.top().first <= now) {
    const std::uint32_t index = reopens_.top().second;
    reopens_.pop();
    if (streams_[index].state == State::waiting) open(index);
  }
}

void Worker::open(std::uint32_t index) {
  Stream& stream = streams_[index];
  BROADSIDE_ASSERT(stream.fd < 0);
  stream.fd = ::socket(run_.server.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (stream.fd < 0) return fail(stream, std::string("socket: ") + std::strerror(errno));
  const int one = 1;
  ::setsockopt(stream.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (stream.kind != Kind::normal) {
    ::setsockopt(stream.fd, SOL_SOCKET, SO_RCVBUF, &kSmallReceiveBuffer, sizeof kSmallReceiveBuffer);
  }
  if (run_.server.is_ipv4_loopback()) {
    ::setsockopt(stream.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number_of(index) % options_.sources);
    if (::bind(stream.fd, reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0) {
      return fail(stream, std::string("bind: ") + std::strerror(errno));
    }
  }
  if (::connect(stream.fd, run_.server.get(), run_.server.size) != 0 && errno != EINPROGRESS) {
    return fail(stream, "connect to " + options_.subscribe.authority() + ": " + std::strerror(errno));
  }
  epoll_event interest{};
  interest.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  interest.data.u32 = index;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, stream.fd, &interest);
  stream.state = State::connecting;
  stream.answer.reset();
  stream.has_event = false;
  if (options_.resumes) {
    stream.decoder.restart();
  } else {
    stream.decoder.restart({});
  }
  ++under_way_;
}

void Worker::send_request(Stream& stream) {
  const std::string topic = options_.topic_name(stream.topic);
  request_ = "GET ";
  request_ += fill_template(options_.subscribe.target, {.topic = topic, .key = {}, .sequence = {}, .data = {}});
  request_ += " HTTP/1.1\r\nHost: " + options_.subscribe.authority() + "\r\nAccept: text/event-stream\r\n";
  for (const std::string& header : options_.headers) request_ += header + "\r\n";
  if (options_.resumes && !stream.decoder.last_event_id().empty()) {
    request_ += "Last-Event-ID: " + stream.decoder.last_event_id() + "\r\n";
  }
  request_ += "\r\n";
  if (options_.subscribe.is_sealed) {
    stream.tls = std::make_unique<TlsSession>(options_.subscribe.host, request_);
    if (!send(stream, stream.tls->take_output())) return;
  } else if (!send(stream, request_)) {
    return;
  }
  stream.state = State::head;
}

// What a client says is little: the kernel takes it at once. False: the stream is no longer there.
bool Worker::send(Stream& stream, std::string_view bytes) {
  const ssize_t sent = bytes.empty() ? 0 : ::send(stream.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(bytes.size())) return true;
  fail(stream, "connect to " + options_.subscribe.authority() + ": " + std::strerror(sent < 0 ? errno : EMSGSIZE));
  return false;
}

// False: the stream is no longer there.
bool Worker::unseal(Stream& stream, std::string_view& bytes) {
  if (stream.tls == nullptr) return true;
  plain_.clear();
  if (!stream.tls->take(bytes, plain_)) {
    fail(stream, "connect to " + options_.subscribe.authority() + ": no TLS, or it refuses ours");
    return false;
  }
  bytes = plain_;
  return send(stream, stream.tls->take_output());
}

void Worker::on_ready(Stream& stream, std::uint32_t events) {
  if (stream.fd < 0) return;
  if (stream.state == State::connecting) {
    if ((events & EPOLLERR) != 0) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(stream.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      return fail(stream, "connect to " + options_.subscribe.authority() + ": " + std::strerror(error));
    }
    if ((events & EPOLLOUT) == 0) return;
    send_request(stream);
  }
  if (stream.fd < 0) return;
  const bool is_over = (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0;
  if (stream.state != State::open || stream.kind == Kind::normal) {
    if (is_over || (events & EPOLLIN) != 0) read(stream, SIZE_MAX, is_over);
  } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    on_closed(stream);
  }
}

// Reads what is there, `bytes_max` at most. `to_the_end`: the other side has closed, and no further event will say so.
void Worker::read(Stream& stream, std::size_t bytes_max, bool to_the_end) {
  while (bytes_max > 0) {
    const std::size_t wanted = std::min(bytes_max, buffer_.size());
    const ssize_t count = ::recv(stream.fd, buffer_.data(), wanted, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return on_closed(stream);
    received_at_ = monotonic_now();
    counts_.bytes += static_cast<std::uint64_t>(count);
    bytes_max -= static_cast<std::size_t>(count);
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
    const bool goes_on = unseal(stream, bytes) && take_bytes(stream, bytes);
    deliveries_.store(counts_.events, std::memory_order_relaxed);
    if (!goes_on) return;
    // The rest of a kind that does not keep up is read at its own pace, or never.
    if (stream.kind != Kind::normal && stream.state == State::open) return;
    if (static_cast<std::size_t>(count) < wanted && !to_the_end) return;
  }
}

// False when the stream is no longer there.
bool Worker::take_bytes(Stream& stream, std::string_view bytes) {
  for (;;) {
    switch (stream.answer.next(bytes)) {
      case AnswerReader::Step::need_more:
        return true;
      case AnswerReader::Step::head:
        if (!on_head(stream)) return false;
        break;
      case AnswerReader::Step::body:
        if (stream.state != State::open) break;
        reading_ = &stream;
        if (!stream.decoder.feed(stream.answer.body(), *this)) {
          fail(stream, "an event above 1 MiB");
          return false;
        }
        break;
      case AnswerReader::Step::end:
        if (stream.answer.status() / 100 == 1) break;
        on_closed(stream);
        return false;
      case AnswerReader::Step::bad:
        fail(stream, "the answer is not HTTP/1.1");
        return false;
    }
  }
}

bool Worker::on_head(Stream& stream) {
  if (stream.answer.status() / 100 == 1) return true;
  if (stream.answer.status() == 200 && stream.answer.is_event_stream()) {
    on_open(stream);
    return true;
  }
  ++counts_.refused;
  {
    const std::lock_guard lock(mutex_);
    problem_ = options_.subscribe.url + " answered " + std::to_string(stream.answer.status()) +
               (stream.answer.status() == 200 ? " without text/event-stream" : "");
  }
  settle(stream);
  drop(stream);
  reopen_at(stream, monotonic_now() + static_cast<Nanos>(stream.retry_ms) * kMillisecond);
  return false;
}

void Worker::on_open(Stream& stream) {
  stream.state = State::open;
  --under_way_;
  ++counts_.open;
  ++counts_.opened;
  counts_.last_open = monotonic_now();
  if (stream.was_open) ++counts_.reconnects;
  // One that resumes goes on where it was. Else what is published from here on may not be missed.
  if (!stream.was_open || !options_.resumes) begin_tally(stream);
  stream.was_open = true;
  settle(stream);
  if (stream.kind != Kind::normal) ++counts_.trouble_open;
  if (stream.kind == Kind::half_open) vanish(stream.fd);
}

void Worker::on_event(const DecodedEvent& event) noexcept {
  Stream& stream = *reading_;
  stream.has_event = true;
  if (is_own(event.type)) {
    if (event.type == "broadside.gap") ++counts_.gaps_told;
    return;
  }
  const std::optional<Payload> payload = find_payload(event.data);
  const bool listens_only = options_.publish_rate == 0;
  if (!payload || (!listens_only && (payload->run != run_.number || payload->topic != stream.topic))) {
    ++counts_.unknown;
    return;
  }
  ++counts_.events;
  counts_.last_delivery = received_at_;
  count_sequence(stream, payload->sequence);
  if (!listens_only && event.data.size() < options_.event_bytes) ++counts_.torn;
  if (stream.kind != Kind::normal) ++counts_.slow_events;
  if (!must_have_all(stream)) return;
  const bool is_measured = payload->due >= run_.measured_from.load(std::memory_order_relaxed) &&
                           payload->due < run_.measured_to.load(std::memory_order_relaxed);
  if (is_measured && received_at_ >= payload->due) {
    latencies_.record(static_cast<std::uint64_t>((received_at_ - payload->due) / kMicrosecond));
  }
}

void Worker::on_retry(std::uint64_t retry_ms) noexcept {
  reading_->retry_ms = static_cast<std::uint32_t>(std::min<std::uint64_t>(retry_ms, 3'600'000));
}

// The server has closed the stream, or the network has.
void Worker::on_closed(Stream& stream) {
  if (stream.state == State::connecting || stream.state == State::head) return fail(stream, "closed before an answer");
  const Nanos now = monotonic_now();
  if (stream.has_event || stream.kind != Kind::normal) {
    ++counts_.closed_by_server;
  } else {
    ++counts_.refused;  // `retry:` and a close, without an event: how an EventSource is refused.
  }
  drop(stream);
  if (stream.kind == Kind::stalled || stream.kind == Kind::half_open) {
    stream.state = State::given_up;
  } else {
    reopen_at(stream, now + static_cast<Nanos>(stream.retry_ms) * kMillisecond);
  }
}

void Worker::fail(Stream& stream, const std::string& what) {
  ++counts_.failed;
  {
    const std::lock_guard lock(mutex_);
    problem_ = what;
  }
  settle(stream);
  drop(stream);
  reopen_at(stream, monotonic_now() + static_cast<Nanos>(kRetryAfterFailureMs) * kMillisecond);
}

// Slow readers fall behind for good, except where only the newest of each key counts.
bool Worker::must_have_all(const Stream& stream) const {
  return stream.kind == Kind::normal || (stream.kind == Kind::slow && options_.is_conflated);
}

void Worker::begin_tally(Stream& stream) {
  const std::uint64_t first_max = run_.begun[stream.topic].load() + 1;
  if (!options_.is_conflated) return stream.tally.begin(first_max);
  if (stream.conflated == nullptr) stream.conflated = std::make_unique<ConflatedTally>(options_.keys_of_topic());
  stream.conflated->begin(first_max);
}

void Worker::count_sequence(Stream& stream, std::uint64_t sequence) {
  if (stream.conflated == nullptr) return stream.tally.on_sequence(sequence, counts_.faults);
  counts_.superseded += stream.conflated->on_sequence(sequence, counts_.faults);
}

void Worker::finish_tally(Stream& stream) {
  const std::uint64_t last = run_.begun[stream.topic].load();
  if (stream.conflated == nullptr) return stream.tally.finish(last, counts_.faults);
  counts_.superseded += stream.conflated->finish(last, counts_.faults);
}

void Worker::settle(Stream& stream) {
  if (!stream.is_settled) ++counts_.settled;
  stream.is_settled = true;
}

void Worker::drop(Stream& stream) {
  if (stream.state == State::open) {
    --counts_.open;
    if (stream.kind != Kind::normal) --counts_.trouble_open;
  } else if (stream.state == State::connecting || stream.state == State::head) {
    --under_way_;
  }
  if (stream.fd >= 0) ::close(stream.fd);
  stream.fd = -1;
  stream.tls.reset();
  stream.state = State::waiting;
}

void Worker::reopen_at(Stream& stream, Nanos moment) { reopens_.emplace(moment, index_of(stream)); }

void Worker::churn(Nanos now) {
  if (options_.churn == 0 || streams_.empty()) return;
  if (!run_.is_churning.load(std::memory_order_relaxed)) {
    churned_at_ = now;
    return;
  }
  churn_due_ += options_.churn / worker_count_ * static_cast<double>(now - churned_at_) / static_cast<double>(kSecond);
  churned_at_ = now;
  // A client that is itself too slow churns less, not in bursts.
  churn_due_ = std::min(churn_due_, static_cast<double>(kUnderWayMax));
  for (; churn_due_ >= 1; churn_due_ -= 1) {
    Stream& stream = streams_[prng_.below(streams_.size())];
    if (stream.state != State::open || stream.kind != Kind::normal) continue;
    drop(stream);
    reopen_at(stream, now);
  }
}

void Worker::storm() {
  storms_seen_ = run_.storms.load();
  const Nanos now = monotonic_now();
  for (Stream& stream : streams_) {
    if (stream.state != State::open || stream.kind != Kind::normal) continue;
    drop(stream);
    reopen_at(stream, now);
  }
}

void Worker::read_slow(Nanos now) {
  if (slow_.empty() || now - slow_read_at_ < kSlowEvery) return;
  const auto budget = static_cast<std::size_t>(static_cast<double>(options_.slow_bytes_per_second) *
                                               static_cast<double>(now - slow_read_at_) / static_cast<double>(kSecond));
  if (budget == 0) return;
  slow_read_at_ = now;
  for (const std::uint32_t index : slow_) {
    if (streams_[index].state == State::open) read(streams_[index], budget, false);
  }
}

void Worker::count_incomplete() {
  const Nanos now = monotonic_now();
  if (now - incomplete_at_ < kWaitMax) return;
  incomplete_at_ = now;
  counts_.incomplete = 0;
  for (const Stream& stream : streams_) {
    if (!must_have_all(stream) || !stream.was_open) continue;
    const std::uint64_t last = run_.begun[stream.topic].load();
    const bool has_all = stream.conflated == nullptr ? stream.tally.has_all(last) : stream.conflated->has_all(last);
    if (stream.state != State::open || !has_all) ++counts_.incomplete;
  }
  published_at_ = 0;
}

void Worker::publish_counts(Nanos now) {
  if (now - published_at_ < kPublishEvery) return;
  published_at_ = now;
  counts_.cpu = clock_now(CLOCK_THREAD_CPUTIME_ID);
  const std::lock_guard lock(mutex_);
  shown_ = counts_;
  shown_latencies_.merge(latencies_);
  latencies_.clear();
}

Counts Worker::take(Histogram& latencies) {
  const std::lock_guard lock(mutex_);
  latencies.merge(shown_latencies_);
  shown_latencies_.clear();
  return shown_;
}

std::string Worker::last_problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

}  // namespace broadside::tools::load
