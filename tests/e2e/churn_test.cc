// Random life: events on random topics, subscribers that come, go, are cut at any byte and resume, read slowly or a byte at a
// time. The oracle then says whether anyone lost, doubled, reordered or tore anything. BROADSIDE_CHURN_SECONDS lengthens it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/support/backend_test.h"
#include "tests/support/oracle.h"
#include "tests/support/swarm.h"

namespace broadside::test {
namespace {

constexpr TopicIndex kTopicsCount = 12;

// Publishes random events over one keep-alive connection and tells the oracle what was answered.
class RandomPublisher {
 public:
  RandomPublisher(std::uint16_t port, std::uint64_t seed, const std::vector<std::string>& topics, bool has_own_ids,
                  Oracle& oracle)
      : port_(port),
        random_(seed),
        topics_(topics),
        has_own_ids_(has_own_ids),
        oracle_(oracle),
        connection_(HttpConnection::open(port)) {}

  // One event, or an NDJSON body of several.
  ::testing::AssertionResult publish() { return random_() % 8 == 0 ? publish_batch() : publish_one(); }

 private:
  TopicIndex draw_topic() {
    // The first topics are busy, the last ones are rare.
    return static_cast<TopicIndex>(std::min(random_() % kTopicsCount, random_() % kTopicsCount));
  }

  std::string draw_text() {
    const std::size_t size = random_() % 16 == 0 ? random_() % 20'000 : random_() % 300;
    std::string text;
    while (text.size() < size) {
      static const std::vector<std::string> pieces = {"word ", "\n",      "\r\n",         "\r", "\xC3\xA4",
                                                      ": ",    "data: x", "\xE2\x82\xAC", "{}", "id:7 "};
      text += random_() % 5 == 0 ? pieces[random_() % pieces.size()]
                                 : std::string(1 + random_() % 20, static_cast<char>('a' + random_() % 26));
    }
    return text;
  }

  ::testing::AssertionResult publish_one() {
    const TopicIndex topic = draw_topic();
    const std::string data = make_payload(draw_text());
    const std::string type = random_() % 4 == 0 ? "type" + std::to_string(random_() % 3) : "";
    const std::string own_id = has_own_ids_ && random_() % 5 == 0 ? "own-" + std::to_string(++own_ids_) : "";
    std::string target = "/events/" + topics_[topic] + "?x=";
    if (!type.empty()) target += "&event=" + type;
    if (!own_id.empty()) target += "&id=" + own_id;
    const HttpResponse response = exchange(request_text("POST", target, authority(), {}, data));
    const Published published = published_of(response);
    if (response.status() != 200 || published.position.packed == 0)
      return ::testing::AssertionFailure() << response.head.text << response.body;
    oracle_.on_published(topic, published.position, published.id, type, data);
    return ::testing::AssertionSuccess();
  }

  ::testing::AssertionResult publish_batch() {
    // Through the endless form, whose answers come one a line: each has its id, and an id without an own one is the position.
    const std::size_t count = 1 + random_() % 30;
    std::string lines;
    std::vector<std::pair<TopicIndex, std::string>> sent;
    for (std::size_t index = 0; index < count; ++index) {
      const TopicIndex topic = draw_topic();
      const std::string data = make_payload("batch " + std::to_string(random_()));
      lines += "{\"topic\":\"" + topics_[topic] + "\",\"data\":\"" + data + "\"}\n";
      sent.emplace_back(topic, data);
    }
    const std::string head = "POST /events HTTP/1.1\r\nHost: " + authority() +
                             "\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    const HttpResponse response = exchange(head + chunk_text(lines) + "0\r\n\r\n");
    std::string_view rest = response.body;
    for (const auto& [topic, data] : sent) {
      const std::string id = json_string(rest.substr(0, rest.find('\n')), "/id");
      if (id.empty()) return ::testing::AssertionFailure() << response.head.text << response.body;
      oracle_.on_published(topic, Position{id_key_of(id)}, id, "", data);
      rest.remove_prefix(std::min(rest.size(), rest.find('\n') + 1));
    }
    return ::testing::AssertionSuccess();
  }

  HttpResponse exchange(const std::string& request) {
    if (!connection_.is_open() || connection_.was_closed()) connection_ = HttpConnection::open(port_);
    connection_.send(request);
    HttpResponse response = connection_.read_response();
    if (header_has_token(response.head.headers, "Connection", "close")) connection_ = HttpConnection::open(port_);
    return response;
  }

  [[nodiscard]] std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }

