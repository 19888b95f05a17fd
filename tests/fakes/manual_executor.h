#pragma once

#include <chrono>
#include <deque>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "ingest/executor.h"

namespace bronze::fakes {

/// Runs a job when the test says so, on the test's thread. What a job throws goes to the test.
/// A job may be run while another one is in the middle: that is how workers run beside each other.
class ManualExecutor final : public ingest::Executor {
 public:
  void submit(std::size_t lane, ingest::BatchId strand, std::unique_ptr<ingest::Job> job) override {
    strands_[strand].emplace_back(lane, std::move(job));
    ++untold_[lane];
  }

  [[nodiscard]] std::vector<ingest::JobDone> take_done() override {
    for (const auto& done : done_) --untold_[done.lane];
    return std::exchange(done_, {});
  }

  /// The test decides what runs, and when.
  void wait_done(std::chrono::milliseconds /*max_wait*/) override {}

  [[nodiscard]] bool busy(std::size_t lane) const override {
    const auto found = untold_.find(lane);
    return found != untold_.end() && found->second > 0;
  }

  /// Strands whose next job could begin now.
  [[nodiscard]] std::size_t strands() const { return strands_.size() - running_.size(); }

  /// How many jobs of the strand have not begun.
  [[nodiscard]] std::size_t waiting(ingest::BatchId strand) const {
    const auto found = strands_.find(strand);
    return found == strands_.end() ? 0 : found->second.size();
  }

  /// Runs the first job of the strand at `index` of those.
  void run_one(std::size_t index) {
    auto strand = strands_.begin();
    while (running_.contains(strand->first) || index-- > 0) ++strand;
    const ingest::BatchId id = strand->first;
    auto [lane, job] = std::move(strand->second.front());
    strand->second.pop_front();
    running_.insert(id);
    try {
      done_.push_back({lane, job->run()});
    } catch (...) {
      running_.erase(id);
      throw;
    }
    running_.erase(id);
    if (strands_.at(id).empty()) strands_.erase(id);
  }

  void run_all() {
    while (strands() > 0) run_one(0);
  }

 private:
  std::map<ingest::BatchId, std::deque<std::pair<std::size_t, std::unique_ptr<ingest::Job>>>>
      strands_;
  std::set<ingest::BatchId> running_;
  std::vector<ingest::JobDone> done_;
  std::map<std::size_t, std::size_t> untold_;
};

}  // namespace bronze::fakes
