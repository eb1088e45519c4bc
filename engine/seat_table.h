// Who has how many seats at once, and takes how many a second: connections by address, streams by subject. All shards share one
// table of each kind. Nobody loses a seat for somebody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/token_bucket.h"
#include "base/units.h"
#include "engine/usage_table.h"

namespace broadside {

class SeatTable;

struct SeatLimits {
  std::uint32_t seats_max = 0;    // At once; 0: no limit.
  BucketRate rate;                // That are taken.
  std::uint32_t refused_max = 0;  // Beyond either, at once: for who is told so, and then leaves.

  [[nodiscard]] bool is_any() const { return seats_max > 0 || rate.is_limit(); }
};

// One seat, given back when this goes. Outlived by its table.
class Seat {
 public:
  enum class Kind : std::uint8_t {
    none,     // There was none left, or nobody asked for one.
    held,     // One of those that the name may have.
    refused,  // One beyond: its holder is to be told so.
  };

  Seat() = default;
  Seat(SeatTable& table, std::string_view name, Kind kind) : table_(&table), name_(name), kind_(kind) {}
  Seat(Seat&& other) noexcept { *this = std::move(other); }
  Seat& operator=(Seat&& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(name_, other.name_);
    std::swap(kind_, other.kind_);
    return *this;
  }
  ~Seat();

  [[nodiscard]] Kind kind() const { return kind_; }

 private:
  SeatTable* table_ = nullptr;
  std::string name_;
  Kind kind_ = Kind::none;
};

class SeatTable {
 public:
  [[nodiscard]] Seat take(std::string_view name, const SeatLimits& limits, Nanos now);
  // Names that are known.
  [[nodiscard]] std::size_t size() const { return usages_.size(); }

 private:
  friend class Seat;
  struct Usage {
    std::uint32_t held = 0;
    std::uint32_t refused = 0;
    TokenBucket bucket;
    [[nodiscard]] bool is_held() const { return held > 0 || refused > 0; }
    [[nodiscard]] bool is_idle(Nanos now) const { return bucket.is_full(now); }
  };

  void give_back(std::string_view name, Seat::Kind kind);

  UsageTable<Usage> usages_;
};

}  // namespace broadside
