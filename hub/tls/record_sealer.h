// TLS records out of a connection's write key, a byte more than needed in nothing: a subscriber's whole TLS state while its
// stream is open. TLS 1.3 (RFC 8446, section 5) and the AEAD ciphers of TLS 1.2 (RFC 5288, RFC 7905). Any thread, one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "broadside/transport.h"

namespace broadside::hub {

enum class TlsVersion : std::uint8_t { tls12, tls13 };
enum class AeadCipher : std::uint8_t { aes128_gcm, aes256_gcm, chacha20_poly1305 };

[[nodiscard]] constexpr std::size_t key_bytes_of(AeadCipher cipher) { return cipher == AeadCipher::aes128_gcm ? 16 : 32; }

// The largest content of a record, unless the peer takes less.
constexpr std::uint16_t kContentBytesMax = 16 << 10;

// What seals the records of one direction.
struct WriteKeys {
  TlsVersion version = TlsVersion::tls13;
  AeadCipher cipher = AeadCipher::aes128_gcm;
  std::array<unsigned char, 32> key{};
  std::array<unsigned char, 12> iv{};  // Of AES-GCM in TLS 1.2 the first 4 bytes alone; the rest stands in each record.
  std::uint64_t sequence = 0;          // Of the next record.
  std::uint16_t content_bytes_max = kContentBytesMax;
  bool may_use_kernel = true;
};

class RecordSealer final : public StreamSealer {
 public:
  explicit RecordSealer(const WriteKeys& keys);
  ~RecordSealer() override;  // Wipes the key.

  void seal(char* record, std::size_t bytes) noexcept override;
  void take_back(std::uint32_t records) noexcept override;
  void seal_end(std::string& out) noexcept override;
  [[nodiscard]] bool is_worn() const noexcept override;
  [[nodiscard]] bool start_in_kernel(int fd) noexcept override;

 private:
  enum class ContentType : std::uint8_t { alert = 21, application_data = 23 };
  void seal_as(ContentType type, unsigned char* record, std::size_t bytes) noexcept;

  WriteKeys keys_;
};

static_assert(sizeof(RecordSealer) <= 80, "every subscriber has one");

}  // namespace broadside::hub
