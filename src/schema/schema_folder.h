#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schema/schema_fault.h"

namespace bronze::schema {

/// What language a schema is written in; the end of its file's name tells.
enum class SchemaLanguage : std::uint8_t {
  /// `.json`
  kJsonSchema,
  /// `.avsc`
  kAvro,
  /// `.proto`, or a set of descriptors: `.desc`, `.binpb`
  kProtobuf,
};

struct NoSchema {};

struct SchemaFile {
  SchemaLanguage language;
  /// Within the folder.
  std::string name;
};

/// A file of the folder, for references from others too.
struct Document {
  std::string name;
  std::string text;
};

/// The folder of schemas: which file is the schema of a topic, and what the files hold. Looks at
/// the files when it is asked, so that it shows what is there then. Any thread.
class SchemaFolder {
 public:
  explicit SchemaFolder(std::filesystem::path path) : path_(std::move(path)) {}

  using Found = std::variant<NoSchema, SchemaFile, SchemaFault>;
  /// The file whose name is the topic's and one of the endings, or what it was called for the
  /// original service. Two of them are a fault, and so is a folder that cannot be read.
  [[nodiscard]] Found find(const std::string& topic) const;

  using Documents = std::variant<std::vector<Document>, SchemaFault>;
  /// The files whose names end with `ending`, in the order of names; those of folders within it are
  /// none of them.
  [[nodiscard]] Documents documents(std::string_view ending) const;

 private:
  const std::filesystem::path path_;
};

}  // namespace bronze::schema
