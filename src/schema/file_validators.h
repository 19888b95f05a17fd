#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/format_checks.h"
#include "decode/validator.h"
#include "schema/schema_fault.h"
#include "schema/schema_folder.h"

namespace bronze::schema {

/// Never a null pointer; needs no registry.
using MadeValidator = std::variant<std::unique_ptr<decode::Validator>, std::vector<SchemaFault>>;

/// For the JSON Schema in the file `name` of `documents`. What it refers to must be among them.
[[nodiscard]] MadeValidator make_json_schema_validator(const std::string& name,
                                                       const std::vector<Document>& documents,
                                                       FormatChecks formats);

/// For values of one Avro type. `{full name}.avsc` beside the file has what it names without
/// defining it.
[[nodiscard]] MadeValidator make_avro_validator(const std::filesystem::path& file);

/// For values of one Protobuf message: of a `.proto` file, with its imports beside it, or of a set
/// of descriptors. Empty `message` = the first of the file.
[[nodiscard]] MadeValidator make_protobuf_validator(const std::filesystem::path& file,
                                                    const std::string& message);

}  // namespace bronze::schema
