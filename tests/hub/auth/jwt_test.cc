// Tokens that are good, with each algorithm and through a rotation of keys; and what is known of those that are not.
// What must never be let in is in forged_token_test.cc.
#include "hub/auth/jwt.h"

#include <gtest/gtest.h>

#include "hub/auth/base64url.h"
#include "tests/support/token_forge.h"

namespace broadside::hub {
namespace {

using test::Signer;

constexpr std::int64_t kNowMs = 1'700'000'000'000;

Key key_of(const Signer& signer, std::string id = "") {
  const Algorithm algorithm = *algorithm_of(signer.algorithm());
  Result<Key> key =
      is_hmac(algorithm) ? Key::from_secret(algorithm, signer.secret()) : Key::from_pem(algorithm, signer.public_pem());
  key->set_id(std::move(id));
  return key.value();
}

KeySet set_of(std::vector<Key> keys) {
  KeySet set;
  for (Key& key : keys) EXPECT_EQ(set.add(std::move(key)), "");
  return set;
}

TokenFault check(std::string_view text, const KeySet& keys, Token& token) {
  return check_token(text, keys, TokenRules(), kNowMs, token);
}

TEST(Jwt, is_taken_with_each_algorithm) {
  const std::string secret = test::test_secret();
  const std::vector<Signer> signers = {Signer::secret("HS256", secret),
                                       Signer::secret("HS384", secret),
                                       Signer::secret("HS512", secret),
                                       Signer::rs256(),
                                       Signer::es256(),
                                       Signer::eddsa()};
  std::vector<Key> all;
  for (const Signer& signer : signers) all.push_back(key_of(signer));
  const KeySet keys = set_of(all);
  for (const Signer& signer : signers) {
    Token token;
    const std::string text = signer.token(R"({"sub":"alice","exp":1700000060,"broadside":{"publish":["a.*"]}})");
    EXPECT_EQ(check(text, keys, token), TokenFault::none) << signer.algorithm();
    EXPECT_EQ(token.claims.subject, "alice");
    EXPECT_EQ(token.claims.rights.publish, std::vector<std::string>{"a.*"});
    EXPECT_EQ(token.claims.expires_ms, 1'700'000'060'000);
  }
}

TEST(Jwt, may_have_a_header_with_members_that_mean_nothing_here) {
  const Signer signer = Signer::eddsa();
  const KeySet keys = set_of({key_of(signer)});
  for (const char* header : {R"({"alg":"EdDSA"})", R"({"typ":"at+jwt","alg":"EdDSA","kid":"any","x":{"y":[1]}})",
                             " {\"alg\" :\r\n\"EdDSA\"}\t", R"({"alg":"Ed\u0044SA"})"}) {
    Token token;
    EXPECT_EQ(check(signer.token("{}", header), keys, token), TokenFault::none) << header;
  }
}

TEST(Jwt, keys_are_exchanged_one_after_the_other) {
  const Signer before = Signer::secret("HS256", std::string(32, 'b'));
  const Signer after = Signer::secret("HS256", std::string(32, 'a'));
  const KeySet both = set_of({key_of(before, "2025"), key_of(after, "2026")});
  Token token;
  EXPECT_EQ(check(before.token_of("2025", "{}"), both, token), TokenFault::none);
  EXPECT_EQ(token.key_id, "2025");
  EXPECT_EQ(check(after.token_of("2026", "{}"), both, token), TokenFault::none);
  EXPECT_EQ(token.key_id, "2026");
  EXPECT_EQ(check(after.token("{}"), both, token), TokenFault::none) << "names none: all of the algorithm are tried";
  EXPECT_EQ(token.key_id, "2026");
  EXPECT_EQ(check(after.token_of("2025", "{}"), both, token), TokenFault::signature);
  EXPECT_EQ(check(after.token_of("2027", "{}"), both, token), TokenFault::key);
  const KeySet only_after = set_of({key_of(after, "2026")});
  EXPECT_EQ(check(before.token_of("2025", "{}"), only_after, token), TokenFault::key);
  EXPECT_EQ(check(before.token("{}"), only_after, token), TokenFault::signature);
  EXPECT_EQ(token.key_id, "");
}

TEST(Jwt, that_has_expired_is_still_known) {
  const Signer signer = Signer::es256();
  const KeySet keys = set_of({key_of(signer, "e")});
  Token token;
  EXPECT_EQ(check(signer.token(R"({"sub":"alice","exp":1})"), keys, token), TokenFault::expired);
  EXPECT_EQ(token.claims.subject, "alice");
  EXPECT_EQ(token.key_id, "e");
}

TEST(Jwt, that_is_not_signed_says_nothing) {
  const Signer signer = Signer::secret("HS256", std::string(32, 'b'));
  const KeySet keys = set_of({key_of(Signer::secret("HS256", std::string(32, 'a')), "a")});
  Token token;
  token.key_id = "of the token before";
  token.claims.subject = "of the token before";
  EXPECT_EQ(check(signer.token(R"({"sub":"alice"})"), keys, token), TokenFault::signature);
  EXPECT_EQ(token.claims.subject, "");
  EXPECT_EQ(token.key_id, "");
  const Signer right = Signer::secret("HS256", std::string(32, 'a'));
  EXPECT_EQ(check(right.token(R"({"broadside":{"admin":true},"exp":"x"})"), keys, token), TokenFault::claims);
  EXPECT_FALSE(token.claims.rights.is_admin);
}

TEST(Jwt, has_at_most_8_KiB) {
  const Signer signer = Signer::secret("HS256", test::test_secret());
  const KeySet keys = set_of({key_of(signer)});
  const auto with_filler = [&](std::size_t count) { return signer.token("{\"x\":\"" + std::string(count, 'x') + "\"}"); };
  std::size_t filler = 6000;
  ASSERT_LE(with_filler(filler).size(), kTokenBytesMax);
  while (with_filler(filler + 1).size() <= kTokenBytesMax) ++filler;
  Token token;
  EXPECT_EQ(check(with_filler(filler), keys, token), TokenFault::none);
  EXPECT_EQ(check(with_filler(filler + 1), keys, token), TokenFault::too_long);
  EXPECT_EQ(check(std::string(1 << 20, 'x'), keys, token), TokenFault::too_long);
}

// RFC 7519 section 3.1, with the key of RFC 7515 appendix A.1: a claims set that is no longer good since 2011.
TEST(Jwt, the_example_of_rfc_7519_has_expired) {
  const std::string secret =
      *decode_base64url("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const char* text =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const KeySet keys = set_of({key_of(Signer::secret("HS256", secret))});
  const TokenRules rules{.audiences = {}, .issuers = {"joe"}};
  Token token;
  EXPECT_EQ(check_token(text, keys, rules, 1'300'819'380'000, token), TokenFault::none);
  EXPECT_EQ(token.claims.issuer, "joe");
  EXPECT_EQ(check_token(text, keys, rules, kNowMs, token), TokenFault::expired);
}

}  // namespace
}  // namespace broadside::hub
