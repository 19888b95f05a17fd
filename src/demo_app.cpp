#include "demo_app.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "app.h"
#include "base/exit_codes.h"
#include "base/readable.h"
#include "delta/delta_store.h"
#include "demo/events.h"
#include "demo/feeder.h"
#include "demo/progress_view.h"
#include "demo/settings.h"
#include "demo/summary.h"
#include "kafka/group_offsets.h"
#include "kafka/mock_cluster.h"
#include "kafka/producer.h"
#include "observe/http_server.h"
#include "observe/log.h"
#include "version.h"

namespace bronze {
namespace {

namespace fs = std::filesystem;

constexpr int k_partitions = 4;
/// Half is left for what Kafka adds to each record and set of records.
constexpr std::uint64_t k_unwritten_bytes_max = kafka::k_mock_partition_bytes / 2;
constexpr std::uint64_t k_seed = 20'240'115;
constexpr std::chrono::milliseconds k_tick{100};
constexpr std::chrono::milliseconds k_redraw{500};
constexpr std::chrono::milliseconds k_line_interval{2'000};
/// Nothing more was written for so long: it never will be.
constexpr std::chrono::seconds k_stalled{30};
constexpr int k_ports_tried_max = 100;

std::vector<std::string> topics() { return {demo::k_topics.begin(), demo::k_topics.end()}; }

/// A folder that was not there before: `bronze-demo/20260115-103000`, or with `-2`, `-3` behind it.
std::string make_run_folder(UnixMicros now) {
  const fs::path root = "bronze-demo";
  const std::string name = demo::run_name(now);
  std::error_code error;
  fs::create_directory(root, error);
  for (int number = 1; !error; ++number) {
    const fs::path folder = root / (number == 1 ? name : fmt::format("{}-{}", name, number));
    if (fs::create_directory(folder, error)) return folder.string();
  }
  throw std::runtime_error(
      fmt::format("bronze demo: cannot create a folder in {}: {}. Run it where you may write",
                  (fs::current_path() / root).string(), error.message()));
}

/// The first port from `wanted` on that nobody listens at.
std::uint16_t free_port(const std::string& host, std::uint16_t wanted, EventLog& log) {
  constexpr int k_port_max = 65'535;
  for (int port = wanted; port < std::min(wanted + k_ports_tried_max, k_port_max + 1); ++port) {
    try {
      const observe::HttpServer probe(host, static_cast<std::uint16_t>(port), {}, log);
      return probe.port();
    } catch (const std::runtime_error&) {
      continue;
    }
  }
  return observe::HttpServer(host, 0, {}, log).port();
}

/// Entries of a table's log; 0 while there is none.
std::uint64_t log_entries(const fs::path& table) {
  std::error_code error;
  const fs::directory_iterator entries(table / "_delta_log", error);
  return static_cast<std::uint64_t>(std::count_if(
      begin(entries), end(entries),
      [](const fs::directory_entry& entry) { return entry.path().extension() == ".json"; }));
}

/// A line of /proc/self/status, such as `VmRSS`.
std::uint64_t memory_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1)) * 1024;
  }
  return 0;
}

/// Standard output is a terminal that a block of lines can be redrawn on.
bool can_redraw(const config::EnvLookup& environment) {
  if (isatty(STDOUT_FILENO) == 0) return false;
  if (environment("TERM").value_or("dumb") == "dumb") return false;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return false;
  constexpr std::size_t k_block_lines = demo::k_topics.size() + 4;
  return size.ws_col > demo::k_block_columns && size.ws_row > k_block_lines;
}

/// The service on a thread of its own.
class Service {
 public:
  Service(const config::Config& config, const Clock& clock, EventLog& log)
      : app_(config, ingest::RunMode::kUntilStopped, clock, log),
        run_([this] { return app_.run(); }),
        end_(run_.get_future()),
        thread_([this] { run_(); }) {}
  ~Service() { app_.request_stop(); }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  [[nodiscard]] bool ended_within(std::chrono::milliseconds time) const {
    return end_.wait_for(time) == std::future_status::ready;
  }
  /// Asks it to stop and waits. Throws what the service threw.
  [[nodiscard]] ingest::IngestEnd stop() {
    app_.request_stop();
    return end_.get();
  }

 private:
  App app_;
  std::packaged_task<ingest::IngestEnd()> run_;
  std::future<ingest::IngestEnd> end_;
  std::jthread thread_;
};

/// Shows how far the demo is: a block that is redrawn, or a line now and then.
class Display {
 public:
  enum class Kind { kBlock, kLines };

  struct Settings {
    Kind kind = Kind::kLines;
    std::chrono::seconds planned{};
    fs::path folder;
  };

