#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "decode/record_error.h"

namespace bronze::decode {

/// Whether values are JSON. Keeps its parser's memory from value to value, less than 1 MiB. Owned
/// by a decoder; one thread.
class JsonCheck {
 public:
  JsonCheck();
  ~JsonCheck();

  /// Why the value is no JSON, nor UTF-8 perhaps; nullopt = it is both.
  [[nodiscard]] std::optional<RecordError> error_in(std::string_view value);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace bronze::decode
