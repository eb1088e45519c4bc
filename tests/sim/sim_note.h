// An event to one subscriber alone, as the hub posts it to the subscriber's shard.
#pragma once

#include <string_view>

#include "base/assert.h"
#include "engine/shard.h"
#include "proto/sse_encoder.h"

namespace broadside::sim {

// `connection_id` is what broadside.open said: 32 hexadecimal digits.
inline Message make_note(std::string_view connection_id) {
  BROADSIDE_ASSERT(connection_id.size() == 32);
  Message message;
  message.kind = Message::Kind::send_to;
  for (std::size_t i = 0; i < connection_id.size(); ++i) {
    const char digit = connection_id[i];
    message.id[i / 16] = message.id[i / 16] << 4 | static_cast<std::uint64_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  }
  append_event_body(message.event_body, Event{.data = "for you alone", .type = "note"});
  return message;
}

}  // namespace broadside::sim
