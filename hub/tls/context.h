// Certificates, keys and what the server takes of a handshake, as OpenSSL has it. Immutable once loaded: a reload makes another
// one, and connections keep the one they began with. For any thread.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broadside/error.h"

namespace broadside::hub {

enum class ClientCertificates : std::uint8_t { optional, required };

struct TlsOptions {
  std::vector<std::string> certificates;  // PEM files, each a chain that begins with the server's own.
  std::vector<std::string> keys;          // PEM files, as many, in the same order.
  std::string client_ca;                  // PEM file of those who may vouch for clients; empty: clients are not asked.
  ClientCertificates client_certificates = ClientCertificates::required;
  bool is_in_user_space = false;  // Streams are never sealed by the kernel.
};

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslPointer = std::unique_ptr<SSL, SslDeleter>;

class TlsContext {
 public:
  // Reads all files. The error names the one that is wrong.
  static Result<std::shared_ptr<const TlsContext>> load(const TlsOptions& options);

  // A server's side of a connection; null if there is no memory. The context outlives it.
  [[nodiscard]] SslPointer make_ssl() const;
  [[nodiscard]] bool may_use_kernel() const { return may_use_kernel_; }

 private:
  using ContextPointer = std::unique_ptr<SSL_CTX, SslDeleter>;
  static Result<ContextPointer> make(const TlsOptions& options, std::size_t index);
  static int choose_certificate(SSL* ssl, int* alert, void* self);

  bool may_use_kernel_ = true;
  std::vector<ContextPointer> contexts_;  // One a certificate; the first is for whoever names none that we have.
};

}  // namespace broadside::hub
