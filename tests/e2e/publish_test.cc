// Publishing over HTTP: raw bodies, NDJSON whole and endless, ids, refusals, keep-alive.
#include <gtest/gtest.h>

#include "proto/position.h"
#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

const Headers kNdjson = {{"Content-Type", "application/x-ndjson"}};

class Publish : public BackendTest {
 protected:
  // What a subscriber of `topic` has in its history, oldest first.
  std::vector<ReceivedEvent> history(const std::string& topic) {
    SseStream stream = subscribe("/events/" + topic + "?last=1000&follow=0");
    EXPECT_TRUE(stream.wait_closed()) << stream.stream().violation();
    return stream.published();
  }
  std::vector<std::string> history_data(const std::string& topic) {
    std::vector<std::string> data;
    for (const ReceivedEvent& event : history(topic)) data.push_back(event.data);
    return data;
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Publish);

using Strings = std::vector<std::string>;

TEST_P(Publish, answers_with_id_position_and_subscribers) {
  start();
  SseStream stream = subscribe_open("/events/a");
  ASSERT_TRUE(wait_subscribers("a", 1));
  const HttpResponse response = post("/events/a", "hello");
  ASSERT_EQ(response.status(), 200) << response.body;
  EXPECT_EQ(response.header("Content-Type"), "application/json");
  EXPECT_EQ(response.header("Cache-Control"), "no-store");
  const Published published = published_of(response);
  EXPECT_EQ(published.id, published.position_text);
  EXPECT_TRUE(parse_position(published.id).has_value()) << response.body;
  EXPECT_EQ(published.subscribers, 1);
  EXPECT_FALSE(published.is_duplicate);
  ASSERT_TRUE(stream.wait_published(1));
  EXPECT_EQ(stream.published()[0], (ReceivedEvent{.type = "message", .data = "hello", .id = published.id}));
}

TEST_P(Publish, takes_event_id_retry_and_key_from_the_query) {
  start();
  SseStream stream = subscribe_open("/events/a");
  const Published published = publish("a", "data", "event=price+change&id=my%20id&retry=1234&key=k");
  EXPECT_EQ(published.id, "my id");
  EXPECT_TRUE(parse_position(published.position_text).has_value());
  ASSERT_TRUE(stream.wait_published(1));
  EXPECT_EQ(stream.published()[0], (ReceivedEvent{.type = "price change", .data = "data", .id = "my id"}));
  EXPECT_EQ(stream.stream().retry_ms(), 1234U);
}

TEST_P(Publish, decodes_the_topic_in_the_path_but_leaves_its_plus) {
  start();
  EXPECT_NE(publish("a%2Fb+c%C3%A4", "x").id, "");
  SseStream by_query = subscribe("/events?topic=a/b%2Bc%C3%A4&last=1&follow=0");
  EXPECT_TRUE(by_query.wait_closed());
  EXPECT_EQ(by_query.published_data(), Strings{"x"});
  EXPECT_EQ(history_data("a/b+c%C3%A4"), Strings{"x"});
}

TEST_P(Publish, positions_strictly_increase_over_topics) {
  start();
  Position last{0};
  for (int number = 0; number < 200; ++number) {
    const Published published = publish(number % 2 == 0 ? "a" : "b", "x");
    ASSERT_GT(published.position, last);
    last = published.position;
  }
}

TEST_P(Publish, an_id_that_the_log_still_holds_is_not_published_again) {
  start();
  const Published first = publish("a", "one", "id=order-1");
  const Published again = publish("a", "two", "id=order-1");
  EXPECT_TRUE(again.is_duplicate);
  EXPECT_FALSE(first.is_duplicate);
  EXPECT_EQ(again.id, "order-1");
  EXPECT_EQ(again.position, first.position);
  EXPECT_EQ(history_data("a"), Strings{"one"});
  EXPECT_FALSE(publish("b", "three", "id=order-1").is_duplicate) << "another topic's log does not hold it";
}

TEST_P(Publish, line_borders_arrive_as_line_feeds) {
  start();
  publish("a", "one\ntwo\r\nthree\rfour\n");
  publish("a", "");
  publish("a", " leading space");
  EXPECT_EQ(history_data("a"), (Strings{"one\ntwo\nthree\nfour\n", "", " leading space"}));
}

TEST_P(Publish, refuses_what_cannot_be_an_event_and_names_it) {
  start();
  struct Row {
    std::string target;
    std::string body;
    std::string names;
  };
  const std::vector<Row> rows = {
      {"/events/a?event=broadside.open", "x", "event"},
      {"/events/a?event=a%0Ab", "x", "event"},
      {"/events/a?event=a%0Db", "x", "event"},
      {"/events/a?id=a%0Ab", "x", "id"},
      {"/events/a?id=a%00b", "x", "id"},
      {"/events/a?id=%20a", "x", "id"},
      {"/events/a?id=1700000000000-0", "x", "id"},
      {"/events/a?id=" + std::string(256, 'i'), "x", "id"},
      {"/events/a?retry=soon", "x", "retry"},
      {"/events/a?retry=-1", "x", "retry"},
      {"/events/a?id=%zz", "x", ""},
      {"/events/a?id=%C3", "x", "id"},
      {"/events/a", "\xC3\x28", "UTF-8"},
      {"/events/" + std::string(256, 't'), "x", "topic"},
      {"/events/a%00b", "x", "topic"},
      {"/events/a%0Ab", "x", "topic"},
      {"/events/a%C3", "x", "topic"},
      {"/events/", "x", "topic"},
      {"/events/a%2", "x", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.target.substr(0, 60));
    expect_problem(post(row.target, row.body), 400, row.names);
  }
  EXPECT_EQ(get("/topics/a").status(), 404) << "nothing of it was published";
  EXPECT_NE(publish(std::string(255, 't'), "x", "id=" + std::string(255, 'i')).id, "") << "the exact limits are allowed";
}

TEST_P(Publish, refuses_what_is_too_large_at_the_exact_limit) {
  start();
  EXPECT_EQ(post("/events/a", std::string(262'144, 'x')).status(), 200);
  expect_problem(post("/events/a", std::string(262'145, 'x')), 413);
  EXPECT_EQ(history("a").size(), 1U);
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST /events/a HTTP/1.1\r\nHost: " + authority() + "\r\nContent-Length: 1048577\r\n\r\n"));
  const HttpResponse response = connection.read_response();
  expect_problem(response, 413);
  EXPECT_TRUE(header_has_token(response.head.headers, "Connection", "close")) << "the body is not read";
}

TEST_P(Publish, takes_any_content_type_as_raw_data) {
  start();
  for (const std::string type : {"text/plain", "application/json", "application/x-www-form-urlencoded", "image/png"}) {
    EXPECT_EQ(post("/events/a", type, {{"Content-Type", type}}).status(), 200) << type;
  }
  EXPECT_EQ(history_data("a"), (Strings{"text/plain", "application/json", "application/x-www-form-urlencoded", "image/png"}));
}

TEST_P(Publish, refuses_an_encoded_body_and_another_type_on_events) {
  start();
  expect_problem(post("/events/a", "x", {{"Content-Encoding", "gzip"}}), 415);
  expect_problem(post("/events", "x", {{"Content-Type", "text/plain"}}), 415);
  expect_problem(post("/events", "x"), 415);
}

TEST_P(Publish, ndjson_publishes_every_line_in_order) {
  start();
  const std::string body =
      "{\"topic\":\"a\",\"data\":\"one\"}\n"
      "{\"topic\":\"b\",\"data\":\"two\",\"event\":\"t\",\"id\":\"own\",\"retry\":5,\"key\":\"k\"}\r\n"
      "{\"topic\":\"a\",\"data\":{\"b\" : [1, 2.50],  \"\\u0061\":null}}\n"
      "{\"data\":\"l\\u00e4st\\nline\",\"topic\":\"a\"}";
  const HttpResponse response = post("/events", body, kNdjson);
  ASSERT_EQ(response.status(), 200) << response.body;
  EXPECT_TRUE(is_json(response.body)) << response.body;
  EXPECT_EQ(history_data("a"), (Strings{"one", "{\"b\" : [1, 2.50],  \"\\u0061\":null}", "l\xC3\xA4st\nline"}));
  const auto b = history("b");
  ASSERT_EQ(b.size(), 1U);
  EXPECT_EQ(b[0], (ReceivedEvent{.type = "t", .data = "two", .id = "own"}));
  for (const ReceivedEvent& event : history("a")) EXPECT_NE(response.body.find(event.id), std::string::npos) << response.body;
  EXPECT_NE(response.body.find("\"own\""), std::string::npos) << response.body;
}

TEST_P(Publish, ndjson_takes_its_topic_from_the_path) {
  start();
  ASSERT_EQ(post("/events/a", "{\"data\":\"one\"}\n{\"data\":2}\n", kNdjson).status(), 200);
  EXPECT_EQ(history_data("a"), (Strings{"one", "2"}));
}

TEST_P(Publish, ndjson_with_one_bad_line_publishes_none_and_names_the_line) {
  start();
  const std::vector<std::string> bad_lines = {
      "{\"topic\":\"a\"}",                              // No data.
      "{\"topic\":\"a\",\"data\":\"x\",\"key\":null}",  // A null key.
      "{\"topic\":\"a\",\"data\":\"x\",\"colour\":1}",  // An unknown member.
      "{\"topic\":\"a\",\"data\":\"x\",\"event\":\"broadside.x\"}",
      "{\"topic\":\"a\",\"data\":\"x\",\"id\":\"1-1\"}",
      "{\"topic\":\"a\",\"data\":\"x\",\"retry\":-1}",
      "{\"topic\":\"a\\n\",\"data\":\"x\"}",
      "{\"data\":\"x\"}",                     // No topic.
      "{\"topic\":\"a\",\"data\":\"x\"",      // Cut.
      "{\"topic\":\"a\",\"data\":\"x\"} {}",  // Two values.
      "[]",
      "nonsense",
      "{\"topic\":\"a\",\"data\":\"\xC3\x28\"}",
  };
  for (const std::string& bad : bad_lines) {
    SCOPED_TRACE(bad);
    const HttpResponse response = post("/events", "{\"topic\":\"a\",\"data\":\"good\"}\n" + bad + "\n", kNdjson);
    expect_problem(response, 400);
    const bool names_line = response.body.find("line 2") != std::string::npos || json_int(response.body, "/line") == 2;
    EXPECT_TRUE(names_line) << response.body;
  }
  EXPECT_EQ(get("/topics/a").status(), 404) << "nothing of it was published";
}

class EndlessNdjson : public Publish {
 protected:
  HttpConnection begin(std::string_view target) {
    HttpConnection connection = HttpConnection::open(port());
    EXPECT_TRUE(connection.send("POST " + std::string(target) + " HTTP/1.1\r\nHost: " + authority() +
                                "\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"));
    return connection;
  }
};
BROADSIDE_ON_BOTH_BACKENDS(EndlessNdjson);

TEST_P(EndlessNdjson, answers_each_line_while_the_request_is_open) {
  start();
  SseStream stream = subscribe_open("/events/a");
  HttpConnection connection = begin("/events/a");
  ASSERT_EQ(connection.read_head().status, 200) << "at once, before any line";
  for (int number = 1; number <= 20; ++number) {
    ASSERT_TRUE(connection.send(chunk_text("{\"data\":" + std::to_string(number) + "}\n")));
    const auto answer = connection.read_chunked_line();
    ASSERT_TRUE(answer.has_value()) << "line " << number;
    ASSERT_TRUE(stream.wait_published(static_cast<std::size_t>(number)));
    EXPECT_EQ(json_string(*answer, "/id"), stream.published().back().id);
    EXPECT_EQ(stream.published().back().data, std::to_string(number));
  }
  ASSERT_TRUE(connection.send("0\r\n\r\n"));
  EXPECT_FALSE(connection.read_chunked_line().has_value());
  EXPECT_FALSE(connection.was_reset());
}

TEST_P(EndlessNdjson, lines_may_be_cut_by_chunks_anywhere) {
  start();
  const std::string lines =
      "{\"topic\":\"a\",\"data\":\"one\"}\n{\"topic\":\"a\",\"data\":\"two\"}\n{\"topic\":\"a\",\"data\":\"three\"}";
  HttpConnection connection = begin("/events");
  for (const char& byte : lines) ASSERT_TRUE(connection.send(chunk_text(std::string_view(&byte, 1))));
  ASSERT_TRUE(connection.send("0\r\n\r\n"));
  const HttpResponse response = connection.read_response();
  EXPECT_EQ(response.status(), 200);
  EXPECT_TRUE(response.is_complete);
  EXPECT_EQ(std::count(response.body.begin(), response.body.end(), '\n'), 3) << response.body;
  EXPECT_EQ(history_data("a"), (Strings{"one", "two", "three"}));
}

TEST_P(EndlessNdjson, a_bad_line_is_answered_and_the_next_is_published) {
  start();
  HttpConnection connection = begin("/events/a");
  ASSERT_TRUE(connection.send(
      chunk_text("{\"data\":\"one\"}\nnonsense\n{\"data\":\"two\",\"id\":\"x\"}\n{\"data\":\"again\",\"id\":\"x\"}\n")));
  ASSERT_EQ(connection.read_head().status, 200);
  const auto first = connection.read_chunked_line();
  const auto second = connection.read_chunked_line();
  const auto third = connection.read_chunked_line();
  const auto fourth = connection.read_chunked_line();
  ASSERT_TRUE(first && second && third && fourth);
  EXPECT_NE(json_string(*first, "/id"), "") << *first;
  EXPECT_EQ(json_int(*second, "/line"), 2) << *second;
  EXPECT_NE(json_string(*second, "/error"), "") << *second;
  EXPECT_EQ(json_string(*third, "/id"), "x") << *third;
  EXPECT_EQ(json_string(*fourth, "/id"), "x") << *fourth;
  EXPECT_EQ(history_data("a"), (Strings{"one", "two"}));
}

TEST_P(Publish, many_requests_on_one_connection) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  for (int number = 1; number <= 50; ++number) {
    ASSERT_TRUE(connection.send(request_text("POST", "/events/a", authority(), {}, std::to_string(number))));
    const HttpResponse response = connection.read_response();
    ASSERT_EQ(response.status(), 200) << number;
    ASSERT_FALSE(header_has_token(response.head.headers, "Connection", "close"));
  }
  EXPECT_EQ(history("a").size(), 50U);
}

TEST_P(Publish, pipelined_requests_are_answered_in_order) {
  start();
  std::string requests;
  for (int number = 1; number <= 50; ++number) {
    requests += request_text("POST", "/events/a?id=n" + std::to_string(number), authority(), {}, std::to_string(number));
  }
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send(requests));
  for (int number = 1; number <= 50; ++number) {
    const HttpResponse response = connection.read_response();
    ASSERT_EQ(response.status(), 200) << number;
    EXPECT_EQ(json_string(response.body, "/id"), "n" + std::to_string(number));
  }
  const auto events = history("a");
  ASSERT_EQ(events.size(), 50U);
  for (int number = 1; number <= 50; ++number)
    EXPECT_EQ(events[static_cast<std::size_t>(number - 1)].data, std::to_string(number));
}

TEST_P(Publish, a_chunked_raw_body_is_one_event) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST /events/a HTTP/1.1\r\nHost: " + authority() + "\r\nTransfer-Encoding: chunked\r\n\r\n"));
  ASSERT_TRUE(connection.send_byte_by_byte(chunk_text("one ") + chunk_text("event") + "0\r\n\r\n"));
  EXPECT_EQ(connection.read_response().status(), 200);
  EXPECT_EQ(history_data("a"), Strings{"one event"});
}

TEST_P(Publish, says_100_continue_before_the_body_is_sent) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST /events/a HTTP/1.1\r\nHost: " + authority() +
                              "\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(connection.read_head().status, 100);
  ASSERT_TRUE(connection.send("body"));
  EXPECT_EQ(connection.read_response().status(), 200);
  EXPECT_EQ(history_data("a"), Strings{"body"});
}

TEST_P(Publish, refuses_instead_of_100_continue_what_is_too_large) {
  start();
  HttpConnection connection = HttpConnection::open(port());
  ASSERT_TRUE(connection.send("POST /events/a HTTP/1.1\r\nHost: " + authority() +
                              "\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(connection.read_head().status, 413);
}

TEST_P(Publish, a_body_larger_than_socket_buffers_arrives_whole) {
  start();
  SseStream stream = subscribe_open("/events/a");
  const std::string data(250'000, 'd');
  publish("a", data);
  ASSERT_TRUE(stream.wait_published(1));
  EXPECT_EQ(stream.published_data(), Strings{data});
}

}  // namespace
}  // namespace broadside::test
