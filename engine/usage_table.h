// What each of very many names uses, shared by all threads: an entry comes with a name's first use and goes when there is nothing
// left to remember. In parts with a lock each, so that shards seldom wait for each other.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/units.h"

namespace broadside {

// `Usage` has is_held() (it must not be forgotten) and is_idle(now) (it may: a new one would be the same).
template <typename Usage>
class UsageTable {
 public:
  // Of one part; beyond it all that is not held is forgotten, so that no flood of names takes memory.
  static constexpr std::size_t kForgetAbove = 8192;

  // What `use` makes of the name's entry, under its lock. It must not come back to the table.
  template <typename Use>
  auto with(std::string_view name, Nanos now, Use&& use) {
    Part& part = part_of(name);
    const std::lock_guard lock(part.mutex);
    auto entry = part.usages.find(name);
    if (entry == part.usages.end()) {
      if (part.usages.size() >= part.sweep_at) sweep(part, now);
      entry = part.usages.emplace(name, Usage{}).first;
    }
    const auto made = std::forward<Use>(use)(entry->second);
    if (is_over(entry->second, now)) part.usages.erase(entry);
    return made;
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t size = 0;
    for (const Part& part : parts_) {
      const std::lock_guard lock(part.mutex);
      size += part.usages.size();
    }
    return size;
  }

 private:
  static constexpr std::size_t kParts = 32;
  static constexpr std::size_t kSweepAtMin = 64;

  // Sorted, not hashed: strangers choose the names, and could make hashes collide.
  struct Part {
    mutable std::mutex mutex;
    std::map<std::string, Usage, std::less<>> usages;
    std::size_t sweep_at = kSweepAtMin;
  };

  [[nodiscard]] static bool is_over(const Usage& usage, Nanos now) { return !usage.is_held() && usage.is_idle(now); }
  [[nodiscard]] Part& part_of(std::string_view name) { return parts_[std::hash<std::string_view>()(name) % kParts]; }

  // Each entry is looked at about once for each that comes.
  static void sweep(Part& part, Nanos now) {
    std::erase_if(part.usages, [now](const auto& entry) { return is_over(entry.second, now); });
    if (part.usages.size() >= kForgetAbove) std::erase_if(part.usages, [](const auto& entry) { return !entry.second.is_held(); });
    part.sweep_at = std::max(kSweepAtMin, 2 * part.usages.size());
  }

  std::array<Part, kParts> parts_;
};

}  // namespace broadside
