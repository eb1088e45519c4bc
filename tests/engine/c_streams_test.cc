// Streams of a host that speaks C: what it gives them, what it is told of them, and those that it hands over itself.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "tests/engine/c_host_fixture.h"

namespace broadside {
namespace {

class CStreamsTest : public CHostFixture {};

TEST_F(CStreamsTest, authorise_admits_with_what_it_gives_the_stream) {
  answer_subscriptions([](const broadside_request* request, const broadside_subscribe_request* wanted, broadside_reply* reply) {
    EXPECT_EQ(text_of(request->path), "/events/t");
    EXPECT_EQ(wanted->topic_count, 1U);
    EXPECT_EQ(text_of(wanted->topics[0]), "t");
    EXPECT_EQ(wanted->start, BROADSIDE_START_AFTER_ID);
    EXPECT_EQ(text_of(wanted->start_id), "some-id");
    EXPECT_TRUE(wanted->follows);
    broadside_admission admission;
    broadside_admission_init(&admission);
    admission.headers = broadside_text("X-Host: c\r\n");
    admission.subject = broadside_text("ann");
    admission.user_data = 7;
    const broadside_slice topics[2] = {broadside_text("a"), broadside_text("b")};
    broadside_decision decision;
    broadside_decision_init(&decision);
    decision.topics = topics;
    decision.topic_count = 2;
    decision.admission = &admission;
    EXPECT_EQ(broadside_reply_decide(reply, &decision, nullptr), BROADSIDE_OK);
  });
  note_subscribers();
  start();
  auto stream = subscribe("/events/t", {{"Last-Event-ID", "some-id"}});
  ASSERT_TRUE(stream.wait_for("broadside.open"));
  EXPECT_EQ(stream.head().header("X-Host"), "c");
  publish("b", "x");
  ASSERT_TRUE(stream.wait_published(1));
  stream.connection().close();
  ASSERT_TRUE(wait_notes(2));
  EXPECT_EQ(notes_, (std::vector<std::string>{"subscribe a b as ann 7",
                                              "disconnect " + std::to_string(BROADSIDE_CLOSE_PEER) + " a b as ann 7"}));
}

TEST_F(CStreamsTest, a_right_that_ends_is_told_of_and_may_be_renewed) {
  config_.expiry_notice_ms = 3'600'000;
  answer_subscriptions([](const broadside_request*, const broadside_subscribe_request*, broadside_reply* reply) {
    const auto now = std::chrono::system_clock::now().time_since_epoch() + std::chrono::minutes(10);
    broadside_admission admission;
    broadside_admission_init(&admission);
    admission.subject = broadside_text("ann");
    admission.expires_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
    broadside_decision decision;
    broadside_decision_init(&decision);
    decision.admission = &admission;
    EXPECT_EQ(broadside_reply_decide(reply, &decision, nullptr), BROADSIDE_OK);
  });
  start();
  auto stream = subscribe("/events/t");
  ASSERT_TRUE(stream.wait_for("broadside.auth-expiring"));
  const std::string opening = stream.find("broadside.open")->data;
  const std::string id = opening.substr(std::string_view(R"({"connection":")").size(), 32);

  struct Renewal {
    std::string subject;
    std::atomic<broadside_renew_outcome> outcome{-1};
  };
  const auto renew = [&](std::string_view connection, const char* subject, broadside_renew_check allows) {
    Renewal renewal{.subject = subject};
    const auto done = [](void* user, broadside_renew_outcome outcome) noexcept {
      static_cast<Renewal*>(user)->outcome = outcome;
    };
    EXPECT_EQ(broadside_engine_start_renew(engine_, slice_from(connection), 0, allows, done, &renewal, &error_), BROADSIDE_OK);
    EXPECT_TRUE(wait_until([&] { return renewal.outcome != -1; }));
    return renewal.outcome.load();
  };
  const auto is_same = [](void* user, const broadside_subscriber* subscriber) noexcept {
    return text_of(subscriber->subject) == static_cast<Renewal*>(user)->subject;
  };
  EXPECT_EQ(renew("nobody", "ann", is_same), BROADSIDE_RENEW_UNKNOWN);
  EXPECT_EQ(renew(id, "bob", is_same), BROADSIDE_RENEW_REFUSED);
  EXPECT_EQ(renew(id, "ann", is_same), BROADSIDE_RENEW_RENEWED);
  EXPECT_EQ(renew(id, "nobody", nullptr), BROADSIDE_RENEW_RENEWED) << "nobody checks";
}

TEST_F(CStreamsTest, lag_is_told) {
  config_.shards = 1;
  config_.send_buffer_bytes = 16 << 10;
  config_.stall_timeout_ms = 600'000;
  broadside_topic_rules rules;
  broadside_topic_rules_init(&rules);
  rules.lag.events = 20;
  config_.defaults = &rules;
  note_subscribers();
  start();
  auto stalled = test::SseStream::open(port(), "/events/t", {}, 4096);
  ASSERT_TRUE(wait_notes(1));
  const std::string data(3000, 'x');
  EXPECT_TRUE(wait_until([&] {
    publish("t", data);
    const std::lock_guard lock(mutex_);
    return notes_.size() >= 3;
  }));
  ASSERT_TRUE(wait_notes(3));
  EXPECT_EQ(notes_[1], "lag " + std::to_string(BROADSIDE_LAG_IS_DISCONNECTED) + " t t as  0");
  EXPECT_EQ(notes_[2], "disconnect " + std::to_string(BROADSIDE_CLOSE_LAGGING) + " t as  0");
}

// A host with its own listener: what it accepts, and who has connected there.
struct Accepted {
  Accepted() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
    client = test::HttpConnection::open(ntohs(address.sin_port));
    fd = ::accept(listener, nullptr, nullptr);
    ::close(listener);
  }
  test::HttpConnection client;
  int fd = -1;
};

TEST_F(CStreamsTest, an_accepted_socket_becomes_a_stream) {
  config_.listen_count = 0;
  note_subscribers();
  start();
  const broadside_published before = publish("t", "0");
  publish("t", "1");
  const std::string id = std::to_string(broadside_position_milliseconds(before.position)) + "-" +
                         std::to_string(broadside_position_counter(before.position));
  const broadside_subscribe_request* request = nullptr;
  ASSERT_EQ(broadside_subscribe_request_read(broadside_text("/events/t"), broadside_text("rate=50&limit=2"), slice_from(id),
                                             &request, &error_),
            BROADSIDE_OK)
      << error_.message;
  EXPECT_EQ(request->size, sizeof *request);
  EXPECT_EQ(request->rate, 50);
  EXPECT_EQ(request->limit, 2U);
  EXPECT_EQ(text_of(request->start_id), id);
  broadside_admission admission;
  broadside_admission_init(&admission);
  admission.subject = broadside_text("adopted");
  broadside_adopt_options options;
  broadside_adopt_options_init(&options);
  options.admission = &admission;
  Accepted accepted;
  ASSERT_EQ(broadside_engine_adopt(engine_, accepted.fd, request, &options, &error_), BROADSIDE_OK) << error_.message;
  broadside_subscribe_request_destroy(request);
  auto stream = test::SseStream::from(std::move(accepted.client));
  ASSERT_TRUE(stream.wait_published(1));
  publish("t", "2");
  ASSERT_TRUE(stream.wait_published(2));
  EXPECT_EQ(stream.published_data(), (std::vector<std::string>{"1", "2"}));
  EXPECT_TRUE(stream.wait_closed()) << "its limit is reached";
  ASSERT_TRUE(wait_notes(1));
  EXPECT_EQ(notes_[0], "subscribe t as adopted 0");
}

TEST_F(CStreamsTest, what_cannot_be_adopted_stays_the_hosts) {
  start();
  const broadside_subscribe_request* request = nullptr;
  EXPECT_EQ(broadside_subscribe_request_read(broadside_text("/else"), {}, {}, &request, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(request, nullptr);
  const broadside_slice topic = broadside_text("t");
  broadside_subscribe_request made;
  broadside_subscribe_request_init(&made);
  Accepted accepted;
  EXPECT_EQ(broadside_engine_adopt(engine_, accepted.fd, &made, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT) << "no topic";
  made.topics = &topic;
  made.topic_count = 1;
  made.start = 5;
  EXPECT_EQ(broadside_engine_adopt(engine_, accepted.fd, &made, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT) << "no such start";
  made.start = BROADSIDE_START_LIVE;
  EXPECT_EQ(broadside_engine_adopt(engine_, -1, &made, nullptr, &error_), BROADSIDE_INVALID_ARGUMENT);
  EXPECT_EQ(::send(accepted.fd, "mine", 4, MSG_NOSIGNAL), 4);
  EXPECT_EQ(accepted.client.read_some(4), "mine");
  broadside_engine_stop(engine_, nullptr);
  EXPECT_EQ(broadside_engine_adopt(engine_, accepted.fd, &made, nullptr, &error_), BROADSIDE_STOPPED);
  ::close(accepted.fd);
}

}  // namespace
}  // namespace broadside
