#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "app.h"
#include "base/event_log.h"
#include "base/exit_codes.h"
#include "base/kill_point.h"
#include "base/sabotage.h"
#include "check_app.h"
#include "commands/check_output.h"
#include "commands/healthcheck.h"
#include "commands/http_get.h"
#include "commands/output_format.h"
#include "commands/replay.h"
#include "commands/replay_output.h"
#include "commands/screen.h"
#include "commands/status.h"
#include "commands/verify_output.h"
#include "config/config.h"
#include "demo_app.h"
#include "kafka/rd_kafka_source.h"
#include "observe/log.h"
#include "replay_app.h"
#include "verify_app.h"
#include "version.h"

namespace {

using bronze::LogEvent;
using bronze::commands::OutputFormat;
using bronze::config::Config;
using ConfigErrors = std::vector<bronze::config::ConfigError>;

/// Blocks SIGINT and SIGTERM in this thread and all made after, and waits for them in one of its
/// own: the first asks to stop, the second ends the process at once.
class SignalWatch {
 public:
  SignalWatch() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

  void start(std::function<void(const char* name)> on_first) {
    std::thread([signals = signals_, on_first = std::move(on_first)] {
      int signal = 0;
      sigwait(&signals, &signal);
      on_first(signal == SIGINT ? "SIGINT" : "SIGTERM");
      sigwait(&signals, &signal);
      _exit(128 + signal);
    }).detach();
  }

 private:
  sigset_t signals_{};
};

#ifdef BRONZE_TEST_HOOKS
/// The system's time, its wall part moved by BRONZE_CLOCK_SHIFT_SECONDS, or by as many seconds as
/// the file BRONZE_CLOCK_SHIFT_FILE holds at that moment.
class WallClock final : public bronze::Clock {
 public:
  [[nodiscard]] bronze::SteadyTime now() const override { return system_.now(); }
  [[nodiscard]] bronze::UnixMicros wall() const override {
    constexpr std::int64_t k_micros_a_second = 1'000'000;
    return system_.wall() + shift_seconds() * k_micros_a_second;
  }

 private:
  [[nodiscard]] std::int64_t shift_seconds() const {
    if (!file_) return fixed_seconds_;
    std::int64_t seconds = 0;
    if (!(std::ifstream(*file_) >> seconds)) throw std::runtime_error(*file_ + ": no number");
    return seconds;
  }

