#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <cstddef>
#include <string>
#include <vector>

#include "kafka/handles.h"

namespace bronze::kafka {

/// What the mock cluster keeps of one partition; beyond it the oldest records are dropped, read or
/// not.
inline constexpr std::size_t k_mock_partition_bytes = std::size_t{5} * 1024 * 1024;

/// An in-process Kafka: librdkafka's own mock cluster, on threads of its own, listening on the
/// loopback address. For demonstrations: it keeps everything in memory, and little of it.
class MockCluster {
 public:
  /// Throws std::runtime_error when it cannot be made.
  MockCluster(const std::vector<std::string>& topics, int partitions);

  /// `host:port`, separated by commas.
  [[nodiscard]] std::string bootstrap_servers() const;

 private:
  /// Lends the cluster its thread and log.
  ClientHandle host_;
  Handle<rd_kafka_mock_cluster_t, rd_kafka_mock_cluster_destroy> cluster_;
};

}  // namespace bronze::kafka
