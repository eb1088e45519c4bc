// Which events the engine takes: beyond what can be written (broadside/sse.h), sizes have limits, and names and ids of the
// engine's own are nobody else's.
#pragma once

#include <cstdint>

#include "broadside/error.h"
#include "broadside/event.h"

namespace broadside {

// Whether `event` may be published. An empty type is "message", an empty id is the position's; any other id is 1 to 255 bytes
// without control characters and without a space at either end. Error::too_large: more data than `data_bytes_max`;
// Error::invalid_argument: all else.
[[nodiscard]] Result<Done> check_event(const Event& event, std::uint64_t data_bytes_max);

}  // namespace broadside