  std::uint16_t port_;
  std::mt19937_64 random_;
  const std::vector<std::string>& topics_;
  bool has_own_ids_;
  Oracle& oracle_;
  HttpConnection connection_;
  std::uint64_t own_ids_ = 0;
};

StreamPlan draw_plan(std::mt19937_64& random) {
  StreamPlan plan;
  const std::size_t topics_count = random() % 3 == 0 ? 1 + random() % kTopicsCount : 1;
  for (std::size_t index = 0; index < topics_count; ++index)
    plan.topics.push_back(static_cast<TopicIndex>(random() % kTopicsCount));
  const auto pace = random() % 10;
  plan.pace = pace < 6 ? Pace::full : pace < 9 ? Pace::slow : Pace::one_byte;
  plan.bytes_per_tick = static_cast<std::uint32_t>(plan.pace == Pace::one_byte ? 1 + random() % 50 : 1 + random() % 2000);
  if (random() % 3 != 0) plan.cut_bytes_mean = static_cast<std::uint32_t>(200 + random() % 30'000);
  plan.reconnect_ms_max = static_cast<std::uint32_t>(random() % 3 == 0 ? random() % 500 : 0);
  return plan;
}

class Churn : public BackendTest {};
BROADSIDE_ON_BOTH_BACKENDS(Churn);

TEST_P(Churn, nobody_loses_doubles_reorders_or_tears_anything) {
  start({"--history-events", "1000000", "--history-bytes", "256MiB", "--history-memory", "4GiB", "--max-connections", "5000"});
  const char* seconds = std::getenv("BROADSIDE_CHURN_SECONDS");
  const auto duration = std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : static_cast<int>(scaled(10, 5)));
  const std::size_t streams_max = scaled(400, 100);
  const std::uint64_t seed = test_seed();
  std::mt19937_64 random(seed);
  std::vector<std::string> topics;
  for (TopicIndex topic = 0; topic < kTopicsCount; ++topic) topics.push_back("churn-" + std::to_string(topic));
  Oracle oracle;
  RandomPublisher publisher(port(), random(), topics, true, oracle);
  Swarm swarm({.port = port(), .topic_names = topics, .seed = random()});
  std::vector<std::size_t> present;

  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
    if (present.size() < streams_max && random() % 2 == 0) present.push_back(swarm.add(draw_plan(random)));
    if (present.size() > streams_max / 2 && random() % 8 == 0) {
      const std::size_t index = random() % present.size();
      swarm.leave(present[index]);
      present.erase(present.begin() + static_cast<std::ptrdiff_t>(index));
    }
    if (random() % 3 != 0) {
      ASSERT_TRUE(publisher.publish()) << "seed " << seed;
    }
    swarm.turn(random() % 4 == 0 ? 1 : 0);
    ASSERT_EQ(swarm.first_violation(), "") << "seed " << seed;
  }
  swarm.calm_down();
  const bool have_all = swarm.run_until([&] { return swarm.all_have_newest(oracle); }, Deadline::in(Millis(60'000)));
  std::cout << GetParam() << ": " << oracle.events_count() << " events, " << swarm.received_count() << " deliveries to "
            << swarm.size() << " subscribers, " << swarm.cuts_count() << " cuts, " << swarm.server_closes_count()
            << " closed by the server" << std::endl;
  EXPECT_EQ(swarm.check(oracle), "") << "seed " << seed;
  EXPECT_TRUE(have_all) << "seed " << seed;
}

TEST_P(Churn, who_falls_out_of_a_short_log_is_told_of_exactly_what_may_be_missing) {
  start({"--history-events", "50", "--max-connections", "5000"});
  const std::uint64_t seed = test_seed() + 1;
  std::mt19937_64 random(seed);
  std::vector<std::string> topics;
  for (TopicIndex topic = 0; topic < kTopicsCount; ++topic) topics.push_back("short-" + std::to_string(topic));
  Oracle oracle;
  // Without own ids: one that has left the log is unknown, and then all that the logs hold is sent again, as it should be.
  RandomPublisher publisher(port(), random(), topics, false, oracle);
  Swarm swarm({.port = port(), .topic_names = topics, .seed = random()});
  for (std::uint32_t number = 0; number < scaled(100, 30); ++number) {
    StreamPlan plan = draw_plan(random);
    plan.reconnect_ms_max = 300;
    swarm.add(plan);
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < end) {
    ASSERT_TRUE(publisher.publish()) << "seed " << seed;
    swarm.turn(0);
    ASSERT_EQ(swarm.first_violation(), "") << "seed " << seed;
  }
  swarm.calm_down();
  swarm.run_until([&] { return swarm.all_have_newest(oracle); }, Deadline::in(Millis(30'000)));
  EXPECT_EQ(swarm.check(oracle, true), "") << "seed " << seed;
}

}  // namespace
}  // namespace broadside::test
