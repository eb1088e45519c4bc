// Lines of NDJSON: what is an event, what is refused and by which name; cut anywhere, and against a guard page.
#include "hub/ndjson.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hub/json_scan.h"
#include "tests/support/guard_page.h"

namespace broadside::hub {
namespace {

struct Good {
  std::string line;
  std::string topic;
  std::string data;
};

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::vector<Good> good_lines() {
  return {
      {R"({"topic":"a","data":"one"})", "a", "one"},
      {R"( { "data" : "" , "topic" : "a" } )", "a", ""},
      {"{\"topic\":\"a\",\"data\":\"x\"}\r", "a", "x"},
      {R"({"topic":"a","data":"\"\\\/\b\f\n\r\t"})", "a", "\"\\/\b\f\n\r\t"},
      {R"({"topic":"a","data":"\u0061\u00e4\u20AC\ud83d\ude00"})", "a", "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {R"({"topic":"\u00e4","data":"x"})", "\xC3\xA4", "x"},
      {R"({"top\u0069c":"a","d\u0061ta":"x"})", "a", "x"},
      {R"({"topic":"a","data":{"b" : [1, 2.50],  "\u0061":null}})", "a", R"({"b" : [1, 2.50],  "\u0061":null})"},
      {R"({"topic":"a","data":[ ]  })", "a", "[ ]"},
      {R"({"topic":"a","data":{}})", "a", "{}"},
      {R"({"topic":"a","data": null })", "a", "null"},
      {R"({"topic":"a","data":true})", "a", "true"},
      {R"({"topic":"a","data":false})", "a", "false"},
      {R"({"topic":"a","data":-0.0e+10})", "a", "-0.0e+10"},
      {R"({"topic":"a","data":123456789012345678901234567890})", "a", "123456789012345678901234567890"},
      {R"({"topic":"a","data":1e400})", "a", "1e400"},
      {R"({"topic":"a","data":[{"a":[{}, [], "]}"]}, -1]})", "a", R"([{"a":[{}, [], "]}"]}, -1])"},
      {R"({"topic":"a","data":{"a":1,"a":2}})", "a", R"({"a":1,"a":2})"},
      {R"({"topic":"a","data":)" + nested(JsonObjectScanner::kDepthMax - 1) + "}", "a", nested(JsonObjectScanner::kDepthMax - 1)},
  };
}

struct Bad {
  std::string line;
  std::string names;  // What the problem must say.
};

std::vector<Bad> bad_lines() {
  std::vector<Bad> rows = {
      {R"({"topic":"a"})", "\"data\" is missing"},
      {R"({})", "\"data\" is missing"},
      {R"({"data":"x"})", "\"topic\""},
      {R"({"topic":"a","data":"x","key":null})", "\"key\""},
      {R"({"topic":"a","data":"x","colour":1})", "\"colour\""},
      {R"({"topic":1,"data":"x"})", "\"topic\""},
      {R"({"topic":"a","data":"x","event":["x"]})", "\"event\""},
      {R"({"topic":"a","data":"x","id":7})", "\"id\""},
      {R"({"topic":"a","data":"x","retry":"7"})", "\"retry\""},
      {R"({"topic":"a","data":"x","retry":-1})", "\"retry\""},
      {R"({"topic":"a","data":"x","retry":1.5})", "\"retry\""},
      {R"({"topic":"a","data":"x","retry":1e3})", "\"retry\""},
      {R"({"topic":"a","data":"x","retry":99999999999999999999})", "\"retry\""},
      {R"({"topic":"a","data":"x","retry":null})", "\"retry\""},
      {R"({"topic":"a","data":"x","data":"y"})", "twice"},
      {R"({"topic":"a","data":"x","d\u0061ta":"y"})", "twice"},
      {"{\"topic\":\"a\",\"data\":\"\xC3\x28\"}", "UTF-8"},
      {"{\"topic\":\"a\",\"data\":\"\xED\xA0\x80\"}", "UTF-8"},
  };
  for (const std::string text : {
           "",
           "[]",
           "nonsense",
           "null",
           "\"x\"",
           "{",
           "{]",
           R"({"topic")",
           R"({"topic":)",
           R"({"topic":"a")",
           R"({"topic":"a",)",
           R"({"topic":"a","data":"x")",
           R"({"topic":"a","data":"x"} {})",
           R"({"topic":"a","data":"x"}x)",
           R"({"topic":"a","data":"x",})",
           R"({,"topic":"a","data":"x"})",
           R"({"topic":"a" "data":"x"})",
           R"({"topic":"a",,"data":"x"})",
           R"({topic:"a","data":"x"})",
           R"({'topic':'a'})",
           R"({"topic":"a","data":01})",
           R"({"topic":"a","data":1.})",
           R"({"topic":"a","data":.5})",
           R"({"topic":"a","data":+1})",
           R"({"topic":"a","data":-})",
           R"({"topic":"a","data":1e})",
           R"({"topic":"a","data":0x1})",
           R"({"topic":"a","data":NaN})",
           R"({"topic":"a","data":tru})",
           R"({"topic":"a","data":truex})",
           R"({"topic":"a","data":nul})",
           R"({"topic":"a","data":[1,]})",
           R"({"topic":"a","data":[1 2]})",
           R"({"topic":"a","data":[1})",
           R"({"topic":"a","data":{"a"}})",
           R"({"topic":"a","data":{"a":1,}})",
           R"({"topic":"a","data":{1:2}})",
           R"({"topic":"a","data":"\x"})",
           R"({"topic":"a","data":"\u12"})",
           R"({"topic":"a","data":"\u12G4"})",
           R"({"topic":"a","data":"\ud800"})",
           R"({"topic":"a","data":"\udc00"})",
           R"({"topic":"a","data":"\ud800\u0061"})",
           R"({"topic":"a","data":"\ud800\ud800"})",
           "{\"topic\":\"a\",\"data\":\"\t\"}",
           "{\"topic\":\"a\",\"data\":\"x}",
           "{\"topic\":\"a\",\"data\":\"x\\",
           "\xEF\xBB\xBF{}",
       }) {
    rows.push_back({text, "not JSON at byte"});
  }
  rows.push_back({R"({"topic":"a","data":)" + nested(JsonObjectScanner::kDepthMax) + "}", "too deeply"});
  rows.push_back({std::string("{\"topic\":\"a\",\"data\":1}\0", 23), "not JSON"});
  return rows;
}

