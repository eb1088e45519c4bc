// Records against RFC 8448's, against an opener made of EVP alone, and what taking some back does.
#include "hub/tls/record_sealer.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "hub/tls/traffic_keys.h"

namespace broadside::hub {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size();) {
    if (hex[i] == ' ') {
      ++i;
      continue;
    }
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    i += 2;
  }
  return bytes;
}

Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const unsigned char*>(text.data()), text.size()}; }

std::string sealed(RecordSealer& sealer, const std::string& plain) {
  std::string record(sealer.header_bytes() + plain.size() + sealer.trailer_bytes(), '\0');
  record.replace(sealer.header_bytes(), plain.size(), plain);
  sealer.seal(record.data(), plain.size());
  return record;
}

std::string sealed_end(RecordSealer& sealer) {
  std::string out;
  sealer.seal_end(out);
  return out;
}

std::string big_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 255);
  return out;
}

// What is in a record, as the RFCs have it, by EVP; "?" if it is not genuine. `type` gets its content type.
std::string opened(const WriteKeys& keys, std::uint64_t sequence, const std::string& record, int& type) {
  const bool is_tls13 = keys.version == TlsVersion::tls13;
  const bool is_explicit = !is_tls13 && keys.cipher != AeadCipher::chacha20_poly1305;
  const std::size_t header = is_explicit ? 13 : 5;
  const std::size_t content = record.size() - header - 16;
  std::string nonce(reinterpret_cast<const char*>(keys.iv.data()), 12);
  if (is_explicit) {
    nonce.replace(4, 8, record, 5, 8);
  } else {
    const std::string number = big_endian(sequence, 8);
    for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<char>(nonce[4 + i] ^ number[i]);
  }
  const std::string additional =
      is_tls13 ? record.substr(0, 5) : big_endian(sequence, 8) + record.substr(0, 3) + big_endian(content, 2);
  if (big_endian(record.size() - 5, 2) != record.substr(3, 2)) return "?";
  const EVP_CIPHER* const ciphers[] = {EVP_aes_128_gcm(), EVP_aes_256_gcm(), EVP_chacha20_poly1305()};
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  const auto raw = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); };
  std::string plain(content, '\0');
  auto* const out = reinterpret_cast<unsigned char*>(plain.data());
  int done = 0;
  EVP_DecryptInit_ex(context.get(), ciphers[static_cast<int>(keys.cipher)], nullptr, keys.key.data(), raw(nonce));
  EVP_DecryptUpdate(context.get(), nullptr, &done, raw(additional), static_cast<int>(additional.size()));
  EVP_DecryptUpdate(context.get(), out, &done, raw(record) + header, static_cast<int>(content));
  std::string tag = record.substr(record.size() - 16);
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, 16, tag.data());
  if (EVP_DecryptFinal_ex(context.get(), out + done, &done) != 1) return "?";
  type = static_cast<unsigned char>(record.front());
  if (!is_tls13) return plain;
  type = static_cast<unsigned char>(plain.back());
  plain.pop_back();
  return plain;
}

// Section 3 of RFC 8448, "Simple 1-RTT Handshake": the server's side, from its traffic secret on.
TEST(RecordSealer, writes_the_records_of_rfc_8448) {
  const std::string secret = from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  std::optional<WriteKeys> keys = tls13_write_keys(AeadCipher::aes128_gcm, "SHA256", bytes_of(secret));
  ASSERT_TRUE(keys);
  EXPECT_EQ(std::string(keys->key.begin(), keys->key.begin() + 16), from_hex("9f02283b6c9c07efc26bb9f2ac92e356"));
  EXPECT_EQ(std::string(keys->iv.begin(), keys->iv.end()), from_hex("cf782b88dd83549aadf1e984"));
  keys->sequence = 1;  // The first record was the ticket.
  RecordSealer sealer(*keys);
  std::string payload;
  for (char byte = 0; byte < 50; ++byte) payload += byte;
  EXPECT_EQ(
      sealed(sealer, payload),
      from_hex("17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5"
               "f0a21c0047c2abf332540dd032e167c2955d"));
  EXPECT_EQ(sealed_end(sealer), from_hex("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"));
}

