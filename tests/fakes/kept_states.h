#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delta/table_sink.h"

namespace bronze::fakes {

/// What a table was after a commit. A commit that has it vouches for it.
struct KeptState {
  std::uint64_t version = 0;
  std::string table_id;
  delta::TxnMap txns;

  friend bool operator==(const KeptState&, const KeptState&) = default;
};

/// States of tables outside of them, by the table's name, and what may become of them there.
class KeptStates {
 public:
  /// `draw(n)`: a number from 0 to before n.
  explicit KeptStates(std::function<int(int)> draw) : draw_(std::move(draw)) {}

  [[nodiscard]] std::optional<KeptState> find(const std::string& table) const {
    const auto found = states_.find(table);
    return found == states_.end() ? std::nullopt : std::optional(found->second);
  }
  void keep(const std::string& table, const KeptState& state) {
    states_[table] = state;
    all_.emplace_back(table, state);
  }

  /// One of the things that can happen to a cache.
  void spoil() {
    if (all_.empty()) return;
    const auto& [table, state] = all_[drawn(all_.size())];
    switch (draw_(6)) {
      case 0:
        states_.clear();
        return;
      case 1:
        states_.erase(table);
        return;
      case 2:
        // As it was before; nobody lies.
        states_[table] = state;
        return;
      case 3:
        // That of another table.
        if (!states_.empty()) {
          std::next(states_.begin(), draw_(static_cast<int>(states_.size())))->second = state;
        }
        return;
      default:
        states_[table] = lie_about(state);
    }
  }

 private:
  [[nodiscard]] std::size_t drawn(std::size_t below) const {
    return static_cast<std::size_t>(draw_(static_cast<int>(below)));
  }

  [[nodiscard]] KeptState lie_about(KeptState state) const {
    const int kind = draw_(5);
    if (kind == 0) ++state.version;
    if (kind == 1 && state.version > 0) --state.version;
    if (kind == 2) state.table_id = "another one";
    if (kind >= 3 && !state.txns.empty()) {
      const auto txn = std::next(state.txns.begin(), draw_(static_cast<int>(state.txns.size())));
      txn->second += draw_(2) == 0 ? 1 + draw_(5) : -1 - draw_(5);
      if (draw_(4) == 0) state.txns.erase(txn);
    }
    return state;
  }

  const std::function<int(int)> draw_;
  std::map<std::string, KeptState> states_;
  /// Everything that was ever kept.
  std::vector<std::pair<std::string, KeptState>> all_;
};

}  // namespace bronze::fakes
