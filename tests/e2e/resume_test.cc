// Coming back: resumes, gaps of each kind with exact event lists, and a client that is cut at any byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "proto/position.h"
#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

class Resume : public BackendTest {
 protected:
  SseStream resume(const std::string& target, const std::string& last_event_id) {
    Headers headers;
    if (!last_event_id.empty()) headers.emplace_back("Last-Event-ID", last_event_id);
    SseStream stream = subscribe(target, headers);
    EXPECT_EQ(stream.head().status, 200) << stream.head().text;
    EXPECT_TRUE(stream.wait_closed()) << stream.stream().violation() << stream.body();
    return stream;
  }
  // Expects open, one gap of this reason and then exactly these data.
  void expect_gap(const SseStream& stream, const Strings& reasons, const Strings& data) {
    ASSERT_GE(stream.events().size(), 2U) << stream.body();
    EXPECT_EQ(stream.events()[0].type, "broadside.open");
    const ReceivedEvent& gap = stream.events()[1];
    EXPECT_EQ(gap.type, "broadside.gap") << stream.body();
    const std::string reason = json_string(gap.data, "/reason");
    EXPECT_NE(std::find(reasons.begin(), reasons.end(), reason), reasons.end()) << gap.data;
    for (const std::string member : {"/topic", "/from", "/to", "/lost"}) EXPECT_TRUE(json_has(gap.data, member)) << gap.data;
    EXPECT_TRUE(json_is_null(gap.data, "/lost") || json_int(gap.data, "/lost").value_or(-1) >= 0) << gap.data;
    EXPECT_EQ(stream.published_data(), data);
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Resume);

Strings numbers(int first, int last) {
  Strings result;
  for (int number = first; number <= last; ++number) result.push_back(std::to_string(number));
  return result;
}

TEST_P(Resume, goes_on_after_any_event_without_loss_or_doubling) {
  start();
  const auto all = publish_many("a", 30);
  for (int number = 1; number <= 30; ++number) {
    const SseStream stream = resume("/events/a?follow=0", all[static_cast<std::size_t>(number - 1)].id);
    EXPECT_EQ(stream.events().front().id, all[static_cast<std::size_t>(number - 1)].id) << "it starts after what was asked for";
    EXPECT_FALSE(stream.find("broadside.gap").has_value());
    EXPECT_EQ(stream.published_data(), numbers(number + 1, 30));
  }
}

TEST_P(Resume, takes_a_publishers_own_id) {
  start();
  publish("a", "1", "id=one");
  const Published two = publish("a", "2", "id=two%20%C3%A4");
  publish("a", "3");
  const SseStream stream = resume("/events/a?follow=0", two.id);
  EXPECT_EQ(stream.events().front().id, two.position_text);
  EXPECT_EQ(stream.published_data(), Strings{"3"});
  EXPECT_EQ(resume("/events/a?follow=0&last_event_id=one", "").published_data().size(), 2U);
}

TEST_P(Resume, from_a_live_stream_and_back_to_live) {
  start();
  SseStream stream = subscribe_open("/events/a");
  publish_many("a", 5);
  ASSERT_TRUE(stream.wait_published(5));
  stream.connection().reset();
  publish_many("a", 5, "away ");
  SseStream resumed = subscribe_open("/events/a", {{"Last-Event-ID", stream.last_event_id()}});
  publish("a", "live");
  ASSERT_TRUE(resumed.wait_published(6));
  EXPECT_EQ(resumed.published_data(), (Strings{"away 1", "away 2", "away 3", "away 4", "away 5", "live"}));
}

TEST_P(Resume, below_the_retention_is_told_of_a_gap) {
  start({"--history-events", "10"});
  const auto all = publish_many("a", 30);
  for (const std::size_t index : {std::size_t{0}, std::size_t{5}, std::size_t{18}}) {
    SCOPED_TRACE(index);
    const SseStream stream = resume("/events/a?follow=0", all[index].id);
    expect_gap(stream, {"retention"}, numbers(21, 30));
    const std::string& gap = stream.events()[1].data;
    if (!json_is_null(gap, "/lost")) {
      EXPECT_EQ(json_int(gap, "/lost"), static_cast<std::int64_t>(19 - index)) << gap;
    }
    EXPECT_LT(parse_position(stream.events()[1].id)->packed, all[20].position.packed) << "a gap's id must not skip what follows";
  }
  const SseStream exact = resume("/events/a?follow=0", all[19].id);
  EXPECT_FALSE(exact.find("broadside.gap").has_value()) << "the event before the oldest one held: nothing is missing";
  EXPECT_EQ(exact.published_data(), numbers(21, 30));
}

TEST_P(Resume, without_history_gets_what_is_live_alone) {
  start({"--history-events", "0"});
  SseStream live = subscribe_open("/events/a");
  const auto all = publish_many("a", 20);
  ASSERT_TRUE(live.wait_published(20)) << "no replay is not no delivery";
  EXPECT_EQ(live.published_data(), numbers(1, 20));
  const SseStream stream = resume("/events/a?follow=0", all[4].id);
  ASSERT_TRUE(stream.find("broadside.gap").has_value());
}

TEST_P(Resume, after_a_restart_is_told_of_a_gap) {
  start();
  const auto before = publish_many("a", 3);
  stop();
  start();
  publish_many("a", 2, "new ");
  expect_gap(resume("/events/a?follow=0", before[2].id), {"restart"}, {"new 1", "new 2"});
}

TEST_P(Resume, from_an_unknown_id_is_told_of_a_gap) {
  start();
  publish_many("a", 3);
  publish("b", "other", "id=in-b");
  expect_gap(resume("/events/a?follow=0", "never-published"), {"unknown-id"}, {"1", "2", "3"});
  expect_gap(resume("/events/a?follow=0", "in-b"), {"unknown-id"}, {"1", "2", "3"});
}

TEST_P(Resume, from_the_future_is_told_of_a_gap) {
  start();
  publish_many("a", 3);
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  const std::string future = std::to_string(now.count() + 3'600'000) + "-0";
  expect_gap(resume("/events/a?follow=0", future), {"unknown-id", "restart"}, {"1", "2", "3"});
}

TEST_P(Resume, after_a_gap_goes_on_with_live_events) {
  start({"--history-events", "3"});
  const auto all = publish_many("a", 9);
  SseStream stream = subscribe_open("/events/a", {{"Last-Event-ID", all[0].id}});
  publish("a", "live");
  ASSERT_TRUE(stream.wait_published(4));
  EXPECT_EQ(stream.published_data(), (Strings{"7", "8", "9", "live"}));
}

// Cuts a stream after each number of bytes of its beginning; what the client decoded before and after must be exactly `expected`.
class Cut : public Resume {
 protected:
  struct Beginning {
    std::string target;
    std::string last_event_id;  // Of the first request; may be empty.
    Strings expected;
    bool is_gap_due = false;
  };

