#include "kafka/cluster_inspector.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "kafka/topic_identity.h"
#include "kafka/trouble.h"

namespace bronze::kafka {
namespace {

/// The least that librdkafka takes as the time-out of a request.
constexpr std::chrono::milliseconds k_request_timeout_min{1};
constexpr std::chrono::milliseconds k_ask_again{200};

using Kind = Trouble::Kind;

Trouble trouble_of(rd_kafka_event_t* event) {
  const auto code = rd_kafka_event_error(event);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return {kind_of(code), rd_kafka_event_error_string(event)};
}

Trouble trouble_of(const rd_kafka_error_t* error) {
  if (error == nullptr || rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  std::string text = rd_kafka_error_string(error);
  // Some are empty but for the name of the request.
  if (text.empty() || text.ends_with(": ")) text += rd_kafka_err2str(rd_kafka_error_code(error));
  return {kind_of(rd_kafka_error_code(error)), std::move(text)};
}

Trouble trouble_of(const rd_kafka_topic_partition_t& entry) {
  if (entry.err == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return {kind_of(entry.err),
          "partition " + std::to_string(entry.partition) + ": " + rd_kafka_err2str(entry.err)};
}

Right right_to_read(const rd_kafka_AclOperation_t* operations, std::size_t count) {
  if (operations == nullptr || count == 0) return Right::kUnknown;
  const bool granted =
      std::any_of(operations, operations + count, [](rd_kafka_AclOperation_t operation) {
        return operation == RD_KAFKA_ACL_OPERATION_READ || operation == RD_KAFKA_ACL_OPERATION_ALL;
      });
  return granted ? Right::kGranted : Right::kMissing;
}

Broker broker_of(const rd_kafka_Node_t* node) {
  return {.id = rd_kafka_Node_id(node),
          .address = std::string(rd_kafka_Node_host(node)) + ":" +
                     std::to_string(rd_kafka_Node_port(node))};
}

void describe(const rd_kafka_TopicDescription_t* from, TopicLook& to) {
  to.trouble = trouble_of(rd_kafka_TopicDescription_error(from));
  if (to.trouble.any()) return;
  const auto* uuid = rd_kafka_TopicDescription_topic_id(from);
  const std::int64_t most = rd_kafka_Uuid_most_significant_bits(uuid);
  const std::int64_t least = rd_kafka_Uuid_least_significant_bits(uuid);
  to.without_id = most == 0 && least == 0;
  if (!to.without_id) to.identity = identity_from_uuid(most, least);
  std::size_t count = 0;
  const auto** partitions = rd_kafka_TopicDescription_partitions(from, &count);
  for (std::size_t i = 0; i < count; ++i) {
    to.partitions.push_back(Partition{rd_kafka_TopicPartitionInfo_partition(partitions[i])});
  }
  std::size_t operations = 0;
  const auto* allowed = rd_kafka_TopicDescription_authorized_operations(from, &operations);
  to.may_read = right_to_read(allowed, operations);
}

}  // namespace

ClusterInspector::ClusterInspector(const SourceSettings& settings)
    : group_(settings.group),
      // A consumer, because librdkafka's group requests rely on one; it is never subscribed.
      consumer_(settings,
                {.fixed = {{"enable.auto.commit", "false"}, {"allow.auto.create.topics", "false"}},
                 .events = RD_KAFKA_EVENT_ERROR}) {}

ClusterLook ClusterInspector::look(const LookRequest& request) {
  request_ = request;
  deadline_ = std::chrono::steady_clock::now() + request.timeout;
  look_ = {};
  for (const auto& name : request.topics) look_.topics.emplace_back().topic = name;
  ask_cluster();
  ask_group();
  if (!request.more_topics) ask_topics();
  while (!(waiting_.empty() && again_.empty()) && left().count() > 0 && !is_shut_out()) {
    ask_what_is_due();
    const auto wait = again_.empty() ? left() : std::min(left(), k_ask_again);
    const EventHandle event(rd_kafka_queue_poll(consumer_.queue(), static_cast<int>(wait.count())));
    if (!event) continue;
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR) {
      take_error(event.get());
      continue;
    }
    const auto number = reinterpret_cast<std::uintptr_t>(rd_kafka_event_opaque(event.get()));
    const auto found = waiting_.find(number);
    if (found == waiting_.end()) continue;
    const TakeAnswer take = std::move(found->second);
    waiting_.erase(found);
    take(event.get());
  }
  give_up();
  return std::move(look_);
}

bool ClusterInspector::is_shut_out() const {
  // Certificates are each broker's own.
  const bool by_certificates = connection_.kind == Kind::kUntrusted && all_brokers_down_;
  return connection_.kind == Kind::kDenied || (by_certificates && !cluster_answered_);
}

void ClusterInspector::ask_again(void (ClusterInspector::*ask)()) {
  again_.emplace(std::chrono::steady_clock::now() + k_ask_again, ask);
}

void ClusterInspector::ask_what_is_due() {
  while (!again_.empty() && again_.begin()->first <= std::chrono::steady_clock::now()) {
    const auto ask = again_.begin()->second;
    again_.erase(again_.begin());
    (this->*ask)();
  }
}

std::chrono::milliseconds ClusterInspector::left() const {
  return std::chrono::ceil<std::chrono::milliseconds>(
      std::max(deadline_ - std::chrono::steady_clock::now(), Duration{}));
}

TopicLook* ClusterInspector::topic(const std::string& name) {
  const auto found = std::find_if(look_.topics.begin(), look_.topics.end(),
                                  [&](const TopicLook& look) { return look.topic == name; });
  return found == look_.topics.end() ? nullptr : &*found;
}

AdminOptionsHandle ClusterInspector::expect(rd_kafka_admin_op_t operation, TakeAnswer take) {
  AdminOptionsHandle options(rd_kafka_AdminOptions_new(consumer_.get(), operation));
  std::array<char, 256> error{};
  rd_kafka_AdminOptions_set_request_timeout(
      options.get(), static_cast<int>(std::max(left(), k_request_timeout_min).count()),
      error.data(), error.size());
  waiting_.emplace(++last_request_, std::move(take));
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it is a number, and never followed
  rd_kafka_AdminOptions_set_opaque(options.get(), reinterpret_cast<void*>(last_request_));
  return options;
}

void ClusterInspector::ask_cluster() {
  const auto options = expect(RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER,
                              [this](rd_kafka_event_t* event) { take_cluster(event); });
  rd_kafka_DescribeCluster(consumer_.get(), options.get(), consumer_.queue());
}

void ClusterInspector::take_cluster(rd_kafka_event_t* event) {
  look_.trouble = trouble_of(event);
  if (look_.trouble.any()) return;
  cluster_answered_ = true;
  connection_ = {};
  const auto* result = rd_kafka_event_DescribeCluster_result(event);
  const char* id = rd_kafka_DescribeCluster_result_cluster_id(result);
  look_.cluster_id = id == nullptr ? "" : id;
  std::size_t count = 0;
  const auto** nodes = rd_kafka_DescribeCluster_result_nodes(result, &count);
  for (std::size_t i = 0; i < count; ++i) look_.brokers.push_back(broker_of(nodes[i]));
  if (!request_.more_topics) return;
  add_more_topics();
  ask_topics();
}

void ClusterInspector::add_more_topics() {
  constexpr int k_all_topics = 1;
  const rd_kafka_metadata_t* raw = nullptr;
  const auto code = rd_kafka_metadata(consumer_.get(), k_all_topics, nullptr, &raw,
                                      static_cast<int>(left().count()));
  const MetadataHandle metadata(raw);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    look_.list_trouble = {kind_of(code), rd_kafka_err2str(code)};
    return;
  }
  topics_listed_ = true;
  std::vector<std::string> all;
  all.reserve(static_cast<std::size_t>(metadata->topic_cnt));
  for (int i = 0; i < metadata->topic_cnt; ++i) all.emplace_back(metadata->topics[i].topic);
  for (auto& name : request_.more_topics(all)) look_.topics.emplace_back().topic = std::move(name);
}

void ClusterInspector::ask_group() {
  const auto options = expect(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
                              [this](rd_kafka_event_t* event) { take_group(event); });
  const ErrorHandle refused(
      rd_kafka_AdminOptions_set_include_authorized_operations(options.get(), 1));
  std::array<const char*, 1> groups{group_.c_str()};
  rd_kafka_DescribeConsumerGroups(consumer_.get(), groups.data(), groups.size(), options.get(),
                                  consumer_.queue());
}

void ClusterInspector::take_group(rd_kafka_event_t* event) {
  GroupLook& look = look_.group;
  look.trouble = trouble_of(event);
  if (look.trouble.any()) return;
  std::size_t count = 0;
  const auto** groups = rd_kafka_DescribeConsumerGroups_result_groups(
      rd_kafka_event_DescribeConsumerGroups_result(event), &count);
  if (count != 1) {
    look.trouble = {Kind::kOther, "no answer for the group"};
    return;
  }
  const auto* error = rd_kafka_ConsumerGroupDescription_error(groups[0]);
  if (error != nullptr && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
    look.state = "Dead";
    return;
  }
  look.trouble = trouble_of(error);
  if (look.trouble.kind == Kind::kUnreachable) ask_again(&ClusterInspector::ask_group);
  if (look.trouble.any()) return;
  look.state =
      rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(groups[0]));
  look.members = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
  const char* assignor = rd_kafka_ConsumerGroupDescription_partition_assignor(groups[0]);
  look.assignor = assignor == nullptr ? "" : assignor;
  std::size_t operations = 0;
  const auto* allowed =
      rd_kafka_ConsumerGroupDescription_authorized_operations(groups[0], &operations);
  look.may_read = right_to_read(allowed, operations);
}

