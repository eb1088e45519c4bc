// Checks tokens: JSON Web Tokens (RFC 7519) that are signed, in compact form (RFC 7515 section 7.1). Takes the advice of RFC
// 8725: the algorithm is the key's, nothing in a token's header brings a key along, extensions that are not known are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "hub/auth/claims.h"
#include "hub/auth/key_set.h"

namespace broadside::hub {

constexpr std::size_t kTokenBytesMax = 8 << 10;

struct Token {
  std::string key_id;  // Of the key that it is signed with, as the server calls it; empty if that has no name.
  Claims claims;
};

// `out` holds what is certain: nothing before the signature has been checked, all of it after that, also of an expired token.
[[nodiscard]] TokenFault check_token(std::string_view text, const KeySet& keys, const TokenRules& rules, std::int64_t now_ms,
                                     Token& out);

}  // namespace broadside::hub
