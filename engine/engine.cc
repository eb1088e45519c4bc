// The public engine over its shards: opens them, hands out what is published, and closes them.
#include "broadside/engine.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>

#include "base/assert.h"
#include "engine/io/host.h"
#include "engine/io/socket.h"
#include "engine/listing.h"
#include "engine/shard.h"
#include "engine/topic_store.h"
#include "proto/http_response.h"
#include "proto/limits.h"
#include "proto/sse_encoder.h"

namespace broadside {
namespace {

constexpr std::uint32_t kShardsMax = 256;
constexpr std::uint32_t kSpareConnections = 256;     // Beyond subscribers: for refusals, publishers and health.
constexpr std::uint32_t kSpareDescriptors = 128;     // Listeners, rings, epoll sets, log files.
constexpr std::uint32_t kPassingConnections = 4096;  // On their way into a table they are plain descriptors for a moment.

std::uint32_t cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)));
}

std::uint64_t read_number_file(const char* path) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return UINT64_MAX;
  unsigned long long number = 0;
  const bool is_number = std::fscanf(file, "%llu", &number) == 1;
  std::fclose(file);
  return is_number ? number : UINT64_MAX;
}

// The machine's memory, or the control group's if that is less.
std::uint64_t machine_memory() {
  const auto machine =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t group =
      std::min(read_number_file("/sys/fs/cgroup/memory.max"), read_number_file("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
  return std::min(machine, group);
}

io::BackendChoice choice_of(Backend backend) {
  switch (backend) {
    case Backend::automatic:
      return io::BackendChoice::automatic;
    case Backend::uring:
      return io::BackendChoice::uring;
    case Backend::epoll:
      return io::BackendChoice::epoll;
  }
  return io::BackendChoice::automatic;
}

std::uint64_t history_memory_of(const Config& config) {
  return config.history_memory != 0 ? config.history_memory : machine_memory() / 4;
}

std::uint64_t memory_max_of(const Config& config) {
  return config.memory_max != 0 ? config.memory_max : machine_memory() / 4 * 3;
}

Error bad(std::string message) { return Error{Error::Code::invalid_argument, std::move(message)}; }

// `of` begins the message: which topics they are the rules of.
Result<Done> check_rules(const TopicRules& rules, const std::string& of) {
  if (rules.heartbeat_ms != 0 && rules.heartbeat_ms < 200) return bad(of + "heartbeat_ms: 0, or at least 200");
  const bool is_rate = is_valid_rate(rules.rate);
  if (rules.rate != 0 && !is_rate) return bad(of + "rate: 0, or 0.01 to 100 a second");
  if (rules.keep != 0 && rules.policy != LagPolicy::skip) return bad(of + "keep: for policy skip alone");
  if (rules.snapshot && rules.keys == 0 && rules.policy != LagPolicy::conflate) {
    return bad(of + "snapshot: needs keys, or policy conflate");
  }
  return Done{};
}

}  // namespace

Result<Done> Engine::check(const Config& config) {
  if (config.shards > kShardsMax) return bad("shards: at most 256");
  if (config.connections_max > 4'000'000) return bad("connections_max: at most 4,000,000");
  if (config.topics_per_subscriber_max < 1 || config.topics_per_subscriber_max > kTopicsPerSubscriberMax) {
    return bad("topics_per_subscriber_max: 1 to 128");
  }
  if (config.head_bytes_max < 1024 || config.head_bytes_max > (1U << 20)) return bad("head_bytes_max: 1 KiB to 1 MiB");
  if (config.event_bytes_max < 1 || config.event_bytes_max > (64ULL << 20)) return bad("event_bytes_max: 1 byte to 64 MiB");
  if (config.send_bytes_max < (16U << 10) || config.send_bytes_max > (1U << 20)) return bad("send_bytes_max: 16 KiB to 1 MiB");
  if (config.stall_timeout_ms < 100) return bad("stall_timeout_ms: at least 100");
  if (config.retry_ms > 86'400'000) return bad("retry_ms: at most a day");
  if (config.stream_age_max_ms != 0 && config.stream_age_max_ms < 1000) return bad("stream_age_max_ms: 0, or at least 1000");
  if (config.listen.size() > 64) return bad("listen: at most 64 addresses");
  if (config.backlog_bytes < (64U << 10)) return bad("backlog_bytes: at least 64 KiB");
  if (frame_bytes_max(config.event_bytes_max) > UINT32_MAX) return bad("event_bytes_max: a frame must stay below 4 GiB");
  if (config.memory_max != 0 && config.memory_max < (1U << 20)) return bad("memory_max: 0, or at least 1 MiB");
  if (config.memory_max != 0 && config.history_memory > config.memory_max) return bad("history_memory: at most memory_max");
  if (Result<Done> good = check_rules(config.defaults, ""); !good) return good;
  for (const TopicSection& section : config.topics) {
    if (Result<Done> good = check_rules(section.rules, "topics matching `" + section.pattern + "`: "); !good) return good;
    if (section.pattern.empty()) return bad("topics: each section needs a pattern, like chat.*");
  }
  return Done{};
}

class EngineCore final : public ShardWaker {
 public:
  EngineCore(const Config& config, RequestHandler* handler) : config_(config), handler_(handler) {}
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;
  ~EngineCore() override { stop(); }

  Result<Done> open();
  void start();
  Result<Done> reconfigure(const Config& config);
  void start_drain();
  bool wait_drained();
  void stop();
  void wake_shard(std::uint32_t shard) noexcept override { shards_[shard]->signal(); }

  // Null when as many as may be are under way.
  [[nodiscard]] std::shared_ptr<Listing> make_listing(Listing::Kind kind, std::size_t count);
  void post_to_all(const std::shared_ptr<Listing>& listing);

  [[nodiscard]] TopicStore& store() const { return *store_; }
  [[nodiscard]] const std::vector<std::string>& urls() const { return urls_; }
  [[nodiscard]] const std::string& backend() const { return backend_; }
  [[nodiscard]] ShardShared& shared() { return shared_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Shard>>& shards() const { return shards_; }

 private:
  struct Worker {
    EngineCore* core = nullptr;
    Shard* shard = nullptr;
    pthread_t thread{};
    bool is_running = false;
    Result<Done> opened = Done{};
    std::string reason;
    std::vector<int> listeners;
  };

  void set_limits();
  Result<Done> open_listeners();
  Result<Done> open_shards();
  static void* work(void* argument);
  void log(LogLevel level, const std::string& message) const {
    if (config_.log_sink != nullptr) config_.log_sink->log(level, message);
  }

  Config config_;
  RequestHandler* handler_;
  ShardShared shared_;
  std::unique_ptr<TopicStore> store_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<int> listener_fds_;  // All of them, to be closed.
  std::vector<std::string> unix_paths_;
  std::vector<std::string> urls_;
  std::string backend_;
  // Workers open, wait for start, and run.
  std::mutex mutex_;
  std::condition_variable condition_;
  std::size_t opened_count_ = 0;
  bool is_started_ = false;
  bool is_given_up_ = false;
};

void EngineCore::set_limits() {
  const std::uint64_t limit = io::raise_open_files_limit();
  const std::uint64_t plain_max =
      limit > kSpareConnections + kSpareDescriptors + 64 ? limit - kSpareConnections - kSpareDescriptors : 64;
  shared_.subscribers_max = config_.connections_max != 0
                                ? config_.connections_max
                                : static_cast<std::uint32_t>(std::min<std::uint64_t>(plain_max, 4'000'000));
  if (shared_.subscribers_max > plain_max) {
    const bool can_use_tables = config_.backend != Backend::epoll && io::tables_supported();
    if (can_use_tables) {
      shared_.use_tables = true;
      log(LogLevel::info,
          "connections_max is above the open files limit (" + std::to_string(limit) + "): subscribers are kept in ring tables");
    } else {
      shared_.subscribers_max = static_cast<std::uint32_t>(plain_max);
      log(LogLevel::warning, "connections_max is lowered to " + std::to_string(plain_max) + ": the open files limit is " +
                                 std::to_string(limit) +
                                 "; raise it (ulimit -n, LimitNOFILE=), or use io_uring on kernel 6.13 or newer");
    }
  }
  shared_.connections_max = shared_.subscribers_max + kSpareConnections;
  if (shared_.use_tables)
    shared_.connections_max += static_cast<std::uint32_t>(std::min<std::uint64_t>(kPassingConnections, limit / 4));
}

Result<Done> EngineCore::open_listeners() {
  for (std::size_t at = 0; at < config_.listen.size(); ++at) {
    Result<io::ListenAddress> parsed = io::parse_listen_address(config_.listen[at]);
    if (!parsed) return parsed.error();
    io::ListenAddress address = *parsed;
    if (Result<Done> free = io::test_bind(address); !free) return free.error();
    io::ListenerOptions options;
    options.user_timeout = (static_cast<Nanos>(config_.stall_timeout_ms) + 5000) * kMillisecond;
    options.send_buffer_bytes = config_.send_buffer_bytes;
    options.reuse_port = !address.is_unix() && shards_.size() > 1;
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      if (address.is_unix() && shard > 0) {
        // A Unix path has one socket; the shards accept from it in turn.
        workers_[shard]->listeners.push_back(listener_fds_.back());
        continue;
      }
      Result<int> fd = io::open_listener(address, options);
      if (!fd) return fd.error();
      listener_fds_.push_back(*fd);
      workers_[shard]->listeners.push_back(*fd);
      if (shard == 0) {
        Result<io::ListenAddress> bound = io::bound_address(*fd);
        if (!bound) return bound.error();
        address = *bound;
        urls_.push_back(io::format_url(address));
        if (address.is_unix()) unix_paths_.push_back(config_.listen[at].substr(std::strlen("unix:")));
      }
    }
  }
  return Done{};
}

void* EngineCore::work(void* argument) {
  auto* worker = static_cast<Worker*>(argument);
  EngineCore& core = *worker->core;
  Result<std::unique_ptr<io::Io>> made = io::make_io(
      io::IoConfig{.backend = choice_of(core.config_.backend), .use_tables = core.shared_.use_tables}, &worker->reason);
  if (made) {
    worker->shard->open(std::move(*made));
  } else {
    worker->opened = made.error();
  }
  {
    std::unique_lock lock(core.mutex_);
    ++core.opened_count_;
    core.condition_.notify_all();
    core.condition_.wait(lock, [&] { return core.is_started_ || core.is_given_up_; });
    if (core.is_given_up_) return nullptr;
  }
  worker->shard->start(worker->listeners);
  worker->shard->run();
  return nullptr;
}

Result<Done> EngineCore::open_shards() {
  for (auto& worker : workers_) {
    const int error = ::pthread_create(&worker->thread, nullptr, work, worker.get());
    if (error != 0) return Error{Error::Code::unavailable, std::string("cannot start a shard's thread: ") + std::strerror(error)};
    worker->is_running = true;
  }
  std::unique_lock lock(mutex_);
  condition_.wait(lock, [&] { return opened_count_ == workers_.size(); });
  for (auto& worker : workers_) {
    if (!worker->opened) return worker->opened.error();
  }
  backend_ = workers_.front()->reason;
  return Done{};
}

Result<Done> EngineCore::open() {
  if (Result<Done> good = Engine::check(config_); !good) return good.error();
  set_limits();
  const std::uint32_t shard_count = config_.shards != 0 ? config_.shards : std::min(cores(), kShardsMax);
  store_ = std::make_unique<TopicStore>(config_, shard_count, history_memory_of(config_), *this, system_clock(),
                                        memory_max_of(config_));
  shared_.config = std::make_shared<const Config>(config_);
  shared_.torn_budget.bytes_max.store(history_memory_of(config_) / 16, std::memory_order_relaxed);
  shared_.store = store_.get();
  shared_.handler = handler_;
  shared_.shard_count = shard_count;
  for (std::uint32_t i = 0; i < shard_count; ++i) {
    shards_.push_back(std::make_unique<Shard>(shared_, i));
    shared_.shards.push_back(shards_.back().get());
    workers_.push_back(std::make_unique<Worker>());
    workers_.back()->core = this;
    workers_.back()->shard = shards_.back().get();
  }
  if (Result<Done> listening = open_listeners(); !listening) return listening.error();
  if (Result<Done> opened = open_shards(); !opened) return opened.error();
  log(LogLevel::info, "backend: " + backend_);
  return Done{};
}

void EngineCore::start() {
  const std::lock_guard lock(mutex_);
  is_started_ = true;
  condition_.notify_all();
}

Result<Done> EngineCore::reconfigure(const Config& wanted) {
  if (Result<Done> good = Engine::check(wanted); !good) return good;
  const std::lock_guard lock(mutex_);
  Config config = wanted;
  config.listen = config_.listen;
  config.shards = config_.shards;
  config.backend = config_.backend;
  config.connections_max = config_.connections_max;
  config.send_buffer_bytes = config_.send_buffer_bytes;
  config.topics_per_subscriber_max = config_.topics_per_subscriber_max;
  config.stall_timeout_ms = config_.stall_timeout_ms;  // The kernel has it as TCP_USER_TIMEOUT of the listeners.
  config.log_sink = config_.log_sink;
  config_ = config;
  store_->reconfigure(config, history_memory_of(config), memory_max_of(config));
  shared_.torn_budget.bytes_max.store(history_memory_of(config) / 16, std::memory_order_relaxed);
  const auto shared = std::make_shared<const Config>(std::move(config));
  for (auto& shard : shards_) {
    Message message;
    message.kind = Message::Kind::reconfigure;
    message.config = shared;
    shard->post(std::move(message));
  }
  return Done{};
}

void EngineCore::start_drain() {
  if (shared_.is_draining.exchange(true)) return;
  for (auto& shard : shards_) {
    Message message;
    message.kind = Message::Kind::drain;
    shard->post(std::move(message));
  }
}

void EngineCore::post_to_all(const std::shared_ptr<Listing>& listing) {
  listing->shards_left = static_cast<std::uint32_t>(shards_.size());
  for (auto& shard : shards_) {
    Message message;
    message.kind = Message::Kind::list;
    message.listing = listing;
    shard->post(std::move(message));
  }
}

bool EngineCore::wait_drained() {
  std::uint32_t timeout_ms = 1000;
  {
    const std::lock_guard lock(mutex_);
    timeout_ms += config_.drain_timeout_ms;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (shared_.connections.load() > 0) {
    if (std::chrono::steady_clock::now() >= end) return false;
    const timespec pause{.tv_sec = 0, .tv_nsec = 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
  return true;
}

void EngineCore::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!is_started_) is_given_up_ = true;
    condition_.notify_all();
  }
  for (auto& worker : workers_) {
    if (!worker->is_running || !is_started_) continue;
    Message message;
    message.kind = Message::Kind::stop;
    worker->shard->post(std::move(message));
  }
  for (auto& worker : workers_) {
    if (worker->is_running) ::pthread_join(worker->thread, nullptr);
    worker->is_running = false;
  }
  for (const int fd : listener_fds_) ::close(fd);
  listener_fds_.clear();
  for (const std::string& path : unix_paths_) ::unlink(path.c_str());
  unix_paths_.clear();
}

Engine::Engine(std::unique_ptr<EngineCore> core) : core_(std::move(core)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

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
  const BatchEntry entry{.topic = topic, .event = event};
  std::vector<Published> out;
  if (Result<Done> done = core_->store().publish_batch({&entry, 1}, out, nullptr); !done) return done.error();
  return out.front();
}

Result<Done> Engine::publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index) {
  return core_->store().publish_batch(batch, out, bad_index);
}

