// See jwt.h.
#include "hub/auth/jwt.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "hub/auth/base64url.h"
#include "hub/auth/json_object.h"

namespace broadside::hub {
namespace {

// The parts of a token, still encoded.
struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view is_signed;  // What the signature is of.
};

std::optional<Parts> split(std::string_view text) {
  const std::size_t first = text.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find('.', first + 1);
  // Five parts are an encrypted token.
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{.header = text.substr(0, first),
               .payload = text.substr(first + 1, second - first - 1),
               .signature = text.substr(second + 1),
               .is_signed = text.substr(0, second)};
}

struct Header {
  std::string algorithm;
  std::string key_id;
};

// Of the members only `alg`, `kid` and `crit` mean anything here; keys and addresses of keys (jwk, jku, x5c, x5u) are passed
// over.
std::optional<Header> parse_header(std::string_view encoded) {
  const std::optional<std::string> json = decode_base64url(encoded);
  JsonObject object;
  if (!json || !object.parse(*json)) return std::nullopt;
  std::optional<std::string_view> algorithm;
  std::optional<std::string_view> key_id;
  for (const auto& [name, value] : object.members()) {
    if (name == "crit") return std::nullopt;
    if (name != "alg" && name != "kid") continue;
    std::optional<std::string_view>& target = name == "alg" ? algorithm : key_id;
    if (target) return std::nullopt;  // Twice: who reads the first and who reads the last would not agree.
    target = string_of(value);
    if (!target) return std::nullopt;
  }
  if (!algorithm) return std::nullopt;
  return Header{.algorithm = std::string(*algorithm), .key_id = std::string(key_id.value_or(""))};
}

}  // namespace

TokenFault check_token(std::string_view text, const KeySet& keys, const TokenRules& rules, std::int64_t now_ms, Token& out) {
  out = Token();
  if (text.size() > kTokenBytesMax) return TokenFault::too_long;
  const std::optional<Parts> parts = split(text);
  if (!parts) return TokenFault::malformed;
  const std::optional<Header> header = parse_header(parts->header);
  const std::optional<std::string> payload = decode_base64url(parts->payload);
  const std::optional<std::string> signature = decode_base64url(parts->signature);
  if (!header || !payload || !signature) return TokenFault::malformed;
  const std::optional<Algorithm> algorithm = algorithm_of(header->algorithm);
  if (!algorithm) return TokenFault::algorithm;
  const std::vector<const Key*> candidates = keys.candidates(*algorithm, header->key_id);
  if (candidates.empty()) return TokenFault::key;
  const auto signer = std::find_if(candidates.begin(), candidates.end(),
                                   [&](const Key* key) { return key->verifies(parts->is_signed, *signature); });
  if (signer == candidates.end()) return TokenFault::signature;
  out.key_id = (*signer)->id();
  if (!parse_claims(*payload, out.claims)) {
    out.claims = Claims();
    return TokenFault::claims;
  }
  return check_claims(out.claims, rules, now_ms);
}

}  // namespace broadside::hub