void ClusterInspector::ask_topics() {
  if (look_.topics.empty()) return;
  const auto options = expect(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
                              [this](rd_kafka_event_t* event) { take_topics(event); });
  const ErrorHandle refused(
      rd_kafka_AdminOptions_set_include_authorized_operations(options.get(), 1));
  std::vector<const char*> names;
  names.reserve(look_.topics.size());
  for (const auto& look : look_.topics) names.push_back(look.topic.c_str());
  const TopicCollectionHandle collection(
      rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  rd_kafka_DescribeTopics(consumer_.get(), collection.get(), options.get(), consumer_.queue());
}

void ClusterInspector::take_topics(rd_kafka_event_t* event) {
  if (const Trouble trouble = trouble_of(event); trouble.any()) {
    for (TopicLook& look : look_.topics) look.trouble = trouble;
    return;
  }
  std::size_t count = 0;
  const auto** topics =
      rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (TopicLook* look = topic(rd_kafka_TopicDescription_name(topics[i]))) {
      describe(topics[i], *look);
    }
  }
  ask_offsets();
}

PartitionListHandle ClusterInspector::all_partitions(std::int64_t offset) const {
  PartitionListHandle list(rd_kafka_topic_partition_list_new(1));
  for (const TopicLook& look : look_.topics) {
    for (const Partition partition : look.partitions) {
      rd_kafka_topic_partition_list_add(list.get(), look.topic.c_str(), number(partition))->offset =
          offset;
    }
  }
  return list;
}

