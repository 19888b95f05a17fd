#pragma once

#include <functional>
#include <mutex>

#include "base/cache_counts.h"
#include "base/clock.h"
#include "config/config.h"
#include "ingest/report.h"
#include "observe/history.h"
#include "observe/http_server.h"
#include "observe/observation.h"
#include "observe/status.h"

namespace bronze {

/// What the service tells by HTTP. Owned by the app; any thread.
class ServicePages {
 public:
  using Pulse = std::function<StorePulse()>;

  /// `board` and `clock` outlive it.
  ServicePages(const config::Config& config, const ingest::ReportBoard& board, const Clock& clock);

  using Cache = std::function<CacheCounts()>;

  /// Before that the store counts as answering.
  void set_pulse(Pulse pulse);
  void set_cache(Cache cache);
  /// To be called with each report.
  void note(const ingest::IngestReport& report);
  /// They use this object.
  [[nodiscard]] observe::HttpServer::Pages pages();

 private:
  [[nodiscard]] observe::Observation look() const;
  [[nodiscard]] observe::Page status_page(observe::StatusDetail detail) const;

  const observe::ServiceFacts facts_;
  const config::HealthConfig health_rules_;
  const ingest::ReportBoard& board_;
  const Clock& clock_;
  observe::History history_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  Pulse pulse_;
  Cache cache_;
};

}  // namespace bronze
