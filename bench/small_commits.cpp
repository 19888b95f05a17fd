// What a table costs as it ages: the time of a commit, memory, opening, checkpoints. One row a
// commit through the service's own sink, a checkpoint every 100 commits as in the service. The
// stretches between the measurements are copies of a log entry, written directly.
//
//   small_commits [FOLDER [VERSIONS]]   (default: /dev/shm, 100,000 versions)
//
// Each stretch is measured in a process of its own.

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "batch/schema.h"
#include "delta/delta_store.h"

namespace {

using namespace bronze;
namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr int k_checkpoint_interval = 100;
/// Commits around a version, of which the median is told.
constexpr int k_window = 100;
/// Commits before a measurement of an aged table.
constexpr int k_warm_up = 500;
/// Commits before memory is looked at, and the pause before each.
constexpr int k_paced = 20;
constexpr std::chrono::milliseconds k_pause{50};
constexpr const char* k_table = "bronze_t";

double ms_since(SteadyClock::time_point begun) {
  return std::chrono::duration<double, std::milli>(SteadyClock::now() - begun).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <typename... Parts>
void say(fmt::format_string<Parts...> text, Parts&&... parts) {
  fmt::print(text, std::forward<Parts>(parts)...);
  std::fflush(stdout);
}

/// MB of a line of /proc/self/status.
double memory(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stod(line.substr(name.size() + 1)) / 1024;
  }
  return 0;
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

void check(const delta::StoreOutcome& outcome, std::string_view what) {
  if (outcome.ok()) return;
  fmt::print(stderr, "{}: {}\n", what, outcome.message);
  std::_Exit(1);
}

/// A table in a folder, with a handle of its own.
class Table {
 public:
  explicit Table(const fs::path& folder)
      : store_({.base_uri = "file://" + folder.string(),
                .options = {},
                .engine_info = "bronze/bench",
                .connect_timeout = std::chrono::seconds(1),
                .request_timeout = std::chrono::seconds(5)}),
        table_(store_.table(k_table)) {}

  void create() {
    check(table_->create({.schema_json = batch::table_schema(),
                          .partition_columns = {batch::k_partition_column},
                          .configuration = {}}),
          "create");
  }

  void load() { check(table_->load(), "load"); }

  /// Milliseconds.
  double commit() {
    const auto version = static_cast<std::int64_t>(table_->snapshot().version) + 1;
    const auto begun = SteadyClock::now();
    batch::Columns rows;
    rows.append({.raw_value = "{\"event\": 1}",
                 .partition = Partition{0},
                 .offset = Offset{version},
                 .kafka_timestamp = 1,
                 .ingested_at = 1'772'409'540'000'000});
    const auto file = table_->open_file("2026-03-01");
    file->append(std::move(rows));
    check(file->finish().outcome, "file");
    check(table_
              ->put({.txns = {{"bronze/g/u/0", version}},
                     .parameters = {{"bronzeToken", std::to_string(version)}},
                     .files = {file.get()}})
              .outcome,
          "put");
    return ms_since(begun);
  }

  /// Milliseconds.
  double checkpoint() {
    const auto begun = SteadyClock::now();
    check(table_->checkpoint(), "checkpoint");
    return ms_since(begun);
  }

  [[nodiscard]] int version() const { return static_cast<int>(table_->snapshot().version); }

 private:
  delta::DeltaStore store_;
  std::unique_ptr<delta::TableSink> table_;
};

/// Commits up to version `last`, and checkpoints on the way. The time of each commit.
std::vector<double> commit_to(Table& table, int last) {
  std::vector<double> times;
  while (table.version() < last) {
    times.push_back(table.commit());
    if (table.version() % k_checkpoint_interval == 0) table.checkpoint();
  }
  return times;
}

/// After some commits with pauses: at full speed the figure is mostly what malloc has not given
/// back yet.
void tell_memory(Table& table) {
  for (int i = 0; i < k_paced; ++i) {
    std::this_thread::sleep_for(k_pause);
    table.commit();
  }
  say("version {}: {:.1f} MB resident, {:.1f} MB of it anonymous\n", table.version(),
      memory("VmRSS:"), memory("RssAnon:"));
}

/// The median of the commits around `version`, behind which the table is then.
void tell_commit(Table& table, int version) {
  commit_to(table, version - k_window / 2);
  const auto times = commit_to(table, version + k_window / 2);
  say("version {}: a commit takes {:.2f} ms (median of {} around it)\n", version, median(times),
      times.size());
}

/// One checkpoint, and the commits that go on meanwhile.
void tell_checkpoint(Table& table) {
  std::vector<double> alone;
  for (int i = 0; i < k_window / 2; ++i) alone.push_back(table.commit());
  const int version = table.version();
  const double before = memory("VmRSS:");
  forget_peak();
  auto checkpoint = std::async(std::launch::async, [&] { return table.checkpoint(); });
  std::vector<double> beside;
  while (checkpoint.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    beside.push_back(table.commit());
  }
  say("version {}: a checkpoint takes {:.0f} ms and at its peak {:.1f} MB more than the {:.1f} MB "
      "before, {:.1f} MB after; {} commits meanwhile, of {:.2f} ms (before it: {:.2f})\n",
      version, checkpoint.get(), memory("VmHWM:") - before, before, memory("VmRSS:"), beside.size(),
      median(beside), median(alone));
}

void replace_each(std::string& text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    text.replace(at, what.size(), with);
  }
}

/// Log entries up to `last`: copies of the newest one, each with a file of its own.
void write_entries(const fs::path& log, int first, int last) {
  const auto path = [&](int version) { return log / fmt::format("{:020}.json", version); };
  std::ifstream newest(path(first - 1));
  std::string entry((std::istreambuf_iterator<char>(newest)), {});
  const std::string offset = fmt::format("\\\"_kafka_offset\\\":{}", first - 1);
  std::mt19937_64 random(static_cast<std::uint64_t>(first));
  for (int version = first; version <= last; ++version) {
    std::string copy = entry;
    replace_each(copy, offset, fmt::format("\\\"_kafka_offset\\\":{}", version));
    constexpr std::string_view k_file = "part-00000-";
    const auto id = copy.find(k_file) + k_file.size();
    copy.replace(id, 36, fmt::format("{:018x}{:018x}", random(), random()));
    std::ofstream(path(version)) << copy;
  }
}

int newest_version(const fs::path& folder) {
  Table table(folder);
  table.load();
  return table.version();
}

template <typename Work>
bool in_a_process_of_its_own(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    std::fflush(stdout);
    std::_Exit(0);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

void measure_young(const fs::path& folder) {
  Table table(folder);
  table.create();
  tell_commit(table, 100);
  commit_to(table, 500);
  tell_memory(table);
  tell_commit(table, 1'000);
  tell_checkpoint(table);
  commit_to(table, 5'000);
  tell_memory(table);
}

void make_older(const fs::path& folder, int last) {
  write_entries(folder / k_table / "_delta_log", newest_version(folder) + 1, last);
  Table table(folder);
  table.load();
  table.checkpoint();
}

void measure_aged(const fs::path& folder, int version) {
  Table table(folder);
  const auto begun = SteadyClock::now();
  table.load();
  say("version {}: opened in {:.0f} ms\n", table.version(), ms_since(begun));
  commit_to(table, table.version() + k_warm_up);
  tell_memory(table);
  tell_commit(table, version);
  tell_checkpoint(table);
}

bool measure(const fs::path& folder, int versions) {
  if (!in_a_process_of_its_own([&] { measure_young(folder); })) return false;
  for (int version = 10'000; version <= versions; version *= 10) {
    // So that the log has the longest tail when it is opened.
    const int entries = version - k_warm_up - k_window - 1;
    const bool done =
        in_a_process_of_its_own([&] { make_older(folder, entries - k_checkpoint_interval + 1); }) &&
        in_a_process_of_its_own([&] {
          write_entries(folder / k_table / "_delta_log", newest_version(folder) + 1, entries);
        }) &&
        in_a_process_of_its_own([&] { measure_aged(folder, version); });
    if (!done) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const fs::path folder = fs::path(argc > 1 ? argv[1] : "/dev/shm") /
                          ("bronze-small-commits-" + std::to_string(::getpid()));
  const bool done = measure(folder, argc > 2 ? std::stoi(argv[2]) : 100'000);
  fs::remove_all(folder);
  return done ? 0 : 1;
}
