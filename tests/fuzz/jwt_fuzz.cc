// Fuzzes everything that reads a token: the input is one, and a header, claims, a query and a key set as well. What is let in has
// to be what the key has signed; claims have to be read in one way, wherever a token is found.
#include <string>
#include <string_view>
#include <vector>

#include "hub/auth/base64url.h"
#include "hub/auth/carrier.h"
#include "hub/auth/jwks.h"
#include "hub/auth/jwt.h"
#include "proto/uri.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/support/token_forge.h"

namespace {

using namespace broadside;
using namespace broadside::fuzz;
using namespace broadside::hub;

constexpr std::int64_t kNowMs = 1'700'000'000'000;

// A key of each kind.
const KeySet& keys() {
  static const KeySet set = [] {
    KeySet all;
    std::vector<std::string> notes;
    const std::string jwks = "{\"keys\":[{" + std::string(test::kRsaPublicMembers) + "},{" + test::kP256PublicMembers + "},{" +
                             test::kEd25519PublicMembers + R"(},{"kty":"oct","alg":"HS256","k":")" +
                             test::encode_base64url(test::test_secret()) + "\"}]}";
    require(add_jwks(jwks, all, notes).has_value());
    return all;
  }();
  return set;
}

const test::Signer& signer() {
  static const test::Signer hmac = test::Signer::secret("HS256", test::test_secret());
  return hmac;
}

void check_as_token(std::string_view input) {
  Token token;
  const TokenFault fault = check_token(input, keys(), TokenRules(), kNowMs, token);
  if (fault == TokenFault::malformed || fault == TokenFault::signature) require(token.claims.subject.empty());
  if (fault != TokenFault::none) return;
  // Whatever was let in has been signed: the signature of HMAC can be made again, the others cannot be found by chance.
  const std::size_t end = input.rfind('.');
  require(input.substr(end + 1) == test::encode_base64url(signer().sign(input.substr(0, end))));
}

// Claims count as they are written, and only if they are signed.
void check_as_claims(std::string_view input) {
  Claims claims;
  const bool is_good = parse_claims(input, claims);
  const std::string text = signer().token(input);
  Token token;
  const TokenFault fault = check_token(text, keys(), TokenRules(), kNowMs, token);
  if (text.size() > kTokenBytesMax) return require(fault == TokenFault::too_long);
  require((fault == TokenFault::claims) == !is_good);
  if (!is_good) return;
  require(fault == check_claims(claims, TokenRules(), kNowMs));
  require(token.claims.subject == claims.subject && token.claims.rights.publish == claims.rights.publish);
}

void check_as_header(std::string_view input) {
  if (input.empty()) return;
  Token token;
  const std::string text = signer().token("{}", input);
  const TokenFault fault = check_token(text, keys(), TokenRules(), kNowMs, token);
  require(fault != TokenFault::claims && fault != TokenFault::expired);
}

void check_as_query(std::string_view input) {
  const Request request{.method = "GET", .query = input};
  const CarriedToken found = find_token(request, {.cookie = "auth", .takes_query = true});
  const std::string safe = without_token(input);
  require(without_token(safe) == safe);
  // No log has what was found.
  QueryParameters parameters(safe);
  while (parameters.next() != QueryParameters::Step::end) {
    if (parameters.name() == "access_token") require(parameters.value() == "***");
  }
  if (found.carrier == Carrier::none) require(found.problem.empty());
  const RequestHeader cookie{"Cookie", input};
  const RequestHeader authorization{"Authorization", input};
  for (const RequestHeader& header : {cookie, authorization}) {
    const CarriedToken carried = find_token(Request{.headers = {&header, 1}}, {.cookie = "auth", .takes_query = false});
    require(carried.carrier != Carrier::query && carried.token.size() <= input.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kInputBytesMax) return 0;
  const ExactBytes exact(as_text(data, size));
  const std::string_view input = exact.view();
  check_as_token(input);
  check_as_claims(input);
  check_as_header(input);
  check_as_query(input);
  if (const auto bytes = decode_base64url(input)) require(test::encode_base64url(*bytes) == input);
  KeySet set;
  std::vector<std::string> notes;
  require(!add_jwks(input, set, notes).has_value() || !set.is_empty());
  return 0;
}
