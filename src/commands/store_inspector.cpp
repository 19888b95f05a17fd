#include "commands/store_inspector.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <exception>
#include <utility>

#include "ingest/app_id.h"

namespace bronze::commands {
namespace {

constexpr std::size_t k_threads = 8;

delta::StoreOutcome failed(const std::exception& error) {
  return {delta::StoreStatus::kFailed, error.what()};
}

/// Where the group's partitions stand; `prefix` is that of its appIds. Of several topics of the
/// name, of which each had its own, the least.
OffsetMap progress_in(const delta::TxnMap& txns, const std::string& prefix) {
  OffsetMap progress;
  for (const auto& [app_id, next] : txns) {
    const auto slash = app_id.find('/', prefix.size());
    if (!app_id.starts_with(prefix) || slash == std::string::npos) continue;
    std::int32_t partition = 0;
    const char* const end = app_id.data() + app_id.size();
    // Not a number: when a topic took the place of another one.
    if (std::from_chars(app_id.data() + slash + 1, end, partition).ptr != end) continue;
    Offset& least = progress.try_emplace(Partition{partition}, Offset{next}).first->second;
    least = std::min(least, Offset{next});
  }
  return progress;
}

}  // namespace

StoreInspector::StoreInspector(StoreAccess access, std::string group)
    : access_(std::move(access)), group_(std::move(group)) {
  for (std::size_t i = 0; i < k_threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

StoreInspector::~StoreInspector() {
  for (auto& thread : threads_) thread.request_stop();
}

void StoreInspector::look_at(const std::vector<std::string>& topics) {
  const std::lock_guard lock(mutex_);
  topics_.insert(topics_.end(), topics.begin(), topics.end());
  look_.tables.resize(topics_.size());
  more_jobs_.notify_all();
}

StoreLook StoreInspector::wait_until(SteadyTime deadline) {
  std::unique_lock lock(mutex_);
  done_changed_.wait_until(lock, deadline, [&] { return done_ == jobs(); });
  return look_;
}

void StoreInspector::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::size_t job = 0;
    std::string topic;
    {
      std::unique_lock lock(mutex_);
      if (!more_jobs_.wait(lock, stop, [&] { return next_ < jobs(); })) return;
      job = next_++;
      if (job > 0) topic = topics_[job - 1];
    }
    if (job == 0) {
      auto outcome = probe();
      const std::lock_guard lock(mutex_);
      look_.probe = std::move(outcome);
      ++done_;
    } else {
      auto table = table_of(topic);
      const bool is_there = table.loaded->ok();
      {
        const std::lock_guard lock(mutex_);
        look_.tables[job - 1] = std::move(table);
      }
      auto dead_letters = is_there ? dead_letters_of(topic) : std::nullopt;
      const std::lock_guard lock(mutex_);
      look_.tables[job - 1].dead_letters = std::move(dead_letters);
      ++done_;
    }
    done_changed_.notify_all();
  }
}

delta::StoreOutcome StoreInspector::probe() const {
  try {
    return access_.probe();
  } catch (const std::exception& error) {
    return failed(error);
  }
}

TableLook StoreInspector::table_of(const std::string& topic) const {
  TableLook look;
  try {
    const auto table = access_.table(config::table_directory(topic));
    look.loaded = table->load();
    if (!look.loaded->ok()) return look;
    look.view = table->snapshot();
    bool others_may_have_written = false;
    OffsetMap ours;
    if (!look.view.txns.contains(ingest::registry_app_id(group_, topic))) {
      auto lookup = table->has_data_files();
      look.loaded = std::move(lookup.outcome);
      others_may_have_written = look.has_data_files = lookup.found;
    } else {
      const std::string prefix = ingest::group_prefix(group_);
      auto lookup = table->log_entry_has_txn(look.view.version, prefix);
      look.newest_entry_is_ours = lookup.outcome.ok() && lookup.found;
      others_may_have_written = !lookup.found;
      if (lookup.outcome.status != delta::StoreStatus::kMissing) {
        look.loaded = std::move(lookup.outcome);
      }
      ours = progress_in(look.view.txns, prefix);
    }
    if (look.loaded->ok() && others_may_have_written) {
      auto last = table->last_offsets(ours);
      look.loaded = std::move(last.outcome);
      look.last_offsets = std::move(last.offsets);
    }
  } catch (const std::exception& error) {
    look.loaded = failed(error);
  }
  return look;
}

std::optional<delta::TableTotals> StoreInspector::dead_letters_of(const std::string& topic) const {
  if (!access_.totals) return std::nullopt;
  try {
    return access_.totals(config::dead_letter_directory(topic));
  } catch (const std::exception& error) {
    return delta::TableTotals{.outcome = failed(error)};
  }
}

}  // namespace bronze::commands
