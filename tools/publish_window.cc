#include "tools/publish_window.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "proto/json_text.h"

namespace broadside::tools {
namespace {

// Which members a line of NDJSON brings itself.
struct Members {
  bool is_object = false;
  bool is_empty = true;
  bool has_id = false;
  bool has_type = false;
  bool has_key = false;
  bool has_retry = false;
};

Members members_of(std::string_view line) {
  Members members;
  static thread_local simdjson::dom::parser parser;
  const simdjson::padded_string padded(line);
  simdjson::dom::object object;
  if (parser.parse(padded).get(object) != simdjson::SUCCESS) return members;
  members.is_object = true;
  for (const auto& field : object) {
    members.is_empty = false;
    if (field.key == "id") members.has_id = true;
    if (field.key == "event") members.has_type = true;
    if (field.key == "key") members.has_key = true;
    if (field.key == "retry") members.has_retry = true;
  }
  return members;
}

void append_string_member(std::string& out, const char* name, std::string_view value) {
  out += '"';
  out += name;
  out += "\":";
  append_json_string(out, value);
  out += ',';
}

}  // namespace

std::string encode_line(std::string_view line, std::uint64_t number, const LineOptions& options, std::string_view id_prefix) {
  const Members members = options.is_json ? members_of(line) : Members{.is_object = true};
  std::string text;
  text.reserve(line.size() + 96);
  if (!members.is_object) {
    text = line;
  } else {
    text += '{';
    if (!members.has_id) append_string_member(text, "id", std::string(id_prefix) + std::to_string(number));
    if (!members.has_type && !options.type.empty()) append_string_member(text, "event", options.type);
    if (!members.has_key && !options.key.empty()) append_string_member(text, "key", options.key);
    if (!members.has_retry && options.retry_ms) text += "\"retry\":" + std::to_string(*options.retry_ms) + ',';
    if (!options.is_json) {
      append_string_member(text, "data", line);
      text.back() = '}';
    } else {
      // The rest of the line as it was written: data that is JSON reaches subscribers byte for byte.
      if (members.is_empty) text.pop_back();
      text += line.substr(line.find('{') + 1);
    }
  }
  text += '\n';
  return text;
}

void PublishWindow::push(std::uint64_t number, std::string text) {
  BROADSIDE_ASSERT(has_room());
  BROADSIDE_ASSERT(!text.empty());
  bytes_ += text.size();
  ++unanswered_count_;
  lines_.push_back({.number = number, .text = std::move(text)});
}

std::size_t PublishWindow::take_unsent(char* out, std::size_t size) {
  std::size_t taken = 0;
  while (taken < size && has_unsent()) {
    const std::string& text = lines_[sending_].text;
    const std::size_t part = std::min(size - taken, text.size() - sending_offset_);
    std::memcpy(out + taken, text.data() + sending_offset_, part);
    taken += part;
    sending_offset_ += part;
    if (sending_offset_ == text.size()) {
      ++sending_;
      sending_offset_ = 0;
    }
  }
  drop_finished();
  return taken;
}

void PublishWindow::restart() {
  const bool is_anything_sent = sending_ > 0 || sending_offset_ > 0;
  if (is_anything_sent && !is_answering_) in_flight_max_ = std::max<std::size_t>(1, in_flight_max_ / 8);
  is_answering_ = false;
  sending_ = 0;
  sending_offset_ = 0;
  if (!lines_.empty() && lines_.front().is_answered) {
    // Refused before all of it was sent; there is at most one, as answers come in order.
    bytes_ -= lines_.front().text.size();
    lines_.pop_front();
  }
  BROADSIDE_ASSERT(lines_.size() == unanswered_count_);
}

std::optional<std::uint64_t> PublishWindow::on_answer() {
  const std::size_t index = lines_.size() - unanswered_count_;
  const bool is_begun = index < sending_ || (index == sending_ && sending_offset_ > 0);
  if (unanswered_count_ == 0 || !is_begun) return std::nullopt;
  lines_[index].is_answered = true;
  --unanswered_count_;
  is_answering_ = true;
  in_flight_max_ = std::min(in_flight_max_ + 1, kLinesMax);
  const std::uint64_t number = lines_[index].number;
  drop_finished();
  return number;
}

void PublishWindow::drop_finished() {
  while (sending_ > 0 && lines_.front().is_answered) {
    bytes_ -= lines_.front().text.size();
    lines_.pop_front();
    --sending_;
  }
}

}  // namespace broadside::tools
