// See jwks.h.
#include "hub/auth/jwks.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "hub/auth/base64url.h"
#include "hub/auth/json_object.h"

namespace broadside::hub {
namespace {

using simdjson::dom::element;
using BuilderPtr = OpensslPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParametersPtr = OpensslPtr<OSSL_PARAM, OSSL_PARAM_free>;
using KeyContextPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using NumberPtr = OpensslPtr<BIGNUM, BN_free>;

constexpr std::size_t kP256HalfBytes = 32;
constexpr std::size_t kEd25519Bytes = 32;

Error refused(std::string why) { return {Error::Code::invalid_argument, std::move(why)}; }

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// The members of one key that are strings.
class Jwk {
 public:
  explicit Jwk(simdjson::dom::object members) : members_(members) {}

  // Empty if it is not there or no string.
  [[nodiscard]] std::string_view text(std::string_view name) const {
    std::string_view value;
    return members_[name].get_string().get(value) == simdjson::SUCCESS ? value : std::string_view();
  }
  // What the member encodes; empty if it is not there, or not base64url.
  [[nodiscard]] std::string bytes(std::string_view name) const { return decode_base64url(text(name)).value_or(""); }
  // Whether the key is for checking signatures, as far as it says (sections 4.2 and 4.3).
  [[nodiscard]] bool is_for_signatures() const {
    if (const std::string_view use = text("use"); !use.empty() && use != "sig") return false;
    std::vector<std::string> operations;
    const auto written = members_["key_ops"];
    if (written.error() != simdjson::SUCCESS) return true;
    return read_strings(written.value_unsafe(), operations) &&
           std::find(operations.begin(), operations.end(), "verify") != operations.end();
  }

 private:
  simdjson::dom::object members_;
};

// A public key out of its numbers; null if they are none.
PublicKeyPtr build(const char* kind, OSSL_PARAM_BLD* builder) {
  const ParametersPtr parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1) return nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) return nullptr;
  return PublicKeyPtr(key);
}

// RFC 7518 section 6.3.1.
PublicKeyPtr rsa_key(const Jwk& jwk) {
  const std::string modulus = jwk.bytes("n");
  const std::string exponent = jwk.bytes("e");
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  const NumberPtr n(BN_bin2bn(bytes_of(modulus), static_cast<int>(modulus.size()), nullptr));
  const NumberPtr e(BN_bin2bn(bytes_of(exponent), static_cast<int>(exponent.size()), nullptr));
  if (modulus.empty() || exponent.empty() || !builder || !n || !e) return nullptr;
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1) return nullptr;
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) return nullptr;
  return build("RSA", builder.get());
}

// RFC 7518 section 6.2.1.
PublicKeyPtr p256_key(const Jwk& jwk) {
  const std::string x = jwk.bytes("x");
  const std::string y = jwk.bytes("y");
  if (jwk.text("crv") != "P-256" || x.size() != kP256HalfBytes || y.size() != kP256HalfBytes) return nullptr;
  const std::string point = '\x04' + x + y;  // SEC 1: uncompressed.
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!builder) return nullptr;
  if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1) return nullptr;
  if (OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) return nullptr;
  return build("EC", builder.get());
}

// RFC 8037 section 2.
PublicKeyPtr ed25519_key(const Jwk& jwk) {
  const std::string x = jwk.bytes("x");
  if (jwk.text("crv") != "Ed25519" || x.size() != kEd25519Bytes) return nullptr;
  return PublicKeyPtr(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()));
}

// The one algorithm that keys of this kind are for here; nothing for an unknown kind, and for secrets, which are for three.
std::optional<Algorithm> algorithm_of_kind(std::string_view kind) {
  if (kind == "RSA") return Algorithm::rs256;
  if (kind == "EC") return Algorithm::es256;
  if (kind == "OKP") return Algorithm::eddsa;
  return std::nullopt;
}

Result<Key> key_of(const Jwk& jwk) {
  const OpensslErrorScope scope;
  if (!jwk.is_for_signatures()) return refused("it is not for signatures (`use`, `key_ops`)");
  const std::string_view kind = jwk.text("kty");
  const std::string_view named = jwk.text("alg");
  const std::optional<Algorithm> algorithm = named.empty() ? algorithm_of_kind(kind) : algorithm_of(named);
  if (!algorithm) return refused(named.empty() ? "`alg` is missing" : "`alg` is none that is known here");
  if (kind == "oct") {
    if (!is_hmac(*algorithm)) return refused("`alg` is not for a secret (`oct`)");
    std::string secret = jwk.bytes("k");
    Result<Key> key = Key::from_secret(*algorithm, secret);
    OPENSSL_cleanse(secret.data(), secret.size());
    return key;
  }
  if (algorithm_of_kind(kind) != algorithm) return refused("`alg` is not for this `kty`");
  PublicKeyPtr key = kind == "RSA" ? rsa_key(jwk) : kind == "EC" ? p256_key(jwk) : ed25519_key(jwk);
  if (!key) return refused("its members are no key, or of a curve that is not known here");
  return Key::from_public(*algorithm, std::move(key));
}

}  // namespace

Result<Done> add_jwks(std::string_view json, KeySet& keys, std::vector<std::string>& notes) {
  JsonObject document;
  simdjson::dom::array entries;
  if (!document.parse(json) || document.members()["keys"].get_array().get(entries) != simdjson::SUCCESS) {
    return refused(R"(this is no JSON Web Key Set: {"keys": [...]})");
  }
  std::size_t added = 0;
  for (const element entry : entries) {
    simdjson::dom::object members;
    if (entry.get_object().get(members) != simdjson::SUCCESS) return refused("a key of the set is no object");
    const Jwk jwk(members);
    Result<Key> key = key_of(jwk);
    const std::string id(jwk.text("kid"));
    if (!key) {
      notes.push_back("key `" + id + "` of the key set is passed over: " + key.error().message);
      continue;
    }
    key->set_id(id);
    if (std::string wrong = keys.add(std::move(key.value())); !wrong.empty()) return refused(std::move(wrong));
    ++added;
  }
  if (added == 0) return refused("none of the set's keys can be used" + (notes.empty() ? std::string() : ": " + notes.back()));
  return Done{};
}

}  // namespace broadside::hub
