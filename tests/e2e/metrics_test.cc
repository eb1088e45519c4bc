// What the server measures of itself, against what was done to it: exact counters, formats, cardinality, and listings that name
// the slow ones while delivery goes on.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

class Metrics : public BackendTest {
 protected:
  [[nodiscard]] std::string scrape() const {
    const HttpResponse response = get("/metrics");
    EXPECT_EQ(response.status(), 200);
    return response.body;
  }
  // The value of a sample, named as it stands there with its labels; -1 if it is not there.
  static double value(const std::string& text, const std::string& sample) {
    const std::size_t at = text.find("\nbroadside_" + sample + " ");
    if (at == std::string::npos) return -1;
    return std::stod(text.substr(at + 12 + sample.size()));
  }
  // Scrapes until `sample` is at least `wanted`: what was sent last is counted a moment after it was received.
  [[nodiscard]] std::string scrape_until(const std::string& sample, double wanted) const {
    const Deadline deadline = soon();
    std::string text = scrape();
    while (value(text, sample) < wanted && !deadline.has_passed()) text = scrape();
    return text;
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Metrics);

TEST_P(Metrics, count_exactly_what_was_published_and_delivered) {
  start({"--shards", "1"});
  constexpr int kSubscribers = 20;
  constexpr int kEvents = 50;
  std::vector<SseStream> streams;
  for (int i = 0; i < kSubscribers; ++i) streams.push_back(subscribe_open("/events/a"));
  publish_many("a", kEvents);
  publish_many("nobody", 7);
  for (SseStream& stream : streams) ASSERT_TRUE(stream.wait_published(kEvents));
  EXPECT_EQ(get("/no-such-path").status(), 404);
  EXPECT_EQ(get("/topics?limit=0").status(), 400);
  std::string text = scrape_until("publish_to_last_write_seconds_count", kEvents);
  EXPECT_EQ(value(text, "deliveries_total"), kSubscribers * kEvents);
  EXPECT_EQ(value(text, "publishes_total"), kEvents + 7);
  EXPECT_EQ(value(text, "subscribes_total"), kSubscribers);
  EXPECT_EQ(value(text, "subscribers"), kSubscribers);
  EXPECT_EQ(value(text, "publish_to_first_write_seconds_count"), kEvents);
  EXPECT_EQ(value(text, "publish_to_last_write_seconds_count"), kEvents);
  EXPECT_EQ(value(text, "refusals_total{reason=\"not_found\"}"), 1);
  EXPECT_EQ(value(text, "refusals_total{reason=\"malformed\"}"), 1);
  EXPECT_EQ(value(text, "gaps_total"), 0);
  EXPECT_EQ(value(text, "closes_total{reason=\"finished\"}") + value(text, "closes_total{reason=\"peer\"}") +
                value(text, "connections"),
            value(text, "accepts_total"));
  EXPECT_NE(text.find("backend=\"" + GetParam() + "\""), std::string::npos);
  EXPECT_EQ(fetch(port(), "DELETE", "/events/a").status(), 200);
  for (SseStream& stream : streams) EXPECT_TRUE(stream.wait_closed());
  text = scrape_until("ends_total", 1);
  EXPECT_EQ(value(text, "deliveries_total"), kSubscribers * kEvents) << "an end is nobody's event";
  EXPECT_EQ(value(text, "subscribers"), 0);
}

TEST_P(Metrics, have_as_many_lines_with_a_thousand_topics) {
  start();
  publish("first", "x");
  const auto lines_of = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  const auto before = lines_of(scrape());
  for (int topic = 0; topic < 1000; ++topic) publish("topic-" + std::to_string(topic), "x");
  const SseStream stream = subscribe_open("/events/topic-1");
  EXPECT_EQ(lines_of(scrape()), before);
}

TEST_P(Metrics, are_open_metrics_when_asked_for) {
  start();
  const HttpResponse response = get("/metrics", {{"Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}});
  EXPECT_EQ(response.header("Content-Type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_TRUE(response.body.ends_with("\n# EOF\n"));
  EXPECT_EQ(get("/metrics").header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
}

// promtool's own parser and its lint, on what a server says that has something to say.
TEST_P(Metrics, satisfy_promtool) {
  const std::string unpacked = std::string(BROADSIDE_SOURCE_DIR) + "/build/promtool/usr/bin/promtool";
  // One that is installed needs no path.
  const std::string promtool = access(unpacked.c_str(), X_OK) == 0 ? unpacked : "promtool";
  const char* named = std::getenv("BROADSIDE_PROMTOOL");
  const std::string program = named != nullptr ? named : promtool;
  if (std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) != 0)
    GTEST_SKIP() << "there is no " << program << "; tools/setup.sh test brings promtool";
  start();
  SseStream stream = subscribe_open("/events/a");
  publish_many("a", 10);
  ASSERT_TRUE(stream.wait_published(10));
  char file[] = "/tmp/broadside_metrics_XXXXXX";
  const int fd = mkstemp(file);
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(file) << scrape();
  std::FILE* pipe = popen((program + " check metrics < " + file + " 2>&1").c_str(), "re");
  ASSERT_NE(pipe, nullptr);
  std::string said;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) said.append(buffer, got);
  EXPECT_EQ(pclose(pipe), 0) << said;
  EXPECT_EQ(said, "") << "promtool's lint";
  unlink(file);
}

class Listings : public Metrics {
 protected:
  static std::string own_id(const SseStream& stream) { return json_string(stream.find("broadside.open")->data, "/connection"); }
};
BROADSIDE_ON_BOTH_BACKENDS(Listings);

TEST_P(Listings, name_the_stalled_connection_first) {
  start({"--history-bytes", "64MiB", "--history-events", "100000", "--shards", "2"});
  std::vector<SseStream> streams;
  for (int i = 0; i < 30; ++i) streams.push_back(subscribe_open(i % 2 == 0 ? "/events/a" : "/events?topic=a&topic=quiet"));
  SseStream stalled = SseStream::open(port(), "/events/slow", {}, 4096);
  ASSERT_TRUE(stalled.wait_for("broadside.open"));
  constexpr int kEvents = 300;
  for (int i = 0; i < kEvents; ++i) {
    publish("slow", std::string(50'000, '.'));
    publish("a", "x");
    if (i % 100 != 0) continue;
    // Delivery goes on while everything is looked through.
    EXPECT_EQ(get("/connections?top=5").status(), 200);
    EXPECT_EQ(get("/topics?top=5&by=rate").status(), 200);
  }
  for (SseStream& stream : streams) ASSERT_TRUE(stream.wait_published(kEvents));
  const HttpResponse top = get("/connections?top=3&by=lag");
  ASSERT_EQ(top.status(), 200) << top.body;
  ASSERT_TRUE(is_json(top.body)) << top.body;
  EXPECT_EQ(json_array_size(top.body, "/connections"), 3U);
  EXPECT_EQ(json_string(top.body, "/connections/0/id"), own_id(stalled)) << top.body;
  EXPECT_EQ(json_strings(top.body, "/connections/0/topics"), std::vector<std::string>{"slow"});
  EXPECT_EQ(json_bool(top.body, "/connections/0/blocked"), true);
  EXPECT_GT(json_int(top.body, "/connections/0/lag/events").value_or(0), 10);
  EXPECT_GT(json_int(top.body, "/connections/0/lag/bytes").value_or(0), 500'000);
  EXPECT_EQ(json_string(top.body, "/connections/0/peer").rfind("127.0.0.", 0), 0U) << top.body;
  EXPECT_EQ(json_int(top.body, "/connections/1/lag/events"), 0) << top.body;

  const HttpResponse topics = get("/topics?top=20&by=lag");
  EXPECT_EQ(json_array_size(topics.body, "/topics"), 1U) << topics.body;
  EXPECT_EQ(json_string(topics.body, "/topics/0/name"), "slow");
  EXPECT_GT(json_int(topics.body, "/topics/0/lag/events").value_or(0), 10);
  EXPECT_EQ(json_string(get("/topics?top=1&by=subscribers").body, "/topics/0/name"), "a");

  const std::string text = scrape_until("subscribers_lagging", 1);
  EXPECT_EQ(value(text, "subscribers_lagging"), 1);
  EXPECT_GT(value(text, "lag_events"), 10);
  EXPECT_GT(value(text, "lag_bytes"), 500'000);
  EXPECT_GT(value(text, "lag_seconds"), 0);
  stalled.connection().reset();
  const Deadline deadline = soon();
  while (value(scrape(), "lag_events") > 0) ASSERT_FALSE(deadline.has_passed()) << "nobody lags any more";
}

TEST_P(Listings, give_every_connection_once_in_pages) {
  start({"--shards", "2"});
  std::vector<SseStream> streams;
  std::vector<std::string> wanted;
  for (int i = 0; i < 57; ++i) {
    streams.push_back(subscribe_open("/events/a"));
    wanted.push_back(own_id(streams.back()));
  }
  std::vector<std::string> seen;
  std::string after;
  for (int pages = 0; pages < 20; ++pages) {
    const HttpResponse page = get("/connections?limit=10" + (after.empty() ? "" : "&after=" + after));
    ASSERT_EQ(page.status(), 200) << page.body;
    const std::size_t count = json_array_size(page.body, "/connections").value_or(0);
    for (std::size_t i = 0; i < count; ++i) seen.push_back(json_string(page.body, "/connections/" + std::to_string(i) + "/id"));
    if (json_is_null(page.body, "/next")) break;
    EXPECT_EQ(count, 10U);
    after = json_string(page.body, "/next");
  }
  std::sort(wanted.begin(), wanted.end());
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, wanted);
}

TEST_P(Listings, are_refused_like_other_requests) {
  start();
  expect_problem(get("/connections?top=0"), 400, "top");
  expect_problem(get("/connections?top=5&by=rate"), 400, "lag");
  expect_problem(get("/connections?after=nonsense"), 400, "after");
  expect_problem(get("/connections?after=9-0"), 400, "after");
  expect_problem(get("/topics?top=5&by=name"), 400, "by");
  expect_problem(get("/connections", {{"X-Forwarded-For", "192.0.2.1"}}), 403);
  expect_problem(fetch(port(), "DELETE", "/connections"), 405, "GET");
  const HttpResponse options = fetch(port(), "OPTIONS", "/connections");
  EXPECT_EQ(options.status(), 204);
  EXPECT_EQ(options.header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(get("/connections").body, R"({"connections":[],"next":null})");
  EXPECT_EQ(get("/connections", {{"Origin", "http://" + authority()}}).status(), 200);
}

TEST_P(Listings, a_targeted_event_too_large_for_any_buffer_is_413) {
  start();
  SseStream stream = subscribe_open("/events/a");
  const std::string target = "/connections/" + own_id(stream);
  expect_problem(post(target, std::string(65'536, 'x')), 413, "64 KiB");
  EXPECT_EQ(post(target, std::string(65'000, 'x')).status(), 202);
  ASSERT_TRUE(stream.wait_published(1));
}

}  // namespace
}  // namespace broadside::test
