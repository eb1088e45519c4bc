// One log alone: retention at its exact limits, own ids, and finding places over many segments, against a plain list of frames.
#include "engine/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "engine/topic.h"
#include "tests/support/deadline.h"

namespace broadside {
namespace {

constexpr Retention kForever{.events_max = UINT64_MAX, .bytes_max = UINT64_MAX, .age_max_ms = UINT64_MAX};

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override {
    for (Segment* segment = log_.first_segment(); segment != nullptr;) {
      Segment* next = segment->next;
      segment->release();
      segment = next;
    }
  }

  // A frame of exactly `bytes` bytes with an id line; returns its text.
  std::string append(Position position, std::size_t bytes, const std::string& own_id = {}) {
    const std::string id_line = "id: " + (own_id.empty() ? "x" : own_id) + "\n";
    const std::string body(bytes - id_line.size(), static_cast<char>('a' + position.packed % 26));
    Segment* made = nullptr;
    EXPECT_TRUE(log_.reserve(&topic_, bytes, made));
    log_.append(position, id_line, body, own_id);
    return id_line + body;
  }
  // All that a resume from `cursor` would read.
  std::string read_from(Cursor cursor) const {
    std::string text;
    for (const Segment* segment = log_.first_segment(); segment != nullptr; segment = segment->next) {
      if (segment->sequence() < cursor.segment) continue;
      const std::uint32_t frame = segment->sequence() == cursor.segment ? cursor.frame : 0;
      const std::uint32_t begin = segment->frame_begin(frame);
      text.append(segment->bytes() + begin, segment->used_bytes() - begin);
    }
    return text;
  }
  std::uint32_t segments() const {
    std::uint32_t count = 0;
    for (const Segment* segment = log_.first_segment(); segment != nullptr; segment = segment->next) ++count;
    return count;
  }
  void drop_forgotten() {
    while (log_.is_first_forgotten()) log_.take_first()->release();
  }

