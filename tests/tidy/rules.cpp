#include "tidy/rules.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <regex>
#include <string_view>

#include "tidy/functions.h"

namespace bronze::tidy {
namespace {

constexpr std::size_t k_function_lines_max = 70;
constexpr std::size_t k_constructor_parameters_max = 5;
constexpr std::size_t k_columns_max = 100;

std::string offence(const Source& source, std::size_t line, const std::string& what) {
  return source.path() + ":" + std::to_string(line) + ": " + what;
}

/// Every place in `text`, which is the source's text or code, that the expression finds.
Offences every_match(const Source& source, const std::string& text, const std::regex& expression) {
  Offences offences;
  for (std::sregex_iterator found(text.begin(), text.end(), expression), end; found != end;
       ++found) {
    const auto position = static_cast<std::size_t>(found->position());
    offences.push_back(offence(source, source.line_of(position), found->str()));
  }
  return offences;
}

/// What the files of a folder may include by `"..."`, beyond their own folder. An entry with a dot
/// is one file, another one a folder.
const std::map<std::string, std::vector<std::string>>& allowed_includes() {
  static const std::map<std::string, std::vector<std::string>> k_allowed = {
      {"base", {}},
      {"config", {"base"}},
      {"kafka", {"base"}},
      {"batch", {"base"}},
      {"decode", {"base", "batch"}},
      {"cache", {"base", "delta/table_states.h", "bronze-bridge"}},
      {"delta", {"base", "batch", "bronze-bridge"}},
      {"schema", {"base", "decode/validator.h", "bronze-bridge"}},
      {"ingest", {"base", "batch", "decode", "delta/table_sink.h", "kafka/message_source.h"}},
      {"observe", {"base", "config", "decode/record_error.h", "ingest/report.h"}},
      {"demo", {"base", "config", "kafka/group_offsets.h", "kafka/producer.h"}},
      {"commands",
       {"base",
        "config",
        "observe",
        "batch/columns.h",
        "batch/row.h",
        "batch/schema.h",
        "decode/decoder.h",
        "delta/letter_scan.h",
        "delta/table_reader.h",
        "delta/table_sink.h",
        "delta/table_totals.h",
        "ingest/app_id.h",
        "ingest/backoff.h",
        "ingest/batch_files.h",
        "ingest/commit_attempt.h",
        "ingest/progress.h",
        "ingest/resolve.h",
        "ingest/start_offsets.h",
        "ingest/store_probe.h",
        "kafka/cluster_look.h",
        "kafka/gap_look.h"}},
  };
  return k_allowed;
}

bool may_include(const std::string& folder, const std::string& header) {
  const auto covers = [&](const std::string& allowed) {
    return allowed.find('.') != std::string::npos ? header == allowed
                                                  : header.starts_with(allowed + "/");
  };
  const auto found = allowed_includes().find(folder);
  if (found == allowed_includes().end() || covers(folder)) return true;
  return std::any_of(found->second.begin(), found->second.end(), covers);
}

/// `ingest` of src/ingest/lane.h; empty when the file is in no folder of src.
std::string folder_of(const Source& source) {
  static const std::regex k_folder("^src/([^/]+)/.*");
  std::smatch match;
  return std::regex_match(source.path(), match, k_folder) ? match[1].str() : "";
}

/// Columns of UTF-8 text: every byte that begins a character.
std::size_t columns_of(std::string_view line) {
  return static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// A string that fills its line: rustfmt leaves it whole.
bool is_one_literal(const Source& source, std::string_view line) {
  if (source.language() != Language::kRust) return false;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const bool begins = line.starts_with("r#\"") || line.starts_with("\"");
  return begins && (line.ends_with("\",") || line.ends_with("\"#,"));
}

}  // namespace

Offences environment_reads(const Source& source) {
  static const std::regex k_read(R"(\b(secure_)?getenv\b|\benviron\b|\benv::vars?(_os)?\b)");
  const bool measurement = source.path().ends_with("/measure.rs");
  if (source.in("src/config/") || measurement) return {};
  return every_match(source, source.code(), k_read);
}

Offences librdkafka_calls(const Source& source) {
  static const std::regex k_call(R"(\brd_kafka_\w+)");
  static const std::regex k_include(R"(#include\s*[<"]librdkafka/[^>"]*)");
  if (source.in("src/kafka/")) return {};
  Offences offences = every_match(source, source.code(), k_call);
  for (auto& include : every_match(source, source.text(), k_include)) {
    offences.push_back(std::move(include));
  }
  return offences;
}

Offences bridge_calls(const Source& source) {
  static const std::regex k_call(R"(\bbridge::\w*|\brust::\w+)");
  const bool may_call =
      source.in("src/delta/") || source.in("src/schema/") || source.in("src/cache/");
  if (!source.in("src/") || may_call) return {};
  return every_match(source, source.code(), k_call);
}

Offences forbidden_includes(const Source& source) {
  static const std::regex k_include(R"re(#include\s*"([^"]+)")re");
  Offences offences;
  const std::string& text = source.text();
  const std::string folder = folder_of(source);
  for (std::sregex_iterator found(text.begin(), text.end(), k_include), end; found != end;
       ++found) {
    if (may_include(folder, (*found)[1])) continue;
    const auto line = source.line_of(static_cast<std::size_t>(found->position()));
    offences.push_back(offence(source, line, folder + " includes " + (*found)[1].str()));
  }
  return offences;
}

Offences shared_pointers(const Source& source) {
  static const std::regex k_shared(R"(\b(shared_ptr|make_shared|enable_shared_from_this)\b)");
  // spdlog takes its loggers in no other way.
  if (source.language() != Language::kCpp || source.path() == "src/observe/log.cpp") return {};
  return every_match(source, source.code(), k_shared);
}

Offences long_functions(const Source& source) {
  Offences offences;
  for (const auto& function : functions_of(source)) {
    if (function.lines <= k_function_lines_max) continue;
    offences.push_back(offence(source, function.line,
                               "a function of " + std::to_string(function.lines) + " lines"));
  }
  return offences;
}

Offences wide_constructors(const Source& source) {
  Offences offences;
  for (const auto& constructor : constructors_of(source)) {
    if (constructor.parameters <= k_constructor_parameters_max) continue;
    offences.push_back(offence(
        source, constructor.line,
        constructor.name + " takes " + std::to_string(constructor.parameters) + " parameters"));
  }
  return offences;
}

Offences long_lines(const Source& source) {
  Offences offences;
  std::size_t number = 0;
  for (const std::string_view line : source.lines()) {
    ++number;
    const std::size_t columns = columns_of(line);
    if (columns <= k_columns_max || is_one_literal(source, line)) continue;
    offences.push_back(offence(source, number, std::to_string(columns) + " columns"));
  }
  return offences;
}

Offences nameless_files(const Source& source) {
  static const std::regex k_name(
      R"((^|.*/)([a-z0-9_]*_)?(utils?|helpers?|misc|common|tools)(_[a-z0-9_]*)?(\.\w+|/.*))");
  if (!std::regex_match(source.path(), k_name)) return {};
  return {offence(source, 1, "a name that says nothing")};
}

Offences unguarded_headers(const Source& source) {
  if (!source.is_header() || source.text().starts_with("#pragma once\n")) return {};
  return {offence(source, 1, "does not begin with #pragma once")};
}

Offences leftover_notes(const Source& source) {
  static const std::regex k_note(R"(\b(TODO|FIXME|XXX|HACK)\b|\b(todo|unimplemented)!)");
  return every_match(source, source.text(), k_note);
}

Offences words_about_the_work(const Source& source) {
  static const std::regex k_word(
      R"(\bissues? #?\d+|[ (]#\d+\b|\b[A-Z]{2,}-\d+ ticket|\b(ticket|sprint|colleague|co-?worker)s?\b)"
      R"(|\b(this|last|previous|earlier|next|my|your) session\b|/[w]ork/|\b(the|my|your) brief\b)"
      R"(|\bsub-?agents?\b|\bas (requested|asked|discussed|agreed)\b|\bcode review\b)",
      std::regex::icase);
  return every_match(source, source.text(), k_word);
}

}  // namespace bronze::tidy
