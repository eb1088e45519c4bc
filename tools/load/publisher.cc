#include "tools/load/publisher.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>

#include "tools/load/payload.h"
#include "tools/load/process_stats.h"

namespace broadside::tools::load {
namespace {

constexpr Nanos kWaitMax = 50 * kMillisecond;
constexpr Nanos kConnectAgainAfter = 200 * kMillisecond;
constexpr std::size_t kOutBytesMax = 1 << 20;  // Beyond that the kernel first has to take some.
// Events as seldom as this are looked at one by one.
constexpr double kCostRateMax = 5;
constexpr Nanos kCostLookEvery = 2 * kMillisecond;
constexpr Nanos kCostTail = 50 * kMillisecond;  // What follows the last delivery counts as well.

}  // namespace

Publisher::Publisher(Run& run, const SocketAddress& server, Deliveries deliveries, void* context)
    : run_(run), options_(run.options), server_(server), deliveries_(deliveries), context_(context), buffer_(64 << 10) {}

Publisher::~Publisher() {
  if (fd_ >= 0) ::close(fd_);
}

Nanos Publisher::due_of(std::uint64_t event) const {
  const std::uint64_t first_of_burst = event - event % options_.burst;
  const double seconds = static_cast<double>(first_of_burst) / options_.publish_rate;
  return begin_ + static_cast<Nanos>(std::llround(seconds * static_cast<double>(kSecond)));
}

bool Publisher::takes_costs() const {
  return options_.server_pid != 0 && options_.publish_rate <= kCostRateMax && options_.burst == 1 && options_.churn == 0;
}

void Publisher::publish(Nanos begin, Nanos end) {
  begin_ = begin;
  const auto is_over = [&](Nanos now) {
    if (run_.is_stopped.load(std::memory_order_relaxed)) return true;
    if (due_of(next_event_) < end) return now > end + options_.grace;
    return (under_way_.empty() && !costing_.is_under_way) || now > end + options_.grace;
  };
  for (Nanos now = monotonic_now(); !is_over(now); now = monotonic_now()) {
    add_due(now, end);
    if (fd_ < 0 && (!out_.empty() || next_event_ == 0) && now >= connect_after_ && !connect())
      connect_after_ = now + kConnectAgainAfter;
    send_some();
    follow_cost(monotonic_now());
    Nanos until = monotonic_now() + kWaitMax;
    const bool has_room = under_way_.size() < options_.pipeline && out_.size() - out_sent_ < kOutBytesMax;
    const bool may_send = has_room && due_of(next_event_) < end;
    if (may_send) until = std::min(until, due_of(next_event_));
    if (costing_.is_under_way) until = std::min(until, monotonic_now() + kCostLookEvery);
    wait(until);
    receive_some();
  }
  if (!under_way_.empty()) {
    result_.failed += under_way_.size();
    if (result_.problem.empty()) result_.problem = "no answer within --grace";
  }
}

void Publisher::add_due(Nanos now, Nanos end) {
  while (under_way_.size() < options_.pipeline && out_.size() - out_sent_ < kOutBytesMax) {
    const Nanos due = due_of(next_event_);
    if (due > now || due >= end || costing_.is_under_way) return;
    if (takes_costs()) begin_cost(now);
    add_event(due);
  }
}

void Publisher::add_event(Nanos due) {
  const auto topic_number = static_cast<std::uint32_t>(next_event_ % options_.topics);
  const std::uint64_t sequence = next_event_ / options_.topics + 1;
  const std::string topic = options_.topic_name(topic_number);
  const std::string key = options_.keys == 0 ? "" : std::to_string(next_event_ % options_.keys);
  const std::string sequence_text = std::to_string(sequence);
  std::string data;
  append_payload(data, {.run = run_.number, .topic = topic_number, .sequence = sequence, .due = due}, options_.event_bytes);
  const TemplateValues values{.topic = topic, .key = key, .sequence = sequence_text, .data = data};
  const std::string body = fill_template(options_.publish_body, values);
  out_ += options_.publish_method + ' ' + fill_template(options_.publish.target, values) +
          " HTTP/1.1\r\nHost: " + options_.publish.authority() + "\r\nContent-Type: " + options_.publish_type + "\r\n";
  for (const std::string& header : options_.headers) out_ += header + "\r\n";
  for (const std::string& header : options_.publish_headers) out_ += header + "\r\n";
  out_ += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  out_ += body;
  run_.begun[topic_number].store(sequence);
  under_way_.push_back(due);
  ++next_event_;
  ++result_.events;
  result_.last_due = due;
  if (options_.hold > 0) run_.hold_until.store(monotonic_now() + options_.hold);
}

bool Publisher::connect() {
  fd_ = ::socket(server_.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return false;
  const int one = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd_, server_.get(), server_.size) != 0) {
    result_.problem = "connect to " + options_.publish.authority() + ": " + std::strerror(errno);
    ::close(fd_);
    fd_ = -1;
    return false;
  }
  answer_.reset();
  return true;
}

