// JSON Web Key Sets: which of their keys are taken, and for which algorithm.
#include "hub/auth/jwks.h"

#include <gtest/gtest.h>

#include "tests/support/token_forge.h"

namespace broadside::hub {
namespace {

using test::Signer;

std::string key(std::string_view members, std::string_view more = "") {
  return "{" + std::string(members) + std::string(more) + "}";
}
std::string secret_key(std::string_view more) {
  return R"({"kty":"oct","k":")" + test::encode_base64url(test::test_secret()) + "\"" + std::string(more) + "}";
}

struct Read {
  KeySet keys;
  std::vector<std::string> notes;
  std::string refusal;
};
Read read(const std::vector<std::string>& keys) {
  std::string json = "{\"keys\":[";
  for (const std::string& one : keys) json += (&one == keys.data() ? "" : ",") + one;
  Read read;
  const Result<Done> added = add_jwks(json + "]}", read.keys, read.notes);
  if (!added) read.refusal = added.error().message;
  return read;
}

TEST(Jwks, keys_are_for_the_one_algorithm_that_their_kind_has) {
  const Read set =
      read({key(test::kRsaPublicMembers), key(test::kP256PublicMembers, R"(,"kid":"e")"), key(test::kEd25519PublicMembers),
            secret_key(R"(,"alg":"HS256")"), secret_key(R"(,"alg":"HS384")"), secret_key(R"(,"alg":"HS512")")});
  ASSERT_EQ(set.refusal, "");
  EXPECT_TRUE(set.notes.empty());
  const std::string secret = test::test_secret();
  const std::vector<Signer> signers = {Signer::rs256(),
                                       Signer::es256(),
                                       Signer::eddsa(),
                                       Signer::secret("HS256", secret),
                                       Signer::secret("HS384", secret),
                                       Signer::secret("HS512", secret)};
  ASSERT_EQ(set.keys.keys().size(), signers.size());
  for (std::size_t index = 0; index < signers.size(); ++index) {
    const Key& one = set.keys.keys()[index];
    EXPECT_EQ(name_of(one.algorithm()), signers[index].algorithm());
    EXPECT_TRUE(one.verifies("text", signers[index].sign("text"))) << signers[index].algorithm();
  }
  EXPECT_EQ(set.keys.keys()[1].id(), "e");
}

TEST(Jwks, keys_that_say_what_they_are_for_are_taken_if_it_is_signatures) {
  for (const char* more : {R"(,"use":"sig")", R"(,"key_ops":["verify"])", R"(,"key_ops":["sign","verify"],"use":"sig")",
                           R"(,"alg":"ES256")", R"(,"d":"AAAA","x5c":["AAAA"],"unknown":{})"}) {
    EXPECT_EQ(read({key(test::kP256PublicMembers, more)}).refusal, "") << more;
  }
}

TEST(Jwks, keys_that_cannot_be_used_are_passed_over_and_told) {
  const std::string good = key(test::kP256PublicMembers);
  const std::string bad[] = {
      R"({"kid":"a"})",
      R"({"kty":"XYZ"})",
      R"({"kty":7})",
      R"({"kty":"EC"})",
      key(test::kP256PublicMembers, R"(,"use":"enc")"),
      key(test::kP256PublicMembers, R"(,"key_ops":["sign"])"),
      key(test::kP256PublicMembers, R"(,"key_ops":"verify")"),
      key(test::kP256PublicMembers, R"(,"alg":"ES384")"),
      key(test::kP256PublicMembers, R"(,"alg":"none")"),
      key(test::kP256PublicMembers, R"(,"alg":"RS256")"),
      key(test::kP256PublicMembers, R"(,"alg":"HS256")"),
      key(test::kRsaPublicMembers, R"(,"alg":"RSA-OAEP")"),
      key(test::kRsaPublicMembers, R"(,"alg":"PS256")"),
      key(test::kRsaPublicMembers, R"(,"alg":"HS256")"),
      secret_key(""),
      secret_key(R"(,"alg":"ES256")"),
      R"({"kty":"oct","alg":"HS256","k":"c2hvcnQ"})",
      R"({"kty":"oct","alg":"HS256"})",
      R"({"kty":"oct","alg":"HS256","k":"not base64url"})",
      R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
      R"({"kty":"RSA","n":"","e":"AQAB"})",
      R"({"kty":"EC","crv":"P-384","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
      // Not on the curve.
      R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})",
      R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})",
      R"({"kty":"OKP","crv":"Ed448","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
      R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
      R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ"})",
  };
  for (const std::string& one : bad) {
    const Read set = read({one, good});
    EXPECT_EQ(set.refusal, "") << one;
    EXPECT_EQ(set.keys.keys().size(), 1U) << one;
    EXPECT_EQ(set.notes.size(), 1U) << one;
    EXPECT_NE(read({one}).refusal, "") << "alone: " << one;
  }
}

TEST(Jwks, an_exponent_of_one_is_no_key) {
  std::string members = test::kRsaPublicMembers;
  members.replace(members.find("AQAB"), 4, "AQ");
  EXPECT_NE(read({key(members)}).refusal.find("the public key is not a valid one"), std::string::npos)
      << read({key(members)}).refusal;
}

TEST(Jwks, what_is_no_key_set_is_refused) {
  for (const char* json : {"", "null", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[7]})", R"({"keys":["a"]})",
                           R"({"keys":)", R"({"kty":"EC"})"}) {
    KeySet keys;
    std::vector<std::string> notes;
    EXPECT_FALSE(add_jwks(json, keys, notes).has_value()) << json;
  }
}

TEST(Jwks, two_keys_of_one_name_and_algorithm_are_refused) {
  const std::string named = key(test::kP256PublicMembers, R"(,"kid":"a")");
  EXPECT_EQ(read({named, named}).refusal, "there are two ES256 keys named `a`");
  EXPECT_EQ(read({named, key(test::kRsaPublicMembers, R"(,"kid":"a")")}).refusal, "");
}

TEST(KeySet, has_a_bound) {
  const std::vector<std::string> most(KeySet::kKeysMax, key(test::kEd25519PublicMembers));
  EXPECT_EQ(read(most).refusal, "");
  std::vector<std::string> more = most;
  more.push_back(most[0]);
  EXPECT_NE(read(more).refusal.find("more than 32 keys"), std::string::npos);
}

}  // namespace
}  // namespace broadside::hub
