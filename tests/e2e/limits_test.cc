// Who may use how much, over real connections: connections by address and by subject, events by publisher; on IPv4, IPv6 and Unix
// sockets.
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "tests/support/backend_test.h"
#include "tests/support/ipv6.h"
#include "tests/support/scratch_file.h"
#include "tests/support/token_forge.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

const std::string kSome = "127.0.0.9";
const std::string kOther = "127.0.0.10";
const Headers kNdjson = {{"Content-Type", "application/x-ndjson"}};

class Limits : public BackendTest {
 protected:
  [[nodiscard]] HttpConnection connect(const std::string& source) const { return HttpConnection::open(port(), 0, source); }
  HttpResponse ask(HttpConnection& connection, std::string_view method, std::string_view target, const Headers& headers = {},
                   std::string_view body = "") const {
    EXPECT_TRUE(connection.send(request_text(method, target, authority(), headers, body)));
    return connection.read_response();
  }
  [[nodiscard]] HttpResponse ask_from(const std::string& source, std::string_view method, std::string_view target,
                                      const Headers& headers = {}, std::string_view body = "") const {
    HttpConnection connection = connect(source);
    return ask(connection, method, target, headers, body);
  }
  [[nodiscard]] SseStream stream_on(HttpConnection connection, const Headers& headers = {}) const {
    Headers all = headers;
    all.emplace_back("Accept", "text/event-stream");
    EXPECT_TRUE(connection.send(request_text("GET", "/events/a", authority(), all, "")));
    return SseStream::from(std::move(connection));
  }
  SseStream open_from(const std::string& source, const Headers& headers = {}) const {
    SseStream stream = stream_on(connect(source), headers);
    EXPECT_EQ(stream.head().status, 200);
    EXPECT_TRUE(stream.wait_for("broadside.open")) << stream.body();
    return stream;
  }
  // As an EventSource can take it: it comes back.
  static void expect_come_back(SseStream stream) {
    EXPECT_EQ(stream.head().status, 200);
    EXPECT_EQ(stream.head().header("Content-Type"), "text/event-stream");
    EXPECT_TRUE(stream.wait_closed());
    EXPECT_EQ(stream.body().rfind("retry: ", 0), 0U) << stream.body();
    EXPECT_TRUE(stream.events().empty());
  }
  static void expect_429(const HttpResponse& response) {
    expect_problem(response, 429);
    EXPECT_GE(std::atoi(response.header("Retry-After").c_str()), 1);
  }
  // Tries until a stream begins: the server notices those that go in its own time.
  [[nodiscard]] bool opens_soon(const std::string& source, const Headers& headers = {}) const {
    const Deadline deadline = soon();
    while (!deadline.has_passed()) {
      SseStream stream = stream_on(connect(source), headers);
      if (stream.wait_for("broadside.open")) return true;
    }
    return false;
  }
  [[nodiscard]] std::int64_t refusals(const std::string& reason) const {
    const std::string body = get("/metrics").body;
    const std::string line = "broadside_refusals_total{reason=\"" + reason + "\"} ";
    const std::size_t at = body.find(line);
    return at == std::string::npos ? -1 : std::atoll(body.c_str() + at + line.size());
  }
  [[nodiscard]] bool wait_refusals(const std::string& reason, std::int64_t count) const {
    const Deadline deadline = soon();
    while (!deadline.has_passed()) {
      if (refusals(reason) >= count) return true;
    }
    return false;
  }
  [[nodiscard]] Strings history(const std::string& topic) const {
    SseStream stream = subscribe("/events/" + topic + "?last=100&follow=0");
    EXPECT_TRUE(stream.wait_closed());
    return stream.published_data();
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Limits);

TEST_P(Limits, an_address_has_so_many_connections_at_once) {
  start({"--address-connections", "2", "--shards", "2"});
  SseStream first = open_from(kSome);
  const SseStream second = open_from(kSome);
  expect_come_back(stream_on(connect(kSome)));
  expect_429(ask_from(kSome, "GET", "/healthz"));
  expect_429(ask_from(kSome, "GET", "/events/a"));
  expect_429(ask_from(kSome, "POST", "/events/a", {}, "x"));
  EXPECT_EQ(refusals("address"), 4);
  open_from(kOther);
  first.connection().close();
  EXPECT_TRUE(opens_soon(kSome));
}

TEST_P(Limits, far_beyond_its_limit_an_address_is_not_even_answered_and_nobody_else_notices) {
  start({"--address-connections", "2", "--shards", "2"});
  SseStream stream = open_from(kSome);
  std::vector<HttpConnection> idle;
  // One more may be, and 16 may wait to be refused.
  for (int i = 0; i < 1 + 16 + 5; ++i) idle.push_back(connect(kSome));
  EXPECT_TRUE(wait_refusals("address", 5)) << refusals("address");
  publish("a", "news");
  EXPECT_TRUE(stream.wait_published(1));
  EXPECT_EQ(ask_from(kOther, "GET", "/healthz").status(), 200);
  // Those that wait give up, and the one that may be there goes.
  idle.clear();
  EXPECT_TRUE(opens_soon(kSome));
}

TEST_P(Limits, an_address_makes_so_many_connections_a_second) {
  start({"--address-connect-rate", "0.01"});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask_from(kSome, "GET", "/healthz").status(), 200) << i;
  expect_429(ask_from(kSome, "GET", "/healthz"));
  expect_come_back(stream_on(connect(kSome)));
  EXPECT_EQ(ask_from(kOther, "GET", "/healthz").status(), 200);
  HttpConnection kept = connect(kOther);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(ask(kept, "GET", "/healthz").status(), 200) << "requests are no connections";
}

