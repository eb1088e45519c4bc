// Lines as `publish` sends them, and which of them it sends again.
#include "tools/publish_window.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace broadside::tools {
namespace {

std::string unsent(PublishWindow& window, std::size_t size = 1000) {
  std::string text(size, '\0');
  text.resize(window.take_unsent(text.data(), text.size()));
  return text;
}

TEST(PublishLine, makes_an_event_of_a_line_of_text) {
  EXPECT_EQ(encode_line("hello", 7, {}, "run-"), "{\"id\":\"run-7\",\"data\":\"hello\"}\n");
  EXPECT_EQ(encode_line("", 1, {}, "r"), "{\"id\":\"r1\",\"data\":\"\"}\n");
  EXPECT_EQ(encode_line("say \"hi\"\t\\", 1, {}, "r"), "{\"id\":\"r1\",\"data\":\"say \\\"hi\\\"\\t\\\\\"}\n");
  EXPECT_EQ(encode_line("x", 1, {.type = "tick", .key = "k", .retry_ms = 50}, "r"),
            "{\"id\":\"r1\",\"event\":\"tick\",\"key\":\"k\",\"retry\":50,\"data\":\"x\"}\n");
}

TEST(PublishLine, adds_to_ndjson_only_what_a_line_does_not_say) {
  const LineOptions options{.is_json = true, .type = "tick", .key = "k", .retry_ms = 5};
  EXPECT_EQ(encode_line(R"({"data": {"b":1.0, "a":2}})", 3, {.is_json = true}, "r"),
            "{\"id\":\"r3\",\"data\": {\"b\":1.0, \"a\":2}}\n");
  EXPECT_EQ(encode_line(R"({"id":"own","event":"e","key":"q","retry":1,"data":""})", 3, options, "r"),
            "{\"id\":\"own\",\"event\":\"e\",\"key\":\"q\",\"retry\":1,\"data\":\"\"}\n");
  EXPECT_EQ(encode_line(R"(  {"data":1})", 3, options, "r"),
            "{\"id\":\"r3\",\"event\":\"tick\",\"key\":\"k\",\"retry\":5,\"data\":1}\n");
  EXPECT_EQ(encode_line("{}", 3, {.is_json = true}, "r"), "{\"id\":\"r3\"}\n");
  EXPECT_EQ(encode_line(R"({"id":"a"})", 3, {.is_json = true}, "r"), "{\"id\":\"a\"}\n");
  EXPECT_EQ(encode_line(R"({"data":{"id":"inner"}})", 3, {.is_json = true}, "r"),
            "{\"id\":\"r3\",\"data\":{\"id\":\"inner\"}}\n");
}

TEST(PublishLine, passes_on_what_is_not_a_json_object) {
  for (const char* line : {"not json", "[1]", "\"text\"", "{\"data\":", "{\"data\":\"\xff\"}"}) {
    EXPECT_EQ(encode_line(line, 1, {.is_json = true}, "r"), std::string(line) + "\n");
  }
}

TEST(PublishWindow, sends_each_line_once_and_forgets_it_when_it_is_answered) {
  PublishWindow window;
  window.push(1, "one\n");
  window.push(2, "two\n");
  EXPECT_EQ(unsent(window), "one\ntwo\n");
  EXPECT_EQ(unsent(window), "");
  EXPECT_EQ(window.on_answer(), 1u);
  EXPECT_EQ(window.on_answer(), 2u);
  EXPECT_TRUE(window.is_empty());
  EXPECT_EQ(window.on_answer(), std::nullopt);
}

TEST(PublishWindow, sends_again_exactly_what_has_no_answer) {
  PublishWindow window;
  for (std::uint64_t number = 1; number <= 3; ++number) window.push(number, std::to_string(number) + "\n");
  EXPECT_EQ(unsent(window, 5), "1\n2\n3");
  EXPECT_EQ(window.on_answer(), 1u);
  window.restart();
  EXPECT_EQ(unsent(window), "2\n3\n");
}

TEST(PublishWindow, does_not_send_a_line_again_that_was_refused_half_sent) {
  PublishWindow window;
  window.push(1, "long line\n");
  window.push(2, "two\n");
  EXPECT_EQ(unsent(window, 4), "long");
  EXPECT_EQ(window.on_answer(), 1u);
  EXPECT_EQ(window.on_answer(), std::nullopt);
  window.restart();
  EXPECT_EQ(unsent(window), "two\n");
  EXPECT_EQ(window.on_answer(), 2u);
}

TEST(PublishWindow, finishes_a_line_that_was_refused_half_sent_while_the_connection_lasts) {
  PublishWindow window;
  window.push(1, "long line\n");
  window.push(2, "two\n");
  EXPECT_EQ(unsent(window, 4), "long");
  EXPECT_EQ(window.on_answer(), 1u);
  EXPECT_EQ(unsent(window), " line\ntwo\n");
  EXPECT_EQ(window.on_answer(), 2u);
  EXPECT_TRUE(window.is_empty());
}

TEST(PublishWindow, takes_no_answer_for_a_line_that_was_not_begun) {
  PublishWindow window;
  window.push(1, "one\n");
  EXPECT_EQ(window.on_answer(), std::nullopt);
  EXPECT_EQ(unsent(window), "one\n");
  window.restart();
  EXPECT_EQ(window.on_answer(), std::nullopt);
}

TEST(PublishWindow, sends_less_at_once_after_connections_without_an_answer) {
  PublishWindow window;
  for (std::uint64_t number = 0; number < PublishWindow::kLinesMax; ++number) window.push(number, "x\n");
  EXPECT_EQ(unsent(window, 100'000).size(), 2 * PublishWindow::kLinesMax);
  window.restart();
  EXPECT_EQ(unsent(window, 100'000).size(), 2 * PublishWindow::kLinesMax / 8);
  EXPECT_FALSE(window.has_unsent());
  for (int attempt = 0; attempt < 10; ++attempt) {
    window.restart();
    static_cast<void>(unsent(window, 100'000));
  }
  window.restart();
  EXPECT_EQ(unsent(window, 100'000), "x\n");
  EXPECT_EQ(window.on_answer(), 0u);
  EXPECT_EQ(unsent(window, 100'000), "x\nx\n");  // Each answer allows one more.
  EXPECT_EQ(window.on_answer(), 1u);
  EXPECT_EQ(window.on_answer(), 2u);
  EXPECT_EQ(unsent(window, 100'000).size(), 2u * 4);
  window.restart();  // It brought answers: no reason to slow down.
  EXPECT_EQ(unsent(window, 100'000).size(), 2u * 4);
}

TEST(PublishWindow, is_full_at_its_exact_limits) {
  PublishWindow lines;
  for (std::size_t index = 0; index < PublishWindow::kLinesMax; ++index) {
    ASSERT_TRUE(lines.has_room()) << index;
    lines.push(index, "x\n");
  }
  EXPECT_FALSE(lines.has_room());
  static_cast<void>(unsent(lines, 2));
  static_cast<void>(lines.on_answer());
  EXPECT_TRUE(lines.has_room());

  PublishWindow bytes;
  bytes.push(1, std::string(PublishWindow::kBytesMax - 1, 'x'));
  EXPECT_TRUE(bytes.has_room());
  bytes.push(2, "y");
  EXPECT_FALSE(bytes.has_room());
}

TEST(PublishWindow, loses_and_doubles_nothing_over_random_cuts) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  PublishWindow window;
  std::vector<std::uint64_t> answered;
  std::uint64_t pushed = 0;
  std::string connection;  // What the server has of this connection and not yet answered.
  while (answered.size() < 5000) {
    switch (random() % 8) {
      case 0:
        if (pushed < 5000 && window.has_room()) window.push(pushed, std::to_string(pushed) + "\n"), ++pushed;
        break;
      case 1:
        if (random() % 8 == 0) window.restart(), connection.clear();
        break;
      case 2:
      case 3:
      case 4:
        connection += unsent(window, 1 + random() % 20);
        break;
      default: {
        const std::size_t end = connection.find('\n');
        if (end == std::string::npos) break;
        const auto number = window.on_answer();
        ASSERT_TRUE(number.has_value());
        ASSERT_EQ(connection.substr(0, end), std::to_string(*number));
        answered.push_back(*number);
        connection.erase(0, end + 1);
      }
    }
  }
  for (std::uint64_t index = 0; index < answered.size(); ++index) ASSERT_EQ(answered[index], index);
  EXPECT_TRUE(window.is_empty());
}

}  // namespace
}  // namespace broadside::tools
