// Fuzzes what a subscription is asked for with: the input's first line is a request target, its second a Last-Event-ID. What is
// read has to be what a host could have asked for as well; escapes, parts of targets and patterns are checked against plain
// models.
#include <string>
#include <vector>

#include "engine/subscribe_request.h"
#include "proto/http_target.h"
#include "proto/topic_name.h"
#include "proto/uri.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace broadside;
using namespace broadside::fuzz;

constexpr std::size_t kTopicsMax = 4;  // Few, so that the bound is met.
constexpr std::uint64_t kNowMs = 1'700'000'000'000;
constexpr std::size_t kPatternBytesMax = 64;  // The model's time is the product.

void check_target(std::string_view target) {
  for (const char byte : target) {
    if (byte <= ' ' || byte > '~') return;
  }
  for (const Method method : {Method::get, Method::options, Method::connect}) {
    TargetParts parts;
    if (!split_target(method, target, parts) || method == Method::connect) continue;
    require(parts.authority.empty() || is_valid_host(parts.authority));
    const std::string query = parts.has_query ? "?" + std::string(parts.query) : "";
    const std::string end = std::string(parts.path) + query;
    // The path that an absolute target may leave out is all that is added.
    require(target.ends_with(end) || (!parts.authority.empty() && target.ends_with(std::string(parts.authority) + query)));
    require(parts.has_query || parts.query.empty());
  }
}

std::string escape_all(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string escaped;
  for (const char byte : text) {
    const auto number = static_cast<unsigned char>(byte);
    escaped += {'%', kDigits[number >> 4], kDigits[number & 0x0F]};
  }
  return escaped;
}

void check_escapes(std::string_view text) {
  for (const bool plus_is_space : {false, true}) {
    const auto decoded = percent_decode(text, plus_is_space);
    if (decoded) require(decoded->size() <= text.size());
    if (decoded && text.find_first_of("%+") == std::string_view::npos) require(*decoded == text);
    require(percent_decode(escape_all(text), plus_is_space) == text);
  }
}

// `*` is any run of bytes: row by row over the pattern, which prefixes of the name match.
bool matches_by_model(std::string_view pattern, std::string_view name) {
  std::vector<bool> matches(name.size() + 1);
  matches[0] = true;
  for (const char byte : pattern) {
    std::vector<bool> next(name.size() + 1);
    for (std::size_t i = 0; i <= name.size(); ++i) {
      if (byte == '*') next[i] = matches[i] || (i > 0 && next[i - 1]);
      if (byte != '*') next[i] = i > 0 && matches[i - 1] && name[i - 1] == byte;
    }
    matches = next;
  }
  return matches[name.size()];
}

void check_subscription(std::string_view target, std::string_view last_event_id) {
  const std::size_t question = target.find('?');
  const ExactBytes path(target.substr(0, question));
  const ExactBytes query(question == std::string_view::npos ? std::string_view() : target.substr(question + 1));
  const ExactBytes id(last_event_id);
  if (!is_subscribe_path(path.view())) return;
  SubscribeRequest request;
  const std::string wrong = read_subscribe_request(path.view(), query.view(), id.view(), kTopicsMax, kNowMs, request);
  if (!wrong.empty()) return;
  require(check_subscribe_request(request, kTopicsMax).empty());
  if (!last_event_id.empty()) require(request.start.kind == StartRequest::Kind::after_id && request.start.id == last_event_id);
  // The same, written in another way.
  SubscribeRequest again;
  std::string topics;
  for (const std::string& topic : request.topics) topics += "&topic=" + escape_all(topic);
  require(read_subscribe_request("/events", topics, request.start.id, kTopicsMax, kNowMs, again).empty());
  require(again.topics == request.topics && again.start.id == request.start.id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kInputBytesMax) return 0;
  std::string_view rest = as_text(data, size);
  const std::string_view target = take_line(rest);
  check_target(target);
  check_escapes(ExactBytes(target).view());
  check_subscription(target, rest);
  const ExactBytes pattern(rest.substr(0, kPatternBytesMax));
  const ExactBytes name(target.substr(0, kPatternBytesMax));
  require(matches_pattern(pattern.view(), name.view()) == matches_by_model(pattern.view(), name.view()));
  return 0;
}
