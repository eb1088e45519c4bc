// See ndjson_publish.h.
#include "hub/ndjson_publish.h"

#include <exception>
#include <utility>

#include "base/assert.h"
#include "hub/answer.h"
#include "proto/json_text.h"
#include "proto/position.h"

namespace broadside::hub {
namespace {

// The rate may be raised meanwhile, and the token expire.
constexpr Nanos kPauseMax = kSecond;
constexpr std::size_t kLinesKept = 256;  // Room for the next piece of the body.

std::string too_long(std::uint64_t line_bytes_max) {
  return "longer than " + std::to_string(line_bytes_max) + " bytes; publish less at once or raise --event-bytes";
}

std::string too_much_text(std::uint32_t wait_ms) {
  return "not published: more than this publisher may publish a second; try again in " + std::to_string(wait_ms) + " ms";
}

std::string line_prefix(std::uint64_t number) { return "line " + std::to_string(number) + ": "; }

void append_error_line(std::string& out, std::uint64_t number, std::string_view error) {
  out += "{\"line\":" + std::to_string(number) + ",\"error\":";
  append_json_string(out, error);
  out += "}\n";
}

void append_published_line(std::string& out, const Published& published, std::string_view own_id) {
  out += "{\"id\":";
  append_json_string(out, id_of(published, own_id));
  out += ",\"position\":\"" + to_string(published.position) + '"';
  if (published.is_duplicate) out += ",\"duplicate\":true";
  out += "}\n";
}

// The lines of a body that is there as a whole.
class BodyLines {
 public:
  explicit BodyLines(const NdjsonTarget& target) : target_(target) {}

  void add(std::uint64_t number, std::optional<std::string_view> line) {
    if (is_refused_ || (line && is_blank_line(*line))) return;
    std::string reason = line ? "" : too_long(target_.line_bytes_max);
    if (!line) return refuse(problem(413, line_prefix(number) + reason));
    LineEvent event;
    if (reason = parse_event_line(*line, target_.path_topic, event); !reason.empty()) {
      return refuse(problem(400, line_prefix(number) + reason));
    }
    const Verdict verdict = target_.access.check("publish", event.topic);
    if (!verdict.is_allowed()) return refuse(refusal_of(verdict, line_prefix(number)));
    data_bytes_ += event.data.size();
    events_.push_back(std::move(event));
    numbers_.push_back(number);
  }

  [[nodiscard]] Response publish() const {
    if (is_refused_) return refusal_;
    std::vector<BatchEntry> batch;
    batch.reserve(events_.size());
    for (const LineEvent& event : events_) batch.push_back({.topic = event.topic, .event = event.event()});
    std::vector<Published> published;
    std::size_t bad_index = batch.size();
    if (!batch.empty()) {
      const Nanos wait = target_.access.take_or_refuse("publish", target_.path_topic, batch.size(), data_bytes_);
      if (wait > 0) return too_much_published(wait);
      const Result<Done> done = target_.publisher->publish_batch(batch, published, &bad_index);
      if (!done) return problem_of(done.error(), bad_index < numbers_.size() ? line_prefix(numbers_[bad_index]) : "");
    }
    BROADSIDE_ASSERT(published.size() == events_.size());
    std::string json = "{\"ids\":[";
    for (std::size_t index = 0; index < events_.size(); ++index) {
      if (index > 0) json += ',';
      append_json_string(json, id_of(published[index], events_[index].id));
    }
    return json_answer(json + "],\"count\":" + std::to_string(events_.size()) + "}");
  }

 private:
  void refuse(Response refusal) {
    is_refused_ = true;
    refusal_ = std::move(refusal);
  }

