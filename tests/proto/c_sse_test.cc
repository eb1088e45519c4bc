// The codec through the C API. What it encodes and decodes is tested with the C++ one; here, that all of it comes through.
#include "broadside/c_sse.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace broadside {
namespace {

std::string text_of(broadside_slice slice) { return slice.size == 0 ? "" : std::string(slice.data, slice.size); }
broadside_slice slice_from(std::string_view text) { return {.data = text.data(), .size = text.size()}; }

class CSseTest : public ::testing::Test {
 protected:
  CSseTest() {
    broadside_sse_sink_init(&sink_);
    sink_.user = this;
    sink_.on_event = [](void* user, const broadside_sse_event* event) noexcept {
      EXPECT_EQ(event->size, sizeof *event);
      static_cast<CSseTest*>(user)->told_.push_back(text_of(event->type) + ": " + text_of(event->data) + " #" +
                                                    text_of(event->last_event_id));
    };
    sink_.on_retry = [](void* user, std::uint64_t retry_ms) noexcept {
      static_cast<CSseTest*>(user)->told_.push_back("retry " + std::to_string(retry_ms));
    };
    sink_.on_comment = [](void* user, broadside_slice text) noexcept {
      static_cast<CSseTest*>(user)->told_.push_back("comment" + text_of(text));
    };
  }
  ~CSseTest() override { broadside_sse_decoder_destroy(decoder_); }

  void create(std::size_t bytes_max = 0) { ASSERT_EQ(broadside_sse_decoder_create(bytes_max, &decoder_, &error_), BROADSIDE_OK); }
  broadside_status feed(std::string_view bytes) {
    return broadside_sse_decoder_feed(decoder_, slice_from(bytes), &sink_, &error_);
  }
  std::string last_event_id() { return text_of(broadside_sse_decoder_last_event_id(decoder_)); }

  broadside_sse_decoder* decoder_ = nullptr;
  broadside_sse_sink sink_;
  broadside_error error_{};
  std::vector<std::string> told_;
};

TEST_F(CSseTest, what_is_written_is_read_again) {
  broadside_event event;
  broadside_event_init(&event);
  event.data = broadside_text("two\nlines");
  event.type = broadside_text("note");
  event.id = broadside_text("7");
  event.retry_ms = 50;
  event.has_retry = true;
  char buffer[200];
  std::size_t written = 0;
  std::string stream;
  ASSERT_EQ(broadside_sse_write_event(&event, buffer, sizeof buffer, &written, &error_), BROADSIDE_OK) << error_.message;
  stream.append(buffer, written);
  EXPECT_EQ(stream, "id: 7\nevent: note\nretry: 50\ndata: two\ndata: lines\n\n");
  ASSERT_EQ(broadside_sse_write_retry(60, buffer, sizeof buffer, &written, &error_), BROADSIDE_OK);
  stream.append(buffer, written);
  ASSERT_EQ(broadside_sse_write_comment(broadside_text("hello"), buffer, sizeof buffer, &written, &error_), BROADSIDE_OK);
  stream.append(buffer, written);
  create();
  for (const char& byte : stream) ASSERT_EQ(feed({&byte, 1}), BROADSIDE_OK);
  EXPECT_EQ(told_, (std::vector<std::string>{"retry 50", "note: two\nlines #7", "retry 60", "comment" + told_.back().substr(7)}));
  EXPECT_NE(told_.back().find("hello"), std::string::npos);
  EXPECT_EQ(last_event_id(), "7");
}

TEST_F(CSseTest, a_buffer_that_is_too_small_is_left_alone_and_told_what_is_needed) {
  broadside_event event;
  broadside_event_init(&event);
  event.data = broadside_text("x");
  std::size_t needed = 0;
  EXPECT_EQ(broadside_sse_write_event(&event, nullptr, 0, &needed, &error_), BROADSIDE_TOO_LARGE);
  EXPECT_EQ(needed, std::strlen("data: x\n\n"));
  std::string buffer(needed, '-');
  EXPECT_EQ(broadside_sse_write_event(&event, buffer.data(), needed - 1, nullptr, &error_), BROADSIDE_TOO_LARGE);
  EXPECT_EQ(buffer, std::string(needed, '-'));
  EXPECT_EQ(broadside_sse_write_event(&event, buffer.data(), needed, nullptr, &error_), BROADSIDE_OK);
  EXPECT_EQ(buffer, "data: x\n\n");
}

TEST_F(CSseTest, a_new_stream_goes_on_behind_the_last_id_or_another) {
  create();
  ASSERT_EQ(feed("id: 1\ndata: a\n\nid: 2\ndata: cut"), BROADSIDE_OK);
  ASSERT_EQ(broadside_sse_decoder_restart(decoder_, &error_), BROADSIDE_OK);
  EXPECT_EQ(last_event_id(), "1");
  ASSERT_EQ(feed("data: b\n\n"), BROADSIDE_OK);
  ASSERT_EQ(broadside_sse_decoder_restart_after(decoder_, broadside_text("9"), &error_), BROADSIDE_OK);
  ASSERT_EQ(feed("data: c\n\n"), BROADSIDE_OK);
  EXPECT_EQ(told_, (std::vector<std::string>{"message: a #1", "message: b #1", "message: c #9"}));
}

TEST_F(CSseTest, a_line_beyond_the_bound_stops_the_decoder_until_a_restart) {
  create(10);
  EXPECT_EQ(feed("data: 0123456789\n\n"), BROADSIDE_TOO_LARGE);
  EXPECT_EQ(feed("data: x\n\n"), BROADSIDE_TOO_LARGE);
  ASSERT_EQ(broadside_sse_decoder_restart(decoder_, &error_), BROADSIDE_OK);
  EXPECT_EQ(feed("data: x\n\n"), BROADSIDE_OK);
  EXPECT_EQ(told_, std::vector<std::string>{"message: x #"});
}

TEST_F(CSseTest, callbacks_that_are_null_are_not_called) {
  create();
  broadside_sse_sink_init(&sink_);
  EXPECT_EQ(feed(": c\nretry: 1\ndata: x\n\n"), BROADSIDE_OK);
  EXPECT_TRUE(told_.empty());
}

TEST_F(CSseTest, what_cannot_be_is_refused) {
  create();
  char buffer[100];
  broadside_event event;
  broadside_event_init(&event);
  event.data = broadside_text("\xff");
  const broadside_slice bad = {.data = nullptr, .size = 1};
  broadside_sse_sink unset = sink_;
  unset.size = 0;
  EXPECT_EQ(broadside_sse_write_event(&event, buffer, sizeof buffer, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_write_event(nullptr, buffer, sizeof buffer, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_write_retry(1, nullptr, 1, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_write_comment(bad, buffer, sizeof buffer, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_create(0, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_feed(nullptr, {}, &sink_, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_feed(decoder_, bad, &sink_, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_feed(decoder_, {}, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_feed(decoder_, {}, &unset, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_restart(nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_restart_after(nullptr, {}, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_restart_after(decoder_, bad, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(broadside_sse_decoder_last_event_id(nullptr).size, 0U);
  broadside_sse_decoder_destroy(nullptr);
}

}  // namespace
}  // namespace broadside
