// The public engine: hands each call to the store, to a shard or to all of them.
#include "broadside/engine.h"

#include <charconv>
#include <chrono>
#include <utility>

#include "base/assert.h"
#include "engine/engine_core.h"
#include "proto/event_check.h"
#include "proto/sse_encoder.h"
#include "proto/topic_name.h"

namespace broadside {
namespace {

Error bad(std::string message) { return Error{Error::Code::invalid_argument, std::move(message)}; }

}  // namespace

Engine::Engine(std::unique_ptr<EngineCore> core) : core_(std::move(core)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() {
  if (core_ != nullptr) core_->stop();  // While the host, which hears of it, may still call us.
}

Result<Engine> Engine::create(const Config& config, RequestHandler* handler) {
  auto core = std::make_unique<EngineCore>(config, handler);
  if (Result<Done> opened = core->open(); !opened) return opened.error();
  return Engine(std::move(core));
}

void Engine::start() { core_->start(); }
Result<Done> Engine::reconfigure(const Config& config) { return core_->reconfigure(config); }
void Engine::start_drain() { core_->start_drain(); }
bool Engine::wait_drained() { return core_->wait_drained(); }
void Engine::stop() { core_->stop(); }
std::vector<std::string> Engine::listen_urls() const { return core_->urls(); }
std::string Engine::describe_backend() const { return core_->backend(); }

Result<Published> Engine::publish(std::string_view topic, const Event& event) {
  std::string body;
  return core_->store().publish(topic, event, body);
}

Result<Done> Engine::publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index) {
  return core_->store().publish_batch(batch, out, bad_index);
}

Result<Published> Engine::end(std::string_view topic, bool* existed) {
  bool was_there = false;
  return core_->store().end(topic, existed != nullptr ? existed : &was_there);
}

int Engine::poll_fd() const { return core_->shards().front()->poll_fd(); }

int Engine::next_timeout_ms() {
  // Rounded up: a millisecond too late is better than a spin.
  return static_cast<int>((core_->shards().front()->next_wait() + kMillisecond - 1) / kMillisecond);
}

void Engine::run_once() { core_->shards().front()->run_once(); }

Result<Done> Engine::adopt(int fd, const SubscribeRequest& request, const AdoptOptions& options) {
  return core_->adopt(fd, request, options);
}

Result<TopicHandle> Engine::open_topic(std::string_view topic) {
  if (!is_valid_topic(topic)) return bad("a topic is 1 to 255 bytes of UTF-8 without control characters");
  return TopicHandle(core_->store(), core_->store().open_topic(topic));
}

TopicHandle::TopicHandle(TopicHandle&& other) noexcept
    : store_(other.store_), topic_(std::exchange(other.topic_, nullptr)), body_(std::move(other.body_)) {}

TopicHandle& TopicHandle::operator=(TopicHandle&& other) noexcept {
  std::swap(store_, other.store_);
  std::swap(topic_, other.topic_);
  std::swap(body_, other.body_);
  return *this;
}

TopicHandle::~TopicHandle() {
  if (topic_ != nullptr) store_->close_topic(*topic_);
}

Result<Published> TopicHandle::publish(const Event& event) { return store_->publish(*topic_, event, body_); }

std::string_view TopicHandle::name() const { return topic_->name; }

void set_failure_handler(FailureHandler handler) noexcept { set_assert_handler(handler); }

Result<Done> Engine::start_send_to(std::string_view connection, const Event& event, SendSink done) {
  if (Result<Done> checked = check_event(event, core_->event_bytes_max()); !checked) return checked;
  if (!event.id.empty()) return bad("what is sent to one connection is not kept and has no id");
  Message message;
  message.kind = Message::Kind::send_to;
  if (!parse_id(connection, message.id)) {
    done(SendOutcome::unknown);
    return Done{};
  }
  message.on_sent = std::move(done);
  append_event_body(message.event_body, event);
  const std::uint32_t shard = shard_of_id(message.id, core_->shared().shard_count);
  core_->shards()[shard]->post(std::move(message));
  return Done{};
}

void Engine::start_renew(std::string_view connection, std::uint64_t expires_ms, RenewCheck allows, RenewSink done) {
  Message message;
  message.kind = Message::Kind::renew;
  if (!parse_id(connection, message.id)) return done(RenewOutcome::unknown);
  message.renewal =
      std::make_unique<Renewal>(Renewal{.expires_ms = expires_ms, .allows = std::move(allows), .done = std::move(done)});
  const std::uint32_t shard = shard_of_id(message.id, core_->shared().shard_count);
  core_->shards()[shard]->post(std::move(message));
}

void Engine::decide(ResponseToken token, SubscribeDecision decision) {
  BROADSIDE_ASSERT(token.shard < core_->shards().size());
  Message message;
  message.kind = Message::Kind::decide;
  message.token = token;
  message.decision = std::make_unique<SubscribeDecision>(std::move(decision));
  core_->shards()[token.shard]->post(std::move(message));
}

void Engine::respond(ResponseToken token, Response response) {
  BROADSIDE_ASSERT(token.shard < core_->shards().size());
  Message message;
  message.token = token;
  message.response = std::move(response);
  core_->shards()[token.shard]->post(std::move(message));
}

Stats Engine::stats() const {
  Stats stats;
  stats.backend = core_->backend().substr(0, core_->backend().find(' '));
  for (const auto& shard : core_->shards()) stats.shards.push_back(shard->stats());
  stats.logs = core_->store().stats();
  stats.monotonic_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
  stats.is_draining = core_->shared().is_draining.load();
  return stats;
}

namespace {

Result<Done> check_listing_count(std::size_t count) {
  if (count < 1 || count > 1000) return bad("a listing has 1 to 1000 entries");
  return Done{};
}

// `<shard>-<place>`, as Shard::list_page() writes it.
bool parse_place(std::string_view text, std::uint32_t shard_count, Message& message, std::uint32_t& shard) {
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, shard);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-' || shard >= shard_count) return false;
  const auto second = std::from_chars(first.ptr + 1, end, message.place);
  return second.ec == std::errc() && second.ptr == end;
}

}  // namespace

