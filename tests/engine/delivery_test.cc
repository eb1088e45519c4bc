// What a visit sends and what it means that so much of it was taken: random logs, random short sends, and the concatenated output
// against the merge of all logs by position, with a connection's own bytes at frame borders alone.
#include "engine/delivery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/prng.h"
#include "proto/chunked_decoder.h"
#include "proto/http_response.h"
#include "tests/engine/store_fixture.h"
#include "tests/support/deadline.h"
#include "tests/support/toy_transport.h"

namespace broadside {
namespace {

class DeliveryTest : public StoreFixture {
 protected:
  // A streaming connection that starts where `plan` says.
  Connection& connect(const StartPlan& plan) {
    Connection& connection = table_.make();
    connection.state = ConnectionState::streaming;
    connection.subscription_count = static_cast<std::uint16_t>(plan.views.size());
    if (plan.views.size() > 1) connection.many = std::make_unique<Subscription[]>(plan.views.size());
    for (std::size_t i = 0; i < plan.views.size(); ++i) {
      connection.subscriptions()[i] =
          Subscription{.view = plan.views[i], .connection = &connection, .cursor = plan.places[i].cursor};
    }
    return connection;
  }
  // What a shard does at the begin of a turn and of a visit.
  void bring_up_to_date(Connection& connection, Position published) {
    for (std::uint32_t i = 0; i < connection.subscription_count; ++i) {
      Subscription& subscription = connection.subscriptions()[i];
      subscription.view->has_more = store().refresh(*subscription.view, published);
      subscription.view->normalise(subscription.cursor);
      ASSERT_FALSE(subscription.view->is_lost(subscription.cursor));
    }
  }
  void bring_up_to_date(Connection& connection) { bring_up_to_date(connection, store().begin_turn(0).published); }
  // A visit of which `taken` bytes, at most, are taken; the bytes. "" if it lacks nothing.
  std::string visit(Connection& connection, std::uint64_t bytes_max, std::uint64_t taken, std::uint32_t* events = nullptr) {
    bring_up_to_date(connection);
    batch_.clear();
    if (!batch_.add(connection, bytes_max)) return "";
    const Visit made = batch_.visits().back();
    EXPECT_LE(batch_.request_of(made).range_count, 64U);
    EXPECT_GE(batch_.request_of(made).range_count, 1U);
    std::string bytes = bytes_of(made);
    EXPECT_EQ(bytes.size(), batch_.request_of(made).bytes);
    taken = std::min<std::uint64_t>(taken, bytes.size());
    const std::uint32_t complete = batch_.apply(made, taken);
    if (events != nullptr) *events += complete;
    if (connection.own != nullptr && connection.own->left() == 0) connection.own.reset();
    bytes.resize(taken);
    return bytes;
  }
  // What the kernel is given, one range behind the other.
  std::string bytes_of(const Visit& visit) const {
    std::string bytes;
    const io::SendRequest request = batch_.request_of(visit);
    for (const iovec& range : std::span(request.ranges, request.range_count)) {
      bytes.append(static_cast<const char*>(range.iov_base), range.iov_len);
    }
    return bytes;
  }
  std::string visit_all(Connection& connection, std::uint64_t bytes_max = 128 << 10, std::uint32_t* events = nullptr) {
    std::string all;
    for (std::string bytes; !(bytes = visit(connection, bytes_max, UINT64_MAX, events)).empty();) all += bytes;
    return all;
  }
  static void give_own(Connection& connection, std::string_view bytes) {
    if (connection.own == nullptr) connection.own = std::make_unique<OwnBytes>();
    if (connection.is_chunked) {
      append_chunk(connection.own->bytes, bytes);
    } else {
      connection.own->bytes += bytes;
    }
  }
  static void make_framed(Connection& connection, bool is_chunked, bool is_sealed) {
    connection.is_framed = is_chunked || is_sealed;
    connection.is_chunked = is_chunked;
    if (connection.is_framed) connection.make_extras();
    if (is_sealed) connection.extras->sealer = std::make_unique<test::ToySealer>();
  }

