#include "proto/event_check.h"

#include "broadside/sse.h"
#include "proto/limits.h"
#include "proto/position.h"
#include "proto/sse_encoder.h"
#include "proto/utf8.h"

namespace broadside {
namespace {

Error invalid(const char* message) { return Error{Error::Code::invalid_argument, message}; }

}  // namespace

Result<Done> check_event(const Event& event, std::uint64_t data_bytes_max) {
  if (event.data.size() > data_bytes_max) return Error{Error::Code::too_large, "data is larger than the event limit"};
  if (event.type.size() > kTypeBytesMax) return invalid("event is longer than 255 bytes");
  if (event.id.size() > kIdBytesMax) return invalid("id is longer than 255 bytes");
  if (event.key.size() > kKeyBytesMax) return invalid("key is longer than 255 bytes");
  if (auto writable = check_sse_event(event); !writable) return writable;
  if (event.type.starts_with(kOwnTypePrefix)) {
    return invalid("event begins with 'broadside.', which is reserved for the server's own events");
  }
  if (has_control_characters(event.id)) return invalid("id has a control character");
  if (event.id.starts_with(' ') || event.id.ends_with(' ')) return invalid("id has a space at either end");
  if (is_position_form(event.id)) {
    return invalid("id has the form digits-digits, which is reserved for the server's own positions");
  }
  return is_valid_utf8(event.key) ? Result<Done>(Done{}) : invalid("key is not UTF-8");
}

}  // namespace broadside
