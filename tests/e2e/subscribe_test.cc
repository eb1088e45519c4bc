// Subscribing: the stream's head, its open event, several topics, where a stream starts, where it ends.
#include <gtest/gtest.h>

#include <algorithm>

#include "proto/position.h"
#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

class Subscribe : public BackendTest {
 protected:
  // The published data of a request that ends by itself.
  Strings data_of(const std::string& target, const Headers& headers = {}) {
    SseStream stream = subscribe(target, headers);
    EXPECT_EQ(stream.head().status, 200) << target << "\n" << stream.head().text;
    EXPECT_TRUE(stream.wait_closed()) << target << ": " << stream.stream().violation() << stream.body();
    return stream.published_data();
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Subscribe);

TEST_P(Subscribe, head_is_what_proxies_and_browsers_need) {
  start();
  const SseStream stream = subscribe_open("/events/a");
  const HttpHead& head = stream.head();
  EXPECT_EQ(head.version, "HTTP/1.1");
  const std::string type = head.header("Content-Type");
  EXPECT_TRUE(type == "text/event-stream" || type == "text/event-stream; charset=utf-8") << type;
  EXPECT_EQ(head.header("Cache-Control"), "no-store");
  EXPECT_EQ(head.header("X-Accel-Buffering"), "no");
  EXPECT_EQ(head.header("Connection"), "close");
  EXPECT_TRUE(head.has("Date"));
  EXPECT_FALSE(head.has("Transfer-Encoding"));
  EXPECT_FALSE(head.has("Content-Length"));
}

TEST_P(Subscribe, open_comes_first_with_id_retry_and_connection) {
  start();
  const Published before = publish("b", "x");
  const SseStream stream = subscribe_open("/events?topic=a&topic=b");
  const ReceivedEvent& open = stream.events().front();
  EXPECT_EQ(open.type, "broadside.open");
  EXPECT_EQ(open.id, before.id) << "a newcomer starts after the hub's newest";
  ASSERT_TRUE(stream.stream().retry_ms().has_value());
  EXPECT_GE(*stream.stream().retry_ms(), 2000U);
  EXPECT_LE(*stream.stream().retry_ms(), 4000U);
  EXPECT_GE(json_string(open.data, "/connection").size(), 16U) << open.data;
  Strings topics = json_strings(open.data, "/topics");
  std::sort(topics.begin(), topics.end());
  EXPECT_EQ(topics, (Strings{"a", "b"})) << open.data;
  const SseStream other = subscribe_open("/events/a");
  EXPECT_NE(json_string(other.events().front().data, "/connection"), json_string(open.data, "/connection"));
}

TEST_P(Subscribe, several_topics_arrive_in_the_total_order) {
  start();
  SseStream stream = subscribe_open("/events?topic=a&topic=b&topic=c");
  Strings expected;
  std::vector<std::string> ids;
  for (int number = 0; number < 60; ++number) {
    const std::string topic(1, static_cast<char>('a' + number * 7 % 4));
    const Published published = publish(topic, topic + std::to_string(number));
    if (topic == "d") continue;
    expected.push_back(topic + std::to_string(number));
    ids.push_back(published.id);
  }
  ASSERT_TRUE(stream.wait_published(expected.size()));
  EXPECT_EQ(stream.published_data(), expected);
  EXPECT_EQ(stream.stream().violation(), "");
  EXPECT_EQ(stream.last_event_id(), ids.back());
  EXPECT_EQ(data_of("/events?topic=c&topic=a&topic=b&follow=0", {{"Last-Event-ID", ids[19]}}),
            Strings(expected.begin() + 20, expected.end()))
      << "one id resumes all";
}

TEST_P(Subscribe, a_topic_named_twice_counts_once) {
  start();
  SseStream stream = subscribe_open("/events?topic=a&topic=a&topic=b");
  publish("a", "1");
  publish("b", "2");
  ASSERT_TRUE(stream.wait_published(2));
  EXPECT_EQ(stream.published_data(), (Strings{"1", "2"}));
  EXPECT_EQ(json_strings(stream.events().front().data, "/topics").size(), 2U);
}

TEST_P(Subscribe, last_event_id_header_wins_over_last_event_id_over_since_over_last) {
  start();
  const auto all = publish_many("a", 6);
  const std::string since = "since=" + std::to_string(all[0].position.milliseconds());
  const std::string query = "/events/a?follow=0&last=1&" + since;
  EXPECT_EQ(data_of("/events/a?follow=0&last=1"), Strings{"6"});
  EXPECT_EQ(data_of(query).size(), 6U);
  EXPECT_EQ(data_of(query + "&last_event_id=" + all[1].id), (Strings{"3", "4", "5", "6"}));
  EXPECT_EQ(data_of(query + "&last_event_id=" + all[1].id, {{"Last-Event-ID", all[3].id}}), (Strings{"5", "6"}));
}

TEST_P(Subscribe, since_takes_milliseconds_and_durations) {
  start();
  const auto all = publish_many("a", 20);
  const std::uint64_t moment = all[10].position.milliseconds();
  Strings expected;
  for (std::size_t index = 0; index < all.size(); ++index) {
    if (all[index].position.milliseconds() >= moment) expected.push_back(std::to_string(index + 1));
  }
  EXPECT_EQ(data_of("/events/a?follow=0&since=" + std::to_string(moment)), expected);
  for (const std::string duration : {"1h", "15m", "90s", "100000ms", "1d"}) {
    if (duration == "100000ms" || duration == "1d") {
      // Not promised; taken or refused, but never misread.
      const HttpResponse response = get("/events/a?follow=0&since=" + duration);
      EXPECT_TRUE(response.status() == 200 || response.status() == 400) << duration;
      continue;
    }
    EXPECT_EQ(data_of("/events/a?follow=0&since=" + duration).size(), 20U) << duration;
  }
  for (const std::string bad : {"yesterday", "-5", "5x", "", "1h30"}) {
    expect_problem(get("/events/a?follow=0&since=" + bad), 400, "since");
  }
}

TEST_P(Subscribe, last_gives_the_newest_and_then_what_is_live) {
  start();
  const auto all = publish_many("a", 10);
  SseStream stream = subscribe_open("/events/a?last=3");
  // The position just before the first event sent: the event before that may have been given in an earlier millisecond.
  const std::optional<Position> opened = parse_position(stream.events().front().id);
  ASSERT_TRUE(opened.has_value()) << stream.events().front().id;
  EXPECT_GE(*opened, all[6].position);
  EXPECT_LT(*opened, all[7].position);
  publish("a", "live");
  ASSERT_TRUE(stream.wait_published(4));
  EXPECT_EQ(stream.published_data(), (Strings{"8", "9", "10", "live"}));
  EXPECT_EQ(data_of("/events/a?last=100&follow=0").size(), 11U);
  EXPECT_EQ(data_of("/events/a?last=0&follow=0").size(), 0U);
  expect_problem(get("/events/a?last=many"), 400, "last");
}

TEST_P(Subscribe, last_counts_over_all_topics) {
  start();
  for (int number = 1; number <= 6; ++number) publish(number % 2 == 0 ? "b" : "a", std::to_string(number));
  EXPECT_EQ(data_of("/events?topic=a&topic=b&last=3&follow=0"), (Strings{"4", "5", "6"}));
}

TEST_P(Subscribe, follow_0_ends_at_the_head) {
  start();
  EXPECT_EQ(data_of("/events/a?follow=0"), Strings{});
  const auto all = publish_many("a", 3);
  EXPECT_EQ(data_of("/events/a?follow=0"), Strings{}) << "a newcomer starts after the newest";
  EXPECT_EQ(data_of("/events/a?follow=0", {{"Last-Event-ID", all[0].id}}), (Strings{"2", "3"}));
}

TEST_P(Subscribe, limit_closes_after_so_many_events_and_is_chunked) {
  start();
  const auto all = publish_many("a", 5);
  SseStream stream = subscribe("/events/a?limit=3&last=5");
  EXPECT_TRUE(header_has_token(stream.head().headers, "Transfer-Encoding", "chunked"));
  EXPECT_TRUE(stream.wait_published(3));
  EXPECT_EQ(stream.published_data(), (Strings{"1", "2", "3"})) << "broadside.open is not counted";
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("GET /events/a?limit=2&last=5 HTTP/1.1\r\nHost: " + authority() + "\r\n\r\n"));
  const HttpResponse response = connection.read_response();
  EXPECT_TRUE(response.is_complete) << "the last chunk ends it";
  EXPECT_NE(response.body.find("data: 2\n"), std::string::npos);
  EXPECT_EQ(response.body.find("data: 3\n"), std::string::npos);
  expect_problem(get("/events/a?limit=0"), 400, "limit");
  expect_problem(get("/events/a?limit=x"), 400, "limit");
}

