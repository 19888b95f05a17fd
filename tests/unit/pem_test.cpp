#include "base/pem.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fakes/made_certificate.h"

namespace bronze {
namespace {

TEST(Pem, TellsWhatACertificateIsFor) {
  const auto made =
      make_certificate({.name = "a broker", .hosts = "DNS:localhost,IP:127.0.0.1,IP:::1"});
  const auto found = certificates_in(made.certificate);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].subject, "CN=a broker");
  EXPECT_EQ(found[0].issuer, "CN=a broker");
  EXPECT_EQ(found[0].names, (std::vector<std::string>{"localhost", "127.0.0.1", "::1"}));
  EXPECT_FALSE(found[0].is_expired);
  EXPECT_EQ(found[0].not_after.size(), std::string("2024-01-15T10:30:00Z").size());
  EXPECT_LT(found[0].not_before, found[0].not_after);
}

TEST(Pem, KnowsWhatHasExpired) {
  EXPECT_TRUE(certificates_in(make_certificate({.days = -1}).certificate).at(0).is_expired);
}

TEST(Pem, FindsAllCertificatesOfATextOrNone) {
  const auto first = make_certificate({.name = "first"});
  const auto second = make_certificate({.name = "second"});
  const std::string both = "a comment\n" + first.certificate + first.key + second.certificate;
  ASSERT_EQ(certificates_in(both).size(), 2U);
  EXPECT_EQ(certificates_in(both)[1].subject, "CN=second");
  EXPECT_TRUE(certificates_in("").empty());
  EXPECT_TRUE(certificates_in(first.key).empty());
  std::string damaged = both;
  damaged[damaged.size() - 60] = '!';
  EXPECT_TRUE(certificates_in(damaged).empty());
}

TEST(Pem, EscapesWhatCannotBePrinted) {
  const auto found = certificates_in(make_certificate({.name = "a\nb\x1b"}).certificate);
  for (const char c : found.at(0).subject) EXPECT_GE(c, ' ');
}

TEST(Pem, JudgesAKey) {
  const auto plain = make_certificate();
  const auto encrypted = make_certificate({.password = "key password"});
  const auto judge = [](const MadeCertificate& key, const std::string& password,
                        const MadeCertificate& certificate) {
    return judge_key(key.key, password, certificate.certificate);
  };
  EXPECT_EQ(judge(plain, "", plain), KeyVerdict::kFitsWithoutPassword);
  EXPECT_EQ(judge(plain, "not needed", plain), KeyVerdict::kFitsWithoutPassword);
  EXPECT_EQ(judge(encrypted, "key password", encrypted), KeyVerdict::kFits);
  EXPECT_EQ(judge(encrypted, "", encrypted), KeyVerdict::kPasswordMissing);
  EXPECT_EQ(judge(encrypted, "another", encrypted), KeyVerdict::kPasswordWrong);
  EXPECT_EQ(judge(encrypted, std::string(5'000, 'x'), encrypted), KeyVerdict::kPasswordWrong);
  EXPECT_EQ(judge(plain, "", encrypted), KeyVerdict::kOtherCertificate);
  EXPECT_EQ(judge_key(plain.certificate, "", plain.certificate), KeyVerdict::kNoKey);
  EXPECT_EQ(judge_key("", "", plain.certificate), KeyVerdict::kNoKey);
}

}  // namespace
}  // namespace bronze
