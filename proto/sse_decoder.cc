// The decoding half of broadside/sse.h.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/assert.h"
#include "broadside/sse.h"
#include "proto/find_byte.h"

namespace broadside {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// A value may begin with one space that is not part of it.
std::string_view without_space(std::string_view value) {
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return value;
}

}  // namespace

bool SseDecoder::feed(std::string_view bytes, Sink& sink) {
  if (has_overflown_) return false;
  if (is_mark_possible_) bytes = take_byte_order_mark(bytes);
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  if (is_lf_ignored_ && at != end) {
    is_lf_ignored_ = false;
    if (*at == '\n') ++at;
  }
  const char* lf = find_byte(at, end, '\n');
  const char* cr = find_byte(at, end, '\r');
  while (!has_overflown_) {
    const bool is_between_blocks = partial_line_.empty() && !data_.is_set && !type_.is_set && !id_.is_set;
    while (is_between_blocks && try_plain_block(at, cr, sink)) {
    }
    if (lf < at) lf = find_byte(at, end, '\n');
    const char* const stop = lf < cr ? lf : cr;
    const std::string_view line(at, static_cast<std::size_t>(stop - at));
    if (stop == end) {
      keep_rest(line);
      break;
    }
    at = stop + 1;
    if (stop == cr) {
      if (at == end) {
        is_lf_ignored_ = true;
      } else if (*at == '\n') {
        ++at;
      }
    }
    // Each search goes on only when its last find has been passed, so both together read the bytes twice at most.
    if (lf < at) lf = find_byte(at, end, '\n');
    if (cr < at) cr = find_byte(at, end, '\r');
    take_line(line, sink);
  }
  return !has_overflown_;
}

// What nearly every block is, `id: `, `data: ` and an empty line, all in one piece, with a search for each line's end alone: a
// load client takes millions a second. `end` is before the first CR. False, and nothing taken, if it is anything else.
bool SseDecoder::try_plain_block(const char*& at, const char* end, Sink& sink) {
  constexpr std::size_t kIdBegin = 4;    // "id: "
  constexpr std::size_t kDataBegin = 6;  // "data: "
  if (static_cast<std::size_t>(end - at) < kIdBegin || std::memcmp(at, "id: ", kIdBegin) != 0) return false;
  const char* const id = at + kIdBegin;
  const char* const id_end = find_byte(id, end, '\n');
  if (static_cast<std::size_t>(end - id_end) < 1 + kDataBegin || std::memcmp(id_end + 1, "data: ", kDataBegin) != 0) return false;
  const char* const data = id_end + 1 + kDataBegin;
  const char* const data_end = find_byte(data, end, '\n');
  if (end - data_end < 2 || data_end[1] != '\n') return false;
  const auto id_bytes = static_cast<std::size_t>(id_end - id);
  const auto data_bytes = static_cast<std::size_t>(data_end - data);
  if (std::max(id_bytes, data_bytes) > bytes_max_ - std::min(bytes_max_, kDataBegin)) return false;
  if (std::memchr(id, '\0', id_bytes) != nullptr) return false;
  last_event_id_.assign(id, id_bytes);
  sink.on_event(DecodedEvent{.type = "message", .data = std::string_view(data, data_bytes), .last_event_id = last_event_id_});
  at = data_end + 2;
  return true;
}

// Returns what is left of `bytes` after the mark, if this is the start of the stream.
std::string_view SseDecoder::take_byte_order_mark(std::string_view bytes) {
  while (!bytes.empty() && mark_bytes_ < kByteOrderMark.size() && bytes.front() == kByteOrderMark[mark_bytes_]) {
    bytes.remove_prefix(1);
    ++mark_bytes_;
  }
  if (mark_bytes_ == kByteOrderMark.size()) {
    is_mark_possible_ = false;
  } else if (!bytes.empty()) {
    // It was none: what looked like its beginning belongs to the first line.
    is_mark_possible_ = false;
    BROADSIDE_ASSERT(partial_line_.empty());
    partial_line_.assign(kByteOrderMark.substr(0, mark_bytes_));
  }
  return bytes;
}

// The bytes being fed are over; `part` is the begin, or a further part, of a line that goes on.
void SseDecoder::keep_rest(std::string_view part) {
  if (part.size() > bytes_max_ - std::min(bytes_max_, partial_line_.size())) {
    has_overflown_ = true;
    return;
  }
  partial_line_.append(part);
  keep_fields();
}

void SseDecoder::keep_fields() {
  data_.keep();
  type_.keep();
  id_.keep();
}

// `line` is a line, or the end of one that has begun earlier.
void SseDecoder::take_line(std::string_view line, Sink& sink) {
  if (line.size() > bytes_max_ - std::min(bytes_max_, partial_line_.size())) {
    has_overflown_ = true;
    return;
  }
  if (partial_line_.empty()) {
    on_line(line, sink);
    return;
  }
  partial_line_.append(line);
  on_line(partial_line_, sink);
  keep_fields();
  partial_line_.clear();
}

void SseDecoder::on_line(std::string_view line, Sink& sink) {
  if (line.empty()) {
    dispatch(sink);
    return;
  }
  const char* const end = line.data() + line.size();
  const char* const colon = find_byte(line.data(), end, ':');
  const std::string_view name(line.data(), static_cast<std::size_t>(colon - line.data()));
  std::string_view value;
  if (colon != end) value = line.substr(name.size() + 1);
  if (name.empty()) {
    sink.on_comment(value);
    return;
  }
  on_field(name, without_space(value), sink);
}

void SseDecoder::on_field(std::string_view name, std::string_view value, Sink& sink) {
  if (name == "data") {
    add_data(value);
  } else if (name == "id") {
    if (find_byte(value.data(), value.data() + value.size(), '\0') == value.data() + value.size()) id_.set(value);
  } else if (name == "event") {
    type_.set(value);
  } else if (name == "retry") {
    if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos) return;
    std::uint64_t retry_ms = 0;
    const auto result = std::from_chars(value.data(), value.data() + value.size(), retry_ms);
    if (result.ec == std::errc()) sink.on_retry(retry_ms);
  }
}

void SseDecoder::add_data(std::string_view value) {
  if (!data_.is_set) {
    data_.set(value);
    return;
  }
  const std::size_t bytes = data_.get().size();
  if (value.size() + 1 > bytes_max_ - std::min(bytes_max_, bytes)) {
    has_overflown_ = true;
    return;
  }
  data_.keep();
  data_.copy += '\n';
  data_.copy += value;
}

void SseDecoder::dispatch(Sink& sink) {
  if (id_.is_set) last_event_id_.assign(id_.get());
  // One empty `data` line is an event with empty data: the standard's buffer then holds the LF that it strips afterwards.
  if (data_.is_set) {
    std::string_view type = "message";
    if (type_.is_set && !type_.get().empty()) type = type_.get();
    sink.on_event(DecodedEvent{.type = type, .data = data_.get(), .last_event_id = last_event_id_});
  }
  data_.clear();
  type_.clear();
  id_.clear();
}

void SseDecoder::restart() {
  partial_line_.clear();
  data_.clear();
  type_.clear();
  id_.clear();
  mark_bytes_ = 0;
  is_mark_possible_ = true;
  is_lf_ignored_ = false;
  has_overflown_ = false;
}

void SseDecoder::restart(std::string_view last_event_id) {
  restart();
  last_event_id_.assign(last_event_id);
}

}  // namespace broadside
