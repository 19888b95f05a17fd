#pragma once

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// Reads where the credentials of the store come from, as options of the store. Of those that are
/// given, the store takes the first of: keys, web identity, container, profile, instance.
[[nodiscard]] Properties read_credentials(Reader& reader);

}  // namespace bronze::config
