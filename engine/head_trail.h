// Where a topic's head stood in the last second or so, by tick. A rated subscriber that was visited within that time has been
// offered what was there then: so the log knows how long to wait for those that wait for their next visit, without asking them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "broadside/position.h"

namespace broadside {

class HeadTrail {
 public:
  static constexpr std::uint32_t kTicks = 12;  // More than a second: visits come late by a turn or two.

  explicit HeadTrail(Position head) { entries_[0].head = head; }

  // The head has come to `head`.
  void note(std::uint32_t tick, Position head) {
    if (entries_[last_].tick != tick) last_ = (last_ + 1) % entries_.size();
    entries_[last_] = Entry{.tick = tick, .head = head};
  }
  // Everything up to here was there kTicks ago.
  [[nodiscard]] Position passed(std::uint32_t tick) const {
    Position passed;
    for (const Entry& entry : entries_) {
      if (entry.tick + kTicks <= tick && entry.head > passed) passed = entry.head;
    }
    return passed;
  }

 private:
  struct Entry {
    std::uint32_t tick = 0;
    Position head;
  };
  std::array<Entry, kTicks + 2> entries_{};
  std::size_t last_ = 0;
};

}  // namespace broadside
