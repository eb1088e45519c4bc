// See tls_client.h.
#include "tests/support/tls_client.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stdexcept>

namespace broadside::test {
namespace {

// A test whose client cannot even be made has failed.
void require(bool is_done, const char* what) {
  if (!is_done) throw std::runtime_error(std::string("TLS client: ") + what);
}

std::string alpn_of(const std::string& protocols) {
  std::string list;
  for (std::size_t begin = 0; begin < protocols.size();) {
    const std::size_t end = std::min(protocols.find(',', begin), protocols.size());
    list += static_cast<char>(end - begin);
    list += protocols.substr(begin, end - begin);
    begin = end + 1;
  }
  return list;
}

}  // namespace

TlsClient::TlsClient(const TlsClientOptions& options) : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* context = context_.get();
  require(context != nullptr, "no context");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_session);
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(context, options.version);
    SSL_CTX_set_max_proto_version(context, options.version);
  }
  if (!options.cipher.empty()) {
    const bool is_tls13 = options.version == TLS1_3_VERSION;
    require((is_tls13 ? SSL_CTX_set_ciphersuites : SSL_CTX_set_cipher_list)(context, options.cipher.c_str()) == 1, "cipher");
  }
  if (!options.certificate_file.empty()) {
    require(SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) == 1, "certificate");
    require(SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) == 1, "key");
  }
  if (!options.ca_file.empty()) {
    require(SSL_CTX_load_verify_file(context, options.ca_file.c_str()) == 1, "CA");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  if (options.fragment_mode != 0) SSL_CTX_set_tlsext_max_fragment_length(context, options.fragment_mode);
  ssl_.reset(SSL_new(context));
  require(ssl_ != nullptr, "no connection");
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl_.get());
  if (!options.server_name.empty()) {
    SSL_set_tlsext_host_name(ssl_.get(), options.server_name.c_str());
    if (!options.ca_file.empty()) SSL_set1_host(ssl_.get(), options.server_name.c_str());
  }
  const std::string alpn = alpn_of(options.protocols);
  if (!alpn.empty())
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size()));
  if (options.session != nullptr) SSL_set_session(ssl_.get(), options.session);
  SSL_do_handshake(ssl_.get());
}

int TlsClient::on_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<TlsClient*>(SSL_get_app_data(ssl))->session_.reset(session);
  return 1;  // It is ours now.
}

void TlsClient::feed(std::string_view bytes, std::string& plain) {
  ERR_clear_error();
  BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  char buffer[16'384];
  for (;;) {
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), buffer, sizeof(buffer), &count);
    if (result == 1) {
      plain.append(buffer, count);
      continue;
    }
    const int reason = SSL_get_error(ssl_.get(), result);
    if (reason == SSL_ERROR_ZERO_RETURN) is_ended_ = true;
    if (reason == SSL_ERROR_SSL && error_.empty()) error_ = ERR_reason_error_string(ERR_peek_error());
    return;
  }
}

void TlsClient::write(std::string_view plain) {
  std::size_t written = 0;
  const bool is_written = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) == 1;
  require(is_written && written == plain.size(), "write");
}

std::string TlsClient::take_output() {
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes);
  std::string output(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
  BIO_reset(SSL_get_wbio(ssl_.get()));
  return output;
}

std::string TlsClient::server_common_name() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  char name[256] = "";
  if (certificate != nullptr) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
  }
  return name;
}

}  // namespace broadside::test
