#pragma once

#include <compare>
#include <string>

namespace bronze::schema {

/// What is wrong with a schema, or with the folder of schemas.
struct SchemaFault {
  /// A file of the folder, or the folder itself.
  std::string file;
  /// `line:column`, or `#` and a JSON pointer; empty = all of it.
  std::string place;
  std::string message;

  /// `trip.json:3:14: ...`, `trip.json#/properties/fare/type: ...`
  [[nodiscard]] std::string text() const {
    const bool needs_colon = !place.empty() && place.front() != '#';
    return file + (needs_colon ? ":" : "") + place + ": " + message;
  }

  friend auto operator<=>(const SchemaFault&, const SchemaFault&) = default;
};

}  // namespace bronze::schema