TEST_P(Limits, the_access_log_says_what_was_answered_and_why_it_was_refused) {
  start({"--address-connections", "1", "--access-log"});
  HttpConnection malformed = connect(kOther);
  ASSERT_TRUE(malformed.send("what\r\n\r\n"));
  expect_problem(malformed.read_response(), 400);
  EXPECT_TRUE(wait_log(" - - 400 refused: "));
  const SseStream stream = open_from(kSome);
  EXPECT_TRUE(wait_log(" GET /events/a 200\n"));
  expect_429(ask_from(kSome, "POST", "/events/a", {}, "x"));
  EXPECT_TRUE(wait_log(" POST /events/a 429 refused: address\n"));
  expect_come_back(stream_on(connect(kSome)));
  EXPECT_TRUE(wait_log(" GET /events/a 200 refused: address\n"));
}

TEST_P(Limits, an_address_of_ipv6_is_served_and_counted) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no ::1";
  start({"--address-connections", "2"}, {"[::1]:0"});
  const std::string host = "[::1]:" + std::to_string(port());
  SseStream stream = open_from("::1");
  HttpConnection publisher = connect("::1");
  ASSERT_TRUE(publisher.send(request_text("POST", "/events/a", host, {}, "by IPv6")));
  EXPECT_EQ(publisher.read_response().status(), 200);
  EXPECT_TRUE(stream.wait_published(1));
  EXPECT_EQ(stream.published_data(), Strings{"by IPv6"});
  expect_come_back(stream_on(connect("::1")));
}

TEST_P(Limits, a_unix_socket_is_served_and_has_no_address_to_count) {
  const std::string path = (std::filesystem::temp_directory_path() / ("broadside_limits_" + GetParam() + ".sock")).string();
  start({"--address-connections", "1", "--address-connect-rate", "0.01"}, {"127.0.0.1:0", "unix:" + path});
  std::vector<SseStream> streams;
  for (int i = 0; i < 12; ++i) {
    streams.push_back(stream_on(HttpConnection::open_unix(path)));
    ASSERT_TRUE(streams.back().wait_for("broadside.open"));
  }
  HttpConnection publisher = HttpConnection::open_unix(path);
  EXPECT_EQ(ask(publisher, "POST", "/events/a", {}, "by path").status(), 200);
  for (SseStream& stream : streams) EXPECT_TRUE(stream.wait_published(1));
}

TEST_P(Limits, a_new_limit_counts_from_when_it_is_read) {
  const ScratchFile file("");
  start({"--config", file.path()});
  std::vector<SseStream> streams;
  for (int i = 0; i < 5; ++i) streams.push_back(open_from(kSome));
  file.write("address_connections = 1\n");
  server().process().signal(SIGHUP);
  ASSERT_TRUE(wait_log("address_connections no limit -> 1"));
  // Shards learn of it one after the other; from then on there is room for one more, and those that were there stay.
  const Deadline deadline = soon();
  bool is_refused = false;
  while (!is_refused && !deadline.has_passed()) {
    streams.push_back(stream_on(connect(kSome)));
    is_refused = !streams.back().wait_for("broadside.open");
  }
  EXPECT_TRUE(is_refused);
  publish("a", "news");
  EXPECT_TRUE(streams.front().wait_published(1));
}

class LimitsByToken : public Limits {
 protected:
  void start_with_key(Strings flags) {
    flags.insert(flags.end(), {"--auth-key", "HS256:" + secret_.path(), "--anonymous-subscribe", "*"});
    start(std::move(flags));
  }
  [[nodiscard]] Headers token_of(const std::string& subject) const {
    const std::string expires = std::to_string(std::time(nullptr) + 3600);
    const std::string sub = subject.empty() ? "" : R"("sub":")" + subject + "\",";
    return {{"Authorization", "Bearer " + signer_.token("{" + sub + "\"exp\":" + expires +
                                                        R"(,"broadside":{"subscribe":["*"],"publish":["*"],"admin":true}})")}};
  }

  const Signer signer_ = Signer::secret("HS256", test_secret());
  const ScratchFile secret_{test_secret()};
};
BROADSIDE_ON_BOTH_BACKENDS(LimitsByToken);

