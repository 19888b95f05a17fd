#include "kafka/group_offsets.h"

#include "kafka/client.h"

namespace bronze::kafka {

GroupOffsets::GroupOffsets(const std::string& bootstrap_servers, const std::string& group)
    : client_(make_client({.type = RD_KAFKA_CONSUMER,
                           .properties = {{"bootstrap.servers", bootstrap_servers},
                                          {"client.id", "lag"},
                                          {"group.id", group},
                                          {"enable.auto.commit", "false"}}})) {}

std::optional<GroupOffsets::Committed> GroupOffsets::ask(
    const std::vector<TopicPartition>& partitions, std::chrono::milliseconds timeout) {
  const PartitionListHandle list(
      rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& entry : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), entry.topic.c_str(), number(entry.partition));
  }
  if (rd_kafka_committed(client_.get(), list.get(), static_cast<int>(timeout.count())) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  Committed committed;
  for (int i = 0; i < list->cnt; ++i) {
    const auto& entry = list->elems[i];
    if (entry.err != RD_KAFKA_RESP_ERR_NO_ERROR || entry.offset < 0) continue;
    committed[{entry.topic, Partition{entry.partition}}] = Offset{entry.offset};
  }
  return committed;
}

}  // namespace bronze::kafka
