// See key.h.
#include "hub/auth/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <iterator>

#include "base/assert.h"

namespace broadside::hub {
namespace {

constexpr std::string_view kNames[] = {"HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"};
constexpr int kRsaBitsMin = 2048;  // RFC 7518 section 3.3.
constexpr int kRsaBitsMax = 8192;  // A check costs the square of it.
constexpr std::size_t kEs256HalfBytes = 32;

using BioPtr = OpensslPtr<BIO, BIO_free>;
using MacPtr = OpensslPtr<EVP_MAC, EVP_MAC_free>;
using MacContextPtr = OpensslPtr<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using DigestContextPtr = OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using KeyContextPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using CertificatePtr = OpensslPtr<X509, X509_free>;
using EcSignaturePtr = OpensslPtr<ECDSA_SIG, ECDSA_SIG_free>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Error refused(std::string why) { return {Error::Code::invalid_argument, std::move(why)}; }

// The hash of an HMAC algorithm: its name and size.
struct Hash {
  const char* name;
  std::size_t bytes;
};
Hash hash_of(Algorithm algorithm) {
  BROADSIDE_ASSERT(is_hmac(algorithm));
  if (algorithm == Algorithm::hs256) return {"SHA256", 32};
  if (algorithm == Algorithm::hs384) return {"SHA384", 48};
  return {"SHA512", 64};
}

// Nobody is at a terminal to be asked.
int no_passphrase(char*, int, int, void*) { return -1; }

// What `read` finds in `pem`, or null.
template <typename Read>
PublicKeyPtr read_pem(const std::string& pem, Read read) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return PublicKeyPtr(bio ? read(bio.get()) : nullptr);
}

// The same key without its private half, which is nothing that a server should hold.
PublicKeyPtr public_half_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(key, &der);
  if (length <= 0) return nullptr;
  const unsigned char* at = der;
  PublicKeyPtr half(d2i_PUBKEY(nullptr, &at, length));
  OPENSSL_free(der);
  return half;
}

PublicKeyPtr parse_pem(const std::string& pem) {
  if (auto key = read_pem(pem, [](BIO* bio) { return PEM_read_bio_PUBKEY(bio, nullptr, no_passphrase, nullptr); })) return key;
  if (auto key = read_pem(pem, [](BIO* bio) { return PEM_read_bio_PrivateKey(bio, nullptr, no_passphrase, nullptr); })) {
    return public_half_of(key.get());
  }
  return read_pem(pem, [](BIO* bio) -> EVP_PKEY* {
    const CertificatePtr certificate(PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr));
    return certificate ? X509_get_pubkey(certificate.get()) : nullptr;
  });
}

std::string rsa_problem(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") != 1) return "RS256 needs an RSA key";
  const int bits = EVP_PKEY_get_bits(key);
  if (bits >= kRsaBitsMin && bits <= kRsaBitsMax) return {};
  return "the RSA key has " + std::to_string(bits) + " bits; RS256 needs " + std::to_string(kRsaBitsMin) + " at least, and " +
         std::to_string(kRsaBitsMax) + " are the most";
}

std::string p256_problem(EVP_PKEY* key) {
  std::array<char, 32> curve{};
  std::size_t length = 0;
  const bool is_p256 = EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, curve.data(), curve.size(), &length) == 1 &&
                       std::string_view(curve.data(), length) == "prime256v1";
  return is_p256 ? "" : "ES256 needs an EC key on P-256 (prime256v1)";
}

std::string kind_problem(Algorithm algorithm, EVP_PKEY* key) {
  switch (algorithm) {
    case Algorithm::rs256:
      return rsa_problem(key);
    case Algorithm::es256:
      return p256_problem(key);
    case Algorithm::eddsa:
      return EVP_PKEY_is_a(key, "ED25519") == 1 ? "" : "EdDSA needs an Ed25519 key";
    case Algorithm::hs256:
    case Algorithm::hs384:
    case Algorithm::hs512:
      break;
  }
  return "an HMAC algorithm needs a secret";
}

