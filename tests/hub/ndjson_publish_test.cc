// Bodies of NDJSON against a publisher that remembers: all or none when whole, line by line when endless.
#include "hub/ndjson_publish.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/json.h"

namespace broadside::hub {
namespace {

using test::json_array_size;
using test::json_string;

// Refuses data "bad" and remembers the rest.
class Recorder final : public BatchPublisher {
 public:
  Result<Done> publish_batch(std::span<const BatchEntry> batch, std::vector<Published>& out, std::size_t* bad_index) override {
    ++batches;
    for (std::size_t index = 0; index < batch.size(); ++index) {
      if (batch[index].event.data != "bad") continue;
      if (bad_index != nullptr) *bad_index = index;
      return Error{Error::Code::too_large, "refused by the engine"};
    }
    for (const BatchEntry& entry : batch) {
      story += std::string(entry.topic) + "=" + std::string(entry.event.data) + ";";
      out.push_back({.position = Position::of(1, ++count), .subscribers = 3, .is_duplicate = entry.event.id == "again"});
    }
    return Done{};
  }
  std::string story;
  int batches = 0;
  std::uint64_t count = 0;
};

const std::vector<std::string> kPatterns = {"open*"};

NdjsonTarget target_of(Recorder& recorder) {
  return {.publisher = &recorder, .access = {}, .path_topic = "", .line_bytes_max = 200};
}

TEST(NdjsonBody, is_published_as_one_batch) {
  Recorder recorder;
  const Response response = publish_ndjson(
      target_of(recorder),
      "{\"topic\":\"a\",\"data\":1}\n\n{\"topic\":\"b\",\"data\":\"x\",\"id\":\"own\"}\r\n{\"topic\":\"a\",\"data\":3}");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"ids":["1-1","own","1-3"],"count":3})");
  EXPECT_EQ(recorder.story, "a=1;b=x;a=3;");
  EXPECT_EQ(recorder.batches, 1);
}

TEST(NdjsonBody, without_lines_is_published_as_nothing) {
  Recorder recorder;
  EXPECT_EQ(publish_ndjson(target_of(recorder), "").body, R"({"ids":[],"count":0})");
  EXPECT_EQ(publish_ndjson(target_of(recorder), "\n \n\r\n").status, 200);
  EXPECT_EQ(recorder.batches, 0);
}

TEST(NdjsonBody, with_a_bad_line_is_refused_whole) {
  struct Row {
    std::string bad;
    int status;
  };
  for (const Row& row : {Row{"nonsense", 400}, Row{R"({"topic":"a"})", 400}, Row{R"({"topic":"a","data":"bad"})", 413},
                         Row{std::string(201, 'x'), 413}}) {
    Recorder recorder;
    const Response response =
        publish_ndjson(target_of(recorder), "{\"topic\":\"a\",\"data\":1}\n\n" + row.bad + "\n{\"topic\":\"a\",\"data\":1}");
    EXPECT_EQ(response.status, row.status) << row.bad;
    EXPECT_NE(response.body.find("line 3: "), std::string::npos) << response.body;
    EXPECT_EQ(recorder.story, "");
  }
}

TEST(NdjsonBody, is_refused_for_a_topic_without_the_right) {
  Recorder recorder;
  NdjsonTarget target = target_of(recorder);
  AuditLog audit(nullptr, AuditLevel::off);
  target.access = PublishAccess(PublishRight(forbidden("not yours"), &kPatterns), {}, "", audit, system_clock());
  EXPECT_EQ(publish_ndjson(target, R"({"topic":"open.a","data":1})").status, 200);
  const Response response = publish_ndjson(target, "{\"topic\":\"open.a\",\"data\":1}\n{\"topic\":\"a\",\"data\":1}");
  EXPECT_EQ(response.status, 403);
  EXPECT_NE(response.body.find("line 2: not yours"), std::string::npos) << response.body;
  EXPECT_EQ(recorder.story, "open.a=1;");
}

class HandClock final : public Clock {
 public:
  [[nodiscard]] Nanos monotonic() const override { return static_cast<Nanos>(now_ms) * kMillisecond; }
  [[nodiscard]] std::uint64_t wall_ms() const override { return now_ms; }
  std::uint64_t now_ms = 1000;
};

TEST(NdjsonBody, beyond_what_may_be_published_a_second_is_refused_whole) {
  Recorder recorder;
  HandClock clock;
  PublishLimit limit({.events = 2}, 64, clock);
  NdjsonTarget target = target_of(recorder);
  target.access.set_share({limit, "me"});
  const std::string two = "{\"topic\":\"a\",\"data\":1}\n{\"topic\":\"a\",\"data\":2}\n";
  EXPECT_EQ(publish_ndjson(target, two).status, 200);
  const Response refused = publish_ndjson(target, two);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers, "Retry-After: 1\r\n");
  EXPECT_EQ(recorder.story, "a=1;a=2;");
  clock.now_ms += 1000;
  EXPECT_EQ(publish_ndjson(target, two).status, 200);
}

