#pragma once

#include <utility>

namespace bronze::ingest {

/// Whose turn it is to use a lane's table handle: one job at a time, from its submission until its
/// answer has been taken. A decision and the PUT that follows from it must see the same snapshot.
/// Owned by the lane; ingest thread.
class TableTurn {
 public:
  [[nodiscard]] bool try_take() { return !std::exchange(taken_, true); }
  [[nodiscard]] bool taken() const { return taken_; }
  void give_back() { taken_ = false; }

 private:
  bool taken_ = false;
};

}  // namespace bronze::ingest