TEST_P(Subscribe, limit_counts_live_events_too) {
  start();
  publish_many("a", 1);
  SseStream stream = subscribe_open("/events/a?limit=2&last=1");
  publish("a", "live");
  publish("a", "too many");
  ASSERT_TRUE(stream.wait_published(2));
  EXPECT_EQ(stream.published_data(), (Strings{"1", "live"}));
}

TEST_P(Subscribe, limit_in_http_1_0_is_not_chunked) {
  start();
  publish_many("a", 3);
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("GET /events/a?limit=2&last=3 HTTP/1.0\r\n\r\n"));
  SseStream stream = SseStream::from(std::move(connection));
  EXPECT_FALSE(stream.head().has("Transfer-Encoding"));
  EXPECT_TRUE(stream.wait_closed());
  EXPECT_EQ(stream.published_data(), (Strings{"1", "2"}));
}

TEST_P(Subscribe, head_request_gets_the_head_alone) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send(request_text("HEAD", "/events/a", authority(), {{"Accept", "text/event-stream"}}, "")));
  const HttpResponse response = connection.read_response(true);
  EXPECT_EQ(response.status(), 200);
  EXPECT_EQ(response.header("Content-Type").rfind("text/event-stream", 0), 0U);
  connection.half_close();
  EXPECT_EQ(connection.read_some(10), "");
}

