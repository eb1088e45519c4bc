// Publishes on one connection by a schedule that does not wait for the server: an event that could not be sent when it was due
// keeps its due time, from which its latency counts. Runs in a thread of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"
#include "base/units.h"
#include "tools/load/answer_reader.h"
#include "tools/load/options.h"
#include "tools/load/worker.h"

namespace broadside::tools::load {

// What one event cost the server, while nothing else happened.
struct EventCost {
  Nanos server_cpu = 0;
  Nanos client_cpu = 0;
  Nanos took = 0;  // From before the publish to the last delivery.
};

struct PublisherResult {
  std::uint64_t events = 0;
  std::uint64_t answered = 0;  // With 2xx.
  std::uint64_t failed = 0;    // With anything else, or not at all.
  Nanos last_due = 0;
  Histogram answers;  // From due to answered, microseconds; measured events alone.
  std::vector<EventCost> costs;
  std::string problem;  // The last failure.
};

class Publisher {
 public:
  // Says how many deliveries there have been, of all workers together.
  using Deliveries = std::uint64_t (*)(void* context);

  Publisher(Run& run, const SocketAddress& server, Deliveries deliveries, void* context);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Publishes from `begin` until `end`, then waits for the last answers. Returns earlier when the run is stopped.
  void publish(Nanos begin, Nanos end);
  [[nodiscard]] const PublisherResult& result() const { return result_; }

 private:
  // An event whose cost is being taken: from before it is sent until a moment after its last delivery.
  struct Costing {
    bool is_under_way = false;
    Nanos began = 0;
    Nanos server_before = 0;
    Nanos client_before = 0;
    Nanos client_after = 0;
    std::uint64_t deliveries_wanted = 0;
    Nanos delivered_at = 0;  // 0: not yet.
  };

  [[nodiscard]] Nanos due_of(std::uint64_t event) const;
  [[nodiscard]] bool takes_costs() const;
  void add_due(Nanos now, Nanos end);
  void add_event(Nanos due);
  bool connect();
  void send_some();
  void receive_some();
  void on_answer();
  void lose_connection(const std::string& why);
  void wait(Nanos until);
  void begin_cost(Nanos now);
  void follow_cost(Nanos now);

  Run& run_;
  const LoadOptions& options_;
  const SocketAddress server_;
  const Deliveries deliveries_;
  void* const context_;
  int fd_ = -1;
  Nanos connect_after_ = 0;
  Nanos begin_ = 0;
  std::uint64_t next_event_ = 0;
  std::string out_;
  std::size_t out_sent_ = 0;
  std::deque<Nanos> under_way_;  // Due times of what has no answer yet.
  AnswerReader answer_;
  std::vector<char> buffer_;
  Costing costing_;
  PublisherResult result_;
};

}  // namespace broadside::tools::load
