#include "commands/replay_output.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "base/exit_codes.h"
#include "commands/one_line.h"

namespace bronze::commands {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(Fate fate) {
  switch (fate) {
    case Fate::kReplayed:
      return "replayed";
    case Fate::kStillBad:
      return "still_bad";
    case Fate::kAlreadyThere:
      return "already_there";
    case Fate::kNotPassed:
      return "not_passed";
    case Fate::kOtherTopic:
      return "other_topic";
    case Fate::kBytesNotKept:
      return "bytes_not_kept";
  }
  return "";
}

const char* name_of(ReplayStatus status) {
  switch (status) {
    case ReplayStatus::kDone:
      return "done";
    case ReplayStatus::kNoDeadLetters:
      return "no_dead_letters";
    case ReplayStatus::kFailed:
      return "failed";
    case ReplayStatus::kUnreachable:
      return "unreachable";
  }
  return "failed";
}

// --- text ----------------------------------------------------------------------------------------

std::string text_of(const FateKey& key, ReplayMode mode) {
  switch (key.first) {
    case Fate::kReplayed:
      return mode == ReplayMode::kDryRun ? "would be replayed" : "replayed";
    case Fate::kStillBad:
      return "still bad: " + key.second;
    case Fate::kAlreadyThere:
      return "already replayed";
    case Fate::kNotPassed:
      return "not yet passed by the service";
    case Fate::kOtherTopic:
      return "of an older topic of this name";
    case Fate::kBytesNotKept:
      return "bytes not kept";
  }
  return "";
}

std::string outcome_of(const ReplayedTopic& topic, ReplayMode mode) {
  const std::uint64_t replayed = topic.letters(Fate::kReplayed);
  switch (topic.status) {
    case ReplayStatus::kDone:
      return fmt::format("{} dead letters, {} {}{}", topic.letters(), replayed,
                         mode == ReplayMode::kDryRun ? "would be replayed" : "replayed",
                         topic.commits == 0 ? "" : fmt::format(" in {} commits", topic.commits));
    case ReplayStatus::kNoDeadLetters:
      return "there is no " + topic.dead_letter_table;
    case ReplayStatus::kFailed:
      return fmt::format("FAILED after {} commits: {}", topic.commits, one_line(topic.message));
    case ReplayStatus::kUnreachable:
      return fmt::format("NOT REACHABLE after {} commits: {}", topic.commits,
                         one_line(topic.message));
  }
  return "";
}

// --- JSON ----------------------------------------------------------------------------------------

Json json_of(const ReplayedTopic& topic) {
  Json counts = Json::array();
  for (const auto& [error_type, fates] : topic.counts) {
    for (const auto& [key, counted] : fates) {
      counts.push_back({{"error_type", error_type},
                        {"outcome", name_of(key.first)},
                        {"now", key.second.empty() ? Json(nullptr) : Json(key.second)},
                        {"letters", counted.letters},
                        {"sample", counted.sample.empty() ? Json(nullptr) : Json(counted.sample)}});
    }
  }
  return {{"topic", topic.topic},
          {"table", topic.table},
          {"dead_letter_table", topic.dead_letter_table},
          {"status", name_of(topic.status)},
          {"message", topic.message.empty() ? Json(nullptr) : Json(topic.message)},
          {"letters", topic.letters()},
          {"replayed", topic.letters(Fate::kReplayed)},
          {"commits", topic.commits},
          {"counts", counts}};
}

void print(const Json& json, std::ostream& out) {
  // Bytes that are not UTF-8 become the replacement character.
  out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace

void print_text(const ReplayReport& report, std::ostream& out) {
  if (!report.topics_unknown.empty()) out << one_line(report.topics_unknown) << '\n';
  for (const auto& topic : report.topics) {
    out << fmt::format("{}: {}\n", topic.topic, outcome_of(topic, report.mode));
    for (const auto& [error_type, fates] : topic.counts) {
      for (const auto& [key, counted] : fates) {
        out << fmt::format("  {:<24} {:<34} {:>10}{}\n", error_type, text_of(key, report.mode),
                           counted.letters,
                           counted.sample.empty() ? "" : "  " + one_line(counted.sample));
      }
    }
  }
}

void print_json(const ReplayReport& report, std::ostream& out) {
  Json topics = Json::array();
  for (const auto& topic : report.topics) topics.push_back(json_of(topic));
  Json errors = Json::array();
  if (!report.topics_unknown.empty()) {
    errors.push_back({{"name", "KAFKA_TOPICS"}, {"message", report.topics_unknown}});
  }
  print({{"exit_code", exit_code(report)},
         {"dry_run", report.mode == ReplayMode::kDryRun},
         {"errors", errors},
         {"topics", topics}},
        out);
}

void print_replay_json(const std::vector<config::ConfigError>& errors, std::ostream& out) {
  Json list = Json::array();
  for (const auto& error : errors) {
    list.push_back({{"name", error.variable}, {"message", error.message}});
  }
  print({{"exit_code", k_bad_usage},
         {"dry_run", nullptr},
         {"errors", list},
         {"topics", Json::array()}},
        out);
}

}  // namespace bronze::commands