TEST(EndlessNdjson, ends_the_exchange_when_the_token_has_expired) {
  Recorder recorder;
  AuditLog audit(nullptr, AuditLevel::off);
  HandClock clock;
  NdjsonTarget target = target_of(recorder);
  target.access = PublishAccess(PublishRight(forbidden("not yours"), nullptr, {"a"}, 2000), {}, "", audit, clock);
  NdjsonReader reader(target);
  std::string out;
  EXPECT_TRUE(reader.on_body("{\"topic\":\"a\",\"data\":1}\n{\"topic\":\"a\",", out));
  clock.now_ms = 2000;
  const std::string answers = out;
  EXPECT_FALSE(reader.on_body("\"data\":2}\n", out));
  reader.on_end(out);
  EXPECT_EQ(out, answers);
  EXPECT_EQ(recorder.story, "a=1;");
}

constexpr const char* kEndless =
    "{\"topic\":\"a\",\"data\":1}\n\nnonsense\n{\"topic\":\"a\",\"data\":\"bad\"}\n{\"topic\":\"a\",\"data\":2,\"id\":\"again\"}"
    "\n"
    "{\"topic\":\"a\",\"data\":3}";

std::string answers_of(Recorder& recorder, std::string_view body, std::size_t piece_bytes) {
  NdjsonReader reader(target_of(recorder));
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += piece_bytes) EXPECT_TRUE(reader.on_body(body.substr(at, piece_bytes), out));
  reader.on_end(out);
  return out;
}

TEST(EndlessNdjson, answers_each_line_and_publishes_the_good_ones) {
  for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
    Recorder recorder;
    const std::string out = answers_of(recorder, kEndless, piece_bytes);
    EXPECT_EQ(recorder.story, "a=1;a=2;a=3;");
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < out.size(); at = out.find('\n', at) + 1)
      lines.push_back(out.substr(at, out.find('\n', at) - at));
    ASSERT_EQ(lines.size(), 5U) << out;
    EXPECT_EQ(lines[0], R"({"id":"1-1","position":"1-1"})");
    EXPECT_EQ(test::json_int(lines[1], "/line"), 3);
    EXPECT_NE(json_string(lines[1], "/error"), "");
    EXPECT_EQ(lines[2], R"({"line":4,"error":"refused by the engine"})");
    EXPECT_EQ(lines[3], R"({"id":"again","position":"1-2","duplicate":true})");
    EXPECT_EQ(lines[4], R"({"id":"1-3","position":"1-3"})");
  }
}

TEST(EndlessNdjson, publishes_the_lines_of_a_piece_together) {
  Recorder recorder;
  answers_of(recorder, "{\"topic\":\"a\",\"data\":1}\n{\"topic\":\"a\",\"data\":2}\n", 1000);
  EXPECT_EQ(recorder.batches, 1);
}

TEST(EndlessNdjson, has_lines_wait_that_are_beyond_what_may_be_published_a_second) {
  Recorder recorder;
  HandClock clock;
  PublishLimit limit({.events = 2}, 64, clock);
  NdjsonTarget target = target_of(recorder);
  target.access.set_share({limit, "me"});
  NdjsonReader reader(target);
  std::string out;
  std::string body;
  for (int i = 1; i <= 5; ++i) body += "{\"topic\":\"a\",\"data\":" + std::to_string(i) + "}\n";
  EXPECT_TRUE(reader.on_body(body, out));
  EXPECT_EQ(recorder.story, "a=1;a=2;");
  EXPECT_GE(reader.pause_ms(), 500U);
  clock.now_ms += reader.pause_ms();
  EXPECT_TRUE(reader.on_body({}, out));
  EXPECT_EQ(recorder.story, "a=1;a=2;a=3;");
  clock.now_ms += 1000;
  EXPECT_TRUE(reader.on_body({}, out));
  EXPECT_EQ(recorder.story, "a=1;a=2;a=3;a=4;a=5;");
  EXPECT_EQ(reader.pause_ms(), 0U);
  EXPECT_EQ(
      out,
      "{\"id\":\"1-1\",\"position\":\"1-1\"}\n{\"id\":\"1-2\",\"position\":\"1-2\"}\n{\"id\":\"1-3\",\"position\":\"1-3\"}\n"
      "{\"id\":\"1-4\",\"position\":\"1-4\"}\n{\"id\":\"1-5\",\"position\":\"1-5\"}\n");
}

TEST(EndlessNdjson, tells_of_a_last_line_that_cannot_wait) {
  Recorder recorder;
  HandClock clock;
  PublishLimit limit({.events = 1}, 64, clock);
  NdjsonTarget target = target_of(recorder);
  target.access.set_share({limit, "me"});
  NdjsonReader reader(target);
  std::string out;
  EXPECT_TRUE(reader.on_body("{\"topic\":\"a\",\"data\":1}\n{\"topic\":\"a\",\"data\":2}", out));
  EXPECT_TRUE(reader.awaits_more());
  reader.on_end(out);
  EXPECT_EQ(recorder.story, "a=1;");
  EXPECT_NE(out.find("{\"line\":2,\"error\":\"not published: "), std::string::npos) << out;
}

TEST(EndlessNdjson, passes_over_a_line_that_is_too_long) {
  Recorder recorder;
  const std::string out = answers_of(recorder, std::string(5000, 'x') + "\n{\"topic\":\"a\",\"data\":1}\n", 64);
  EXPECT_EQ(recorder.story, "a=1;");
  EXPECT_EQ(out.rfind("{\"line\":1,\"error\":\"longer than 200 bytes", 0), 0U) << out;
}

}  // namespace
}  // namespace broadside::hub
