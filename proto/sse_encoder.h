// The parts of a frame, for those who give it its id late: broadside/sse.h writes an event whole, the engine all but the id line
// before it knows the position. And frames of the engine's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broadside/event.h"

namespace broadside {

// The types of the engine's own events begin with this; nobody else's may.
constexpr std::string_view kOwnTypePrefix = "broadside.";

// Appends `id: <id>` and LF.
void append_id_line(std::string& out, std::string_view id);

// Appends all of the frame after the id line. Requires: check_sse_event() takes the event.
void append_event_body(std::string& out, const Event& event);

// Appends a whole frame of the engine's own (broadside.open, broadside.gap, broadside.end), whose type check_event() refuses.
// Requires: neither `type` nor `id` nor `json_data` has a line break.
void append_own_event(std::string& out, std::string_view type, std::string_view id, std::string_view json_data,
                      std::optional<std::uint64_t> retry_ms);

}  // namespace broadside
