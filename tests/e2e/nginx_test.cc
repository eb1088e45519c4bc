// Through a real nginx with the README's settings: events arrive as they are published, a cut is resumed, and publishing from
// outside is not possible.
#include <gtest/gtest.h>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/backend_test.h"

namespace broadside::test {
namespace {

using Strings = std::vector<std::string>;

std::string nginx_path() {
  for (const std::string path : {"/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"}) {
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

class Nginx : public BackendTest {
 protected:
  void TearDown() override {
    if (nginx_ != nullptr) {
      nginx_->signal(SIGTERM);
      nginx_->wait_exit(soon());
      if (HasFailure()) std::cout << "nginx: " << nginx_->stderr_text() << std::endl;
    }
    BackendTest::TearDown();
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  // Listens on a Unix socket: no port to be found free, none to be taken in between.
  void start_nginx() {
    char folder[] = "/tmp/broadside_nginx_XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    socket_ = folder_ + "/nginx.sock";
    std::ofstream configuration(folder_ + "/nginx.conf");
    configuration << "daemon off;\nmaster_process off;\npid " << folder_ << "/nginx.pid;\nerror_log stderr;\n"
                  << "events { worker_connections 256; }\nhttp {\n  access_log off;\n";
    for (const std::string kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      configuration << "  " << kind << "_temp_path " << folder_ << "/" << kind << ";\n";
    }
    configuration << "  server {\n    listen unix:" << socket_ << ";\n"
                  << "    location / {\n      limit_except GET { deny all; }\n      proxy_pass http://" << authority() << ";\n"
                  << "      proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_buffering off;\n"
                  << "      proxy_read_timeout 1h;\n    }\n"
                  << "    location /open/ {\n      proxy_pass http://" << authority() << "/;\n      proxy_http_version 1.1;\n"
                  << "      proxy_set_header X-Forwarded-For 192.0.2.1;\n    }\n  }\n}\n";
    configuration.close();
    nginx_ = ChildProcess::spawn({nginx_path(), "-p", folder_, "-c", folder_ + "/nginx.conf"});
    ASSERT_NE(nginx_, nullptr);
    const Deadline deadline = soon();
    while (!HttpConnection::open_unix(socket_).is_open()) {
      ASSERT_FALSE(deadline.has_passed() || !nginx_->is_running()) << nginx_->stderr_text();
      poll(nullptr, 0, 5);
    }
  }

  SseStream subscribe_through(const std::string& target, const Headers& headers = {}) {
    HttpConnection connection = HttpConnection::open_unix(socket_);
    Headers all = headers;
    all.emplace_back("Accept", "text/event-stream");
    EXPECT_TRUE(connection.send(request_text("GET", target, "stream.example", all, "")));
    SseStream stream = SseStream::from(std::move(connection));
    EXPECT_EQ(stream.head().status, 200) << stream.head().text;
    EXPECT_TRUE(stream.wait_for("broadside.open"));
    return stream;
  }

  HttpResponse post_through(const std::string& target) {
    HttpConnection connection = HttpConnection::open_unix(socket_);
    connection.send(request_text("POST", target, "stream.example", {{"Connection", "close"}}, "x"));
    return connection.read_response();
  }

 private:
  std::string folder_;
  std::string socket_;
  std::unique_ptr<ChildProcess> nginx_;
};
BROADSIDE_ON_BOTH_BACKENDS(Nginx);

#define BROADSIDE_NEEDS_NGINX() \
  if (nginx_path().empty()) GTEST_SKIP() << "nginx is not installed (Debian: nginx-light)"

TEST_P(Nginx, passes_events_on_as_they_are_published) {
  BROADSIDE_NEEDS_NGINX();
  start();
  start_nginx();
  SseStream stream = subscribe_through("/events?topic=a&topic=b");
  Strings expected;
  for (int number = 1; number <= 50; ++number) {
    publish(number % 2 == 0 ? "a" : "b", std::to_string(number));
    expected.push_back(std::to_string(number));
    ASSERT_TRUE(stream.wait_published(expected.size())) << "held back by the proxy";
  }
  EXPECT_EQ(stream.published_data(), expected);
  EXPECT_EQ(stream.stream().violation(), "");
}

TEST_P(Nginx, a_cut_is_resumed_without_loss) {
  BROADSIDE_NEEDS_NGINX();
  start();
  start_nginx();
  SseStream stream = subscribe_through("/events/a");
  publish_many("a", 5);
  ASSERT_TRUE(stream.wait_published(5));
  stream.connection().reset();
  EXPECT_TRUE(wait_subscribers("a", 0)) << "the server sees through nginx that its subscriber has gone";
  publish_many("a", 5, "away ");
  SseStream resumed = subscribe_through("/events/a", {{"Last-Event-ID", stream.last_event_id()}});
  publish("a", "live");
  ASSERT_TRUE(resumed.wait_published(6));
  EXPECT_EQ(resumed.published_data(), (Strings{"away 1", "away 2", "away 3", "away 4", "away 5", "live"}));
}

TEST_P(Nginx, does_not_let_others_publish) {
  BROADSIDE_NEEDS_NGINX();
  start();
  start_nginx();
  EXPECT_EQ(post_through("/events/a").status(), 403) << "by nginx";
  expect_problem(post_through("/open/events/a"), 403);
}

}  // namespace
}  // namespace broadside::test
