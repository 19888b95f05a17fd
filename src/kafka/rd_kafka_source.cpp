#include "kafka/rd_kafka_source.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "kafka/fetch_settings.h"
#include "kafka/topic_identity.h"

namespace bronze::kafka {
namespace {

constexpr std::chrono::milliseconds k_offsets_timeout{10'000};
/// While there are requests; an answer takes a round trip to a broker.
constexpr std::chrono::milliseconds k_look_for_answers_every{5};
constexpr int k_cluster_id_timeout_ms = 2'000;
/// The least that a broker's default message.max.bytes asks for.
constexpr std::uint64_t k_fetch_bytes_min = std::uint64_t{2} * 1024 * 1024;
/// The most that librdkafka takes.
constexpr std::uint64_t k_fetch_bytes_max = 2'147'483'135;
constexpr std::uint64_t k_queue_kbytes_max = 2'097'151;

/// On any thread of librdkafka.
void log_line(EventLog& log, int level, const char* facility, const char* text) {
  constexpr int k_syslog_error = 3;
  constexpr int k_syslog_warning = 4;
  // What fails at a connection or a token comes as an error event too.
  const std::string_view what(facility);
  const bool told_twice = what == "FAIL" || what == "OIDC" || what.starts_with("SSL");
  if (told_twice || level > k_syslog_warning) {
    spdlog::debug("librdkafka {}: {}", facility, text);
    return;
  }
  log.tell(level <= k_syslog_error ? LogEvent::kKafkaClientError : LogEvent::kKafkaClientWarning,
           {.error_type = facility, .reason = text}, "librdkafka {}: {}", facility, text);
}

ConsumerOptions options_of(const SourceSettings& settings, EventLog& log) {
  const auto fetch_bytes =
      std::clamp(settings.queue_bytes / 6, k_fetch_bytes_min, k_fetch_bytes_max);
  const auto queue_kbytes =
      std::clamp(settings.queue_bytes / 1024, std::uint64_t{1}, k_queue_kbytes_max);
  Properties defaults(k_fetch_settings.begin(), k_fetch_settings.end());
  // How soon new topics and partitions are found.
  defaults.emplace_back("topic.metadata.refresh.interval.ms", "10000");
  defaults.emplace_back("queued.min.messages", "20000");
  return {
      .defaults = std::move(defaults),
      .fixed =
          {
              {"partition.assignment.strategy", "cooperative-sticky"},
              {"enable.auto.commit", "false"},
              {"enable.auto.offset.store", "false"},
              {"auto.offset.reset", "error"},
              {"check.crcs", "true"},
              {"enable.partition.eof", "true"},
              {"isolation.level", "read_committed"},
              {"fetch.max.bytes", std::to_string(fetch_bytes)},
              {"queued.max.messages.kbytes", std::to_string(queue_kbytes)},
          },
      .events = RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR,
      .log = [&log](int level, const char* facility,
                    const char* text) { log_line(log, level, facility, text); },
  };
}

PartitionListHandle make_list(const std::vector<TopicPartition>& partitions) {
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& entry : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), entry.topic.c_str(), number(entry.partition));
  }
  return list;
}

PartitionListHandle make_list(const std::string& topic, const std::vector<Partition>& partitions,
                              std::int64_t offset) {
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const Partition partition : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), number(partition))->offset =
        offset;
  }
  return list;
}

std::vector<TopicPartition> from_list(const rd_kafka_topic_partition_list_t* list) {
  std::vector<TopicPartition> partitions;
  partitions.reserve(static_cast<std::size_t>(list->cnt));
  for (int i = 0; i < list->cnt; ++i) {
    partitions.push_back({list->elems[i].topic, Partition{list->elems[i].partition}});
  }
  return partitions;
}

void throw_if(rd_kafka_error_t* raw, const char* what) {
  const ErrorHandle error(raw);
  if (error) {
    throw std::runtime_error(std::string("Kafka: ") + what +
                             " failed: " + rd_kafka_error_string(error.get()));
  }
}