  Display(const Settings& settings, const Clock& clock, std::ostream& out)
      : kind_(settings.kind),
        planned_(settings.planned),
        begin_(clock.now()),
        out_(out),
        block_(out),
        last_(begin_) {
    for (const auto& topic : topics()) tables_.push_back(settings.folder / ("bronze_" + topic));
  }

  void show(demo::Stage stage, const demo::FeedReport& report, SteadyTime now) {
    const auto interval = kind_ == Kind::kBlock ? k_redraw : k_line_interval;
    if (now - last_ >= interval) draw(stage, report, now);
  }

  void draw(demo::Stage stage, const demo::FeedReport& report, SteadyTime now) {
    std::uint64_t produced = 0;
    for (const auto& topic : report.topics) produced += topic.produced;
    const double seconds = std::chrono::duration<double>(now - last_).count();
    const double rate =
        seconds > 0 ? static_cast<double>(produced - std::exchange(produced_, produced)) / seconds
                    : 0;
    last_ = now;
    std::uint64_t commits = 0;
    for (const auto& table : tables_) commits += log_entries(table);
    const demo::Progress progress{
        .stage = stage,
        .elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - begin_),
        .planned = planned_,
        .topics = report.topics,
        .rate = rate,
        .commits = commits,
        .memory_bytes = memory_bytes("VmRSS")};
    if (kind_ == Kind::kBlock) {
      block_.draw(demo::progress_block(progress));
    } else {
      out_ << demo::progress_line(progress) << std::endl;
    }
  }

 private:
  const Kind kind_;
  const std::chrono::seconds planned_;
  const SteadyTime begin_;
  std::ostream& out_;
  demo::LiveBlock block_;
  std::vector<fs::path> tables_;
  SteadyTime last_;
  std::uint64_t produced_ = 0;
};

std::uint64_t total_written(const demo::FeedReport& report) {
  std::uint64_t written = 0;
  for (const auto& topic : report.topics) written += topic.written;
  return written;
}

/// What the tables hold, read anew from the store.
std::vector<demo::Landed> read_tables(const config::Config& config,
                                      const demo::FeedReport& report) {
  const delta::DeltaStore store({.base_uri = config.store.base_uri,
                                 .options = config.store.options,
                                 .engine_info = std::string("bronze/") + k_version,
                                 .connect_timeout = k_stalled,
                                 .request_timeout = k_stalled});
  std::vector<demo::Landed> landed;
  for (std::size_t i = 0; i < demo::k_topics.size(); ++i) {
    const std::string topic(demo::k_topics[i]);
    const auto totals = store.totals("bronze_" + topic);
    landed.push_back({.topic = topic,
                      .produced = report.topics[i].produced,
                      .raw_bytes = report.topics[i].bytes,
                      .rows = totals.rows,
                      .files = totals.files,
                      .stored_bytes = totals.bytes,
                      .trouble = totals.outcome.message});
  }
  return landed;
}

config::Config with_kafka(config::Config config, std::string bootstrap_servers) {
  config.kafka.bootstrap_servers = std::move(bootstrap_servers);
  return config;
}

/// What a run works with; all outlive it.
struct DemoParts {
  const Clock& clock;
  EventLog& log;
  Display& display;
};

/// Kafka, the service, the feeder, and what is seen of them.
class DemoRun {
 public:
  /// `config` lacks Kafka's address only. All references outlive the run.
  DemoRun(const DemoOptions& options, const config::Config& config, const std::string& folder,
          const DemoParts& parts)
      : options_(options),
        folder_(folder),
        clock_(parts.clock),
        display_(parts.display),
        begin_(parts.clock.now()),
        cluster_(topics(), k_partitions),
        config_(with_kafka(config, cluster_.bootstrap_servers())),
        service_(config_, parts.clock, parts.log),
        producer_(config_.kafka.bootstrap_servers, topics()),
        offsets_(config_.kafka.bootstrap_servers, config_.kafka.consumer_group),
        feeder_({.rate = options.rate,
                 .partitions = k_partitions,
                 .unwritten_bytes_max = k_unwritten_bytes_max,
                 .seed = k_seed},
                {.producer = producer_, .offsets = offsets_, .clock = parts.clock}) {}

  /// Until the time is over, it is asked to stop, or it cannot go on.
  void feed(const std::atomic<bool>& stop_requested) {
    const SteadyTime until = begin_ + options_.duration;
    while (look(demo::Stage::kProducing) && clock_.now() < until && !stop_requested) {
    }
    feeder_.stop_producing();
  }

