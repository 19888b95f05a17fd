#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kafka/cluster_look.h"
#include "kafka/consumer.h"
#include "kafka/handles.h"

namespace bronze::kafka {

/// Asks a cluster, once, what there is: brokers, topics, offsets, the group. Changes nothing: it
/// does not join the group and reads no records. Used by one thread.
class ClusterInspector {
 public:
  /// Throws SettingsRefused when librdkafka refuses the settings as a whole.
  /// REQUIRES: refused_properties(settings) is empty.
  explicit ClusterInspector(const SourceSettings& settings);

  /// Blocks until everything is answered, or one side refuses the other, or `timeout` has passed.
  /// Call once.
  [[nodiscard]] ClusterLook look(const LookRequest& request);

 private:
  using TakeAnswer = std::function<void(rd_kafka_event_t*)>;
  struct WhichOffsets {
    std::int64_t spec = 0;
    rd_kafka_IsolationLevel_t isolation = RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
  };

  /// Waiting longer changes nothing.
  [[nodiscard]] bool is_shut_out() const;
  /// Asks once more, a moment later: for what a coordinator that is loading refuses.
  void ask_again(void (ClusterInspector::*ask)());
  void ask_what_is_due();
  void ask_cluster();
  void ask_group();
  /// Blocks while the list of all topics is fetched: librdkafka has no other way.
  void add_more_topics();
  void ask_topics();
  void ask_offsets();
  /// Those that a read_committed consumer is told.
  void ask_offsets_at(std::int64_t spec, OffsetMap TopicLook::*place);
  void ask_offsets_of(WhichOffsets which, TakeAnswer take);
  void ask_group_offsets();
  void take_cluster(rd_kafka_event_t* event);
  void take_group(rd_kafka_event_t* event);
  void take_topics(rd_kafka_event_t* event);
  void take_offsets(rd_kafka_event_t* event, OffsetMap TopicLook::*place);
  void take_group_offsets(rd_kafka_event_t* event);
  void take_error(rd_kafka_event_t* event);
  /// Options for one request, whose answer goes to `take`.
  [[nodiscard]] AdminOptionsHandle expect(rd_kafka_admin_op_t operation, TakeAnswer take);
  [[nodiscard]] std::chrono::milliseconds left() const;
  [[nodiscard]] TopicLook* topic(const std::string& name);
  /// Every partition of every topic that exists.
  [[nodiscard]] PartitionListHandle all_partitions(std::int64_t offset) const;
  /// Says of what got no answer that it got none.
  void give_up();

  const std::string group_;
  Consumer consumer_;
  LookRequest request_;
  SteadyTime deadline_;
  ClusterLook look_;
  std::size_t last_request_ = 0;
  std::map<std::size_t, TakeAnswer> waiting_;
  std::multimap<SteadyTime, void (ClusterInspector::*)()> again_;
  bool cluster_answered_ = false;
  bool all_brokers_down_ = false;
  bool topics_listed_ = false;
  bool group_offsets_answered_ = false;
  /// Why connections fail, for people.
  Trouble connection_;
};

}  // namespace bronze::kafka
