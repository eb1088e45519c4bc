// Certificates for tests, made when they are needed: an authority, and servers' and clients' that it vouches for.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace broadside::test {

// A PEM file each, in a folder that goes with the test.
struct CertificateFiles {
  std::string certificate;
  std::string key;
};

enum class KeyKind : std::uint8_t { p256, rsa2048, ed25519 };

class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& common_name = "Broadside test authority");
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  // Its own certificate: whom clients believe.
  [[nodiscard]] const std::string& file() const { return files_.certificate; }
  // A new key and its certificate, good for a day. The first of `names` is its common name too.
  [[nodiscard]] CertificateFiles issue(const std::vector<std::string>& names, KeyKind kind = KeyKind::p256);
  // Where the files are, for more of them.
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  struct Pair;
  CertificateFiles write(const Pair& pair);

  std::filesystem::path folder_;
  CertificateFiles files_;
  std::unique_ptr<Pair> own_;
  int count_ = 0;
};

}  // namespace broadside::test
