#include "config/kafka_security.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/store_config.h"
#include "fakes/environment.h"
#include "fakes/made_certificate.h"

namespace bronze::config {
namespace {

using fakes::Env;
using fakes::load;

Config good(const Env& env) {
  auto result = load(env);
  if (const auto* errors = std::get_if<std::vector<ConfigError>>(&result)) {
    for (const auto& error : *errors) ADD_FAILURE() << error.variable << ": " << error.message;
    return {};
  }
  return std::get<Config>(result);
}

/// `NAME: message`, one a line.
std::string bad(const Env& env) {
  const auto result = load(env);
  const auto* errors = std::get_if<std::vector<ConfigError>>(&result);
  std::string text;
  if (errors == nullptr) return text;
  for (const auto& error : *errors) text += error.variable + ": " + error.message + "\n";
  return text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string described(const Config& config) {
  std::string text;
  for (const auto& line : describe(config)) text += line + "\n";
  return text;
}

std::string file_with(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "kafka_security_test_" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string escaped(std::string pem) {
  for (std::size_t at = 0; (at = pem.find('\n', at)) != std::string::npos;) {
    pem.replace(at, 1, "\\n");
  }
  return pem;
}

Env with(Env env, const Env& more) {
  for (const auto& [name, value] : more) env[name] = value;
  return env;
}

class KafkaTls : public testing::Test {
 protected:
  const MadeCertificate made_ = make_certificate({.name = "us"});
  const MadeCertificate locked_ = make_certificate({.name = "locked", .password = "opens it"});
  const std::string certificate_ = file_with("certificate", made_.certificate);
  const std::string key_ = file_with("key", made_.key);
  const std::string locked_certificate_ = file_with("locked_certificate", locked_.certificate);
  const std::string locked_key_ = file_with("locked_key", locked_.key);
  const Env by_paths_{{"KAFKA_SECURITY_PROTOCOL", "SSL"},
                      {"KAFKA_SSL_CA", certificate_},
                      {"KAFKA_SSL_CERTIFICATE", certificate_},
                      {"KAFKA_SSL_KEY", key_}};
  const Env locked_by_paths_{{"KAFKA_SECURITY_PROTOCOL", "SSL"},
                             {"KAFKA_SSL_CERTIFICATE", locked_certificate_},
                             {"KAFKA_SSL_KEY", locked_key_}};
};

TEST_F(KafkaTls, TakesPaths) {
  const Config config = good(by_paths_);
  EXPECT_EQ(security_properties(config.kafka),
            (Properties{{"security.protocol", "SSL"},
                        {"ssl.ca.location", certificate_},
                        {"ssl.certificate.location", certificate_},
                        {"ssl.key.location", key_}}));
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_TRUE(has(described(config), "KAFKA_SSL_KEY=" + key_ + "\n"));
}

TEST_F(KafkaTls, TakesTextsAndHidesThatOfTheKey) {
  const Config config = good({{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"},
                              {"KAFKA_SASL_USERNAME", "u"},
                              {"KAFKA_SASL_PASSWORD", "p"},
                              {"KAFKA_SSL_CA", "\n " + made_.certificate},
                              {"KAFKA_SSL_CERTIFICATE", escaped(made_.certificate)},
                              {"KAFKA_SSL_KEY", escaped(made_.key)}});
  EXPECT_EQ(security_properties(config.kafka),
            (Properties{{"security.protocol", "SASL_SSL"},
                        {"sasl.mechanism", "PLAIN"},
                        {"sasl.username", "u"},
                        {"sasl.password", "p"},
                        {"ssl.ca.pem", made_.certificate},
                        {"ssl.certificate.pem", made_.certificate},
                        {"ssl.key.pem", made_.key}}));
  EXPECT_TRUE(has(described(config), "KAFKA_SSL_CA=(PEM text)\n"));
  EXPECT_TRUE(has(described(config), "KAFKA_SSL_KEY=***\n"));
  EXPECT_FALSE(has(described(config), "BEGIN"));
}

TEST_F(KafkaTls, TakesAKeyThatIsEncrypted) {
  const Config config = good(with(locked_by_paths_, {{"KAFKA_SSL_KEY_PASSWORD", "opens it"}}));
  EXPECT_EQ(security_properties(config.kafka).back(),
            (std::pair<std::string, std::string>{"ssl.key.password", "opens it"}));
}

TEST_F(KafkaTls, ReadsAKeyInAFileOfItsOwnForEachConnectionAnew) {
  Env env = by_paths_;
  env.erase("KAFKA_SSL_KEY");
  env["KAFKA_SSL_KEY_FILE"] = key_;
  EXPECT_EQ(security_properties(good(env).kafka).back(),
            (std::pair<std::string, std::string>{"ssl.key.location", key_}));
}

TEST_F(KafkaTls, RefusesWhatIsNotWhatItShouldBe) {
  const auto refused = [&](const std::string& name, const std::string& value) {
    return bad(with(by_paths_, {{name, value}}));
  };
  const std::string expected =
      "expected a readable file with certificates (PEM), or their PEM text";
  EXPECT_EQ(refused("KAFKA_SSL_CA", "/nonexistent"),
            "KAFKA_SSL_CA: " + expected + "; it is '/nonexistent'\n");
  EXPECT_EQ(refused("KAFKA_SSL_CA", key_),
            "KAFKA_SSL_CA: " + expected + "; it is '" + key_ + "'\n");
  EXPECT_EQ(refused("KAFKA_SSL_CA", "-----BEGIN CERTIFICATE-----\nx"),
            "KAFKA_SSL_CA: " + expected + "; it is PEM text without a sound certificate\n");
  EXPECT_EQ(refused("KAFKA_SSL_CERTIFICATE", testing::TempDir()),
            "KAFKA_SSL_CERTIFICATE: " + expected + "; it is '" + testing::TempDir() + "'\n");
  const std::string garbled = refused("KAFKA_SSL_CERTIFICATE", "\"" + made_.key);
  EXPECT_TRUE(has(garbled, "its value is not shown")) << garbled;
  for (const std::string& value : {std::string("/nonexistent"), certificate_}) {
    const std::string key = refused("KAFKA_SSL_KEY", value);
    EXPECT_TRUE(has(key, "KAFKA_SSL_KEY: expected a readable file with a private key")) << key;
    EXPECT_FALSE(has(key, value)) << key;
  }
  EXPECT_TRUE(has(refused("KAFKA_SSL_KEY", locked_key_), "KAFKA_SSL_KEY_PASSWORD: expected the"));
}

TEST_F(KafkaTls, TakesAFolderOfCertificatesToCheckBy) {
  EXPECT_EQ(bad(with(by_paths_, {{"KAFKA_SSL_CA", testing::TempDir()}})), "");
}

TEST_F(KafkaTls, RefusesAPasswordThatDoesNotOpenTheKey) {
  EXPECT_EQ(bad(locked_by_paths_),
            "KAFKA_SSL_KEY_PASSWORD: expected the password of KAFKA_SSL_KEY, which is encrypted; it"
            " is not set\n");
  const std::string wrong = bad(with(locked_by_paths_, {{"KAFKA_SSL_KEY_PASSWORD", "hunter2"}}));
  EXPECT_TRUE(has(wrong, "KAFKA_SSL_KEY_PASSWORD: expected the password of KAFKA_SSL_KEY, which"))
      << wrong;
  EXPECT_FALSE(has(wrong, "hunter2"));
}

TEST_F(KafkaTls, RefusesHalfAPairAndTheKeyOfAnotherCertificate) {
  Env env = by_paths_;
  env.erase("KAFKA_SSL_KEY");
  EXPECT_TRUE(has(bad(env), "KAFKA_SSL_KEY: expected together with KAFKA_SSL_CERTIFICATE"));
  EXPECT_TRUE(has(bad({{"KAFKA_SECURITY_PROTOCOL", "SSL"}, {"KAFKA_SSL_KEY", key_}}),
                  "KAFKA_SSL_CERTIFICATE: expected together with KAFKA_SSL_KEY"));
  EXPECT_TRUE(has(bad({{"KAFKA_SECURITY_PROTOCOL", "SSL"}, {"KAFKA_SSL_KEY_PASSWORD", "x"}}),
                  "KAFKA_SSL_KEY: expected together with KAFKA_SSL_KEY_PASSWORD"));
  const std::string other = file_with("other", make_certificate().key);
  EXPECT_TRUE(has(bad(with(by_paths_, {{"KAFKA_SSL_KEY", other}})), "it is that of another one"));
}

TEST_F(KafkaTls, WarnsOfWhatHasExpiredOrIsNotUsed) {
  const auto old = make_certificate({.name = "old", .days = -1});
  const auto expired = good(
      with(by_paths_, {{"KAFKA_SSL_CERTIFICATE", old.certificate}, {"KAFKA_SSL_KEY", old.key}}));
  ASSERT_EQ(expired.warnings.size(), 1U);
  EXPECT_TRUE(has(expired.warnings[0], "KAFKA_SSL_CERTIFICATE: the certificate of CN=old expired"));

  const auto unused = good(with(by_paths_, {{"KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"}}));
  ASSERT_EQ(unused.warnings.size(), 3U);
  EXPECT_EQ(unused.warnings[0],
            "KAFKA_SSL_CA is set but not used: KAFKA_SECURITY_PROTOCOL is PLAINTEXT");
  EXPECT_EQ(security_properties(unused.kafka), (Properties{{"security.protocol", "PLAINTEXT"}}));

  const auto not_locked = good(with(by_paths_, {{"KAFKA_SSL_KEY_PASSWORD", "x"}}));
  ASSERT_EQ(not_locked.warnings.size(), 1U);
  EXPECT_TRUE(has(not_locked.warnings[0], "KAFKA_SSL_KEY is not encrypted"));

  for (const std::string property :
       {"enable.ssl.certificate.verification=false", "enable.ssl.certificate.verification=0",
        "ssl.endpoint.identification.algorithm=none"}) {
    const auto unchecked = good(with(by_paths_, {{"KAFKA_PROPERTIES", property}}));
    ASSERT_EQ(unchecked.warnings.size(), 1U) << property;
    EXPECT_TRUE(has(unchecked.warnings[0], "may pretend to be one")) << unchecked.warnings[0];
    EXPECT_TRUE(has(unchecked.warnings[0], property)) << unchecked.warnings[0];
  }
}

TEST_F(KafkaTls, IsNotSaidTwice) {
  for (const std::string property :
       {"ssl.ca.location=/etc/ssl", "ssl.ca.pem=x", "ssl.certificate.pem=x", "ssl.key.pem=x"}) {
    const std::string errors = bad(with(by_paths_, {{"KAFKA_PROPERTIES", property}}));
    EXPECT_TRUE(has(errors, "KAFKA_PROPERTIES: 'ssl.")) << errors;
    EXPECT_TRUE(has(errors, "is not allowed beside KAFKA_SSL_")) << errors;
  }
  EXPECT_EQ(bad({{"KAFKA_SECURITY_PROTOCOL", "SSL"}, {"KAFKA_PROPERTIES", "ssl.ca.pem=x"}}), "");
}

const Env k_token{{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"},
                  {"KAFKA_SASL_MECHANISM", "OAUTHBEARER"},
                  {"KAFKA_SASL_OAUTH_TOKEN_URL", "https://login.example/token"},
                  {"KAFKA_SASL_OAUTH_CLIENT_ID", "client"},
                  {"KAFKA_SASL_OAUTH_CLIENT_SECRET", "hunter2"}};

TEST(KafkaTokens, AreAskedForByClientCredentials) {
  const Config config = good(with(k_token, {{"KAFKA_SASL_OAUTH_SCOPE", "api://x/.default b&c"}}));
  EXPECT_EQ(security_properties(config.kafka),
            (Properties{{"security.protocol", "SASL_SSL"},
                        {"sasl.mechanism", "OAUTHBEARER"},
                        {"sasl.oauthbearer.method", "oidc"},
                        {"sasl.oauthbearer.token.endpoint.url", "https://login.example/token"},
                        {"sasl.oauthbearer.client.id", "client"},
                        {"sasl.oauthbearer.client.secret", "hunter2"},
                        {"sasl.oauthbearer.scope", "api%3A%2F%2Fx%2F.default+b%26c"}}));
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_TRUE(has(described(config), "KAFKA_SASL_OAUTH_CLIENT_SECRET=***\n"));
  EXPECT_FALSE(has(described(config), "hunter2"));
}

TEST(KafkaTokens, NeedAllThatAsksForThem) {
  const Env mechanism{{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"},
                      {"KAFKA_SASL_MECHANISM", "OAUTHBEARER"}};
  const std::string errors = bad(mechanism);
  for (const std::string name : {"TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET"}) {
    EXPECT_TRUE(has(errors, "KAFKA_SASL_OAUTH_" + name + ": expected a value, since")) << errors;
  }
  EXPECT_EQ(bad(with(mechanism, {{"KAFKA_PROPERTIES", "sasl.oauthbearer.method=oidc"}})), "");
  EXPECT_TRUE(has(bad(with(mechanism, {{"KAFKA_PROPERTIES", "sasl.oauthbearer.method=oidc"},
                                       {"KAFKA_SASL_OAUTH_CLIENT_ID", "client"}})),
                  "KAFKA_SASL_OAUTH_TOKEN_URL: expected a value"));
  EXPECT_TRUE(has(bad(with(k_token, {{"KAFKA_PROPERTIES", "sasl.oauthbearer.method=default"}})),
                  "'sasl.oauthbearer.method' is not allowed beside KAFKA_SASL_OAUTH_TOKEN_URL"));
}

TEST(KafkaTokens, AreNotAskedForAnywhere) {
  const auto refused = [](const std::string& url) {
    return bad(with(k_token, {{"KAFKA_SASL_OAUTH_TOKEN_URL", url}}));
  };
  EXPECT_TRUE(has(refused("login.example/token"), "it is 'login.example/token'"));
  EXPECT_TRUE(has(refused("https://me:hunter2@login.example"), "its value is not shown"));
  const auto unencrypted = good(with(k_token, {{"KAFKA_SASL_OAUTH_TOKEN_URL", "http://login"}}));
  ASSERT_EQ(unencrypted.warnings.size(), 1U);
  EXPECT_TRUE(has(unencrypted.warnings[0], "KAFKA_SASL_OAUTH_CLIENT_SECRET goes over the network"));
  const auto unused = good(with(k_token, {{"KAFKA_SECURITY_PROTOCOL", "SSL"}}));
  EXPECT_EQ(unused.warnings.size(), 3U);
}

TEST(SecretsFromFiles, AreThoseOfTheVariable) {
  const std::string path = file_with("password", "from a file\n");
  const std::string secret = file_with("secret", "also");
  const std::string properties = file_with("properties", "client.id=x\n ssl.key.password = p=q;\n");
  const Env env{{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"},
                {"KAFKA_SASL_USERNAME", "me"},
                {"KAFKA_SASL_PASSWORD", ""},
                {"KAFKA_SASL_PASSWORD_FILE", path},
                {"AWS_ACCESS_KEY_ID", "key"},
                {"AWS_SECRET_ACCESS_KEY_FILE", secret},
                {"KAFKA_PROPERTIES_FILE", properties}};
  const Config config = good(env);
  EXPECT_EQ(config.kafka.sasl_password, "from a file");
  EXPECT_EQ(config.kafka.secret_files, (std::vector<SecretProperty>{
                                           {.property = "sasl.password", .path = path},
                                           {.property = "ssl.key.password",
                                            .path = properties,
                                            .holds = SecretProperty::Holds::kKafkaProperties},
                                       }));
  EXPECT_EQ(config.kafka.extra, (Properties{{"client.id", "x"}, {"ssl.key.password", "p=q"}}));
  EXPECT_EQ(option(config.store, "aws_secret_access_key"), "also");
  EXPECT_EQ(option(config.store, "aws_secret_access_key_file"), secret);
  EXPECT_EQ(option(config.store, "aws_access_key_id_file"), std::nullopt);
  EXPECT_EQ(config.sources.at("KAFKA_SASL_PASSWORD"), "KAFKA_SASL_PASSWORD_FILE");
  EXPECT_TRUE(has(described(config), "KAFKA_SASL_PASSWORD=***\n"));
}

TEST(SecretsFromFiles, AreRefusedWithoutAFileOrBesideTheVariable) {
  const std::string path = file_with("password", "hunter2");
  const Env env{{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"},
                {"KAFKA_SASL_USERNAME", "me"},
                {"KAFKA_SASL_PASSWORD", "x"},
                {"KAFKA_SASL_PASSWORD_FILE", path}};
  EXPECT_EQ(bad(env),
            "KAFKA_SASL_PASSWORD_FILE: expected to be unset, since KAFKA_SASL_PASSWORD is set; one"
            " of them only\n");
  // What somebody wrote there in place of a path.
  EXPECT_EQ(bad(with(env, {{"KAFKA_SASL_PASSWORD", ""}, {"KAFKA_SASL_PASSWORD_FILE", "hunter2"}})),
            "KAFKA_SASL_PASSWORD_FILE: expected the path of a file with the value of"
            " KAFKA_SASL_PASSWORD; that file cannot be read: No such file or directory\n");
  const std::string empty = bad(with(
      env, {{"KAFKA_SASL_PASSWORD", ""}, {"KAFKA_SASL_PASSWORD_FILE", file_with("empty", "\n")}}));
  EXPECT_TRUE(has(empty, "that file is empty")) << empty;
}

TEST(SecretsFromFiles, AreNotReadWhereTheirNameIsAnotherVariable) {
  const Env env{{"AWS_CONTAINER_AUTHORIZATION_TOKEN", "x"},
                {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file_with("token", "y")},
                {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/x"}};
  EXPECT_EQ(bad(env), "");
}

TEST(SecretsFromFiles, AreListedByHelp) {
  const std::string help = variables_help();
  const std::string list = help.substr(help.find("NAME_FILE, in place of NAME"));
  for (const std::string name :
       {"KAFKA_SASL_PASSWORD", "KAFKA_SSL_KEY", "KAFKA_SSL_KEY_PASSWORD", "KAFKA_PROPERTIES",
        "KAFKA_SASL_OAUTH_CLIENT_SECRET", "SCHEMA_REGISTRY_PASSWORD", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}) {
    EXPECT_TRUE(has(list, "\n      " + name + "\n")) << name;
  }
  EXPECT_FALSE(has(list, "KAFKA_TOPICS"));
}

}  // namespace
}  // namespace bronze::config
