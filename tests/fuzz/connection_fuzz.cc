// Fuzzes whole connections: the input is a script that connects, writes, reads, half-closes, resets, publishes and lets time
// pass, against a real shard over the simulated kernel, whose invariants are looked at after each turn. What a connection is sent
// has to begin as an answer does; and when everybody has left, nothing of them may be left behind.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_input.h"
#include "tests/sim/sim_note.h"
#include "tests/sim/sim_shard.h"
#include "tests/support/toy_transport.h"

namespace {

using namespace broadside;
using namespace broadside::fuzz;

constexpr int kStepsMax = 400;
constexpr std::string_view kTopics[] = {"a", "b", "later", "short"};

// What a fuzzer would be long in finding: it varies the rest.
constexpr std::string_view kTexts[] = {
    "GET /events/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /events?topic=a&topic=b&last=3 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /events/a?snapshot=1&rate=10 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /events/b?limit=2&follow=0&since=0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /events/later HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /events/short?last_event_id=1-1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "HEAD /events/a HTTP/1.0\r\n\r\n",
    "POST /events/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    "POST /events/b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "GET /later HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.0\r\n\r\n",
};

class EchoReader final : public BodyReader {
 public:
  bool on_body(std::string_view bytes, std::string& out) noexcept override {
    out += bytes;
    return bytes.find('!') == std::string_view::npos;
  }
  void on_end(std::string& out) noexcept override { out += "end"; }
};

// Answers at once, later, at length, or with a stream; keeps count of the engine's streams.
class Host final : public RequestHandler {
 public:
  Response on_request(const Request& request) noexcept override {
    if (request.path == "/large") return {.body = std::string(300'000, 'x')};
    if (request.path != "/later") return RequestHandler::on_request(request);
    unanswered.push_back(request.token);
    return {.is_deferred = true};
  }
  StreamDecision on_stream(const Request& request) noexcept override {
    StreamDecision decision;
    if (request.path == "/stream") decision.reader = std::make_unique<EchoReader>();
    if (request.path == "/refused") decision.refusal = Response{.status = 403};
    return decision;
  }
  SubscribeDecision authorise(const Request& request, const SubscribeRequest& wanted) noexcept override {
    SubscribeDecision decision;
    decision.is_deferred = wanted.topics.front() == "later";
    if (decision.is_deferred) undecided.push_back(request.token);
    if (wanted.topics.front() == "short") decision.admission.age_max_ms = 500;
    return decision;
  }
  void on_subscribe(const SubscriberView& /*subscriber*/) noexcept override { ++streams_count; }
  void on_disconnect(const SubscriberView& /*subscriber*/, CloseReason /*reason*/) noexcept override { --streams_count; }

  std::vector<ResponseToken> unanswered;
  std::vector<ResponseToken> undecided;
  int streams_count = 0;
};

// The other end of a connection.
struct Peer {
  explicit Peer(std::shared_ptr<sim::SimSocket> connected) : socket(std::move(connected)) {}
  std::shared_ptr<sim::SimSocket> socket;
  test::ToySealer sealer;
  test::ToyOpener opener;
  std::string text;  // All that has come.
};

class Script final : private sim::SimShard {
 public:
  // Both outlive it.
  Script(std::string_view bytes, Host& host, TransportFactory& transports) : rest_(bytes), host_(host) {
    const std::uint8_t traits = take_byte(rest_);
    is_sealed_ = (traits & 1) != 0;
    constexpr LagPolicy kPolicies[] = {LagPolicy::disconnect, LagPolicy::skip, LagPolicy::conflate, LagPolicy::skip};
    config_.defaults.policy = kPolicies[(traits >> 1) & 3];
    if ((traits & 8) != 0) config_.defaults.history_events = config_.defaults.lag.events = 3;
    if ((traits & 16) != 0) config_.defaults.history_bytes = config_.backlog_bytes = 2'000;
    if ((traits & 32) != 0) config_.defaults.keys = 2;
    if ((traits & 64) != 0) config_.send_bytes_max = 64;
    config_.head_timeout_ms = config_.body_timeout_ms = config_.answer_timeout_ms = 1'000;
    config_.idle_timeout_ms = config_.stall_timeout_ms = config_.defaults.heartbeat_ms = 2'000;
    config_.body_bytes_max = 1'000;
    config_.transports = &transports;
    shared_.sealed_listeners = is_sealed_ ? 1 : 0;
    shared_.handler = &host_;
    start((traits & 128) != 0);
  }

  void play() {
    for (int steps = 0; !rest_.empty() && steps < kStepsMax; ++steps) {
      step();
      run();
    }
    faults_ = {};
    for (std::unique_ptr<Peer>& peer : peers_) leave(peer);
    for (Nanos time = 0; time < 5 * kSecond; time += kSecond / 2) {
      clock_.advance(kSecond / 2);
      run();
    }
    require(io_->sockets_count() == 0);
    require(host_.streams_count == 0);
  }

 private:
  void step() {
    const std::uint8_t operation = take_byte(rest_);
    std::unique_ptr<Peer>& peer = peers_[operation >> 6];
    switch (operation & 15) {
      case 0:
        return connect(peer);
      case 1:
        return leave(peer);
      case 2:
        return clock_.advance(kMillisecond << (take_byte(rest_) % 14));
      case 3:
        return publish(take_piece(rest_));
      case 4:
        return publish(std::string(std::size_t{1} << (take_byte(rest_) % 17), 'x'));
      case 5:
        return end_topic();
      case 6:
        return set_fault();
      case 7:
        return decide();
      case 8:
        return rearrange(take_byte(rest_));
      default:
        if (peer != nullptr) step_peer(*peer, operation & 15);
    }
  }
  void step_peer(Peer& peer, int operation) {
    switch (operation) {
      case 9:
        return write(peer, take_piece(rest_));
      case 10:
        return write(peer, kTexts[take_byte(rest_) % std::size(kTexts)]);
      case 11:
        return write_plain(peer, take_piece(rest_));  // As it is, though it should be sealed.
      case 12:
        return peer.socket->end();
      case 13:
        return peer.socket->set_output_max(std::size_t{1} << (take_byte(rest_) % 20));
      case 14:
        return send_note(peer);
      default:
        return read(peer, std::size_t{1} << (take_byte(rest_) % 20));
    }
  }

  void connect(std::unique_ptr<Peer>& peer) {
    leave(peer);
    auto socket = io_->connect(std::size_t{1} << (take_byte(rest_) % 20));
    if (socket == nullptr) return;  // It drains.
    peer = std::make_unique<Peer>(std::move(socket));
    if (!is_sealed_) return;
    std::string hello;
    peer->sealer.append(test::ToyRecord::hello, {}, hello);
    peer->socket->write(hello);
  }
  static void leave(std::unique_ptr<Peer>& peer) {
    if (peer != nullptr) peer->socket->leave();
    peer.reset();
  }
  static void write_plain(Peer& peer, std::string_view bytes) {
    if (!peer.socket->has_client_ended) peer.socket->write(bytes);
  }
  void write(Peer& peer, std::string_view bytes) const {
    if (!is_sealed_) return write_plain(peer, bytes);
    std::string record;
    peer.sealer.append(test::ToyRecord::data, bytes, record);
    write_plain(peer, record);
  }
  void read(Peer& peer, std::size_t bytes_max) const {
    const auto piece = peer.socket->read(bytes_max);
    if (!piece) return;
    if (is_sealed_) {
      peer.opener.feed(piece->bytes, peer.text);
      require(peer.opener.violation().empty());
    } else {
      peer.text += piece->bytes;
    }
    constexpr std::string_view kBegin = "HTTP/1.1 ";
    require(std::string_view(peer.text).substr(0, kBegin.size()) == kBegin.substr(0, peer.text.size()));
  }

  std::string_view next_topic() { return kTopics[take_byte(rest_) % std::size(kTopics)]; }
  void publish(std::string_view data) {
    const std::string_view topic = next_topic();
    const std::string key(1, static_cast<char>('a' + take_byte(rest_) % 4));
    std::string room;
    static_cast<void>(store_->publish(topic, Event{.data = data, .key = config_.defaults.keys > 0 ? key : ""}, room));
  }
  void end_topic() {
    bool existed = false;
    static_cast<void>(store_->end(next_topic(), &existed));
  }
  // Half the time at most: a fault that is always there would be a kernel that does nothing.
  void set_fault() {
    std::uint64_t* const faults[] = {&faults_.short_send,       &faults_.blocked_send,     &faults_.failed_send,
                                     &faults_.accept_failed,    &faults_.watch_refused,    &faults_.spurious_edge,
                                     &faults_.repeated_hang_up, &faults_.stale_completion, &faults_.late_completion};
    const std::uint8_t which = take_byte(rest_);
    *faults[which % std::size(faults)] = which < 128 ? 2 : 0;
    faults_.receive_bytes_max = which % 2 == 0 ? 16 << 10 : 1 + which / 2;
  }
  void send_note(const Peer& peer) {
    constexpr std::string_view kBefore = "{\"connection\":\"";
    const std::size_t at = peer.text.find(kBefore);
    if (at == std::string::npos || peer.text.size() < at + kBefore.size() + 32) return;
    post(sim::make_note(std::string_view(peer.text).substr(at + kBefore.size(), 32)));
  }
  // Perhaps twice, perhaps too late.
  void decide() {
    const std::uint8_t how = take_byte(rest_);
    std::vector<ResponseToken>& waiting = how % 2 == 0 ? host_.unanswered : host_.undecided;
    if (waiting.empty()) return;
    Message message;
    message.kind = how % 2 == 0 ? Message::Kind::respond : Message::Kind::decide;
    message.token = waiting.back();
    message.response.body = "late";
    message.decision = std::make_unique<SubscribeDecision>();
    message.decision->status = how < 64 ? 403 : 200;
    if (how < 192) waiting.pop_back();
    post(std::move(message));
  }
  void rearrange(std::uint8_t how) {
    Message message;
    message.kind = how < 32 ? Message::Kind::drain : Message::Kind::reconfigure;
    Config config = config_;
    config.head_bytes_max = 100U + how;
    message.config = std::make_shared<const Config>(config);
    post(std::move(message));
  }

  std::string_view rest_;
  bool is_sealed_ = false;
  Host& host_;
  std::array<std::unique_ptr<Peer>, 4> peers_;  // Null: not connected.
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kInputBytesMax) return 0;
  Host host;
  test::ToyTransportFactory transports(20);  // Keys that are soon worn.
  Script(as_text(data, size), host, transports).play();
  return 0;
}