/// Admin requests carry their number as the opaque.
void* to_opaque(RequestId request) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it is a number, and never followed
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(request));
}
RequestId request_of(rd_kafka_event_t* event) {
  return static_cast<RequestId>(reinterpret_cast<std::uintptr_t>(rd_kafka_event_opaque(event)));
}

std::string error_text(rd_kafka_event_t* event) {
  if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) return "";
  return rd_kafka_event_error_string(event);
}

/// Made in its place: what was just written in small pieces is slow to copy in large ones.
Event record_event(const rd_kafka_message_t* message, HeaderReader* headers) {
  Event translated(std::in_place_type<Record>);
  Record& record = std::get<Record>(translated);
  record.topic = rd_kafka_topic_name(message->rkt);
  record.partition = Partition{message->partition};
  record.offset = Offset{message->offset};
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t timestamp = rd_kafka_message_timestamp(message, &type);
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp != -1) record.timestamp_ms = timestamp;
  if (type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME) {
    record.timestamp_type = TimestampType::kLogAppendTime;
  }
  if (message->payload != nullptr) {
    record.value = std::string_view(static_cast<const char*>(message->payload), message->len);
  }
  if (message->key != nullptr) {
    record.key = std::string_view(static_cast<const char*>(message->key), message->key_len);
  }
  record.headers = headers;
  return translated;
}

Event translate_offsets(rd_kafka_event_t* event) {
  OffsetsListed answer{.request = request_of(event), .error = error_text(event), .offsets = {}};
  if (!answer.error.empty()) return answer;
  std::size_t count = 0;
  const auto** infos =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto* entry = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    if (entry->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      answer.error =
          "partition " + std::to_string(entry->partition) + ": " + rd_kafka_err2str(entry->err);
    } else {
      answer.offsets[Partition{entry->partition}] = Offset{entry->offset};
    }
  }
  return answer;
}

Event translate_ends(rd_kafka_event_t* event) {
  EndsListed answer{.request = request_of(event), .ends = {}};
  if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) return answer;
  std::size_t count = 0;
  const auto** infos =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto* entry = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    if (entry->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    answer.ends[{entry->topic, Partition{entry->partition}}] = Offset{entry->offset};
  }
  return answer;
}

Event translate_commit(rd_kafka_event_t* event) {
  OffsetsCommitted answer{error_text(event)};
  const auto* list = rd_kafka_event_topic_partition_list(event);
  for (int i = 0; answer.error.empty() && list != nullptr && i < list->cnt; ++i) {
    const auto& entry = list->elems[i];
    if (entry.err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    answer.error = std::string(entry.topic) + " partition " + std::to_string(entry.partition) +
                   ": " + rd_kafka_err2str(entry.err);
  }
  return answer;
}

/// The bytes at our position are not a record batch: librdkafka cannot say where the next begins.
bool makes_unreadable(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__BAD_MSG || code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
         code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED;
}

Event translate_group_offsets(rd_kafka_event_t* event) {
  GroupOffsetsListed answer{
      .request = request_of(event), .error = error_text(event), .offsets = {}};
  if (!answer.error.empty()) return answer;
  std::size_t count = 0;
  const auto** groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
  if (count != 1) {
    answer.error = "no answer for the group";
    return answer;
  }
  if (const auto* error = rd_kafka_group_result_error(groups[0]); error != nullptr) {
    answer.error = rd_kafka_error_string(error);
    return answer;
  }
  const auto* list = rd_kafka_group_result_partitions(groups[0]);
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    const auto& entry = list->elems[i];
    if (entry.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      answer.error =
          "partition " + std::to_string(entry.partition) + ": " + rd_kafka_err2str(entry.err);
    } else if (entry.offset >= 0) {
      answer.offsets[Partition{entry.partition}] = {
          Offset{entry.offset},
          std::string(static_cast<const char*>(entry.metadata), entry.metadata_size)};
    }
  }
  return answer;
}

}  // namespace

