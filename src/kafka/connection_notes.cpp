#include "kafka/connection_notes.h"

#include <openssl/x509_vfy.h>

#include <charconv>
#include <system_error>
#include <utility>

namespace bronze::kafka {
namespace {

std::string list_of(const CertificateFacts& certificate) {
  std::string list;
  for (const auto& name : certificate.names) list += (list.empty() ? "" : ", ") + name;
  return list.empty() ? certificate.subject : list;
}

}  // namespace

CertificateVerdict judge_certificate(const std::string& broker, int error, int depth,
                                     const CertificateFacts& certificate) {
  const bool is_own = depth == 0;
  const std::string whose = is_own
                                ? "the certificate of " + broker + " (" + certificate.subject + ")"
                                : "the CA certificate " + certificate.subject + " of " + broker;
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {whose + " expired at " + certificate.not_after,
              is_own ? "Renew it on the broker" : "Renew it, on the broker or in KAFKA_SSL_CA"};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {whose + " is not valid before " + certificate.not_before,
              "Check the clocks of this machine and of the broker"};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {whose + " is not for this host, but for " + list_of(certificate),
              "Name the broker as its certificate does, in KAFKA_BOOTSTRAP_SERVERS and in its "
              "advertised.listeners, or give it a certificate for this name"};
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return {whose + " is signed by " + certificate.issuer + ", a CA that is not trusted here",
              "Set KAFKA_SSL_CA to the certificate of that CA"};
    default:
      return {whose + " is not accepted: " + X509_verify_cert_error_string(error), ""};
  }
}

std::optional<CertificateVerdict> ConnectionNotes::certificate_of_broker_in(
    const std::string& text) const {
  const std::lock_guard lock(mutex_);
  // The longest name: one host's may be the end of another's.
  const std::string* longest = nullptr;
  for (const auto& [broker, verdict] : certificates_) {
    if (text.find(broker) == std::string::npos) continue;
    if (longest == nullptr || broker.size() > longest->size()) longest = &broker;
  }
  return longest == nullptr ? std::nullopt : std::optional(certificates_.at(*longest));
}

std::string ConnectionNotes::take_quiet_end() {
  const std::lock_guard lock(mutex_);
  return std::exchange(quiet_end_, {});
}

void ConnectionNotes::note_quiet_end(std::string_view line) {
  constexpr std::string_view k_thread_end = "]: ";
  const std::size_t thread = line.starts_with("[thrd:") ? line.find(k_thread_end) : line.npos;
  if (thread != line.npos) line.remove_prefix(thread + k_thread_end.size());
  const std::lock_guard lock(mutex_);
  quiet_end_ = line;
}

std::optional<int> ConnectionNotes::token_status(std::string_view why) const {
  // Failed to retrieve OIDC token from "URL": WHY (STATUS)
  const std::string before = "\": " + std::string(why) + " (";
  const std::lock_guard lock(mutex_);
  const std::size_t found = missing_token_.find(before);
  if (found == std::string::npos) return std::nullopt;
  int status = 0;
  const char* const first = missing_token_.data() + found + before.size();
  const char* const end = missing_token_.data() + missing_token_.size();
  const auto [last, error] = std::from_chars(first, end, status);
  const bool is_whole = error == std::errc{} && std::string_view(last, end) == ")";
  return is_whole ? std::optional(status) : std::nullopt;
}

void ConnectionNotes::note_missing_token(std::string_view line) {
  const std::lock_guard lock(mutex_);
  missing_token_ = line;
}

std::optional<CertificateVerdict> ConnectionNotes::note_certificate(const std::string& broker,
                                                                    int error, int depth,
                                                                    std::string_view der) {
  constexpr int k_own = 0;
  const std::lock_guard lock(mutex_);
  if (error == X509_V_OK) {
    if (depth == k_own) certificates_.erase(broker);
    return std::nullopt;
  }
  const auto facts = certificate_of(der).value_or(CertificateFacts{});
  return certificates_[broker] = judge_certificate(broker, error, depth, facts);
}

}  // namespace bronze::kafka
