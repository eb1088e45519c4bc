// Seats by name: how many at once and a second, who is told that there is none, and that nothing is left behind.
#include "engine/seat_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace broadside {
namespace {

using Kind = Seat::Kind;

constexpr SeatLimits kTwo{.seats_max = 2, .refused_max = 1};
constexpr SeatLimits kRated{.rate = {.per_second = 10, .burst = 3}, .refused_max = 1};

TEST(SeatTable, gives_so_many_seats_and_no_more) {
  SeatTable table;
  const Seat one = table.take("a", kTwo, 0);
  const Seat two = table.take("a", kTwo, 0);
  const Seat over = table.take("a", kTwo, 0);
  const Seat beyond = table.take("a", kTwo, 0);
  EXPECT_EQ(one.kind(), Kind::held);
  EXPECT_EQ(two.kind(), Kind::held);
  EXPECT_EQ(over.kind(), Kind::refused);
  EXPECT_EQ(beyond.kind(), Kind::none);
  EXPECT_EQ(table.take("b", kTwo, 0).kind(), Kind::held) << "each name has its own";
}

TEST(SeatTable, gives_a_seat_again_that_has_been_given_back) {
  SeatTable table;
  Seat one = table.take("a", kTwo, 0);
  const Seat two = table.take("a", kTwo, 0);
  Seat over = table.take("a", kTwo, 0);
  over = Seat();
  EXPECT_EQ(table.take("a", kTwo, 0).kind(), Kind::refused) << "who was refused had none";
  one = Seat();
  EXPECT_EQ(table.take("a", kTwo, 0).kind(), Kind::held);
}

TEST(SeatTable, counts_a_seat_that_moves_once) {
  SeatTable table;
  Seat one = table.take("a", kTwo, 0);
  Seat moved = std::move(one);
  Seat again;
  again = std::move(moved);
  EXPECT_EQ(again.kind(), Kind::held);
  EXPECT_EQ(table.size(), 1U);
  again = Seat();
  EXPECT_EQ(table.size(), 0U);
}

TEST(SeatTable, forgets_a_name_with_its_last_seat) {
  SeatTable table;
  {
    const Seat one = table.take("a", kTwo, 0);
    const Seat two = table.take("b", kTwo, 0);
    EXPECT_EQ(table.size(), 2U);
  }
  EXPECT_EQ(table.size(), 0U);
}

TEST(SeatTable, gives_so_many_a_second_whether_or_not_they_come_back) {
  SeatTable table;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(table.take("a", kRated, kSecond).kind(), Kind::held);
  EXPECT_EQ(table.take("a", kRated, kSecond).kind(), Kind::refused);
  EXPECT_EQ(table.take("a", kRated, kSecond + kSecond / 10).kind(), Kind::held);
  EXPECT_EQ(table.take("a", kRated, kSecond + kSecond / 10).kind(), Kind::refused);
}

TEST(SeatTable, takes_nothing_off_the_rate_for_who_is_refused) {
  SeatTable table;
  for (int i = 0; i < 100; ++i) static_cast<void>(table.take("a", kRated, kSecond));
  EXPECT_EQ(table.take("a", kRated, kSecond + kSecond / 10).kind(), Kind::held);
}

TEST(SeatTable, forgets_names_whose_rate_has_recovered_as_others_come) {
  SeatTable table;
  for (int i = 0; i < 100'000; ++i) {
    static_cast<void>(table.take("name " + std::to_string(i), kRated, i * kSecond / 100));
  }
  // At any moment ten have taken something within the last tenth of a second.
  EXPECT_LT(table.size(), 5'000U);
}

TEST(SeatTable, is_bounded_when_very_many_come_at_once_and_keeps_who_has_a_seat) {
  SeatTable table;
  const Seat kept = table.take("kept", {.seats_max = 1}, 0);
  for (int i = 0; i < 400'000; ++i) static_cast<void>(table.take("name " + std::to_string(i), kRated, kSecond));
  EXPECT_LT(table.size(), 300'000U);
  EXPECT_EQ(table.take("kept", {.seats_max = 1}, kSecond).kind(), Kind::none);
}

TEST(SeatTable, counts_right_when_many_threads_take_and_give_back) {
  SeatTable table;
  constexpr SeatLimits kFour{.seats_max = 4};
  std::atomic<int> held = 0;
  std::atomic<bool> was_over = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5'000; ++round) {
        std::vector<Seat> seats;
        for (int each = 0; each < 3; ++each) {
          seats.push_back(table.take("a", kFour, 0));
          if (seats.back().kind() == Kind::held && ++held > 4) was_over = true;
        }
        for (const Seat& seat : seats) held -= seat.kind() == Kind::held ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(was_over);
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace broadside
