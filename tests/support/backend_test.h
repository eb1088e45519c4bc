// What the end-to-end tests have in common: each runs on both backends against a server of its own, which must neither have died
// nor refuse to stop when the test is over.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "broadside/position.h"
#include "tests/support/deadline.h"
#include "tests/support/http_client.h"
#include "tests/support/json.h"
#include "tests/support/server_process.h"

namespace broadside::test {

// What a publish was answered.
struct Published {
  std::string id;
  std::string position_text;
  Position position;
  std::int64_t subscribers = -1;
  bool is_duplicate = false;
};

class BackendTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Starts the test's server; throws, and so fails the test, when it does not come up.
  void start(std::vector<std::string> flags = {}, std::vector<std::string> listen = {"127.0.0.1:0"});
  // Stops it by SIGTERM and expects exit code 0.
  void stop();
  // Waits for the end of a server that the test itself has told to stop.
  std::optional<ExitCode> wait_exit(const Deadline& deadline);
  [[nodiscard]] ServerProcess& server() { return *server_; }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] std::string authority() const { return server_->authority(); }

  [[nodiscard]] HttpResponse get(std::string_view target, const Headers& headers = {}) const;
  [[nodiscard]] HttpResponse post(std::string_view target, std::string_view body, const Headers& headers = {}) const;
  [[nodiscard]] SseStream subscribe(std::string_view target, const Headers& headers = {}) const;
  // Subscribes and waits for `broadside.open`.
  [[nodiscard]] SseStream subscribe_open(std::string_view target, const Headers& headers = {}) const;
  // POST /events/{topic}?{query}; expects 200.
  Published publish(std::string_view topic, std::string_view data, std::string_view query = "") const;
  // Several, one after the other: data "1" to "count" behind the prefix.
  std::vector<Published> publish_many(std::string_view topic, int count, const std::string& prefix = "") const;
  // Waits until `/topics/{topic}` counts so many subscribers: the server has noticed who came and who went.
  [[nodiscard]] bool wait_subscribers(std::string_view topic, std::int64_t count) const;
  // Waits until the server's log has `text` behind what it had when it was last asked.
  [[nodiscard]] bool wait_log(std::string_view text);

 private:
  std::unique_ptr<ServerProcess> server_;
  bool is_stopped_ = false;
  std::size_t log_seen_ = 0;
};

// The parts of a publish's answer.
Published published_of(const HttpResponse& response);

// Expects an RFC 9457 document with this status.
void expect_problem(const HttpResponse& response, int status, std::string_view detail_has = "");

inline std::string backend_name(const ::testing::TestParamInfo<std::string>& info) { return info.param; }

#define BROADSIDE_ON_BOTH_BACKENDS(suite) \
  INSTANTIATE_TEST_SUITE_P(, suite, ::testing::Values("uring", "epoll"), ::broadside::test::backend_name)

}  // namespace broadside::test