void ClusterInspector::ask_offsets() {
  const bool any = std::any_of(look_.topics.begin(), look_.topics.end(),
                               [](const TopicLook& look) { return !look.partitions.empty(); });
  if (!any) return;
  ask_offsets_at(RD_KAFKA_OFFSET_SPEC_EARLIEST, &TopicLook::earliest);
  // One after the other: what was produced in between must not look as if it waited.
  ask_offsets_of({RD_KAFKA_OFFSET_SPEC_LATEST, RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED},
                 [this](rd_kafka_event_t* event) {
                   take_offsets(event, &TopicLook::end);
                   ask_offsets_at(RD_KAFKA_OFFSET_SPEC_LATEST, &TopicLook::latest);
                 });
  if (request_.unix_ms) ask_offsets_at(*request_.unix_ms, &TopicLook::at_time);
  ask_group_offsets();
}

void ClusterInspector::ask_offsets_at(std::int64_t spec, OffsetMap TopicLook::*place) {
  ask_offsets_of({spec, RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED},
                 [this, place](rd_kafka_event_t* event) { take_offsets(event, place); });
}

void ClusterInspector::ask_offsets_of(WhichOffsets which, TakeAnswer take) {
  const auto options = expect(RD_KAFKA_ADMIN_OP_LISTOFFSETS, std::move(take));
  const ErrorHandle refused(
      rd_kafka_AdminOptions_set_isolation_level(options.get(), which.isolation));
  const auto list = all_partitions(which.spec);
  rd_kafka_ListOffsets(consumer_.get(), list.get(), options.get(), consumer_.queue());
}

