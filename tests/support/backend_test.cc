// Starts and stops servers for tests, and shows their stderr when a test failed.
#include "tests/support/backend_test.h"

#include <poll.h>

#include <iostream>
#include <stdexcept>

#include "proto/position.h"

namespace broadside::test {

void BackendTest::SetUp() {
  if (GetParam() != "uring") return;
  const std::string reason = uring_unavailable_reason();
  if (!reason.empty()) GTEST_SKIP() << "io_uring cannot be used here: " << reason;
}

void BackendTest::TearDown() {
  if (server_ != nullptr && !is_stopped_) stop();
  if (HasFailure() && server_ != nullptr) {
    const std::string text = server_->process().stderr_text();
    std::cout << "the server's stderr (its end):\n" << (text.size() > 4000 ? text.substr(text.size() - 4000) : text) << std::endl;
  }
}

void BackendTest::start(std::vector<std::string> flags, std::vector<std::string> listen) {
  std::string problem;
  server_ = ServerProcess::start({.backend = GetParam(), .listen = std::move(listen), .flags = std::move(flags)}, &problem);
  is_stopped_ = false;
  log_seen_ = 0;
  // Nothing of the test can go on without it; GoogleTest reports what is thrown as the test's failure.
  if (server_ == nullptr) throw std::runtime_error("the server did not start: " + problem);
}

void BackendTest::stop() {
  is_stopped_ = true;
  EXPECT_TRUE(server_->process().is_running()) << "the server died";
  const auto code = server_->stop(Deadline::in(Millis(30'000)));
  ASSERT_TRUE(code.has_value()) << "SIGTERM did not stop the server";
  EXPECT_EQ(*code, 0) << "exit code after SIGTERM";
}

std::optional<ExitCode> BackendTest::wait_exit(const Deadline& deadline) {
  const auto code = server_->process().wait_exit(deadline);
  is_stopped_ = code.has_value();
  return code;
}

HttpResponse BackendTest::get(std::string_view target, const Headers& headers) const {
  return fetch(port(), "GET", target, headers);
}

HttpResponse BackendTest::post(std::string_view target, std::string_view body, const Headers& headers) const {
  return fetch(port(), "POST", target, headers, body);
}

SseStream BackendTest::subscribe(std::string_view target, const Headers& headers) const {
  return SseStream::open(port(), target, headers);
}

SseStream BackendTest::subscribe_open(std::string_view target, const Headers& headers) const {
  SseStream stream = subscribe(target, headers);
  EXPECT_EQ(stream.head().status, 200) << target << ": " << stream.head().text;
  EXPECT_TRUE(stream.wait_for("broadside.open")) << target << ": " << stream.body();
  return stream;
}

Published published_of(const HttpResponse& response) {
  Published published;
  published.id = json_string(response.body, "/id");
  published.position_text = json_string(response.body, "/position");
  published.position = parse_position(published.position_text).value_or(Position{0});
  published.subscribers = json_int(response.body, "/subscribers").value_or(-1);
  published.is_duplicate = json_bool(response.body, "/duplicate").value_or(false);
  return published;
}

Published BackendTest::publish(std::string_view topic, std::string_view data, std::string_view query) const {
  std::string target = "/events/" + std::string(topic);
  if (!query.empty()) target += "?" + std::string(query);
  const HttpResponse response = post(target, data);
  EXPECT_EQ(response.status(), 200) << target << ": " << response.body;
  return published_of(response);
}

std::vector<Published> BackendTest::publish_many(std::string_view topic, int count, const std::string& prefix) const {
  std::vector<Published> all;
  for (int number = 1; number <= count; ++number) all.push_back(publish(topic, prefix + std::to_string(number)));
  return all;
}

bool BackendTest::wait_subscribers(std::string_view topic, std::int64_t count) const {
  const Deadline deadline = soon();
  while (!deadline.has_passed()) {
    const HttpResponse response = get("/topics/" + std::string(topic));
    const std::int64_t seen = response.status() == 404 ? 0 : json_int(response.body, "/subscribers").value_or(-1);
    if (seen == count) return true;
    poll(nullptr, 0, 10);  // There is nothing to wait on from outside: ask again, a hundred times a second at most.
  }
  return false;
}

bool BackendTest::wait_log(std::string_view text) {
  const Deadline deadline = soon();
  for (;;) {
    const std::string log = server().process().stderr_text();
    if (const std::size_t at = log.find(text, log_seen_); at != std::string::npos) {
      log_seen_ = at + text.size();
      return true;
    }
    if (deadline.has_passed()) return false;
    poll(nullptr, 0, 10);  // A file cannot be waited for: ask again, a hundred times a second at most.
  }
}

void expect_problem(const HttpResponse& response, int status, std::string_view detail_has) {
  EXPECT_EQ(response.status(), status) << response.head.text << response.body;
  EXPECT_EQ(response.header("Content-Type"), "application/problem+json");
  EXPECT_EQ(json_int(response.body, "/status"), status) << response.body;
  EXPECT_TRUE(json_has(response.body, "/type")) << response.body;
  EXPECT_NE(json_string(response.body, "/title"), "") << response.body;
  const std::string detail = json_string(response.body, "/detail");
  EXPECT_NE(detail, "") << response.body;
  EXPECT_NE(detail.find(detail_has), std::string::npos) << "the detail does not name `" << detail_has << "`: " << detail;
}

}  // namespace broadside::test
