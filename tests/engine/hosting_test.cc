// What an embedder builds on: hooks, decisions that come later, adopted sockets, topic handles, presence, and its own loop.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "tests/engine/engine_fixture.h"
#include "tests/support/json.h"

namespace broadside {
namespace {

// Answers by what the query says, and writes down what it is told.
class Host final : public RequestHandler {
 public:
  SubscribeDecision authorise(const Request& request, const SubscribeRequest& wanted) noexcept override {
    const std::lock_guard lock(mutex_);
    ++asked_;
    EXPECT_FALSE(wanted.topics.empty());
    SubscribeDecision decision;
    decision.admission.headers = "X-Host: yes\r\n";
    decision.admission.subject = request.header("X-Name");
    decision.admission.user_data = 7;
    if (request.query.find("odd") != std::string_view::npos) {
      decision.admission.subject.assign(1000, 's');
      decision.admission.rate_max = 1e9;
    }
    if (request.query.find("refuse") != std::string_view::npos) {
      decision.status = 403;
      decision.detail = "not for you";
    } else if (request.query.find("elsewhere") != std::string_view::npos) {
      decision.topics = {"a", "b"};
    } else if (request.query.find("later") != std::string_view::npos) {
      decision.is_deferred = true;
      tokens_.push_back(request.token);
    }
    return decision;
  }
  void on_subscribe(const SubscriberView& subscriber) noexcept override { note("subscribe", subscriber); }
  void on_disconnect(const SubscriberView& subscriber, CloseReason reason) noexcept override {
    note("disconnect " + std::string(kCloseReasonNames[static_cast<std::size_t>(reason)]), subscriber);
  }
  void on_lag(const SubscriberView& subscriber, std::string_view topic, const Lag& lag, LagOutcome outcome) noexcept override {
    constexpr const char* kNames[] = {"soft", "skipped", "disconnected"};
    EXPECT_GT(lag.events, 1U);
    note("lag " + std::string(kNames[static_cast<std::size_t>(outcome)]) + " " + std::string(topic), subscriber);
  }

  // What it was told, in order.
  struct Told {
    std::string note;
    std::string connection;
    Position sent;
  };
  bool wait_told(std::size_t count) {
    return wait([&] { return told_.size() >= count; });
  }
  Told told(std::size_t index) {
    const std::lock_guard lock(mutex_);
    return told_.at(index);
  }
  std::vector<std::string> notes() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> notes;
    for (const Told& each : told_) notes.push_back(each.note);
    return notes;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    told_.clear();
  }
  // Of the requests whose answer was deferred, once it is there.
  ResponseToken wait_token(std::size_t index = 0) {
    EXPECT_TRUE(wait([&] { return index < tokens_.size(); }));
    const std::lock_guard lock(mutex_);
    return index < tokens_.size() ? tokens_[index] : ResponseToken{};
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void note(const std::string& what, const SubscriberView& subscriber) {
    std::string text = what;
    for (const std::string_view topic : subscriber.topics) text += " " + std::string(topic);
    text += " as " + std::string(subscriber.subject) + " " + std::to_string(subscriber.user_data);
    const std::lock_guard lock(mutex_);
    told_.push_back({.note = std::move(text), .connection = std::string(subscriber.connection), .sent = subscriber.sent});
  }
  template <typename Condition>
  bool wait(Condition condition) {
    const test::Deadline deadline = test::soon();
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (condition()) return true;
      }
      if (deadline.has_passed()) return false;
      std::this_thread::yield();
    }
  }
  std::mutex mutex_;
  int asked_ = 0;
  std::vector<Told> told_;
  std::vector<ResponseToken> tokens_;
};

// Two ends of a connection over TCP: what a host's own listener accepts, and the client's.
struct Pair {
  Pair() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
    client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), length), 0);
    server = ::accept(listener, nullptr, nullptr);
    ::close(listener);
  }
  int client = -1;
  int server = -1;
};

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  const test::Deadline deadline = test::soon();
  while (true) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, deadline.remaining_ms()) <= 0) return text + " (and no end)";
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

