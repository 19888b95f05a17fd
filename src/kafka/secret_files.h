#pragma once

#include <librdkafka/rdkafka.h>

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/secret_file.h"
#include "kafka/conf.h"

namespace bronze::kafka {

/// A file with the value of one of librdkafka's properties, which may change.
struct SecretSource {
  std::string property;
  std::string path;
  /// The value in what the file holds, empty = it is not there; no function = all of it is.
  std::function<std::string(const std::string& text)> find = {};
};

/// Files with secrets of one client, looked at again each second, so that connections made later
/// use what they hold then. Owned by the client's owner, on whose thread it is used.
class SecretFiles {
 public:
  /// `properties` are those that the client began with; what is not among them it does not use.
  SecretFiles(const std::vector<SecretSource>& sources, const Properties& properties);

  /// Gives the client what has changed. A file that cannot be read changes nothing.
  void renew(rd_kafka_t* client);

 private:
  struct Secret {
    SecretSource source;
    SecretFile file;
    /// Of the property.
    std::string value;
  };
  static void renew(rd_kafka_t* client, Secret& secret);

  std::vector<Secret> secrets_;
  SteadyTime look_again_at_;
};

}  // namespace bronze::kafka
