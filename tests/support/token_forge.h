// Makes tokens for tests, good and forged ones, with the keys of the RFCs' examples: always the same, and known to everybody.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace broadside::test {

// RFC 7515 section 2.
std::string encode_base64url(std::string_view bytes);

// The three parts, each given as it is before it is encoded.
std::string join_token(std::string_view header, std::string_view payload, std::string_view signature);

// Signs by one key and one algorithm.
class Signer {
 public:
  // HMAC: HS256, HS384 or HS512.
  static Signer secret(std::string algorithm, std::string secret);
  static Signer rs256();  // RFC 7515 appendix A.2.
  static Signer es256();  // RFC 7515 appendix A.3.
  static Signer eddsa();  // RFC 8037 appendix A.
  // Keys that no server takes, or only for another algorithm.
  static Signer generated_rsa(std::string algorithm, unsigned bits);
  static Signer generated_ec(std::string algorithm, const char* curve);

  [[nodiscard]] const std::string& algorithm() const { return algorithm_; }
  [[nodiscard]] const std::string& secret() const { return secret_; }
  // As tokens have it.
  [[nodiscard]] std::string sign(std::string_view text) const;
  // `header` is {"alg":...,"typ":"JWT"} unless another one is given; it need not tell the truth.
  [[nodiscard]] std::string token(std::string_view claims, std::string_view header = {}) const;
  // The same with a kid.
  [[nodiscard]] std::string token_of(std::string_view kid, std::string_view claims) const;

  [[nodiscard]] std::string public_pem() const;
  [[nodiscard]] std::string private_pem(const char* passphrase = nullptr) const;
  // A certificate for the key, signed by itself.
  [[nodiscard]] std::string certificate_pem() const;

 private:
  Signer(std::string algorithm, std::string secret, EVP_PKEY* key);

  std::string algorithm_;
  std::string secret_;
  std::shared_ptr<EVP_PKEY> key_;  // Null: HMAC.
};

// The members of the public keys above, for key sets: `"kty":"RSA","n":...`.
extern const char* const kRsaPublicMembers;
extern const char* const kP256PublicMembers;
extern const char* const kEd25519PublicMembers;

// A secret of 64 bytes: long enough for each HMAC algorithm.
std::string test_secret();

}  // namespace broadside::test
