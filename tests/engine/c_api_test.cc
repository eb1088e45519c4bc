// The engine through the C API: what is published arrives, what cannot be is refused, and nothing a caller hands over is trusted.
#include "broadside/c_api.h"

#include <poll.h>

#include <atomic>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "tests/engine/c_fixture.h"

namespace broadside {
namespace {

class CApiTest : public CFixture {};

TEST_F(CApiTest, what_is_published_arrives_in_order) {
  start();
  auto stream = subscribe("/events/t");
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  const broadside_published first = publish("t", "one");
  EXPECT_EQ(first.subscribers, 1U);
  EXPECT_FALSE(first.is_duplicate);
  EXPECT_GT(broadside_position_milliseconds(first.position), 0U);

  broadside_event events[2] = {event_of("two"), event_of("three")};
  events[0].type = broadside_text("note");
  events[0].id = broadside_text("my-id");
  events[0].retry_ms = 1234;
  events[0].has_retry = true;
  const broadside_batch_entry batch[2] = {{.topic = broadside_text("t"), .event = &events[0]},
                                          {.topic = broadside_text("t"), .event = &events[1]}};
  broadside_published published[2];
  ASSERT_EQ(broadside_engine_publish_batch(engine_, batch, 2, published, nullptr, &error_), BROADSIDE_OK) << error_.message;
  EXPECT_GT(published[0].position, first.position);
  EXPECT_GT(published[1].position, published[0].position);

  ASSERT_TRUE(stream.wait_published(3));
  EXPECT_EQ(stream.published_data(), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(stream.published()[0].id, std::to_string(broadside_position_milliseconds(first.position)) + "-" +
                                          std::to_string(broadside_position_counter(first.position)));
  EXPECT_EQ(stream.published()[1].type, "note");
  EXPECT_EQ(stream.published()[1].id, "my-id");
  EXPECT_EQ(stream.stream().retry_ms(), 1234U);

  broadside_published again;
  ASSERT_EQ(broadside_engine_publish(engine_, broadside_text("t"), &events[0], &again, nullptr), BROADSIDE_OK);
  EXPECT_TRUE(again.is_duplicate);
  EXPECT_EQ(again.position, published[0].position);
}

TEST_F(CApiTest, a_topic_that_ends_ends_its_streams) {
  start();
  auto stream = subscribe("/events/t");
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  bool existed = true;
  EXPECT_EQ(broadside_engine_end(engine_, broadside_text("another"), nullptr, &existed, &error_), BROADSIDE_OK);
  EXPECT_FALSE(existed);
  broadside_published end;
  ASSERT_EQ(broadside_engine_end(engine_, broadside_text("t"), &end, &existed, &error_), BROADSIDE_OK);
  EXPECT_TRUE(existed);
  EXPECT_GT(end.position, 0U);
  EXPECT_TRUE(stream.wait_closed());
  EXPECT_TRUE(stream.find("broadside.end"));
}

TEST_F(CApiTest, a_topic_handle_publishes_without_the_name) {
  start();
  broadside_topic* topic = nullptr;
  ASSERT_EQ(broadside_topic_open(engine_, broadside_text("t"), &topic, &error_), BROADSIDE_OK);
  EXPECT_EQ(text_of(broadside_topic_name(topic)), "t");
  auto stream = subscribe("/events/t");
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  const broadside_event event = event_of("x");
  broadside_published published;
  ASSERT_EQ(broadside_topic_publish(topic, &event, &published, &error_), BROADSIDE_OK);
  EXPECT_EQ(published.subscribers, 1U);
  ASSERT_TRUE(stream.wait_published(1));
  const broadside_event bad = event_of("\xff");
  EXPECT_EQ(broadside_topic_publish(topic, &bad, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  broadside_topic_close(topic);
  EXPECT_EQ(broadside_topic_open(engine_, broadside_text(""), &topic, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(topic, nullptr);
}

TEST_F(CApiTest, a_batch_is_refused_whole_and_names_its_first_bad_entry) {
  start();
  const broadside_event good = event_of("good");
  const broadside_event bad = event_of("\xff");
  std::size_t bad_index = 0;
  for (const broadside_event* second : {&bad, static_cast<const broadside_event*>(nullptr)}) {
    const broadside_batch_entry batch[3] = {{.topic = broadside_text("t"), .event = &good},
                                            {.topic = broadside_text("t"), .event = second},
                                            {.topic = broadside_text(""), .event = &good}};
    bad_index = 0;
    EXPECT_EQ(broadside_engine_publish_batch(engine_, batch, 3, nullptr, &bad_index, &error_), BROADSIDE_INVALID_ARGUMENT);
    EXPECT_EQ(bad_index, 1U);
  }
  broadside_stats stats;
  broadside_stats_init(&stats);
  ASSERT_EQ(broadside_engine_stats(engine_, &stats, &error_), BROADSIDE_OK);
  EXPECT_EQ(stats.publishes, 0U);
  EXPECT_EQ(broadside_engine_publish_batch(engine_, nullptr, 0, nullptr, nullptr, &error_), BROADSIDE_OK);
}

TEST_F(CApiTest, refusals_have_a_status_and_a_reason_that_the_next_call_clears) {
  start();
  const broadside_event good = event_of("x");
  EXPECT_EQ(broadside_engine_publish(engine_, broadside_text(""), &good, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_STRNE(error_.message, "");
  EXPECT_EQ(broadside_engine_publish(engine_, broadside_text("t"), &good, nullptr, &error_), BROADSIDE_OK);
  EXPECT_STREQ(error_.message, "");
  const std::string large(300 << 10, 'x');
  const broadside_event too_large = event_of(large);
  EXPECT_EQ(broadside_engine_publish(engine_, broadside_text("t"), &too_large, nullptr, &error_), BROADSIDE_TOO_LARGE);

  const broadside_slice nowhere = broadside_text("nowhere");
  config_.listen = &nowhere;
  broadside_engine* second = engine_;
  EXPECT_EQ(broadside_engine_create(&config_, nullptr, &second, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(second, nullptr);
  EXPECT_TRUE(std::strstr(error_.message, "nowhere") != nullptr) << error_.message;
}

TEST_F(CApiTest, a_reason_is_cut_at_a_character_that_would_not_fit) {
  // The message quotes the pattern; one byte more or less before it moves the cut into another byte of a character.
  for (const char* prefix : {"", "x", "xx"}) {
    std::string pattern = prefix;
    for (int i = 0; i < 400; ++i) pattern += "\u20ac";  // 3 bytes.
    broadside_topic_rules rules;
    broadside_topic_rules_init(&rules);
    rules.keep = 1;  // For policy skip alone.
    const broadside_topic_section section = {.pattern = slice_from(pattern), .rules = &rules};
    config_.topics = &section;
    config_.topic_count = 1;
    ASSERT_EQ(broadside_config_check(&config_, &error_), BROADSIDE_INVALID_ARGUMENT);
    const std::string message = error_.message;
    EXPECT_LT(message.size(), sizeof error_.message);
    EXPECT_GT(message.size(), sizeof error_.message - 5);
    EXPECT_EQ(message.substr(message.size() - 3), "\u20ac");
  }
}

TEST_F(CApiTest, statuses_have_names_and_the_library_a_version) {
  EXPECT_STREQ(broadside_status_name(BROADSIDE_OK), "ok");
  EXPECT_STREQ(broadside_status_name(BROADSIDE_STOPPED), "stopped");
  for (const broadside_status none : {-1, 7, 1000}) EXPECT_STREQ(broadside_status_name(none), "unknown");
  EXPECT_STREQ(broadside_version(), BROADSIDE_VERSION);
  EXPECT_EQ(broadside_version_number(), BROADSIDE_VERSION_NUMBER);
}

TEST_F(CApiTest, texts_are_cut_to_the_buffer_and_their_length_is_told) {
  create();
  const std::string whole = url();
  EXPECT_EQ(whole.rfind("http://127.0.0.1:", 0), 0U);
  char buffer[8] = "0123456";
  EXPECT_EQ(broadside_engine_listen_url(engine_, 0, buffer, sizeof buffer), whole.size());
  EXPECT_STREQ(buffer, "http://");
  EXPECT_EQ(broadside_engine_listen_url(engine_, 0, nullptr, 0), whole.size());
  EXPECT_EQ(broadside_engine_listen_url(engine_, 1, buffer, sizeof buffer), 0U);
  EXPECT_STREQ(buffer, "");
  EXPECT_GT(broadside_engine_describe_backend(engine_, buffer, sizeof buffer), 0U);
}

TEST_F(CApiTest, an_engine_starts_once_and_stops_for_good) {
  create();
  EXPECT_EQ(broadside_engine_start(engine_, &error_), BROADSIDE_OK);
  EXPECT_EQ(broadside_engine_start(engine_, &error_), BROADSIDE_STOPPED);
  EXPECT_EQ(broadside_engine_stop(engine_, &error_), BROADSIDE_OK);
  EXPECT_EQ(broadside_engine_stop(engine_, &error_), BROADSIDE_OK);
  EXPECT_EQ(broadside_engine_start(engine_, &error_), BROADSIDE_STOPPED);
}

TEST_F(CApiTest, what_runs_takes_over_a_new_configuration_and_drains) {
  config_.drain_timeout_ms = 1000;
  start();
  auto stream = subscribe("/events/t");
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  config_.event_bytes_max = 3;
  ASSERT_EQ(broadside_engine_reconfigure(engine_, &config_, &error_), BROADSIDE_OK) << error_.message;
  const broadside_event event = event_of("four");
  EXPECT_EQ(broadside_engine_publish(engine_, broadside_text("t"), &event, nullptr, &error_), BROADSIDE_TOO_LARGE);
  config_.event_bytes_max = 0;
  EXPECT_EQ(broadside_engine_reconfigure(engine_, &config_, &error_), BROADSIDE_INVALID_ARGUMENT);

  bool is_drained = false;
  ASSERT_EQ(broadside_engine_start_drain(engine_, &error_), BROADSIDE_OK);
  ASSERT_EQ(broadside_engine_wait_drained(engine_, &is_drained, &error_), BROADSIDE_OK);
  EXPECT_TRUE(is_drained);
  EXPECT_TRUE(stream.wait_closed());
}

TEST_F(CApiTest, the_log_is_told_with_what_was_given_for_it) {
  std::atomic<int> lines{0};
  config_.log_user = &lines;
  config_.log = [](void* user, broadside_log_level level, broadside_slice message) noexcept {
    EXPECT_GE(level, BROADSIDE_LOG_DEBUG);
    EXPECT_GT(message.size, 0U);
    ++*static_cast<std::atomic<int>*>(user);
  };
  start();
  EXPECT_GT(lines, 0);
}

TEST_F(CApiTest, a_host_drives_the_engine_from_its_own_loop) {
  config_.shards = 0;
  config_.is_host_driven = true;
  create();
  EXPECT_EQ(broadside_engine_run_once(engine_, &error_), BROADSIDE_STOPPED);
  ASSERT_EQ(broadside_engine_start(engine_, &error_), BROADSIDE_OK);
  ASSERT_GE(broadside_engine_poll_fd(engine_), 0);
  std::atomic<bool> is_done{false};
  std::thread client([&] {
    auto stream = subscribe("/events/t");
    EXPECT_TRUE(stream.wait_for("broadside.open"));
    publish("t", "x");
    EXPECT_TRUE(stream.wait_published(1));
    is_done = true;
    publish("t", "wakes the loop");
  });
  while (!is_done) {
    pollfd waiting{.fd = broadside_engine_poll_fd(engine_), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, broadside_engine_next_timeout_ms(engine_));
    EXPECT_EQ(broadside_engine_run_once(engine_, nullptr), BROADSIDE_OK);
  }
  client.join();
  broadside_engine_stop(engine_, nullptr);
  EXPECT_EQ(broadside_engine_run_once(engine_, &error_), BROADSIDE_STOPPED);
}

TEST_F(CApiTest, an_engine_with_threads_is_not_driven) {
  start();
  EXPECT_EQ(broadside_engine_poll_fd(engine_), -1);
  EXPECT_EQ(broadside_engine_next_timeout_ms(engine_), -1);
  EXPECT_EQ(broadside_engine_run_once(engine_, &error_), BROADSIDE_INVALID_ARGUMENT);
}

TEST(CApiDeathTest, the_failure_handler_is_told_before_the_process_aborts) {
  EXPECT_DEATH(
      {
        broadside_set_failure_handler(
            [](const char* expression, const char*, int) noexcept { std::fprintf(stderr, "told of %s\n", expression); });
        BROADSIDE_ASSERT(1 + 1 == 3);
      },
      "told of 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace broadside