  bronze::SystemClock system_;
  const std::optional<std::string> file_ =
      bronze::config::process_environment()("BRONZE_CLOCK_SHIFT_FILE");
  const std::int64_t fixed_seconds_ =
      std::stoll(bronze::config::process_environment()("BRONZE_CLOCK_SHIFT_SECONDS").value_or("0"));
};
#else
using WallClock = bronze::SystemClock;
#endif

int exit_code(bronze::ingest::IngestEnd end) {
  switch (end) {
    case bronze::ingest::IngestEnd::kDone:
      return bronze::k_done;
    case bronze::ingest::IngestEnd::kFailed:
    case bronze::ingest::IngestEnd::kPartitionsHalted:
      return bronze::k_failed;
    case bronze::ingest::IngestEnd::kNotAllWritten:
      return bronze::k_not_all_written;
  }
  return bronze::k_failed;
}

bronze::config::LoadResult load_configuration() {
  auto loaded = bronze::config::load_config(bronze::config::process_environment(),
                                            bronze::config::cgroup_memory_limit("/"));
  if (const auto* config = std::get_if<Config>(&loaded)) {
    auto errors = bronze::refused_settings(*config);
    if (!errors.empty()) return errors;
  }
  return loaded;
}

void say(const ConfigErrors& errors) {
  for (const auto& error : errors) {
    std::cerr << error.variable << ": " << error.message << '\n';
  }
}

std::optional<Config> configuration() {
  auto loaded = load_configuration();
  if (auto* config = std::get_if<Config>(&loaded)) return std::move(*config);
  say(std::get<ConfigErrors>(loaded));
  return std::nullopt;
}

int run(bronze::ingest::RunMode mode) {
  const auto config = configuration();
  if (!config) return bronze::k_bad_usage;
  SignalWatch signals;
  bronze::observe::set_up_log(config->log);
  const WallClock clock;
  bronze::EventLog log(clock);
  log.tell(LogEvent::kStarted, {.release = bronze::k_version}, "bronze {}", bronze::k_version);
  for (const auto& line : bronze::config::describe(*config)) spdlog::info("{}", line);
  for (const auto& warning : config->warnings) spdlog::warn("{}", warning);
  std::optional<bronze::App> service;
  try {
    service.emplace(*config, mode, clock, log);
  } catch (const bronze::kafka::SettingsRefused& refused) {
    log.tell(LogEvent::kFailed, {.reason = refused.what()},
             "KAFKA_*: librdkafka refuses the settings: {}", refused.what());
    return bronze::k_bad_usage;
  }
  bronze::App& app = *service;
  signals.start([&](const char* name) {
    log.tell(LogEvent::kSignal, {.signal = name}, "{} received", name);
    app.request_stop();
  });
  const int code = exit_code(app.run());
  log.flush();
  log.tell(LogEvent::kExit, {.exit_code = code}, "exit code {}", code);
  spdlog::shutdown();
  // A store call that never comes back must not hold up the end; nothing is left to write.
  std::_Exit(code);
}

int healthcheck() {
  const auto config = configuration();
  if (!config) return bronze::k_bad_usage;
  return bronze::commands::healthcheck(config->http, std::cout);
}

/// Where the service is asked; nullopt = what says so is malformed.
std::optional<bronze::commands::HttpPlace> place_of(
    const bronze::commands::StatusOptions& options) {
  if (options.url.empty()) {
    const auto config = configuration();
    if (!config) return std::nullopt;
    return bronze::commands::place_of(config->http);
  }
  auto place = bronze::commands::place_at(options.url);
  if (auto* found = std::get_if<bronze::commands::HttpPlace>(&place)) return std::move(*found);
  say({std::get<bronze::config::ConfigError>(place)});
  return std::nullopt;
}

int status(const bronze::commands::StatusOptions& options) {
  const auto place = place_of(options);
  if (!place) return bronze::k_bad_usage;
  const auto terminal = bronze::commands::look_at_terminal(bronze::config::process_environment());
  if (!options.watch) {
    return bronze::commands::status(*place, options, terminal, std::cout, std::cerr);
  }
  bronze::observe::set_up_quiet_log();
  SignalWatch signals;
  bronze::commands::StatusWatch watch(*place, options, terminal, std::cout, std::cerr);
  signals.start([&watch](const char* /*name*/) {
    watch.end();
    _exit(bronze::k_done);
  });
  watch.run();
}

using SetSeconds = std::function<void(std::chrono::milliseconds)>;

/// An option of seconds, fractions allowed, within these limits.
CLI::Option* add_seconds(CLI::App& command, const std::string& name, double min, double max,
                         const std::string& what, const SetSeconds& set) {
  const auto check = [min, max](const std::string& text) -> std::string {
    double seconds = 0;
    // What is no number at all is in no range, either.
    const bool is_number = CLI::detail::lexical_cast(text, seconds);
    if (is_number && seconds >= min && seconds <= max) return {};
    return fmt::format("{} is not in the range {} to {}", text, min, max);
  };
  const auto set_from = [set](double seconds) {
    set(std::chrono::milliseconds(std::llround(seconds * 1000)));
  };
  return command.add_option_function<double>(name, set_from, what)
      ->type_name("SECONDS")
      ->check(CLI::Validator(check, ""));
}

void add_status_options(CLI::App& command, bronze::commands::StatusOptions& options) {
  auto* topic = command
                    .add_option("--topic", options.topics,
                                "Show this topic only, with its partitions; may be repeated")
                    ->type_name("NAME")
                    ->allow_extra_args(false);
  command
      .add_flag_callback(
          "--json", [&options] { options.format = OutputFormat::kJson; },
          "Write the document as /status gives it; see docs/status.md")
      ->excludes(topic);
  add_seconds(command, "--watch", 0.1, 3600,
              "Look again every so many seconds, 0.1 to 3600, until Ctrl-C",
              [&options](std::chrono::milliseconds every) { options.watch = every; })
      ->expected(0, 1)
      ->default_str("2");
  command
      .add_option("--url", options.url,
                  "Where the service is, http://host[:port][/prefix]; no variable is read then "
                  "[HTTP_HOST, HTTP_PORT]")
      ->type_name("URL");
  command.footer(
      "Asks a running service for /status and shows it: is it well, is it behind, what is it "
      "doing, "
      "what is to be done.\nOn a terminal in colours, unless NO_COLOR is set.\n\n"
      "Exit codes: 0 healthy, or --watch was ended by SIGINT or SIGTERM; 1 it answers and is not "
      "healthy; 2 bad\nconfiguration or usage; 3 could not tell: no answer, or not that of a "
      "bronze.");
}

/// What looks at tables once and ends: `make` makes the application unless the configuration or the
/// options have `errors`, which are told in JSON too by `print`.
template <typename App>
int run_command(OutputFormat format, ConfigErrors errors,
                void (*print)(const ConfigErrors&, std::ostream&),
                const std::function<std::unique_ptr<App>(const Config&)>& make,
                const std::function<int(App&)>& run) {
  const auto refuse = [&](const ConfigErrors& why) {
    say(why);
    if (format == OutputFormat::kJson) print(why, std::cout);
    return bronze::k_bad_usage;
  };
  const auto loaded = load_configuration();
  if (const auto* wrong = std::get_if<ConfigErrors>(&loaded)) {
    errors.insert(errors.end(), wrong->begin(), wrong->end());
  }
  if (!errors.empty()) return refuse(errors);
  bronze::observe::set_up_quiet_log();
  std::unique_ptr<App> app;
  try {
    app = make(std::get<Config>(loaded));
  } catch (const bronze::kafka::SettingsRefused& refused) {
    return refuse({{"KAFKA_*", std::string("librdkafka refuses the settings: ") + refused.what()}});
  } catch (const std::exception& refused) {
    return refuse({{"configuration", refused.what()}});
  }
  const int code = run(*app);
  // As in run: a call that got no answer in time is not waited for.
  std::_Exit(code);
}

int check(const bronze::CheckOptions& options) {
  return run_command<bronze::CheckApp>(
      options.format, {}, bronze::commands::print_json,
      [&](const Config& config) { return std::make_unique<bronze::CheckApp>(config, options); },
      [](bronze::CheckApp& app) { return app.run(std::cout); });
}

void add_check_options(CLI::App& command, bronze::CheckOptions& options) {
  command.add_flag_callback(
      "--json", [&options] { options.format = OutputFormat::kJson; },
      "Write one JSON object instead of text");
  add_seconds(command, "--timeout", 0.1, 600,
              "Seconds that Kafka and the store may take to answer, 0.1 to 600 [10]",
              [&options](std::chrono::milliseconds timeout) { options.timeout = timeout; });
  command.footer(
      "Exit codes: 0 all well (there may be warnings), 1 something is wrong, 2 bad configuration "
      "or usage,\n3 nothing is known to be wrong, but something could not be told: Kafka or the "
      "store did not answer.\nWith both, 1 wins.");
}

int verify(const bronze::VerifyOptions& options) {
  return run_command<bronze::VerifyApp>(
      options.format, bronze::refused_options(options), bronze::commands::print_verify_json,
      [&](const Config& config) { return std::make_unique<bronze::VerifyApp>(config, options); },
      [](bronze::VerifyApp& app) { return app.run(std::cout, std::cerr); });
}

void add_verify_options(CLI::App& command, bronze::VerifyOptions& options) {
  const auto seconds = [&command](const std::string& name, std::chrono::milliseconds& value,
                                  const std::string& what) {
    add_seconds(command, name, 0.1, 1e6, what,
                [&value](std::chrono::milliseconds given) { value = given; });
  };
  command
      .add_option("TOPIC", options.topics,
                  "Topics to verify, by name [all of KAFKA_TOPICS, regular expressions too]")
      ->type_name("");
  command.add_flag_callback(
      "--json", [&options] { options.format = OutputFormat::kJson; },
      "Write one JSON object instead of text; see docs/verify.md");
  seconds("--timeout", options.timeout, "How long Kafka may take to answer a question [10]");
  seconds("--gap-timeout", options.gap_timeout,
          "How long gaps of one topic are read from Kafka [600]");
  command
      .add_option("--memory", options.memory_mb,
                  "What the offsets of one topic may take; in order they take 3 bytes for 1000 "
                  "rows, in any order at most a bit for each offset [512]")
      ->type_name("MB")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'048'576}).description(""));
  command.footer(
      "Compares each table and its dead letters with the Delta log and with Kafka, offset by "
      "offset. Reads two\ncolumns of all files, the log, and from Kafka only what is in no row. "
      "Changes nothing. Progress goes to\nstandard error.\n\n"
      "Exit codes: 0 clean (there may be warnings), 1 dirty: rows are missing or double, or the "
      "table is\ndamaged, 2 bad configuration or usage, 3 nothing is known to be wrong, but "
      "something could not be told:\nno table, Kafka or the store did not answer, a feature that "
      "verify does not read. With both, 1 wins.");
}

