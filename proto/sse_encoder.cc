#include "proto/sse_encoder.h"

#include <charconv>

#include "base/assert.h"
#include "broadside/sse.h"
#include "proto/find_byte.h"
#include "proto/utf8.h"

namespace broadside {
namespace {

constexpr std::string_view kLineBreaks("\n\r", 2);
constexpr std::string_view kLineBreaksAndNul("\n\r\0", 3);

void append_line(std::string& out, std::string_view field, const char* begin, const char* end) {
  out += field;
  out.append(begin, end);
  out += '\n';
}

// A line of `field` for each line of `text`; CR, LF and CRLF are borders.
void append_lines(std::string& out, std::string_view field, std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const char* lf = find_byte(at, end, '\n');
  const char* cr = find_byte(at, end, '\r');
  for (;;) {
    const char* const stop = lf < cr ? lf : cr;
    append_line(out, field, at, stop);
    if (stop == end) return;
    at = stop + 1;
    if (stop == cr && at != end && *at == '\n') ++at;
    // Each search goes on only when its last find has been passed, so both together read the text twice at most.
    if (lf < at) lf = find_byte(at, end, '\n');
    if (cr < at) cr = find_byte(at, end, '\r');
  }
}

void append_retry_line(std::string& out, std::uint64_t retry_ms) {
  char digits[20];  // 2^64 has 20.
  append_line(out, "retry: ", digits, std::to_chars(digits, digits + sizeof digits, retry_ms).ptr);
}

// Whether `value` may stand on one line of a block.
bool is_line(std::string_view value) {
  return value.find_first_of(kLineBreaksAndNul) == std::string_view::npos && is_valid_utf8(value);
}

Error invalid(const char* message) { return Error{Error::Code::invalid_argument, message}; }

}  // namespace

Result<Done> check_sse_event(const Event& event) {
  if (!is_valid_utf8(event.data)) return invalid("data is not UTF-8");
  if (!is_line(event.type)) return invalid("event has a line break or a NUL, or is not UTF-8");
  if (!is_line(event.id)) return invalid("id has a line break or a NUL, or is not UTF-8");
  return Done{};
}

void append_sse_event(std::string& out, const Event& event) {
  if (!event.id.empty()) append_id_line(out, event.id);
  append_event_body(out, event);
}

void append_sse_retry(std::string& out, std::uint64_t retry_ms) {
  append_retry_line(out, retry_ms);
  out += '\n';
}

void append_sse_comment(std::string& out, std::string_view text) {
  append_lines(out, ":", text);
  out += '\n';
}

void append_id_line(std::string& out, std::string_view id) {
  BROADSIDE_ASSERT(!id.empty());
  BROADSIDE_DEBUG_ASSERT(id.find_first_of(kLineBreaksAndNul) == std::string_view::npos);
  append_line(out, "id: ", id.data(), id.data() + id.size());
}

void append_event_body(std::string& out, const Event& event) {
  BROADSIDE_DEBUG_ASSERT(event.type.find_first_of(kLineBreaks) == std::string_view::npos);
  if (!event.type.empty()) append_line(out, "event: ", event.type.data(), event.type.data() + event.type.size());
  if (event.retry_ms) append_retry_line(out, *event.retry_ms);
  // The space is always there, so that one at the start of a line survives.
  append_lines(out, "data: ", event.data);
  out += '\n';
}

void append_own_event(std::string& out, std::string_view type, std::string_view id, std::string_view json_data,
                      std::optional<std::uint64_t> retry_ms) {
  BROADSIDE_ASSERT(type.starts_with(kOwnTypePrefix));
  BROADSIDE_DEBUG_ASSERT(json_data.find_first_of(kLineBreaks) == std::string_view::npos);
  append_id_line(out, id);
  append_event_body(out, Event{.data = json_data, .type = type, .id = id, .retry_ms = retry_ms, .key = {}});
}

}  // namespace broadside