RdKafkaSource::RdKafkaSource(const SourceSettings& settings, EventLog& log)
    : group_(settings.group),
      log_(log),
      consumer_(settings, options_of(settings, log)),
      answers_(rd_kafka_queue_new(consumer_.get())) {}

RdKafkaSource::~RdKafkaSource() = default;

void RdKafkaSource::subscribe(const std::vector<std::string>& topics) {
  subscription_ = topics;
  PartitionListHandle list(rd_kafka_topic_partition_list_new(static_cast<int>(topics.size())));
  for (const auto& topic : topics) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(consumer_.get(), list.get());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error(std::string("Kafka: subscribe failed: ") + rd_kafka_err2str(error));
  }
}

Event RdKafkaSource::poll(std::chrono::milliseconds max_wait) {
  current_.reset();
  if (closing_ && rd_kafka_consumer_closed(consumer_.get()) != 0) return Closed{};
  current_ = next(max_wait);
  // Now and then something else than a record comes even when there is no end of them.
  if (!current_ || rd_kafka_event_type(current_.get()) != RD_KAFKA_EVENT_FETCH) {
    consumer_.renew_secrets();
  }
  if (!current_) return Idle{};
  return translate(current_.get());
}

Event RdKafkaSource::poll_answer() {
  current_ = next_answer();
  return current_ ? translate(current_.get()) : Idle{};
}

EventHandle RdKafkaSource::next(std::chrono::milliseconds max_wait) {
  if (unanswered_ == 0 || !polled_.empty()) return polled_.next(consumer_.queue(), max_wait);
  const SteadyTime begin = std::chrono::steady_clock::now();
  for (auto left = max_wait;;) {
    if (auto answer = next_answer()) return answer;
    const auto wait = std::min(left, k_look_for_answers_every);
    const SteadyTime asked = std::chrono::steady_clock::now();
    if (auto event = polled_.next(consumer_.queue(), wait)) return event;
    const SteadyTime now = std::chrono::steady_clock::now();
    // Woken, or nothing came.
    if (now - asked < wait || now - begin >= max_wait) return nullptr;
    left = std::chrono::ceil<std::chrono::milliseconds>(max_wait - (now - begin));
  }
}

EventHandle RdKafkaSource::next_answer() {
  if (unanswered_ == 0) return nullptr;
  EventHandle answer(rd_kafka_queue_poll(answers_.get(), 0));
  if (answer) --unanswered_;
  return answer;
}

Event RdKafkaSource::translate(rd_kafka_event_t* event) {
  switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
      return translate_message(event);
    case RD_KAFKA_EVENT_REBALANCE:
      return translate_rebalance(event);
    case RD_KAFKA_EVENT_ERROR:
      return translate_error(event);
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
      return translate_commit(event);
    case RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT:
      return translate_description(event);
    case RD_KAFKA_EVENT_LISTOFFSETS_RESULT:
      return request_of(event) == ends_request_ ? translate_ends(event) : translate_offsets(event);
    case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
      return translate_group_offsets(event);
    default:
      return Idle{};
  }
}

Event RdKafkaSource::translate_message(rd_kafka_event_t* event) {
  const rd_kafka_message_t* message = rd_kafka_event_message_next(event);
  if (message == nullptr) return Idle{};
  if (is_stopping(rd_kafka_topic_name(message->rkt), message->partition)) return Idle{};
  headers_.set(message);
  return record_event(message, &headers_);
}

Event RdKafkaSource::translate_rebalance(rd_kafka_event_t* event) {
  const auto* list = rd_kafka_event_topic_partition_list(event);
  switch (rd_kafka_event_error(event)) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
      assign_now({});
      return Assigned{from_list(list)};
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
      revoke_pending_ = true;
      return Revoked{from_list(list), rd_kafka_assignment_lost(consumer_.get()) != 0};
    default:
      break;
  }
  const std::string why = error_text(event);
  log_.tell(LogEvent::kKafkaWarning, {.error_type = "rebalance", .reason = why},
            "Kafka: a rebalance failed: {}", why);
  // Told by librdkafka's manual to take it as a loss of everything.
  revoke_pending_ = true;
  return Revoked{{reading_.begin(), reading_.end()}, true};
}