int replay(const bronze::ReplayOptions& options) {
  using Settings = bronze::commands::ReplaySettings;
  const WallClock clock;
  const auto settings = bronze::commands::replay_settings(options.arguments);
  const auto* refused = std::get_if<ConfigErrors>(&settings);
  return run_command<bronze::ReplayApp>(
      options.format, refused != nullptr ? *refused : ConfigErrors(),
      bronze::commands::print_replay_json,
      [&](const Config& config) {
        return std::make_unique<bronze::ReplayApp>(config, std::get<Settings>(settings),
                                                   options.format, clock);
      },
      [](bronze::ReplayApp& app) { return app.run(std::cout, std::cerr); });
}

void add_replay_options(CLI::App& command, bronze::ReplayOptions& options) {
  auto& arguments = options.arguments;
  command
      .add_option("--topic", arguments.topics,
                  "A topic, or a regular expression that begins with ^; may be repeated [all of "
                  "KAFKA_TOPICS]")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command
      .add_option("--error-type", arguments.error_types,
                  "ENCODING_ERROR, JSON_PARSE_ERROR or SCHEMA_VALIDATION_ERROR; may be repeated "
                  "[all]")
      ->type_name("TYPE")
      ->allow_extra_args(false);
  command
      .add_option("--since", arguments.since,
                  "Dead letters written (_ingested_at) at or after this time, as "
                  "2026-01-31T10:30:00Z")
      ->type_name("TIME");
  command.add_option("--until", arguments.until, "Those written before this time")
      ->type_name("TIME");
  command.add_option("--partition", arguments.partition, "Those of one partition")
      ->type_name("N")
      ->check(CLI::Range(0, std::numeric_limits<std::int32_t>::max()).description(""));
  command
      .add_option("--offsets", arguments.offsets,
                  "Those from offset FIRST to before NEXT, e.g. 100-200")
      ->type_name("FIRST-NEXT");
  command.add_flag_callback(
      "--dry-run", [&arguments] { arguments.mode = bronze::commands::ReplayMode::kDryRun; },
      "Write nothing; say what would be replayed");
  command.add_flag_callback(
      "--json", [&options] { options.format = OutputFormat::kJson; },
      "Write one JSON object instead of text; see docs/replay.md");
  command.footer(
      "Validates dead letters anew, under the present DLQ_* settings and schemas, and writes those "
      "that are valid\nnow into the main table, each once: what was replayed before is not written "
      "again. Dead letters stay where\nthey are. May run beside the service, and be stopped and "
      "run "
      "again at any time. Kafka is asked only for\nregular expressions. Progress goes to standard "
      "error.\n\n"
      "Exit codes: 0 done (some may still be bad), 1 failed, 2 bad configuration or usage, 3 the "
      "store, or Kafka for\nregular expressions, did not answer.");
}

