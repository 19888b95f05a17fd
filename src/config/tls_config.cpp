#include "config/tls_config.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "base/pem.h"

namespace bronze::config {
namespace {

constexpr std::string_view k_ca = "KAFKA_SSL_CA";
constexpr std::string_view k_certificate = "KAFKA_SSL_CERTIFICATE";
constexpr std::string_view k_key = "KAFKA_SSL_KEY";
constexpr std::string_view k_password = "KAFKA_SSL_KEY_PASSWORD";

/// Files of variables often hold the two characters `\n` where a line ends.
std::string with_line_ends(std::string text) {
  constexpr std::string_view k_escaped = "\\n";
  if (text.find('\n') != std::string::npos) return text;
  for (std::size_t at = 0; (at = text.find(k_escaped, at)) != std::string::npos; ++at) {
    text.replace(at, k_escaped.size(), "\n");
  }
  return text;
}

PemSource read_pem(Reader& reader, std::string_view name) {
  // A key that a file holds is read from there again for each connection.
  if (auto file = reader.file_of(name)) return {.path = *std::move(file), .text = {}};
  std::string value = reader.text(name);
  value.erase(0, value.find_first_not_of(" \t\r\n"));
  if (is_pem(value)) return {.path = {}, .text = with_line_ends(std::move(value))};
  return {.path = std::move(value), .text = {}};
}

std::string pem_of(const PemSource& source) {
  return source.path.empty() ? source.text : read_pem_file(source.path);
}

/// Certificates by their hashes, which are looked up as connections need them.
bool is_folder(const PemSource& source) {
  std::error_code unreadable;
  return !source.path.empty() && std::filesystem::is_directory(source.path, unreadable);
}

/// What is no path may be a key in a form that was not recognized.
std::string shown_path(const std::string& text) {
  const bool is_path =
      text.find('\n') == std::string::npos && text.find("---") == std::string::npos;
  return is_path ? "it is " + shown(text) : "its value is not shown";
}

void check_key(Reader& reader, const TlsConfig& tls) {
  switch (judge_key(pem_of(tls.key), tls.key_password, pem_of(tls.certificate))) {
    case KeyVerdict::kFits:
      return;
    case KeyVerdict::kFitsWithoutPassword:
      if (!tls.key_password.empty()) {
        reader.warn("KAFKA_SSL_KEY_PASSWORD is set but not used: KAFKA_SSL_KEY is not encrypted");
      }
      return;
    case KeyVerdict::kNoKey:
      reader.fail_value(k_key, "a readable file with a private key (PEM), or its PEM text");
      return;
    case KeyVerdict::kPasswordMissing:
      reader.fail(k_password,
                  "expected the password of KAFKA_SSL_KEY, which is encrypted; it is not set");
      return;
    case KeyVerdict::kPasswordWrong:
      reader.fail_value(k_password, "the password of KAFKA_SSL_KEY, which it does not open");
      return;
    case KeyVerdict::kOtherCertificate:
      reader.fail(k_key,
                  "expected the key of the first certificate in KAFKA_SSL_CERTIFICATE; it is"
                  " that of another one");
      return;
  }
}

/// A certificate and its key make no sense without each other.
void check_pair(Reader& reader, const TlsConfig& tls) {
  if (tls.certificate.given() && tls.key.given()) {
    if (!reader.has_failed(k_certificate) && !reader.has_failed(k_key)) check_key(reader, tls);
  } else if (tls.certificate.given()) {
    reader.fail(k_key, "expected together with KAFKA_SSL_CERTIFICATE; it is not set");
  } else if (tls.key.given()) {
    reader.fail(k_certificate, "expected together with KAFKA_SSL_KEY; it is not set");
  } else if (!tls.key_password.empty()) {
    reader.fail(k_key, "expected together with KAFKA_SSL_KEY_PASSWORD; it is not set");
  }
}

}  // namespace

PemSource read_certificates(Reader& reader, std::string_view name) {
  PemSource source = read_pem(reader, name);
  if (!source.given() || (name != k_certificate && is_folder(source))) return source;
  const auto certificates = certificates_in(pem_of(source));
  if (certificates.empty()) {
    reader.fail(name, "expected a readable file with certificates (PEM), or their PEM text; " +
                          (source.path.empty() ? "it is PEM text without a sound certificate"
                                               : shown_path(source.path)));
  }
  for (const auto& certificate : certificates) {
    if (certificate.is_expired) {
      reader.warn(std::string(name) + ": the certificate of " + certificate.subject +
                  " expired at " + certificate.not_after);
    }
  }
  return source;
}

TlsConfig read_tls(Reader& reader) {
  TlsConfig tls{.ca = read_certificates(reader, k_ca),
                .certificate = read_certificates(reader, k_certificate),
                .key = read_pem(reader, k_key),
                .key_password = reader.text(k_password)};
  check_pair(reader, tls);
  return tls;
}

}  // namespace bronze::config
