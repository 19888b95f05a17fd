#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "kafka/cluster_look.h"
#include "kafka/conf.h"
#include "kafka/connection_notes.h"
#include "kafka/handles.h"
#include "kafka/secret_files.h"

namespace bronze::kafka {

struct SourceSettings {
  Properties properties;
  std::vector<SecretSource> secrets = {};
  std::string group;
  /// Memory for records fetched ahead.
  std::uint64_t queue_bytes = 0;
};

/// Which properties librdkafka does not take, and why: (name, reason).
[[nodiscard]] Properties refused_properties(const SourceSettings& settings);

/// librdkafka does not take the settings together, or what they name.
struct SettingsRefused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Level as in syslog. Called by any thread of librdkafka.
using LogLine = std::function<void(int level, const char* facility, const char* text)>;

struct ConsumerOptions {
  /// What the user may override.
  Properties defaults = {};
  /// What the user may not.
  Properties fixed = {};
  /// RD_KAFKA_EVENT_*, besides those that answer requests.
  int events = RD_KAFKA_EVENT_NONE;
  /// Without one, all is logged at level debug: what matters comes as an answer or an error too.
  LogLine log = {};
};

/// A librdkafka consumer of the user's settings, with what makes its connections. One thread.
class Consumer {
 public:
  /// Throws SettingsRefused. REQUIRES: refused_properties(settings) is empty.
  Consumer(const SourceSettings& settings, const ConsumerOptions& options);
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  [[nodiscard]] rd_kafka_t* get() const { return handle_.get(); }
  /// Of everything that comes.
  [[nodiscard]] rd_kafka_queue_t* queue() const { return queue_.get(); }

  /// To be called often: connections that are made later use what files with secrets hold now.
  void renew_secrets() { secrets_.renew(handle_.get()); }

  /// Of an error event: why there is no connection, or no right, with what to mend.
  [[nodiscard]] Trouble explain(rd_kafka_resp_err_t code, std::string text);
  /// When no broker is left: why, if no error event has told it since. Told once.
  [[nodiscard]] Trouble explain_quiet_end();

 private:
  static void take_log_line(const rd_kafka_t* client, int level, const char* facility,
                            const char* text);
  /// Changes nothing of OpenSSL's verdict.
  static int take_certificate(rd_kafka_t* client, const char* broker, std::int32_t broker_id,
                              int* error, int depth, const char* der, std::size_t der_bytes,
                              char* text, std::size_t text_bytes, void* consumer);

  const Properties properties_;
  const LogLine log_;
  ConnectionNotes notes_;
  SecretFiles secrets_;
  ConsumerHandle handle_;
  QueueHandle queue_;
};

}  // namespace bronze::kafka
