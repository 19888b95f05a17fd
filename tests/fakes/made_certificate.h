#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <functional>
#include <memory>
#include <string>

namespace bronze {

struct CertificateSpec {
  std::string name = "somebody";
  /// From now on; negative = it has expired.
  int days = 30;
  /// As in `DNS:localhost,IP:127.0.0.1`; empty = none.
  std::string hosts = {};
  /// Of the key; empty = it is not encrypted.
  std::string password = {};
};

/// PEM texts.
struct MadeCertificate {
  std::string certificate;
  std::string key;
};

inline std::string written_pem(const std::function<void(BIO*)>& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), BIO_free_all);
  write(out.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

/// A certificate that its own key has signed.
inline MadeCertificate make_certificate(const CertificateSpec& spec = {}) {
  constexpr long k_day_seconds = 86'400;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60 * k_day_seconds);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), spec.days * k_day_seconds);
  X509_NAME* subject = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(spec.name.c_str()), -1, -1, 0);
  X509_set_issuer_name(made.get(), subject);
  if (!spec.hosts.empty()) {
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> hosts(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, spec.hosts.c_str()),
        X509_EXTENSION_free);
    X509_add_ext(made.get(), hosts.get(), -1);
  }
  X509_set_pubkey(made.get(), key.get());
  X509_sign(made.get(), key.get(), EVP_sha256());
  return {.certificate = written_pem([&](BIO* out) { PEM_write_bio_X509(out, made.get()); }),
          .key = written_pem([&](BIO* out) {
            const bool encrypted = !spec.password.empty();
            PEM_write_bio_PKCS8PrivateKey(out, key.get(), encrypted ? EVP_aes_256_cbc() : nullptr,
                                          encrypted ? spec.password.c_str() : nullptr,
                                          static_cast<int>(spec.password.size()), nullptr, nullptr);
          })};
}

}  // namespace bronze
