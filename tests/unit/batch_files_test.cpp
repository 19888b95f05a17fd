#include "ingest/batch_files.h"
#include "fakes/silent_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace bronze::ingest {
namespace {

using delta::StoreStatus;

class GoodFile final : public delta::FileSink {
 public:
  std::uint64_t append(batch::Columns columns) override { return rows_ += columns.rows(); }
  std::uint64_t append(batch::DeadLetterColumns columns) override {
    return rows_ += columns.rows();
  }
  delta::FileResult finish() override { return {{}, "file", rows_, rows_}; }
  delta::StoreOutcome discard() override { return {}; }

 private:
  std::uint64_t rows_ = 0;
};

/// A table for which files cannot always be opened.
class MoodyTable final : public SilentTable {
 public:
  [[nodiscard]] std::unique_ptr<delta::FileSink> open_file(const std::string& /*date*/) override {
    if (!opens) throw std::runtime_error("the table cannot be written");
    return std::make_unique<GoodFile>();
  }
  bool opens = true;
};

batch::Columns a_row() {
  batch::Columns columns;
  batch::Row row;
  row.raw_value = "value";
  columns.append(row);
  return columns;
}

TEST(BatchFiles, HaveAFileForEachDate) {
  MoodyTable table;
  BatchFiles files(table);
  EXPECT_EQ(files.append("2026-01-01", a_row()), 1U);
  EXPECT_EQ(files.append("2026-01-01", a_row()), 2U);
  EXPECT_EQ(files.append("2026-01-02", a_row()), 3U);
  const auto finished = files.finish();
  EXPECT_TRUE(finished.outcome.ok());
  EXPECT_EQ(finished.files.size(), 2U);
  EXPECT_EQ(finished.bytes, 3U);
}

TEST(BatchFiles, AreNeverFinishedWithoutRowsThatCouldNotBeTaken) {
  MoodyTable table;
  BatchFiles files(table);
  files.append("2026-01-01", a_row());
  table.opens = false;
  EXPECT_THROW(files.append("2026-01-02", a_row()), std::runtime_error);
  table.opens = true;
  files.append("2026-01-02", a_row());

  const auto finished = files.finish();

  EXPECT_EQ(finished.outcome.status, StoreStatus::kFailed);
  EXPECT_TRUE(finished.files.empty());
  files.discard();
}

}  // namespace
}  // namespace bronze::ingest
