#include "demo/summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/readable.h"
#include "demo/progress_view.h"

namespace bronze::demo {
namespace {

bool landed(const Landed& topic) { return topic.trouble.empty() && topic.rows == topic.produced; }

std::string row(const Landed& topic) {
  const std::string ratio =
      topic.stored_bytes == 0 ? "-"
                              : fmt::format("{:.1f}x", static_cast<double>(topic.raw_bytes) /
                                                           static_cast<double>(topic.stored_bytes));
  return fmt::format("  {:<16}{:>12}{:>12}{:>7}{:>11}{:>11}{:>8}\n", topic.topic,
                     with_commas(topic.produced), with_commas(topic.rows), with_commas(topic.files),
                     as_size(topic.raw_bytes), as_size(topic.stored_bytes), ratio);
}

}  // namespace

bool all_landed(const std::vector<Landed>& topics) { return std::ranges::all_of(topics, landed); }

std::string summary(const std::vector<Landed>& topics) {
  std::string text = fmt::format("  {:<16}{:>12}{:>12}{:>7}{:>11}{:>11}{:>8}\n", "topic",
                                 "produced", "in table", "files", "raw", "stored", "ratio");
  Landed total;
  total.topic = "total";
  for (const auto& topic : topics) {
    text += row(topic);
    total.produced += topic.produced;
    total.raw_bytes += topic.raw_bytes;
    total.rows += topic.rows;
    total.files += topic.files;
    total.stored_bytes += topic.stored_bytes;
  }
  text += row(total) + "\n";
  for (const auto& topic : topics) {
    if (landed(topic)) continue;
    text += topic.trouble.empty()
                ? fmt::format("{}: {} produced, but {} in the table.\n", topic.topic,
                              with_commas(topic.produced), with_commas(topic.rows))
                : fmt::format("{}: the table cannot be read: {}\n", topic.topic, topic.trouble);
  }
  if (all_landed(topics)) text += "Every table has as many rows as were produced to its topic.\n";
  return text;
}

std::string queries(const std::string& folder) {
  return fmt::format(
      "The tables are in {0}/. To look into one:\n\n"
      "  pip install deltalake\n"
      "  python3 -c \"from deltalake import DeltaTable; t = DeltaTable('{0}/bronze_trips'); "
      "print(t.count(), 'rows in', len(t.file_uris()), 'files, version', t.version())\"\n\n"
      "or with DuckDB:\n\n"
      "  duckdb -c \"INSTALL delta; LOAD delta; SELECT _raw_value->>'event_type' AS event, "
      "count(*) AS events FROM delta_scan('{0}/bronze_trips') GROUP BY event ORDER BY event\"\n",
      folder);
}

}  // namespace bronze::demo
