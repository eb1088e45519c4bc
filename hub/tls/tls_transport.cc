// See tls_transport.h.
#include "hub/tls/tls_transport.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <algorithm>
#include <ctime>
#include <new>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "hub/tls/traffic_keys.h"
#include "proto/http_response.h"

namespace broadside::hub {
namespace {

constexpr std::size_t kReadBytes = 16 << 10;   // The content of the largest record.
constexpr std::size_t kWriteBytes = 64 << 20;  // Of one SSL_write(), which counts by int.

std::optional<AeadCipher> aead_of(const SSL_CIPHER* cipher) {
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm:
      return AeadCipher::aes128_gcm;
    case NID_aes_256_gcm:
      return AeadCipher::aes256_gcm;
    case NID_chacha20_poly1305:
      return AeadCipher::chacha20_poly1305;
    default:
      return {};
  }
}

std::optional<WriteKeys> tls12_keys_of(const SSL* ssl, AeadCipher aead, const char* digest) {
  std::array<unsigned char, SSL_MAX_MASTER_KEY_LENGTH> master{};
  std::array<unsigned char, SSL3_RANDOM_SIZE> client{};
  std::array<unsigned char, SSL3_RANDOM_SIZE> server{};
  const std::size_t master_bytes = SSL_SESSION_get_master_key(SSL_get_session(ssl), master.data(), master.size());
  SSL_get_client_random(ssl, client.data(), client.size());
  SSL_get_server_random(ssl, server.data(), server.size());
  const auto keys = tls12_write_keys(aead, digest, Bytes(master).first(master_bytes), client, server);
  OPENSSL_cleanse(master.data(), master.size());
  return keys;
}

// To whoever speaks HTTP to a port that speaks TLS.
void append_refusal(std::string& out) {
  append_response(out, 400, "", kProblemContentType,
                  problem_json(400, "this port speaks HTTPS, and the request came as plain HTTP; use an https:// address"), false,
                  false, http_date(std::time(nullptr)));
}

}  // namespace

// False: there is no memory.
bool TlsTransport::open() {
  ssl_ = context_->make_ssl();
  BIO* input = BIO_new(BIO_s_mem());
  BIO* output = BIO_new(BIO_s_mem());
  if (ssl_ == nullptr || input == nullptr || output == nullptr) {
    BIO_free(input);
    BIO_free(output);
    ssl_.reset();
    return false;
  }
  SSL_set_bio(ssl_.get(), input, output);
  SSL_set_accept_state(ssl_.get());
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  return true;
}

void TlsTransport::set_callbacks(SSL_CTX* context) {
  SSL_CTX_set_keylog_callback(context, on_secret);
  SSL_CTX_set_msg_callback(context, on_message);
}

TlsTransport::~TlsTransport() { OPENSSL_cleanse(secret_.data(), secret_.size()); }

// Called with lines in the format of SSLKEYLOGFILE: a label, the client's random, the secret, the latter two in hexadecimal.
void TlsTransport::on_secret(const SSL* ssl, const char* line) {
  constexpr std::string_view kLabel = "SERVER_TRAFFIC_SECRET_0 ";
  std::string_view text(line);
  if (!text.starts_with(kLabel)) return;
  text.remove_prefix(text.rfind(' ') + 1);
  auto& transport = *static_cast<TlsTransport*>(SSL_get_app_data(ssl));
  const auto digit = [](char letter) { return OPENSSL_hexchar2int(static_cast<unsigned char>(letter)); };
  transport.secret_bytes_ = std::min(text.size() / 2, transport.secret_.size());
  for (std::size_t i = 0; i < transport.secret_bytes_; ++i) {
    transport.secret_[i] = static_cast<unsigned char>(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
  }
}

// Counts the records under the key that is in use: OpenSSL tells of each record's header, and behind that of the message.
void TlsTransport::on_message(int is_write, int version, int type, const void* bytes, std::size_t count, SSL* /*ssl*/,
                              void* self) {
  auto& transport = *static_cast<TlsTransport*>(self);
  const bool is_handshake = type == SSL3_RT_HANDSHAKE && count > 0;
  const int message = is_handshake ? *static_cast<const unsigned char*>(bytes) : -1;
  if (is_write == 0) {
    if (message == SSL3_MT_KEY_UPDATE) transport.has_peer_rekeyed_ = true;
    return;
  }
  // Behind these the server writes with another key.
  const bool ends_key = version == TLS1_3_VERSION ? message == SSL3_MT_FINISHED : type == SSL3_RT_CHANGE_CIPHER_SPEC;
  if (type == SSL3_RT_HEADER) ++transport.records_written_;
  if (ends_key) transport.records_written_ = 0;
}

Transport::Outcome TlsTransport::read(std::string& plain) {
  char buffer[kReadBytes];
  for (;;) {
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &count);
    if (result == 1) {
      plain.append(buffer, count);
      continue;
    }
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Outcome::open;
      case SSL_ERROR_ZERO_RETURN:
        return Outcome::ended;
      default:
        return Outcome::failed;
    }
  }
}