int demo(const bronze::DemoOptions& options) {
  const bronze::SystemClock clock;
  SignalWatch signals;
  bronze::DemoApp app(options, bronze::config::process_environment(), clock);
  signals.start([&app](const char* name) {
    spdlog::info("{} received", name);
    app.request_stop();
  });
  int code = bronze::k_failed;
  try {
    code = app.run(std::cout);
  } catch (const std::exception& error) {
    // The log may already be a file that nobody looks at.
    std::cerr << error.what() << '\n';
  }
  std::cout.flush();
  spdlog::shutdown();
  // The thread that waits for signals ends with the process.
  std::_Exit(code);
}

void add_demo_options(CLI::App& command, bronze::DemoOptions& options) {
  constexpr std::int64_t k_seconds_max = 86'400;
  constexpr std::uint64_t k_rate_max = 1'000'000;
  command
      .add_option_function<std::int64_t>(
          "--seconds",
          [&options](std::int64_t seconds) { options.duration = std::chrono::seconds(seconds); },
          "How long events are produced, 1 to 86400 [30]")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, k_seconds_max).description(""));
  command
      .add_option("--rate", options.rate,
                  "Events a second over all topics, 1 to 1000000, as far as the service follows "
                  "[5000]")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{1}, k_rate_max).description(""));
  command.footer(
      "Needs nothing: Kafka runs inside the process, the tables go to ./bronze-demo/<run>/. Of the "
      "environment\nonly HTTP_PORT counts; if that port is taken, the next free one is used.\n\n"
      "Exit codes: 0 every table has as many rows as were produced, also after Ctrl-C; 1 not so; "
      "2 bad usage;\n130/143 second SIGINT/SIGTERM.");
}

