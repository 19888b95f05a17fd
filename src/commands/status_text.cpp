#include "commands/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "base/readable.h"
#include "commands/one_line.h"
#include "commands/text_table.h"
#include "config/rfc3339.h"

namespace bronze::commands {
namespace {

using Json = nlohmann::json;

constexpr const char* k_not_known = "-";
constexpr std::size_t k_label_columns = 14;
constexpr std::size_t k_reasons_short = 4;
constexpr std::size_t k_errors_short = 3;

// --- what the document says: what it lacks, or has in another form, is not known -----------------

const Json& member(const Json& object, std::string_view name) {
  static const Json k_null;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? k_null : *found;
}

const Json& list(const Json& object, std::string_view name) {
  static const Json k_empty = Json::array();
  const Json& value = member(object, name);
  return value.is_array() ? value : k_empty;
}

std::string text(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  return value.is_string() ? one_line(value.get_ref<const std::string&>()) : "";
}

bool flag(const Json& object, std::string_view name) { return member(object, name) == true; }

std::optional<double> number(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::optional<std::uint64_t> whole(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  return value.is_number_unsigned() ? std::optional(value.get<std::uint64_t>()) : std::nullopt;
}

std::string count(const Json& object, std::string_view name) {
  const auto value = whole(object, name);
  return value ? with_commas(*value) : k_not_known;
}

std::string bytes(const Json& object, std::string_view name) {
  const auto value = number(object, name);
  return value ? bytes_text(*value) : k_not_known;
}

std::string duration(const Json& object, std::string_view name) {
  const auto value = number(object, name);
  return value ? duration_text(*value) : k_not_known;
}

std::optional<std::int64_t> time_ms(const Json& object, std::string_view name) {
  return config::parse_rfc3339(text(object, name));
}

/// `3 min 12 s ago`
std::string age(const Json& object, std::string_view name, const Json& document) {
  const auto then = time_ms(object, name);
  const auto now = time_ms(document, "now");
  if (!then || !now) return k_not_known;
  return duration_text(static_cast<double>((*now - *then + 500) / 1000)) + " ago";
}

std::string clock(const Json& object, std::string_view name) {
  constexpr std::size_t k_time_at = 11;
  constexpr std::size_t k_time_size = 8;
  const std::string time = text(object, name);
  return time.size() > k_time_at ? time.substr(k_time_at, k_time_size) : k_not_known;
}

std::uint64_t letters_of(const Json& letters) {
  std::uint64_t sum = 0;
  if (!letters.is_object()) return sum;
  for (const auto& [type, of_it] : letters.items()) {
    sum += of_it.is_number_unsigned() ? of_it.get<std::uint64_t>() : 0;
  }
  return sum;
}

/// All of them, then `4 ENCODING_ERROR` of each type that there is.
StyledLine letters_facts(const std::string& all, const Json& letters) {
  StyledLine facts = {{all}};
  if (!letters.is_object()) return facts;
  for (const auto& [type, of_it] : letters.items()) {
    if (of_it != 0) facts.push_back({count(letters, type) + " " + one_line(type)});
  }
  return facts;
}

std::string words_of(std::string state) {
  std::replace(state.begin(), state.end(), '_', ' ');
  return state;
}

Style style_of(std::string_view state) {
  if (state == "copying" || state == "reading" || state == "open") return Style::kWell;
  if (state == "paused" || state == "failing" || state == "held") return Style::kWarn;
  if (state == "stopped") return Style::kBad;
  return Style::kPlain;
}

Style style_of_tone(std::string_view tone) {
  if (tone == "well") return Style::kWell;
  if (tone == "busy") return Style::kBusy;
  return tone == "warn" ? Style::kWarn : Style::kBad;
}

// --- between two documents ----------------------------------------------------------------------

/// How many records each topic, and all together, took in a second.
class ReadRates {
 public:
  ReadRates(const Json& now, const Json* before) {
    if (before == nullptr || text(now, "started_at") != text(*before, "started_at")) return;
    const auto from = time_ms(*before, "now");
    const auto to = time_ms(now, "now");
    if (!from || !to || *to <= *from) return;
    seconds_ = static_cast<double>(*to - *from) / 1000;
    consumed_before_ = whole(member(*before, "totals"), k_consumed);
    for (const Json& topic : list(*before, "topics")) {
      const auto consumed = whole(topic, k_consumed);
      if (consumed) of_topics_before_[text(topic, "topic")] = *consumed;
    }
  }

  [[nodiscard]] bool known() const { return seconds_ > 0; }

  [[nodiscard]] std::string of_all(const Json& now) const {
    return between(consumed_before_, whole(member(now, "totals"), k_consumed));
  }

  [[nodiscard]] std::string of(const Json& topic) const {
    const auto before = of_topics_before_.find(text(topic, "topic"));
    const bool is_new = before == of_topics_before_.end();
    return between(is_new ? std::nullopt : std::optional(before->second), whole(topic, k_consumed));
  }

 private:
  static constexpr const char* k_consumed = "messages_consumed";

  [[nodiscard]] std::string between(std::optional<std::uint64_t> from,
                                    std::optional<std::uint64_t> to) const {
    if (!known() || !from || !to || *to < *from) return k_not_known;
    return rate_text(static_cast<double>(*to - *from) / seconds_);
  }

  double seconds_ = 0;
  std::optional<std::uint64_t> consumed_before_;
  std::map<std::string, std::uint64_t> of_topics_before_;
};

// --- lines --------------------------------------------------------------------------------------

/// Adds up the lines, from the most urgent on. On the stack of status_lines.
class StatusText {
 public:
  StatusText(const Json& now, const Json* before, const StatusView& view)
      : now_(now), rates_(now, before), view_(view) {}

  std::vector<StyledLine> lines() {
    add_head();
    add_service();
    add_totals();
    add_refused();
    add_errors();
    add_topics();
    return std::move(lines_);
  }

 private:
  void add(StyledLine line) { lines_.push_back(std::move(line)); }

  /// A sentence, broken into lines that fit.
  void say(const std::string& sentence, Style style, std::size_t indent = 0) {
    if (sentence.empty()) return;
    constexpr std::size_t k_room_min = 20;
    const std::size_t limit = view_.columns.value_or(sentence.size() * 2 + indent);
    const std::size_t room = std::max(limit - std::min(limit, indent), k_room_min);
    for (const auto& piece : wrapped(sentence, room)) {
      add({{std::string(indent, ' ') + piece, style}});
    }
  }

  /// `label  item   item`, broken between items.
  void add_facts(std::string_view label, const StyledLine& items) {
    std::size_t used = label.empty() ? 0 : k_label_columns;
    StyledLine line = {{fmt::format("{:<{}}", label, used), Style::kSoft}};
    for (const Span& item : items) {
      if (item.text.empty()) continue;
      const std::size_t needed = columns_of(item.text);
      if (line.size() > 1 && view_.columns && used + needed > *view_.columns) {
        add(std::exchange(line, {{std::string(k_label_columns, ' ')}}));
        used = k_label_columns;
      }
      if (line.size() > 1) line.push_back({"   "});
      line.push_back(item);
      used += needed + 3;
    }
    add(std::move(line));
  }

  void add_head() {
    add_facts("", {{"bronze " + text(now_, "version"), Style::kBold},
                   {"group " + text(now_, "consumer_group")},
                   {"started " + age(now_, "started_at", now_)},
                   {clock(now_, "now") + " UTC"}});
    add({});
    const Json& verdict = member(now_, "verdict");
    say(text(verdict, "headline"), style_of_tone(text(verdict, "tone")));
    say(text(verdict, "doing"), Style::kPlain);
    say(text(verdict, "advice"), Style::kBold);
    std::vector<std::string> reasons;
    for (const Json& reason : list(now_, "reasons")) {
      if (!reason.is_string()) continue;
      if (is_wanted(topic_of(reason.get<std::string>()))) reasons.push_back(reason);
    }
    const std::size_t shown = shown_of(reasons.size(), k_reasons_short);
    for (std::size_t i = 0; i < shown; ++i) say("- " + one_line(reasons[i]), Style::kWarn);
    say_how_many_more(reasons.size() - shown);
    add({});
  }

  /// `topic NAME ...`, `partition 2 of topic NAME ...`; empty = it is about no topic.
  static std::string_view topic_of(std::string_view reason) {
    constexpr std::string_view k_of = " of topic ";
    constexpr std::string_view k_topic = "topic ";
    if (reason.starts_with("partition ") && reason.find(k_of) != std::string_view::npos) {
      reason.remove_prefix(reason.find(k_of) + k_of.size());
    } else if (reason.starts_with(k_topic)) {
      reason.remove_prefix(k_topic.size());
    } else {
      return {};
    }
    return reason.substr(0, reason.find_first_of(" :"));
  }

  /// What is about no topic is about all.
  [[nodiscard]] bool is_wanted(std::string_view topic) const {
    return topic.empty() || view_.topics.empty() || std::ranges::count(view_.topics, topic) > 0;
  }

  [[nodiscard]] std::size_t shown_of(std::size_t items, std::size_t at_most) const {
    const bool all = view_.lists == StatusView::Lists::kWhole;
    return all ? items : std::min(items, at_most);
  }

  void say_how_many_more(std::size_t more) {
    if (more > 0) say(fmt::format("  and {} more", with_commas(more)), Style::kSoft);
  }

  Span verdict_on(std::string_view name, const char* good, const char* bad) {
    return flag(now_, name) ? Span{good, Style::kWell} : Span{bad, Style::kBad};
  }

  void add_part(const char* label, const Json& part, const std::string& place,
                const std::string& more) {
    const auto silent = number(part, "last_answer_seconds");
    const bool answers = flag(part, "reachable");
    add_facts(label,
              {{answers ? "answers" : "does not answer", answers ? Style::kWell : Style::kBad},
               {silent ? "last " + duration_text(*silent) + " ago" : ""},
               {place},
               {more}});
  }

  void add_service() {
    add_facts("state", {verdict_on("healthy", "healthy", "not healthy"),
                        verdict_on("ready", "ready", "not ready"),
                        verdict_on("live", "alive", "not alive")});
    const Json& kafka = member(now_, "kafka");
    add_part("Kafka", kafka, text(kafka, "bootstrap"), "rebalances " + count(kafka, "rebalances"));
    const Json& store = member(now_, "store");
    add_part("store", store, text(store, "base"), "");
    const Json& memory = member(now_, "memory");
    const std::string intake = text(memory, "intake");
    add_facts("memory", {{bytes(memory, "resident_bytes") + " resident"},
                         {bytes(memory, "buffered_bytes") + " in batches"},
                         {bytes(memory, "budget_bytes") + " limit"},
                         {"intake " + intake, style_of(intake)}});
    const Json& partitions = member(now_, "partitions");
    const bool stopped = whole(partitions, "stopped").value_or(0) > 0;
    const bool paused = whole(partitions, "paused").value_or(0) > 0;
    add_facts("partitions",
              {{count(partitions, "assigned") + " assigned"},
               {count(partitions, "paused") + " paused", paused ? Style::kWarn : Style::kPlain},
               {count(partitions, "stopped") + " stopped", stopped ? Style::kBad : Style::kPlain},
               {"batches every " + duration(now_, "batch_interval_seconds")}});
  }

  void add_totals() {
    const Json& totals = member(now_, "totals");
    const Json& rates = member(now_, "rates");
    const auto over = number(rates, "over_seconds");
    const auto rate = [&](std::string_view name, std::string (*as_text)(double)) {
      const auto value = number(rates, name);
      return value && over
                 ? fmt::format("{} a second in the last {}", as_text(*value), about_text(*over))
                 : std::string();
    };
    add_facts("rows", {{count(totals, "rows_committed")}, {rate("rows_per_second", rate_text)}});
    add_facts("bytes",
              {{bytes(totals, "bytes_committed")}, {rate("bytes_per_second", bytes_text)}});
    add_facts("consumed",
              {{count(totals, "messages_consumed")},
               {rates_.known() ? rates_.of_all(now_) + " a second since the last look" : ""}});
    add_facts("lag", {{count(totals, "lag")}});
    add_facts("writes", {{"commits " + count(totals, "commits")},
                         {"retries " + count(totals, "retries")},
                         {"files " + count(totals, "files_written")},
                         {"checkpoints " + count(totals, "checkpoints")}});
    add_facts("dead letters",
              letters_facts(count(totals, "dead_letters"), member(now_, "dead_letters")));
  }

  void add_refused() {
    std::vector<std::string> refused;
    for (const Json& topic : list(now_, "refused")) {
      if (!is_wanted(name_of(topic))) continue;
      refused.push_back(text(topic, "topic") + ": " + text(topic, "reason"));
    }
    if (refused.empty()) return;
    add({});
    add({{"not copied", Style::kBold}});
    for (const std::string& topic : refused) say(topic, Style::kBad, 2);
  }

  void add_errors() {
    std::vector<const Json*> errors;
    for (const Json& error : list(now_, "errors")) {
      if (is_wanted(name_of(error))) errors.push_back(&error);
    }
    if (errors.empty()) return;
    add({});
    add({{"last errors", Style::kBold}});
    const std::size_t shown = shown_of(errors.size(), k_errors_short);
    for (std::size_t i = 0; i < shown; ++i) {
      const Json& error = *errors[i];
      const std::string topic = text(error, "topic");
      const std::string message = text(error, "message");
      const bool named = topic.empty() || message.starts_with(topic);
      const auto times = whole(error, "times").value_or(1);
      say(fmt::format("{}: {}{}{}", age(error, "at", now_), named ? "" : topic + ": ", message,
                      times > 1 ? fmt::format(" ({} times)", with_commas(times)) : ""),
          Style::kPlain, 2);
    }
    say_how_many_more(errors.size() - shown);
  }

  void add_topics() {
    std::vector<const Json*> topics = chosen();
    add({});
    if (topics.empty() && view_.topics.empty()) say("no topic yet", Style::kSoft);
    std::sort(topics.begin(), topics.end(), [](const Json* a, const Json* b) {
      const auto key = [](const Json& topic) {
        return std::pair(urgency(topic), text(topic, "topic"));
      };
      return key(*a) < key(*b);
    });
    if (!topics.empty()) add_table(topics);
    for (const Json* topic : topics) {
      if (!view_.topics.empty()) add_detail(*topic);
    }
  }

  std::vector<const Json*> chosen() {
    std::vector<const Json*> topics;
    for (const Json& topic : list(now_, "topics")) {
      if (is_wanted(name_of(topic))) topics.push_back(&topic);
    }
    for (const std::string& name : view_.topics) {
      const bool found = std::any_of(topics.begin(), topics.end(),
                                     [&](const Json* topic) { return name_of(*topic) == name; });
      if (!found) say(one_line(name) + ": this instance has no such topic", Style::kWarn);
    }
    return topics;
  }

  /// As it is, not as it is shown.
  static std::string name_of(const Json& object) {
    const Json& name = member(object, "topic");
    return name.is_string() ? name.get<std::string>() : "";
  }

  /// Less is more urgent.
  static double urgency(const Json& topic) {
    const std::string state = text(topic, "state");
    const auto risk = number(topic, "retention_risk_seconds");
    if (risk) return -1 / (1 + std::max(*risk, 0.0));
    if (state == "stopped") return 0;
    if (state == "failing") return 1;
    return state == "paused" ? 2 : 3;
  }

  void add_table(const std::vector<const Json*>& topics) {
    std::vector<std::string> heads = {"topic",        "state",     "lag",
                                      "behind by",    "unwritten", "last commit",
                                      "dead letters", "rows",      "bytes"};
    if (rates_.known()) heads.emplace_back("read/s");
    std::vector<TableRow> rows;
    for (const Json* topic : topics) rows.push_back(row_of(*topic));
    const TableText table = table_text(heads, rows, view_.columns);
    add(table.lines[0]);
    for (std::size_t i = 0; i < topics.size(); ++i) {
      add(table.lines[i + 1]);
      add_trouble(*topics[i]);
    }
    if (!table.left_out.empty()) say("too narrow for: " + table.left_out, Style::kSoft);
  }

  [[nodiscard]] TableRow row_of(const Json& topic) const {
    const std::string state = text(topic, "state");
    TableRow row = {
        {text(topic, "topic")},
        {words_of(state), style_of(state)},
        {count(topic, "lag")},
        {duration(topic, "lag_seconds")},
        {duration(topic, "oldest_unwritten_seconds")},
        {age(member(topic, "last_commit"), "at", now_)},
        {with_commas(letters_of(member(topic, "dead_letters")))},
        {count(topic, "rows_committed")},
        {bytes(topic, "bytes_committed")},
    };
    if (rates_.known()) row.push_back({rates_.of(topic)});
    return row;
  }

  /// Below the row of its topic.
  void add_trouble(const Json& topic) {
    add_risk(topic);
    const std::string reason = text(topic, "reason");
    say(reason, style_of(text(topic, "state")), 4);
    for (const Json& partition : list(topic, "partitions")) {
      if (text(partition, "state") != "stopped") continue;
      const std::string stopped = fmt::format(
          "partition {} is stopped: {}", count(partition, "partition"), text(partition, "reason"));
      if (stopped != reason) say(stopped, Style::kBad, 4);
    }
  }

  void add_risk(const Json& object) {
    const auto risk = number(object, "retention_risk_seconds");
    if (!risk) return;
    say(*risk > 0 ? fmt::format("loses records in about {} at the present rate", about_text(*risk))
                  : "has lost records",
        Style::kBad, 4);
  }

  void add_detail(const Json& topic) {
    add({});
    add({{text(topic, "topic"), Style::kBold}});
    const Json& letters = member(topic, "dead_letters");
    add_facts("table", {{text(topic, "table")}});
    add_facts("consumed", {{count(topic, "messages_consumed")}});
    add_facts("dead letters", letters_facts(with_commas(letters_of(letters)), letters));
    const Json& commit = member(topic, "last_commit");
    if (!commit.is_null()) {
      add_facts("last commit", {{age(commit, "at", now_)},
                                {"version " + count(commit, "version")},
                                {"rows " + count(commit, "rows")},
                                {bytes(commit, "bytes")},
                                {"took " + duration(commit, "seconds")},
                                {"token " + text(commit, "token")}});
    }
    const Json& error = member(topic, "last_error");
    if (!error.is_null()) {
      say(fmt::format("last error, {}: {}", age(error, "at", now_), text(error, "message")),
          Style::kPlain);
    }
    add_partitions(topic);
  }

  void add_partitions(const Json& topic) {
    const Json& partitions = list(topic, "partitions");
    std::vector<TableRow> rows;
    for (const Json& partition : partitions) {
      const std::string said = text(partition, "state");
      const std::string state = said.empty() ? "reading" : said;
      rows.push_back({{count(partition, "partition")},
                      {words_of(state), style_of(state)},
                      {count(partition, "lag")},
                      {count(partition, "committed")},
                      {count(partition, "position")},
                      {count(partition, "end")}});
    }
    const TableText table =
        table_text({"partition", "state", "lag", "written up to", "read up to", "end in Kafka"},
                   rows, view_.columns);
    add(table.lines[0]);
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      add(table.lines[i + 1]);
      add_risk(partitions[i]);
      say(text(partitions[i], "reason"), Style::kBad, 4);
    }
  }

  const Json& now_;
  const ReadRates rates_;
  const StatusView& view_;
  std::vector<StyledLine> lines_;
};

}  // namespace

std::optional<Json> parse_status(const std::string& body) {
  Json document = Json::parse(body, nullptr, false);
  const bool is_status = member(document, "version").is_string() &&
                         member(document, "healthy").is_boolean() &&
                         member(document, "topics").is_array();
  return is_status ? std::optional(std::move(document)) : std::nullopt;
}

std::vector<StyledLine> status_lines(const Json& now, const Json* before, const StatusView& view) {
  return StatusText(now, before, view).lines();
}

}  // namespace bronze::commands
