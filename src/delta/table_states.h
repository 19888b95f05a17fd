#pragma once

#include <optional>
#include <string>

namespace bronze::delta {

/// What became of a look at a table.
enum class StateUse {
  /// It began from a state that was kept, for which the table vouches.
  kHit,
  kMiss,
};

/// Keeps what tables are after their commits, outside of them and beyond the life of a process. It
/// may forget, lag behind or tell anything: what it tells is used only where the table vouches for
/// it. Owned by the app; outlives the tables. Any thread.
class TableStates {
 public:
  virtual ~TableStates() = default;

  /// Waits for an answer, but not for long. nullopt = none came.
  [[nodiscard]] virtual std::optional<std::string> find(const std::string& table) = 0;
  /// Does not wait.
  virtual void keep(const std::string& table, std::string state) = 0;
  virtual void count(StateUse use) = 0;
};

}  // namespace bronze::delta
