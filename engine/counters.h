// A shard's counters: written by its thread alone, read by anyone. No read-modify-write, no lock, no shared line with others.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/units.h"
#include "broadside/stats.h"

namespace broadside {

class Counter {
 public:
  void add(std::uint64_t count = 1) { value_.store(get() + count, std::memory_order_relaxed); }
  void subtract(std::uint64_t count = 1) { value_.store(get() - count, std::memory_order_relaxed); }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Counters indexed by the enumerators of `Reason`.
template <typename Reason, std::size_t kCount>
class ReasonCounters {
 public:
  void add(Reason reason) { counts_[static_cast<std::size_t>(reason)].add(); }
  [[nodiscard]] std::array<std::uint64_t, kCount> snapshot() const {
    std::array<std::uint64_t, kCount> out{};
    for (std::size_t i = 0; i < kCount; ++i) out[i] = counts_[i].get();
    return out;
  }

 private:
  std::array<Counter, kCount> counts_;
};

// A histogram with the buckets of DurationStats.
class DurationCounter {
 public:
  // A negative duration counts as none: clocks of two threads may be read in another order than they were asked for.
  void add(Nanos duration) {
    const auto ns = static_cast<std::uint64_t>(std::max<Nanos>(duration, 0));
    const auto bound = std::lower_bound(DurationStats::kBoundsNs.begin(), DurationStats::kBoundsNs.end(), ns);
    counts_[static_cast<std::size_t>(bound - DurationStats::kBoundsNs.begin())].add();
    sum_ns_.add(ns);
  }
  [[nodiscard]] DurationStats snapshot() const {
    DurationStats stats;
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) stats.counts[bucket] = counts_[bucket].get();
    stats.sum_ns = sum_ns_.get();
    return stats;
  }

 private:
  std::array<Counter, DurationStats::kBoundsNs.size() + 1> counts_;
  Counter sum_ns_;
};

// What each means stands at ShardStats.
struct alignas(64) ShardCounters {
  Counter accepts, accepts_paused, connections, subscribers, subscribers_blocked, subscribes;
  Counter requests, deliveries, bytes_sent, sends, sends_short, heartbeats, gaps, skips, events_skipped, soft_lags, last_turn_ms,
      busy_ns;
  Counter handshakes, handshakes_failed, transports;
  Counter lag_events_max, lag_bytes_max, lag_age_ms_max, subscribers_lagging, subscribers_soft_lagging;
  ReasonCounters<CloseReason, kCloseReasonNames.size()> closes;
  ReasonCounters<RefusalReason, kRefusalReasonNames.size()> refusals;
  DurationCounter turns, first_writes, last_writes;

  [[nodiscard]] ShardStats snapshot() const {
    return ShardStats{
        .accepts = accepts.get(),
        .accepts_paused = accepts_paused.get(),
        .connections = connections.get(),
        .subscribers = subscribers.get(),
        .subscribers_blocked = subscribers_blocked.get(),
        .subscribes = subscribes.get(),
        .requests = requests.get(),
        .handshakes = handshakes.get(),
        .handshakes_failed = handshakes_failed.get(),
        .transports = transports.get(),
        .deliveries = deliveries.get(),
        .bytes_sent = bytes_sent.get(),
        .sends = sends.get(),
        .sends_short = sends_short.get(),
        .heartbeats = heartbeats.get(),
        .gaps = gaps.get(),
        .skips = skips.get(),
        .events_skipped = events_skipped.get(),
        .soft_lags = soft_lags.get(),
        .closes = closes.snapshot(),
        .refusals = refusals.snapshot(),
        .last_turn_ms = last_turn_ms.get(),
        .busy_ns = busy_ns.get(),
        .turns = turns.snapshot(),
        .first_writes = first_writes.snapshot(),
        .last_writes = last_writes.snapshot(),
        .lag_max = Lag{.events = lag_events_max.get(), .bytes = lag_bytes_max.get(), .age_ms = lag_age_ms_max.get()},
        .subscribers_lagging = subscribers_lagging.get(),
        .subscribers_soft_lagging = subscribers_soft_lagging.get()};
  }
};

}  // namespace broadside
