#include "replay_app.h"

#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "app.h"
#include "commands/progress_line.h"
#include "commands/replay_output.h"
#include "delta/delta_store.h"
#include "kafka/cluster_inspector.h"
#include "value_checks.h"

namespace bronze {
namespace {

std::unique_ptr<decode::Decoder> decoder_of(const ValueRules& rules, const std::string& topic) {
  auto made = rules.checks_of(topic);
  if (const auto* fault = std::get_if<std::string>(&made)) throw std::runtime_error(*fault);
  auto& checks = std::get<ValueChecks>(made);
  return std::make_unique<decode::Decoder>(checks.decoder, std::move(checks.validator));
}

}  // namespace

struct ReplayApp::Parts {
  const config::Config& config;
  const commands::ReplaySettings settings;
  const commands::OutputFormat format;
  const Clock& clock;
  delta::DeltaStore store;
  ValueRules rules;
};

ReplayApp::ReplayApp(const config::Config& config, commands::ReplaySettings settings,
                     commands::OutputFormat format, const Clock& clock)
    : parts_(new Parts{config, std::move(settings), format, clock,
                       delta::DeltaStore(store_settings(config)), ValueRules(config)}) {}

ReplayApp::~ReplayApp() = default;

int ReplayApp::run(std::ostream& out, std::ostream& err) {
  Parts& parts = *parts_;
  auto progress = commands::ProgressLine::on_standard_error(err, parts.clock);
  const commands::ReplayAccess access{
      .reader = [&parts](const std::string& directory) { return parts.store.reader(directory); },
      .table = [&parts](const std::string& directory) { return parts.store.table(directory); },
      .look =
          [&parts](const kafka::LookRequest& request) {
            return kafka::ClusterInspector(source_settings(parts.config)).look(request);
          },
      .decoder = [&parts](const std::string& topic) { return decoder_of(parts.rules, topic); },
      .clock = parts.clock,
      .sleep = [](Duration time) { std::this_thread::sleep_for(time); }};
  const auto report = commands::replay(parts.config, parts.settings, access,
                                       [&](const std::string& what) { progress.tell(what); });
  progress.clear();
  if (parts.format == commands::OutputFormat::kJson) {
    commands::print_json(report, out);
  } else {
    commands::print_text(report, out);
  }
  out.flush();
  return commands::exit_code(report);
}

}  // namespace bronze
