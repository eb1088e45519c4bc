// Deadlines of connections: a hashed wheel of ticks with lists through the connections themselves. One deadline a connection,
// nothing allocated, setting and clearing in constant time. A later deadline may simply be found not yet due and set again.
#pragma once

#include <array>
#include <cstdint>

#include "base/units.h"
#include "engine/connection.h"

namespace broadside {

constexpr Nanos kTick = 100 * kMillisecond;

// Whole ticks in `ms`, at least one.
constexpr std::uint32_t ticks_of_ms(std::uint64_t ms) {
  return static_cast<std::uint32_t>((ms + 99) / 100 == 0 ? 1 : (ms + 99) / 100);
}

class TimerWheel {
 public:
  explicit TimerWheel(ConnectionTable& table) : table_(table) { heads_.fill(kNone); }

  [[nodiscard]] std::uint32_t now() const { return now_; }
  void start(Nanos now) { origin_ = now; }
  // `ticks` from now, 1 or more; replaces the deadline it had.
  void set(Connection& connection, std::uint32_t ticks);
  void clear(Connection& connection);
  // Calls `due` for each connection whose deadline has come; it may set, clear and free any connection.
  template <typename Due>
  void advance(Nanos now, Due&& due) {
    while (origin_ + static_cast<Nanos>(now_) * kTick <= now) {  // now_ begins with 1: tick 1 is due one tick after the origin.
      ++now_;
      run_slot(due);
    }
  }
  // How long until the next tick.
  [[nodiscard]] Nanos until_tick(Nanos now) const {
    const Nanos next = origin_ + static_cast<Nanos>(now_) * kTick;
    return next > now ? next - now : 0;
  }

 private:
  static constexpr std::uint32_t kSlots = 512;
  static constexpr std::uint32_t kNone = UINT32_MAX;

  template <typename Due>
  void run_slot(Due&& due) {
    // Those not due for another round of the wheel go back; what `due` sets anew is later than now.
    std::uint32_t index = heads_[now_ % kSlots];
    heads_[now_ % kSlots] = kNone;
    due_.clear();
    for (; index != kNone; index = table_.at(index).timer_next) due_.push_back(index);
    for (const std::uint32_t each : due_) {
      Connection& connection = table_.at(each);
      connection.timer_previous = connection.timer_next = kNone;
    }
    for (const std::uint32_t each : due_) link_again(table_.at(each));
    for (const std::uint32_t each : due_) {
      Connection& connection = table_.at(each);
      if (connection.timer_tick != now_) continue;
      clear(connection);
      due(connection);
    }
  }
  void link_again(Connection& connection);

  ConnectionTable& table_;
  std::array<std::uint32_t, kSlots> heads_{};
  std::vector<std::uint32_t> due_;
  Nanos origin_ = 0;
  std::uint32_t now_ = 1;
};

}  // namespace broadside