// ES256 signs with two numbers, one behind the other (RFC 7518 section 3.4); EVP wants them as ASN.1. Empty: they are none.
std::string ecdsa_der(std::string_view signature) {
  if (signature.size() != 2 * kEs256HalfBytes) return {};
  const EcSignaturePtr numbers(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes_of(signature), kEs256HalfBytes, nullptr);
  BIGNUM* s = BN_bin2bn(bytes_of(signature) + kEs256HalfBytes, kEs256HalfBytes, nullptr);
  if (!numbers || ECDSA_SIG_set0(numbers.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return {};
  }
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(numbers.get(), &der);
  if (length <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return text;
}

}  // namespace

std::string_view name_of(Algorithm algorithm) { return kNames[static_cast<std::size_t>(algorithm)]; }

std::optional<Algorithm> algorithm_of(std::string_view name) {
  for (std::size_t index = 0; index < std::size(kNames); ++index) {
    if (kNames[index] == name) return static_cast<Algorithm>(index);
  }
  return std::nullopt;
}

bool is_hmac(Algorithm algorithm) { return algorithm <= Algorithm::hs512; }

Result<Key> Key::from_secret(Algorithm algorithm, std::string_view secret) {
  const OpensslErrorScope scope;
  const Hash hash = hash_of(algorithm);
  if (secret.size() < hash.bytes) {
    const std::string need = std::to_string(hash.bytes);
    return refused("the secret has " + std::to_string(secret.size()) + " bytes; " + std::string(name_of(algorithm)) + " needs " +
                   need + " at least (RFC 7518 section 3.2): openssl rand -out FILE " + need);
  }
  const MacPtr mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  MacContextPtr context(mac ? EVP_MAC_CTX_new(mac.get()) : nullptr);
  std::string digest(hash.name);
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
                                   OSSL_PARAM_construct_end()};
  if (!context || EVP_MAC_init(context.get(), bytes_of(secret), secret.size(), parameters) != 1) {
    return refused("OpenSSL does not take the secret");
  }
  Key key(algorithm);
  key.mac_ = std::shared_ptr<EVP_MAC_CTX>(std::move(context));
  return key;
}

Result<Key> Key::from_pem(Algorithm algorithm, const std::string& pem) {
  const OpensslErrorScope scope;
  PublicKeyPtr key = parse_pem(pem);
  if (!key) {
    return refused("this is no PEM with a public key, a private key without passphrase, or a certificate");
  }
  return from_public(algorithm, std::move(key));
}

Result<Key> Key::from_public(Algorithm algorithm, PublicKeyPtr key) {
  const OpensslErrorScope scope;
  if (std::string wrong = kind_problem(algorithm, key.get()); !wrong.empty()) return refused(std::move(wrong));
  // A point that is not on the curve, an exponent of 1.
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  if (!context || EVP_PKEY_public_check(context.get()) != 1) return refused("the public key is not a valid one");
  Key result(algorithm);
  result.public_ = std::shared_ptr<EVP_PKEY>(std::move(key));
  return result;
}

bool Key::verifies_mac(std::string_view text, std::string_view signature) const {
  const MacContextPtr context(EVP_MAC_CTX_dup(mac_.get()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  std::size_t length = 0;
  if (!context || EVP_MAC_update(context.get(), bytes_of(text), text.size()) != 1) return false;
  if (EVP_MAC_final(context.get(), mac.data(), &length, mac.size()) != 1) return false;
  return signature.size() == length && CRYPTO_memcmp(mac.data(), signature.data(), length) == 0;
}

bool Key::verifies(std::string_view text, std::string_view signature) const {
  const OpensslErrorScope scope;
  if (is_hmac(algorithm_)) return verifies_mac(text, signature);
  const std::string der = algorithm_ == Algorithm::es256 ? ecdsa_der(signature) : std::string(signature);
  const EVP_MD* hash = algorithm_ == Algorithm::eddsa ? nullptr : EVP_sha256();
  const DigestContextPtr context(EVP_MD_CTX_new());
  if (!context || EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, public_.get()) != 1) return false;
  return EVP_DigestVerify(context.get(), bytes_of(der), der.size(), bytes_of(text), text.size()) == 1;
}

}  // namespace broadside::hub
