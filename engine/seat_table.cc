// See seat_table.h.
#include "engine/seat_table.h"

#include "base/assert.h"

namespace broadside {

Seat::~Seat() {
  if (kind_ != Kind::none) table_->give_back(name_, kind_);
}

Seat SeatTable::take(std::string_view name, const SeatLimits& limits, Nanos now) {
  const Seat::Kind kind = usages_.with(name, now, [&](Usage& usage) {
    const bool has_room = limits.seats_max == 0 || usage.held < limits.seats_max;
    if (has_room && usage.bucket.wait(1, limits.rate, now) == 0) {
      usage.bucket.take(1, limits.rate, now);
      ++usage.held;
      return Seat::Kind::held;
    }
    // Who is refused takes nothing off the rate: however often it tries, others of the name come in as before.
    if (usage.refused >= limits.refused_max) return Seat::Kind::none;
    ++usage.refused;
    return Seat::Kind::refused;
  });
  return kind == Seat::Kind::none ? Seat() : Seat(*this, name, kind);
}

void SeatTable::give_back(std::string_view name, Seat::Kind kind) {
  // Without a clock: an entry whose bucket has been used is left for a sweep.
  usages_.with(name, 0, [kind](Usage& usage) {
    std::uint32_t& count = kind == Seat::Kind::held ? usage.held : usage.refused;
    BROADSIDE_ASSERT(count > 0);
    return --count;
  });
}

}  // namespace broadside
