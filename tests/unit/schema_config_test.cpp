#include "config/schema_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "fakes/environment.h"

namespace bronze::config {
namespace {

using fakes::Env;
using fakes::load;

Config good(const Env& env) { return std::get<Config>(load(env)); }

/// `VARIABLE: message` of each error, a line each.
std::string errors(const Env& env) {
  std::string text;
  const auto result = load(env);
  if (const auto* found = std::get_if<std::vector<ConfigError>>(&result)) {
    for (const auto& [variable, message] : *found) text += variable + ": " + message + "\n";
  }
  return text;
}

TEST(SchemaConfigTest, ByDefaultTextAndNoRegistry) {
  const Config config = good({});
  EXPECT_EQ(config.raw_value, RawValue::kString);
  EXPECT_TRUE(config.registry.urls.empty());
  EXPECT_TRUE(config.protobuf_messages.empty());
}

TEST(SchemaConfigTest, RawValueIsOneOfThree) {
  EXPECT_EQ(good({{"RAW_VALUE", "binary"}}).raw_value, RawValue::kBinary);
  EXPECT_EQ(good({{"RAW_VALUE", "Base64"}}).raw_value, RawValue::kBase64);
  EXPECT_EQ(errors({{"RAW_VALUE", "hex"}}),
            "RAW_VALUE: expected one of string, binary, base64; it is 'hex'\n");
}

TEST(SchemaConfigTest, TheLoginMayComeFromFiles) {
  const std::string path = testing::TempDir() + "registry_password";
  std::ofstream(path) << "verysecret\n";
  const Config config = good({{"SCHEMA_REGISTRY_URL", "https://a"},
                              {"SCHEMA_REGISTRY_USERNAME", "u"},
                              {"SCHEMA_REGISTRY_PASSWORD_FILE", path}});
  EXPECT_EQ(config.registry.password, "verysecret");
  EXPECT_EQ(config.registry.password_file, path);
  EXPECT_EQ(config.registry.username_file, "");
}

TEST(SchemaConfigTest, RegistriesAreTriedInOrder) {
  const Config config = good({{"SCHEMA_REGISTRY_URL", "https://a:8081/api , http://b"},
                              {"SCHEMA_REGISTRY_USERNAME", "u"},
                              {"SCHEMA_REGISTRY_PASSWORD", "verysecret"}});
  EXPECT_EQ(config.registry.urls, (std::vector<std::string>{"https://a:8081/api", "http://b"}));
  EXPECT_EQ(config.registry.username, "u");
  EXPECT_EQ(config.registry.password, "verysecret");
  EXPECT_TRUE(std::ranges::any_of(config.warnings, [](const std::string& warning) {
    return warning.find("unencrypted") != std::string::npos;
  }));
  for (const auto& line : describe(config)) {
    EXPECT_EQ(line.find("verysecret"), std::string::npos) << line;
  }
}

bool warns(const Env& env, const std::string& text) {
  return std::ranges::any_of(good(env).warnings, [&](const std::string& warning) {
    return warning.find(text) != std::string::npos;
  });
}

TEST(SchemaConfigTest, ARegistryThatNobodyAsksIsAWarning) {
  const std::string told = "SCHEMA_REGISTRY_URL has no effect without DLQ_VALIDATE_SCHEMA=true";
  EXPECT_TRUE(warns({{"SCHEMA_REGISTRY_URL", "http://a"}}, told));
  EXPECT_TRUE(warns({{"SCHEMA_REGISTRY_URL", "http://a"}, {"DLQ_VALIDATE_JSON", "true"}}, told));
  EXPECT_FALSE(warns({{"SCHEMA_REGISTRY_URL", "http://a"}, {"DLQ_VALIDATE_SCHEMA", "true"}}, told));
  EXPECT_FALSE(warns({{"DLQ_VALIDATE_SCHEMA", "true"}}, told));
}

TEST(SchemaConfigTest, TextForValuesThatNameTheirSchemaIsAWarning) {
  Env env = {{"SCHEMA_REGISTRY_URL", "http://a"}, {"DLQ_VALIDATE_SCHEMA", "true"}};
  EXPECT_TRUE(warns(env, "RAW_VALUE=string with SCHEMA_REGISTRY_URL"));
  env["RAW_VALUE"] = "binary";
  EXPECT_FALSE(warns(env, "RAW_VALUE"));
}

TEST(SchemaConfigTest, WithARegistryTheDefaultFolderNeedNotBeThere) {
  Env env = {{"DLQ_VALIDATE_SCHEMA", "true"}};
  EXPECT_EQ(good(env).dead_letters.schema_dir, "/app/schemas");
  env["SCHEMA_REGISTRY_URL"] = "http://a";
  if (!std::filesystem::exists("/app/schemas")) {
    EXPECT_EQ(good(env).dead_letters.schema_dir, "");
  }
  env["DLQ_SCHEMA_DIR"] = "/absent";
  EXPECT_EQ(good(env).dead_letters.schema_dir, "/absent");
}

TEST(SchemaConfigTest, AllThatIsWrongIsToldAtOnce) {
  EXPECT_EQ(errors({{"SCHEMA_REGISTRY_URL", "a:8081"},
                    {"SCHEMA_REGISTRY_PASSWORD", "verysecret"},
                    {"SCHEMA_REGISTRY_CA", "/absent"},
                    {"PROTOBUF_MESSAGES", "t=p.M,u,t=p.N"}}),
            "SCHEMA_REGISTRY_URL: expected http(s)://host[:port][/path], several by commas; it is"
            " 'a:8081'\n"
            "SCHEMA_REGISTRY_USERNAME: expected together with SCHEMA_REGISTRY_PASSWORD; it is not"
            " set\n"
            "SCHEMA_REGISTRY_CA: expected a readable file with certificates (PEM); it is"
            " '/absent'\n"
            "PROTOBUF_MESSAGES: expected topic=package.Message, several by commas; an entry is"
            " 'u'\n"
            "PROTOBUF_MESSAGES: expected each topic once; 't' is there twice\n");
}

TEST(SchemaConfigTest, APasswordInTheUrlIsNeverTold) {
  const std::string told = errors({{"SCHEMA_REGISTRY_URL", "http://u:verysecret@a"}});
  EXPECT_NE(told.find("without a query, user or password"), std::string::npos) << told;
  EXPECT_EQ(told.find("verysecret"), std::string::npos) << told;
}

TEST(SchemaConfigTest, CertificatesNeedTls) {
  const auto file =
      std::filesystem::temp_directory_path() / ("bronze-ca-" + std::to_string(::getpid()) + ".pem");
  std::ofstream(file) << "x";
  const std::string path = file.string();
  EXPECT_EQ(errors({{"SCHEMA_REGISTRY_URL", "https://a"}, {"SCHEMA_REGISTRY_CA", path}}), "");
  EXPECT_NE(errors({{"SCHEMA_REGISTRY_URL", "http://a"}, {"SCHEMA_REGISTRY_CA", path}}), "");
  EXPECT_NE(errors({{"SCHEMA_REGISTRY_CA", path}}).find("SCHEMA_REGISTRY_URL: expected together"),
            std::string::npos);
  std::filesystem::remove(file);
}

TEST(SchemaConfigTest, MessagesAreByTopic) {
  const Config config = good({{"PROTOBUF_MESSAGES", "a-b.c=p.q.M, d=N"}});
  EXPECT_EQ(config.protobuf_messages.at("a-b.c"), "p.q.M");
  EXPECT_EQ(protobuf_messages_text(config), "a-b.c=p.q.M,d=N");
}

}  // namespace
}  // namespace bronze::config