  Topic topic_{"t"};
  Log log_;
};

TEST_F(LogTest, is_empty_at_first) {
  EXPECT_EQ(log_.head(), (Cursor{0, 0}));
  EXPECT_EQ(log_.find_after(Position{}), log_.head());
  EXPECT_EQ(log_.events(), 0U);
  Position position;
  EXPECT_FALSE(log_.find_id("x", position));
  EXPECT_FALSE(log_.is_first_forgotten());
  log_.forget(Retention{.events_max = 0, .bytes_max = 0, .age_max_ms = 0}, 1000);
}

TEST_F(LogTest, finds_every_position_over_many_segments) {
  const std::uint64_t seed = test::test_seed();
  Prng prng(seed);
  std::vector<std::pair<Position, std::string>> frames;
  std::uint64_t packed = 100;
  for (int i = 0; i < 3000; ++i) {
    packed += 1 + prng.below(3);
    frames.emplace_back(Position{packed}, append(Position{packed}, 10 + prng.below(300)));
  }
  EXPECT_GT(segments(), 10U);
  std::size_t from = 0;
  std::string expected;
  for (const auto& [position, text] : frames) expected += text;
  std::size_t skipped = 0;
  for (std::uint64_t after = 98; after <= packed + 2; ++after) {
    while (from < frames.size() && frames[from].first.packed <= after) skipped += frames[from++].second.size();
    const Cursor found = log_.find_after(Position{after});
    if (after % 97 == 0 || from == frames.size() || from == 0) {
      ASSERT_EQ(read_from(found), expected.substr(skipped)) << "after " << after << " seed " << seed;
    }
    if (from < frames.size()) {
      ASSERT_EQ(log_.position_at(found), frames[from].first);
    }
  }
}

TEST_F(LogTest, keeps_exactly_as_many_events_as_the_bound_says) {
  Retention retention = kForever;
  retention.events_max = 10;
  for (std::uint64_t i = 1; i <= 10; ++i) {
    append(Position{i}, 30);
    log_.forget(retention, 0);
  }
  EXPECT_EQ(log_.events(), 10U);
  EXPECT_EQ(log_.floor(), Position{});
  append(Position{11}, 30);
  log_.forget(retention, 0);
  EXPECT_EQ(log_.events(), 10U);
  EXPECT_EQ(log_.floor(), Position{1});
  EXPECT_EQ(log_.position_at(log_.find_after(Position{})), Position{2});
}

TEST_F(LogTest, keeps_exactly_as_many_bytes_as_the_bound_says) {
  Retention retention = kForever;
  retention.bytes_max = 300;
  for (std::uint64_t i = 1; i <= 3; ++i) append(Position{i}, 100);
  log_.forget(retention, 0);
  EXPECT_EQ(log_.event_bytes(), 300U);
  EXPECT_EQ(log_.events(), 3U);
  append(Position{4}, 10);
  log_.forget(retention, 0);
  EXPECT_EQ(log_.events(), 3U);
  EXPECT_EQ(log_.event_bytes(), 210U);
  EXPECT_EQ(log_.floor(), Position{1});
}

TEST_F(LogTest, keeps_the_newest_frame_even_if_it_alone_is_larger_than_the_byte_bound) {
  Retention retention = kForever;
  retention.bytes_max = 50;
  append(Position{1}, 20);
  const std::string newest = append(Position{2}, 500);
  log_.forget(retention, 0);
  EXPECT_EQ(log_.events(), 1U);
  EXPECT_EQ(read_from(log_.find_after(Position{})), newest);
}

TEST_F(LogTest, forgets_by_age_at_the_exact_millisecond) {
  Retention retention = kForever;
  retention.age_max_ms = 100;
  append(Position::of(1000, 5), 30);
  append(Position::of(1001, 0), 30);
  log_.forget(retention, 1100);
  EXPECT_EQ(log_.events(), 2U);
  log_.forget(retention, 1101);
  EXPECT_EQ(log_.events(), 1U);
  EXPECT_EQ(log_.floor(), Position::of(1000, 5));
  log_.forget(retention, 1102);
  EXPECT_EQ(log_.events(), 0U);
}

TEST_F(LogTest, goes_on_after_it_has_forgotten_everything) {
  Retention none = kForever;
  none.events_max = 0;
  for (std::uint64_t i = 1; i <= 20; ++i) append(Position{i}, 50);
  log_.forget(none, 0);
  EXPECT_EQ(log_.events(), 0U);
  EXPECT_EQ(log_.event_bytes(), 0U);
  EXPECT_EQ(log_.find_after(Position{}), log_.head());
  // The last segment still has room: the next frame goes into it, behind what is forgotten.
  const std::string kept = append(Position{21}, 50);
  EXPECT_EQ(log_.events(), 1U);
  EXPECT_EQ(read_from(log_.find_after(Position{})), kept);
  EXPECT_EQ(log_.position_at(log_.find_after(Position{3})), Position{21});
  log_.forget(none, 0);
  const std::uint32_t sequence_before = log_.head().segment;
  drop_forgotten();
  EXPECT_EQ(log_.first_segment(), nullptr);
  EXPECT_EQ(log_.frame_bytes(), 0U);
  EXPECT_EQ(log_.head(), (Cursor{sequence_before + 1, 0}));
  EXPECT_EQ(log_.newest(), Position{21});
  EXPECT_EQ(log_.floor(), Position{21});
  const std::string again = append(Position{22}, 50);
  EXPECT_EQ(log_.first_sequence(), sequence_before + 1);
  EXPECT_EQ(read_from(log_.find_after(Position{})), again);
  EXPECT_EQ(read_from(log_.find_after(Position{21})), again);
  EXPECT_EQ(log_.find_after(Position{22}), log_.head());
}

TEST_F(LogTest, knows_own_ids_exactly_as_long_as_their_frames) {
  Retention retention = kForever;
  retention.events_max = 5;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    append(Position{i}, 30, i % 2 == 0 ? "own " + std::to_string(i) : "");
    log_.forget(retention, 0);
    for (std::uint64_t old = 1; old <= i; ++old) {
      Position found;
      const bool is_held = old % 2 == 0 && old + 5 > i;
      ASSERT_EQ(log_.find_id("own " + std::to_string(old), found), is_held) << old << " at " << i;
      if (is_held) {
        EXPECT_EQ(found, Position{old});
      }
    }
    drop_forgotten();
  }
}

TEST_F(LogTest, gives_the_newest_position_of_an_id_used_twice) {
  Retention retention = kForever;
  append(Position{1}, 30, "same");
  append(Position{2}, 30, "same");
  Position found;
  ASSERT_TRUE(log_.find_id("same", found));
  EXPECT_EQ(found, Position{2});
  retention.events_max = 1;
  log_.forget(retention, 0);
  ASSERT_TRUE(log_.find_id("same", found));
  EXPECT_EQ(found, Position{2});
  retention.events_max = 0;
  log_.forget(retention, 0);
  EXPECT_FALSE(log_.find_id("same", found));
}

