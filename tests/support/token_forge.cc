// Signing by OpenSSL; a call that fails fails the test by what is thrown.
#include "tests/support/token_forge.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdexcept>
#include <utility>

#include "hub/auth/base64url.h"
#include "hub/openssl_ptr.h"

namespace broadside::test {

const char* const kRsaPublicMembers =
    R"("kty":"RSA","e":"AQAB","n":")"
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"
    "YpRPE"
    "wOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
    "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw"
    "Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"";
const char* const kP256PublicMembers = R"("kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                                       R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";
const char* const kEd25519PublicMembers = R"("kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";

namespace {

constexpr const char* kRsaPrivateExponent =
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-"
    "pWJ1O0BkTGoVEn2"
    "bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_"
    "0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1Zd"
    "iYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
constexpr const char* kP256PrivateKey = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
constexpr const char* kEd25519PrivateKey = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

using hub::OpensslPtr;
using BioPtr = OpensslPtr<BIO, BIO_free_all>;
using NumberPtr = OpensslPtr<BIGNUM, BN_free>;
using BuilderPtr = OpensslPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParametersPtr = OpensslPtr<OSSL_PARAM, OSSL_PARAM_free>;
using KeyContextPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using DigestContextPtr = OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using EcSignaturePtr = OpensslPtr<ECDSA_SIG, ECDSA_SIG_free>;
using CertificatePtr = OpensslPtr<X509, X509_free>;

void require(bool is_good, const char* what) {
  if (!is_good) throw std::runtime_error(std::string("OpenSSL: ") + what);
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// What stands behind `name` in members of a key.
std::string member(std::string_view members, const std::string& name) {
  const std::string mark = '"' + name + "\":\"";
  const std::size_t begin = members.find(mark) + mark.size();
  return std::string(members.substr(begin, members.find('"', begin) - begin));
}

std::string decoded(std::string_view text) {
  const auto bytes = hub::decode_base64url(text);
  require(bytes.has_value(), "a constant is not base64url");
  return *bytes;
}

NumberPtr number_of(const std::string& encoded) {
  const std::string bytes = decoded(encoded);
  return NumberPtr(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

EVP_PKEY* pair_of(const char* kind, OSSL_PARAM_BLD* builder) {
  const ParametersPtr parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  require(EVP_PKEY_fromdata_init(context.get()) == 1, kind);
  require(EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters.get()) == 1, kind);
  return key;
}

std::string text_of(const BioPtr& bio) {
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<std::size_t>(length)};
}

// ASN.1 to two numbers of 32 bytes, RFC 7518 section 3.4.
std::string es256_of(const std::string& der) {
  const unsigned char* at = bytes_of(der);
  const EcSignaturePtr numbers(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string both(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(both.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(numbers.get()), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(numbers.get()), out + 32, 32);
  return both;
}

std::string hmac(const std::string& algorithm, const std::string& secret, std::string_view text) {
  const EVP_MD* hash = algorithm == "HS256" ? EVP_sha256() : algorithm == "HS384" ? EVP_sha384() : EVP_sha512();
  std::string mac(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  HMAC(hash, secret.data(), static_cast<int>(secret.size()), bytes_of(text), text.size(),
       reinterpret_cast<unsigned char*>(mac.data()), &length);
  mac.resize(length);
  return mac;
}

}  // namespace

std::string encode_base64url(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned pending = 0;
  int bits = 0;
  for (const char byte : bytes) {
    pending = (pending << 8) | static_cast<unsigned char>(byte);
    for (bits += 8; bits >= 6; bits -= 6) text += kAlphabet[(pending >> (bits - 6)) & 63];
  }
  if (bits > 0) text += kAlphabet[(pending << (6 - bits)) & 63];
  return text;
}

std::string join_token(std::string_view header, std::string_view payload, std::string_view signature) {
  return encode_base64url(header) + '.' + encode_base64url(payload) + '.' + encode_base64url(signature);
}

std::string test_secret() {
  std::string secret;
  for (int byte = 0; byte < 64; ++byte) secret += static_cast<char>(byte * 37 + 11);
  return secret;
}

Signer::Signer(std::string algorithm, std::string secret, EVP_PKEY* key)
    : algorithm_(std::move(algorithm)), secret_(std::move(secret)), key_(key, EVP_PKEY_free) {}

Signer Signer::secret(std::string algorithm, std::string secret) { return {std::move(algorithm), std::move(secret), nullptr}; }

Signer Signer::rs256() {
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  const NumberPtr n = number_of(member(kRsaPublicMembers, "n"));
  const NumberPtr e = number_of(member(kRsaPublicMembers, "e"));
  const NumberPtr d = number_of(kRsaPrivateExponent);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_D, d.get());
  return {"RS256", "", pair_of("RSA", builder.get())};
}

Signer Signer::es256() {
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  const std::string point = '\x04' + decoded(member(kP256PublicMembers, "x")) + decoded(member(kP256PublicMembers, "y"));
  const NumberPtr d = number_of(kP256PrivateKey);
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, d.get());
  return {"ES256", "", pair_of("EC", builder.get())};
}

Signer Signer::eddsa() {
  const std::string d = decoded(kEd25519PrivateKey);
  return {"EdDSA", "", EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(d), d.size())};
}

Signer Signer::generated_rsa(std::string algorithm, unsigned bits) { return {std::move(algorithm), "", EVP_RSA_gen(bits)}; }

Signer Signer::generated_ec(std::string algorithm, const char* curve) { return {std::move(algorithm), "", EVP_EC_gen(curve)}; }

std::string Signer::sign(std::string_view text) const {
  if (key_ == nullptr) return hmac(algorithm_, secret_, text);
  const EVP_MD* hash = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
  const DigestContextPtr context(EVP_MD_CTX_new());
  require(EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get()) == 1, "DigestSignInit");
  std::size_t length = 0;
  require(EVP_DigestSign(context.get(), nullptr, &length, bytes_of(text), text.size()) == 1, "DigestSign");
  std::string signature(length, '\0');
  require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length, bytes_of(text),
                         text.size()) == 1,
          "DigestSign");
  signature.resize(length);
  return algorithm_ == "ES256" ? es256_of(signature) : signature;
}

std::string Signer::token(std::string_view claims, std::string_view header) const {
  const std::string own = R"({"alg":")" + algorithm_ + R"(","typ":"JWT"})";
  const std::string text = encode_base64url(header.empty() ? own : header) + '.' + encode_base64url(claims);
  return text + '.' + encode_base64url(sign(text));
}

std::string Signer::token_of(std::string_view kid, std::string_view claims) const {
  return token(claims, R"({"alg":")" + algorithm_ + R"(","kid":")" + std::string(kid) + "\"}");
}

std::string Signer::public_pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1, "PEM_write_bio_PUBKEY");
  return text_of(bio);
}

std::string Signer::private_pem(const char* passphrase) const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  const EVP_CIPHER* cipher = passphrase == nullptr ? nullptr : EVP_aes_128_cbc();
  require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), cipher, passphrase,
                                        passphrase == nullptr ? 0 : static_cast<int>(std::string_view(passphrase).size()),
                                        nullptr, nullptr) == 1,
          "PEM_write_bio_PKCS8PrivateKey");
  return text_of(bio);
}

std::string Signer::certificate_pem() const {
  const CertificatePtr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key_.get());
  require(X509_sign(certificate.get(), key_.get(), algorithm_ == "EdDSA" ? nullptr : EVP_sha256()) > 0, "X509_sign");
  const BioPtr bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(bio.get(), certificate.get()) == 1, "PEM_write_bio_X509");
  return text_of(bio);
}

}  // namespace broadside::test
