#include "schema/validators.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace bronze::schema {
namespace {

namespace fs = std::filesystem;

class SchemaValidators : public testing::Test {
 protected:
  SchemaValidators()
      : folder_(fs::temp_directory_path() /
                ("bronze-schemas-" + std::to_string(::getpid()) + "-" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(folder_);
  }
  ~SchemaValidators() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  [[nodiscard]] Settings settings(FormatChecks formats = FormatChecks::kIgnore) const {
    return {.folder = folder_, .formats = formats, .protobuf_messages = {}};
  }

  [[nodiscard]] static TopicSchema schema(const std::string& topic, const Settings& settings) {
    auto found = find_schema(topic, settings);
    if (auto* faults = std::get_if<std::vector<SchemaFault>>(&found)) {
      for (const auto& fault : *faults) ADD_FAILURE() << fault.text();
    }
    auto* schema = std::get_if<TopicSchema>(&found);
    return schema != nullptr ? std::move(*schema) : TopicSchema{};
  }

  /// nullptr = the topic has no schema.
  [[nodiscard]] std::unique_ptr<decode::Validator> validator(
      const std::string& topic, FormatChecks formats = FormatChecks::kIgnore) const {
    return schema(topic, settings(formats)).validator;
  }

  /// Of the topic alone.
  [[nodiscard]] std::vector<std::string> faults(const std::string& topic) const {
    std::vector<std::string> texts;
    auto found = find_schema(topic, settings());
    if (auto* told = std::get_if<std::vector<SchemaFault>>(&found)) {
      for (const auto& fault : *told) texts.push_back(fault.text());
    }
    return texts;
  }

  [[nodiscard]] std::vector<std::string> all_faults(const std::vector<std::string>& topics) const {
    std::vector<std::string> texts;
    for (const auto& fault : schema_faults(topics, settings())) texts.push_back(fault.text());
    return texts;
  }

  const fs::path folder_;
};

/// What is wrong with the value; empty = nothing.
std::string verdict(decode::Validator& validator, const std::string& value) {
  const auto verdict = validator.check(value);
  if (std::holds_alternative<decode::Accepted>(verdict)) return "";
  const auto& error = std::get<decode::RecordError>(verdict);
  EXPECT_EQ(error.type, "SCHEMA_VALIDATION_ERROR");
  return error.message;
}

TEST_F(SchemaValidators, ATopicWithoutAFileHasNoSchema) {
  write("other.json", "{");
  EXPECT_EQ(validator("trips"), nullptr);
  EXPECT_EQ(all_faults({"trips"}), std::vector<std::string>{});
}

TEST_F(SchemaValidators, AFileOfTheTopicsNameIsItsSchema) {
  write("driver-status.v2.json", R"({"properties": {"n": {"type": "integer"}}})");
  const auto made = validator("driver-status.v2");
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(verdict(*made, R"({"n": 1})"), "");
  EXPECT_EQ(verdict(*made, R"({"n": "one"})"),
            R"(/n: "one" is not of type "integer" (driver-status.v2.json#/properties/n/type))");
  const std::int32_t nothing = 1;
  EXPECT_EQ(made->fetch({&nothing, 1}).front().status, decode::FetchStatus::kFetched);
}

TEST_F(SchemaValidators, TheOriginalsTopicsHaveTheOriginalsFiles) {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"gps_pings", "gps_ping"},
      {"trips", "trip"},
      {"driver_status", "driver_status"},
      {"surge_updates", "surge_update"},
      {"ratings", "rating"},
      {"payments", "payment"},
      {"driver_profiles", "driver_profile"},
      {"rider_profiles", "rider_profile"}};
  for (const auto& [topic, name] : names) {
    EXPECT_EQ(validator(topic), nullptr) << topic;
    write(name + "_event.json", "false");
    const auto made = validator(topic);
    ASSERT_NE(made, nullptr) << topic;
    EXPECT_NE(verdict(*made, "1"), "") << topic;
  }
  EXPECT_EQ(validator("trip"), nullptr);
}

