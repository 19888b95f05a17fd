// What becomes of values under the schemas of the service, without the service.
//
//   schema_probe registry URL [USERNAME PASSWORD [CA]]
//   schema_probe FILE [MESSAGE]
//
// Standard input: a value a line, in hexadecimal. Standard output: a JSON object a line.

#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "schema/file_validators.h"
#include "schema/registry.h"

namespace {

using namespace bronze;

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

nlohmann::json judge(decode::Validator& validator, const std::string& value) {
  decode::Verdict verdict = validator.check(value);
  if (const auto* needs = std::get_if<decode::NeedsSchema>(&verdict)) {
    const auto outcome = validator.fetch({&needs->id, 1}).front();
    if (outcome.status == decode::FetchStatus::kUnavailable) {
      return {{"verdict", "UNAVAILABLE"}, {"message", outcome.message}};
    }
    verdict = validator.check(value);
    if (std::holds_alternative<decode::NeedsSchema>(verdict)) return {{"verdict", "ASKS AGAIN"}};
  }
  if (const auto* error = std::get_if<decode::RecordError>(&verdict)) {
    return {{"verdict", error->type}, {"message", error->message}};
  }
  return {{"verdict", "ACCEPTED"}, {"message", ""}};
}

std::unique_ptr<decode::Validator> validator_of(const std::string& file,
                                                const std::string& message) {
  auto made = file.ends_with(".avsc") ? schema::make_avro_validator(file)
                                      : schema::make_protobuf_validator(file, message);
  if (const auto* faults = std::get_if<std::vector<schema::SchemaFault>>(&made)) {
    throw std::runtime_error(faults->front().text());
  }
  return std::get<std::unique_ptr<decode::Validator>>(std::move(made));
}

int run(const std::vector<std::string>& words) {
  using std::chrono::seconds;
  const auto word = [&](std::size_t i) { return i < words.size() ? words[i] : std::string(); };
  std::unique_ptr<schema::Registry> registry;
  std::unique_ptr<decode::Validator> validator;
  if (word(0) == "registry") {
    registry =
        std::make_unique<schema::Registry>(schema::RegistrySettings{.urls = {word(1)},
                                                                    .username = word(2),
                                                                    .password = word(3),
                                                                    .ca_file = word(4),
                                                                    .connect_timeout = seconds(2),
                                                                    .request_timeout = seconds(5)});
    validator = registry->validator();
  } else {
    validator = validator_of(word(0), word(1));
  }
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << judge(*validator, from_hex(line)).dump() << std::endl;
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run({words + 1, words + count});
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
