// Fuzzes NDJSON: each line is judged as simdjson judges it (which is stricter about numbers and depth, no more), data comes out
// as written, and cutting the bytes anywhere changes nothing.
#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "hub/json_scan.h"
#include "hub/ndjson.h"
#include "proto/utf8.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace broadside;
using namespace broadside::fuzz;
using namespace broadside::hub;

constexpr std::uint64_t kLineBytesMax = 4096;

void compare_scanner(std::string_view line) {
  if (!is_valid_utf8(line)) return;
  JsonObjectScanner scanner(line);
  std::vector<std::string> names;
  JsonObjectScanner::Step step = scanner.next();
  for (; step == JsonObjectScanner::Step::member; step = scanner.next()) names.push_back(scanner.name());
  const bool is_object = step == JsonObjectScanner::Step::end;
  static simdjson::dom::parser parser;
  simdjson::dom::object object;
  const simdjson::padded_string padded(line);
  const simdjson::error_code error = parser.parse(padded).get(object);
  if (error == simdjson::NUMBER_ERROR || error == simdjson::DEPTH_ERROR) return;
  // simdjson passes over a byte order mark.
  if (line.starts_with("\xEF\xBB\xBF")) return;
  require(is_object == (error == simdjson::SUCCESS));
  if (!is_object) return;
  std::size_t index = 0;
  for (const simdjson::dom::key_value_pair member : object) require(index < names.size() && names[index++] == member.key);
  require(index == names.size());
}

std::string story_of(std::string_view input, std::size_t piece_bytes) {
  std::string story;
  const auto visit = [&story](std::uint64_t number, std::optional<std::string_view> line) {
    story += std::to_string(number) + ":";
    if (!line) {
      story += "too long\n";
      return;
    }
    const ExactBytes exact(*line);
    LineEvent event;
    const std::string problem = parse_event_line(exact.view(), {}, event);
    story += problem.empty() ? event.topic + "|" + event.data + "|" + event.type + "|" + event.id + "|" + event.key + "\n"
                             : problem + "\n";
    if (problem.empty()) require(is_valid_utf8(event.data) && is_valid_utf8(event.topic));
  };
  LineCutter cutter(kLineBytesMax);
  for (std::size_t at = 0; at < input.size(); at += piece_bytes) cutter.feed(input.substr(at, piece_bytes), visit);
  cutter.finish(visit);
  return story;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kInputBytesMax) return 0;
  const std::string_view input = as_text(data, size);
  compare_scanner(input);
  const std::string whole = story_of(input, size + 1);
  require(story_of(input, 1) == whole);
  require(story_of(input, 5) == whole);
  return 0;
}
