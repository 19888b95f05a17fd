#include "commands/verify_output.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "base/exit_codes.h"
#include "commands/one_line.h"

namespace bronze::commands {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(Level level) {
  switch (level) {
    case Level::kOk:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kUnknown:
      return "unknown";
    case Level::kProblem:
      return "problem";
  }
  return "problem";
}

const char* verdict_of(int code) {
  switch (code) {
    case k_done:
      return "clean";
    case k_failed:
      return "dirty";
    case k_bad_usage:
      return "bad_usage";
    default:
      return "unknown";
  }
}

// --- text ----------------------------------------------------------------------------------------

std::string text_of(const std::optional<Offset>& offset) {
  return offset ? std::to_string(offset->value) : "-";
}

void print(const VerifiedEpoch& epoch, bool is_only_one, std::ostream& out) {
  if (epoch.partitions.empty()) return;
  if (!is_only_one) {
    out << fmt::format("  topic id {}{}\n", epoch.identity,
                       epoch.is_current ? "" : " (a later topic took its place)");
  }
  constexpr const char* k_row =
      "  {:<8} {:>9} {:>12} {:>8} {:>8} {:>10} {:>12} {:>12} {:>8} {:>10} {:>10} {:>8} {:>10}\n";
  out << fmt::format(k_row, "", "partition", "rows", "dead", "replayed", "duplicate", "progress",
                     "latest", "lag", "explained", "retention", "missing", "unknown");
  for (const auto& row : epoch.partitions) {
    out << fmt::format(k_row, row.level == Level::kOk ? "ok" : name_of(row.level),
                       number(row.partition), row.rows, row.dead_letters, row.replayed,
                       row.duplicates, text_of(row.progress), text_of(row.latest),
                       row.lag ? std::to_string(*row.lag) : "-", row.gaps.explained,
                       row.gaps.retention, row.gaps.missing, row.gaps.unknown);
  }
}

void print(const std::vector<VerifyFinding>& findings, std::ostream& out) {
  for (const auto& finding : findings) {
    const std::string where =
        finding.partition ? fmt::format("partition {}: ", number(*finding.partition)) : "";
    out << fmt::format("  {:<8} {:<26} {}{}\n", name_of(finding.level), finding.code, where,
                       one_line(finding.message));
  }
}

std::string head_of(const VerifiedTopic& topic) {
  if (!topic.table_exists) return fmt::format("topic {}\n", topic.topic);
  return fmt::format("topic {}: {} at version {}, {} files, {} rows{}\n", topic.topic, topic.table,
                     topic.version, topic.files, topic.rows,
                     topic.dead_letter_table_exists ? ", with dead letters" : "");
}

// --- JSON ----------------------------------------------------------------------------------------

Json json_of(const std::optional<Offset>& offset) {
  return offset ? Json(offset->value) : Json(nullptr);
}

Json json_of(const std::vector<VerifyFinding>& findings) {
  Json list = Json::array();
  for (const auto& finding : findings) {
    list.push_back({{"level", name_of(finding.level)},
                    {"code", finding.code},
                    {"partition", finding.partition ? Json(number(*finding.partition)) : Json()},
                    {"message", finding.message}});
  }
  return list;
}

Json json_of(const GapReport& gaps) {
  return {{"explained", gaps.explained},
          {"retention", gaps.retention},
          {"before_take_over", gaps.before_take_over},
          {"skipped", gaps.skipped},
          {"missing", gaps.missing},
          {"unknown", gaps.unknown}};
}

Json json_of(const VerifiedPartition& of) {
  Json ranges = Json::array();
  for (const auto& range : of.ranges) ranges.push_back({range.first.value, range.next.value});
  return {{"partition", number(of.partition)},
          {"level", of.level == Level::kOk ? "ok" : name_of(of.level)},
          {"rows", of.rows},
          {"dead_letters", of.dead_letters},
          {"replayed", of.replayed},
          {"duplicates", of.duplicates},
          {"duplicates_of_others", of.duplicates_of_others},
          {"ranges", ranges},
          {"range_count", of.range_count},
          {"begin", json_of(of.begin)},
          {"progress", json_of(of.progress)},
          {"dead_letter_progress", json_of(of.dead_letter_progress)},
          {"earliest", json_of(of.earliest)},
          {"latest", json_of(of.latest)},
          {"high_watermark", json_of(of.high_watermark)},
          {"lag", of.lag ? Json(*of.lag) : Json(nullptr)},
          {"gaps", json_of(of.gaps)}};
}

Json json_of(const VerifiedTopic& topic) {
  Json epochs = Json::array();
  for (const auto& epoch : topic.epochs) {
    Json partitions = Json::array();
    for (const auto& partition : epoch.partitions) partitions.push_back(json_of(partition));
    epochs.push_back({{"topic_id", epoch.identity},
                      {"since_us", epoch.since},
                      {"current", epoch.is_current},
                      {"partitions", partitions}});
  }
  return {{"topic", topic.topic},
          {"table", topic.table},
          {"table_exists", topic.table_exists},
          {"dead_letter_table", topic.dead_letter_table},
          {"dead_letter_table_exists", topic.dead_letter_table_exists},
          {"version", topic.version},
          {"files", topic.files},
          {"rows", topic.rows},
          {"bytes", topic.bytes},
          {"log_entries", topic.log_entries},
          {"kafka_told", topic.kafka_told},
          {"epochs", epochs},
          {"findings", json_of(topic.findings)}};
}

void print(const Json& json, std::ostream& out) {
  // Bytes that are not UTF-8 become the replacement character.
  out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace

void print_text(const VerifyReport& report, std::ostream& out) {
  print(report.findings, out);
  for (const auto& topic : report.topics) {
    out << head_of(topic);
    for (const auto& epoch : topic.epochs) print(epoch, topic.epochs.size() == 1, out);
    print(topic.findings, out);
    out << '\n';
  }
  const std::size_t problems = count_of(report, Level::kProblem);
  const std::size_t unknown = count_of(report, Level::kUnknown);
  out << fmt::format("{}: {} topics, {} problems, {} open questions, {} warnings\n",
                     verdict_of(exit_code(report)), report.topics.size(), problems, unknown,
                     count_of(report, Level::kWarning));
}

void print_json(const VerifyReport& report, std::ostream& out) {
  const int code = exit_code(report);
  Json topics = Json::array();
  for (const auto& topic : report.topics) topics.push_back(json_of(topic));
  print({{"verdict", verdict_of(code)},
         {"exit_code", code},
         {"errors", Json::array()},
         {"findings", json_of(report.findings)},
         {"topics", topics}},
        out);
}

void print_verify_json(const std::vector<config::ConfigError>& errors, std::ostream& out) {
  Json list = Json::array();
  for (const auto& error : errors) {
    list.push_back({{"name", error.variable}, {"message", error.message}});
  }
  print({{"verdict", verdict_of(k_bad_usage)},
         {"exit_code", k_bad_usage},
         {"errors", list},
         {"findings", Json::array()},
         {"topics", Json::array()}},
        out);
}

}  // namespace bronze::commands
