// An engine that is only spoken to through the C API: what its tests share.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

#include "broadside/c_api.h"
#include "tests/support/deadline.h"
#include "tests/support/http_client.h"

namespace broadside {

inline std::string text_of(broadside_slice slice) { return slice.size == 0 ? "" : std::string(slice.data, slice.size); }
inline broadside_slice slice_from(std::string_view text) { return {.data = text.data(), .size = text.size()}; }
inline broadside_event event_of(std::string_view data) {
  broadside_event event;
  broadside_event_init(&event);
  event.data = slice_from(data);
  return event;
}

// Until `condition` holds; false at the deadline.
template <typename Condition>
bool wait_until(const Condition& condition) {
  const test::Deadline deadline = test::soon();
  while (!condition()) {
    if (deadline.has_passed()) return false;
    std::this_thread::yield();
  }
  return true;
}

class CFixture : public ::testing::Test {
 protected:
  CFixture() {
    broadside_config_init(&config_);
    broadside_hooks_init(&hooks_);
    config_.listen = &listen_;
    config_.listen_count = 1;
    config_.shards = 2;
  }
  ~CFixture() override { broadside_engine_destroy(engine_); }

  void create() { ASSERT_EQ(broadside_engine_create(&config_, &hooks_, &engine_, &error_), BROADSIDE_OK) << error_.message; }
  void start() {
    create();
    ASSERT_EQ(broadside_engine_start(engine_, &error_), BROADSIDE_OK) << error_.message;
  }
  [[nodiscard]] std::string url() const {
    char buffer[100];
    broadside_engine_listen_url(engine_, 0, buffer, sizeof buffer);
    return buffer;
  }
  test::SseStream subscribe(std::string_view target, const test::Headers& headers = {}) {
    return test::SseStream::open(port(), target, headers);
  }
  broadside_published publish(std::string_view topic, std::string_view data) {
    const broadside_event event = event_of(data);
    broadside_published published{};
    EXPECT_EQ(broadside_engine_publish(engine_, slice_from(topic), &event, &published, &error_), BROADSIDE_OK) << error_.message;
    return published;
  }
  [[nodiscard]] std::uint16_t port() const {
    const std::string text = url();
    return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
  }

  const broadside_slice listen_ = broadside_text("127.0.0.1:0");
  broadside_config config_;
  broadside_hooks hooks_;
  broadside_engine* engine_ = nullptr;
  broadside_error error_{};
};

}  // namespace broadside