  ConnectionTable table_;
  TornBudget torn_budget_;
  TornFrames torn_frames_{torn_budget_};
  DeliveryBatch batch_{torn_frames_};
};

TEST_F(DeliveryTest, adds_nothing_for_a_connection_at_the_head) {
  publish("t", "old");
  Connection& connection = connect(subscribe({"t"}, live()));
  bring_up_to_date(connection);
  EXPECT_FALSE(lacks_something(connection));
  EXPECT_FALSE(batch_.add(connection, 1000));
  EXPECT_TRUE(batch_.visits().empty());
}

TEST_F(DeliveryTest, sends_one_topic_as_one_range) {
  Connection& connection = connect(subscribe({"t"}, live()));
  publish("t", std::string(100'000, 'x'));  // A segment of its own, and the next ones are large.
  visit_all(connection);
  std::string expected;
  for (int i = 0; i < 50; ++i) expected += frame(publish("t", "data").position, "data");
  bring_up_to_date(connection);
  ASSERT_TRUE(batch_.add(connection, 128 << 10));
  EXPECT_EQ(batch_.visits().back().range_count, 1U);
  EXPECT_EQ(bytes_of(batch_.visits().back()), expected);
}

TEST_F(DeliveryTest, continues_after_every_possible_split_of_one_topic) {
  const StartPlan plan = subscribe({"t"}, live());
  std::string expected;
  for (int i = 0; i < 12; ++i) {
    const std::string data(static_cast<std::size_t>(i * 7), 'a' + i);
    expected += frame(publish("t", data).position, data);
  }
  for (std::size_t sent = 0; sent <= expected.size(); ++sent) {
    Connection& connection = connect(plan);
    const std::string first = visit(connection, 1 << 20, sent);
    EXPECT_EQ(first.size(), sent);
    EXPECT_EQ(lacks_something(connection), sent < expected.size());
    ASSERT_EQ(first + visit_all(connection), expected) << sent;
  }
}

TEST_F(DeliveryTest, continues_after_every_possible_split_of_several_topics_with_own_bytes) {
  const StartPlan plan = subscribe({"a", "b", "c"}, live());
  std::string expected;
  std::vector<std::size_t> borders = {0};
  const char* order[] = {"a", "a", "b", "c", "a", "b", "b", "c", "c", "a"};
  for (int i = 0; i < 10; ++i) {
    const std::string data(static_cast<std::size_t>(1 + i * 5), 'a' + i);
    expected += frame(publish(order[i], data).position, data);
    borders.push_back(expected.size());
  }
  for (std::size_t sent = 0; sent <= expected.size(); ++sent) {
    Connection& connection = connect(plan);
    std::string bytes = visit(connection, 1 << 20, sent);
    give_own(connection, "OWN");
    // The rest of a frame begun goes first, then what is the connection's alone, then the log goes on.
    const std::size_t border = *std::lower_bound(borders.begin(), borders.end(), sent);
    bytes += visit_all(connection);
    std::string wanted = expected;
    wanted.insert(border, "OWN");
    ASSERT_EQ(bytes, wanted) << sent;
  }
}

TEST_F(DeliveryTest, survives_splits_within_own_bytes) {
  const StartPlan plan = subscribe({"a", "b"}, live());
  const std::string logs = [&] {
    std::string text = frame(publish("a", "1").position, "1");
    return text += frame(publish("b", "2").position, "2");
  }();
  const std::string own = "own bytes of this one";
  for (std::size_t first = 0; first <= own.size() + logs.size(); ++first) {
    Connection& connection = connect(plan);
    give_own(connection, own);
    std::string bytes = visit(connection, 1 << 20, first);
    bytes += visit(connection, 1 << 20, 3);
    bytes += visit_all(connection);
    ASSERT_EQ(bytes, own + logs) << first;
  }
}

// What the peer makes of what it gets.
class Peer {
 public:
  explicit Peer(const Connection& connection)
      : is_chunked_(connection.is_chunked), is_sealed_(connection.is_framed && connection.extras->sealer != nullptr) {}
  std::string open(std::string_view bytes) {
    std::string unsealed;
    if (is_sealed_) {
      opener_.feed(bytes, unsealed);
      EXPECT_EQ(opener_.violation(), "");
    } else {
      unsealed = bytes;
    }
    if (!is_chunked_) return unsealed;
    std::string plain;
    for (std::string_view left = unsealed; !left.empty();) {
      const ChunkedDecoder::Step step = decoder_.feed(left);
      EXPECT_EQ(step.outcome, ParseOutcome::need_more) << step.detail;
      if (step.outcome != ParseOutcome::need_more) break;
      plain += step.data;
      left.remove_prefix(step.consumed);
    }
    return plain;
  }

 private:
  bool is_chunked_;
  bool is_sealed_;
  test::ToyOpener opener_;
  ChunkedDecoder decoder_;
};

class RandomDeliveryTest : public DeliveryTest {
 protected:
  void run(std::uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    remake();
    Prng prng(seed);
    const std::size_t topics = 1 + prng.below(prng.below(2) == 0 ? 3 : 100);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < topics; ++i) names.push_back("t" + std::to_string(i));
    Connection& connection = connect(subscribe(names, live()));
    make_framed(connection, prng.below(3) == 0, prng.below(3) == 0);
    Peer peer(connection);
    std::string expected;                    // Frames alone.
    std::vector<std::size_t> borders = {0};  // In it.
    std::string received;                    // Frames alone, own bytes taken out again.
    std::string own_left;                    // Given, not yet received.
    std::uint32_t events = 0;
    std::uint32_t events_published = 0;
    for (int step = 0; step < 300 || lacks_something(connection); ++step, bring_up_to_date(connection)) {
      if (step < 300) {
        for (std::uint64_t count = prng.below(12); count > 0; --count) {
          const std::string data(prng.below(prng.below(10) == 0 ? 3000 : 60), static_cast<char>('a' + prng.below(26)));
          const std::string& topic = names[prng.below(names.size())];
          const std::string id = prng.below(4) == 0 ? "own-" + std::to_string(events_published) : "";
          expected += frame(publish(topic, data, id).position, data, id);
          borders.push_back(expected.size());
          ++events_published;
        }
        if (prng.below(8) == 0) {
          const std::string bytes(1 + prng.below(20), '#');  // No frame has this byte.
          give_own(connection, bytes);
          own_left += bytes;
        }
      }
      const std::uint64_t bytes_max = 1 + prng.below(prng.below(2) == 0 ? 200 : 20'000);
      const std::uint64_t taken = prng.below(4) == 0 ? UINT64_MAX : prng.below(prng.below(2) == 0 ? 40 : 4000);
      const std::string bytes = peer.open(visit(connection, bytes_max, taken, &events));
      for (const char byte : bytes) {
        if (byte != '#') {
          received += byte;
          continue;
        }
        ASSERT_FALSE(own_left.empty());
        own_left.pop_back();
        ASSERT_TRUE(std::binary_search(borders.begin(), borders.end(), received.size())) << "own bytes inside a frame";
      }
      if (expected.compare(0, received.size(), received) == 0) continue;
      const auto differs = std::mismatch(received.begin(), received.end(), expected.begin(), expected.end());
      const auto at = static_cast<std::size_t>(differs.first - received.begin());
      FAIL() << "step " << step << " byte " << at << ": got " << received.substr(at - std::min<std::size_t>(at, 80), 160)
             << "\ninstead of " << expected.substr(at - std::min<std::size_t>(at, 80), 160);
    }
    EXPECT_EQ(received, expected);
    EXPECT_EQ(own_left, "");
    EXPECT_EQ(events, events_published);
    leave_all();
  }
};

TEST_F(RandomDeliveryTest, gives_the_merge_of_all_logs_over_a_socket_that_takes_what_it_likes) {
  const std::uint64_t seed = test::test_seed();
  for (std::uint64_t i = 0; i < test::scaled(60, 15); ++i) {
    ASSERT_NO_FATAL_FAILURE(run(seed + i));
  }
}

TEST_F(DeliveryTest, sends_at_most_64_ranges_and_goes_on_where_it_stopped) {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("t" + std::to_string(i));
  Connection& connection = connect(subscribe(names, live()));
  std::string expected;
  for (int round = 0; round < 3; ++round) {
    for (const std::string& name : names) expected += frame(publish(name, "x").position, "x");
  }
  give_own(connection, "own");
  bring_up_to_date(connection);
  ASSERT_TRUE(batch_.add(connection, 1 << 20));
  EXPECT_EQ(batch_.visits().back().range_count, 64U);
  std::uint32_t events = 0;
  EXPECT_EQ(visit_all(connection, 1 << 20, &events), "own" + expected);
  EXPECT_EQ(events, 300U);
}

TEST_F(DeliveryTest, sends_little_more_than_its_bound_but_a_whole_frame_at_least) {
  Connection& connection = connect(subscribe({"t"}, live()));
  std::string expected;
  for (int i = 0; i < 2000; ++i) expected += frame(publish("t", std::string(100, 'x')).position, std::string(100, 'x'));
  const std::size_t one = frame(store().published(), std::string(100, 'x')).size() + 8;
  std::string all;
  for (std::string bytes; !(bytes = visit(connection, 16 << 10, UINT64_MAX)).empty();) {
    EXPECT_LE(bytes.size(), (16U << 10) + one);
    all += bytes;
  }
  EXPECT_EQ(all, expected);
  const std::string large = std::string(200'000, 'y');
  const Position position = publish("t", large).position;
  EXPECT_EQ(visit(connection, 16 << 10, UINT64_MAX), frame(position, large));
}

TEST_F(DeliveryTest, sends_exactly_as_many_events_as_are_left_of_a_limit) {
  const StartPlan plan = subscribe({"a", "b"}, live());
  std::vector<std::string> frames;
  for (int i = 0; i < 40; ++i) {
    const Position position = publish(i % 3 == 0 ? "a" : "b", std::to_string(i)).position;
    frames.push_back(frame(position, std::to_string(i)));
  }
  for (std::uint32_t limit = 1; limit <= 42; ++limit) {
    for (const std::uint64_t taken : {std::uint64_t{UINT64_MAX}, std::uint64_t{17}}) {
      Connection& connection = connect(plan);
      connection.limit_left = limit;
      std::string bytes;
      std::uint32_t events = 0;
      while (events < limit) {
        std::uint32_t now = 0;
        const std::string more = visit(connection, 500, taken, &now);
        if (more.empty()) break;
        bytes += more;
        events += now;
        connection.limit_left -= now;
      }
      std::string expected;
      for (std::uint32_t i = 0; i < std::min<std::uint32_t>(limit, 40); ++i) expected += frames[i];
      ASSERT_EQ(bytes, expected) << limit;
      ASSERT_EQ(events, std::min<std::uint32_t>(limit, 40));
    }
  }
}

TEST_F(DeliveryTest, does_not_count_an_end_against_a_limit) {
  const StartPlan plan = subscribe({"a", "b"}, live());
  std::string expected = frame(publish("a", "1").position, "1");
  expected += end_frame(end("a"), "a");
  expected += frame(publish("b", "2").position, "2");
  Connection& connection = connect(plan);
  connection.limit_left = 2;
  std::uint32_t events = 0;
  EXPECT_EQ(visit(connection, 1000, UINT64_MAX, &events), expected);
  EXPECT_EQ(events, 2U);
}

TEST_F(DeliveryTest, stops_a_cursor_at_the_end_of_its_topic_for_every_split) {
  const StartPlan plan = subscribe({"a", "b"}, live());
  std::string expected = frame(publish("a", "1").position, "1");
  expected += end_frame(end("a"), "a");
  publish("a", "opened again");
  expected += frame(publish("b", "2").position, "2");
  for (std::size_t sent = 0; sent <= expected.size(); ++sent) {
    Connection& connection = connect(plan);
    std::uint32_t events = 0;
    std::string bytes = visit(connection, 1000, sent, &events);
    bytes += visit_all(connection, 1000, &events);
    ASSERT_EQ(bytes, expected) << sent;
    ASSERT_EQ(events, 2U) << sent;
    EXPECT_TRUE(is_over(connection.subscriptions()[0]));
    EXPECT_FALSE(is_over(connection.subscriptions()[1]));
  }
}

TEST_F(DeliveryTest, is_over_at_the_head_of_an_ended_topic_only) {
  const StartPlan plan = subscribe({"t"}, live());
  Connection& connection = connect(plan);
  publish("t", "1");
  const Position before_end = store().published();
  end("t");
  bring_up_to_date(connection, before_end);
  EXPECT_FALSE(is_over(connection.subscriptions()[0]));
  ASSERT_TRUE(batch_.add(connection, 1000));
  batch_.apply(batch_.visits().back(), batch_.visits().back().bytes);
  EXPECT_FALSE(is_over(connection.subscriptions()[0]));  // The end itself is newer than the turn.
  visit_all(connection);
  EXPECT_TRUE(is_over(connection.subscriptions()[0]));
}

TEST_F(DeliveryTest, sends_nothing_newer_than_the_turn) {
  Connection& connection = connect(subscribe({"a", "b"}, live()));
  std::string expected;
  Position cut;
  for (int i = 0; i < 100; ++i) {
    const Position position = publish(i % 2 == 0 ? "a" : "b", "x").position;
    if (i < 51) expected += frame(position, "x"), cut = position;
  }
  bring_up_to_date(connection, cut);
  std::string bytes;
  while (batch_.clear(), batch_.add(connection, 1000)) {
    bytes += bytes_of(batch_.visits().back());
    batch_.apply(batch_.visits().back(), batch_.visits().back().bytes);
    bring_up_to_date(connection, cut);
  }
  EXPECT_EQ(bytes, expected);
}

TEST_F(DeliveryTest, goes_on_over_segments_that_are_dropped_behind_it) {
  config_.defaults.history_events = 1;
  remake();
  const StartPlan plan = subscribe({"t"}, live());
  Connection& connection = connect(plan);
  std::string expected;
  std::string bytes;
  for (int i = 0; i < 500; ++i) {
    const std::string data(static_cast<std::size_t>(i % 200), 'x');
    expected += frame(publish("t", data).position, data);
    bytes += visit_all(connection);
    plan.views[0]->lap_position.store(store().published().packed);
    store().tick();
  }
  EXPECT_EQ(bytes, expected);
}

TEST_F(DeliveryTest, finishes_what_it_was_given_and_sends_no_more_frames) {
  Connection& connection = connect(subscribe({"t"}, live()));
  const Position position = publish("t", "1").position;
  publish("t", "2");
  std::string bytes = visit(connection, 1000, 5);
  connection.is_finishing = true;
  give_own(connection, "bye");
  bytes += visit_all(connection);
  EXPECT_EQ(bytes, frame(position, "1") + "bye");
  EXPECT_FALSE(lacks_something(connection));
}

TEST_F(DeliveryTest, sends_one_heartbeat_of_the_right_framing) {
  Connection& plain = connect(subscribe({"t"}, live()));
  Connection& chunked = connect(subscribe({"t"}, live()));
  make_framed(chunked, true, false);
  batch_.add_heartbeat(plain);
  batch_.add_heartbeat(chunked);
  EXPECT_EQ(bytes_of(batch_.visits()[0]), ":\n\n");
  EXPECT_EQ(bytes_of(batch_.visits()[1]), "3\r\n:\n\n\r\n");
}

TEST_F(DeliveryTest, completes_a_torn_heartbeat_before_everything_else) {
  for (const bool is_chunked : {false, true}) {
    Connection& connection = connect(subscribe({"t"}, live()));
    if (is_chunked) make_framed(connection, true, false);
    const std::string whole = is_chunked ? "3\r\n:\n\n\r\n" : ":\n\n";
    for (std::size_t taken = 0; taken <= whole.size(); ++taken) {
      batch_.clear();
      batch_.add_heartbeat(connection);
      EXPECT_EQ(batch_.apply(batch_.visits().back(), taken), 0U);
      EXPECT_EQ(is_at_border(connection), taken == 0 || taken == whole.size());
      const std::string rest = visit(connection, 1000, UINT64_MAX);
      EXPECT_EQ(rest, taken == 0 ? "" : whole.substr(taken));
    }
  }
}

TEST_F(DeliveryTest, has_no_room_when_the_buffer_of_framed_visits_is_full) {
  const StartPlan plan = subscribe({"t"}, live());
  publish("t", std::string(100'000, 'x'));
  std::size_t visits = 0;
  for (; !batch_.is_full(); ++visits) {
    Connection& connection = connect(plan);
    make_framed(connection, false, true);
    bring_up_to_date(connection);
    ASSERT_TRUE(batch_.add(connection, 128 << 10));
  }
  EXPECT_LT(visits, 16U);
  EXPECT_GT(visits, 4U);
}

TEST_F(DeliveryTest, keeps_the_visits_of_a_batch_apart) {
  const StartPlan plan = subscribe({"t"}, live());
  const std::string expected = frame(publish("t", "1").position, "1");
  std::vector<Connection*> all;
  for (std::uint32_t i = 0; i < DeliveryBatch::kVisitsMax; ++i) {
    all.push_back(&connect(plan));
    bring_up_to_date(*all.back());
    ASSERT_FALSE(batch_.is_full());
    ASSERT_TRUE(batch_.add(*all.back(), 1000));
  }
  EXPECT_TRUE(batch_.is_full());
  for (std::size_t i = 0; i < all.size(); ++i) batch_.apply(batch_.visits()[i], i % (expected.size() + 1));
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(visit_all(*all[i]), expected.substr(i % (expected.size() + 1)));
}

TEST_F(DeliveryTest, sends_nothing_newer_behind_a_torn_end_of_a_topic_that_has_opened_again) {
  Connection& connection = connect(subscribe({"t", "u"}, live()));
  const Position ended = end("t");
  const std::string torn = visit(connection, 1 << 20, 3);
  ASSERT_EQ(torn, "id:");
  publish("t", "for the next stream");
  publish("u", "newer");
  EXPECT_EQ(torn + visit(connection, 1 << 20, UINT64_MAX), end_frame(ended, "t"));
}

}  // namespace
}  // namespace broadside
