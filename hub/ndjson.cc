// See ndjson.h.
#include "hub/ndjson.h"

#include <charconv>
#include <iterator>

#include "hub/json_scan.h"
#include "proto/utf8.h"

namespace broadside::hub {
namespace {

enum class Member : unsigned { topic, data, event, id, retry, key };
constexpr std::string_view kMemberNames[] = {"topic", "data", "event", "id", "retry", "key"};

constexpr unsigned index_of(Member member) { return static_cast<unsigned>(member); }

std::optional<Member> member_of(std::string_view name) {
  for (unsigned index = 0; index < std::size(kMemberNames); ++index) {
    if (kMemberNames[index] == name) return static_cast<Member>(index);
  }
  return std::nullopt;
}

std::string quoted(std::string_view name) {
  // Long enough to recognise what was meant.
  constexpr std::size_t kNameBytesMax = 64;
  if (name.size() <= kNameBytesMax) return '"' + std::string(name) + '"';
  return '"' + std::string(name.substr(0, valid_utf8_prefix(name.substr(0, kNameBytesMax)))) + "...\"";
}

std::string set_retry(const JsonObjectScanner& scanner, LineEvent& out) {
  const std::string_view text = scanner.value();
  std::uint64_t retry_ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), retry_ms);
  if (scanner.kind() != JsonKind::number || error != std::errc() || end != text.data() + text.size()) {
    return "\"retry\" must be a whole number of milliseconds";
  }
  out.retry_ms = retry_ms;
  return {};
}

std::string set_member(Member member, const JsonObjectScanner& scanner, LineEvent& out) {
  if (member == Member::retry) return set_retry(scanner, out);
  if (member == Member::data) {
    if (scanner.kind() == JsonKind::string) {
      append_unquoted(out.data, scanner.value());
    } else {
      out.data = scanner.value();
    }
    return {};
  }
  if (scanner.kind() != JsonKind::string) return quoted(kMemberNames[index_of(member)]) + " must be a string";
  std::string& target = member == Member::topic   ? out.topic
                        : member == Member::event ? out.type
                        : member == Member::id    ? out.id
                                                  : out.key;
  append_unquoted(target, scanner.value());
  return {};
}

}  // namespace

bool is_blank_line(std::string_view line) { return line.find_first_not_of(" \t\r") == std::string_view::npos; }

std::string parse_event_line(std::string_view line, std::string_view path_topic, LineEvent& out) {
  out = LineEvent();
  if (!is_valid_utf8(line)) return "not UTF-8";
  JsonObjectScanner scanner(line);
  unsigned seen = 0;
  for (;;) {
    const JsonObjectScanner::Step step = scanner.next();
    if (step == JsonObjectScanner::Step::invalid) return scanner.problem();
    if (step == JsonObjectScanner::Step::end) break;
    const std::optional<Member> member = member_of(scanner.name());
    if (!member) return quoted(scanner.name()) + " is no member of an event: there are topic, data, event, id, retry and key";
    if ((seen >> index_of(*member) & 1U) != 0) return quoted(scanner.name()) + " stands there twice";
    seen |= 1U << index_of(*member);
    if (std::string problem = set_member(*member, scanner, out); !problem.empty()) return problem;
  }
  if ((seen >> index_of(Member::data) & 1U) == 0) return "\"data\" is missing";
  const bool has_topic = (seen >> index_of(Member::topic) & 1U) != 0;
  if (path_topic.empty()) return has_topic ? "" : "\"topic\" is missing; name it here or in the path, /events/{topic}";
  if (has_topic && out.topic != path_topic) return "\"topic\" is not the one in the path; leave it out or POST to /events";
  out.topic = path_topic;
  return {};
}

void LineCutter::take(std::string_view piece, bool is_complete, const Visit& visit) {
  if (!is_skipping_) {
    if (partial_.size() + piece.size() > line_bytes_max_) {
      visit(number_, std::nullopt);
      is_skipping_ = true;
      partial_.clear();
    } else if (!is_complete) {
      partial_ += piece;
    } else if (partial_.empty()) {
      visit(number_, piece);
    } else {
      partial_ += piece;
      visit(number_, partial_);
      partial_.clear();
    }
  }
  if (!is_complete) return;
  is_skipping_ = false;
  ++number_;
}

void LineCutter::feed(std::string_view bytes, const Visit& visit) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    take(bytes.substr(0, end), end != std::string_view::npos, visit);
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
  }
}

void LineCutter::finish(const Visit& visit) {
  if (!partial_.empty()) take({}, true, visit);
}

}  // namespace broadside::hub