Result<Done> Engine::start_list_connections(std::size_t count, std::string_view after, ConnectionsSink done) {
  return start_list_subscribers({}, count, after, std::move(done));
}

Result<Done> Engine::start_list_subscribers(std::string_view topic, std::size_t count, std::string_view after,
                                            ConnectionsSink done) {
  if (Result<Done> good = check_listing_count(count); !good) return good;
  Message message;
  message.kind = Message::Kind::list;
  std::uint32_t shard = 0;
  if (!after.empty() && !parse_place(after, core_->shared().shard_count, message, shard)) return bad("`after` is no `next`");
  message.listing = core_->make_listing(Listing::Kind::page, count);
  if (message.listing == nullptr) return Error{Error::Code::unavailable, "too many listings at a time"};
  message.listing->topic = topic;
  message.listing->on_connections = std::move(done);
  core_->shards()[shard]->post(std::move(message));
  return Done{};
}

Result<Done> Engine::start_list_slowest(std::size_t count, ConnectionsSink done) {
  if (Result<Done> good = check_listing_count(count); !good) return good;
  const std::shared_ptr<Listing> listing = core_->make_listing(Listing::Kind::top_connections, count);
  if (listing == nullptr) return Error{Error::Code::unavailable, "too many listings at a time"};
  listing->on_connections = std::move(done);
  core_->post_to_all(listing);
  return Done{};
}

Result<Done> Engine::start_list_topics(std::size_t count, TopicOrder order, TopicsSink done) {
  if (Result<Done> good = check_listing_count(count); !good) return good;
  const bool by_lag = order == TopicOrder::lag;
  const auto kind = by_lag ? Listing::Kind::top_lagging : Listing::Kind::top_topics;
  const std::shared_ptr<Listing> listing = core_->make_listing(kind, count);
  if (listing == nullptr) return Error{Error::Code::unavailable, "too many listings at a time"};
  listing->order = order;
  listing->on_topics = std::move(done);
  if (by_lag) {
    core_->post_to_all(listing);
    return Done{};
  }
  Message message;
  message.kind = Message::Kind::list;
  message.listing = listing;
  core_->shards()[0]->post(std::move(message));
  return Done{};
}

bool Engine::topic_info(std::string_view topic, TopicInfo& out) const { return core_->store().topic_info(topic, out); }
std::vector<TopicInfo> Engine::topics(std::size_t count, std::string_view after) const {
  return core_->store().topics(count, after);
}

}  // namespace broadside
