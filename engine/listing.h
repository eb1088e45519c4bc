// Listings of connections and topics under way: what was asked for, and what has been gathered of it. Shards look through their
// connections a slice a turn, so that a listing of hundreds of thousands holds up no delivery.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broadside/engine.h"
#include "engine/connection.h"

namespace broadside {

constexpr std::uint32_t kListingsMax = 8;                  // At a time, of all kinds; one more is refused.
constexpr std::uint32_t kListingStepsPerTurn = 1024;       // Connections, and segments of those that lag, in one turn.
constexpr std::uint32_t kListingDescribedPerTurn = 64;     // Entries made out in full: with an address, names and places.
constexpr std::uint32_t kListingTopicsPerTurn = 256;       // Looked at under the store's lock.
constexpr std::size_t kListingTopicsOfConnectionMax = 16;  // Named in an entry; the others are counted.

// How far `subscription` is behind the head that its shard has seen. `steps` grows by the segments walked.
[[nodiscard]] Lag lag_of(const Subscription& subscription, std::uint64_t wall_ms, std::uint32_t& steps);
// Over all its topics: events and bytes add up, the age is the oldest's.
[[nodiscard]] Lag lag_of(Connection& connection, std::uint64_t wall_ms, std::uint32_t& steps);

// Listings order by age, and by bytes among those of the same age.
using TopKey = std::pair<std::uint64_t, std::uint64_t>;
[[nodiscard]] inline TopKey key_of(const Lag& lag) { return {lag.age_ms, lag.bytes}; }

// The `count_max` entries with the largest keys of all that were added. Invariant: a heap with the smallest at the front.
template <typename Entry>
class TopList {
 public:
  explicit TopList(std::size_t count_max) : count_max_(count_max) {}
  [[nodiscard]] bool takes(const TopKey& key) const { return entries_.size() < count_max_ || key > entries_.front().first; }
  void add(const TopKey& key, Entry entry) {
    if (!takes(key)) return;
    if (entries_.size() == count_max_) {
      std::pop_heap(entries_.begin(), entries_.end(), is_larger);
      entries_.pop_back();
    }
    entries_.emplace_back(key, std::move(entry));
    std::push_heap(entries_.begin(), entries_.end(), is_larger);
  }
  // Largest first; empty afterwards.
  [[nodiscard]] std::vector<std::pair<TopKey, Entry>> take() {
    std::sort_heap(entries_.begin(), entries_.end(), is_larger);
    return std::exchange(entries_, {});
  }

 private:
  static bool is_larger(const std::pair<TopKey, Entry>& a, const std::pair<TopKey, Entry>& b) { return a.first > b.first; }
  std::size_t count_max_;
  std::vector<std::pair<TopKey, Entry>> entries_;
};

// The topics with the largest lag of one of their subscribers, each once. A topic that was pushed out comes back with a larger
// lag: so the result is exact in whatever order lags are added.
class TopicLags {
 public:
  explicit TopicLags(std::size_t count_max) : count_max_(count_max) {}
  void add(std::string_view topic, const Lag& lag);
  [[nodiscard]] const std::vector<std::pair<std::string, Lag>>& entries() const { return entries_; }
  [[nodiscard]] std::vector<std::pair<std::string, Lag>> take_sorted();  // Largest first.

 private:
  std::size_t count_max_;
  std::vector<std::pair<std::string, Lag>> entries_;
};

// One listing. Handed from shard to shard (page, topics), or with all of them at once, which add their results under `mutex`.
// The last holder's release makes room for another listing.
struct Listing {
  enum class Kind : std::uint8_t {
    page,             // Connections in the order of their places.
    top_connections,  // By lag.
    top_lagging,      // Topics by the largest lag of a subscriber.
    top_topics,       // Topics by what the store knows of them.
  };

  Listing(Kind of_kind, std::size_t wanted, std::atomic<std::uint32_t>& of_running)
      : kind(of_kind), count(wanted), connections(wanted), lags(wanted), topics(wanted), running_(of_running) {}
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;
  ~Listing() { running_.fetch_sub(1, std::memory_order_relaxed); }

  const Kind kind;
  const std::size_t count;
  TopicOrder order = TopicOrder::lag;
  std::string topic;  // page: of subscribers of this one alone; empty = of all.
  ConnectionsSink on_connections;
  TopicsSink on_topics;

  std::mutex mutex;
  std::uint32_t shards_left = 1;
  ConnectionPage page;
  TopList<ConnectionInfo> connections;
  TopicLags lags;
  TopList<TopicInfo> topics;
  std::string after_topic;  // top_topics: how far the store has been looked through.

 private:
  std::atomic<std::uint32_t>& running_;
};

// A shard's part of a listing.
struct ListingTask {
  ListingTask(std::shared_ptr<Listing> of, std::uint32_t from)
      : listing(std::move(of)), place(from), top(listing->count), lags(listing->count) {}

  std::shared_ptr<Listing> listing;
  std::uint32_t place;  // In the table: the next to look at.
  TopList<std::pair<io::Token, Lag>> top;
  TopicLags lags;
  // top_connections, when all have been looked at: what is still to be made out in full.
  bool is_scanned = false;
  std::vector<std::pair<TopKey, std::pair<io::Token, Lag>>> found;
  std::size_t described = 0;
};

}  // namespace broadside