int command_line(int argc, char** argv) {
  CLI::App cli("Copies Kafka topics into Delta Lake tables, every record exactly once.", "bronze");
  cli.footer([] {
    return "Configuration is by environment variables:\n\n" + bronze::config::variables_help() +
           "\nExit codes: 0 done, 1 stopped by a failure, 2 bad configuration or usage, 3 could "
           "not tell,\n4 shut down before everything was written, 130/143 second SIGINT/SIGTERM.";
  });
  cli.set_version_flag("--version", std::string("bronze ") + bronze::k_version);
  cli.require_subcommand(0, 1);
  auto* run_command = cli.add_subcommand("run", "Run the service (the default)");
  bool once = false;
  run_command->add_flag("--once", once,
                        "Read to the end offsets as they stand now, write, commit, exit");
  auto* healthcheck_command =
      cli.add_subcommand("healthcheck", "Ask the running service's /health: exit code 0 or 1");
  auto* status_command = cli.add_subcommand(
      "status", "Show what a running service does, and whether it is well; once or --watch");
  bronze::commands::StatusOptions status_options;
  add_status_options(*status_command, status_options);
  auto* check_command = cli.add_subcommand(
      "check", "Say whether Kafka, the store and the tables are ready; changes nothing");
  bronze::CheckOptions check_options;
  add_check_options(*check_command, check_options);
  auto* verify_command = cli.add_subcommand(
      "verify", "Compare tables with their topics, offset by offset; changes nothing");
  bronze::VerifyOptions verify_options;
  add_verify_options(*verify_command, verify_options);
  auto* replay_command = cli.add_subcommand(
      "replay", "Put dead letters that are valid now into their tables, each once");
  bronze::ReplayOptions replay_options;
  add_replay_options(*replay_command, replay_options);
  auto* demo_command =
      cli.add_subcommand("demo", "Show the service at work, with a Kafka of its own, for 30 s");
  bronze::DemoOptions demo_options;
  add_demo_options(*demo_command, demo_options);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? bronze::k_done : bronze::k_bad_usage;
  }
  if (healthcheck_command->parsed()) return healthcheck();
  if (status_command->parsed()) return status(status_options);
  if (check_command->parsed()) return check(check_options);
  if (verify_command->parsed()) return verify(verify_options);
  if (replay_command->parsed()) return replay(replay_options);
  if (demo_command->parsed()) return demo(demo_options);
  return run(once ? bronze::ingest::RunMode::kOnce : bronze::ingest::RunMode::kUntilStopped);
}

}  // namespace

int main(int argc, char** argv) {
  // A peer that closed its connection is an error like others. What TLS sends to a store raises the
  // signal, and by default that ends the process.
  std::signal(SIGPIPE, SIG_IGN);
  try {
#ifdef BRONZE_TEST_HOOKS
    if (const auto point = bronze::config::process_environment()("BRONZE_KILL_POINT")) {
      bronze::arm_kill_point(*point);
    }
    if (const auto name = bronze::config::process_environment()("BRONZE_SABOTAGE")) {
      bronze::active_sabotage = bronze::sabotage_named(*name);
    }
#endif
    return command_line(argc, argv);
  } catch (const std::exception& error) {
    const bronze::SystemClock clock;
    bronze::EventLog(clock).tell(LogEvent::kFailed, {.reason = error.what()}, "{}", error.what());
    spdlog::shutdown();
    return bronze::k_failed;
  }
}
