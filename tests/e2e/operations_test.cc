// What an operator sees: health, topics, metrics, CORS, who may publish, start-up refusals, overload, heartbeats, the drain.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

class Operations : public BackendTest {};
BROADSIDE_ON_BOTH_BACKENDS(Operations);

TEST_P(Operations, health_and_readiness_are_200) {
  start();
  EXPECT_EQ(get("/healthz").status(), 200);
  EXPECT_EQ(get("/readyz").status(), 200);
}

TEST_P(Operations, topics_are_listed_in_pages) {
  start();
  EXPECT_TRUE(is_json(get("/topics").body));
  for (int number = 0; number < 30; ++number) publish("t" + std::to_string(100 + number), "x");
  const HttpResponse all = get("/topics?limit=1000");
  ASSERT_EQ(all.status(), 200);
  ASSERT_TRUE(is_json(all.body)) << all.body;
  for (int number = 0; number < 30; ++number)
    EXPECT_NE(all.body.find("\"t" + std::to_string(100 + number) + "\""), std::string::npos);
  const HttpResponse first = get("/topics?limit=10");
  EXPECT_NE(first.body.find("\"t109\""), std::string::npos) << first.body;
  EXPECT_EQ(first.body.find("\"t110\""), std::string::npos) << first.body;
  const HttpResponse next = get("/topics?limit=10&after=t109");
  EXPECT_NE(next.body.find("\"t110\""), std::string::npos) << next.body;
  expect_problem(get("/topics?limit=1001"), 400, "limit");
}

TEST_P(Operations, one_topic_is_described) {
  start();
  expect_problem(get("/topics/a"), 404);
  publish("a", "x");
  const SseStream stream = subscribe_open("/events/a");
  ASSERT_TRUE(wait_subscribers("a", 1));
  const HttpResponse response = get("/topics/a");
  EXPECT_EQ(response.status(), 200);
  EXPECT_EQ(json_int(response.body, "/subscribers"), 1) << response.body;
}

TEST_P(Operations, metrics_are_prometheus_text) {
  start();
  const SseStream stream = subscribe_open("/events/a");
  publish("a", "x");
  const HttpResponse response = get("/metrics");
  EXPECT_EQ(response.status(), 200);
  EXPECT_EQ(response.header("Content-Type").rfind("text/plain; version=0.0.4", 0), 0U) << response.header("Content-Type");
  EXPECT_NE(response.body.find("# TYPE broadside_"), std::string::npos) << response.body.substr(0, 500);
  EXPECT_EQ(response.body.back(), '\n');
}

TEST_P(Operations, cross_origin_is_answered_for_named_origins_with_credentials) {
  start({"--cors-origin", "https://a.example", "--cors-origin", "https://b.example"});
  for (const std::string origin : {"https://a.example", "https://b.example"}) {
    const SseStream stream = subscribe_open("/events/a", {{"Origin", origin}});
    EXPECT_EQ(stream.head().header("Access-Control-Allow-Origin"), origin);
    EXPECT_EQ(stream.head().header("Access-Control-Allow-Credentials"), "true");
    EXPECT_TRUE(header_has_token(stream.head().headers, "Vary", "Origin"));
  }
  EXPECT_FALSE(subscribe_open("/events/a", {{"Origin", "https://c.example"}}).head().has("Access-Control-Allow-Origin"));
}

TEST_P(Operations, publishing_without_a_token_is_for_this_machine_alone) {
  start({"--cors-origin", "https://app.example"});
  const std::vector<Headers> refused = {
      {{"Forwarded", "for=192.0.2.1"}},
      {{"X-Forwarded-For", "192.0.2.1"}},
      {{"Via", "1.1 proxy"}},
      {{"Origin", "https://evil.example"}},
      {{"Origin", "null"}},
      {{"Host", "evil.example"}},
      {{"Host", "evil.example:8080"}},
  };
  for (const Headers& headers : refused) {
    SCOPED_TRACE(headers[0].first + ": " + headers[0].second);
    expect_problem(post("/events/a", "x", headers), 403);
    expect_problem(fetch(port(), "DELETE", "/events/a", headers), 403);
    expect_problem(post("/connections/00000000000000000000000000000000", "x", headers), 403);
  }
  const std::vector<Headers> allowed = {
      {{"Origin", "https://app.example"}},
      {{"Origin", "http://" + authority()}},
      {{"Host", "localhost:" + std::to_string(port())}},
      {{"Host", "[::1]:" + std::to_string(port())}},
      {{"Host", "127.0.0.1"}},
  };
  for (const Headers& headers : allowed) {
    SCOPED_TRACE(headers[0].first + ": " + headers[0].second);
    EXPECT_EQ(post("/events/a", "x", headers).status(), 200);
  }
  EXPECT_EQ(subscribe("/events/a", {{"X-Forwarded-For", "192.0.2.1"}}).head().status, 200) << "reading is open";
}