  // One life with a cut after `bytes` of the response; false when the response was shorter.
  bool cut_at(const Beginning& beginning, std::size_t bytes, Strings& data, bool& has_gap) {
    HttpConnection connection = HttpConnection::open(port());
    Headers headers = {{"Accept", "text/event-stream"}};
    if (!beginning.last_event_id.empty()) headers.emplace_back("Last-Event-ID", beginning.last_event_id);
    EXPECT_TRUE(connection.send(request_text("GET", beginning.target + "&follow=0", authority(), headers, "")));
    std::string text;
    while (text.size() < bytes) {
      const std::string more = connection.read_some(bytes - text.size());
      if (more.empty()) break;
      text += more;
    }
    const bool is_cut = text.size() == bytes;
    connection.reset();
    EventStream events;
    const auto head_end = text.find("\r\n\r\n");
    if (head_end != std::string::npos) {
      events.feed(std::string_view(text).substr(head_end + 4), [&](const DecodedEvent& event) {
        if (event.type == "message") data.emplace_back(event.data);
        if (event.type == "broadside.gap") has_gap = true;
      });
    }
    EXPECT_EQ(events.violation(), "");
    // EventSource repeats its URL, and what it has as last event id.
    const std::string last_event_id = events.last_event_id().empty() ? beginning.last_event_id : events.last_event_id();
    SseStream stream = resume(beginning.target + "&follow=0", last_event_id);
    for (const std::string& more : stream.published_data()) data.push_back(more);
    has_gap = has_gap || stream.find("broadside.gap").has_value();
    return is_cut;
  }

