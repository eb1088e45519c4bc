// See engine_core.h: opens the shards, starts and drains them, and closes everything.
#include "engine/engine_core.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "engine/io/host.h"
#include "engine/io/machine_memory.h"
#include "engine/subscribe_request.h"

namespace broadside {
namespace {

constexpr std::uint32_t kSpareConnections = 256;     // Beyond subscribers: for refusals, publishers and health.
constexpr std::uint32_t kSpareDescriptors = 128;     // Listeners, rings, epoll sets, log files.
constexpr std::uint32_t kPassingConnections = 4096;  // On their way into a table they are plain descriptors for a moment.

std::uint32_t cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::uint32_t>(std::max(1, CPU_COUNT(&set)));
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
  return config.history_memory != 0 ? config.history_memory : io::machine_memory() / 4;
}

std::uint64_t memory_max_of(const Config& config) {
  return config.memory_max != 0 ? config.memory_max : io::machine_memory() / 4 * 3;
}

// A sixteenth of all memory; some bodies at once must always be possible.
std::uint64_t request_memory_of(const Config& config, std::size_t shard_count) {
  return std::max(memory_max_of(config) / 16 / shard_count, 4 * config.body_bytes_max);
}

}  // namespace

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

io::ListenerOptions EngineCore::listener_options() const {
  return {.user_timeout = (static_cast<Nanos>(config_.stall_timeout_ms) + 5000) * kMillisecond,
          .send_buffer_bytes = config_.send_buffer_bytes};
}

Result<Done> EngineCore::open_listeners() {
  for (std::size_t at = 0; at < config_.listen.size(); ++at) {
    Result<io::ListenAddress> parsed = io::parse_listen_address(config_.listen[at]);
    if (!parsed) return parsed.error();
    io::ListenAddress address = *parsed;
    if (Result<Done> free = io::test_bind(address); !free) return free.error();
    io::ListenerOptions options = listener_options();
    if (address.is_sealed && config_.transports == nullptr) {
      return Error{Error::Code::invalid_argument, "listen " + config_.listen[at] + ": needs Config::transports"};
    }
    if (address.is_sealed) shared_.sealed_listeners |= std::uint64_t{1} << at;
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
        bound->is_sealed = address.is_sealed;
        address = *bound;
        urls_.push_back(io::format_url(address));
        if (address.is_unix()) unix_paths_.push_back(config_.listen[at].substr(std::strlen("unix:")));
      }
    }
  }
  return Done{};
}

// On the thread that is to run the shard.
void EngineCore::open_io(Worker& worker) {
  Result<std::unique_ptr<io::Io>> made =
      io::make_io(io::IoConfig{.backend = choice_of(config_.backend), .use_tables = shared_.use_tables}, &worker.reason);
  if (made) {
    worker.shard->open(std::move(*made));
  } else {
    worker.opened = made.error();
  }
}

void* EngineCore::work(void* argument) {
  auto* worker = static_cast<Worker*>(argument);
  EngineCore& core = *worker->core;
  core.open_io(*worker);
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
  if (config_.is_host_driven) open_io(*workers_.front());
  for (auto& worker : workers_) {
    if (config_.is_host_driven) break;
    const int error = ::pthread_create(&worker->thread, nullptr, work, worker.get());
    if (error != 0) return Error{Error::Code::unavailable, std::string("cannot start a shard's thread: ") + std::strerror(error)};
    worker->is_running = true;
  }
  std::unique_lock lock(mutex_);
  condition_.wait(lock, [&] { return config_.is_host_driven || opened_count_ == workers_.size(); });
  for (auto& worker : workers_) {
    if (!worker->opened) return worker->opened.error();
  }
  backend_ = workers_.front()->reason;
  return Done{};
}

Result<Done> EngineCore::open() {
  if (Result<Done> good = Engine::check(config_); !good) return good.error();
  set_limits();
  const std::uint32_t threads = config_.is_host_driven ? 1 : std::min(cores(), kShardsMax);
  const std::uint32_t shard_count = config_.shards != 0 ? config_.shards : threads;
  store_ = std::make_unique<TopicStore>(config_, shard_count, history_memory_of(config_), *this, system_clock(),
                                        memory_max_of(config_));
  shared_.config = std::make_shared<const Config>(config_);
  shared_.torn_budget.bytes_max.store(history_memory_of(config_) / 16, std::memory_order_relaxed);
  shared_.request_memory_max.store(request_memory_of(config_, shard_count), std::memory_order_relaxed);
  shared_.trusted = *parse_trusted_proxies(config_.trusted_proxies);  // Checked above.
  shared_.store = store_.get();
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
  if (!config_.is_host_driven) return;
  workers_.front()->shard->start(workers_.front()->listeners);
  workers_.front()->shard->run_once();
}

Result<Done> EngineCore::reconfigure(const Config& wanted) {
  if (Result<Done> good = Engine::check(wanted); !good) return good;
  const std::lock_guard lock(mutex_);
  Config config = wanted;
  config.listen = config_.listen;
  config.transports = config_.transports;
  config.shards = config_.shards;
  config.backend = config_.backend;
  config.connections_max = config_.connections_max;
  config.send_buffer_bytes = config_.send_buffer_bytes;
  config.topics_per_subscriber_max = config_.topics_per_subscriber_max;
  config.stall_timeout_ms = config_.stall_timeout_ms;  // The kernel has it as TCP_USER_TIMEOUT of the listeners.
  config.trusted_proxies = config_.trusted_proxies;
  config.address_prefix6 = config_.address_prefix6;  // What is counted now has to be found again.
  config.log_sink = config_.log_sink;
  config.is_host_driven = config_.is_host_driven;
  config_ = config;
  store_->reconfigure(config, history_memory_of(config), memory_max_of(config));
  shared_.torn_budget.bytes_max.store(history_memory_of(config) / 16, std::memory_order_relaxed);
  shared_.request_memory_max.store(request_memory_of(config, shards_.size()), std::memory_order_relaxed);
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

std::shared_ptr<Listing> EngineCore::make_listing(Listing::Kind kind, std::size_t count) {
  const bool is_free = shared_.listings.fetch_add(1, std::memory_order_relaxed) < kListingsMax;
  auto listing = std::make_shared<Listing>(kind, count, shared_.listings);  // Its end takes it off the count again.
  return is_free ? listing : nullptr;
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
    if (config_.is_host_driven) shards_.front()->run_once();
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
  if (config_.is_host_driven && is_started_ && !is_stopped_) shards_.front()->close_all();
  is_stopped_ = true;
  for (const int fd : listener_fds_) ::close(fd);
  listener_fds_.clear();
  for (const std::string& path : unix_paths_) ::unlink(path.c_str());
  unix_paths_.clear();
}

Result<Done> EngineCore::adopt(int fd, const SubscribeRequest& request, const AdoptOptions& options) {
  std::string wrong = check_subscribe_request(request, config_.topics_per_subscriber_max);
  if (!wrong.empty()) return Error{Error::Code::invalid_argument, std::move(wrong)};
  if (!is_started_ || is_stopped_) return Error{Error::Code::stopped, "adopt: the engine does not run"};
  if (Result<Done> ready = io::prepare_adopted(fd, listener_options()); !ready) return ready;
  Message message;
  message.kind = Message::Kind::adopt;
  message.adoption = std::make_unique<Adoption>(fd, request, options);
  shards_[adoptions_.fetch_add(1, std::memory_order_relaxed) % shards_.size()]->post(std::move(message));
  return Done{};
}

}  // namespace broadside