  /// Until everything is in the tables, or nothing moves any more.
  void write_the_rest() {
    SteadyTime moved_at = clock_.now();
    std::uint64_t written = total_written(report_);
    while (look(demo::Stage::kWritingTheRest) && !report_.all_written) {
      if (std::exchange(written, total_written(report_)) != written) moved_at = clock_.now();
      if (clock_.now() - moved_at >= k_stalled) return;
    }
  }

  /// Stops the service, says what landed, and returns the exit code.
  [[nodiscard]] int conclude(std::ostream& out) {
    const bool ended_early = service_.ended_within({});
    const bool all_well = service_.stop() == ingest::IngestEnd::kDone && !ended_early;
    report_ = feeder_.report();
    display_.draw(demo::Stage::kWritingTheRest, report_, clock_.now());
    const auto landed = read_tables(config_, report_);
    out << fmt::format("\nWhat landed in {:.1f} s", seconds_since_begin(clock_.now()));
    if (first_row_) {
      out << fmt::format(", the first rows after {:.1f} s", seconds_since_begin(*first_row_));
    }
    out << fmt::format("; the process, Kafka included, took {} of memory at most:\n\n",
                       demo::as_size(memory_bytes("VmHWM")))
        << demo::summary(landed) << '\n';
    if (!report_.failure.empty()) out << "Producing failed: " << report_.failure << '\n';
    if (!all_well) out << "The service did not end as it should.\n";
    if (all_well && report_.failure.empty() && demo::all_landed(landed)) {
      out << demo::queries(folder_);
      return k_done;
    }
    out << "Why is in " << folder_ << "/bronze.log\n";
    return k_failed;
  }

 private:
  /// Shows how things stand, after a moment. False = there is no reason to go on.
  bool look(demo::Stage stage) {
    const bool ended = service_.ended_within(k_tick);
    report_ = feeder_.report();
    const SteadyTime now = clock_.now();
    if (!first_row_ && total_written(report_) > 0) first_row_ = now;
    display_.show(stage, report_, now);
    return !ended && report_.failure.empty();
  }

  double seconds_since_begin(SteadyTime time) const {
    return std::chrono::duration<double>(time - begin_).count();
  }

  const DemoOptions options_;
  const std::string folder_;
  const Clock& clock_;
  Display& display_;
  const SteadyTime begin_;
  kafka::MockCluster cluster_;
  const config::Config config_;
  Service service_;
  kafka::Producer producer_;
  kafka::GroupOffsets offsets_;
  demo::Feeder feeder_;
  demo::FeedReport report_;
  std::optional<SteadyTime> first_row_;
};

}  // namespace

DemoApp::DemoApp(const DemoOptions& options, config::EnvLookup environment, const Clock& clock)
    : options_(options), environment_(std::move(environment)), clock_(clock) {}

int DemoApp::run(std::ostream& out) {
  const auto load = [&](const std::string& folder) {
    return config::load_config(demo::demo_environment(environment_, folder),
                               config::cgroup_memory_limit("/"));
  };
  auto loaded = load(fs::current_path() / "bronze-demo");
  if (const auto* errors = std::get_if<std::vector<config::ConfigError>>(&loaded)) {
    for (const auto& error : *errors) std::cerr << error.variable << ": " << error.message << '\n';
    return k_bad_usage;
  }
  const std::string folder = make_run_folder(clock_.wall());
  auto& config = std::get<config::Config>(loaded = load(fs::current_path() / folder));
  observe::set_up_log_file(folder + "/bronze.log");
  const std::uint16_t wanted = config.http.port;
  EventLog log(clock_);
  config.http.port = free_port(config.http.host, wanted, log);

  out << fmt::format("bronze demo: {} s of rideshare events on {} topics, at most {} a second\n",
                     options_.duration.count(), demo::k_topics.size(), with_commas(options_.rate))
      << "  tables  " << folder << "/\n  log     " << folder << "/bronze.log\n"
      << fmt::format("  health  http://{}:{}/health", config.http.host, config.http.port)
      << (config.http.port == wanted ? "" : fmt::format(" (port {} is taken)", wanted))
      << "\nCtrl-C ends it early.\n"
      << std::endl;

  const auto kind = can_redraw(environment_) ? Display::Kind::kBlock : Display::Kind::kLines;
  Display display({.kind = kind, .planned = options_.duration, .folder = folder}, clock_, out);
  DemoRun demo(options_, config, folder, {.clock = clock_, .log = log, .display = display});
  demo.feed(stop_requested_);
  demo.write_the_rest();
  const int code = demo.conclude(out);
  log.flush();
  log.tell(LogEvent::kExit, {.exit_code = code}, "exit code {}", code);
  return code;
}

}  // namespace bronze