  void cut_everywhere(const Beginning& beginning) {
    const std::size_t step = is_small_scale() ? 7 : 1;
    for (std::size_t bytes = 1; bytes < 5000; bytes += step) {
      Strings data;
      bool has_gap = false;
      const bool is_cut = cut_at(beginning, bytes, data, has_gap);
      ASSERT_EQ(data, beginning.expected) << "cut after " << bytes << " bytes";
      ASSERT_TRUE(has_gap || !beginning.is_gap_due) << "cut after " << bytes << " bytes";
      if (!is_cut) break;
    }
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Cut);

TEST_P(Cut, at_any_byte_of_the_newest_three_loses_nothing) {
  start();
  publish_many("a", 5);
  cut_everywhere({.target = "/events/a?last=3", .last_event_id = "", .expected = {"3", "4", "5"}});
}

TEST_P(Cut, at_any_byte_of_a_resume_over_two_topics_loses_nothing) {
  start();
  const Published first = publish("a", "0");
  for (int number = 1; number <= 6; ++number)
    publish(number % 3 == 0 ? "b" : "a", std::to_string(number), number == 4 ? "id=own" : "");
  cut_everywhere({.target = "/events?topic=a&topic=b", .last_event_id = first.id, .expected = numbers(1, 6)});
}

TEST_P(Cut, at_any_byte_of_a_gap_loses_neither_the_gap_nor_events) {
  start({"--history-events", "3"});
  const auto all = publish_many("a", 8);
  cut_everywhere({.target = "/events?topic=a", .last_event_id = all[1].id, .expected = numbers(6, 8), .is_gap_due = true});
}

TEST_P(Cut, at_any_byte_of_a_newcomers_live_stream_loses_nothing) {
  start();
  const std::size_t step = is_small_scale() ? 13 : 3;
  for (std::size_t bytes = 1; bytes < 600; bytes += step) {
    const std::string topic = "t" + std::to_string(bytes);
    HttpConnection connection = HttpConnection::open(port());
    ASSERT_TRUE(connection.send(request_text("GET", "/events/" + topic, authority(), {{"Accept", "text/event-stream"}}, "")));
    std::string text = connection.read_some(bytes);
    ASSERT_TRUE(wait_subscribers(topic, 1));
    publish_many(topic, 3);
    while (text.size() < bytes) {
      const std::string more = connection.read_some(bytes - text.size(), Deadline::in(Millis(100)));
      if (more.empty()) break;
      text += more;
    }
    connection.reset();
    EventStream events;
    Strings data;
    if (const auto head_end = text.find("\r\n\r\n"); head_end != std::string::npos) {
      events.feed(std::string_view(text).substr(head_end + 4), [&](const DecodedEvent& event) {
        if (event.type == "message") data.emplace_back(event.data);
      });
    }
    if (events.last_event_id().empty()) continue;  // It never had its place: nothing was promised yet.
    for (const std::string& more : resume("/events/" + topic + "?follow=0", events.last_event_id()).published_data())
      data.push_back(more);
    ASSERT_EQ(data, numbers(1, 3)) << "cut after " << bytes << " bytes";
    if (text.size() < bytes) break;
  }
}

}  // namespace
}  // namespace broadside::test
