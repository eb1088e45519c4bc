// See certificate.h.
#include "tests/support/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <stdexcept>

namespace broadside::test {
namespace {

void require(bool is_done, const char* what) {
  if (!is_done) throw std::runtime_error(std::string("certificate: ") + what);
}

EVP_PKEY* make_key(KeyKind kind) {
  switch (kind) {
    case KeyKind::p256:
      return EVP_EC_gen("P-256");
    case KeyKind::rsa2048:
      return EVP_RSA_gen(2048);
    case KeyKind::ed25519:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }
  return nullptr;
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extension");
  X509_EXTENSION_free(extension);
}

}  // namespace

struct CertificateAuthority::Pair {
  Pair(const std::string& common_name, KeyKind kind, const Pair* issuer, const std::vector<std::string>& names) {
    key = make_key(kind);
    certificate = X509_new();
    require(key != nullptr && certificate != nullptr, "key");
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), static_cast<std::int64_t>(::arc4random()) + 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                               0);
    const Pair& signer = issuer != nullptr ? *issuer : *this;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate));
    add_extension(certificate, signer.certificate, NID_basic_constraints,
                  issuer == nullptr ? "critical,CA:TRUE" : "critical,CA:FALSE");
    std::string alternatives;
    for (const std::string& name : names) alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + name;
    if (!names.empty()) add_extension(certificate, signer.certificate, NID_subject_alt_name, alternatives + ",IP:127.0.0.1");
    const bool names_digest = EVP_PKEY_get_base_id(signer.key) != EVP_PKEY_ED25519;
    require(X509_sign(certificate, signer.key, names_digest ? EVP_sha256() : nullptr) > 0, "signature");
  }
  ~Pair() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

CertificateAuthority::CertificateAuthority(const std::string& common_name) {
  std::string pattern = (std::filesystem::temp_directory_path() / "broadside-certificates-XXXXXX").string();
  require(::mkdtemp(pattern.data()) != nullptr, "folder");
  folder_ = pattern;
  own_ = std::make_unique<Pair>(common_name, KeyKind::p256, nullptr, std::vector<std::string>{});
  files_ = write(*own_);
}

CertificateAuthority::~CertificateAuthority() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

CertificateFiles CertificateAuthority::issue(const std::vector<std::string>& names, KeyKind kind) {
  return write(Pair(names.front(), kind, own_.get(), names));
}

CertificateFiles CertificateAuthority::write(const Pair& pair) {
  const std::string stem = (folder_ / std::to_string(++count_)).string();
  const CertificateFiles files{.certificate = stem + ".crt", .key = stem + ".key"};
  std::FILE* certificate = std::fopen(files.certificate.c_str(), "we");
  std::FILE* key = std::fopen(files.key.c_str(), "we");
  require(certificate != nullptr && key != nullptr, "files");
  const bool is_written = PEM_write_X509(certificate, pair.certificate) == 1 &&
                          PEM_write_PrivateKey(key, pair.key, nullptr, nullptr, 0, nullptr, nullptr) == 1;
  std::fclose(certificate);
  std::fclose(key);
  require(is_written, "files");
  return files;
}

}  // namespace broadside::test
