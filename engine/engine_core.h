// What is behind the public Engine: the shards, the store they share, their threads and listening sockets.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "broadside/engine.h"
#include "engine/io/socket.h"
#include "engine/listing.h"
#include "engine/shard.h"
#include "engine/topic_store.h"

namespace broadside {

class EngineCore final : public ShardWaker {
 public:
  EngineCore(const Config& config, RequestHandler* handler) : config_(config) {
    if (handler != nullptr) shared_.handler = handler;
  }
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;
  ~EngineCore() override { stop(); }

  Result<Done> open();
  void start();
  Result<Done> reconfigure(const Config& config);
  void start_drain();
  bool wait_drained();
  void stop();
  Result<Done> adopt(int fd, const SubscribeRequest& request, const AdoptOptions& options);
  void wake_shard(std::uint32_t shard) noexcept override { shards_[shard]->signal(); }

  // Null when as many as may be are under way.
  [[nodiscard]] std::shared_ptr<Listing> make_listing(Listing::Kind kind, std::size_t count);
  void post_to_all(const std::shared_ptr<Listing>& listing);

  [[nodiscard]] TopicStore& store() const { return *store_; }
  [[nodiscard]] const std::vector<std::string>& urls() const { return urls_; }
  [[nodiscard]] const std::string& backend() const { return backend_; }
  [[nodiscard]] std::uint64_t event_bytes_max() {
    const std::lock_guard lock(mutex_);
    return config_.event_bytes_max;
  }
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
  void open_io(Worker& worker);
  static void* work(void* argument);
  void log(LogLevel level, const std::string& message) const {
    if (config_.log_sink != nullptr) config_.log_sink->log(level, message);
  }

  [[nodiscard]] io::ListenerOptions listener_options() const;

  Config config_;
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
  std::atomic<std::uint32_t> adoptions_{0};  // They go to the shards in turn.
  bool is_given_up_ = false;
  bool is_stopped_ = false;
};

}  // namespace broadside
