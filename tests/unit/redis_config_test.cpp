#include "config/redis_config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "fakes/environment.h"

namespace bronze::config {
namespace {

using Encryption = RedisConfig::Encryption;
using fakes::Env;
using fakes::load;

RedisConfig redis(const std::string& url) {
  return std::get<Config>(load({{"REDIS_URL", url}})).redis;
}

/// `VARIABLE: message` of each error, a line each.
std::string errors(const Env& env) {
  std::string text;
  const auto result = load(env);
  if (const auto* found = std::get_if<std::vector<ConfigError>>(&result)) {
    for (const auto& [variable, message] : *found) text += variable + ": " + message + "\n";
  }
  return text;
}

bool warns_of(const Env& env, const std::string& what) {
  const auto config = std::get<Config>(load(env));
  return std::ranges::any_of(config.warnings, [&](const std::string& warning) {
    return warning.find(what) != std::string::npos;
  });
}

TEST(RedisConfigTest, IsOffByDefault) {
  const auto config = std::get<Config>(load({}));
  EXPECT_FALSE(config.redis.is_given());
  EXPECT_FALSE(std::get<Config>(load({{"REDIS_URL", ""}})).redis.is_given());
  for (const auto& setting : effective_settings(config)) {
    EXPECT_FALSE(setting.variable.starts_with("REDIS"));
  }
}

TEST(RedisConfigTest, ReadsTheFileAgain) {
  const std::string path = testing::TempDir() + "redis_url";
  const auto write = [&](const std::string& text) { std::ofstream(path) << text; };
  write("redis://:first@host\n");
  const auto config = std::get<Config>(load({{"REDIS_URL_FILE", path}, {"REDIS_CA", ""}})).redis;
  EXPECT_EQ(config.password, "first");
  write("redis://:second@host:7000\n");
  EXPECT_EQ(redis_now(config).password, "second");
  EXPECT_EQ(redis_now(config).port, 7000);
  EXPECT_EQ(redis_now(redis("redis://:first@host")).password, "first");
  const auto why = [&] {
    try {
      return redis_now(config).password;
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
  };
  write("");
  EXPECT_EQ(why(), "REDIS_URL_FILE: " + path + " is empty");
  write("redis://:hunter2@host:port");
  EXPECT_TRUE(why().starts_with(path + ": expected a port from 1 to 65535")) << why();
  EXPECT_EQ(why().find("hunter2"), std::string::npos);
}

TEST(RedisConfigTest, ReadsAnAddress) {
  const auto plain = redis("redis://cache.example");
  EXPECT_TRUE(plain.is_given());
  EXPECT_EQ(plain.host, "cache.example");
  EXPECT_EQ(plain.port, 6379);
  EXPECT_EQ(plain.encryption, Encryption::kNone);
  EXPECT_EQ(plain.password, "");
  EXPECT_EQ(plain.database, 0U);
  EXPECT_EQ(redis_text(plain), "redis://cache.example:6379/0");

  const auto all = redis("REDISS://bronze:p%40ss%2Fw%3Ard:@cache:6380/12");
  EXPECT_EQ(all.host, "cache");
  EXPECT_EQ(all.port, 6380);
  EXPECT_EQ(all.encryption, Encryption::kTls);
  EXPECT_EQ(all.username, "bronze");
  EXPECT_EQ(all.password, "p@ss/w:rd:");
  EXPECT_EQ(all.database, 12U);
  EXPECT_EQ(redis_text(all), "rediss://bronze:***@cache:6380/12");

  EXPECT_EQ(redis("redis://:a@b/c@host/").password, "a@b/c");
  EXPECT_EQ(redis("redis://:a@b/c@host/").username, "");
  EXPECT_EQ(redis("redis://[::1]").host, "::1");
  EXPECT_EQ(redis_text(redis("redis://:x@[fe80::1]:7/3")), "redis://:***@[fe80::1]:7/3");
}

TEST(RedisConfigTest, ReadsASocket) {
  const auto plain = redis("unix:///run/redis/redis.sock");
  EXPECT_TRUE(plain.is_given());
  EXPECT_EQ(plain.socket, "/run/redis/redis.sock");
  EXPECT_EQ(plain.host, "");
  EXPECT_EQ(redis_text(plain), "unix:///run/redis/redis.sock?db=0");

  const auto all = redis("unix://me:secret@/run/a%20b.sock?db=3");
  EXPECT_EQ(all.socket, "/run/a b.sock");
  EXPECT_EQ(all.username, "me");
  EXPECT_EQ(all.password, "secret");
  EXPECT_EQ(all.database, 3U);
  EXPECT_EQ(redis_text(all), "unix://me:***@/run/a b.sock?db=3");
}

TEST(RedisConfigTest, RefusesWhatIsNoUrlWithoutShowingIt) {
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"hunter2", "redis://, rediss:// or unix:// at its beginning"},
      {"http://hunter2", "redis://, rediss:// or unix:// at its beginning"},
      {"redis://", "a host"},
      {"redis:///1", "a host"},
      {"redis://:6379", "a host"},
      {"redis://hunter2/x", "the number of a database"},
      {"redis://hunter2/-1", "the number of a database"},
      {"redis://hunter2/1/2", "the number of a database"},
      {"redis://hunter2?db=1", "a host"},
      {"redis://hunter2:0", "a port from 1 to 65535"},
      {"redis://hunter2:65536", "a port from 1 to 65535"},
      {"redis://hunter2:", "a port from 1 to 65535"},
      {"redis://[::1", "a closing bracket behind the address"},
      {"redis://[::1]hunter2", "a host"},
      {"redis://hunter2@host", "user:password or :password before the @"},
      {"redis://hunter2:@host", "user:password or :password before the @"},
      {"redis://me:%4@host", "two hexadecimal digits behind each percent sign"},
      {"redis://me:hunter2%@host", "two hexadecimal digits behind each percent sign"},
      {"redis://me:hunter2%zz@host", "two hexadecimal digits behind each percent sign"},
      {"redis://me:hunter 2@host", "no spaces, and other characters than those of ASCII as %XX"},
      {"redis://host/1\n", "no spaces, and other characters than those of ASCII as %XX"},
      {"unix://hunter2", "an absolute path"},
      {"unix://", "an absolute path"},
      {"unix:///", "an absolute path"},
      {"unix:///hunter2?database=1", "nothing but db=N behind the question mark"},
      {"unix:///hunter2?db=", "the number of a database"}};
  for (const auto& [url, expected] : refused) {
    EXPECT_EQ(errors({{"REDIS_URL", url}}),
              "REDIS_URL: expected " + expected +
                  ", as in redis://[[user]:password@]host[:port][/db], rediss://... or"
                  " unix:///path[?db=N]; its value is not shown\n")
        << url;
  }
}

TEST(RedisConfigTest, CertificatesAreForTlsAlone) {
  const std::string some_file = "/proc/self/status";
  EXPECT_EQ(errors({{"REDIS_CA", some_file}}),
            "REDIS_URL: expected together with REDIS_CA; it is not set\n");
  EXPECT_EQ(errors({{"REDIS_URL", "redis://a"}, {"REDIS_CA", some_file}}),
            "REDIS_CA: expected to be unset, since REDIS_URL uses no certificates; it is "
            "'/proc/self/status'\n");
  EXPECT_EQ(errors({{"REDIS_URL", "rediss://a"}, {"REDIS_CA", "/does/not/exist"}}),
            "REDIS_CA: expected a readable file with certificates (PEM); it is "
            "'/does/not/exist'\n");
  const auto config =
      std::get<Config>(load({{"REDIS_URL", "rediss://a"}, {"REDIS_CA", some_file}}));
  EXPECT_EQ(config.redis.ca_file, some_file);
}

TEST(RedisConfigTest, WarnsOfAPasswordThatOthersCanRead) {
  const std::string warning = "the password of REDIS_URL goes over the network unencrypted";
  EXPECT_TRUE(warns_of({{"REDIS_URL", "redis://:hunter2@a"}}, warning));
  EXPECT_FALSE(warns_of({{"REDIS_URL", "redis://:hunter2@a"}}, "hunter2"));
  EXPECT_FALSE(warns_of({{"REDIS_URL", "redis://a"}}, warning));
  EXPECT_FALSE(warns_of({{"REDIS_URL", "rediss://:hunter2@a"}}, warning));
  EXPECT_FALSE(warns_of({{"REDIS_URL", "unix://:hunter2@/a"}}, warning));
}

}  // namespace
}  // namespace bronze::config