void ClusterInspector::take_offsets(rd_kafka_event_t* event, OffsetMap TopicLook::*place) {
  if (const Trouble trouble = trouble_of(event); trouble.any()) {
    for (TopicLook& look : look_.topics) look.offsets_trouble = trouble;
    return;
  }
  std::size_t count = 0;
  const auto** infos =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto* entry = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    TopicLook* look = topic(entry->topic);
    if (look == nullptr) continue;
    if (const Trouble trouble = trouble_of(*entry); trouble.any()) {
      look->offsets_trouble = trouble;
    } else {
      (look->*place)[Partition{entry->partition}] = Offset{entry->offset};
    }
  }
}

void ClusterInspector::ask_group_offsets() {
  const auto options = expect(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
                              [this](rd_kafka_event_t* event) { take_group_offsets(event); });
  const auto list = all_partitions(RD_KAFKA_OFFSET_INVALID);
  const ListGroupOffsetsHandle request(
      rd_kafka_ListConsumerGroupOffsets_new(group_.c_str(), list.get()));
  std::array<rd_kafka_ListConsumerGroupOffsets_t*, 1> requests{request.get()};
  rd_kafka_ListConsumerGroupOffsets(consumer_.get(), requests.data(), requests.size(),
                                    options.get(), consumer_.queue());
}

void ClusterInspector::take_group_offsets(rd_kafka_event_t* event) {
  group_offsets_answered_ = true;
  Trouble trouble = trouble_of(event);
  std::size_t count = 0;
  const auto* result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
  const auto** groups =
      trouble.any() ? nullptr : rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
  if (!trouble.any() && count != 1) trouble = {Kind::kOther, "no answer for the group"};
  if (!trouble.any()) trouble = trouble_of(rd_kafka_group_result_error(groups[0]));
  if (trouble.kind == Kind::kUnreachable) ask_again(&ClusterInspector::ask_group_offsets);
  for (TopicLook& look : look_.topics) look.group_offsets_trouble = trouble;
  if (trouble.any()) return;
  const auto* list = rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    const auto& entry = list->elems[i];
    TopicLook* look = topic(entry.topic);
    if (look == nullptr) continue;
    if (Trouble of_partition = trouble_of(entry); of_partition.any()) {
      look->group_offsets_trouble = std::move(of_partition);
    } else if (entry.offset >= 0) {
      look->group_offsets[Partition{entry.partition}] = {
          Offset{entry.offset},
          std::string(static_cast<const char*>(entry.metadata), entry.metadata_size)};
    }
  }
}

void ClusterInspector::take_error(rd_kafka_event_t* event) {
  const auto code = rd_kafka_event_error(event);
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    all_brokers_down_ = true;
    // It says only that no broker is left; what came before says why, if anything does.
    if (auto quiet = consumer_.explain_quiet_end(); quiet.any()) connection_ = std::move(quiet);
    return;
  }
  // Of librdkafka's own search for the coordinator: no connection failed. The group's answer says
  // it.
  if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) return;
  connection_ = consumer_.explain(code, rd_kafka_event_error_string(event));
  const bool lasts = connection_.kind == Kind::kDenied || connection_.kind == Kind::kUntrusted;
  if (!lasts) connection_.kind = Kind::kUnreachable;
}

void ClusterInspector::give_up() {
  Trouble silence{Kind::kUnreachable, "no answer in time"};
  if (connection_.any()) silence = connection_;
  const auto explain = [&](Trouble& trouble, bool answered) {
    if (!trouble.any() && !answered) trouble = silence;
  };
  // Why there is no connection says more than that the request timed out.
  if (look_.trouble.kind == Kind::kUnreachable) look_.trouble = silence;
  explain(look_.trouble, cluster_answered_);
  if (look_.trouble.any()) {
    for (TopicLook& look : look_.topics) {
      TopicLook nothing;
      nothing.topic = std::move(look.topic);
      look = std::move(nothing);
    }
    return;
  }
  explain(look_.group.trouble, !look_.group.state.empty());
  explain(look_.list_trouble, topics_listed_ || !request_.more_topics);
  for (TopicLook& look : look_.topics) {
    if (look.without_id) look.identity = identity_from_name(look_.cluster_id, look.topic);
    explain(look.trouble, !look.partitions.empty());
    if (look.trouble.any()) continue;
    const std::size_t wanted = look.partitions.size();
    const bool listed = look.earliest.size() == wanted && look.latest.size() == wanted &&
                        look.end.size() == wanted &&
                        (!request_.unix_ms || look.at_time.size() == wanted);
    explain(look.offsets_trouble, listed);
    explain(look.group_offsets_trouble, group_offsets_answered_);
  }
}

}  // namespace bronze::kafka
