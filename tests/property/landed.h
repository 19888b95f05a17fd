#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fakes/fake_kafka.h"
#include "fakes/fake_table.h"

namespace bronze::property {

/// Which records of a partition are in which table, by the commits that have landed.
class Landed {
 public:
  /// The dead letters of one partition in a commit that moves its txn. Throws Violation unless each
  /// is a record that may be dead, lies in what the commit decides, and is in no table yet.
  void add_dead_letters(const fakes::FakeTopic& topic, Partition partition, OffsetRange decides,
                        const std::vector<fakes::StoredRow>& rows);
  void add_rows(const std::string& identity, Partition partition,
                const std::vector<fakes::StoredRow>& rows);
  /// The rows of one partition in a commit of a replay. Throws Violation unless each is of a dead
  /// letter, before `progress`, and the first that a replay has written of it.
  void add_replayed(const fakes::FakeTopic& topic, Partition partition, Offset progress,
                    const std::vector<fakes::StoredRow>& rows);
  [[nodiscard]] bool is_dead(const std::string& identity, Partition partition,
                             std::int64_t offset) const;
  [[nodiscard]] bool is_replayed(const std::string& identity, Partition partition,
                                 std::int64_t offset) const;
  [[nodiscard]] std::set<std::int64_t> dead_letters(const std::string& identity,
                                                    Partition partition) const;

 private:
  using Offsets = std::map<std::pair<std::string, Partition>, std::set<std::int64_t>>;

  Offsets rows_;
  Offsets dead_letters_;
  Offsets replayed_;
};

}  // namespace bronze::property