std::string RdKafkaSource::subscribed_in(const std::string& text) const {
  const auto found =
      std::find_if(subscription_.begin(), subscription_.end(), [&](const std::string& entry) {
        return text.find(": " + entry + ": ") != std::string::npos;
      });
  return found == subscription_.end() ? "" : *found;
}

Event RdKafkaSource::translate_error(rd_kafka_event_t* event) {
  const rd_kafka_resp_err_t code = rd_kafka_event_error(event);
  const std::string name = rd_kafka_err2name(code);
  const std::string text = name + ": " + error_text(event);
  if (rd_kafka_event_error_is_fatal(event) != 0) return SourceFailed{text};
  const TopicPartitionHandle place(rd_kafka_event_topic_partition(event));
  if (place && place->topic != nullptr && is_stopping(place->topic, place->partition)) {
    return Idle{};
  }
  if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF && place) {
    return PartitionEnd{place->topic, Partition{place->partition}, Offset{place->offset}};
  }
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    return SourceWarning{consumer_.explain_quiet_end().text(), true, name};
  }
  if (place && place->partition >= 0 &&
      (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || code == RD_KAFKA_RESP_ERR__LOG_TRUNCATION)) {
    return PartitionReset{place->topic, Partition{place->partition}, text};
  }
  if (place && place->partition >= 0 && makes_unreadable(code)) {
    return PartitionUnreadable{place->topic, Partition{place->partition}, text};
  }
  const std::string topic = place && place->topic != nullptr ? place->topic : subscribed_in(text);
  if (!topic.empty()) {
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      return TopicError{topic, "the topic does not exist: waiting for it"};
    }
    const bool denied = code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    return TopicError{
        topic, denied ? text + ". Grant this user READ and DESCRIBE on the topic" : text, denied};
  }
  if (code == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL) {
    return JoinRefused{"consumer group " + group_ +
                       " has a member with an eager assignor, such as the original service: stop "
                       "it, and reading begins once it has left the group (" +
                       text + ")"};
  }
  if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
    return JoinRefused{text + ". Grant this user READ on the consumer group " + group_, true};
  }
  return SourceWarning{consumer_.explain(code, text).text(), false, name};
}

Event RdKafkaSource::translate_description(rd_kafka_event_t* event) {
  TopicsDescribed answer{.request = request_of(event), .error = error_text(event), .topics = {}};
  if (!answer.error.empty()) return answer;
  std::size_t count = 0;
  const auto** topics =
      rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    TopicDescription topic{.topic = rd_kafka_TopicDescription_name(topics[i]),
                           .error = {},
                           .unknown = false,
                           .identity = {},
                           .partitions = {}};
    const auto* error = rd_kafka_TopicDescription_error(topics[i]);
    if (error != nullptr && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      topic.error = rd_kafka_error_string(error);
      topic.unknown = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
      answer.topics.push_back(std::move(topic));
      continue;
    }
    const auto* uuid = rd_kafka_TopicDescription_topic_id(topics[i]);
    const std::int64_t most = rd_kafka_Uuid_most_significant_bits(uuid);
    const std::int64_t least = rd_kafka_Uuid_least_significant_bits(uuid);
    if (most != 0 || least != 0) {
      topic.identity = identity_from_uuid(most, least);
    } else {
      const std::string cluster = cluster_id();
      if (!std::exchange(warned_of_missing_ids_, true)) {
        spdlog::warn(
            "the Kafka brokers know no topic ids: a topic that is deleted and created "
            "again cannot be told from the old one");
      }
      topic.identity = identity_from_name(cluster, topic.topic);
      if (cluster.empty()) topic.error = "the broker does not tell its cluster id";
    }
    std::size_t partitions = 0;
    const auto** infos = rd_kafka_TopicDescription_partitions(topics[i], &partitions);
    for (std::size_t p = 0; p < partitions; ++p) {
      topic.partitions.push_back(Partition{rd_kafka_TopicPartitionInfo_partition(infos[p])});
    }
    answer.topics.push_back(std::move(topic));
  }
  return answer;
}

