// One thread of the load client with its share of the streams: opens them at the set pace, reads and checks what comes, and makes
// the trouble that was asked for. Each has a table of descriptors of its own, so that together they hold more than one may.
#pragma once

#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.h"
#include "base/prng.h"
#include "base/units.h"
#include "broadside/sse.h"
#include "engine/clock.h"
#include "tools/load/answer_reader.h"
#include "tools/load/conflated_tally.h"
#include "tools/load/options.h"
#include "tools/load/tally.h"
#include "tools/load/tls_session.h"

namespace broadside::tools::load {

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
  [[nodiscard]] int family() const { return bytes.ss_family; }
  [[nodiscard]] bool is_ipv4_loopback() const;
};

// What all threads of a run share. Plain values are set before they start.
struct Run {
  explicit Run(const LoadOptions& of) : options(of), begun(of.topics) {}

  const LoadOptions& options;
  std::uint32_t number = 0;  // In every payload.
  SocketAddress server;      // To subscribe at.
  std::vector<std::atomic<std::uint64_t>>
      begun;  // By topic: the newest sequence that has been handed to the kernel, or is about to.
  std::atomic<Nanos> measured_from{INT64_MAX};  // Events due from here to the next are measured.
  std::atomic<Nanos> measured_to{INT64_MAX};
  std::atomic<Nanos> hold_until{0};
  std::atomic<std::uint32_t> storms{0};
  std::atomic<bool> is_churning{false};
  std::atomic<bool> is_finishing{false};  // Nothing more is published: Counts::incomplete is kept up to date.
  std::atomic<bool> is_stopped{false};
};

// Sums since the start, unless "now" is said.
struct Counts {
  std::uint64_t settled = 0;  // Streams whose first attempt has come to something.
  std::uint64_t open = 0;     // Now.
  std::uint64_t opened = 0;
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;  // Attempts that came to nothing.
  std::uint64_t closed_by_server = 0;
  std::uint64_t reconnects = 0;
  std::uint64_t trouble_open = 0;  // Now: slow, stalled and half-open ones.
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  std::uint64_t slow_events = 0;  // Of these.
  std::uint64_t unknown = 0;      // Events that this run did not publish.
  std::uint64_t gaps_told = 0;
  std::uint64_t superseded = 0;  // Events that were passed over for newer ones of their key (--conflated).
  std::uint64_t torn = 0;
  std::uint64_t incomplete = 0;  // Now: streams that still lack something.
  Faults faults;
  Nanos last_delivery = 0;  // Monotonic clock.
  Nanos last_open = 0;
  Nanos cpu = 0;  // Of the thread.

  Counts& operator+=(const Counts& other);
};

class Worker final : private SseDecoder::Sink {
 public:
  Worker(Run& run, std::uint32_t number, std::uint32_t of);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  void join();

  // Any thread. Takes the latencies since the last call, in microseconds.
  Counts take(Histogram& latencies);
  // Deliveries so far. Any thread.
  [[nodiscard]] std::uint64_t deliveries() const { return deliveries_.load(std::memory_order_relaxed); }
  // Why streams failed, last of all; empty if none did. Any thread.
  [[nodiscard]] std::string last_problem() const;

 private:
  enum class Kind : std::uint8_t { normal, slow, stalled, half_open };
  enum class State : std::uint8_t { waiting, connecting, head, open, given_up };

  struct Stream {
    int fd = -1;
    std::uint32_t topic = 0;
    Kind kind = Kind::normal;
    State state = State::waiting;
    bool is_settled = false;
    bool has_event = false;
    bool was_open = false;  // At some time: a next opening is a reconnect.
    std::uint32_t retry_ms = 3000;
    AnswerReader answer;
    SseDecoder decoder{1 << 20};
    SequenceTally tally;
    std::unique_ptr<ConflatedTally> conflated;  // Counts in its place (--conflated).
    std::unique_ptr<TlsSession> tls;            // https
  };
  using Reopen = std::pair<Nanos, std::uint32_t>;

  static void* run_thread(void* self);
  void loop();
  void open_some(Nanos now);
  void open(std::uint32_t index);
  void send_request(Stream& stream);
  bool send(Stream& stream, std::string_view bytes);
  bool unseal(Stream& stream, std::string_view& bytes);
  void on_ready(Stream& stream, std::uint32_t events);
  void read(Stream& stream, std::size_t bytes_max, bool to_the_end);
  bool take_bytes(Stream& stream, std::string_view bytes);
  bool on_head(Stream& stream);
  void on_open(Stream& stream);
  void on_event(const DecodedEvent& event) noexcept override;
  void on_retry(std::uint64_t retry_ms) noexcept override;
  void on_closed(Stream& stream);
  void fail(Stream& stream, const std::string& what);
  [[nodiscard]] bool must_have_all(const Stream& stream) const;
  void begin_tally(Stream& stream);
  void count_sequence(Stream& stream, std::uint64_t sequence);
  void finish_tally(Stream& stream);
  void settle(Stream& stream);
  void drop(Stream& stream);
  void reopen_at(Stream& stream, Nanos moment);
  void churn(Nanos now);
  void storm();
  void read_slow(Nanos now);
  void count_incomplete();
  void publish_counts(Nanos now);
  [[nodiscard]] std::uint32_t index_of(const Stream& stream) const {
    return static_cast<std::uint32_t>(&stream - streams_.data());
  }
  [[nodiscard]] std::uint32_t number_of(std::uint32_t index) const { return index * worker_count_ + worker_; }

  Run& run_;
  const LoadOptions& options_;
  const std::uint32_t worker_;
  const std::uint32_t worker_count_;
  pthread_t thread_{};
  int epoll_ = -1;
  std::vector<Stream> streams_;
  std::vector<std::uint32_t> slow_;  // Indexes.
  std::vector<char> buffer_;
  std::string request_;
  std::string plain_;  // What was unsealed last.
  Prng prng_;

  Nanos started_ = 0;
  std::uint32_t started_count_ = 0;  // First attempts made.
  std::uint32_t under_way_ = 0;
  std::priority_queue<Reopen, std::vector<Reopen>, std::greater<>> reopens_;
  Nanos churned_at_ = 0;
  double churn_due_ = 0;
  std::uint32_t storms_seen_ = 0;
  Nanos slow_read_at_ = 0;
  Nanos published_at_ = 0;
  Nanos incomplete_at_ = 0;

  Stream* reading_ = nullptr;  // While its bytes are being decoded.
  Nanos received_at_ = 0;
  Counts counts_;
  Histogram latencies_;

  std::atomic<std::uint64_t> deliveries_{0};
  mutable std::mutex mutex_;  // For what other threads take.
  Counts shown_;
  Histogram shown_latencies_;
  std::string problem_;
};

}  // namespace broadside::tools::load
