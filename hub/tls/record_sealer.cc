// See record_sealer.h.
#include "hub/tls/record_sealer.h"

#include <linux/tls.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "engine/io/socket.h"

namespace broadside::hub {
namespace {

constexpr std::size_t kHeaderBytes = 5;         // Content type, version, length.
constexpr std::size_t kExplicitNonceBytes = 8;  // Of AES-GCM in TLS 1.2, RFC 5288, section 3.
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kNonceBytes = 12;

// AES-GCM under one key is good for 2^34.5 blocks of 16 bytes (RFC 8446, section 5.5), and a record carries little more than 4
// KiB of these: 2^26 records stay below. At a thousand records a second that is 18 hours.
constexpr std::uint64_t kWornRecords = std::uint64_t{1} << 26;

constexpr unsigned char kCloseNotify[2] = {1, 0};  // A warning, close_notify.

bool has_explicit_nonce(const WriteKeys& keys) {
  return keys.version == TlsVersion::tls12 && keys.cipher != AeadCipher::chacha20_poly1305;
}

std::size_t header_bytes_of(const WriteKeys& keys) {
  return has_explicit_nonce(keys) ? kHeaderBytes + kExplicitNonceBytes : kHeaderBytes;
}

// Behind the content TLS 1.3 has its true type, which is encrypted.
std::size_t trailer_bytes_of(const WriteKeys& keys) { return keys.version == TlsVersion::tls13 ? 1 + kTagBytes : kTagBytes; }

void put_big_endian(unsigned char* out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<unsigned char>(value >> (8 * (bytes - 1 - i)));
}

const char* name_of(AeadCipher cipher) {
  switch (cipher) {
    case AeadCipher::aes128_gcm:
      return "AES-128-GCM";
    case AeadCipher::aes256_gcm:
      return "AES-256-GCM";
    case AeadCipher::chacha20_poly1305:
      return "ChaCha20-Poly1305";
  }
  return "";
}

// One context a thread and cipher, given another key for each record: a third of a microsecond, where a context for each
// subscriber would take a kilobyte of its memory.
EVP_CIPHER_CTX* context_of(AeadCipher cipher) {
  struct Contexts {
    ~Contexts() {
      for (EVP_CIPHER_CTX* context : made) EVP_CIPHER_CTX_free(context);
    }
    std::array<EVP_CIPHER_CTX*, 3> made{};
  };
  static thread_local Contexts contexts;
  EVP_CIPHER_CTX*& context = contexts.made[static_cast<std::size_t>(cipher)];
  if (context == nullptr) {
    EVP_CIPHER* algorithm = EVP_CIPHER_fetch(nullptr, name_of(cipher), nullptr);
    context = EVP_CIPHER_CTX_new();
    const bool is_made =
        algorithm != nullptr && context != nullptr && EVP_EncryptInit_ex2(context, algorithm, nullptr, nullptr, nullptr) == 1;
    EVP_CIPHER_free(algorithm);
    BROADSIDE_ASSERT(is_made);
  }
  return context;
}

// `Info` is the kernel's structure for the cipher (linux/tls.h).
template <typename Info>
bool start_with(int fd, const WriteKeys& keys, std::uint16_t cipher) {
  Info info{};
  info.info.version = keys.version == TlsVersion::tls13 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
  info.info.cipher_type = cipher;
  std::memcpy(info.key, keys.key.data(), sizeof info.key);
  put_big_endian(info.rec_seq, keys.sequence, sizeof info.rec_seq);
  if constexpr (sizeof info.iv == kNonceBytes) {
    std::memcpy(info.iv, keys.iv.data(), sizeof info.iv);
  } else {
    std::memcpy(info.salt, keys.iv.data(), sizeof info.salt);
    if (has_explicit_nonce(keys)) {
      put_big_endian(info.iv, keys.sequence, sizeof info.iv);  // What seal_as() would go on with.
    } else {
      std::memcpy(info.iv, keys.iv.data() + sizeof info.salt, sizeof info.iv);
    }
  }
  const bool is_started = io::start_kernel_tls(fd, {reinterpret_cast<const char*>(&info), sizeof info});
  const int error = errno;
  OPENSSL_cleanse(&info, sizeof info);
  errno = error;
  return is_started;
}

}  // namespace

RecordSealer::RecordSealer(const WriteKeys& keys)
    : StreamSealer(header_bytes_of(keys), trailer_bytes_of(keys), keys.content_bytes_max), keys_(keys) {}

RecordSealer::~RecordSealer() { OPENSSL_cleanse(&keys_, sizeof keys_); }

void RecordSealer::seal(char* record, std::size_t bytes) noexcept {
  seal_as(ContentType::application_data, reinterpret_cast<unsigned char*>(record), bytes);
}

void RecordSealer::take_back(std::uint32_t records) noexcept {
  BROADSIDE_ASSERT(records <= keys_.sequence);
  keys_.sequence -= records;
}

void RecordSealer::seal_end(std::string& out) noexcept {
  char record[kHeaderBytesMax + sizeof kCloseNotify + kTrailerBytesMax];
  std::memcpy(record + header_bytes(), kCloseNotify, sizeof kCloseNotify);
  seal_as(ContentType::alert, reinterpret_cast<unsigned char*>(record), sizeof kCloseNotify);
  out.append(record, header_bytes() + sizeof kCloseNotify + trailer_bytes());
}

bool RecordSealer::is_worn() const noexcept { return keys_.sequence >= kWornRecords; }

// Once the kernel has said that it has no TLS, no further stream asks it.
bool RecordSealer::start_in_kernel(int fd) noexcept {
  static std::atomic<bool> is_missing{false};
  // It makes records of up to 16 KiB.
  if (!keys_.may_use_kernel || keys_.content_bytes_max < kContentBytesMax || is_missing.load(std::memory_order_relaxed))
    return false;
  const bool is_started = [&] {
    switch (keys_.cipher) {
      case AeadCipher::aes128_gcm:
        return start_with<tls12_crypto_info_aes_gcm_128>(fd, keys_, TLS_CIPHER_AES_GCM_128);
      case AeadCipher::aes256_gcm:
        return start_with<tls12_crypto_info_aes_gcm_256>(fd, keys_, TLS_CIPHER_AES_GCM_256);
      case AeadCipher::chacha20_poly1305:
        return start_with<tls12_crypto_info_chacha20_poly1305>(fd, keys_, TLS_CIPHER_CHACHA20_POLY1305);
    }
    return false;
  }();
  if (!is_started && errno == ENOENT) is_missing.store(true, std::memory_order_relaxed);
  return is_started;
}

void RecordSealer::seal_as(ContentType type, unsigned char* record, std::size_t bytes) noexcept {
  const bool is_tls13 = keys_.version == TlsVersion::tls13;
  unsigned char* content = record + header_bytes();
  std::size_t content_bytes = bytes;
  if (is_tls13) content[content_bytes++] = static_cast<unsigned char>(type);  // TLSInnerPlaintext, without padding.

  // TLS 1.3 hides the type (RFC 8446, section 5.2). Both say that they are TLS 1.2.
  record[0] = static_cast<unsigned char>(is_tls13 ? ContentType::application_data : type);
  record[1] = record[2] = 3;
  put_big_endian(record + 3, header_bytes() - kHeaderBytes + content_bytes + kTagBytes, 2);

  unsigned char nonce[kNonceBytes];
  std::memcpy(nonce, keys_.iv.data(), sizeof nonce);
  unsigned char sequence[8];
  put_big_endian(sequence, keys_.sequence, sizeof sequence);
  if (has_explicit_nonce(keys_)) {
    // Any that this key has not seen. Those that OpenSSL made before were counted from a random begin (evp's
    // gcm_tls_iv_set_fixed): to meet one of these is as unlikely as to guess it.
    std::memcpy(nonce + 4, sequence, sizeof sequence);
    std::memcpy(record + kHeaderBytes, sequence, sizeof sequence);
  } else {
    for (std::size_t i = 0; i < sizeof sequence; ++i) nonce[4 + i] ^= sequence[i];
  }

  unsigned char additional[sizeof sequence + kHeaderBytes];
  std::size_t additional_bytes = kHeaderBytes;
  if (is_tls13) {
    std::memcpy(additional, record, kHeaderBytes);
  } else {
    std::memcpy(additional, sequence, sizeof sequence);
    std::memcpy(additional + sizeof sequence, record, 3);
    put_big_endian(additional + sizeof sequence + 3, content_bytes, 2);
    additional_bytes = sizeof additional;
  }

  // Nothing here depends on what comes from outside, and nothing allocates: it does not fail.
  EVP_CIPHER_CTX* context = context_of(keys_.cipher);
  int done = 0;
  BROADSIDE_ASSERT(EVP_EncryptInit_ex2(context, nullptr, keys_.key.data(), nonce, nullptr) == 1);
  BROADSIDE_ASSERT(EVP_EncryptUpdate(context, nullptr, &done, additional, static_cast<int>(additional_bytes)) == 1);
  BROADSIDE_ASSERT(EVP_EncryptUpdate(context, content, &done, content, static_cast<int>(content_bytes)) == 1);
  BROADSIDE_ASSERT(done == static_cast<int>(content_bytes));
  BROADSIDE_ASSERT(EVP_EncryptFinal_ex(context, content + content_bytes, &done) == 1);
  BROADSIDE_ASSERT(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, content + content_bytes) == 1);
  ++keys_.sequence;
}

}  // namespace broadside::hub
