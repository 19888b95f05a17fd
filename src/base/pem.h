#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bronze {

/// What people need to know of an X.509 certificate. What is not printable ASCII in it is a `?`.
struct CertificateFacts {
  /// `CN=broker,O=Example`
  std::string subject;
  std::string issuer;
  /// Host names and addresses that it is for.
  std::vector<std::string> names;
  /// `2024-01-15T10:30:00Z`
  std::string not_before;
  std::string not_after;
  bool is_expired = false;

  friend bool operator==(const CertificateFacts&, const CertificateFacts&) = default;
};

/// The text is PEM, not the path of a file with it.
[[nodiscard]] bool is_pem(std::string_view text);

/// Empty = it cannot be read.
[[nodiscard]] std::string read_pem_file(const std::string& path);

/// All certificates in a PEM text; none when it holds no certificate or a damaged one.
[[nodiscard]] std::vector<CertificateFacts> certificates_in(const std::string& pem);

/// Of a certificate as it goes over the wire; nullopt = it is damaged.
[[nodiscard]] std::optional<CertificateFacts> certificate_of(std::string_view der);

enum class KeyVerdict {
  kFits,
  /// It fits, and the password was not needed for it.
  kFitsWithoutPassword,
  kNoKey,
  kPasswordMissing,
  kPasswordWrong,
  /// It belongs to another certificate.
  kOtherCertificate,
};

/// Whether a private key is that of the first certificate. All are PEM texts; an empty password is
/// none.
[[nodiscard]] KeyVerdict judge_key(const std::string& key, const std::string& password,
                                   const std::string& certificate);

}  // namespace bronze
