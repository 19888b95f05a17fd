#include "schema/registry.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "fakes/schema_server.h"

namespace bronze::schema {
namespace {

using decode::FetchStatus;
using decode::NeedsSchema;
using decode::RecordError;
using Answers = std::map<std::string, std::string>;

/// `ACCEPTED`, `NEEDS 7`, or type and message.
std::string told(const decode::Verdict& verdict) {
  if (const auto* needs = std::get_if<NeedsSchema>(&verdict)) {
    return "NEEDS " + std::to_string(needs->id);
  }
  if (const auto* error = std::get_if<RecordError>(&verdict)) {
    return error->type + ": " + error->message;
  }
  return "ACCEPTED";
}

decode::FetchOutcome fetch(decode::Validator& validator, std::int32_t id) {
  return validator.fetch({&id, 1}).front();
}

RegistrySettings settings(const SchemaServer& server) {
  return {.urls = {server.url()},
          .username = {},
          .password = {},
          .ca_file = {},
          .connect_timeout = std::chrono::seconds(5),
          .request_timeout = std::chrono::seconds(5)};
}

TEST(RegistryTest, AsksForASchemaOnceAndForAllTopics) {
  const SchemaServer server(Answers{{"/schemas/ids/7", R"({"schema":"\"int\""})"}});
  const Registry registry(settings(server));
  const auto first = registry.validator();
  const auto second = registry.validator();
  const std::string value("\x00\x00\x00\x00\x07\x02", 6);
  EXPECT_EQ(told(first->check(value)), "NEEDS 7");
  EXPECT_EQ(fetch(*first, 7).status, FetchStatus::kFetched);
  EXPECT_EQ(told(first->check(value)), "ACCEPTED");
  EXPECT_EQ(told(second->check(value)), "ACCEPTED");
  EXPECT_EQ(server.requests(), 1);
  EXPECT_EQ(told(second->check(value + "x")),
            "SCHEMA_VALIDATION_ERROR: the value goes on for 1 bytes after its end by the schema at "
            "byte 6 (schema 7)");
}

TEST(RegistryTest, AnUnknownIdIsABadValue) {
  const SchemaServer server(Answers{});
  const Registry registry(settings(server));
  const auto validator = registry.validator();
  EXPECT_EQ(fetch(*validator, 8).status, FetchStatus::kFetched);
  EXPECT_EQ(told(validator->check(std::string("\x00\x00\x00\x00\x08", 5))),
            "SCHEMA_VALIDATION_ERROR: the schema registry does not know the schema id 8 (not "
            "found)");
  EXPECT_EQ(server.requests(), 1);
}

TEST(RegistryTest, JsonIsCheckedAgainstItsSchemaAndWhatThatRefersTo) {
  const SchemaServer server(Answers{
      {"/schemas/ids/9",
       R"({"schemaType":"JSON","schema":"{\"properties\":{\"id\":{\"$ref\":\"id.json\"}}}",)"
       R"("references":[{"name":"id.json","subject":"ids","version":2}]})"},
      {"/subjects/ids/versions/2?deleted=true",
       R"({"schemaType":"JSON","schema":"{\"type\":\"string\",\"format\":\"date\"}"})"}});
  const std::string frame("\x00\x00\x00\x00\x09", 5);
  auto strict = settings(server);
  strict.formats = FormatChecks::kCheck;
  for (const auto& [with, of_text] :
       {std::pair(settings(server), std::string("ACCEPTED")),
        std::pair(strict, std::string("SCHEMA_VALIDATION_ERROR: /id: \"x\" is not a \"date\" "
                                      "(id.json#/format) (schema 9)"))}) {
    const Registry registry(with);
    const auto validator = registry.validator();
    EXPECT_EQ(fetch(*validator, 9).status, FetchStatus::kFetched);
    EXPECT_EQ(told(validator->check(frame + R"({"id":"x"})")), of_text);
    EXPECT_EQ(told(validator->check(frame + R"({"id":1})")),
              "SCHEMA_VALIDATION_ERROR: /id: 1 is not of type \"string\" (id.json#/type) (schema "
              "9)");
    EXPECT_EQ(told(validator->check(frame + "{\"id\":")),
              "JSON_PARSE_ERROR: the value cannot be read as JSON at byte 11: EOF while parsing a "
              "value (schema 9)");
    EXPECT_EQ(told(validator->check(frame + "{\n \"a\": 1e400}")),
              "SCHEMA_VALIDATION_ERROR: the value cannot be read as JSON at byte 13: number out of "
              "range (schema 9)");
    EXPECT_TRUE(told(validator->check(frame + "\"\xff\"")).starts_with("ENCODING_ERROR: "));
  }
}

TEST(RegistryTest, APasswordThatChangesInItsFileIsUsedForTheNextQuestion) {
  const SchemaServer server(Answers{});
  const auto file =
      std::filesystem::temp_directory_path() / ("bronze-password-" + std::to_string(::getpid()));
  const auto write = [&](const std::string& text) { std::ofstream(file) << text; };
  auto with_login = settings(server);
  with_login.username = "me";
  with_login.password = "one";
  with_login.password_file = file.string();
  const Registry registry(with_login);
  const auto validator = registry.validator();
  const auto sent = [&](const std::string& basic) {
    (void)fetch(*validator, 7);
    return server.last().find("Basic " + basic + "\r\n") != std::string::npos;
  };
  write("one\n");
  EXPECT_TRUE(sent("bWU6b25l")) << server.last();
  write("two\n");
  EXPECT_TRUE(sent("bWU6dHdv")) << server.last();
  write("");
  EXPECT_TRUE(sent("bWU6dHdv")) << server.last();
  std::filesystem::remove(file);
}

TEST(RegistryTest, ASettingThatCannotBeUsedIsToldAtOnce) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("bronze-no-ca-" + std::to_string(::getpid()) + ".pem");
  std::ofstream(file) << "no certificate";
  RegistrySettings broken{.urls = {"https://127.0.0.1:1"},
                          .username = {},
                          .password = {},
                          .ca_file = file.string(),
                          .connect_timeout = std::chrono::seconds(1),
                          .request_timeout = std::chrono::seconds(1)};
  std::string why;
  try {
    const Registry registry(broken);
  } catch (const std::exception& error) {
    why = error.what();
  }
  EXPECT_EQ(why, file.string() + ": no certificate in it (expected PEM)");
  std::filesystem::remove(file);
}

TEST(RegistryTest, ARegistryThatIsDownIsAskedAgain) {
  auto down = settings(SchemaServer(Answers{}));
  const Registry registry(down);
  const auto validator = registry.validator();
  const auto outcome = fetch(*validator, 8);
  EXPECT_EQ(outcome.status, FetchStatus::kUnavailable);
  EXPECT_NE(outcome.message.find(down.urls.front()), std::string::npos) << outcome.message;
  EXPECT_EQ(told(validator->check(std::string("\x00\x00\x00\x00\x08", 5))), "NEEDS 8");
}

TEST(RegistryTest, FetchesBesideChecks) {
  const SchemaServer server(Answers{{"/schemas/ids/1", R"({"schema":"\"int\""})"}});
  const Registry registry(settings(server));
  const auto validator = registry.validator();
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 4; ++i) {
      workers.emplace_back([&] {
        for (int turn = 0; turn < 10; ++turn) {
          if (fetch(*validator, turn % 2 + 1).status != FetchStatus::kFetched) ++failures;
        }
      });
    }
    const std::string value("\x00\x00\x00\x00\x01\x02", 6);
    for (int i = 0; i < 10'000; ++i) {
      if (std::holds_alternative<RecordError>(validator->check(value))) ++failures;
    }
  }
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace bronze::schema
