// What the header fields say of a request's body.
#pragma once

#include "broadside/handler.h"

namespace broadside::hub {

// Whether Content-Type is application/x-ndjson, parameters or not.
[[nodiscard]] bool is_body_ndjson(const Request& request);
// Whether a Content-Encoding other than identity is named.
[[nodiscard]] bool is_body_encoded(const Request& request);

}  // namespace broadside::hub
