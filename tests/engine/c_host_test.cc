// Hooks of a host that speaks C, on requests: what they are shown, what they answer, and what becomes of an answer that cannot
// be.
#include "broadside/c_host.h"

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/c_host_fixture.h"

namespace broadside {
namespace {

class CHostTest : public CHostFixture {};

TEST_F(CHostTest, a_request_is_shown_whole_and_answered) {
  answer_requests([](const broadside_request* request, broadside_reply* reply) {
    EXPECT_EQ(request->size, sizeof *request);
    const std::string seen = text_of(request->method) + " " + text_of(request->path) + " " + text_of(request->query) + " " +
                             text_of(broadside_request_header(request, broadside_text("x-name"))) + " " + text_of(request->body);
    EXPECT_EQ(text_of(request->peer).rfind("127.0.0.", 0), 0U);
    EXPECT_EQ(broadside_request_header(request, broadside_text("x-other")).data, nullptr);
    broadside_response response;
    broadside_response_init(&response);
    response.status = 201;
    response.headers = broadside_text("X-Host: c\r\n");
    response.content_type = broadside_text("text/plain");
    response.body = slice_from(seen);
    broadside_error error;
    EXPECT_EQ(broadside_reply_respond(reply, &response, &error), BROADSIDE_OK) << error.message;
  });
  start();
  const test::HttpResponse answer = test::fetch(port(), "POST", "/a%20b?c=d", {{"X-Name", "ann"}}, "body");
  EXPECT_EQ(answer.status(), 201);
  EXPECT_EQ(answer.body, "POST /a%20b c=d ann body");
  EXPECT_EQ(answer.header("X-Host"), "c");
  EXPECT_EQ(answer.header("Content-Type"), "text/plain");
}

TEST_F(CHostTest, without_hooks_or_replies_requests_are_404_and_subscriptions_admitted) {
  answer_requests([](const broadside_request*, broadside_reply*) {});
  start();
  EXPECT_EQ(test::fetch(port(), "GET", "/a").status(), 404);
  broadside_engine_destroy(engine_);
  ASSERT_EQ(broadside_engine_create(&config_, nullptr, &engine_, &error_), BROADSIDE_OK) << error_.message;
  ASSERT_EQ(broadside_engine_start(engine_, nullptr), BROADSIDE_OK);
  EXPECT_EQ(test::fetch(port(), "GET", "/a").status(), 404);
  EXPECT_TRUE(subscribe("/events/t").wait_for("broadside.open"));
}

TEST_F(CHostTest, an_answer_may_come_later_and_from_another_thread) {
  broadside_token token{};
  std::atomic<bool> is_asked{false};
  answer_requests([&](const broadside_request* request, broadside_reply* reply) {
    token = request->token;
    EXPECT_EQ(broadside_reply_later(reply, nullptr), BROADSIDE_OK);
    is_asked = true;
  });
  start();
  broadside_response response;
  broadside_response_init(&response);
  response.body = broadside_text("late");
  std::thread answering([&] {
    EXPECT_TRUE(wait_until([&] { return is_asked.load(); }));
    EXPECT_EQ(broadside_engine_respond(engine_, token, &response, nullptr), BROADSIDE_OK);
  });
  EXPECT_EQ(test::fetch(port(), "GET", "/a").body, "late");
  answering.join();
  EXPECT_EQ(broadside_engine_respond(engine_, token, &response, &error_), BROADSIDE_OK) << "has been answered: nothing happens";
  token.shard = 2;
  EXPECT_EQ(broadside_engine_respond(engine_, token, &response, &error_), BROADSIDE_INVALID_ARGUMENT);
  broadside_decision decision;
  broadside_decision_init(&decision);
  EXPECT_EQ(broadside_engine_decide(engine_, token, &decision, &error_), BROADSIDE_INVALID_ARGUMENT);
}

TEST_F(CHostTest, nobody_is_let_in_by_mistake) {
  // Each one answers in a way that is none; the last one refuses properly.
  const std::vector<std::function<void(broadside_reply*)>> answers = {
      [](broadside_reply*) {},
      [](broadside_reply* reply) { EXPECT_EQ(respond(reply, "x"), BROADSIDE_INVALID_ARGUMENT); },
      [](broadside_reply* reply) {
        broadside_decision decision;
        broadside_decision_init(&decision);
        decision.topic_count = 1;
        EXPECT_EQ(broadside_reply_decide(reply, &decision, nullptr), BROADSIDE_INVALID_ARGUMENT);
      },
      [](broadside_reply* reply) {
        broadside_decision decision;
        broadside_decision_init(&decision);
        decision.status = 403;
        decision.detail = broadside_text("not for you");
        EXPECT_EQ(broadside_reply_decide(reply, &decision, nullptr), BROADSIDE_OK);
      },
  };
  std::atomic<std::size_t> at{0};
  answer_subscriptions(
      [&](const broadside_request*, const broadside_subscribe_request*, broadside_reply* reply) { answers[at](reply); });
  start();
  for (; at < answers.size(); ++at) EXPECT_EQ(test::fetch(port(), "GET", "/events/t").status(), 403) << at;
  at = answers.size() - 1;
  EXPECT_NE(test::fetch(port(), "GET", "/events/t").body.find("not for you"), std::string::npos);
}

TEST_F(CHostTest, a_decision_may_come_later) {
  answer_subscriptions([this](const broadside_request* request, const broadside_subscribe_request*, broadside_reply* reply) {
    EXPECT_EQ(broadside_reply_later(reply, nullptr), BROADSIDE_OK);
    broadside_decision decision;
    broadside_decision_init(&decision);
    EXPECT_EQ(broadside_engine_decide(engine_, request->token, &decision, nullptr), BROADSIDE_OK);
  });
  start();
  EXPECT_TRUE(subscribe("/events/t").wait_for("broadside.open"));
}

TEST_F(CHostTest, a_body_is_read_as_it_comes) {
  struct Upload {
    std::atomic<int> closes{0};
  } upload;
  answer_streams([&](const broadside_request* request, broadside_reply* reply) {
    if (text_of(request->path) == "/refused") {
      EXPECT_EQ(respond(reply, "no body wanted"), BROADSIDE_OK);
      return;
    }
    if (text_of(request->path) == "/whole") return;
    broadside_body_reader reader;
    broadside_body_reader_init(&reader);
    reader.headers = broadside_text("Content-Type: text/plain\r\n");
    reader.user = &upload;
    reader.on_body = [](void*, broadside_slice bytes, broadside_output* output) noexcept {
      broadside_output_append(output, broadside_text("got "));
      broadside_output_append(output, bytes);
      broadside_output_append(output, broadside_text("\n"));
      return text_of(bytes) != "stop";
    };
    reader.on_end = [](void*, broadside_output* output) noexcept { broadside_output_append(output, broadside_text("end\n")); };
    reader.on_close = [](void* user) noexcept { ++static_cast<Upload*>(user)->closes; };
    EXPECT_EQ(broadside_reply_read(reply, &reader, nullptr), BROADSIDE_OK);
  });
  answer_requests(
      [](const broadside_request* request, broadside_reply* reply) { respond(reply, text_of(request->body).c_str()); });
  start();
  const auto upload_to = [&](const std::string& path) {
    test::HttpConnection connection = test::HttpConnection::open(port());
    EXPECT_TRUE(connection.send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
    return connection;
  };
  test::HttpConnection whole = upload_to("/read");
  EXPECT_EQ(whole.read_head().status, 200);
  ASSERT_TRUE(whole.send(test::chunk_text("a")));
  EXPECT_EQ(whole.read_chunked_line(), "got a");
  ASSERT_TRUE(whole.send(test::chunk_text("b")));
  EXPECT_EQ(whole.read_chunked_line(), "got b");
  ASSERT_TRUE(whole.send("0\r\n\r\n"));
  EXPECT_EQ(whole.read_chunked_line(), "end");
  EXPECT_TRUE(wait_until([&] { return upload.closes == 1; }));

  test::HttpConnection stopped = upload_to("/read");
  ASSERT_TRUE(stopped.send(test::chunk_text("stop")));
  EXPECT_EQ(stopped.read_response().body, "got stop\n");
  EXPECT_TRUE(stopped.wait_closed());
  EXPECT_TRUE(wait_until([&] { return upload.closes == 2; }));

  EXPECT_EQ(upload_to("/refused").read_response().body, "no body wanted");
  test::HttpConnection left = upload_to("/whole");
  ASSERT_TRUE(left.send(test::chunk_text("all of it") + "0\r\n\r\n"));
  EXPECT_EQ(left.read_response().body, "all of it");
  EXPECT_EQ(upload.closes, 2);
}

TEST_F(CHostTest, headers_of_a_host_are_added_to_what_the_engine_answers_itself_if_they_are_lines) {
  hooks_.common_headers = [](void*, const broadside_request* request, broadside_output* headers) noexcept {
    const bool is_good = text_of(request->path) != "/bad";
    broadside_output_append(headers, broadside_text(is_good ? "X-Host: c\r\n" : "X-Host: c\r\n\r\nbody"));
  };
  start();
  const std::string large(2 << 20, 'x');
  for (const char* path : {"/good", "/bad"}) {
    test::HttpConnection connection = test::HttpConnection::open(port());
    ASSERT_TRUE(connection.send("POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n"));
    const test::HttpResponse answer = connection.read_response();
    EXPECT_EQ(answer.status(), 413);
    EXPECT_EQ(answer.header("X-Host"), std::string(path) == "/good" ? "c" : "");
  }
}

TEST_F(CHostTest, answers_that_would_break_a_response_are_refused) {
  answer_requests([](const broadside_request*, broadside_reply* reply) {
    for (const int status : {-1, 0, 100, 199, 600}) {
      broadside_response bad;
      broadside_response_init(&bad);
      bad.status = status;
      EXPECT_EQ(broadside_reply_respond(reply, &bad, nullptr), BROADSIDE_INVALID_ARGUMENT) << status;
    }
    for (const char* headers : {"X", "X: y", "X: y\n", "X: y\r\n\r\n", ": y\r\n", "X y\r\n", "X: \x01\r\n", "X : y\r\n"}) {
      broadside_response bad;
      broadside_response_init(&bad);
      bad.headers = broadside_text(headers);
      EXPECT_EQ(broadside_reply_respond(reply, &bad, nullptr), BROADSIDE_INVALID_ARGUMENT) << headers;
    }
    broadside_response bad;
    broadside_response_init(&bad);
    bad.content_type = broadside_text("text/plain\r\nX: y");
    EXPECT_EQ(broadside_reply_respond(reply, &bad, nullptr), BROADSIDE_INVALID_ARGUMENT);
    broadside_body_reader reader;
    broadside_body_reader_init(&reader);
    EXPECT_EQ(broadside_reply_read(reply, &reader, nullptr), BROADSIDE_INVALID_ARGUMENT);
    broadside_decision decision;
    broadside_decision_init(&decision);
    EXPECT_EQ(broadside_reply_decide(reply, &decision, nullptr), BROADSIDE_INVALID_ARGUMENT);
  });
  start();
  EXPECT_EQ(test::fetch(port(), "GET", "/a").status(), 404);
}

TEST_F(CHostTest, admissions_out_of_range_are_refused) {
  start();
  const std::string long_subject(256, 'x');
  const std::vector<std::function<void(broadside_admission&)>> changes = {
      [&](broadside_admission& admission) { admission.subject = slice_from(long_subject); },
      [](broadside_admission& admission) { admission.rate_max = 1000; },
      [](broadside_admission& admission) { admission.headers = broadside_text("X"); },
  };
  for (const auto& change : changes) {
    broadside_admission admission;
    broadside_admission_init(&admission);
    change(admission);
    broadside_decision decision;
    broadside_decision_init(&decision);
    decision.admission = &admission;
    EXPECT_EQ(broadside_engine_decide(engine_, {}, &decision, &error_), BROADSIDE_INVALID_ARGUMENT) << error_.message;
  }
}

}  // namespace
}  // namespace broadside
