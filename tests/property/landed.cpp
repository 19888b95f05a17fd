#include "property/landed.h"

#include "property/violation.h"

namespace bronze::property {
namespace {

std::string place_of(const fakes::FakeTopic& topic, Partition partition, Offset offset) {
  return topic.identity.text + "/" + std::to_string(number(partition)) + " offset " +
         std::to_string(offset.value) + ": ";
}

}  // namespace

void Landed::add_dead_letters(const fakes::FakeTopic& topic, Partition partition,
                              OffsetRange decides, const std::vector<fakes::StoredRow>& rows) {
  using Kind = fakes::LogRecord::Kind;
  const auto key = std::pair(topic.identity.text, partition);
  const auto& log = topic.partitions.at(partition);
  for (const auto& row : rows) {
    if (row.partition != partition) continue;
    const std::string place = place_of(topic, partition, row.offset);
    if (row.offset < decides.first || row.offset >= decides.next) {
      throw Violation(place + "a dead letter outside of what its commit decides");
    }
    if (row.offset.value >= static_cast<std::int64_t>(log.size())) {
      throw Violation(place + "a dead letter of no record");
    }
    const auto& record = log[static_cast<std::size_t>(row.offset.value)];
    if (record.kind == Kind::kControl || record.kind == Kind::kTombstone) {
      throw Violation(place + "a dead letter of a record that cannot be bad");
    }
    if (row.value != record.value) throw Violation(place + "a dead letter of another record");
    if (rows_[key].contains(row.offset.value)) {
      throw Violation(place + "a dead letter of a record that is in the table");
    }
    if (!dead_letters_[key].insert(row.offset.value).second) {
      throw Violation(place + "a second dead letter");
    }
  }
}

void Landed::add_rows(const std::string& identity, Partition partition,
                      const std::vector<fakes::StoredRow>& rows) {
  for (const auto& row : rows) {
    if (row.partition == partition) rows_[{identity, partition}].insert(row.offset.value);
  }
}

void Landed::add_replayed(const fakes::FakeTopic& topic, Partition partition, Offset progress,
                          const std::vector<fakes::StoredRow>& rows) {
  const std::string& identity = topic.identity.text;
  const auto& log = topic.partitions.at(partition);
  for (const auto& row : rows) {
    if (row.partition != partition) continue;
    const std::string place = place_of(topic, partition, row.offset);
    if (!is_dead(identity, partition, row.offset.value)) {
      throw Violation(place + "replayed, but no dead letter");
    }
    if (row.offset >= progress) throw Violation(place + "replayed before the service passed it");
    if (row.value != log.at(static_cast<std::size_t>(row.offset.value)).value) {
      throw Violation(place + "replayed as another record");
    }
    if (!replayed_[{identity, partition}].insert(row.offset.value).second) {
      throw Violation(place + "replayed a second time");
    }
  }
}

bool Landed::is_dead(const std::string& identity, Partition partition, std::int64_t offset) const {
  const auto found = dead_letters_.find({identity, partition});
  return found != dead_letters_.end() && found->second.contains(offset);
}

bool Landed::is_replayed(const std::string& identity, Partition partition,
                         std::int64_t offset) const {
  const auto found = replayed_.find({identity, partition});
  return found != replayed_.end() && found->second.contains(offset);
}

std::set<std::int64_t> Landed::dead_letters(const std::string& identity,
                                            Partition partition) const {
  const auto found = dead_letters_.find({identity, partition});
  return found == dead_letters_.end() ? std::set<std::int64_t>{} : found->second;
}

}  // namespace bronze::property
