// A TLS client between memory and memory: what a test's connection, or a test without sockets, speaks to a server with. Verifies
// the server's certificate, remembers the session, and says what became of the connection.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace broadside::test {

struct TlsClientOptions {
  std::string ca_file;                     // PEM of whom to believe; empty: everybody.
  std::string server_name = "localhost";   // SNI, and the name that the certificate must have if there is a ca_file.
  std::string protocols = "http/1.1";      // ALPN, separated by commas; empty: none is offered.
  int version = 0;                         // TLS1_2_VERSION or TLS1_3_VERSION alone; 0: what the server likes best.
  std::string cipher;                      // Its name, of `version`; empty: any.
  std::string certificate_file, key_file;  // Shown when the server asks.
  std::uint8_t fragment_mode = 0;          // TLSEXT_max_fragment_length_...; 0 = the extension is not offered.
  SSL_SESSION* session = nullptr;          // To be resumed; stays the caller's.
};

class TlsClient {
 public:
  explicit TlsClient(const TlsClientOptions& options);

  // Takes what came from the server; appends to `plain` what it says.
  void feed(std::string_view bytes, std::string& plain);
  // Seals and queues.
  void write(std::string_view plain);
  // What goes to the server now.
  std::string take_output();

  [[nodiscard]] bool is_established() const { return SSL_is_init_finished(ssl_.get()) == 1; }
  // The server has said close_notify.
  [[nodiscard]] bool is_ended() const { return is_ended_; }
  // Why nothing more can be understood, in OpenSSL's words; empty if all is well.
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  // The common name of the server's certificate.
  [[nodiscard]] std::string server_common_name() const;
  // The newest session that the server gave a ticket for; null if there is none.
  [[nodiscard]] SSL_SESSION* session() const { return session_.get(); }

 private:
  static int on_session(SSL* ssl, SSL_SESSION* session);

  template <auto kFree>
  struct Deleter {
    template <typename T>
    void operator()(T* object) const {
      kFree(object);
    }
  };

  std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, Deleter<SSL_free>> ssl_;
  std::unique_ptr<SSL_SESSION, Deleter<SSL_SESSION_free>> session_;
  bool is_ended_ = false;
  std::string error_;
};

}  // namespace broadside::test
