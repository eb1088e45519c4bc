// An event to one subscriber alone, as the hub posts it to the subscriber's shard.
#pragma once

#include <string_view>

#include "base/assert.h"
#include "engine/shard.h"
#include "proto/sse_encoder.h"

namespace broadside::sim {

// `connection_id` is what broadside.open said: 32 hexadecimal digits.
inline Message make_note(std::string_view connection_id) {
  Message message;
  message.kind = Message::Kind::send_to;
  message.on_sent = [](SendOutcome) {};
  const bool is_id = parse_id(connection_id, message.id);
  BROADSIDE_ASSERT(is_id);
  append_event_body(message.event_body, Event{.data = "for you alone", .type = "note"});
  return message;
}

}  // namespace broadside::sim