Result<Published> Engine::end(std::string_view topic, bool* existed) {
  bool was_there = false;
  return core_->store().end(topic, existed != nullptr ? existed : &was_there);
}

bool Engine::start_send_to(std::string_view connection, const Event& event, ResponseToken token, std::string headers) {
  std::array<std::uint64_t, 2> id{};
  if (connection.size() != 32) return false;
  for (std::size_t i = 0; i < 32; ++i) {
    const char digit = connection[i];
    const bool is_letter = digit >= 'a' && digit <= 'f';
    if (!is_letter && (digit < '0' || digit > '9')) return false;
    id[i / 16] = id[i / 16] << 4 | static_cast<std::uint64_t>(is_letter ? digit - 'a' + 10 : digit - '0');
  }
  Message message;
  message.kind = Message::Kind::send_to;
  message.token = token;
  message.id = id;
  message.response.headers = std::move(headers);
  append_event_body(message.event_body, event);
  core_->shards()[shard_of_id(id, core_->shared().shard_count)]->post(std::move(message));
  return true;
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

std::shared_ptr<Listing> EngineCore::make_listing(Listing::Kind kind, std::size_t count) {
  const bool is_free = shared_.listings.fetch_add(1, std::memory_order_relaxed) < kListingsMax;
  auto listing = std::make_shared<Listing>(kind, count, shared_.listings);  // Its end takes it off the count again.
  return is_free ? listing : nullptr;
}

Result<Done> Engine::start_list_connections(std::size_t count, std::string_view after, ConnectionsSink done) {
  if (Result<Done> good = check_listing_count(count); !good) return good;
  Message message;
  message.kind = Message::Kind::list;
  std::uint32_t shard = 0;
  if (!after.empty() && !parse_place(after, core_->shared().shard_count, message, shard)) return bad("`after` is no `next`");
  message.listing = core_->make_listing(Listing::Kind::page, count);
  if (message.listing == nullptr) return Error{Error::Code::unavailable, "too many listings at a time"};
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