TEST_P(Subscribe, unknown_paths_are_404_and_wrong_methods_405_with_allow) {
  start();
  for (const std::string path : {"/nothing", "/event/a", "/eventsa", "/topics/none"}) expect_problem(get(path), 404);
  for (const std::string method : {"PUT", "PATCH"}) {
    const HttpResponse response = fetch(port(), method, "/events/a");
    expect_problem(response, 405);
    for (const std::string allowed : {"GET", "POST", "DELETE"}) {
      EXPECT_TRUE(header_has_token(response.head.headers, "Allow", allowed)) << method << " " << response.header("Allow");
    }
  }
  const HttpResponse response = post("/healthz", "x");
  expect_problem(response, 405);
  EXPECT_TRUE(header_has_token(response.head.headers, "Allow", "GET")) << response.header("Allow");
}

TEST_P(Subscribe, refuses_bad_names_and_too_many_topics) {
  start();
  expect_problem(get("/events"), 400, "topic");
  expect_problem(get("/events/"), 400, "topic");
  expect_problem(get("/events?topic="), 400, "topic");
  expect_problem(get("/events/a%0Ab"), 400, "topic");
  expect_problem(get("/events/a%zz"), 400);
  expect_problem(get("/events/%FF"), 400, "topic");
  expect_problem(get("/events/" + std::string(256, 't')), 400, "topic");
  std::string target = "/events?topic=0";
  for (int number = 1; number < 128; ++number) target += "&topic=" + std::to_string(number);
  SseStream stream = subscribe_open(target);
  publish("127", "x");
  EXPECT_TRUE(stream.wait_published(1)) << "128 topics are allowed";
  expect_problem(get(target + "&topic=128"), 400, "topic");
}

TEST_P(Subscribe, a_half_close_ends_a_stream) {
  start();
  SseStream stream = subscribe_open("/events/a");
  ASSERT_TRUE(wait_subscribers("a", 1));
  stream.connection().half_close();
  EXPECT_TRUE(stream.wait_closed());
  EXPECT_TRUE(wait_subscribers("a", 0));
}

TEST_P(Subscribe, bytes_after_the_request_are_ignored) {
  start();
  SseStream stream = subscribe_open("/events/a");
  ASSERT_TRUE(stream.connection().send("GET /events/b HTTP/1.1\r\nHost: x\r\n\r\nwhatever"));
  publish("a", "1");
  ASSERT_TRUE(stream.wait_published(1));
  publish("a", "2");
  EXPECT_TRUE(stream.wait_published(2));
}

TEST_P(Subscribe, a_reopened_topic_closes_streams_of_several_topics_before_anything_newer_goes_out) {
  start();
  publish("a", "a1");
  publish("b", "b1");
  SseStream stream = subscribe_open("/events?topic=a&topic=b&last=2");
  fetch(port(), "DELETE", "/events/a");
  publish("a", "again");
  publish("b", "b2");
  ASSERT_TRUE(stream.wait_closed());
  Strings all = stream.published_data();
  const std::string last_id = stream.events().back().id;
  for (const std::string& data : data_of("/events?topic=a&topic=b&follow=0", {{"Last-Event-ID", last_id}})) all.push_back(data);
  EXPECT_EQ(all, (Strings{"a1", "b1", "again", "b2"}));
  // A replay that begins before the end stops at it as well.
  EXPECT_EQ(data_of("/events?topic=a&topic=b&last=4"), (Strings{"a1", "b1"}));
}

