// Positions as text: formatting, parsing, and what counts as the form.
#include "proto/position.h"

#include <gtest/gtest.h>

#include "tests/support/guard_page.h"

namespace broadside {
namespace {

constexpr std::uint64_t kMillisecondsMax = (std::uint64_t{1} << 44) - 1;

TEST(Position, is_written_as_milliseconds_and_counter) {
  EXPECT_EQ(to_string(Position::of(0, 0)), "0-0");
  EXPECT_EQ(to_string(Position::of(1700000000123, 42)), "1700000000123-42");
  EXPECT_EQ(to_string(Position::of(kMillisecondsMax, Position::kCounterMax)), "17592186044415-1048575");
}

TEST(Position, comes_back_from_its_text) {
  for (const Position position : {Position::of(0, 0), Position::of(0, 1), Position::of(1700000000123, 1048575),
                                  Position::of(kMillisecondsMax, Position::kCounterMax)}) {
    const GuardedBytes text(to_string(position));
    EXPECT_EQ(parse_position(text.view()), position) << text.view();
    EXPECT_TRUE(is_position_form(text.view()));
  }
}

TEST(Position, is_refused_when_out_of_range_or_written_otherwise) {
  for (const char* text : {"17592186044416-0", "0-1048576", "99999999999999999999999-0", "0-99999999999999999999999", "00-0",
                           "0-00", "01-1", "1-01"}) {
    EXPECT_TRUE(is_position_form(text)) << text;
    EXPECT_FALSE(parse_position(text)) << text;
  }
}

TEST(Position, form_is_digits_hyphen_digits_and_nothing_else) {
  for (const char* text : {"", "-", "1", "1-", "-1", "1-2-3", " 1-2", "1-2 ", "+1-2", "1--2", "a-1", "1-a", "1_2", "0x1-2"}) {
    const GuardedBytes guarded(text);
    EXPECT_FALSE(is_position_form(guarded.view())) << text;
    EXPECT_FALSE(parse_position(guarded.view())) << text;
  }
  EXPECT_FALSE(is_position_form(std::string_view("1-2\0", 4)));
}

}  // namespace
}  // namespace broadside
