#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cache/key_value_server.h"

namespace bronze::fakes {

/// A server whose calls fail, or hang until the test lets them go on. It belongs to the test; any
/// thread.
struct KeyValues {
  std::map<std::string, std::string> values;
  /// Why each call fails; empty = none does.
  std::string trouble;
  bool hangs = false;
  std::size_t gets = 0;
  /// Keys, in the order in which they were set.
  std::vector<std::string> sets;
  std::size_t hanging = 0;

  std::mutex mutex;
  std::condition_variable changed;

  /// Under the mutex.
  void change(const std::function<void()>& how) {
    const std::lock_guard lock(mutex);
    how();
    changed.notify_all();
  }
  void wait_until(const std::function<bool()>& holds) {
    std::unique_lock lock(mutex);
    changed.wait(lock, holds);
  }
};

class FakeKeyValueServer final : public cache::KeyValueServer {
 public:
  explicit FakeKeyValueServer(KeyValues& world) : world_(world) {}

  cache::Values get(const std::vector<std::string>& keys) override {
    std::unique_lock lock(world_.mutex);
    ++world_.gets;
    hang(lock);
    cache::Values found{.trouble = world_.trouble, .values = {}};
    if (!found.trouble.empty()) return found;
    for (const auto& key : keys) {
      const auto value = world_.values.find(key);
      found.values.push_back(value == world_.values.end() ? std::nullopt
                                                          : std::optional(value->second));
    }
    return found;
  }

  std::string set(const std::string& key, const std::string& value) override {
    std::unique_lock lock(world_.mutex);
    hang(lock);
    world_.sets.push_back(key);
    if (world_.trouble.empty()) world_.values[key] = value;
    world_.changed.notify_all();
    return world_.trouble;
  }

 private:
  void hang(std::unique_lock<std::mutex>& lock) {
    ++world_.hanging;
    world_.changed.notify_all();
    world_.changed.wait(lock, [&] { return !world_.hangs; });
    --world_.hanging;
  }

  KeyValues& world_;
};

}  // namespace bronze::fakes