struct Profile {
  TlsVersion version;
  AeadCipher cipher;
  std::size_t overhead;
};

class RecordSealerOf : public ::testing::TestWithParam<Profile> {
 protected:
  RecordSealerOf() {
    keys_.version = GetParam().version;
    keys_.cipher = GetParam().cipher;
    for (std::size_t i = 0; i < keys_.key.size(); ++i) keys_.key[i] = static_cast<unsigned char>(i * 7 + 1);
    for (std::size_t i = 0; i < keys_.iv.size(); ++i) keys_.iv[i] = static_cast<unsigned char>(i * 5 + 3);
    keys_.sequence = 0xfffffffe;  // Over the border of 32 bits.
  }
  WriteKeys keys_;
};

INSTANTIATE_TEST_SUITE_P(, RecordSealerOf,
                         ::testing::Values(Profile{TlsVersion::tls13, AeadCipher::aes128_gcm, 22},
                                           Profile{TlsVersion::tls13, AeadCipher::aes256_gcm, 22},
                                           Profile{TlsVersion::tls13, AeadCipher::chacha20_poly1305, 22},
                                           Profile{TlsVersion::tls12, AeadCipher::aes128_gcm, 29},
                                           Profile{TlsVersion::tls12, AeadCipher::aes256_gcm, 29},
                                           Profile{TlsVersion::tls12, AeadCipher::chacha20_poly1305, 21}));

TEST_P(RecordSealerOf, writes_what_evp_opens_with_the_next_number) {
  RecordSealer sealer(keys_);
  EXPECT_EQ(sealer.header_bytes() + sealer.trailer_bytes(), GetParam().overhead);
  std::uint64_t sequence = keys_.sequence;
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{4032}, std::size_t{16'384}}) {
    const std::string plain(bytes, 'x');
    const std::string record = sealed(sealer, plain);
    EXPECT_EQ(record.size(), plain.size() + GetParam().overhead);
    int type = 0;
    EXPECT_EQ(opened(keys_, sequence, record, type), plain);
    EXPECT_EQ(type, 23);
    EXPECT_EQ(opened(keys_, sequence + 1, record, type), "?");
    ++sequence;
  }
}

TEST_P(RecordSealerOf, gives_the_numbers_of_records_that_were_taken_back_to_the_next_ones) {
  RecordSealer sealer(keys_);
  std::string first = sealed(sealer, "first");
  static_cast<void>(sealed(sealer, "never sent"));
  static_cast<void>(sealed(sealer, "nor this"));
  sealer.take_back(2);
  int type = 0;
  EXPECT_EQ(opened(keys_, keys_.sequence, first, type), "first");
  EXPECT_EQ(opened(keys_, keys_.sequence + 1, sealed(sealer, "second"), type), "second");
}

TEST_P(RecordSealerOf, ends_with_a_close_notify) {
  RecordSealer sealer(keys_);
  int type = 0;
  EXPECT_EQ(opened(keys_, keys_.sequence, sealed_end(sealer), type), std::string("\x01\x00", 2));
  EXPECT_EQ(type, 21);
}

TEST_P(RecordSealerOf, does_not_take_one_key_for_another) {
  RecordSealer one(keys_);
  keys_.key[3] ^= 1;
  RecordSealer other(keys_);
  // They share the thread's cipher context.
  static_cast<void>(sealed(one, "one"));
  int type = 0;
  EXPECT_EQ(opened(keys_, keys_.sequence, sealed(other, "other"), type), "other");
}

TEST(RecordSealer, is_worn_after_two_to_the_26th_records) {
  WriteKeys keys;
  keys.sequence = (std::uint64_t{1} << 26) - 1;
  RecordSealer sealer(keys);
  EXPECT_FALSE(sealer.is_worn());
  static_cast<void>(sealed(sealer, "one more"));
  EXPECT_TRUE(sealer.is_worn());
}

}  // namespace
}  // namespace broadside::hub
