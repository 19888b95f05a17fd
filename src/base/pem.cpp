#include "base/pem.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>

namespace bronze {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

Bio reader_of(std::string_view bytes) {
  return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

std::string printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  return out;
}

std::string text_of(const X509_NAME* name) {
  const Bio out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return printable({text, static_cast<std::size_t>(size)});
}

std::string text_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown time";
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string_view bytes_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string text_of_address(std::string_view bytes) {
  constexpr std::size_t k_v4_bytes = 4;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = bytes.size() == k_v4_bytes ? AF_INET : AF_INET6;
  const bool is_whole = family == AF_INET || bytes.size() == sizeof(in6_addr);
  if (!is_whole || inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr) return "?";
  return text.data();
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> texts;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) texts.push_back(printable(bytes_of(name->d.dNSName)));
    if (name->type == GEN_IPADD) texts.push_back(text_of_address(bytes_of(name->d.iPAddress)));
  }
  return texts;
}

CertificateFacts facts_of(const X509* certificate) {
  return {.subject = text_of(X509_get_subject_name(certificate)),
          .issuer = text_of(X509_get_issuer_name(certificate)),
          .names = names_of(certificate),
          .not_before = text_of(X509_get0_notBefore(certificate)),
          .not_after = text_of(X509_get0_notAfter(certificate)),
          .is_expired = X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0};
}

/// What a key asks for when it is encrypted.
struct PasswordRequest {
  const std::string& password;
  bool was_asked = false;
};

int give_password(char* buffer, int size, int /*writes*/, void* data) {
  auto& request = *static_cast<PasswordRequest*>(data);
  request.was_asked = true;
  const auto& password = request.password;
  if (password.empty() || password.size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, password.data(), password.size());
  return static_cast<int>(password.size());
}

/// OpenSSL keeps the errors of a thread until somebody asks, who may be another one.
struct ErrorsForgotten {
  ErrorsForgotten() = default;
  ErrorsForgotten(const ErrorsForgotten&) = delete;
  ErrorsForgotten& operator=(const ErrorsForgotten&) = delete;
  ~ErrorsForgotten() { ERR_clear_error(); }
};

}  // namespace

bool is_pem(std::string_view text) { return text.starts_with("-----BEGIN"); }

std::string read_pem_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<CertificateFacts> certificates_in(const std::string& pem) {
  const ErrorsForgotten forgotten;
  const Bio in = reader_of(pem);
  std::vector<CertificateFacts> found;
  while (const Certificate certificate{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)}) {
    found.push_back(facts_of(certificate.get()));
  }
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  return is_end ? found : std::vector<CertificateFacts>{};
}

std::optional<CertificateFacts> certificate_of(std::string_view der) {
  const ErrorsForgotten forgotten;
  const Bio in = reader_of(der);
  const Certificate certificate(d2i_X509_bio(in.get(), nullptr));
  return certificate ? std::optional(facts_of(certificate.get())) : std::nullopt;
}

KeyVerdict judge_key(const std::string& key, const std::string& password,
                     const std::string& certificate) {
  const ErrorsForgotten forgotten;
  const Bio in = reader_of(key);
  PasswordRequest request{.password = password};
  const Key read(PEM_read_bio_PrivateKey(in.get(), nullptr, give_password, &request));
  if (!read && !request.was_asked) return KeyVerdict::kNoKey;
  if (!read) return password.empty() ? KeyVerdict::kPasswordMissing : KeyVerdict::kPasswordWrong;
  const Bio certificate_in = reader_of(certificate);
  const Certificate first(PEM_read_bio_X509(certificate_in.get(), nullptr, nullptr, nullptr));
  if (!first || X509_check_private_key(first.get(), read.get()) != 1) {
    return KeyVerdict::kOtherCertificate;
  }
  return request.was_asked ? KeyVerdict::kFits : KeyVerdict::kFitsWithoutPassword;
}

}  // namespace bronze
