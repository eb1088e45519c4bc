// See tls_session.h.
#include "tools/load/tls_session.h"

#include <openssl/err.h>

#include <utility>

#include "base/assert.h"

namespace broadside::tools::load {
namespace {

// One for all: it is never given back.
SSL_CTX* shared_context() {
  static SSL_CTX* const context = [] {
    SSL_CTX* made = SSL_CTX_new(TLS_client_method());
    BROADSIDE_ASSERT(made != nullptr);
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    return made;
  }();
  return context;
}

}  // namespace

TlsSession::TlsSession(const std::string& host, std::string request)
    : ssl_(SSL_new(shared_context())), request_(std::move(request)) {
  BROADSIDE_ASSERT(ssl_ != nullptr);
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl_.get());
  SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
  SSL_do_handshake(ssl_.get());
}

bool TlsSession::take(std::string_view bytes, std::string& plain) {
  ERR_clear_error();
  BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
  char buffer[16 << 10];
  std::size_t count = 0;
  int result = 0;
  while ((result = SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &count)) == 1) plain.append(buffer, count);
  const int reason = SSL_get_error(ssl_.get(), result);
  if (SSL_is_init_finished(ssl_.get()) == 1 && !request_.empty()) {
    SSL_write_ex(ssl_.get(), request_.data(), request_.size(), &count);
    request_.clear();
  }
  return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_ZERO_RETURN;
}

std::string TlsSession::take_output() {
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes);
  std::string output(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
  BIO_reset(SSL_get_wbio(ssl_.get()));
  return output;
}

}  // namespace broadside::tools::load