TEST_P(LimitsByToken, a_subject_has_so_many_streams_wherever_they_come_from) {
  start_with_key({"--subject-connections", "2", "--shards", "2"});
  const Headers alice = token_of("alice");
  SseStream first = open_from(kSome, alice);
  const SseStream second = open_from(kOther, alice);
  expect_come_back(stream_on(connect(kSome), alice));
  expect_429(ask_from(kSome, "GET", "/events/a", alice));
  const HttpResponse metrics = ask_from(kSome, "GET", "/metrics", alice);
  EXPECT_NE(metrics.body.find("broadside_refusals_total{reason=\"subject\"} 2\n"), std::string::npos) << metrics.body;
  open_from(kSome, token_of("bob"));
  open_from(kSome);  // Who says no name has none.
  open_from(kSome, token_of(""));
  // A renewed stream is still the same one.
  const std::string id = json_string(first.find("broadside.open")->data, "/connection");
  EXPECT_EQ(ask_from(kSome, "POST", "/connections/" + id + "/token", alice).status(), 200);
  expect_come_back(stream_on(connect(kSome), alice));
  first.connection().close();
  EXPECT_TRUE(opens_soon(kSome, alice));
}

TEST_P(LimitsByToken, a_subject_publishes_so_much_and_others_their_own) {
  start_with_key({"--publish-rate", "0.01"});
  EXPECT_EQ(ask_from(kSome, "POST", "/events/a", token_of("alice"), "1").status(), 200);
  expect_429(ask_from(kOther, "POST", "/events/a", token_of("alice"), "2"));
  EXPECT_TRUE(wait_log(R"(audit {"action":"publish","outcome":"refused","status":429,"target":"a","subject":"alice",)"));
  EXPECT_EQ(ask_from(kSome, "POST", "/events/a", token_of("bob"), "3").status(), 200);
  EXPECT_EQ(ask_from(kSome, "POST", "/events/a", token_of(""), "4").status(), 200);
  expect_429(ask_from(kSome, "DELETE", "/events/a", token_of("bob")));
  EXPECT_EQ(history("a"), (Strings{"1", "3", "4"}));
}

TEST_P(Limits, an_address_publishes_so_much_without_a_token) {
  start({"--publish-rate", "0.01"});
  EXPECT_EQ(ask_from(kSome, "POST", "/events/a", {}, "1").status(), 200);
  expect_429(ask_from(kSome, "POST", "/events/a", {}, "2"));
  expect_429(ask_from(kSome, "POST", "/events/a", kNdjson, "{\"data\":3}\n"));
  EXPECT_EQ(ask_from(kOther, "POST", "/events/a", kNdjson, "{\"data\":4}\n{\"data\":5}\n").status(), 200);
  expect_429(ask_from(kOther, "POST", "/events/a", {}, "6"));
  EXPECT_EQ(history("a"), (Strings{"1", "4", "5"})) << "of what is refused nothing is published";
  EXPECT_EQ(refusals("too_many"), 3);
}

TEST_P(Limits, an_address_publishes_so_many_bytes) {
  start({"--publish-bytes", "100"});
  EXPECT_EQ(ask_from(kSome, "POST", "/events/a", {}, std::string(20'000, 'x')).status(), 200) << "larger than a second's worth";
  const HttpResponse refused = ask_from(kSome, "POST", "/events/a", {}, "x");
  expect_429(refused);
  EXPECT_GT(std::atoi(refused.header("Retry-After").c_str()), 100);
}

TEST_P(Limits, endless_lines_wait_and_are_all_published_once_and_in_order) {
  start({"--publish-rate", "20"});
  SseStream stream = subscribe_open("/events/a");
  HttpConnection publisher = connect(kSome);
  ASSERT_TRUE(publisher.send("POST /events/a HTTP/1.1\r\nHost: " + authority() +
                             "\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"));
  ASSERT_EQ(publisher.read_head().status, 200);
  std::string lines;
  Strings expected;
  for (int i = 0; i < 40; ++i) {
    lines += "{\"data\":" + std::to_string(i) + "}\n";
    expected.push_back(std::to_string(i));
  }
  ASSERT_TRUE(publisher.send(chunk_text(lines) + "0\r\n\r\n"));
  for (int i = 0; i < 40; ++i) EXPECT_NE(json_string(publisher.read_chunked_line().value_or(""), "/id"), "") << i;
  ASSERT_TRUE(stream.wait_published(40));
  EXPECT_EQ(stream.published_data(), expected);
  // The connection is as good as new.
  EXPECT_FALSE(publisher.read_chunked_line().has_value());
  EXPECT_EQ(refusals("too_many"), 0);
}

}  // namespace
}  // namespace broadside::test
