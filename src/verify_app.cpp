#include "verify_app.h"

#include <optional>
#include <ostream>
#include <utility>

#include "app.h"
#include "base/clock.h"
#include "commands/progress_line.h"
#include "commands/verify.h"
#include "commands/verify_output.h"
#include "delta/delta_store.h"
#include "kafka/cluster_inspector.h"
#include "kafka/gap_reader.h"

namespace bronze {
namespace {

constexpr std::uint64_t k_mebibyte = 1'048'576;

commands::VerifySettings settings_of(const VerifyOptions& options) {
  return {.topics = options.topics,
          .timeout = options.timeout,
          .gap_timeout = options.gap_timeout,
          .limits = {.offsets_bytes_max = options.memory_mb * k_mebibyte}};
}

}  // namespace

std::vector<config::ConfigError> refused_options(const VerifyOptions& options) {
  std::vector<config::ConfigError> errors;
  for (const auto& topic : options.topics) {
    const std::string why = commands::refused_topic(topic);
    if (!why.empty()) errors.push_back({"TOPIC", why});
  }
  return errors;
}

struct VerifyApp::Parts {
  Parts(const config::Config& configuration, VerifyOptions verify_options)
      : config(configuration),
        options(std::move(verify_options)),
        store(store_settings(configuration)),
        gaps(source_settings(configuration)) {}

  const config::Config& config;
  const VerifyOptions options;
  const SystemClock clock;
  delta::DeltaStore store;
  kafka::GapReader gaps;
};

VerifyApp::VerifyApp(const config::Config& config, VerifyOptions options)
    : parts_(std::make_unique<Parts>(config, std::move(options))) {}

VerifyApp::~VerifyApp() = default;

int VerifyApp::run(std::ostream& out, std::ostream& err) {
  Parts& parts = *parts_;
  auto progress = commands::ProgressLine::on_standard_error(err, parts.clock);
  const commands::VerifyAccess access{
      .reader = [&parts](const std::string& directory) { return parts.store.reader(directory); },
      .look =
          [&parts](const kafka::LookRequest& request) {
            return kafka::ClusterInspector(source_settings(parts.config)).look(request);
          },
      .read_gaps = [&parts](const kafka::GapRequest& request) { return parts.gaps.read(request); }};
  const auto report =
      commands::verify(parts.config, settings_of(parts.options), access,
                       [&progress](const std::string& what) { progress.tell(what); });
  progress.clear();
  if (parts.options.format == commands::OutputFormat::kJson) {
    commands::print_json(report, out);
  } else {
    commands::print_text(report, out);
  }
  out.flush();
  return commands::exit_code(report);
}

}  // namespace bronze
