#include "ingest/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <latch>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace bronze::ingest {
namespace {

/// Results as the ingest thread gets them: woken by the pool, never by time.
class Results {
 public:
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      ++woken_;
    }
    changed_.notify_all();
  }

  /// Waits until `count` jobs are done; their results in the order of their ends.
  std::vector<JobDone> wait_for(WorkerPool& pool, std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return woken_ >= count; });
    return pool.take_done();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t woken_ = 0;
};

JobOutcome encoded(BatchId batch, std::uint64_t bytes = 0) {
  return ColumnsEncoded{batch, 0, bytes};
}

TEST(WorkerPool, ReturnsTheOutcomeAndTheLaneOfAJob) {
  Results results;
  WorkerPool pool(1, [&] { results.wake(); });
  pool.submit(7, pool.new_strand(), make_job([] { return encoded(3, 99); }));
  const auto done = results.wait_for(pool, 1);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].lane, 7U);
  EXPECT_EQ(std::get<ColumnsEncoded>(done[0].outcome).batch, 3U);
  EXPECT_EQ(std::get<ColumnsEncoded>(done[0].outcome).encoded_bytes, 99U);
  EXPECT_TRUE(pool.take_done().empty()) << "each result is given once";
}

TEST(WorkerPool, WaitingEndsWithAJobOrWithTheTime) {
  WorkerPool pool(1, [] {});
  pool.wait_done(std::chrono::milliseconds(0));
  EXPECT_TRUE(pool.take_done().empty());
  pool.submit(0, pool.new_strand(), make_job([] { return encoded(1); }));
  pool.wait_done(std::chrono::hours(1));
  EXPECT_EQ(pool.take_done().size(), 1U);
}

TEST(WorkerPool, ALaneIsBusyUntilItsResultsAreTaken) {
  Results results;
  WorkerPool pool(1, [&] { results.wake(); });
  EXPECT_FALSE(pool.busy(7));
  std::latch may_end(1);
  for (int i = 0; i < 2; ++i) {
    pool.submit(7, pool.new_strand(), make_job([&may_end] {
                  may_end.wait();
                  return encoded(1);
                }));
  }
  EXPECT_TRUE(pool.busy(7));
  EXPECT_FALSE(pool.busy(8));
  may_end.count_down();
  std::size_t taken = 0;
  while (taken < 2) {
    EXPECT_TRUE(pool.busy(7));
    taken += results.wait_for(pool, taken + 1).size();
  }
  EXPECT_FALSE(pool.busy(7));
}

TEST(WorkerPool, StrandsHaveNamesOfTheirOwn) {
  WorkerPool pool(1, [] {});
  const BatchId first = pool.new_strand();
  EXPECT_NE(first, pool.new_strand());
}

TEST(WorkerPool, JobsOfAStrandRunInOrderAndNeverBesideEachOther) {
  constexpr std::size_t k_strands = 5;
  constexpr std::uint64_t k_jobs = 200;
  Results results;
  std::vector<std::atomic<int>> running(k_strands);
  std::atomic<int> overlaps{0};
  std::vector<JobDone> done;
  {
    WorkerPool pool(4, [&] { results.wake(); });
    std::vector<BatchId> strands;
    for (std::size_t i = 0; i < k_strands; ++i) strands.push_back(pool.new_strand());
    for (std::uint64_t job = 0; job < k_jobs; ++job) {
      for (std::size_t i = 0; i < k_strands; ++i) {
        pool.submit(i, strands[i], make_job([&running, &overlaps, i, job] {
                      if (running[i].fetch_add(1) != 0) ++overlaps;
                      std::this_thread::yield();
                      running[i].fetch_sub(1);
                      return encoded(i, job);
                    }));
      }
    }
    done = results.wait_for(pool, k_strands * k_jobs);
  }
  EXPECT_EQ(overlaps, 0);
  ASSERT_EQ(done.size(), k_strands * k_jobs);
  std::map<BatchId, std::uint64_t> expected;
  for (const auto& one : done) {
    const auto& outcome = std::get<ColumnsEncoded>(one.outcome);
    EXPECT_EQ(outcome.batch, one.lane);
    EXPECT_EQ(outcome.encoded_bytes, expected[outcome.batch]++);
  }
}

TEST(WorkerPool, StrandsRunBesideEachOther) {
  Results results;
  WorkerPool pool(3, [&] { results.wake(); });
  // Each waits for the others: only jobs that run at the same time get past this.
  std::latch all_there(3);
  for (std::size_t lane = 0; lane < 3; ++lane) {
    pool.submit(lane, pool.new_strand(), make_job([&all_there, lane] {
                  all_there.arrive_and_wait();
                  return encoded(lane);
                }));
  }
  EXPECT_EQ(results.wait_for(pool, 3).size(), 3U);
}

TEST(WorkerPool, ABusyStrandDoesNotHoldAnotherUp) {
  Results results;
  WorkerPool pool(2, [&] { results.wake(); });
  std::latch go_on(1);
  const BatchId busy = pool.new_strand();
  pool.submit(0, busy, make_job([&go_on] {
                go_on.wait();
                return encoded(0);
              }));
  for (int i = 0; i < 10; ++i) pool.submit(0, busy, make_job([] { return encoded(0); }));
  pool.submit(1, pool.new_strand(), make_job([] { return encoded(1); }));
  const auto first = results.wait_for(pool, 1);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].lane, 1U);
  go_on.count_down();
  EXPECT_EQ(results.wait_for(pool, 12).size(), 11U);
}

