// Compares what arrived with what must have arrived, one by one.
#include "tests/support/oracle.h"

#include <algorithm>
#include <cstdio>

#include "proto/position.h"

namespace broadside::test {
namespace {

constexpr std::uint64_t kOwnIdBit = std::uint64_t{1} << 63;  // A position has it only after the year 2248.
constexpr std::size_t kChecksumDigits = 16;

std::uint64_t hash_of(std::string_view bytes, std::uint64_t hash = 0xcbf29ce484222325) {
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;  // FNV-1a.
  return hash;
}

std::string checksum_text(std::string_view text) {
  char digits[kChecksumDigits + 1];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(hash_of(text)));
  return digits;
}

bool is_in_gap(const SubscriberRecord& record, TopicIndex topic, std::uint64_t position) {
  return std::any_of(record.gaps.begin(), record.gaps.end(), [&](const ToldGap& gap) {
    return (!gap.topic || *gap.topic == topic) && position > gap.from.packed && position <= gap.to.packed;
  });
}

std::string describe(std::string_view what, TopicIndex topic, std::uint64_t position, std::size_t index) {
  return std::string(what) + ": topic " + std::to_string(topic) + ", position " + to_string(Position{position}) +
         ", as event number " + std::to_string(index) + " of this subscriber";
}

}  // namespace

std::string normalized_lines(std::string_view data) {
  std::string result;
  result.reserve(data.size());
  for (std::size_t index = 0; index < data.size(); ++index) {
    if (data[index] == '\r') {
      result += '\n';
      if (index + 1 < data.size() && data[index + 1] == '\n') ++index;
    } else {
      result += data[index];
    }
  }
  return result;
}

std::string make_payload(std::string_view text) { return checksum_text(normalized_lines(text)) + ":" + std::string(text); }

bool is_payload_intact(std::string_view data) {
  if (data.size() <= kChecksumDigits || data[kChecksumDigits] != ':') return false;
  return checksum_text(data.substr(kChecksumDigits + 1)) == data.substr(0, kChecksumDigits);
}

std::uint64_t digest_of(std::string_view type, std::string_view data) {
  return hash_of(data, hash_of(std::string_view("\0", 1), hash_of(type)));
}

IdKey id_key_of(std::string_view id) {
  if (const auto position = parse_position(id)) return position->packed;
  return hash_of(id) | kOwnIdBit;
}

void Oracle::on_published(TopicIndex topic, Position position, std::string_view id, std::string_view type,
                          std::string_view data) {
  const IdKey key = id_key_of(id);
  if (key != position.packed) own_ids_.emplace(key, position.packed);
  on_published(topic, position, digest_of(type.empty() ? "message" : type, normalized_lines(data)));
}

void Oracle::on_published(TopicIndex topic, Position position, std::uint64_t digest) {
  topics_[topic].emplace(position.packed, digest);
  ++events_count_;
}

std::optional<std::uint64_t> Oracle::position_of(IdKey id) const {
  if ((id & kOwnIdBit) == 0) return id;
  const auto found = own_ids_.find(id);
  return found != own_ids_.end() ? std::optional(found->second) : std::nullopt;
}

std::vector<Oracle::Expected> Oracle::expected_of(const SubscriberRecord& record) const {
  std::vector<Expected> expected;
  std::vector<TopicIndex> topics = record.topics;
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  for (const TopicIndex topic : topics) {
    const auto events = topics_.find(topic);
    if (events == topics_.end()) continue;
    for (auto event = events->second.upper_bound(record.start->packed); event != events->second.end(); ++event) {
      expected.push_back({.position = event->first, .digest = event->second, .topic = topic});
    }
  }
  std::sort(expected.begin(), expected.end(), [](const Expected& a, const Expected& b) { return a.position < b.position; });
  return expected;
}

std::string Oracle::check_resumes(const SubscriberRecord& record) const {
  for (const SubscriberRecord::Resume& resume : record.resumes) {
    const auto position = position_of(resume.last_id);
    if (!position) return "resumed from an id that no event has";
    if (*position != resume.open_after.packed) {
      return "resumed from " + to_string(Position{*position}) + ", but the stream says it starts after " +
             to_string(resume.open_after);
    }
  }
  return "";
}

std::string Oracle::check(const SubscriberRecord& record, bool is_complete, bool are_gaps_allowed) const {
  if (!record.violation.empty()) return record.violation;
  if (!record.start) return is_complete ? "no broadside.open ever came" : "";
  if (!are_gaps_allowed && !record.gaps.empty()) return "told of a gap after " + to_string(record.gaps.front().from);
  if (std::string problem = check_resumes(record); !problem.empty()) return problem;

  const std::vector<Expected> expected = expected_of(record);
  std::size_t next = 0;
  std::uint64_t last = record.start->packed;
  for (std::size_t index = 0; index < record.received.size(); ++index) {
    const auto position = position_of(record.received[index].id);
    if (!position) return "an event with an id that was never published, as number " + std::to_string(index);
    if (*position == last) return describe("doubled", 0, *position, index);
    if (*position < last) return describe("reordered or doubled", 0, *position, index);
    last = *position;
    while (next < expected.size() && expected[next].position < *position) {
      const Expected& skipped = expected[next++];
      if (!is_in_gap(record, skipped.topic, skipped.position)) return describe("lost", skipped.topic, skipped.position, index);
    }
    if (next == expected.size() || expected[next].position != *position) return describe("unknown", 0, *position, index);
    if (expected[next].digest != record.received[index].digest) {
      return describe("torn or changed", expected[next].topic, *position, index);
    }
    ++next;
  }
  for (; is_complete && next < expected.size(); ++next) {
    if (!is_in_gap(record, expected[next].topic, expected[next].position)) {
      return describe("lost at the end", expected[next].topic, expected[next].position, record.received.size());
    }
  }
  return "";
}

bool Oracle::has_newest(const SubscriberRecord& record) const {
  if (!record.start) return false;
  std::uint64_t newest = 0;
  for (const TopicIndex topic : record.topics) {
    const auto events = topics_.find(topic);
    if (events != topics_.end() && !events->second.empty()) newest = std::max(newest, events->second.rbegin()->first);
  }
  if (newest <= record.start->packed) return true;
  if (record.received.empty()) return false;
  const auto last = position_of(record.received.back().id);
  return !last || *last >= newest;  // An unknown id never becomes known: let check() say so.
}

std::string Oracle::to_text() const {
  std::string text;
  for (const auto& [topic, events] : topics_) {
    for (const auto& [position, digest] : events) {
      text += std::to_string(topic) + " " + std::to_string(position) + " " + std::to_string(digest) + "\n";
    }
  }
  return text;
}

}  // namespace broadside::test