class HostingTest : public EngineFixture {
 protected:
  ~HostingTest() override { engine_.reset(); }  // It tells the host until its end.
  Position publish(std::string_view topic, std::string_view data) {
    const Result<Published> published = engine_->publish(topic, Event{.data = data});
    EXPECT_TRUE(published);
    return published ? published->position : Position{};
  }
  Host host_;
};
BROADSIDE_ENGINE_ON_BOTH_BACKENDS(HostingTest);

TEST_P(HostingTest, hooks_tell_who_came_and_who_left_with_what_and_why) {
  config_.shards = 1;
  START_OR_SKIP(&host_);
  {
    Subscriber one(*engine_, "/events?topic=a&topic=b HTTP/1.1\r\nX-Name: ann\r\nX-Rest:");
    ASSERT_TRUE(one.wait_open());
    EXPECT_NE(one.head.find("X-Host: yes\r\n"), std::string::npos) << one.head;
    publish("b", "x");
    ASSERT_TRUE(one.wait_data(1));
    ASSERT_TRUE(host_.wait_told(1));
    const Position sent = engine_->stats().logs.published;
    ::shutdown(one.fd(), SHUT_WR);
    ASSERT_TRUE(host_.wait_told(2));
    EXPECT_EQ(host_.told(1).sent, sent);
    EXPECT_LT(host_.told(0).sent, sent);
  }
  Subscriber two(*engine_, "/events/c");
  ASSERT_TRUE(two.wait_open() && host_.wait_told(3));
  engine_->stop();
  EXPECT_EQ(host_.notes(), (std::vector<std::string>{"subscribe a b as ann 7", "disconnect peer a b as ann 7",
                                                     "subscribe c as  7", "disconnect stopped c as  7"}));
  EXPECT_EQ(host_.told(0).connection, host_.told(1).connection);
  EXPECT_NE(host_.told(1).connection, host_.told(2).connection);
}

