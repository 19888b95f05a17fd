#pragma once

#include <string_view>

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// KAFKA_SSL_*: that they can be read, are what they should be, and fit together. Warns of expired
/// certificates.
[[nodiscard]] TlsConfig read_tls(Reader& reader);

/// The value of `name`: certificates, as a path or as PEM text.
[[nodiscard]] PemSource read_certificates(Reader& reader, std::string_view name);

}  // namespace bronze::config
