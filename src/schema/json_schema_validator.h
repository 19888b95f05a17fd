#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/format_checks.h"
#include "decode/validator.h"
#include "schema/schema_fault.h"
#include "schema/schema_folder.h"

namespace bronze::schema {

using MadeValidator = std::variant<std::unique_ptr<decode::Validator>, std::vector<SchemaFault>>;

/// A validator for the JSON Schema in the file `name` of `documents`; never a null pointer. What it
/// refers to must be among them. The validator needs no registry.
[[nodiscard]] MadeValidator make_json_schema_validator(const std::string& name,
                                                       const std::vector<Document>& documents,
                                                       FormatChecks formats);

}  // namespace bronze::schema