TEST_F(SchemaValidators, TwoFilesForATopicAreAFault) {
  write("trips.json", "true");
  write("trip_event.json", "true");
  EXPECT_EQ(faults("trips"),
            std::vector<std::string>{"trip_event.json: and trips.json are both schemas of the "
                                     "topic trips; remove one"});
}

TEST_F(SchemaValidators, AllFaultsAreToldAtOnceAndEachOnce) {
  write("a.json", "{\n  \"type\": object\n}");
  write("b.json", R"({"properties": {"x": {"type": "text"}, "y": {"required": true}}})");
  write("c.json", R"({"$ref": "shared.json"})");
  write("d.json", R"({"items": {"$ref": "shared.json#"}})");
  write("shared.json", "[");
  write("good.json", "{}");
  const auto told = all_faults({"a", "b", "c", "d", "good", "none"});
  ASSERT_EQ(told.size(), 4U) << testing::PrintToString(told);
  EXPECT_EQ(told[0], "a.json:2:11: not JSON: expected value");
  EXPECT_TRUE(told[1].starts_with("b.json#/properties/x/type: \"text\" is not ")) << told[1];
  EXPECT_TRUE(told[2].starts_with("b.json#/properties/y/required: true is not ")) << told[2];
  EXPECT_TRUE(told[3].starts_with("shared.json:1:1: not JSON: ")) << told[3];
  EXPECT_TRUE(faults("good").empty());
}

TEST_F(SchemaValidators, AFolderThatIsNotThereIsAFaultEvenWithoutTopics) {
  fs::remove_all(folder_);
  const std::vector<std::string> expected = {folder_.string() +
                                             ": cannot be read: No such file or directory"};
  EXPECT_EQ(all_faults({}), expected);
  EXPECT_EQ(all_faults({"a", "b"}), expected);
  std::ofstream(folder_.string()) << "a file";
  EXPECT_EQ(all_faults({"a"}),
            std::vector<std::string>{folder_.string() + ": cannot be read: Not a directory"});
}

TEST_F(SchemaValidators, WhatIsNoReadableFileIsAFault) {
  fs::create_directory(folder_ / "a.json");
  EXPECT_EQ(faults("a"), std::vector<std::string>{"a.json: is a directory"});
  fs::create_symlink("nowhere", folder_ / "b.json");
  ASSERT_EQ(all_faults({}).size(), 1U);
  EXPECT_TRUE(all_faults({})[0].starts_with("b.json: cannot be read: No such file"));
}

TEST_F(SchemaValidators, ASchemaOfAnyLengthIsRefused) {
  write("a.json", std::string(5'000'000, ' ') + "{}");
  ASSERT_EQ(faults("a").size(), 1U);
  EXPECT_TRUE(faults("a")[0].starts_with("a.json: 5000002 bytes are too many for a schema"));
}

TEST_F(SchemaValidators, FormatsAreCheckedWhenAskedFor) {
  write("a.json", R"({"format": "uuid"})");
  EXPECT_EQ(verdict(*validator("a"), R"("x")"), "");
  EXPECT_EQ(verdict(*validator("a", FormatChecks::kCheck), R"("x")"),
            R"(the value: "x" is not a "uuid" (a.json#/format))");
}

TEST_F(SchemaValidators, AValueOfAnyBytesIsJudged) {
  write("a.json", "true");
  const auto made = validator("a");
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(verdict(*made, std::string(1'024, '[') + std::string(1'024, ']')), "");
  const auto type = [&](const std::string& value) {
    return std::get<decode::RecordError>(made->check(value)).type;
  };
  EXPECT_EQ(type(std::string(1'000'000, '[')), "JSON_PARSE_ERROR");
  EXPECT_EQ(type(""), "JSON_PARSE_ERROR");
  EXPECT_EQ(type("\xff\xfe"), "ENCODING_ERROR");
  EXPECT_EQ(type(std::string("\0", 1)), "JSON_PARSE_ERROR");
}

TEST_F(SchemaValidators, TheEndOfTheNameTellsTheLanguage) {
  write("a.avsc", R"("int")");
  write("p.proto", "syntax = \"proto3\"; message A { int32 n = 1; }");
  fs::copy_file(fs::path(BRONZE_SOURCE_DIR) / "tests/fixtures/schemas/rides.desc",
                folder_ / "d.desc");
  fs::copy_file(folder_ / "d.desc", folder_ / "b.binpb");
  write("j.json", "{}");
  for (const std::string topic : {"a", "p", "d", "b", "j"}) {
    const auto found = schema(topic, settings());
    ASSERT_NE(found.validator, nullptr) << topic;
    EXPECT_EQ(found.payload, topic == "j" ? Payload::kJson : Payload::kBinary) << topic;
  }
  EXPECT_EQ(verdict(*validator("a"), "\x02"), "");
  EXPECT_NE(verdict(*validator("a"), "\x02\x02"), "");
}

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

TEST_F(SchemaValidators, TakeWhatOtherEncodersWrote) {
  const fs::path fixtures = fs::path(BRONZE_SOURCE_DIR) / "tests/fixtures";
  std::ifstream file(fixtures / "payloads.json");
  const auto payloads = nlohmann::json::parse(file);
  fs::copy(fixtures / "schemas", folder_, fs::copy_options::recursive);
  // A topic has one of them.
  fs::rename(folder_ / "rides.proto", folder_ / "rides2.proto");
  fs::remove(folder_ / "rides.desc");
  for (const auto& [topic, name] :
       {std::pair("rides", "rides.avsc"), std::pair("rides2", "rides.proto"),
        std::pair("legacy", "legacy.proto")}) {
    const auto made = validator(topic);
    ASSERT_NE(made, nullptr) << topic;
    for (const auto& payload : payloads[name]) EXPECT_EQ(verdict(*made, from_hex(payload)), "");
    EXPECT_NE(verdict(*made, "\xff"), "") << name;
  }
}

TEST_F(SchemaValidators, ATopicsProtobufMessageMayBeNamed) {
  write("t.proto",
        "syntax = \"proto3\"; package p; message A { int32 n = 1; } "
        "message B { string s = 1; }");
  Settings with_message = settings();
  EXPECT_NE(verdict(*schema("t", with_message).validator, "\x0a\x01x"), "");
  with_message.protobuf_messages["t"] = "p.B";
  EXPECT_EQ(verdict(*schema("t", with_message).validator, "\x0a\x01x"), "");
  with_message.protobuf_messages["t"] = "p.C";
  const auto told = schema_faults(std::vector<std::string>{"t"}, with_message);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].text().starts_with("t.proto: it has no message p.C")) << told[0].text();
}