TEST_P(Operations, refuses_to_start_where_others_could_publish) {
  const ProgramResult result =
      run_program({"serve", "--backend", GetParam(), "--listen", "0.0.0.0:0"}, Deadline::in(Millis(10'000)));
  ASSERT_TRUE(result.exit_code.has_value()) << "it runs: " << result.stdout_text;
  EXPECT_NE(*result.exit_code, 0);
  EXPECT_NE(result.stderr_text.find("--anonymous-publish"), std::string::npos) << "must say what to do: " << result.stderr_text;
  EXPECT_EQ(result.stdout_text, "");
}

TEST_P(Operations, a_second_server_on_the_same_port_is_an_error) {
  start();
  const ProgramResult result =
      run_program({"serve", "--backend", GetParam(), "--listen", authority()}, Deadline::in(Millis(10'000)));
  ASSERT_TRUE(result.exit_code.has_value()) << "it runs beside the first";
  EXPECT_NE(*result.exit_code, 0);
  EXPECT_NE(result.stderr_text.find("address in use"), std::string::npos) << result.stderr_text;
  EXPECT_NE(result.stderr_text.find("--listen"), std::string::npos) << result.stderr_text;
  EXPECT_EQ(get("/healthz").status(), 200) << "the first goes on";
}

TEST_P(Operations, a_bad_flag_is_an_error_that_names_it) {
  for (const Strings& flags : {Strings{"--no-such-flag"}, Strings{"--backend", "magic"}, Strings{"--history-events", "many"},
                               Strings{"--listen", "nonsense"}, Strings{"--heartbeat", "often"}}) {
    Strings arguments = {"serve"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const ProgramResult result = run_program(arguments, Deadline::in(Millis(10'000)));
    ASSERT_TRUE(result.exit_code.has_value()) << flags[0];
    EXPECT_NE(*result.exit_code, 0) << flags[0];
    EXPECT_NE((result.stderr_text + result.stdout_text).find(flags[0]), std::string::npos) << result.stderr_text;
  }
}

TEST_P(Operations, a_full_server_turns_away_without_an_error_for_event_sources) {
  start({"--max-connections", "5"});
  std::vector<SseStream> streams;
  for (int number = 0; number < 5; ++number) streams.push_back(subscribe_open("/events/a"));
  SseStream refused = subscribe("/events/a");
  EXPECT_EQ(refused.head().status, 200) << "after a 503 an EventSource never comes back";
  EXPECT_EQ(refused.head().header("Content-Type").rfind("text/event-stream", 0), 0U);
  EXPECT_TRUE(refused.wait_closed());
  EXPECT_TRUE(refused.stream().retry_ms().has_value()) << refused.body();
  EXPECT_TRUE(refused.events().empty()) << "no broadside.open: " << refused.body();
  const HttpResponse other = get("/events/a", {{"Accept", "*/*"}});
  expect_problem(other, 503);
  EXPECT_TRUE(other.head.has("Retry-After"));
  EXPECT_EQ(get("/healthz").status(), 200) << "health and publishers are not subscribers";
  publish("a", "x");
  for (SseStream& stream : streams) EXPECT_TRUE(stream.wait_published(1)) << "nobody is evicted to admit another";
  streams.pop_back();
  ASSERT_TRUE(wait_subscribers("a", 4));
  streams.push_back(subscribe_open("/events/a"));
}

TEST_P(Operations, heartbeats_arrive_while_nothing_is_published) {
  start({"--heartbeat", "1s"});
  SseStream stream = subscribe_open("/events/a");
  const Deadline deadline = soon();
  while (stream.stream().comments_count() < 2) ASSERT_TRUE(stream.read_more(deadline)) << "no heartbeat";
  publish("a", "x");
  EXPECT_TRUE(stream.wait_published(1));
  EXPECT_EQ(stream.stream().violation(), "");
}

TEST_P(Operations, listens_on_a_unix_socket_too) {
  char folder[] = "/tmp/broadside_test_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/server.sock";
  start({}, {"127.0.0.1:0", "unix:" + path});
  HttpConnection publisher = HttpConnection::open_unix(path);
  ASSERT_TRUE(publisher.is_open());
  HttpConnection connection = HttpConnection::open_unix(path);
  ASSERT_TRUE(connection.send(request_text("GET", "/events/a", "localhost", {{"Accept", "text/event-stream"}}, "")));
  SseStream stream = SseStream::from(std::move(connection));
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  ASSERT_TRUE(publisher.send(request_text("POST", "/events/a", "localhost", {}, "by unix")));
  EXPECT_EQ(publisher.read_response().status(), 200);
  publish("a", "by tcp");
  ASSERT_TRUE(stream.wait_published(2));
  EXPECT_EQ(stream.published_data(), (Strings{"by unix", "by tcp"}));
  stream.connection().close();
  publisher.close();
  stop();
  unlink(path.c_str());
  EXPECT_EQ(rmdir(folder), 0);
}

class Drain : public BackendTest {};
BROADSIDE_ON_BOTH_BACKENDS(Drain);

TEST_P(Drain, every_stream_gets_what_its_log_holds_then_retry_and_a_close) {
  start({"--drain-timeout", "5s", "--history-bytes", "64MiB"});
  std::vector<SseStream> streams;
  for (int number = 0; number < 20; ++number) streams.push_back(subscribe_open("/events/a"));
  // One that has megabytes before it and does not read them before the drain has begun.
  SseStream behind = SseStream::open(port(), "/events/a", {}, 4096);
  ASSERT_TRUE(behind.wait_for("broadside.open"));
  const int count = 60;
  for (int number = 1; number <= count; ++number) publish("a", std::to_string(number) + std::string(50'000, '.'));
  server().process().signal(SIGTERM);
  for (SseStream& stream : streams) {
    EXPECT_TRUE(stream.wait_closed(Deadline::in(Millis(20'000)))) << stream.stream().violation();
    EXPECT_EQ(stream.published().size(), static_cast<std::size_t>(count));
    const auto last_retry = stream.body().rfind("retry: ");
    ASSERT_NE(last_retry, std::string::npos);
    EXPECT_GT(last_retry, stream.body().rfind("data: ")) << "the close is announced by a retry of its own";
  }
  EXPECT_TRUE(behind.wait_closed(Deadline::in(Millis(20'000)))) << behind.stream().violation();
  EXPECT_EQ(behind.published().size(), static_cast<std::size_t>(count));
  EXPECT_EQ(wait_exit(Deadline::in(Millis(20'000))), 0);
}

TEST_P(Drain, jitters_when_clients_come_back) {
  start({"--drain-timeout", "2s"});
  std::vector<SseStream> streams;
  for (int number = 0; number < 30; ++number) streams.push_back(subscribe_open("/events/a"));
  server().process().signal(SIGINT);
  std::vector<std::uint64_t> retries;
  for (SseStream& stream : streams) {
    EXPECT_TRUE(stream.wait_closed(Deadline::in(Millis(20'000))));
    retries.push_back(stream.stream().retry_ms().value_or(0));
  }
  std::sort(retries.begin(), retries.end());
  EXPECT_NE(retries.front(), retries.back()) << "all would come back at the same moment";
  EXPECT_EQ(wait_exit(Deadline::in(Millis(20'000))), 0);
}

TEST_P(Drain, closes_listeners_at_once_and_a_second_signal_ends_it) {
  start({"--drain-timeout", "60s", "--history-bytes", "64MiB"});
  SseStream stalled = SseStream::open(port(), "/events/a", {}, 4096);
  ASSERT_TRUE(stalled.wait_for("broadside.open"));
  for (int number = 1; number <= 100; ++number) publish("a", std::string(100'000, '.'));
  server().process().signal(SIGTERM);
  const Deadline deadline = Deadline::in(Millis(2'000));
  while (!is_refused(port())) ASSERT_FALSE(deadline.has_passed()) << "still listening";
  EXPECT_TRUE(server().process().is_running()) << "a stream is still open";
  server().process().signal(SIGTERM);
  EXPECT_TRUE(wait_exit(Deadline::in(Millis(3'000))).has_value());
}

TEST_P(Drain, keep_alive_publishers_are_told_to_close) {
  start({"--drain-timeout", "10s", "--history-bytes", "64MiB"});
  SseStream stalled = SseStream::open(port(), "/events/a", {}, 4096);
  ASSERT_TRUE(stalled.wait_for("broadside.open"));
  for (int number = 1; number <= 100; ++number) publish("a", std::string(100'000, '.'));
  HttpConnection publisher = HttpConnection::open(port());
  ASSERT_TRUE(publisher.send(request_text("GET", "/readyz", authority(), {}, "")));
  ASSERT_EQ(publisher.read_response().status(), 200);
  server().process().signal(SIGTERM);
  const Deadline deadline = Deadline::in(Millis(2'000));
  while (!is_refused(port())) ASSERT_FALSE(deadline.has_passed()) << "still listening";
  if (publisher.send(request_text("GET", "/readyz", authority(), {}, ""))) {
    const HttpResponse response = publisher.read_response();
    if (response.status() != 0) {
      EXPECT_EQ(response.status(), 503);
      EXPECT_TRUE(header_has_token(response.head.headers, "Connection", "close"));
    }
  }
  stalled.connection().reset();
  EXPECT_EQ(wait_exit(Deadline::in(Millis(20'000))), 0);
}

}  // namespace
}  // namespace broadside::test