void Publisher::send_some() {
  while (fd_ >= 0 && out_sent_ < out_.size()) {
    const ssize_t sent = ::send(fd_, out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return lose_connection(std::strerror(errno));
    out_sent_ += static_cast<std::size_t>(sent);
  }
  if (out_sent_ == out_.size()) {
    out_.clear();
    out_sent_ = 0;
  } else if (out_sent_ > kOutBytesMax) {
    out_.erase(0, out_sent_);
    out_sent_ = 0;
  }
}

void Publisher::wait(Nanos until) {
  const Nanos left = std::max<Nanos>(0, until - monotonic_now());
  const timespec timeout{.tv_sec = left / kSecond, .tv_nsec = left % kSecond};
  pollfd interest{.fd = fd_, .events = POLLIN, .revents = 0};
  if (out_sent_ < out_.size()) interest.events |= POLLOUT;
  ::ppoll(&interest, fd_ >= 0 ? 1 : 0, &timeout, nullptr);
}

void Publisher::receive_some() {
  while (fd_ >= 0) {
    const ssize_t count = ::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return lose_connection(count == 0 ? "closed by the server" : std::strerror(errno));
    std::string_view input(buffer_.data(), static_cast<std::size_t>(count));
    for (bool has_more = true; has_more && fd_ >= 0;) {
      switch (answer_.next(input)) {
        case AnswerReader::Step::need_more:
          has_more = false;
          break;
        case AnswerReader::Step::head:
        case AnswerReader::Step::body:
          break;
        case AnswerReader::Step::end:
          on_answer();
          break;
        case AnswerReader::Step::bad:
          lose_connection("the answer is not HTTP/1.1");
          break;
      }
    }
  }
}

void Publisher::on_answer() {
  if (answer_.status() / 100 == 1 || under_way_.empty()) return;
  const Nanos due = under_way_.front();
  under_way_.pop_front();
  if (answer_.status() / 100 == 2) {
    ++result_.answered;
  } else {
    ++result_.failed;
    result_.problem = options_.publish.url + " answered " + std::to_string(answer_.status());
  }
  const bool is_measured = due >= run_.measured_from.load() && due < run_.measured_to.load();
  if (is_measured) result_.answers.record(static_cast<std::uint64_t>((monotonic_now() - due) / kMicrosecond));
  if (answer_.is_last()) lose_connection("closed by the server");
}

// Whether what had no answer was published is not known: it is not sent again, so that nothing is doubled.
void Publisher::lose_connection(const std::string& why) {
  ::close(fd_);
  fd_ = -1;
  out_.clear();
  out_sent_ = 0;
  if (under_way_.empty()) return;
  result_.failed += under_way_.size();
  result_.problem = "publishing: " + why;
  under_way_.clear();
}

void Publisher::begin_cost(Nanos now) {
  const auto cpu = process_cpu(options_.server_pid);
  if (!cpu) return;
  const std::uint64_t streams = options_.streams - options_.handicapped();
  const std::uint64_t topic = next_event_ % options_.topics;
  const std::uint64_t subscribers = streams / options_.topics + (topic < streams % options_.topics ? 1 : 0);
  costing_ = Costing{.is_under_way = true,
                     .began = now,
                     .server_before = *cpu,
                     .client_before = clock_now(CLOCK_PROCESS_CPUTIME_ID),
                     .deliveries_wanted = deliveries_(context_) + subscribers};
}

void Publisher::follow_cost(Nanos now) {
  if (!costing_.is_under_way) return;
  if (costing_.delivered_at == 0) {
    if (now - costing_.began > options_.grace) costing_.is_under_way = false;  // Something is lost; the tallies will say so.
    if (deliveries_(context_) < costing_.deliveries_wanted) return;
    costing_.delivered_at = now;
    costing_.client_after = clock_now(CLOCK_PROCESS_CPUTIME_ID);
  }
  if (now - costing_.delivered_at < kCostTail) return;
  costing_.is_under_way = false;
  const auto cpu = process_cpu(options_.server_pid);
  if (!cpu) return;
  result_.costs.push_back({.server_cpu = *cpu - costing_.server_before,
                           .client_cpu = costing_.client_after - costing_.client_before,
                           .took = costing_.delivered_at - costing_.began});
}

}  // namespace broadside::tools::load
