// Reads base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace broadside::hub {

// Strict: no padding, no white space, no byte of another alphabet, and no bits left over that are not zero, so that no two texts
// mean the same bytes.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace broadside::hub
