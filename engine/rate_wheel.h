// When rated subscribers may be visited again: cohorts of those that are due in the same hundredth of a second, in a wheel of
// their own, finer than that of the deadlines. A place in it is only a reminder: whoever is called looks whether it is really
// due.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/units.h"
#include "engine/io/io.h"

namespace broadside {

class RateWheel {
 public:
  static constexpr Nanos kStep = 10 * kMillisecond;
  static constexpr std::uint32_t kStepsPerSecond = kSecond / kStep;

  void start(Nanos now) { origin_ = now; }
  // The step that ends at `now` or next.
  [[nodiscard]] std::uint64_t step_at(Nanos now) const { return static_cast<std::uint64_t>((now - origin_ + kStep - 1) / kStep); }
  // The last step that is over.
  [[nodiscard]] std::uint64_t reached_at(Nanos now) const { return static_cast<std::uint64_t>((now - origin_) / kStep); }
  // Reminds of `token` at `step`, or at the last that the wheel reaches if that is earlier. Requires: later than advance() has
  // come.
  void add(std::uint64_t step, io::Token token) {
    const std::uint64_t slot = step - now_ < kSlots ? step : now_ + kSlots - 1;
    slots_[slot % kSlots].push_back(token);
    ++count_;
  }
  // Calls `due` for each whose step has come; it may add.
  template <typename Due>
  void advance(Nanos now, Due&& due) {
    const std::uint64_t reached = reached_at(now);
    for (; now_ < reached; ++now_) {
      if (count_ == 0) {
        now_ = reached;
        return;
      }
      std::vector<io::Token>& slot = slots_[(now_ + 1) % kSlots];
      count_ -= slot.size();
      due_.swap(slot);
      slot.clear();
      // What is added meanwhile belongs behind this step.
      for (const io::Token token : due_) due(now_ + 1, token);
      due_.clear();
    }
  }
  // Until the next step that somebody waits for; `longest` if there is none before.
  [[nodiscard]] Nanos until_due(Nanos now, Nanos longest) const {
    if (count_ == 0) return longest;
    for (std::uint64_t step = now_ + 1; step < now_ + kSlots; ++step) {
      const Nanos until = origin_ + static_cast<Nanos>(step) * kStep - now;
      if (until >= longest) return longest;
      if (!slots_[step % kSlots].empty()) return until > 0 ? until : 0;
    }
    return longest;
  }

 private:
  static constexpr std::uint32_t kSlots = 256;

  std::array<std::vector<io::Token>, kSlots> slots_;
  std::vector<io::Token> due_;
  std::size_t count_ = 0;
  Nanos origin_ = 0;
  std::uint64_t now_ = 0;  // All steps up to here have been called.
};

}  // namespace broadside
