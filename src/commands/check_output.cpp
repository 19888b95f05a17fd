#include "commands/check_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <type_traits>

#include "base/exit_codes.h"
#include "commands/one_line.h"

namespace bronze::commands {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarning:
      return "warning";
    case Level::kUnknown:
      return "unknown";
    case Level::kProblem:
      return "problem";
  }
  return "problem";
}

const char* name_of(TableReport::State state) {
  switch (state) {
    case TableReport::State::kNotKnown:
      return "unknown";
    case TableReport::State::kAbsent:
      return "absent";
    case TableReport::State::kPresent:
      return "present";
  }
  return "unknown";
}

const char* name_of(TableReport::Registry registry) {
  switch (registry) {
    case TableReport::Registry::kNotKnown:
      return "unknown";
    case TableReport::Registry::kAbsent:
      return "absent";
    case TableReport::Registry::kSameTopic:
      return "same_topic";
    case TableReport::Registry::kOtherTopic:
      return "other_topic";
  }
  return "unknown";
}

const char* verdict_of(int code) {
  switch (code) {
    case k_done:
      return "ok";
    case k_failed:
      return "problem";
    case k_bad_usage:
      return "bad_configuration";
    default:
      return "unknown";
  }
}

// --- text ----------------------------------------------------------------------------------------

void print(const std::vector<Finding>& findings, std::ostream& out) {
  for (const auto& finding : findings) {
    out << fmt::format("  {:<8} {:<13} {}\n", name_of(finding.level), finding.subject,
                       one_line(finding.message));
    if (!finding.advice.empty()) {
      out << fmt::format("  {:<8} {:<13} -> {}\n", "", "", one_line(finding.advice));
    }
  }
}

void print(const std::vector<config::Setting>& settings, std::ostream& out) {
  std::size_t width = 0;
  for (const auto& setting : settings) width = std::max(width, setting.variable.size());
  for (const auto& setting : settings) {
    out << fmt::format("  {:<8} {:<{}} {}  ({})\n", name_of(Level::kOk), setting.variable, width,
                       one_line(setting.value), setting.source);
  }
}

template <typename Value>
std::string text_of(const std::optional<Value>& value) {
  if (!value) return "-";
  if constexpr (std::is_same_v<Value, Offset>) {
    return std::to_string(value->value);
  } else {
    return std::to_string(*value);
  }
}

void print(const std::vector<PartitionReport>& partitions, std::ostream& out) {
  if (partitions.empty()) return;
  constexpr const char* k_row = "  {:<8} {:>9} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}\n";
  out << fmt::format(k_row, "", "partition", "progress", "earliest", "latest", "lag", "group",
                     "start");
  for (const auto& row : partitions) {
    out << fmt::format(k_row, name_of(row.level), number(row.partition), text_of(row.progress),
                       text_of(row.earliest), text_of(row.latest), text_of(row.lag),
                       text_of(row.group_offset), text_of(row.start));
  }
}

std::string summary(const CheckReport& report) {
  std::string text;
  const auto add = [&](Level level, const char* noun) {
    const std::size_t count = count_of(report, level);
    if (count == 0) return;
    text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", count, noun, count == 1 ? "" : "s");
  };
  add(Level::kProblem, "problem");
  add(Level::kUnknown, "open question");
  add(Level::kWarning, "warning");
  return text.empty() ? "all well" : text;
}

// --- JSON ----------------------------------------------------------------------------------------

template <typename Value>
Json json_of(const std::optional<Value>& value) {
  if (!value) return nullptr;
  if constexpr (std::is_same_v<Value, Offset>) {
    return value->value;
  } else {
    return *value;
  }
}

Json json_of(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const auto& finding : findings) {
    list.push_back({{"level", name_of(finding.level)},
                    {"subject", finding.subject},
                    {"message", finding.message},
                    {"advice", finding.advice}});
  }
  return list;
}

Json json_of(const std::vector<config::Setting>& settings) {
  Json list = Json::array();
  for (const auto& setting : settings) {
    list.push_back(
        {{"name", setting.variable}, {"value", setting.value}, {"source", setting.source}});
  }
  return list;
}

