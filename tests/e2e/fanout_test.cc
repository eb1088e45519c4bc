// Very many subscribers of one topic, in client processes of their own: each must have every event exactly once and in order. And
// a burst that is longer than the history, which must not throw out anyone who keeps reading.
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "tests/support/backend_test.h"
#include "tests/support/oracle.h"
#include "tests/support/swarm_process.h"

namespace broadside::test {
namespace {

constexpr int kProcesses = 4;

class Fanout : public BackendTest {
 protected:
  // Publishes `count` events one after the other and tells the oracle.
  void publish_to(Oracle& oracle, const std::string& topic, int count, std::size_t text_bytes) {
    HttpConnection connection = HttpConnection::open(port());
    for (int number = 0; number < count; ++number) {
      const std::string data = make_payload(std::to_string(number) + std::string(text_bytes, 'x'));
      ASSERT_TRUE(connection.send(request_text("POST", "/events/" + topic, authority(), {}, data)));
      const HttpResponse response = connection.read_response();
      ASSERT_EQ(response.status(), 200) << response.body;
      const Published published = published_of(response);
      oracle.on_published(0, published.position, published.id, "", data);
    }
  }

  std::vector<std::unique_ptr<SwarmProcess>> start_clients(std::size_t streams_count, const SwarmOptions& options) {
    std::vector<std::unique_ptr<SwarmProcess>> clients;
    for (int number = 0; number < kProcesses; ++number) {
      SwarmOptions own = options;
      own.source = static_cast<std::uint32_t>(2 + number);
      own.seed = test_seed() + static_cast<std::uint64_t>(number);
      clients.push_back(SwarmProcess::start(own, {.topics = {0}}, streams_count / kProcesses));
    }
    return clients;
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Fanout);

TEST_P(Fanout, every_one_of_very_many_subscribers_has_every_event) {
  // One process of the epoll backend holds what its limit of open files allows; the uring one has direct descriptors.
  const std::size_t streams_count = GetParam() == "uring" ? scaled(30'000, 2'000) : scaled(15'000, 2'000);
  start({"--max-connections", GetParam() == "uring" ? "60000" : "18000"});
  const auto clients = start_clients(streams_count, {.port = port(), .topic_names = {"fan"}});
  for (const auto& client : clients) ASSERT_EQ(client->wait_ready(Deadline::in(Millis(120'000))), "");
  std::cout << streams_count << " subscribers, server RSS " << server().process().rss_bytes() / 1024 << " KiB" << std::endl;
  Oracle oracle;
  const auto begin = std::chrono::steady_clock::now();
  publish_to(oracle, "fan", 20, 200);
  for (const auto& client : clients) client->expect(oracle);
  for (const auto& client : clients) EXPECT_EQ(client->result(Deadline::in(Millis(90'000))), "");
  const auto taken = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin);
  std::cout << 20 * streams_count << " deliveries in " << taken.count() << " ms, server RSS "
            << server().process().rss_bytes() / 1024 << " KiB" << std::endl;
}

// A client that the machine kept from reading for so long was not a healthy one, and says nothing about the server.
constexpr std::uint32_t kHealthyPauseMs = 400;
constexpr int kAttemptsMax = 5;

class Burst : public Fanout {
 protected:
  // Publishes by one endless request, written by one thread and its answers read by another: as fast as the server takes them.
  void publish_burst(int events_count, Oracle& oracle) {
    HttpConnection connection = HttpConnection::open(port());
    ASSERT_TRUE(connection.send("POST /events/burst HTTP/1.1\r\nHost: " + authority() +
                                "\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"));
    std::vector<std::string> data;
    std::string body;
    for (int number = 0; number < events_count; ++number) {
      data.push_back(make_payload(std::to_string(number) + " of a burst"));
      body += "{\"data\":\"" + data.back() + "\"}\n";
    }
    std::thread writer([&] {
      for (std::size_t at = 0; at < body.size(); at += 60'000) {
        if (!connection.send(chunk_text(std::string_view(body).substr(at, 60'000)), Deadline::in(Millis(60'000)))) return;
      }
      connection.send("0\r\n\r\n");
    });
    const HttpHead head = connection.read_head();
    EXPECT_EQ(head.status, 200);
    for (int number = 0; number < events_count && head.status == 200; ++number) {
      const auto answer = connection.read_chunked_line(Deadline::in(Millis(30'000)));
      const std::string id = answer ? json_string(*answer, "/id") : "";
      if (id.empty()) {
        ADD_FAILURE() << "line " << number << " was answered " << answer.value_or("not at all");
        break;
      }
      oracle.on_published(0, Position{id_key_of(id)}, id, "", data[static_cast<std::size_t>(number)]);
    }
    writer.join();
    EXPECT_EQ(oracle.events_count(), static_cast<std::size_t>(events_count));
  }

  // The first problem of any client; sets whether all of them were healthy.
  std::string burst_once(bool& were_healthy) {
    // Buffers that hold what a busy machine makes them wait for: healthy is who has room.
    const auto clients =
        start_clients(scaled(200, 40), {.port = port(), .topic_names = {"burst"}, .receive_buffer_bytes = 8 << 20});
    for (const auto& client : clients) EXPECT_EQ(client->wait_ready(Deadline::in(Millis(60'000))), "");
    Oracle oracle;
    publish_burst(static_cast<int>(scaled(20'000, 2'000)), oracle);
    for (const auto& client : clients) client->expect(oracle);
    std::string first_problem;
    for (const auto& client : clients) {
      const std::string problem = client->result(Deadline::in(Millis(90'000)));
      if (client->longest_pause_ms() > kHealthyPauseMs) were_healthy = false;
      if (first_problem.empty()) first_problem = problem;
    }
    return first_problem;
  }
};
BROADSIDE_ON_BOTH_BACKENDS(Burst);

TEST_P(Burst, longer_than_the_history_throws_out_nobody_who_reads) {
  start({"--history-events", "10"});
  for (int attempt = 1; attempt <= kAttemptsMax; ++attempt) {
    bool were_healthy = true;
    const std::string problem = burst_once(were_healthy);
    if (problem.empty() || HasFatalFailure()) return;
    if (were_healthy || attempt == kAttemptsMax) FAIL() << problem;
    std::cout << "attempt " << attempt << " is void, its clients were kept from reading: " << problem << std::endl;
  }
}

}  // namespace
}  // namespace broadside::test