TEST_F(LogTest, begins_a_segment_of_its_own_behind_an_end) {
  append(Position{1}, 30);
  append(Position{2}, 20);
  log_.mark_ended();
  const Cursor head = log_.head();
  const std::uint32_t segments_before = segments();
  const std::string after = append(Position{3}, 10);
  EXPECT_EQ(segments(), segments_before + 1);
  EXPECT_FALSE(log_.last_segment()->ends_topic);
  EXPECT_EQ(read_from(head), after);
  EXPECT_EQ(log_.find_after(Position{2}), head);
}

TEST_F(LogTest, forgets_whole_segments_and_stops_there) {
  for (std::uint64_t i = 1; i <= 200; ++i) append(Position{i}, 40, i == 1 ? "first" : "");
  ASSERT_GT(segments(), 3U);
  const Position last = log_.first_segment()->last_position();
  log_.forget_segment(*log_.first_segment());
  EXPECT_TRUE(log_.is_first_forgotten());
  EXPECT_EQ(log_.floor(), last);
  Position found;
  EXPECT_FALSE(log_.find_id("first", found));
  log_.take_first()->release();
  EXPECT_FALSE(log_.is_first_forgotten());
  EXPECT_EQ(log_.position_at(log_.find_after(Position{})), last.after());
  EXPECT_EQ(log_.events(), 200 - last.packed);
  EXPECT_EQ(log_.event_bytes(), log_.frame_bytes());
}

TEST_F(LogTest, says_what_a_reservation_would_cost) {
  for (std::uint64_t i = 1; i <= 500; ++i) {
    const std::size_t cost = log_.reserve_cost(100);
    Segment* made = nullptr;
    ASSERT_TRUE(log_.reserve(&topic_, 100, made));
    EXPECT_EQ(cost, made == nullptr ? 0U : Segment::allocation_bytes(made->payload_bytes()));
    log_.append(Position{i}, "id: x\n", std::string(94, 'b'), {});
  }
}

TEST_F(LogTest, holds_a_frame_larger_than_any_segment) {
  append(Position{1}, 30);
  const std::string large = append(Position{2}, 3 << 20);
  append(Position{3}, 30);
  EXPECT_EQ(read_from(log_.find_after(Position{1})).substr(0, large.size()), large);
}

TEST_F(LogTest, agrees_with_a_list_over_random_appends_and_bounds) {
  const std::uint64_t seed = test::test_seed();
  Prng prng(seed);
  struct Frame {
    Position position;
    std::string text;
  };
  std::vector<Frame> model;
  std::uint64_t now_ms = 1000;
  Position floor;
  for (int step = 0; step < 5000; ++step) {
    now_ms += prng.below(3);
    const Position newest = model.empty() ? std::max(log_.newest(), floor) : model.back().position;
    const Position position = std::max(Position::of(now_ms, 0), newest.after());
    model.push_back(Frame{position, append(position, 10 + prng.below(prng.below(20) == 0 ? 5000 : 200))});
    const Retention retention{.events_max = prng.below(60), .bytes_max = prng.below(8000), .age_max_ms = prng.below(100)};
    log_.forget(retention, now_ms);
    std::uint64_t bytes = 0;
    for (const Frame& frame : model) bytes += frame.text.size();
    while (!model.empty() && (model.size() > retention.events_max || (bytes > retention.bytes_max && model.size() > 1) ||
                              model.front().position.milliseconds() + retention.age_max_ms < now_ms)) {
      bytes -= model.front().text.size();
      floor = model.front().position;
      model.erase(model.begin());
    }
    if (prng.below(2) == 0) drop_forgotten();
    ASSERT_EQ(log_.events(), model.size()) << "seed " << seed << " step " << step;
    ASSERT_EQ(log_.event_bytes(), bytes);
    ASSERT_EQ(log_.floor(), floor);
    const std::size_t from = prng.below(model.size() + 1);
    std::string expected;
    for (std::size_t i = from; i < model.size(); ++i) expected += model[i].text;
    const Position after = from == 0 ? Position{prng.below(floor.packed + 1)} : model[from - 1].position;
    ASSERT_EQ(read_from(log_.find_after(after)), expected) << "seed " << seed << " step " << step;
  }
}

}  // namespace
}  // namespace broadside
