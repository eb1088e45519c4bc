// The strict reader: LF line ends, known fields with one space, an id on every event, nothing twice, no empty block.
#include "tests/support/event_stream.h"

namespace broadside::test {

bool is_own(const ReceivedEvent& event) { return event.type.rfind("broadside.", 0) == 0; }

void EventStream::Block::clear() {
  lines_count = data_lines_count = 0;
  has_id = has_type = has_retry = false;
  type.clear();
  data.clear();
  id.clear();
}

void EventStream::feed(std::string_view bytes, const OnEvent& on_event) {
  on_event_ = &on_event;
  strict_events_.clear();
  strict_events_compared_ = 0;
  check(bytes);
  if (!decoder_.feed(bytes, *this)) fail("the decoder's bound was passed", "");
  if (strict_events_compared_ != strict_events_.size()) fail("the decoder saw fewer events than there are", "");
  on_event_ = nullptr;
}

void EventStream::restart() {
  decoder_.restart();
  line_.clear();
  block_.clear();
}

void EventStream::on_event(const DecodedEvent& event) noexcept {
  if (strict_events_compared_ >= strict_events_.size()) {
    fail("the decoder saw an event that is none", event.data);
  } else {
    const ReceivedEvent& strict = strict_events_[strict_events_compared_++];
    if (strict.type != event.type || strict.data != event.data || strict.id != event.last_event_id) {
      fail("the decoder and the strict reader differ", strict.data);
    }
  }
  (*on_event_)(event);
}

void EventStream::on_retry(std::uint64_t retry_ms) noexcept { retry_ms_ = retry_ms; }

void EventStream::on_comment(std::string_view) noexcept { ++comments_count_; }

void EventStream::check(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos) {
      line_.append(bytes);
      return;
    }
    if (line_.empty()) {
      check_line(bytes.substr(0, end));
    } else {
      line_.append(bytes.substr(0, end));
      check_line(line_);
      line_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
}

void EventStream::check_line(std::string_view line) {
  if (line.empty()) {
    end_block();
    return;
  }
  if (line.find('\r') != std::string_view::npos || line.find('\0') != std::string_view::npos) fail("a CR or a NUL", line);
  if (line.front() == ':') return;
  ++block_.lines_count;
  const auto colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (name == "data") {
    if (block_.data_lines_count++ > 0) block_.data += '\n';
    block_.data += value;
  } else if (name == "id") {
    if (block_.has_id || value.empty()) fail("a second or an empty id", line);
    block_.has_id = true;
    block_.id = value;
  } else if (name == "event") {
    if (block_.has_type || value.empty()) fail("a second or an empty event", line);
    block_.has_type = true;
    block_.type = value;
  } else if (name == "retry") {
    const bool is_number = !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos;
    if (block_.has_retry || !is_number) fail("a second retry or one that is no number", line);
    block_.has_retry = true;
  } else {
    fail("a torn line or an unknown field", line);
  }
}

void EventStream::end_block() {
  if (block_.lines_count == 0) return;  // After a comment.
  if (block_.data_lines_count > 0) {
    if (!block_.has_id) fail("an event without an id", block_.data);
    strict_events_.push_back({.type = block_.has_type ? block_.type : "message", .data = block_.data, .id = block_.id});
  } else if (block_.has_id || block_.has_type) {
    fail("a block with an id or a type and no data", block_.id);
  }
  block_.clear();
}

void EventStream::fail(std::string_view what, std::string_view line) {
  if (!violation_.empty()) return;
  violation_ = std::string(what) + ": `" + std::string(line.substr(0, 200)) + "`";
}

}  // namespace broadside::test
