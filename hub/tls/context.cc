// See context.h.
#include "hub/tls/context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

#include "hub/tls/tls_transport.h"

namespace broadside::hub {
namespace {

// Forward secrecy and authenticated encryption alone; AES-128 first, which costs a subscriber's events the least. A client that
// has no AES of its own asks for ChaCha20 first, and is given it.
constexpr const char* kCiphersTls12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphersTls13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256";
constexpr unsigned char kProtocol[] = "\x08http/1.1";
constexpr unsigned char kSessionContext[] = "broadside";

Error wrong(const std::string& what, const std::string& file) {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  std::string reason = "cannot be used";
  if (ERR_SYSTEM_ERROR(code)) {
    reason = std::generic_category().message(ERR_GET_REASON(code));
  } else if (const char* text = code == 0 ? nullptr : ERR_reason_error_string(code); text != nullptr) {
    reason = text;
  }
  return Error{Error::Code::invalid_argument, what + ' ' + file + ": " + reason};
}

// A key with a passphrase is refused: there is nobody to ask.
int give_no_passphrase(char* /*out*/, int /*size*/, int /*is_write*/, void* /*unused*/) { return -1; }

int choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_bytes, const unsigned char* offered,
                    unsigned offered_bytes, void* /*unused*/) {
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_bytes, kProtocol, sizeof kProtocol - 1, offered, offered_bytes);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool set_profile(SSL_CTX* context) {
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // Tickets keep sessions with the clients.
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_default_passwd_cb(context, give_no_passphrase);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  TlsTransport::set_callbacks(context);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(context, kCiphersTls12) == 1 &&
         SSL_CTX_set_ciphersuites(context, kCiphersTls13) == 1 && SSL_CTX_set1_groups_list(context, kGroups) == 1 &&
         SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1) == 1;
}

bool ask_clients(SSL_CTX* context, const TlsOptions& options) {
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.client_ca.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, options.client_ca.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return false;
  }
  SSL_CTX_set_client_CA_list(context, names);
  const bool is_required = options.client_certificates == ClientCertificates::required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  return true;
}

bool has_name(const SSL_CTX* context, std::string_view name) {
  return X509_check_host(SSL_CTX_get0_certificate(context), name.data(), name.size(), 0, nullptr) == 1;
}

}  // namespace

Result<TlsContext::ContextPointer> TlsContext::make(const TlsOptions& options, std::size_t index) {
  ERR_clear_error();
  ContextPointer context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr || !set_profile(context.get())) return wrong("TLS with", OpenSSL_version(OPENSSL_VERSION));
  const std::string& certificate = options.certificates[index];
  const std::string& key = options.keys[index];
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1) return wrong("certificate", certificate);
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) return wrong("key", key);
  if (SSL_CTX_check_private_key(context.get()) != 1) return wrong("key " + key + " of certificate", certificate);
  if (!options.client_ca.empty() && !ask_clients(context.get(), options)) return wrong("client CA", options.client_ca);
  return context;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsOptions& options) {
  const auto loaded = std::make_shared<TlsContext>();
  loaded->may_use_kernel_ = !options.is_in_user_space;
  for (std::size_t i = 0; i < options.certificates.size(); ++i) {
    Result<ContextPointer> made = make(options, i);
    if (!made) return made.error();
    loaded->contexts_.push_back(std::move(*made));
  }
  SSL_CTX* first = loaded->contexts_.front().get();
  SSL_CTX_set_tlsext_servername_callback(first, choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(first, loaded.get());
  return std::shared_ptr<const TlsContext>(loaded);
}

SslPointer TlsContext::make_ssl() const { return SslPointer(SSL_new(contexts_.front().get())); }

int TlsContext::choose_certificate(SSL* ssl, int* /*alert*/, void* self) {
  const auto& contexts = static_cast<const TlsContext*>(self)->contexts_;
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const auto named =
      std::find_if(contexts.begin(), contexts.end(), [name](const ContextPointer& each) { return has_name(each.get(), name); });
  if (named == contexts.end()) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_SSL_CTX(ssl, named->get());
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace broadside::hub