Json json_of(const std::vector<PatternReport>& patterns) {
  Json list = Json::array();
  for (const auto& report : patterns) {
    list.push_back({{"pattern", report.pattern}, {"topics", json_of(report.topics)}});
  }
  return list;
}

Json json_of(const KafkaReport& kafka) {
  Json brokers = Json::array();
  for (const auto& broker : kafka.brokers) {
    brokers.push_back({{"id", broker.id}, {"address", broker.address}});
  }
  return {{"reachable", kafka.reachable},
          {"cluster_id", kafka.cluster_id},
          {"brokers", std::move(brokers)},
          {"group",
           {{"name", kafka.group},
            {"state", kafka.group_state},
            {"assignor", kafka.group_assignor},
            {"members", kafka.group_members}}},
          {"patterns", json_of(kafka.patterns)},
          {"findings", json_of(kafka.findings)}};
}

Json json_of(const StoreReport& store) {
  return {{"base_uri", store.base_uri},
          {"put_if_absent", json_of(store.put_if_absent)},
          {"findings", json_of(store.findings)}};
}

Json json_of(const PartitionReport& partition) {
  return {{"partition", number(partition.partition)},
          {"level", name_of(partition.level)},
          {"progress", json_of(partition.progress)},
          {"earliest", json_of(partition.earliest)},
          {"latest", json_of(partition.latest)},
          {"lag", json_of(partition.lag)},
          {"group_offset", json_of(partition.group_offset)},
          {"start", json_of(partition.start)},
          {"reason", partition.reason}};
}

Json json_of(const TopicReport& topic) {
  Json partitions = Json::array();
  for (const auto& partition : topic.partitions) partitions.push_back(json_of(partition));
  return {{"topic", topic.topic},
          {"exists", json_of(topic.exists)},
          {"id", topic.id},
          {"table",
           {{"directory", topic.table.directory},
            {"state", name_of(topic.table.state)},
            {"registry", name_of(topic.table.registry)},
            {"version", json_of(topic.table.version)},
            {"id", topic.table.id}}},
          {"dead_letters",
           {{"directory", topic.dead_letters.directory},
            {"state", name_of(topic.dead_letters.state)},
            {"rows", json_of(topic.dead_letters.rows)}}},
          {"lag", json_of(topic.lag)},
          {"partitions", std::move(partitions)},
          {"findings", json_of(topic.findings)}};
}

void print(const Json& object, std::ostream& out) {
  out << object.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace

void print_text(const CheckReport& report, std::ostream& out) {
  out << "configuration\n";
  print(report.settings, out);
  print(report.configuration, out);
  out << "Kafka\n";
  print(report.kafka.findings, out);
  out << "store\n";
  print(report.store.findings, out);
  for (const auto& topic : report.topics) {
    out << fmt::format("topic {}{}\n", topic.topic,
                       topic.lag ? fmt::format(", lag {}", *topic.lag) : "");
    print(topic.findings, out);
    print(topic.partitions, out);
  }
  out << summary(report) << '\n';
}

void print_json(const CheckReport& report, std::ostream& out) {
  const int code = exit_code(report);
  Json topics = Json::array();
  for (const auto& topic : report.topics) topics.push_back(json_of(topic));
  print(Json{{"verdict", verdict_of(code)},
             {"exit_code", code},
             {"configuration",
              {{"variables", json_of(report.settings)},
               {"errors", Json::array()},
               {"findings", json_of(report.configuration)}}},
             {"kafka", json_of(report.kafka)},
             {"store", json_of(report.store)},
             {"topics", std::move(topics)}},
        out);
}

void print_json(const std::vector<config::ConfigError>& errors, std::ostream& out) {
  Json list = Json::array();
  for (const auto& error : errors) {
    list.push_back({{"name", error.variable}, {"message", error.message}});
  }
  print(Json{{"verdict", verdict_of(k_bad_usage)},
             {"exit_code", k_bad_usage},
             {"configuration",
              {{"variables", Json::array()},
               {"errors", std::move(list)},
               {"findings", Json::array()}}},
             {"kafka", nullptr},
             {"store", nullptr},
             {"topics", Json::array()}},
        out);
}

}  // namespace bronze::commands