TEST_F(SchemaValidators, BrokenAvroAndProtobufAreToldWithTheirPlaces) {
  write("a.avsc", "{\n  \"type\": \"record\",\n}");
  write("p.proto", "syntax = \"proto3\";\nmessage M { int32 }");
  write("d.desc", "no descriptors");
  write("t.proto", "");
  write("t.avsc", "");
  const auto told = all_faults({"a", "p", "d", "t"});
  ASSERT_EQ(told.size(), 4U) << testing::PrintToString(told);
  EXPECT_EQ(told[0], "a.avsc:3:1: not JSON: key must be a string");
  EXPECT_TRUE(told[1].starts_with("d.desc: not a descriptor set: ")) << told[1];
  EXPECT_TRUE(told[2].starts_with("p.proto:2:19: expected ")) << told[2];
  EXPECT_EQ(told[3], "t.proto: and t.avsc are both schemas of the topic t; remove one");
}

TEST_F(SchemaValidators, WithoutAFolderNoTopicHasASchema) {
  Settings nowhere = settings();
  nowhere.folder.clear();
  EXPECT_TRUE(std::holds_alternative<NoSchema>(find_schema("a", nowhere)));
  EXPECT_TRUE(schema_faults(std::vector<std::string>{"a"}, nowhere).empty());
}

}  // namespace
}  // namespace bronze::schema
