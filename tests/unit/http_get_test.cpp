#include "commands/http_get.h"

#include <gtest/gtest.h>

namespace bronze::commands {
namespace {

TEST(HttpPlace, IsWhereTheServiceListens) {
  EXPECT_EQ(place_of({.host = "10.0.0.7", .port = 81}).url(), "http://10.0.0.7:81");
  for (const char* any : {"0.0.0.0", "::", ""}) {
    EXPECT_EQ(place_of({.host = any, .port = 8080}).url(), "http://127.0.0.1:8080");
  }
  EXPECT_EQ(place_of({.host = "::1", .port = 8080}).url(), "http://[::1]:8080");
}

struct UrlCase {
  const char* url;
  HttpPlace place;
};

class Urls : public testing::TestWithParam<UrlCase> {};

TEST_P(Urls, ArePlaces) {
  const auto at = place_at(GetParam().url);
  const auto* place = std::get_if<HttpPlace>(&at);
  ASSERT_NE(place, nullptr) << GetParam().url;
  EXPECT_EQ(place->host, GetParam().place.host);
  EXPECT_EQ(place->port, GetParam().place.port);
  EXPECT_EQ(place->prefix, GetParam().place.prefix);
}

INSTANTIATE_TEST_SUITE_P(
    HttpGet, Urls,
    testing::Values(UrlCase{"http://host", {.host = "host", .port = 80}},
                    UrlCase{"HTTP://host:8080/", {.host = "host", .port = 8080}},
                    UrlCase{"http://host/a:1/b//", {.host = "host", .prefix = "/a:1/b"}},
                    UrlCase{"http://[::1]", {.host = "::1", .port = 80}},
                    UrlCase{"http://[fe80::2]:81/x",
                            {.host = "fe80::2", .port = 81, .prefix = "/x"}}));

TEST(HttpPlace, OtherAddressesAreRefused) {
  for (const char* url :
       {"", "host", "host:80", "ftp://host", "http://", "http://:80", "http://host:0",
        "http://host:x", "http://host?x", "http://a b", "http://me:secret@host", "http://[::1"}) {
    const auto at = place_at(url);
    ASSERT_TRUE(std::holds_alternative<config::ConfigError>(at)) << url;
    EXPECT_EQ(std::get<config::ConfigError>(at).variable, "--url");
  }
  EXPECT_NE(std::get<config::ConfigError>(place_at("HTTPS://host")).message.find("https"),
            std::string::npos);
}

}  // namespace
}  // namespace bronze::commands
