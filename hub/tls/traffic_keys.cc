// See traffic_keys.h.
#include "hub/tls/traffic_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace broadside::hub {
namespace {

// The parameters hold bytes that are only read.
OSSL_PARAM bytes_param(const char* name, Bytes bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<unsigned char*>(bytes.data()), bytes.size());
}

OSSL_PARAM text_param(const char* name, const char* text) {
  return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(text), 0);
}

Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const unsigned char*>(text.data()), text.size()}; }

bool derive(const char* function, const OSSL_PARAM* parameters, std::span<unsigned char> out) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(EVP_KDF_fetch(nullptr, function, nullptr), &EVP_KDF_free);
  if (kdf == nullptr) return false;
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(kdf.get()), &EVP_KDF_CTX_free);
  return context != nullptr && EVP_KDF_derive(context.get(), out.data(), out.size(), parameters) == 1;
}

// HKDF-Expand-Label(secret, label, "", length).
bool expand_label(const char* digest, Bytes secret, std::string_view label, std::span<unsigned char> out) {
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const std::array parameters = {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                                 text_param(OSSL_KDF_PARAM_DIGEST, digest),
                                 bytes_param(OSSL_KDF_PARAM_KEY, secret),
                                 bytes_param(OSSL_KDF_PARAM_PREFIX, bytes_of("tls13 ")),
                                 bytes_param(OSSL_KDF_PARAM_LABEL, bytes_of(label)),
                                 OSSL_PARAM_construct_end()};
  return derive("TLS13-KDF", parameters.data(), out);
}

}  // namespace

std::optional<WriteKeys> tls13_write_keys(AeadCipher cipher, const char* digest, Bytes secret) {
  WriteKeys keys{.version = TlsVersion::tls13, .cipher = cipher};
  const bool is_derived = expand_label(digest, secret, "key", std::span(keys.key).first(key_bytes_of(cipher))) &&
                          expand_label(digest, secret, "iv", keys.iv);
  if (!is_derived) return {};
  return keys;
}

std::optional<WriteKeys> tls12_write_keys(AeadCipher cipher, const char* digest, Bytes master_secret, Bytes client_random,
                                          Bytes server_random) {
  WriteKeys keys{.version = TlsVersion::tls12, .cipher = cipher};
  const std::size_t key_bytes = key_bytes_of(cipher);
  const std::size_t iv_bytes = cipher == AeadCipher::chacha20_poly1305 ? keys.iv.size() : 4;
  // The client's key, the server's key, the client's IV, the server's IV.
  std::array<unsigned char, 88> block{};  // Twice 32 and 12.
  const std::array parameters = {text_param(OSSL_KDF_PARAM_DIGEST, digest),
                                 bytes_param(OSSL_KDF_PARAM_SECRET, master_secret),
                                 bytes_param(OSSL_KDF_PARAM_SEED, bytes_of("key expansion")),
                                 bytes_param(OSSL_KDF_PARAM_SEED, server_random),
                                 bytes_param(OSSL_KDF_PARAM_SEED, client_random),
                                 OSSL_PARAM_construct_end()};
  const std::span<unsigned char> used = std::span(block).first(2 * (key_bytes + iv_bytes));
  if (!derive("TLS1-PRF", parameters.data(), used)) return {};
  std::ranges::copy(used.subspan(key_bytes, key_bytes), keys.key.begin());
  std::ranges::copy(used.last(iv_bytes), keys.iv.begin());
  OPENSSL_cleanse(block.data(), block.size());
  return keys;
}

}  // namespace broadside::hub