TEST_P(Subscribe, delete_ends_streams_and_then_answers_204_until_a_publish) {
  start();
  const auto all = publish_many("a", 3);
  SseStream stream = subscribe_open("/events/a");
  const HttpResponse ended = fetch(port(), "DELETE", "/events/a");
  EXPECT_TRUE(ended.status() == 200 || ended.status() == 204) << ended.head.text;
  EXPECT_TRUE(stream.wait_closed());
  const auto end = stream.find("broadside.end");
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(json_string(end->data, "/topic"), "a");
  EXPECT_TRUE(parse_position(end->id).has_value());
  EXPECT_EQ(subscribe("/events/a").head().status, 204);
  EXPECT_EQ(subscribe("/events/a", {{"Last-Event-ID", end->id}}).head().status, 204);

  SseStream resumed = subscribe("/events/a", {{"Last-Event-ID", all[0].id}});
  EXPECT_EQ(resumed.head().status, 200);
  EXPECT_TRUE(resumed.wait_closed());
  EXPECT_EQ(resumed.published_data(), (Strings{"2", "3"}));
  EXPECT_EQ(resumed.events().back().type, "broadside.end");

  publish("a", "again");
  SseStream reopened = subscribe_open("/events/a", {{"Last-Event-ID", end->id}});
  ASSERT_TRUE(reopened.wait_published(1));
  EXPECT_EQ(reopened.published_data(), Strings{"again"});
  publish("a", "more");
  EXPECT_TRUE(reopened.wait_published(2));
}

TEST_P(Subscribe, a_stream_on_two_topics_stays_until_both_have_ended) {
  start();
  SseStream stream = subscribe_open("/events?topic=a&topic=b");
  publish("a", "1");
  fetch(port(), "DELETE", "/events/a");
  publish("b", "2");
  ASSERT_TRUE(stream.wait_published(2));
  EXPECT_EQ(subscribe("/events?topic=a&topic=b").head().status, 200) << "one is still open";
  fetch(port(), "DELETE", "/events/b");
  EXPECT_TRUE(stream.wait_closed());
  EXPECT_EQ(stream.published_data(), (Strings{"1", "2"}));
  EXPECT_EQ(subscribe("/events?topic=a&topic=b").head().status, 204);
}

TEST_P(Subscribe, post_to_a_connection_reaches_it_alone) {
  start();
  SseStream stream = subscribe_open("/events/a");
  SseStream other = subscribe_open("/events/a");
  const std::string connection = json_string(stream.events().front().data, "/connection");
  const HttpResponse response = post("/connections/" + connection + "?event=hint", "for you");
  EXPECT_EQ(response.status(), 202) << response.body;
  ASSERT_TRUE(stream.wait_for("hint"));
  EXPECT_EQ(stream.find("hint")->data, "for you");
  publish("a", "for all");
  ASSERT_TRUE(stream.wait_published(2));
  ASSERT_TRUE(other.wait_published(1));
  EXPECT_EQ(other.published_data(), Strings{"for all"});
  EXPECT_EQ(stream.stream().violation(), "");
  expect_problem(post("/connections/" + std::string(32, '0'), "x"), 404);
  stream.connection().close();
  ASSERT_TRUE(wait_subscribers("a", 1));
  expect_problem(post("/connections/" + connection, "x"), 404);
}

TEST_P(Subscribe, a_targeted_event_does_not_move_the_place_to_resume_from) {
  start();
  const Published first = publish("a", "1");
  SseStream stream = subscribe_open("/events/a?last=1");
  ASSERT_TRUE(stream.wait_published(1));
  const std::string connection = json_string(stream.events().front().data, "/connection");
  ASSERT_EQ(post("/connections/" + connection + "?event=hint", "x").status(), 202);
  ASSERT_TRUE(stream.wait_for("hint"));
  EXPECT_GE(parse_position(stream.find("hint")->id)->packed, first.position.packed);
  const Published second = publish("a", "2");
  EXPECT_LT(parse_position(stream.find("hint")->id)->packed, second.position.packed);
  EXPECT_EQ(data_of("/events/a?follow=0", {{"Last-Event-ID", stream.last_event_id()}}), Strings{"2"});
}

}  // namespace
}  // namespace broadside::test
