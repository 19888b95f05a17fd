#include "config/credentials_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "config/store_config.h"
#include "fakes/environment.h"

namespace bronze::config {
namespace {

using fakes::Env;

class CredentialsConfigTest : public testing::Test {
 protected:
  CredentialsConfigTest() { std::filesystem::create_directories(home_ / ".aws"); }
  ~CredentialsConfigTest() override { std::filesystem::remove_all(home_); }

  /// The path of a file of that name.
  std::string write(const std::string& name) const {
    const auto path = home_ / ".aws" / name;
    std::ofstream(path) << "text";
    return path.string();
  }

  LoadResult load(Env env) const {
    env.emplace("HOME", home_.string());
    return fakes::load(env);
  }

  Config good(const Env& env) const { return std::get<Config>(load(env)); }

  /// `VARIABLE: message` of each error, a line each.
  std::string errors(const Env& env) const {
    std::string text;
    const auto result = load(env);
    if (const auto* found = std::get_if<std::vector<ConfigError>>(&result)) {
      for (const auto& [variable, message] : *found) text += variable + ": " + message + "\n";
    }
    return text;
  }

  const std::filesystem::path home_ =
      std::filesystem::temp_directory_path() /
      ("bronze-credentials-" + std::to_string(::getpid()) + "-" +
       testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(CredentialsConfigTest, ProfilesAreInTheHome) {
  const std::string credentials = write("credentials");
  const Config config = good({{"AWS_PROFILE", "p"}});
  EXPECT_EQ(option(config.store, "aws_profile"), "p");
  EXPECT_EQ(option(config.store, "aws_shared_credentials_file"), credentials);
  EXPECT_EQ(option(config.store, "aws_config_file"), (home_ / ".aws" / "config").string());
  EXPECT_TRUE(config.warnings.empty());
}

TEST_F(CredentialsConfigTest, FilesOfProfilesMayBeElsewhere) {
  const std::string file = write("elsewhere");
  const Config config = good({{"AWS_CONFIG_FILE", file}, {"AWS_PROFILE", "p"}});
  EXPECT_EQ(option(config.store, "aws_config_file"), file);
}

TEST_F(CredentialsConfigTest, APasswordInAnAddressIsNotShown) {
  const std::string url = "http://user:geheim@host";
  const std::string text = errors({{"AWS_ENDPOINT_URL_STS", url},
                                   {"AWS_EC2_METADATA_SERVICE_ENDPOINT", url},
                                   {"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_EQ(text.find("geheim"), std::string::npos) << text;
}

TEST_F(CredentialsConfigTest, AProfileNeedsAFile) {
  const std::string text = errors({{"AWS_PROFILE", "p"}});
  EXPECT_NE(text.find("AWS_PROFILE: expected a profile of "), std::string::npos) << text;
  EXPECT_NE(text.find(".aws/credentials"), std::string::npos) << text;
}

TEST_F(CredentialsConfigTest, WithKeysProfilesAreNotLookedFor) {
  write("credentials");
  for (const Env& env : {Env{}, Env{{"AWS_ACCESS_KEY_ID", "a"}, {"AWS_SECRET_ACCESS_KEY", "b"}}}) {
    const Config config = good(env);
    EXPECT_TRUE(option(config.store, "aws_access_key_id"));
    EXPECT_FALSE(option(config.store, "aws_shared_credentials_file"));
  }
}

TEST_F(CredentialsConfigTest, AProfileThatDoesNotCountIsWarnedOf) {
  const std::string file = write("credentials");
  const std::vector<Env> cases = {
      {{"AWS_ACCESS_KEY_ID", "a"}, {"AWS_SECRET_ACCESS_KEY", "b"}},
      {{"AWS_WEB_IDENTITY_TOKEN_FILE", file}, {"AWS_ROLE_ARN", "arn"}},
      {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}},
  };
  for (Env env : cases) {
    env["AWS_PROFILE"] = "p";
    const auto warnings = good(env).warnings;
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings[0].find("AWS_PROFILE ('p') is not used"), std::string::npos) << warnings[0];
  }
}

TEST_F(CredentialsConfigTest, ARegionThatIsNotGivenIsLeftToTheProfile) {
  EXPECT_EQ(option(good({}).store, "aws_default_region"), "us-east-1");
  EXPECT_FALSE(option(good({}).store, "aws_region"));
  const Config given = good({{"AWS_REGION", "eu-west-1"}});
  EXPECT_EQ(option(given.store, "aws_region"), "eu-west-1");
  EXPECT_FALSE(option(given.store, "aws_default_region"));
}

TEST_F(CredentialsConfigTest, ATokenGoesToNearMachinesWithoutTls) {
  constexpr const char* k_uri = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  for (const std::string url :
       {"https://anywhere/x?y", "http://127.0.0.2:80/x", "http://localhost/", "http://[::1]:1/x",
        "http://169.254.170.2/x", "http://169.254.170.23", "http://[fd00:ec2::23]/x"}) {
    EXPECT_EQ(errors({{k_uri, url}}), "") << url;
  }
  for (const std::string url : {"http://anywhere", "http://169.254.170.25", "ftp://localhost"}) {
    EXPECT_NE(errors({{k_uri, url}}), "") << url;
  }
}

TEST_F(CredentialsConfigTest, CertificatesAreThoseOfAFile) {
  const std::string file = write("ca.pem");
  for (const std::string url : {"https://store", ""}) {
    const Config config = good({{"S3_ENDPOINT_URL", url}, {"AWS_CA_BUNDLE", file}});
    EXPECT_EQ(option(config.store, "aws_ca_bundle"), file);
  }
  EXPECT_EQ(errors({{"S3_ENDPOINT_URL", "https://store"}, {"AWS_CA_BUNDLE", "/nonexistent"}}),
            "AWS_CA_BUNDLE: expected a readable file; it is '/nonexistent'\n");
}

TEST_F(CredentialsConfigTest, TheBucketIsNamedInThePathOrInTheHost) {
  struct Case {
    std::string style;
    std::string endpoint;
    std::string bucket;
    bool is_virtual = false;
  };
  const std::vector<Case> cases = {
      {"", "http://store", "bucket", false},
      {"path", "", "bucket", false},
      {"", "", "bucket", true},
      {"virtual", "http://store:9000", "bucket", true},
      {"auto", "", "bucket.with.dots", false},
      {"auto", "https://store", "bucket", false},
      {"Virtual", "", "bucket.with.dots", true},
  };
  for (const auto& [style, endpoint, bucket, is_virtual] : cases) {
    const Config config = good(
        {{"S3_ADDRESSING_STYLE", style}, {"S3_ENDPOINT_URL", endpoint}, {"BRONZE_BUCKET", bucket}});
    EXPECT_EQ(option(config.store, "aws_virtual_hosted_style_request"),
              is_virtual ? "true" : "false")
        << style << " " << endpoint << " " << bucket;
  }
  for (const std::string endpoint : {"http://127.0.0.1:9000", "https://[::1]/x"}) {
    const Env env{{"S3_ADDRESSING_STYLE", "virtual"}, {"S3_ENDPOINT_URL", endpoint}};
    EXPECT_TRUE(errors(env).starts_with("S3_ADDRESSING_STYLE: expected path")) << errors(env);
  }
}

}  // namespace
}  // namespace bronze::config