Transport::Outcome TlsTransport::on_received(std::string_view bytes, std::string& plain, std::string& out) noexcept {
  BROADSIDE_ASSERT(!bytes.empty());
  if (ssl_ == nullptr) {
    // A handshake begins with content type 22; a request with a letter.
    if (bytes.front() >= 'A' && bytes.front() <= 'Z') {
      append_refusal(out);
      return Outcome::failed;
    }
    if (!open()) return Outcome::failed;
  }
  ERR_clear_error();
  const int written = BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  const Outcome outcome = written == static_cast<int>(bytes.size()) ? read(plain) : Outcome::failed;
  take_output(out);
  return outcome;
}

bool TlsTransport::is_established() const noexcept { return ssl_ != nullptr && SSL_is_init_finished(ssl_.get()) == 1; }

bool TlsTransport::seal(std::string_view plain, std::string& out) noexcept {
  ERR_clear_error();
  while (!plain.empty()) {
    std::size_t written = 0;
    if (SSL_write_ex(ssl_.get(), plain.data(), std::min(plain.size(), kWriteBytes), &written) != 1) return false;
    plain.remove_prefix(written);
  }
  take_output(out);
  return true;
}

void TlsTransport::seal_end(std::string& out) noexcept {
  ERR_clear_error();
  if (SSL_shutdown(ssl_.get()) >= 0) take_output(out);
}

void TlsTransport::take_output(std::string& out) {
  BIO* output = SSL_get_wbio(ssl_.get());
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(output, &bytes);
  if (count <= 0) return;
  out.append(bytes, static_cast<std::size_t>(count));
  BIO_reset(output);
}

std::unique_ptr<StreamSealer> TlsTransport::begin_stream() noexcept {
  BROADSIDE_ASSERT(is_established());
  // A peer that has changed its key may have asked us to change ours. Nobody does that before the first request.
  if (has_peer_rekeyed_) return nullptr;
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
  const std::optional<AeadCipher> aead = aead_of(cipher);
  if (!aead) return nullptr;
  const char* digest = EVP_MD_get0_name(SSL_CIPHER_get_handshake_digest(cipher));
  std::optional<WriteKeys> keys = SSL_version(ssl_.get()) == TLS1_3_VERSION
                                      ? tls13_write_keys(*aead, digest, Bytes(secret_).first(secret_bytes_))
                                      : tls12_keys_of(ssl_.get(), *aead, digest);
  if (!keys) return nullptr;
  keys->sequence = records_written_;
  keys->may_use_kernel = context_->may_use_kernel();
  // RFC 6066, section 4: 1 stands for 512 bytes, each further one for twice as many.
  const std::uint8_t fragment = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl_.get()));
  if (fragment != TLSEXT_max_fragment_length_DISABLED) keys->content_bytes_max = static_cast<std::uint16_t>(256U << fragment);
  auto sealer = std::unique_ptr<StreamSealer>(new (std::nothrow) RecordSealer(*keys));
  OPENSSL_cleanse(&*keys, sizeof *keys);
  return sealer;
}

}  // namespace broadside::hub
