#include "cache/state_cache.h"

#include <algorithm>
#include <utility>

namespace bronze::cache {
namespace {

SteadyTime now() { return std::chrono::steady_clock::now(); }

}  // namespace

StateCache::StateCache(std::unique_ptr<KeyValueServer> server, StateCacheSettings settings,
                       EventLog& log)
    : server_(std::move(server)),
      settings_(settings),
      log_(log),
      pause_(settings.pause_min),
      not_before_(now()),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

StateCache::~StateCache() = default;

std::optional<std::string> StateCache::find(const std::string& table) {
  Lock lock(mutex_);
  if (!may_try()) return std::nullopt;
  const auto id = next_read_++;
  reads_[id].key = table;
  work_changed_.notify_one();
  const bool answered =
      done_changed_.wait_for(lock, settings_.wait_max, [&] { return reads_.at(id).answered; });
  if (!answered && may_try()) {
    note_failure(fmt::format("no answer within {} ms", settings_.wait_max.count()));
  }
  auto value = std::move(reads_.at(id).value);
  reads_.erase(id);
  return value;
}

void StateCache::keep(const std::string& table, std::string state) {
  const std::lock_guard lock(mutex_);
  std::string& pending = pending_[table];
  pending_bytes_ -= pending.size();
  pending_bytes_ += state.size();
  pending = std::move(state);
  if (pending_bytes_ > settings_.pending_bytes_max) {
    pending_bytes_ -= pending.size();
    pending_.erase(table);
    ++counts_.errors;
    return;
  }
  work_changed_.notify_one();
}

void StateCache::count(delta::StateUse use) {
  const std::lock_guard lock(mutex_);
  ++(use == delta::StateUse::kHit ? counts_.hits : counts_.misses);
}

void StateCache::drain() {
  Lock lock(mutex_);
  done_changed_.wait_for(lock, settings_.wait_max,
                         [&] { return failing_ || (pending_.empty() && !writing_); });
}

CacheCounts StateCache::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void StateCache::work(const std::stop_token& stop) {
  Lock lock(mutex_);
  while (true) {
    wait_for_work(lock, stop);
    if (stop.stop_requested()) return;
    if (std::ranges::any_of(reads_, [](const auto& read) { return !read.second.answered; })) {
      serve_reads(lock);
    } else if (!pending_.empty() && may_try()) {
      write_one(lock);
    }
  }
}

void StateCache::wait_for_work(Lock& lock, const std::stop_token& stop) {
  const auto reads_wait = [this] {
    return std::ranges::any_of(reads_, [](const auto& read) { return !read.second.answered; });
  };
  work_changed_.wait(lock, stop, [&] { return reads_wait() || !pending_.empty(); });
  if (reads_wait() || may_try()) return;
  work_changed_.wait_until(lock, stop, not_before_, reads_wait);
}

void StateCache::serve_reads(Lock& lock) {
  std::vector<std::uint64_t> ids;
  std::vector<std::string> keys;
  for (const auto& [id, read] : reads_) {
    if (read.answered) continue;
    ids.push_back(id);
    keys.push_back(read.key);
  }
  lock.unlock();
  auto found = server_->get(keys);
  lock.lock();
  found.values.resize(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto read = reads_.find(ids[i]);
    // Whoever asked may have given up.
    if (read == reads_.end()) continue;
    read->second.answered = true;
    read->second.value = std::move(found.values[i]);
  }
  found.trouble.empty() ? note_answer() : note_failure(found.trouble);
  done_changed_.notify_all();
}

void StateCache::write_one(Lock& lock) {
  auto next = pending_.upper_bound(last_written_);
  if (next == pending_.end()) next = pending_.begin();
  auto written = pending_.extract(next);
  last_written_ = written.key();
  pending_bytes_ -= written.mapped().size();
  writing_ = true;
  lock.unlock();
  const std::string trouble = server_->set(written.key(), written.mapped());
  lock.lock();
  writing_ = false;
  if (trouble.empty()) {
    note_answer();
  } else {
    note_failure(trouble);
    // Unless there is a later one by now.
    const std::size_t bytes = written.mapped().size();
    if (pending_bytes_ + bytes <= settings_.pending_bytes_max &&
        pending_.insert(std::move(written)).inserted) {
      pending_bytes_ += bytes;
    }
  }
  done_changed_.notify_all();
}

void StateCache::note_failure(const std::string& trouble) {
  ++counts_.errors;
  failing_ = true;
  not_before_ = now() + pause_;
  pause_ = std::min(pause_ * 2, settings_.pause_max);
  log_.tell(
      LogEvent::kCacheFailed, {.reason = trouble},
      "Redis cannot be used: {}. Nothing is lost: where a table cannot be looked up there its "
      "log is read, which takes longer. Trying again",
      trouble);
}

void StateCache::note_answer() {
  not_before_ = now();
  pause_ = settings_.pause_min;
  if (std::exchange(failing_, false)) {
    log_.tell(LogEvent::kCacheRecovered, {}, "Redis can be used again");
  }
}

}  // namespace bronze::cache
