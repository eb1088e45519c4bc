// TLS for a connection that speaks HTTP: OpenSSL between memory and memory, tens of kilobytes that go when the stream begins and
// its sealer takes over. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "broadside/transport.h"
#include "hub/tls/context.h"

namespace broadside::hub {

class TlsTransport final : public Transport {
 public:
  explicit TlsTransport(std::shared_ptr<const TlsContext> context) : context_(std::move(context)) {}
  // What every SSL_CTX whose connections come here needs.
  static void set_callbacks(SSL_CTX* context);

  ~TlsTransport() override;

  Outcome on_received(std::string_view bytes, std::string& plain, std::string& out) noexcept override;
  [[nodiscard]] bool is_established() const noexcept override;
  bool seal(std::string_view plain, std::string& out) noexcept override;
  void seal_end(std::string& out) noexcept override;
  std::unique_ptr<StreamSealer> begin_stream() noexcept override;

 private:
  static void on_secret(const SSL* ssl, const char* line);
  static void on_message(int is_write, int version, int type, const void* bytes, std::size_t count, SSL* ssl, void* self);
  bool open();
  Outcome read(std::string& plain);
  void take_output(std::string& out);

  std::shared_ptr<const TlsContext> context_;
  SslPointer ssl_;                          // Made when the first byte has come: who only connects costs nothing.
  std::array<unsigned char, 48> secret_{};  // TLS 1.3: of the server's application data, as long as the handshake's digest.
  std::size_t secret_bytes_ = 0;
  std::uint64_t records_written_ = 0;  // Under the key that the server writes with now.
  bool has_peer_rekeyed_ = false;
};

}  // namespace broadside::hub
