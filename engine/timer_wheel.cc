#include "engine/timer_wheel.h"

#include "base/assert.h"

namespace broadside {

void TimerWheel::link_again(Connection& connection) {
  std::uint32_t& head = heads_[connection.timer_tick % kSlots];
  connection.timer_previous = kNone;
  connection.timer_next = head;
  if (head != kNone) table_.at(head).timer_previous = connection.index;
  head = connection.index;
}

void TimerWheel::set(Connection& connection, std::uint32_t ticks) {
  BROADSIDE_ASSERT(ticks >= 1);
  clear(connection);
  connection.timer_tick = now_ + ticks;
  link_again(connection);
}

void TimerWheel::clear(Connection& connection) {
  if (connection.timer_tick == 0) return;
  if (connection.timer_previous == kNone) {
    heads_[connection.timer_tick % kSlots] = connection.timer_next;
  } else {
    table_.at(connection.timer_previous).timer_next = connection.timer_next;
  }
  if (connection.timer_next != kNone) table_.at(connection.timer_next).timer_previous = connection.timer_previous;
  connection.timer_tick = 0;
}

}  // namespace broadside
