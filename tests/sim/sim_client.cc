#include "tests/sim/sim_client.h"

#include <algorithm>
#include <utility>

#include "engine/timer_wheel.h"
#include "proto/position.h"
#include "tests/support/json.h"

namespace broadside::sim {

namespace {

constexpr std::size_t kIdsMax = 8;
constexpr std::size_t kUnlimited = 1 << 30;
// For so long logs wait for who is blocked: half a second, looked at in ticks.
constexpr Nanos kHoldTime = 4 * kTick;
constexpr Nanos kReturnTime = 300 * kMillisecond;
constexpr std::uint64_t kTenYearsMs = 315'360'000'000;

}  // namespace

SimClient::SimClient(SimWorld& world, std::uint32_t number)
    : world_(world), number_(number), oracle_(world.history, world.plan.keeping) {
  draw_habit();
}

void SimClient::draw_habit() {
  Dice& dice = world_.dice;
  habit_ = Habit{.output_max = 16 * kKiB, .read_max = kUnlimited};
  if (!dice.one_in(world_.plan.slow_client)) return;
  switch (dice.below(4)) {
    case 0:
      habit_.bytes_a_second = dice.scaled(10, 100'000);
      break;
    case 1:
      habit_.stall = dice.scaled(2, 64);
      break;
    case 2:
      habit_.output_max = dice.scaled(1, 8);
      habit_.read_max = dice.scaled(1, 8);
      break;
    default:
      habit_.output_max = dice.scaled(16, 4'096);
      habit_.read_max = dice.scaled(1, 4'096);
      break;
  }
}

void SimClient::heal() {
  habit_ = Habit{.output_max = kUnlimited, .read_max = kUnlimited};
  stalled_until_ = returns_at_ = 0;
  if (socket_ != nullptr) socket_->set_output_max(kUnlimited);
}

void SimClient::fail(const std::string& what) { world_.fail("client " + std::to_string(number_) + ": " + what); }

bool SimClient::act() {
  if (socket_ == nullptr) {
    if (is_done_ || world_.is_draining || world_.clock.monotonic() < returns_at_) return false;
    connect();
    return socket_ != nullptr;
  }
  if (!world_.is_healed && world_.dice.one_in(world_.plan.vanish)) {
    vanish();
    return true;
  }
  const bool has_written = write();
  const bool has_read = read();
  // After a 204 the connection stays open for another request; there is none.
  if (!socket_->is_over() && response_.status() != 204) return has_written || has_read;
  finish();
  return true;
}

// ---- Asking ----

void SimClient::connect() {
  Dice& dice = world_.dice;
  socket_ = world_.ios[dice.below(world_.ios.size())]->connect(habit_.output_max);
  if (socket_ == nullptr) return;
  request_ = draw_request();
  const bool goes_on = request_.start == StreamRequest::Start::after_id && request_.id == stream_.last_event_id();
  if (goes_on) {
    stream_.restart();
  } else {
    stream_ = test::EventStream();
  }
  response_ = SimResponse();
  has_vanished_ = false;
  connection_id_.clear();
  outgoing_ = dice.one_in(8) ? "GET /nothing HTTP/1.1\r\nHost: sim\r\n\r\n" : "";
  outgoing_ += request_text();
  seal_request();
  if (world_.trace.is_on()) world_.trace.add("client " + std::to_string(number_) + " connects: " + outgoing_);
  oracle_.begin(request_);
  read_at_ = world_.clock.monotonic();
}

void SimClient::seal_request() {
  if (!world_.plan.is_sealed) return;
  opener_ = test::ToyOpener();
  test::ToySealer sealer;
  std::string sealed;
  sealer.append(test::ToyRecord::hello, {}, sealed);
  sealer.append(test::ToyRecord::data, outgoing_, sealed);
  outgoing_ = std::move(sealed);
}

StreamRequest SimClient::draw_request() {
  Dice& dice = world_.dice;
  StreamRequest request;
  const bool goes_on = !stream_.last_event_id().empty() && (world_.is_healed || !dice.one_in(4));
  if (goes_on) {
    request.topics = request_.topics;
    request.start = StreamRequest::Start::after_id;
    request.id = dice.one_in(16) ? dice.pick(ids_) : stream_.last_event_id();
  } else {
    for (TopicIndex topic = 0; topic < world_.history.topics_count(); ++topic) {
      if (dice.one_in(3)) request.topics.push_back(topic);
    }
    if (request.topics.empty()) request.topics.push_back(static_cast<TopicIndex>(dice.below(world_.history.topics_count())));
    draw_start(request);
  }
  if (dice.one_in(4)) request.snapshot = dice.one_in(2);
  if (world_.plan.has_rates && dice.one_in(8)) request.rate = static_cast<double>(dice.scaled(4, 50));
  if (world_.is_healed) return request;
  if (dice.one_in(8)) request.limit = dice.scaled(1, 32);
  request.follows = !dice.one_in(8);
  return request;
}

void SimClient::draw_start(StreamRequest& request) {
  Dice& dice = world_.dice;
  const std::uint64_t newest_ms = world_.history.newest().milliseconds();
  switch (dice.below(8)) {
    case 0:
      request.start = StreamRequest::Start::since;
      request.since_ms = newest_ms - dice.below(20'000) + dice.below(100);
      return;
    case 1:
      request.start = StreamRequest::Start::last;
      request.last = dice.below(50);
      return;
    case 2: {
      // Ids that nobody gave: another server's, one of its earlier life, one of the future, one that is no position.
      const std::vector<std::string> ids = {"nobody-gave-it", to_string(Position::of(1, 7)),
                                            to_string(Position::of(newest_ms + kTenYearsMs, 0)), "007-1"};
      request.start = StreamRequest::Start::after_id;
      request.id = dice.pick(ids);
      return;
    }
    default:
      return;
  }
}

std::string SimClient::request_text() {
  Dice& dice = world_.dice;
  std::string target = "/events";
  std::string query;
  const auto add = [&](const std::string& parameter) { query += (query.empty() ? "?" : "&") + parameter; };
  const auto name_of = [&](TopicIndex topic) { return world_.history.topic(topic).name; };
  if (request_.topics.size() == 1 && dice.one_in(2)) {
    target += "/" + name_of(request_.topics[0]);
  } else {
    for (const TopicIndex topic : request_.topics) add("topic=" + name_of(topic));
  }
  // What EventSource repeats from its URL loses against the place that it has come to.
  const bool is_resume = request_.start == StreamRequest::Start::after_id;
  const bool is_in_header = is_resume && dice.one_in(2);
  if (request_.start == StreamRequest::Start::since) add("since=" + std::to_string(request_.since_ms));
  if (is_resume && dice.one_in(4)) add("since=1");
  if (request_.start == StreamRequest::Start::last) add("last=" + std::to_string(request_.last));
  if (request_.start != StreamRequest::Start::last && request_.start != StreamRequest::Start::live && dice.one_in(4))
    add("last=3");
  if (is_resume && !is_in_header) add("last_event_id=" + request_.id);
  if (is_in_header && dice.one_in(4)) add("last_event_id=another");
  if (request_.limit != 0) add("limit=" + std::to_string(request_.limit));
  if (!request_.follows) add("follow=0");
  if (request_.snapshot) add(*request_.snapshot ? "snapshot=1" : "snapshot=0");
  if (request_.rate > 0) add("rate=" + std::to_string(request_.rate));
  std::string text = "GET " + target + query + (dice.one_in(4) ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n") + "Host: sim\r\n";
  if (dice.one_in(2)) text += "Accept: text/event-stream\r\n";
  if (is_in_header) text += "Last-Event-ID: " + request_.id + "\r\n";
  return text + "\r\n";
}

bool SimClient::write() {
  if (outgoing_.empty() || has_vanished_) return false;
  const bool is_whole = world_.is_healed || !world_.dice.one_in(8);
  const std::size_t count = is_whole ? outgoing_.size() : world_.dice.between(1, outgoing_.size());
  socket_->write(std::string_view(outgoing_).substr(0, count));
  outgoing_.erase(0, count);
  return true;
}

// ---- Reading ----

// How much it may read now.
std::size_t SimClient::read_allowance() {
  Dice& dice = world_.dice;
  const Nanos now = world_.clock.monotonic();
  if (now < stalled_until_) return 0;
  if (!world_.is_healed && dice.one_in(habit_.stall))
    stalled_until_ = now + static_cast<Nanos>(dice.scaled(kSecond, 60 * kSecond));
  if (habit_.bytes_a_second == 0) return habit_.read_max;
  const auto allowed = static_cast<std::uint64_t>(now - read_at_) * habit_.bytes_a_second / static_cast<std::uint64_t>(kSecond);
  if (allowed > 0) read_at_ = now;
  return allowed;
}

bool SimClient::read() {
  bool has_read = false;
  for (std::size_t left = read_allowance(); left > 0 && world_.failure.empty();) {
    const std::optional<SimSocket::Piece> piece = socket_->read(left);
    if (!piece) break;
    left -= piece->bytes.size();
    has_read = true;
    take(*piece);
  }
  return has_read;
}

void SimClient::take(const SimSocket::Piece& piece) {
  const auto take_opened = [&](std::string_view opened, Nanos sent_at) {
    response_.feed(opened, [&](std::string_view bytes) { take_stream(bytes, sent_at); });
  };
  if (world_.plan.is_sealed) {
    // Record by record: what is in one was sent when the first of it was.
    for (std::string_view left = piece.bytes; !left.empty() && opener_.violation().empty();) {
      if (!opener_.is_inside_record()) record_began_ = piece.sent_at;
      const std::size_t count = std::min(left.size(), opener_.missing_bytes());
      std::string opened;
      opener_.feed(left.substr(0, count), opened);
      take_opened(opened, record_began_);
      left.remove_prefix(count);
    }
    if (!opener_.violation().empty()) return fail(opener_.violation());
  } else {
    take_opened(piece.bytes, piece.sent_at);
  }
  if (!response_.violation().empty()) return fail(response_.violation());
  if (!stream_.violation().empty()) return fail(stream_.violation());
  if (!oracle_.violation().empty()) return fail(oracle_.violation());
}

void SimClient::take_stream(std::string_view bytes, Nanos sent_at) {
  const bool was_inside = stream_.is_inside_event();
  std::size_t count = 0;
  stream_.feed(bytes, [&](const DecodedEvent& event) {
    const bool began_before = was_inside && count++ == 0;
    if (event.type == "broadside.open") connection_id_ = test::json_string(event.data, "/connection");
    if (world_.trace.is_on()) {
      world_.trace.add("client " + std::to_string(number_) + " has " + std::string(event.type) + " " +
                       std::string(event.last_event_id) + " " + std::string(event.data.substr(0, 100)));
    }
    if (may_have_to_leave()) oracle_.on_leave();
    oracle_.on_event(event, began_before ? block_began_ : sent_at);
    if (ids_.size() == kIdsMax) ids_.erase(ids_.begin());
    ids_.emplace_back(event.last_event_id);
  });
  if (!was_inside || count > 0) block_began_ = sent_at;
}

// ---- Leaving ----

void SimClient::vanish() {
  const bool was_half_gone = std::exchange(has_vanished_, true);
  const auto absence = static_cast<Nanos>(world_.dice.scaled(1, 5 * kSecond));
  switch (was_half_gone ? 3 : world_.dice.below(4)) {
    case 0:  // Without a word: the engine finds out by itself.
      world_.mute.push_back(socket_);
      return go_away(absence);
    case 1:
      socket_->end();  // And reads on.
      return;
    case 2:
      socket_->end();
      socket_->leave();
      return go_away(0);
    default:
      socket_->leave();
      return go_away(absence);
  }
}

void SimClient::go_away(Nanos for_time) {
  // Who was turned away would be again, as long as no time passes.
  if (world_.is_healed) for_time = oracle_.is_open() ? 0 : kReturnTime;
  returns_at_ = world_.clock.monotonic() + for_time;
  socket_.reset();
  oracle_.begin(request_);  // What comes next is another stream.
}

// The engine has closed, and everything is read.
void SimClient::finish() {
  if (!has_vanished_) check_end();
  if (world_.trace.is_on()) world_.trace.add("client " + std::to_string(number_) + " sees the end");
  is_done_ = response_.status() == 204 && world_.is_healed;
  socket_->leave();
  go_away(static_cast<Nanos>(world_.dice.scaled(1, 3 * kSecond)));
}

// Whether the engine may close any stream for its age, or for the drain.
bool SimClient::may_have_to_leave() const { return world_.is_draining || world_.plan.config.stream_age_max_ms != 0; }

void SimClient::check_end() {
  const bool was_open = oracle_.is_open();
  const StreamEnd end = socket_->was_server_reset  ? StreamEnd::cut
                        : response_.is_completed() ? StreamEnd::completed
                                                   : StreamEnd::closed;
  if (end != StreamEnd::cut && stream_.is_inside_block()) fail("an orderly close inside an event");
  if (response_.status() == 204) oracle_.on_nothing_left();
  oracle_.on_end(end, may_have_to_leave());
  if (!oracle_.violation().empty()) fail(oracle_.violation());
  if (!was_open || socket_->was_failed || oracle_.may_be_ended()) return;
  if (world_.is_draining) {
    if (end == StreamEnd::cut || !oracle_.is_at_head()) fail("drained before it had everything");
  } else if (may_have_to_leave()) {
    return;  // Its next stream goes on behind what it had.
  } else if (world_.plan.keeping == Keeping::everything) {
    fail("closed without a reason");
  } else if (world_.plan.keeping == Keeping::by_count && !oracle_.may_lag_too_far() && socket_->blocked_longest < kHoldTime) {
    fail("closed, though its logs should have waited for it");
  }
}

}  // namespace broadside::sim
