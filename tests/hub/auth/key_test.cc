// Keys: which are taken, how those that are not are explained, and the examples of RFC 7515 and RFC 8037.
#include "hub/auth/key.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "hub/auth/base64url.h"
#include "tests/support/token_forge.h"

namespace broadside::hub {
namespace {

using test::Signer;

// Why it is refused; empty if it is not.
std::string refusal_of(const Result<Key>& key) { return key ? "" : key.error().message; }

TEST(Algorithm, has_one_name) {
  for (const char* name : {"HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"}) {
    ASSERT_TRUE(algorithm_of(name).has_value()) << name;
    EXPECT_EQ(name_of(*algorithm_of(name)), name);
  }
  for (const char* name : {"", "none", "None", "NONE", "hs256", "HS256 ", "HS1", "RS384", "PS256", "ES384", "ES256K", "Ed25519",
                           "eddsa", "dir", "A128KW"}) {
    EXPECT_FALSE(algorithm_of(name).has_value()) << name;
  }
}

TEST(Key, of_hmac_is_at_least_as_long_as_the_hash) {
  struct Row {
    Algorithm algorithm;
    std::size_t bytes;
  };
  for (const Row& row : {Row{Algorithm::hs256, 32}, Row{Algorithm::hs384, 48}, Row{Algorithm::hs512, 64}}) {
    EXPECT_EQ(refusal_of(Key::from_secret(row.algorithm, std::string(row.bytes, 'x'))), "");
    const std::string refusal = refusal_of(Key::from_secret(row.algorithm, std::string(row.bytes - 1, 'x')));
    EXPECT_NE(refusal.find("has " + std::to_string(row.bytes - 1) + " bytes"), std::string::npos) << refusal;
    EXPECT_NE(refusal.find("needs " + std::to_string(row.bytes) + " at least"), std::string::npos) << refusal;
    EXPECT_NE(refusal_of(Key::from_secret(row.algorithm, "")), "");
  }
}

TEST(Key, checks_signatures_of_each_algorithm) {
  const std::string secret = test::test_secret();
  for (const Signer& signer : {Signer::secret("HS256", secret), Signer::secret("HS384", secret), Signer::secret("HS512", secret),
                               Signer::rs256(), Signer::es256(), Signer::eddsa()}) {
    SCOPED_TRACE(signer.algorithm());
    const Algorithm algorithm = *algorithm_of(signer.algorithm());
    Result<Key> key = is_hmac(algorithm) ? Key::from_secret(algorithm, secret) : Key::from_pem(algorithm, signer.public_pem());
    ASSERT_EQ(refusal_of(key), "");
    const std::string signature = signer.sign("text");
    EXPECT_TRUE(key->verifies("text", signature));
    EXPECT_TRUE(key->verifies("text", signature)) << "a second time";
    EXPECT_FALSE(key->verifies("texT", signature));
    EXPECT_FALSE(key->verifies("", signature));
    EXPECT_FALSE(key->verifies("text", ""));
    EXPECT_FALSE(key->verifies("text", signature + '\0'));
    EXPECT_FALSE(key->verifies("text", '\0' + signature));
    EXPECT_FALSE(key->verifies("text", std::string_view(signature).substr(1)));
    EXPECT_FALSE(key->verifies("text", std::string(signature.size(), '\0')));
    EXPECT_FALSE(key->verifies("text", std::string(signature.size(), '\xFF')));
    EXPECT_EQ(ERR_peek_error(), 0U) << "TLS on the same thread would find it";
  }
}

TEST(Key, reads_the_public_half_of_a_private_key_and_of_a_certificate) {
  for (const Signer& signer : {Signer::generated_rsa("RS256", 2048), Signer::es256(), Signer::eddsa()}) {
    SCOPED_TRACE(signer.algorithm());
    const Algorithm algorithm = *algorithm_of(signer.algorithm());
    const std::string signature = signer.sign("text");
    for (const std::string& pem : {signer.public_pem(), signer.private_pem(), signer.certificate_pem(),
                                   "a line before\n" + signer.certificate_pem() + signer.private_pem()}) {
      Result<Key> key = Key::from_pem(algorithm, pem);
      ASSERT_EQ(refusal_of(key), "") << pem;
      EXPECT_TRUE(key->verifies("text", signature)) << pem;
    }
  }
}

TEST(Key, is_refused_for_another_algorithm) {
  const std::string rsa = Signer::rs256().public_pem();
  const std::string p256 = Signer::es256().public_pem();
  const std::string ed25519 = Signer::eddsa().public_pem();
  EXPECT_EQ(refusal_of(Key::from_pem(Algorithm::rs256, p256)), "RS256 needs an RSA key");
  EXPECT_EQ(refusal_of(Key::from_pem(Algorithm::rs256, ed25519)), "RS256 needs an RSA key");
  EXPECT_EQ(refusal_of(Key::from_pem(Algorithm::es256, rsa)), "ES256 needs an EC key on P-256 (prime256v1)");
  EXPECT_EQ(refusal_of(Key::from_pem(Algorithm::eddsa, p256)), "EdDSA needs an Ed25519 key");
  for (const char* curve : {"secp384r1", "secp521r1", "secp256k1"}) {
    EXPECT_NE(refusal_of(Key::from_pem(Algorithm::es256, Signer::generated_ec("ES256", curve).public_pem())), "") << curve;
  }
}

TEST(Key, of_rsa_has_2048_bits) {
  const std::string refusal = refusal_of(Key::from_pem(Algorithm::rs256, Signer::generated_rsa("RS256", 1024).public_pem()));
  EXPECT_EQ(refusal, "the RSA key has 1024 bits; RS256 needs 2048 at least, and 8192 are the most");
  EXPECT_EQ(refusal_of(Key::from_pem(Algorithm::rs256, Signer::rs256().public_pem())), "");
}

TEST(Key, is_not_asked_a_passphrase_for) {
  EXPECT_NE(refusal_of(Key::from_pem(Algorithm::es256, Signer::es256().private_pem("secret"))).find("passphrase"),
            std::string::npos);
}

TEST(Key, that_is_none_is_refused) {
  for (const char* pem : {"", "nonsense", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
                          "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n",
                          "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    EXPECT_NE(refusal_of(Key::from_pem(Algorithm::es256, pem)), "") << pem;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

struct Example {
  const char* what;
  Signer signer;
  const char* text;
  const char* signature;
};

TEST(Key, takes_the_examples_of_the_rfcs) {
  const std::string hs256_secret =
      *decode_base64url("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const Example examples[] = {
      {"RFC 7515 A.1", Signer::secret("HS256", hs256_secret),
       "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
       ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
       "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
      {"RFC 7515 A.2", Signer::rs256(),
       "eyJhbGciOiJSUzI1NiJ9"
       ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
       "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
       "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjb"
       "KBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
       "eOkHWEsqtFZES"
       "c6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
      {"RFC 7515 A.3", Signer::es256(),
       "eyJhbGciOiJFUzI1NiJ9"
       ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
       "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
      {"RFC 8037 A.4", Signer::eddsa(), "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
       "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
  };
  for (const Example& example : examples) {
    const Algorithm algorithm = *algorithm_of(example.signer.algorithm());
    Result<Key> key = is_hmac(algorithm) ? Key::from_secret(algorithm, example.signer.secret())
                                         : Key::from_pem(algorithm, example.signer.public_pem());
    ASSERT_EQ(refusal_of(key), "") << example.what;
    EXPECT_TRUE(key->verifies(example.text, *decode_base64url(example.signature))) << example.what;
  }
}

}  // namespace
}  // namespace broadside::hub
