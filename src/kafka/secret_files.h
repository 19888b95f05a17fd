#pragma once

#include <librdkafka/rdkafka.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "kafka/conf.h"

namespace bronze::kafka {

/// Files with secrets of one client, looked at again each second, so that connections made later
/// use what they hold then. Owned by the client's owner, on whose thread it is used.
class SecretFiles {
 public:
  /// `files`: (librdkafka's property, path). `properties` are those that the client began with;
  /// what is not among them it does not use.
  SecretFiles(const Properties& files, const Properties& properties);

  /// Gives the client what has changed. A file that cannot be read changes nothing.
  void renew(rd_kafka_t* client);

 private:
  struct File {
    std::string property;
    std::string path;
    std::string secret;
    std::string fault = {};
  };
  static void renew(rd_kafka_t* client, File& file);

  std::vector<File> files_;
  SteadyTime look_again_at_;
};

}  // namespace bronze::kafka
