// The cost of one small commit at a growing version: a table on local disk, one row a commit,
// a checkpoint every 100 commits as in the service.
//
//   small_commits [FOLDER]   (default: the temporary folder)

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "batch/schema.h"
#include "delta/delta_store.h"

namespace {

using namespace bronze;
using SteadyClock = std::chrono::steady_clock;

constexpr int k_versions = 5'000;
constexpr int k_window = 20;
constexpr int k_checkpoint_interval = 100;

double median_ms(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool commit(delta::TableSink& table, int version) {
  batch::Columns rows;
  rows.append({.raw_value = "{\"event\": 1}",
               .partition = Partition{0},
               .offset = Offset{version},
               .kafka_timestamp = 1,
               .ingested_at = 1'772'409'540'000'000});
  const auto file = table.open_file("2026-03-01");
  file->append(std::move(rows));
  if (!file->finish().outcome.ok()) return false;
  return table
      .put({.txns = {{"bronze/g/u/0", version}},
            .parameters = {{"bronzeToken", std::to_string(version)}},
            .files = {file.get()}})
      .outcome.ok();
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path folder =
      (argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::temp_directory_path()) /
      ("bronze-small-commits-" + std::to_string(::getpid()));
  const delta::DeltaStore store({.base_uri = "file://" + folder.string(),
                                 .options = {},
                                 .engine_info = "bronze/bench",
                                 .connect_timeout = std::chrono::seconds(1),
                                 .request_timeout = std::chrono::seconds(5)});
  const auto table = store.table("bronze_t");
  if (!table
           ->create({.schema_json = batch::table_schema(),
                     .partition_columns = {batch::k_partition_column},
                     .configuration = {}})
           .ok()) {
    std::fprintf(stderr, "the table cannot be created in %s\n", folder.c_str());
    return 1;
  }
  std::vector<double> window;
  for (int version = 1; version <= k_versions + k_window / 2; ++version) {
    const auto begun = SteadyClock::now();
    if (!commit(*table, version)) {
      std::fprintf(stderr, "commit %d failed\n", version);
      return 1;
    }
    window.push_back(std::chrono::duration<double, std::milli>(SteadyClock::now() - begun).count());
    if (version % k_checkpoint_interval == 0 && !table->checkpoint().ok()) return 1;
    for (const int at : {10, 500, k_versions}) {
      if (version == at + k_window / 2) {
        const auto first = window.end() - std::min<std::ptrdiff_t>(k_window, at);
        std::printf("version %d: %.2f ms (median of %d commits around it)\n", at,
                    median_ms({first, window.end()}), std::min(k_window, at));
      }
    }
  }
  std::filesystem::remove_all(folder);
  return 0;
}
