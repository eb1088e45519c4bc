// One key that tokens are signed with, and for which algorithm: the key says that, never the token. All cryptography is
// OpenSSL's EVP.
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broadside/error.h"
#include "hub/openssl_ptr.h"

namespace broadside::hub {

// RFC 7518 section 3.1 and RFC 8037 (EdDSA: Ed25519).
enum class Algorithm : std::uint8_t { hs256, hs384, hs512, rs256, es256, eddsa };

[[nodiscard]] std::string_view name_of(Algorithm algorithm);
// By the one name it has; nothing for all others, `none` among them.
[[nodiscard]] std::optional<Algorithm> algorithm_of(std::string_view name);
[[nodiscard]] bool is_hmac(Algorithm algorithm);

using PublicKeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;

// Immutable and for any thread; a copy shares the key. Refusals say what is wrong with the key and what to do about it.
class Key {
 public:
  // RFC 7518 section 3.2: a secret is at least as long as the hash. Requires: is_hmac(algorithm).
  static Result<Key> from_secret(Algorithm algorithm, std::string_view secret);
  // A public key, or the public half of a private key or a certificate. Requires: not is_hmac(algorithm).
  static Result<Key> from_pem(Algorithm algorithm, const std::string& pem);
  // RSA of 2048 to 8192 bits, P-256, or Ed25519, as the algorithm wants it.
  static Result<Key> from_public(Algorithm algorithm, PublicKeyPtr key);

  [[nodiscard]] Algorithm algorithm() const { return algorithm_; }
  // `kid`; empty: it has none.
  [[nodiscard]] const std::string& id() const { return id_; }
  void set_id(std::string id) { id_ = std::move(id); }

  [[nodiscard]] bool verifies(std::string_view text, std::string_view signature) const;

 private:
  explicit Key(Algorithm algorithm) : algorithm_(algorithm) {}
  [[nodiscard]] bool verifies_mac(std::string_view text, std::string_view signature) const;

  Algorithm algorithm_;
  std::string id_;
  // One of the two. The first has taken the secret, and is copied for each signature.
  std::shared_ptr<const EVP_MAC_CTX> mac_;
  std::shared_ptr<EVP_PKEY> public_;
};

}  // namespace broadside::hub