  const NdjsonTarget& target_;
  std::vector<LineEvent> events_;
  std::vector<std::uint64_t> numbers_;  // The line of each event.
  std::uint64_t data_bytes_ = 0;
  bool is_refused_ = false;
  Response refusal_;
};

}  // namespace

Response publish_ndjson(const NdjsonTarget& target, std::string_view body) {
  BodyLines lines(target);
  LineCutter cutter(target.line_bytes_max);
  const auto visit = [&lines](std::uint64_t number, std::optional<std::string_view> line) { lines.add(number, line); };
  cutter.feed(body, visit);
  cutter.finish(visit);
  return lines.publish();
}

void NdjsonReader::add(std::uint64_t number, std::optional<std::string_view> line) {
  if (line && is_blank_line(*line)) return;
  Line& added = lines_.emplace_back();
  added.number = number;
  if (!line) {
    added.problem = too_long(target_.line_bytes_max);
    return;
  }
  added.problem = parse_event_line(*line, target_.path_topic, added.event);
  if (!added.problem.empty()) return;
  if (const Verdict verdict = target_.access.check("publish", added.event.topic); !verdict.is_allowed()) {
    added.problem = verdict.detail;
  }
}

// The engine takes a batch as a whole; when it refuses one, each line is tried by itself, so that the good ones are published.
void NdjsonReader::publish_together(std::span<const BatchEntry> batch, std::vector<Result<Published>>& results) {
  std::vector<Published> published;
  if (target_.publisher->publish_batch(batch, published, nullptr)) {
    BROADSIDE_ASSERT(published.size() == batch.size());
    for (const Published& one : published) results.emplace_back(one);
    return;
  }
  for (const BatchEntry& entry : batch) {
    published.clear();
    const Result<Done> done = target_.publisher->publish_batch({&entry, 1}, published, nullptr);
    if (done) {
      BROADSIDE_ASSERT(published.size() == 1);
      results.emplace_back(published[0]);
    } else {
      results.emplace_back(done.error());
    }
  }
}

// How many of the lines may be answered now; sets how long the next one has to wait.
std::size_t NdjsonReader::take_lines() {
  pause_ms_ = 0;
  for (std::size_t count = 0; count < lines_.size(); ++count) {
    const Line& line = lines_[count];
    const Nanos wait = line.problem.empty() ? target_.access.try_take(1, line.event.data.size()) : 0;
    if (wait == 0) continue;
    pause_ms_ = static_cast<std::uint32_t>(std::min(wait, kPauseMax) / kMillisecond + 1);
    return count;
  }
  return lines_.size();
}

std::size_t NdjsonReader::held_bytes() const noexcept {
  std::size_t bytes = cutter_.held_bytes() + lines_.capacity() * sizeof(Line);
  for (const Line& line : lines_) bytes += line.problem.capacity() + line.event.data.size();
  return bytes;
}

void NdjsonReader::publish_lines(std::string& out) {
  const std::size_t count = take_lines();
  const std::span<const Line> lines(lines_.data(), count);
  std::vector<BatchEntry> batch;
  for (const Line& line : lines) {
    if (line.problem.empty()) batch.push_back({.topic = line.event.topic, .event = line.event.event()});
  }
  std::vector<Result<Published>> results;
  results.reserve(batch.size());
  if (!batch.empty()) publish_together(batch, results);
  std::size_t index = 0;
  for (const Line& line : lines) {
    if (!line.problem.empty()) {
      append_error_line(out, line.number, line.problem);
      continue;
    }
    const Result<Published>& result = results[index++];
    if (result) {
      append_published_line(out, result.value(), line.event.id);
    } else {
      append_error_line(out, line.number, result.error().message);
    }
  }
  lines_.erase(lines_.begin(), lines_.begin() + static_cast<std::ptrdiff_t>(count));
  if (lines_.empty() && lines_.capacity() > kLinesKept) lines_.shrink_to_fit();
}

bool NdjsonReader::on_body(std::string_view bytes, std::string& out) noexcept {
  // What can be thrown is std::bad_alloc: then the exchange ends, and what had no answer is the publisher's to send again.
  try {
    if (target_.access.has_expired()) return false;
    cutter_.feed(bytes, [this](std::uint64_t number, std::optional<std::string_view> line) { add(number, line); });
    publish_lines(out);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void NdjsonReader::on_end(std::string& out) noexcept {
  try {
    if (target_.access.has_expired()) return;
    cutter_.finish([this](std::uint64_t number, std::optional<std::string_view> line) { add(number, line); });
    publish_lines(out);
    // A line without a line feed, and there is nobody left to wait.
    for (const Line& line : lines_) append_error_line(out, line.number, too_much_text(pause_ms_));
    lines_.clear();
  } catch (const std::exception&) {
    lines_.clear();
  }
}

}  // namespace broadside::hub