std::string RdKafkaSource::cluster_id() const {
  char* text = rd_kafka_clusterid(consumer_.get(), k_cluster_id_timeout_ms);
  std::string id = text == nullptr ? "" : text;
  rd_kafka_mem_free(consumer_.get(), text);
  return id;
}

void RdKafkaSource::wake() { rd_kafka_queue_yield(consumer_.queue()); }

void RdKafkaSource::assign_now(const std::vector<StartPosition>& positions) {
  const PartitionListHandle list(
      rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const auto& position : positions) {
    rd_kafka_topic_partition_list_add(list.get(), position.partition.topic.c_str(),
                                      number(position.partition.partition))
        ->offset = position.offset.value;
    reading_.insert(position.partition);
  }
  throw_if(rd_kafka_incremental_assign(consumer_.get(), list.get()), "assigning partitions");
}

void RdKafkaSource::unassign_now(const std::vector<TopicPartition>& partitions) {
  polled_.drop(partitions);
  std::vector<TopicPartition> started;
  std::copy_if(partitions.begin(), partitions.end(), std::back_inserter(started),
               [&](const TopicPartition& entry) { return reading_.erase(entry) != 0; });
  const PartitionListHandle list = make_list(started);
  throw_if(rd_kafka_incremental_unassign(consumer_.get(), list.get()), "unassigning partitions");
}

void RdKafkaSource::start(const std::vector<StartPosition>& positions) {
  if (positions.empty()) return;
  if (revoke_pending_) {
    put_off_.emplace_back(positions);
  } else {
    assign_now(positions);
  }
}

void RdKafkaSource::stop(const std::vector<TopicPartition>& partitions) {
  if (partitions.empty()) return;
  if (revoke_pending_) {
    put_off_.emplace_back(partitions);
    stopping_.insert(partitions.begin(), partitions.end());
  } else {
    unassign_now(partitions);
  }
}

bool RdKafkaSource::is_stopping(const char* topic, std::int32_t partition) const {
  return !stopping_.empty() && stopping_.contains({topic, Partition{partition}});
}

std::optional<Offset> RdKafkaSource::end_of(const std::string& topic, Partition partition) const {
  std::int64_t first = 0;
  std::int64_t end = 0;
  const auto error = rd_kafka_get_watermark_offsets(consumer_.get(), topic.c_str(),
                                                    number(partition), &first, &end);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || end < 0) return std::nullopt;
  return Offset{end};
}

void RdKafkaSource::release(const std::vector<TopicPartition>& partitions) {
  revoke_pending_ = false;
  stopping_.clear();
  unassign_now(partitions);
  auto put_off = std::move(put_off_);
  put_off_.clear();
  for (const auto& call : put_off) {
    if (const auto* positions = std::get_if<std::vector<StartPosition>>(&call)) start(*positions);
    if (const auto* stopped = std::get_if<std::vector<TopicPartition>>(&call)) stop(*stopped);
  }
}

void RdKafkaSource::pause(const std::vector<TopicPartition>& partitions) {
  // As librdkafka does with what it holds: it reads them again after the pause.
  polled_.drop(partitions);
  const PartitionListHandle list = make_list(partitions);
  static_cast<void>(rd_kafka_pause_partitions(consumer_.get(), list.get()));
}

void RdKafkaSource::resume(const std::vector<TopicPartition>& partitions) {
  const PartitionListHandle list = make_list(partitions);
  static_cast<void>(rd_kafka_resume_partitions(consumer_.get(), list.get()));
}