TEST(NdjsonLine, reads_events_and_keeps_data_byte_for_byte) {
  for (const Good& row : good_lines()) {
    SCOPED_TRACE(row.line.substr(0, 100));
    const GuardedBytes guarded(row.line);
    LineEvent event;
    EXPECT_EQ(parse_event_line(guarded.view(), {}, event), "");
    EXPECT_EQ(event.topic, row.topic);
    EXPECT_EQ(event.data, row.data);
  }
}

TEST(NdjsonLine, names_what_is_wrong) {
  for (const Bad& row : bad_lines()) {
    SCOPED_TRACE(row.line.substr(0, 100));
    const GuardedBytes guarded(row.line);
    LineEvent event;
    const std::string problem = parse_event_line(guarded.view(), {}, event);
    EXPECT_NE(problem.find(row.names), std::string::npos) << problem;
  }
}

TEST(NdjsonLine, no_beginning_of_a_good_line_is_one) {
  for (const Good& row : good_lines()) {
    const std::size_t end = row.line.rfind('}');
    for (std::size_t length = 0; length <= end; ++length) {
      const GuardedBytes guarded(std::string_view(row.line).substr(0, length));
      LineEvent event;
      EXPECT_NE(parse_event_line(guarded.view(), {}, event), "") << row.line.substr(0, length);
    }
  }
}

TEST(NdjsonLine, takes_every_member) {
  LineEvent event;
  ASSERT_EQ(parse_event_line(R"({"key":"k","retry":18446744073709551615,"id":"i","event":"e","data":1,"topic":"t"})", {}, event),
            "");
  EXPECT_EQ(event.topic, "t");
  EXPECT_EQ(event.data, "1");
  EXPECT_EQ(event.type, "e");
  EXPECT_EQ(event.id, "i");
  EXPECT_EQ(event.key, "k");
  EXPECT_EQ(event.retry_ms, UINT64_MAX);
}

TEST(NdjsonLine, a_topic_in_the_path_is_for_all_lines) {
  LineEvent event;
  EXPECT_EQ(parse_event_line(R"({"data":1})", "a", event), "");
  EXPECT_EQ(event.topic, "a");
  EXPECT_EQ(parse_event_line(R"({"data":1,"topic":"a"})", "a", event), "");
  EXPECT_NE(parse_event_line(R"({"data":1,"topic":"b"})", "a", event), "");
  EXPECT_NE(parse_event_line(R"({"data":1,"topic":""})", "a", event), "");
}

std::string cut(std::string_view bytes, std::size_t piece_bytes, std::uint64_t line_bytes_max) {
  std::string story;
  const auto visit = [&story](std::uint64_t number, std::optional<std::string_view> line) {
    story += std::to_string(number) + (line ? "=" + std::string(*line) : " too long") + ";";
  };
  LineCutter cutter(line_bytes_max);
  for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
    const GuardedBytes piece(bytes.substr(at, piece_bytes));
    cutter.feed(piece.view(), visit);
  }
  cutter.finish(visit);
  return story;
}

TEST(LineCutter, gives_the_same_lines_however_the_bytes_are_cut) {
  struct Row {
    std::string bytes;
    std::string story;
  };
  const std::vector<Row> rows = {
      {"", ""},
      {"a", "1=a;"},
      {"a\n", "1=a;"},
      {"a\nb", "1=a;2=b;"},
      {"\n\na\n", "1=;2=;3=a;"},
      {"12345\n", "1=12345;"},
      {"123456\nb\n", "1 too long;2=b;"},
      {"123456789012\n\n12345\n123456", "1 too long;2=;3=12345;4 too long;"},
      {"123456", "1 too long;"},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{100}}) {
      EXPECT_EQ(cut(row.bytes, piece_bytes, 5), row.story) << row.bytes << " in pieces of " << piece_bytes;
    }
  }
}

}  // namespace
}  // namespace broadside::hub
