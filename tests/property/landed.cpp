#include "property/landed.h"

#include "property/violation.h"

namespace bronze::property {

void Landed::add_dead_letters(const fakes::FakeTopic& topic, Partition partition,
                              OffsetRange decides, const std::vector<fakes::StoredRow>& rows) {
  using Kind = fakes::LogRecord::Kind;
  const auto key = std::pair(topic.identity.text, partition);
  const auto& log = topic.partitions.at(partition);
  for (const auto& row : rows) {
    if (row.partition != partition) continue;
    const std::string place = topic.identity.text + "/" + std::to_string(number(partition)) +
                              " offset " + std::to_string(row.offset.value) + ": ";
    if (row.offset < decides.first || row.offset >= decides.next) {
      throw Violation(place + "a dead letter outside of what its commit decides");
    }
    const auto& record = log.at(static_cast<std::size_t>(row.offset.value));
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

bool Landed::is_dead(const std::string& identity, Partition partition, std::int64_t offset) const {
  const auto found = dead_letters_.find({identity, partition});
  return found != dead_letters_.end() && found->second.contains(offset);
}

}  // namespace bronze::property
