// What a token says (RFC 7519 section 4), and whether it is said to this server and for now. Knows no signatures: hub/auth/jwt.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/auth/rights.h"

namespace broadside::hub {

// Why a token is not taken.
enum class TokenFault : std::uint8_t {
  none,
  too_long,   // Beyond kTokenBytesMax.
  malformed,  // No compact JWS with a JSON header, or one with extensions (`crit`).
  algorithm,  // None of ours; `none` is none.
  key,        // No key for its algorithm and name.
  signature,
  claims,    // Signed, and still no claims set: not JSON, or a claim of the wrong type.
  expired,   // exp
  early,     // nbf, or iat in the future.
  audience,  // aud
  issuer,    // iss
};
// For the log: who sent the token is not told which check it failed.
[[nodiscard]] std::string_view describe(TokenFault fault);

// Each subscriber has a copy of it.
constexpr std::size_t kSubjectBytesMax = 255;

// Times are milliseconds since 1970.
struct Claims {
  std::string subject;
  std::string issuer;
  std::optional<std::vector<std::string>> audiences;
  std::optional<std::int64_t> expires_ms;
  std::optional<std::int64_t> not_before_ms;
  std::optional<std::int64_t> issued_ms;
  Rights rights;
};

// What tokens are held to.
struct TokenRules {
  std::vector<std::string> audiences;  // `aud` has to name one of them; empty: it must not be there (RFC 7519 section 4.1.3).
  std::vector<std::string> issuers;    // `iss` has to be one of them; empty: any, or none.
  std::uint32_t clock_skew_ms = 30'000;
};

// False: `json` is no claims set. Claims that are not known are passed over.
[[nodiscard]] bool parse_claims(std::string_view json, Claims& out);

// A token without `exp` does not expire: whoever makes tokens decides about that.
[[nodiscard]] TokenFault check_claims(const Claims& claims, const TokenRules& rules, std::int64_t now_ms);

}  // namespace broadside::hub
