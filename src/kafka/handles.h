#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

namespace bronze::kafka {

/// Owns a librdkafka object and ends it by its own function.
template <typename T, auto Destroy>
struct HandleDeleter {
  void operator()(T* handle) const { Destroy(handle); }
};
template <typename T, auto Destroy>
using Handle = std::unique_ptr<T, HandleDeleter<T, Destroy>>;

using ConfHandle = Handle<rd_kafka_conf_t, rd_kafka_conf_destroy>;
using ConsumerHandle = Handle<rd_kafka_t, rd_kafka_destroy>;
using ClientHandle = Handle<rd_kafka_t, rd_kafka_destroy>;
using QueueHandle = Handle<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using EventHandle = Handle<rd_kafka_event_t, rd_kafka_event_destroy>;
using ErrorHandle = Handle<rd_kafka_error_t, rd_kafka_error_destroy>;
using PartitionListHandle =
    Handle<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using TopicPartitionHandle = Handle<rd_kafka_topic_partition_t, rd_kafka_topic_partition_destroy>;
using AdminOptionsHandle = Handle<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;
using TopicCollectionHandle = Handle<rd_kafka_TopicCollection_t, rd_kafka_TopicCollection_destroy>;
using MetadataHandle = Handle<const rd_kafka_metadata_t, rd_kafka_metadata_destroy>;
using ListGroupOffsetsHandle =
    Handle<rd_kafka_ListConsumerGroupOffsets_t, rd_kafka_ListConsumerGroupOffsets_destroy>;

}  // namespace bronze::kafka