TEST_P(HostingTest, authorise_refuses_or_names_other_topics) {
  START_OR_SKIP(&host_);
  const Subscriber refused(*engine_, "/events/t?refuse=1 HTTP/1.1\r\nConnection: close\r\nX-Rest:");
  const std::string answer = read_all(refused.fd());
  EXPECT_EQ(answer.rfind("HTTP/1.1 403", 0), 0U) << answer;
  EXPECT_NE(answer.find("X-Host: yes\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("not for you"), std::string::npos) << answer;
  Subscriber moved(*engine_, "/events/t?elsewhere=1");
  ASSERT_TRUE(moved.wait_open());
  publish("t", "not this");
  publish("b", "this");
  ASSERT_TRUE(moved.wait_data(1));
  EXPECT_EQ(moved.data[0], "this");
}

TEST_P(HostingTest, an_admission_out_of_range_is_brought_into_it) {
  START_OR_SKIP(&host_);
  Subscriber odd(*engine_, "/events/t?odd=1");
  ASSERT_TRUE(odd.wait_open() && host_.wait_told(1));
  EXPECT_EQ(host_.told(0).note, "subscribe t as " + std::string(255, 's') + " 7");
  publish("t", "x");
  ASSERT_TRUE(odd.wait_data(1));
}

TEST_P(HostingTest, a_decision_may_come_later_and_from_another_thread) {
  START_OR_SKIP(&host_);
  Subscriber admitted(*engine_, "/events/t?later=1");
  const ResponseToken token = host_.wait_token();
  EXPECT_EQ(engine_->stats().shards[0].subscribers + engine_->stats().shards[1].subscribers, 0U);
  std::thread decider([&] {
    SubscribeDecision decision;
    decision.admission.subject = "late";
    engine_->decide(token, std::move(decision));
  });
  ASSERT_TRUE(admitted.wait_open());
  decider.join();
  engine_->decide(token, {.status = 403});  // It has been answered: nothing happens.
  publish("t", "x");
  ASSERT_TRUE(admitted.wait_data(1));
  ASSERT_TRUE(host_.wait_told(1));
  EXPECT_EQ(host_.told(0).note, "subscribe t as late 0");
}

TEST_P(HostingTest, a_refusal_that_comes_later_leaves_the_connection_for_the_next_request) {
  START_OR_SKIP(&host_);
  Subscriber client(*engine_, "/events/t?later=1");
  client.send("GET /next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const ResponseToken token = host_.wait_token();
  engine_->decide(token, {.status = 401, .detail = "who are you"});
  const std::string text = read_all(client.fd());
  EXPECT_EQ(text.rfind("HTTP/1.1 401", 0), 0U) << text;
  EXPECT_NE(text.find("who are you"), std::string::npos) << text;
  EXPECT_NE(text.find("HTTP/1.1 404"), std::string::npos) << text;
}

TEST_P(HostingTest, an_answer_that_comes_twice_is_not_taken_for_the_next_request) {
  START_OR_SKIP(&host_);
  Subscriber client(*engine_, "/events/t?later=1");
  client.send("GET /events/secret?later=2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const ResponseToken first = host_.wait_token();
  engine_->decide(first, {.status = 401, .detail = "who are you"});
  const ResponseToken second = host_.wait_token(1);
  engine_->decide(first, {});
  engine_->respond(first, {.status = 200});
  engine_->decide(second, {.status = 403, .detail = "not for you"});
  ::shutdown(client.fd(), SHUT_WR);
  const std::string text = read_all(client.fd());
  EXPECT_EQ(text.rfind("HTTP/1.1 401", 0), 0U) << text;
  EXPECT_NE(text.find("HTTP/1.1 403"), std::string::npos) << text;
  EXPECT_EQ(text.find("HTTP/1.1 200"), std::string::npos) << text;
}

TEST_P(HostingTest, a_decision_that_does_not_come_refuses_the_stream) {
  config_.answer_timeout_ms = 100;
  START_OR_SKIP(&host_);
  Subscriber other(*engine_, "/events/t?later=1");
  other.send("GET /events/t?later=2 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
  const std::string text = read_all(other.fd());
  EXPECT_EQ(text.rfind("HTTP/1.1 503", 0), 0U) << text;
  EXPECT_EQ(engine_->stats().shards[0].refusals_for(RefusalReason::overloaded) +
                engine_->stats().shards[1].refusals_for(RefusalReason::overloaded),
            1U);
}

TEST_P(HostingTest, an_adopted_socket_becomes_a_stream_without_loss) {
  config_.listen.clear();
  START_OR_SKIP(&host_);
  const Position before = publish("t", "0");
  publish("t", "1");
  for (const bool is_head_written : {false, true}) {
    const Pair pair;
    Subscriber client(pair.client);
    if (is_head_written) client.expect_no_head();
    Result<SubscribeRequest> request =
        read_subscribe_request("/events/t", "", std::to_string(before.milliseconds()) + "-" + std::to_string(before.counter()));
    ASSERT_TRUE(request);
    AdoptOptions options{.is_head_written = is_head_written};
    options.admission.subject = "adopted";
    ASSERT_TRUE(engine_->adopt(pair.server, *request, options));
    ASSERT_TRUE(client.wait_data(1));
    EXPECT_EQ(client.data[0], "1");
    EXPECT_EQ(client.head.empty(), is_head_written);
    publish("t", "1");
    ASSERT_TRUE(client.wait_data(2));
    EXPECT_EQ(client.violation(), "");
  }
  EXPECT_EQ(host_.asked(), 0);
  EXPECT_EQ(host_.told(0).note, "subscribe t as adopted 0");
}

TEST_P(HostingTest, adopting_refuses_what_cannot_be_and_leaves_it_to_its_owner) {
  START_OR_SKIP();
  const Pair pair;
  EXPECT_FALSE(engine_->adopt(pair.server, {.topics = {}}));
  EXPECT_FALSE(engine_->adopt(pair.server, {.topics = {"a", "a"}}));
  EXPECT_FALSE(engine_->adopt(pair.server, {.topics = {"a"}, .rate = 1000}));
  EXPECT_FALSE(engine_->adopt(0x7fffffff, {.topics = {"a"}}));
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_FALSE(engine_->adopt(file, {.topics = {"a"}}));
  ::close(file);
  EXPECT_EQ(::send(pair.server, "mine", 4, MSG_NOSIGNAL), 4);
  ::close(pair.server);
  EXPECT_EQ(read_all(pair.client), "mine");
  ::close(pair.client);
}

TEST_P(HostingTest, an_adopted_subscriber_of_ended_topics_is_told_so) {
  START_OR_SKIP();
  publish("t", "last");
  end_all({"t"});
  const Pair plain;
  ASSERT_TRUE(engine_->adopt(plain.server, {.topics = {"t"}}));
  EXPECT_EQ(read_all(plain.client).rfind("HTTP/1.1 204", 0), 0U);
  const Pair begun;
  ASSERT_TRUE(engine_->adopt(begun.server, {.topics = {"t"}}, {.is_head_written = true}));
  EXPECT_EQ(read_all(begun.client), "");
  ::close(plain.client);
  ::close(begun.client);
}

TEST_P(HostingTest, a_host_drives_the_engine_from_its_own_loop) {
  config_.shards = 0;
  config_.is_host_driven = true;
  START_OR_SKIP(&host_);
  ASSERT_GE(engine_->poll_fd(), 0);
  bool is_done = false;
  std::thread client([&] {
    Subscriber subscriber(*engine_, "/events/t");
    EXPECT_TRUE(subscriber.wait_open());
    // From another thread: the loop is woken.
    for (int i = 0; i < 100; ++i) {
      publish("t", std::to_string(i));
      EXPECT_TRUE(subscriber.wait_data(static_cast<std::size_t>(i) + 1));
    }
    EXPECT_EQ(subscriber.violation(), "");
    for (int i = 0; i < 100; ++i) EXPECT_EQ(subscriber.data[static_cast<std::size_t>(i)], std::to_string(i));
    end_all({"t"});
    subscriber.read_to_end();
    EXPECT_TRUE(subscriber.is_closed);
    is_done = true;
    publish("wake", "");
  });
  const test::Deadline deadline = test::soon();
  while (engine_->stats().shards[0].closes_for(CloseReason::finished) == 0 && !deadline.has_passed()) {
    pollfd waiting{.fd = engine_->poll_fd(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, engine_->next_timeout_ms());
    engine_->run_once();
  }
  client.join();
  EXPECT_TRUE(is_done);
  engine_->stop();
  EXPECT_EQ(host_.notes().size(), 2U);
}

TEST_P(HostingTest, an_event_to_one_connection_says_what_became_of_it) {
  START_OR_SKIP(&host_);
  Subscriber one(*engine_, "/events/t");
  Subscriber other(*engine_, "/events/t");
  ASSERT_TRUE(one.wait_open() && other.wait_open() && host_.wait_told(2));
  std::atomic<int> outcome{-1};
  const auto send = [&](std::string_view connection, const Event& event) {
    outcome = -1;
    if (!engine_->start_send_to(connection, event, [&](SendOutcome said) { outcome = static_cast<int>(said); })) return -2;
    const test::Deadline deadline = test::soon();
    while (outcome < 0 && !deadline.has_passed()) std::this_thread::yield();
    return outcome.load();
  };
  EXPECT_EQ(send(host_.told(0).connection, {.data = "for you"}), static_cast<int>(SendOutcome::taken));
  EXPECT_EQ(send("nobody", {.data = "x"}), static_cast<int>(SendOutcome::unknown));
  EXPECT_EQ(send(std::string(32, '0'), {.data = "x"}), static_cast<int>(SendOutcome::unknown));
  EXPECT_EQ(send(host_.told(0).connection, {.data = std::string(100'000, 'x')}), static_cast<int>(SendOutcome::too_large));
  EXPECT_EQ(send(host_.told(0).connection, {.data = "x", .id = "own"}), -2);
  EXPECT_EQ(send(host_.told(0).connection, {.data = "x", .type = "broadside.x"}), -2);
  publish("t", "for all");
  const std::size_t sum = 3;
  const test::Deadline deadline = test::soon();
  while (one.data.empty() || one.data.back() != "for all") ASSERT_TRUE(one.read_some(deadline));
  while (other.data.empty() || other.data.back() != "for all") ASSERT_TRUE(other.read_some(deadline));
  EXPECT_EQ(one.data.size() + other.data.size(), sum);
}

TEST_P(HostingTest, presence_lists_who_is_on_a_topic) {
  START_OR_SKIP(&host_);
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < 30; ++i) {
    const std::string topic = i % 3 == 0 ? "/events/room" : "/events/else";
    subscribers.push_back(
        std::make_unique<Subscriber>(*engine_, topic + " HTTP/1.1\r\nX-Name: n" + std::to_string(i) + "\r\nX-Rest:"));
    ASSERT_TRUE(subscribers.back()->wait_open());
  }
  std::vector<std::string> names;
  std::string next;
  do {
    std::atomic<bool> is_done{false};
    ASSERT_TRUE(engine_->start_list_subscribers("room", 4, next, [&](ConnectionPage page) {
      for (const ConnectionInfo& each : page.connections) {
        EXPECT_EQ(each.user_data, 7U);
        names.push_back(each.subject);
      }
      next = page.next;
      is_done = true;
    }));
    const test::Deadline deadline = test::soon();
    while (!is_done && !deadline.has_passed()) std::this_thread::yield();
    ASSERT_TRUE(is_done);
  } while (!next.empty());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"n0", "n12", "n15", "n18", "n21", "n24", "n27", "n3", "n6", "n9"}));
  TopicInfo info;
  ASSERT_TRUE(engine_->topic_info("room", info));
  EXPECT_EQ(info.subscribers, 10U);
}

TEST_P(HostingTest, on_lag_tells_of_soft_limits_skips_and_disconnects) {
  config_.shards = 1;
  config_.send_buffer_bytes = 16 << 10;
  config_.stall_timeout_ms = 600'000;
  config_.topics = {
      {.pattern = "skip", .rules = {.policy = LagPolicy::skip, .lag = {.events = 20}}},
      {.pattern = "hard", .rules = {.lag = {.events = 20}}},
      {.pattern = "soft", .rules = {.history_events = 100'000, .history_bytes = 1 << 30, .soft_lag = {.events = 1}}}};
  START_OR_SKIP(&host_);
  for (const std::string topic : {"soft", "skip", "hard"}) {
    Subscriber stalled(*engine_, "/events/" + topic, 4096);
    ASSERT_TRUE(stalled.wait_open());
    host_.forget();  // Of the one who has just come; nothing else can come before it lags.
    const auto publish = [&] { this->publish(topic, std::string(3000, 'x')); };
    const test::Deadline deadline = test::soon();
    while (engine_->stats().shards[0].subscribers_blocked == 0 && !deadline.has_passed()) publish();
    for (int i = 0; i < 30; ++i) publish();
    const std::string expected = topic == "soft"   ? "lag soft soft"
                                 : topic == "skip" ? "lag skipped skip"
                                                   : "lag disconnected hard";
    if (topic == "skip") {
      while (host_.notes().empty() && stalled.read_some(deadline)) {
      }
    }
    ASSERT_TRUE(host_.wait_told(1)) << topic;
    EXPECT_EQ(host_.told(0).note.rfind(expected, 0), 0U) << host_.told(0).note;
    ::shutdown(stalled.fd(), SHUT_RDWR);
    ASSERT_TRUE(host_.wait_told(2)) << topic;
  }
}

TEST_P(HostingTest, a_topic_handle_publishes_and_keeps_its_topic) {
  config_.defaults.history_events = 0;
  START_OR_SKIP();
  EXPECT_FALSE(engine_->open_topic(""));
  TopicInfo info;
  {
    Result<TopicHandle> opened = engine_->open_topic("t");
    ASSERT_TRUE(opened);
    TopicHandle topic = std::move(*opened);
    EXPECT_EQ(topic.name(), "t");
    EXPECT_TRUE(engine_->topic_info("t", info)) << "it is there while the handle is";
    Subscriber subscriber(*engine_, "/events/t");
    ASSERT_TRUE(subscriber.wait_open());
    for (int i = 0; i < 500; ++i) {
      const Result<Published> published =
          i % 2 == 0 ? topic.publish({.data = std::to_string(i)}) : engine_->publish("t", {.data = std::to_string(i)});
      ASSERT_TRUE(published);
      EXPECT_EQ(published->subscribers, 1U);
    }
    EXPECT_FALSE(topic.publish({.data = "\xff"}));
    ASSERT_TRUE(subscriber.wait_data(500));
    for (int i = 0; i < 500; ++i) EXPECT_EQ(subscriber.data[static_cast<std::size_t>(i)], std::to_string(i));
    end_all({"t"});
    subscriber.read_to_end();
    ASSERT_TRUE(topic.publish({.data = "opens it again"}));
  }
  EXPECT_TRUE(engine_->topic_info("t", info)) << "its newest frame is kept";
}

TEST_P(HostingTest, a_stream_ends_with_its_right_and_goes_on_when_that_is_renewed) {
  config_.expiry_notice_ms = 1000;
  START_OR_SKIP(&host_);
  const auto wall_ms = [] {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  };
  const auto adopt = [&](int fd, const std::string& subject, std::uint64_t expires_ms) {
    AdoptOptions options{.admission = {.subject = subject, .expires_ms = expires_ms}};
    ASSERT_TRUE(engine_->adopt(fd, {.topics = {"t"}}, options));
  };
  const Pair ending;
  const Pair renewed;
  const std::uint64_t begin = wall_ms();
  adopt(ending.server, "ann", begin + 1500);
  adopt(renewed.server, "bob", begin + 1500);
  Subscriber other(renewed.client);
  // The notice names the connection, for the renewal.
  const test::Deadline deadline = test::soon();
  while (other.notice.empty() && other.read_some(deadline)) {
  }
  EXPECT_EQ(test::json_int(other.notice, "/expires").value_or(0), static_cast<std::int64_t>(begin + 1500)) << other.notice;
  const std::string connection = test::json_string(other.notice, "/connection");
  std::atomic<int> outcome{-1};
  const auto renew = [&](const std::string& subject) {
    outcome = -1;
    engine_->start_renew(
        connection, begin + 3'600'000, [&](const SubscriberView& subscriber) { return subscriber.subject == subject; },
        [&](RenewOutcome said) { outcome = static_cast<int>(said); });
    while (outcome < 0 && !deadline.has_passed()) std::this_thread::yield();
    return outcome.load();
  };
  EXPECT_EQ(renew("ann"), static_cast<int>(RenewOutcome::refused));
  EXPECT_EQ(renew("bob"), static_cast<int>(RenewOutcome::renewed));
  const std::string text = read_all(ending.client);
  EXPECT_GE(wall_ms(), begin + 1500);
  EXPECT_NE(text.find("event: broadside.auth-expiring\n"), std::string::npos) << text;
  publish("t", "still there");
  ASSERT_TRUE(other.wait_data(1));
  EXPECT_EQ(
      engine_->stats().shards[0].closes_for(CloseReason::expired) + engine_->stats().shards[1].closes_for(CloseReason::expired),
      1U);
  ::close(ending.client);
}

TEST_P(HostingTest, two_engines_in_one_process_do_not_know_each_other) {
  START_OR_SKIP();
  Result<Engine> made = Engine::create(config_);
  ASSERT_TRUE(made) << made.error().message;
  Engine other = std::move(*made);
  other.start();
  Subscriber here(*engine_, "/events/t");
  Subscriber there(other, "/events/t");
  ASSERT_TRUE(here.wait_open() && there.wait_open());
  publish("t", "here");
  ASSERT_TRUE(other.publish("t", {.data = "there"}));
  ASSERT_TRUE(here.wait_data(1) && there.wait_data(1));
  EXPECT_EQ(here.data[0], "here");
  EXPECT_EQ(there.data[0], "there");
}

}  // namespace
}  // namespace broadside
