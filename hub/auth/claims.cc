// See claims.h.
#include "hub/auth/claims.h"

#include <algorithm>
#include <cmath>

#include "hub/auth/json_object.h"

namespace broadside::hub {
namespace {

using simdjson::dom::element;

// Claims that count, each at most once: which one of two would hold is not left to parsers.
class SeenOnce {
 public:
  [[nodiscard]] bool add(unsigned index) {
    const unsigned bit = 1U << index;
    if ((seen_ & bit) != 0) return false;
    seen_ |= bit;
    return true;
  }

 private:
  unsigned seen_ = 0;
};

// NumericDate: seconds since 1970, perhaps with a fraction.
bool read_date(element value, std::optional<std::int64_t>& out) {
  double seconds = 0;
  if (value.get_double().get(seconds) != simdjson::SUCCESS) return false;
  // Beyond these bounds, some 285,000 years, a date is as good as never, and no sum with it overflows.
  constexpr double kMsMax = 9e15;
  out = static_cast<std::int64_t>(std::floor(std::clamp(seconds * 1000, -kMsMax, kMsMax)));
  return true;
}

bool read_text(element value, std::string& out) {
  const std::optional<std::string_view> text = string_of(value);
  if (text) out = *text;
  return text.has_value();
}

bool read_flag(element value, bool& out) { return value.get_bool().get(out) == simdjson::SUCCESS; }

bool read_audience(element value, std::optional<std::vector<std::string>>& out) {
  std::string one;
  if (read_text(value, one)) {
    out = {std::move(one)};
    return true;
  }
  return read_strings(value, out.emplace());
}

bool read_rights(element value, Rights& out) {
  simdjson::dom::object members;
  if (value.get_object().get(members) != simdjson::SUCCESS) return false;
  SeenOnce seen;
  for (const auto& [name, member] : members) {
    bool is_good = true;
    if (name == "subscribe") {
      is_good = seen.add(0) && read_strings(member, out.subscribe);
    } else if (name == "publish") {
      is_good = seen.add(1) && read_strings(member, out.publish);
    } else if (name == "send") {
      is_good = seen.add(2) && read_flag(member, out.can_send);
    } else if (name == "admin") {
      is_good = seen.add(3) && read_flag(member, out.is_admin);
    }
    if (!is_good) return false;
  }
  return true;
}

bool read_claim(std::string_view name, element value, SeenOnce& seen, Claims& out) {
  if (name == "sub") return seen.add(0) && read_text(value, out.subject) && out.subject.size() <= kSubjectBytesMax;
  if (name == "iss") return seen.add(1) && read_text(value, out.issuer);
  if (name == "aud") return seen.add(2) && read_audience(value, out.audiences);
  if (name == "exp") return seen.add(3) && read_date(value, out.expires_ms);
  if (name == "nbf") return seen.add(4) && read_date(value, out.not_before_ms);
  if (name == "iat") return seen.add(5) && read_date(value, out.issued_ms);
  if (name == "broadside") return seen.add(6) && read_rights(value, out.rights);
  return true;
}

bool has(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool is_for_us(const Claims& claims, const std::vector<std::string>& ours) {
  if (ours.empty()) return !claims.audiences;
  return claims.audiences && std::any_of(claims.audiences->begin(), claims.audiences->end(),
                                         [&ours](const std::string& audience) { return has(ours, audience); });
}

}  // namespace

std::string_view describe(TokenFault fault) {
  switch (fault) {
    case TokenFault::none:
      return "the token is good";
    case TokenFault::too_long:
      return "the token is longer than 8 KiB";
    case TokenFault::malformed:
      return "the token is no signed JWT in compact form";
    case TokenFault::algorithm:
      return "the token's algorithm is none of those that keys are for";
    case TokenFault::key:
      return "there is no key for the token's algorithm and kid";
    case TokenFault::signature:
      return "the token's signature is wrong";
    case TokenFault::claims:
      return "a claim of the token cannot be read";
    case TokenFault::expired:
      return "the token has expired";
    case TokenFault::early:
      return "the token is not valid yet";
    case TokenFault::audience:
      return "the token is for another audience (--auth-audience)";
    case TokenFault::issuer:
      return "the token is from another issuer (--auth-issuer)";
  }
  return "";
}

bool parse_claims(std::string_view json, Claims& out) {
  out = Claims();
  JsonObject object;
  if (!object.parse(json)) return false;
  SeenOnce seen;
  for (const auto& [name, value] : object.members()) {
    if (!read_claim(name, value, seen, out)) return false;
  }
  return true;
}

TokenFault check_claims(const Claims& claims, const TokenRules& rules, std::int64_t now_ms) {
  const std::int64_t skew_ms = rules.clock_skew_ms;
  if (!is_for_us(claims, rules.audiences)) return TokenFault::audience;
  if (!rules.issuers.empty() && !has(rules.issuers, claims.issuer)) return TokenFault::issuer;
  if (claims.not_before_ms && now_ms < *claims.not_before_ms - skew_ms) return TokenFault::early;
  if (claims.issued_ms && now_ms < *claims.issued_ms - skew_ms) return TokenFault::early;
  // The last of all: of an expired token everything else is known to be right.
  if (claims.expires_ms && now_ms >= *claims.expires_ms + skew_ms) return TokenFault::expired;
  return TokenFault::none;
}

}  // namespace broadside::hub
