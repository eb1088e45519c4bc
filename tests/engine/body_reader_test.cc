// Bodies that a host reads as they arrive: with a length or in chunks, cut, refused, left to on_request, and what follows them on
// the connection.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "broadside/engine.h"
#include "tests/support/http_client.h"

namespace broadside {
namespace {

using test::HttpConnection;

// Counts and answers the length of what came.
class Counter final : public BodyReader {
 public:
  explicit Counter(std::atomic<int>& cuts) : cuts_(cuts) {}
  ~Counter() override {
    if (!is_complete_) ++cuts_;
  }
  bool on_body(std::string_view bytes, std::string& out) noexcept override {
    bytes_ += bytes.size();
    if (bytes.find('!') == std::string_view::npos) return true;
    out = "enough";
    return false;
  }
  void on_end(std::string& out) noexcept override {
    is_complete_ = true;
    out = std::to_string(bytes_);
  }

 private:
  std::atomic<int>& cuts_;
  std::size_t bytes_ = 0;
  bool is_complete_ = false;
};

// Reads what is sent to /read, refuses what is sent to /refuse, and leaves the rest.
class Reader final : public RequestHandler {
 public:
  StreamDecision on_stream(const Request& request) noexcept override {
    ++asked;
    if (request.path == "/refuse") return {.refusal = Response{.status = 403, .body = "no"}};
    if (request.path != "/read") return {};
    return {.reader = std::make_unique<Counter>(cuts), .headers = "Content-Type: text/plain\r\n"};
  }
  Response on_request(const Request& request) noexcept override {
    return {.body = "whole " + std::to_string(request.body.size())};
  }

  std::atomic<int> asked = 0;
  std::atomic<int> cuts = 0;  // Readers that went without the end of their body.
};

class BodyReaders : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    const Config config{.listen = {"127.0.0.1:0"}, .shards = 1, .backend = GetParam(), .body_bytes_max = 1000};
    Result<Engine> made = Engine::create(config, &reader_);
    if (!made && GetParam() == Backend::uring) GTEST_SKIP() << "no io_uring here: " << made.error().message;
    ASSERT_TRUE(made) << made.error().message;
    engine_ = std::make_unique<Engine>(std::move(*made));
    engine_->start();
    const std::string url = engine_->listen_urls().at(0);
    connection_ = HttpConnection::open(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  }
  test::HttpResponse ask(const std::string& target, const std::string& framing, const std::string& body) {
    EXPECT_TRUE(connection_.send("POST " + target + " HTTP/1.1\r\nHost: a\r\n" + framing + "\r\n\r\n" + body));
    return connection_.read_response();
  }

  Reader reader_;
  std::unique_ptr<Engine> engine_;
  HttpConnection connection_;
};
INSTANTIATE_TEST_SUITE_P(, BodyReaders, ::testing::Values(Backend::uring, Backend::epoll),
                         [](const auto& backend) { return backend.param == Backend::uring ? "uring" : "epoll"; });

TEST_P(BodyReaders, take_bodies_of_any_length_one_after_the_other) {
  const std::string body(100'000, 'x');  // Longer than body_bytes_max.
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(ask("/read", "Content-Length: 100000", body).body, "100000");
    EXPECT_EQ(ask("/read", "Transfer-Encoding: chunked", test::chunk_text(body) + "0\r\n\r\n").body, "100000");
  }
  EXPECT_EQ(ask("/whole", "Content-Length: 3", "abc").body, "whole 3");
  EXPECT_EQ(ask("/whole", "Transfer-Encoding: chunked", test::chunk_text("abc") + "0\r\n\r\n").body, "whole 3");
  EXPECT_EQ(reader_.asked, 8);
  EXPECT_EQ(reader_.cuts, 0);
}

TEST_P(BodyReaders, do_not_take_what_follows_the_body) {
  const std::string next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(ask("/read", "Content-Length: 3", "abc" + next).body, "3");
  EXPECT_EQ(connection_.read_response().body, "whole 0");
}

TEST_P(BodyReaders, get_each_byte_as_it_comes) {
  ASSERT_TRUE(connection_.send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n"));
  ASSERT_TRUE(connection_.send_byte_by_byte(std::string(40, 'x')));
  EXPECT_EQ(connection_.read_response().body, "40");
}

TEST_P(BodyReaders, may_have_enough) {
  const test::HttpResponse answer = ask("/read", "Content-Length: 100", "that will do!");
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "enough");
  EXPECT_TRUE(connection_.wait_closed());
  EXPECT_EQ(reader_.cuts, 1);
}

TEST_P(BodyReaders, that_have_enough_with_the_last_byte_are_not_told_of_the_end) {
  EXPECT_EQ(ask("/read", "Content-Length: 5", "done!").body, "enough");
  EXPECT_TRUE(connection_.wait_closed());
  EXPECT_EQ(reader_.cuts, 1);
}

TEST_P(BodyReaders, of_a_body_that_is_cut_go_without_its_end) {
  ASSERT_TRUE(connection_.send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome"));
  EXPECT_EQ(connection_.read_head().status, 200);
  connection_.close();
  engine_->stop();
  EXPECT_EQ(reader_.cuts, 1);
}

TEST_P(BodyReaders, are_not_asked_for_where_there_is_no_body) {
  EXPECT_EQ(ask("/read", "Content-Length: 0", "").body, "whole 0");
  EXPECT_EQ(reader_.asked, 0);
}

TEST_P(BodyReaders, are_not_for_http_1_0) {
  ASSERT_TRUE(connection_.send("POST /read HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"));
  EXPECT_EQ(connection_.read_response().body, "whole 3");
  EXPECT_EQ(reader_.asked, 0);
}

TEST_P(BodyReaders, may_be_refused_before_the_body_comes) {
  EXPECT_EQ(ask("/refuse", "Content-Length: 100000", "").status(), 403);
  EXPECT_TRUE(connection_.wait_closed());
}

TEST_P(BodyReaders, are_asked_for_before_a_body_is_too_large) {
  EXPECT_EQ(ask("/whole", "Content-Length: 1001", "").status(), 413);
  EXPECT_EQ(reader_.asked, 1);
}

}  // namespace
}  // namespace broadside
