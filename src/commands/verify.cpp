#include "commands/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

#include "commands/topic_match.h"
#include "commands/verify_judgement.h"
#include "config/topic_tables.h"

namespace bronze::commands {
namespace {

using TroubleKind = kafka::Trouble::Kind;

class Verification {
 public:
  Verification(const config::Config& config, const VerifySettings& settings,
               const VerifyAccess& access, const TellProgress& tell)
      : config_(config), settings_(settings), access_(access), tell_(tell) {}

  VerifyReport run() {
    VerifyReport report;
    for (const auto& topic : topics(report)) report.topics.push_back(judge(facts_of(topic)));
    return report;
  }

 private:
  std::vector<std::string> topics(VerifyReport& report) {
    if (!settings_.topics.empty()) return settings_.topics;
    std::vector<std::string> topics = config_.kafka.topics;
    if (config_.kafka.patterns.empty()) return topics;
    TopicMatch match;
    const auto look = access_.look({
        .topics = {},
        .more_topics =
            [&](const std::vector<std::string>& all) {
              match = match_topics(config_, all);
              return std::vector<std::string>{};
            },
        .unix_ms = std::nullopt,
        .timeout = settings_.timeout,
    });
    const auto& trouble = look.trouble.any() ? look.trouble : look.list_trouble;
    if (trouble.any()) {
      unreachable_ = trouble;
      report.findings.push_back(
          {Level::kUnknown, "kafka_unreachable", std::nullopt,
           "Kafka does not tell which topics the regular expressions of KAFKA_TOPICS match; name "
           "topics to verify them: " +
               trouble.text()});
    }
    topics.insert(topics.end(), match.topics.begin(), match.topics.end());
    return topics;
  }

  TopicFacts facts_of(const std::string& topic) {
    TopicFacts facts;
    facts.topic = topic;
    facts.group = config_.kafka.consumer_group;
    facts.table.directory = config::table_directory(topic);
    facts.dead_letters.directory = config::dead_letter_directory(topic);
    facts.dead_letters.loaded.status = delta::StoreStatus::kMissing;
    try {
      const auto table = access_.reader(facts.table.directory);
      const auto dead_letters = access_.reader(facts.dead_letters.directory);
      read_tables(*table, *dead_letters, settings_.limits, tell_, facts);
      // After the table: nothing in it can be newer than what Kafka then says.
      ask_kafka(facts);
      if (is_ahead_of_table(facts)) read_progress_again(*table, facts);
    } catch (const std::exception& error) {
      facts.table.loaded = {delta::StoreStatus::kFailed, error.what()};
    }
    return facts;
  }

  /// The service may have written since the table was read.
  static void read_progress_again(delta::TableReader& table, TopicFacts& facts) {
    if (!table.load().ok()) return;
    TopicFacts now;
    now.topic = facts.topic;
    now.group = facts.group;
    read_txns(table.snapshot().txns, now);
    if (now.current().identity != facts.current().identity) return;
    for (const auto& [partition, of] : now.current().partitions) {
      if (of.progress) facts.later_progress[partition] = *of.progress;
    }
  }

  void ask_kafka(TopicFacts& facts) {
    facts.kafka.topic = facts.topic;
    facts.kafka.trouble = unreachable_;
    if (unreachable_.any()) return;
    tell_(fmt::format("{}: asking Kafka", facts.topic));
    auto look = access_.look(
        {.topics = {facts.topic}, .unix_ms = std::nullopt, .timeout = settings_.timeout});
    facts.kafka = std::move(look.topics.at(0));
    if (look.trouble.any()) {
      facts.kafka.trouble = look.trouble;
      // The other topics need not wait for the same answer.
      unreachable_ = look.trouble;
    }
    if (is_same_topic(facts)) read_gaps(facts);
  }

  void read_gaps(TopicFacts& facts) {
    auto& partitions = facts.epochs.back().partitions;
    for (const Partition partition : facts.kafka.partitions) partitions.try_emplace(partition);
    if (facts.table.out_of_memory || !facts.table.unreadable.empty()) return;
    const SteadyTime deadline = std::chrono::steady_clock::now() + settings_.gap_timeout;
    for (const auto& [partition, of] : partitions) {
      if (const auto gap = next_gap_to_ask(facts, partition, Offset{0})) {
        facts.gap_looks[partition] = ask(request(facts, partition, deadline), gap->first);
      }
      if (const auto range = beginning_to_ask(facts, partition)) {
        auto of_beginning = request(facts, partition, deadline);
        of_beginning.next_gap = [range](Offset from) {
          const OffsetRange left{std::max(from, range->first), range->next};
          return left.first < left.next ? std::optional(left) : std::nullopt;
        };
        of_beginning.visible_max = 1;
        facts.beginning_looks[partition] = ask(of_beginning, range->first);
      }
    }
  }

  kafka::GapLook ask(const kafka::GapRequest& request, Offset first) {
    if (unreachable_.any()) {
      return {.trouble = unreachable_, .reached = first, .visible = 0, .samples = {}};
    }
    auto look = access_.read_gaps(request);
    if (look.trouble.kind == TroubleKind::kUnreachable) unreachable_ = look.trouble;
    return look;
  }

  [[nodiscard]] kafka::GapRequest request(const TopicFacts& facts, Partition partition,
                                          SteadyTime deadline) const {
    return {.topic = facts.topic,
            .partition = partition,
            .next_gap =
                [this, &facts, partition](Offset from) {
                  const auto gap = next_gap_to_ask(facts, partition, from);
                  if (gap) {
                    tell_(fmt::format("{}: partition {}: asking Kafka about gaps, now at offset {}",
                                      facts.topic, number(partition), gap->first.value));
                  }
                  return gap;
                },
            .deadline = deadline};
  }

  const config::Config& config_;
  const VerifySettings& settings_;
  const VerifyAccess& access_;
  const TellProgress& tell_;
  /// Once no broker has answered, none is asked again.
  kafka::Trouble unreachable_;
};

}  // namespace

std::string refused_topic(const std::string& topic) {
  constexpr std::string_view k_allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  constexpr std::size_t k_bytes_max = 249;
  const bool fits = !topic.empty() && topic.size() <= k_bytes_max && topic != "." &&
                    topic != ".." && topic.find_first_not_of(k_allowed) == std::string::npos;
  return fits ? "" : "not the name of a topic: '" + topic + "'";
}

VerifyReport verify(const config::Config& config, const VerifySettings& settings,
                    const VerifyAccess& access, const TellProgress& tell) {
  return Verification(config, settings, access, tell).run();
}

}  // namespace bronze::commands
