#include "proto/sse_encoder.h"

#include <charconv>
#include <cstddef>
#include <cstring>

#include "base/assert.h"
#include "proto/limits.h"
#include "proto/position.h"
#include "proto/utf8.h"

namespace broadside {
namespace {

constexpr std::string_view kOwnTypePrefix = "broadside.";
constexpr std::string_view kLineBreaks("\n\r", 2);
constexpr std::string_view kLineBreaksAndNul("\n\r\0", 3);

const char* find(const char* begin, const char* end, char byte) {
  if (begin == end) return end;
  const void* at = std::memchr(begin, byte, static_cast<std::size_t>(end - begin));
  return at != nullptr ? static_cast<const char*>(at) : end;
}

void append_line(std::string& out, std::string_view field, const char* begin, const char* end) {
  out += field;
  out.append(begin, end);
  out += '\n';
}

// A `data: ` line for each line of `data`. The space is always there, so that one at the start of a line survives.
void append_data(std::string& out, std::string_view data) {
  const char* at = data.data();
  const char* const end = at + data.size();
  const char* lf = find(at, end, '\n');
  const char* cr = find(at, end, '\r');
  for (;;) {
    const char* const stop = lf < cr ? lf : cr;
    append_line(out, "data: ", at, stop);
    if (stop == end) return;
    at = stop + 1;
    if (stop == cr && at != end && *at == '\n') ++at;
    // Each search goes on only when its last find has been passed, so both together read the data twice at most.
    if (lf < at) lf = find(at, end, '\n');
    if (cr < at) cr = find(at, end, '\r');
  }
}

void append_retry(std::string& out, std::uint64_t retry_ms) {
  char digits[20];  // 2^64 has 20.
  append_line(out, "retry: ", digits, std::to_chars(digits, digits + sizeof digits, retry_ms).ptr);
}

EventRefusal check_type(std::string_view type) {
  if (type.size() > kTypeBytesMax) return EventRefusal::type_too_long;
  if (type.find_first_of(kLineBreaksAndNul) != std::string_view::npos) return EventRefusal::type_invalid;
  if (!is_valid_utf8(type)) return EventRefusal::type_invalid;
  return type.starts_with(kOwnTypePrefix) ? EventRefusal::type_reserved : EventRefusal::none;
}

}  // namespace

const char* explain(EventRefusal refusal) {
  switch (refusal) {
    case EventRefusal::none:
      return "";
    case EventRefusal::data_too_large:
      return "data is larger than the event limit";
    case EventRefusal::data_not_utf8:
      return "data is not UTF-8";
    case EventRefusal::type_too_long:
      return "event is longer than 255 bytes";
    case EventRefusal::type_invalid:
      return "event has a line break or a NUL, or is not UTF-8";
    case EventRefusal::type_reserved:
      return "event begins with 'broadside.', which is reserved for the server's own events";
    case EventRefusal::id_too_long:
      return "id is longer than 255 bytes";
    case EventRefusal::id_invalid:
      return "id has a control character or a space at either end, or is not UTF-8";
    case EventRefusal::id_reserved:
      return "id has the form digits-digits, which is reserved for the server's own positions";
    case EventRefusal::key_too_long:
      return "key is longer than 255 bytes";
    case EventRefusal::key_not_utf8:
      return "key is not UTF-8";
  }
  BROADSIDE_ASSERT(false);
}

EventRefusal check_id(std::string_view id) {
  if (id.size() > kIdBytesMax) return EventRefusal::id_too_long;
  if (id.empty() || !is_valid_utf8(id) || has_control_characters(id)) return EventRefusal::id_invalid;
  if (id.front() == ' ' || id.back() == ' ') return EventRefusal::id_invalid;
  return is_position_form(id) ? EventRefusal::id_reserved : EventRefusal::none;
}

EventRefusal check_event(const Event& event, std::uint64_t data_bytes_max) {
  if (event.data.size() > data_bytes_max) return EventRefusal::data_too_large;
  if (!is_valid_utf8(event.data)) return EventRefusal::data_not_utf8;
  if (const auto refusal = check_type(event.type); refusal != EventRefusal::none) return refusal;
  if (!event.id.empty()) {
    if (const auto refusal = check_id(event.id); refusal != EventRefusal::none) return refusal;
  }
  if (event.key.size() > kKeyBytesMax) return EventRefusal::key_too_long;
  return is_valid_utf8(event.key) ? EventRefusal::none : EventRefusal::key_not_utf8;
}

void append_id_line(std::string& out, std::string_view id) {
  BROADSIDE_ASSERT(!id.empty());
  BROADSIDE_DEBUG_ASSERT(id.find_first_of(kLineBreaksAndNul) == std::string_view::npos);
  append_line(out, "id: ", id.data(), id.data() + id.size());
}

void append_event_body(std::string& out, const Event& event) {
  BROADSIDE_DEBUG_ASSERT(event.type.find_first_of(kLineBreaks) == std::string_view::npos);
  if (!event.type.empty()) append_line(out, "event: ", event.type.data(), event.type.data() + event.type.size());
  if (event.retry_ms) append_retry(out, *event.retry_ms);
  append_data(out, event.data);
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
