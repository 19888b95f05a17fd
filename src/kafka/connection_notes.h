#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/pem.h"

namespace bronze::kafka {

/// What is wrong with a broker's certificate, and what to do about it.
struct CertificateVerdict {
  std::string message;
  std::string advice;
};

/// `broker` is host:port; `error` is one of OpenSSL's X509_V_ERR_*; `depth` 0 is the broker's own
/// certificate, others are those of its CAs.
[[nodiscard]] CertificateVerdict judge_certificate(const std::string& broker, int error, int depth,
                                                   const CertificateFacts& certificate);

/// What librdkafka's threads learn of failed connections and its error events do not tell. Owned
/// by the client's owner, who asks, and outlives the client.
class ConnectionNotes {
 public:
  /// Of the last connection to the broker whose host:port the text names; nullopt = its certificate
  /// was accepted, or there has been no connection.
  [[nodiscard]] std::optional<CertificateVerdict> certificate_of_broker_in(
      const std::string& text) const;

  /// How a connection ended without an error event; told once, empty = none did.
  [[nodiscard]] std::string take_quiet_end();
  /// `line` as librdkafka logs it.
  void note_quiet_end(std::string_view line);

  /// With which HTTP status the server of the tokens said `why` instead of giving one; negative =
  /// it did not answer by HTTP, nullopt = that is not known.
  [[nodiscard]] std::optional<int> token_status(std::string_view why) const;
  /// `line` as librdkafka logs it.
  void note_missing_token(std::string_view line);

  /// What OpenSSL says of one certificate of a broker; nullopt = nothing is wrong with it.
  std::optional<CertificateVerdict> note_certificate(const std::string& broker, int error,
                                                     int depth, std::string_view der);

 private:
  mutable std::mutex mutex_;
  /// Guarded by mutex_.
  std::map<std::string, CertificateVerdict> certificates_;
  /// Guarded by mutex_.
  std::string quiet_end_;
  /// Guarded by mutex_.
  std::string missing_token_;
};

}  // namespace bronze::kafka