AdminOptionsHandle RdKafkaSource::admin_options(rd_kafka_admin_op_t operation,
                                                std::chrono::milliseconds timeout) {
  AdminOptionsHandle options(rd_kafka_AdminOptions_new(consumer_.get(), operation));
  std::array<char, 256> error{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), static_cast<int>(timeout.count()),
                                            error.data(), error.size());
  rd_kafka_AdminOptions_set_opaque(options.get(), to_opaque(++last_request_));
  ++unanswered_;
  return options;
}

RequestId RdKafkaSource::describe_topics(const std::vector<std::string>& topics,
                                         std::chrono::milliseconds timeout) {
  std::vector<const char*> names;
  names.reserve(topics.size());
  for (const auto& topic : topics) names.push_back(topic.c_str());
  const TopicCollectionHandle collection(
      rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  const auto options = admin_options(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout);
  rd_kafka_DescribeTopics(consumer_.get(), collection.get(), options.get(), answers_.get());
  return last_request_;
}

RequestId RdKafkaSource::list_offsets(const std::string& topic,
                                      const std::vector<Partition>& partitions, OffsetSpec spec,
                                      std::int64_t unix_ms) {
  std::int64_t wanted = unix_ms;
  if (spec == OffsetSpec::kEarliest) wanted = RD_KAFKA_OFFSET_SPEC_EARLIEST;
  if (spec == OffsetSpec::kLatest) wanted = RD_KAFKA_OFFSET_SPEC_LATEST;
  return list_offsets(make_list(topic, partitions, wanted).get());
}

RequestId RdKafkaSource::list_ends(const std::vector<TopicPartition>& partitions) {
  const PartitionListHandle list = make_list(partitions);
  for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_SPEC_LATEST;
  return ends_request_ = list_offsets(list.get());
}

RequestId RdKafkaSource::list_offsets(rd_kafka_topic_partition_list_t* wanted) {
  const auto options = admin_options(RD_KAFKA_ADMIN_OP_LISTOFFSETS, k_offsets_timeout);
  const ErrorHandle refused(rd_kafka_AdminOptions_set_isolation_level(
      options.get(), RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED));
  rd_kafka_ListOffsets(consumer_.get(), wanted, options.get(), answers_.get());
  return last_request_;
}

RequestId RdKafkaSource::list_group_offsets(const std::string& topic,
                                            const std::vector<Partition>& partitions) {
  const PartitionListHandle list = make_list(topic, partitions, RD_KAFKA_OFFSET_INVALID);
  const ListGroupOffsetsHandle request(
      rd_kafka_ListConsumerGroupOffsets_new(group_.c_str(), list.get()));
  const auto options = admin_options(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, k_offsets_timeout);
  rd_kafka_ListConsumerGroupOffsets_t* requests[] = {request.get()};
  rd_kafka_ListConsumerGroupOffsets(consumer_.get(), requests, 1, options.get(), answers_.get());
  return last_request_;
}

void RdKafkaSource::commit(const std::vector<CommitPosition>& positions) {
  const PartitionListHandle list(
      rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const auto& position : positions) {
    auto* entry = rd_kafka_topic_partition_list_add(list.get(), position.partition.topic.c_str(),
                                                    number(position.partition.partition));
    entry->offset = position.offset.value;
    // Freed with the list, by librdkafka's allocator.
    entry->metadata = rd_kafka_mem_malloc(nullptr, position.metadata.size());
    entry->metadata_size = position.metadata.size();
    std::copy(position.metadata.begin(), position.metadata.end(),
              static_cast<char*>(entry->metadata));
  }
  static_cast<void>(
      rd_kafka_commit_queue(consumer_.get(), list.get(), consumer_.queue(), nullptr, nullptr));
}

void RdKafkaSource::close() {
  closing_ = true;
  const ErrorHandle error(rd_kafka_consumer_close_queue(consumer_.get(), consumer_.queue()));
  if (!error) return;
  const std::string why = rd_kafka_error_string(error.get());
  log_.tell(LogEvent::kKafkaWarning, {.error_type = "close", .reason = why},
            "Kafka: closing the consumer: {}", why);
}

}  // namespace bronze::kafka
