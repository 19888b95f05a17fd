#pragma once

namespace bronze {

/// Whether the keyword `format` of a JSON Schema refuses values.
enum class FormatChecks {
  /// It is a remark, as the standard has it.
  kIgnore,
  kCheck,
};

}  // namespace bronze