TEST(WorkerPool, AStrandThatHasRunDryTakesJobsAgain) {
  Results results;
  WorkerPool pool(2, [&] { results.wake(); });
  const BatchId strand = pool.new_strand();
  for (std::size_t round = 1; round <= 50; ++round) {
    pool.submit(0, strand, make_job([] { return encoded(0); }));
    EXPECT_EQ(results.wait_for(pool, round).size(), 1U);
  }
}

TEST(WorkerPool, AnExceptionBecomesJobFailedAndTheStrandGoesOn) {
  Results results;
  WorkerPool pool(1, [&] { results.wake(); });
  const BatchId strand = pool.new_strand();
  pool.submit(4, strand,
              make_job([]() -> JobOutcome { throw std::runtime_error("encoder broken"); }));
  pool.submit(4, strand, make_job([] { return encoded(1); }));
  const auto done = results.wait_for(pool, 2);
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[0].lane, 4U);
  EXPECT_EQ(std::get<JobFailed>(done[0].outcome).message, "encoder broken");
  EXPECT_TRUE(std::holds_alternative<ColumnsEncoded>(done[1].outcome));
}

/// Counts how many of its kind are alive.
struct Counted {
  explicit Counted(std::atomic<int>& alive) : alive_(&alive) { ++*alive_; }
  Counted(Counted&& other) noexcept : alive_(std::exchange(other.alive_, nullptr)) {}
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (alive_ != nullptr) --*alive_;
  }

 private:
  std::atomic<int>* alive_;
};

TEST(WorkerPool, AJobIsDestroyedBeforeItsResultIsGiven) {
  Results results;
  std::atomic<int> alive{0};
  WorkerPool pool(1, [&] { results.wake(); });
  pool.submit(0, pool.new_strand(), make_job([counted = Counted(alive)] { return encoded(0); }));
  static_cast<void>(results.wait_for(pool, 1));
  EXPECT_EQ(alive, 0);
}

/// Says that the thread on which it lives has ended.
struct ThreadEnd {
  ThreadEnd() = default;
  ThreadEnd(const ThreadEnd&) = delete;
  ThreadEnd& operator=(const ThreadEnd&) = delete;
  ~ThreadEnd() {
    if (latch != nullptr) latch->count_down();
  }
  std::latch* latch = nullptr;
};

TEST(WorkerPool, StopWaitsForWhatRunsAndDropsTheRest) {
  constexpr int k_waiting = 1000;
  Results results;
  std::latch other_thread_ended(1);
  std::latch begun(1);
  bool ended = false;
  std::atomic<int> run{0};
  std::atomic<int> alive{0};
  {
    WorkerPool pool(2, [&] { results.wake(); });
    const BatchId strand = pool.new_strand();
    // Ends only once the stop has begun, which the end of the idle thread shows.
    pool.submit(0, strand, make_job([&] {
                  begun.count_down();
                  other_thread_ended.wait();
                  ended = true;
                  return encoded(0);
                }));
    begun.wait();
    pool.submit(1, pool.new_strand(), make_job([&other_thread_ended] {
                  thread_local ThreadEnd end;
                  end.latch = &other_thread_ended;
                  return encoded(0);
                }));
    static_cast<void>(results.wait_for(pool, 1));
    const auto waiting_job = [&] {
      return make_job([&run, counted = Counted(alive)] {
        ++run;
        return encoded(0);
      });
    };
    for (int i = 0; i < k_waiting; ++i) pool.submit(0, strand, waiting_job());

    pool.stop();
    EXPECT_TRUE(ended);
    const int run_before_the_stop = run;
    EXPECT_LT(run_before_the_stop, k_waiting);
    pool.submit(0, strand, waiting_job());
    pool.submit(0, pool.new_strand(), waiting_job());
    pool.stop();
    EXPECT_EQ(run, run_before_the_stop);
  }
  EXPECT_EQ(alive, 0) << "what was dropped is destroyed with the pool";
}

TEST(WorkerPool, ResultsOutliveTheStop) {
  std::latch done(1);
  WorkerPool pool(1, [&] { done.count_down(); });
  pool.submit(0, pool.new_strand(), make_job([] { return encoded(1); }));
  done.wait();
  pool.stop();
  EXPECT_EQ(pool.take_done().size(), 1U);
}

TEST(WorkerPool, ManyProducers) {
  constexpr std::size_t k_producers = 4;
  constexpr std::size_t k_jobs = 500;
  Results results;
  std::atomic<std::uint64_t> sum{0};
  WorkerPool pool(3, [&] { results.wake(); });
  std::vector<BatchId> strands;
  for (std::size_t i = 0; i < k_producers; ++i) strands.push_back(pool.new_strand());
  {
    std::vector<std::jthread> producers;
    for (std::size_t i = 0; i < k_producers; ++i) {
      producers.emplace_back([&pool, &sum, &strands, i] {
        for (std::uint64_t job = 1; job <= k_jobs; ++job) {
          // All producers share two strands.
          pool.submit(i, strands[(i + job) % 2], make_job([&sum, job] {
                        sum += job;
                        return encoded(0);
                      }));
        }
      });
    }
  }
  EXPECT_EQ(results.wait_for(pool, k_producers * k_jobs).size(), k_producers * k_jobs);
  EXPECT_EQ(sum, k_producers * k_jobs * (k_jobs + 1) / 2);
}

}  // namespace
}  // namespace bronze::ingest
