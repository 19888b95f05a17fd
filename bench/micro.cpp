// What every record goes through, on one core: decode, schema, columns, Parquet. What a scrape
// takes.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "batch/columns.h"
#include "batch/schema.h"
#include "decode/decoder.h"
#include "decode/json_grammar.h"
#include "delta/delta_store.h"
#include "events.h"
#include "ingest/batch.h"
#include "observe/metrics.h"
#include "observe/observation.h"
#include "observe/status.h"
#include "schema/file_validators.h"

namespace {

using namespace bronze;
using ingest::k_chunk_bytes;

constexpr std::size_t k_events = 10'000;
constexpr std::size_t k_chunks = 64;
constexpr UnixMicros k_now = 1'772'409'540'000'000;

const std::vector<std::string>& events() {
  static const std::vector<std::string> k_made = [] {
    bench::Events source;
    std::vector<std::string> made;
    for (std::size_t i = 0; i < k_events; ++i) made.emplace_back(source.next());
    return made;
  }();
  return k_made;
}

std::int64_t bytes_of_events() {
  std::int64_t bytes = 0;
  for (const auto& event : events()) bytes += static_cast<std::int64_t>(event.size());
  return bytes;
}

std::vector<batch::Row> rows() {
  std::vector<batch::Row> made;
  for (std::size_t i = 0; i < events().size(); ++i) {
    const auto number = static_cast<std::int64_t>(i);
    const Record record{.topic = "t",
                        .partition = Partition{0},
                        .offset = Offset{number},
                        .timestamp_ms = k_now / 1'000 + number,
                        .value = events()[i]};
    made.push_back(std::get<batch::Row>(decode::decode(record, k_now + number * 900)));
  }
  return made;
}

std::int64_t payload(const batch::Row& row) {
  return static_cast<std::int64_t>(row.raw_value->size());
}

void told_in_bytes(benchmark::State& state, std::int64_t bytes_a_turn) {
  state.SetBytesProcessed(state.iterations() * bytes_a_turn);
}

void decode_events(benchmark::State& state) {
  for (auto _ : state) {
    for (const auto& event : events()) {
      benchmark::DoNotOptimize(decode::decode({.topic = "t",
                                               .partition = Partition{0},
                                               .offset = Offset{1},
                                               .timestamp_ms = 1,
                                               .value = event},
                                              k_now));
    }
  }
  told_in_bytes(state, bytes_of_events());
}
BENCHMARK(decode_events);

void check_json_of_events(benchmark::State& state) {
  decode::Decoder decoder({.raw_value = RawValue::kString, .form = decode::TextForm::kJson});
  for (auto _ : state) {
    for (const auto& event : events()) {
      benchmark::DoNotOptimize(decoder.decode({.topic = "t",
                                               .partition = Partition{0},
                                               .offset = Offset{1},
                                               .timestamp_ms = 1,
                                               .value = event},
                                              k_now, {}));
    }
  }
  told_in_bytes(state, bytes_of_events());
}
BENCHMARK(check_json_of_events);

/// As a value is read that is too large for a parser, or is no JSON.
void read_json_of_events_exactly(benchmark::State& state) {
  for (auto _ : state) {
    for (const auto& event : events()) benchmark::DoNotOptimize(decode::first_json_fault(event));
  }
  told_in_bytes(state, bytes_of_events());
}
BENCHMARK(read_json_of_events_exactly);
/// What an event of bench::Events has to be.
constexpr std::string_view k_event_schema = R"json({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["event_id", "event_type", "trip_id", "driver_id", "rider_id", "sequence",
    "latitude", "longitude", "speed_kmh", "accuracy_m", "status", "timestamp", "session_id",
    "correlation_id", "causation_id"],
  "$defs": {"id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
  "properties": {
    "event_id": {"$ref": "#/$defs/id"},
    "event_type": {"enum": ["driver.location", "driver.stopped"]},
    "trip_id": {"$ref": "#/$defs/id"},
    "driver_id": {"type": "string", "pattern": "^driver-[0-9]{1,6}$"},
    "rider_id": {"type": "string", "pattern": "^rider-[0-9]{1,6}$"},
    "sequence": {"type": "integer", "minimum": 0},
    "latitude": {"type": "number", "minimum": -90, "maximum": 90},
    "longitude": {"type": "number", "minimum": -180, "maximum": 180},
    "speed_kmh": {"type": "number", "minimum": 0, "maximum": 300},
    "accuracy_m": {"type": "number", "exclusiveMinimum": 0},
    "status": {"type": "string", "enum": ["available", "en_route", "on_trip", "offline"]},
    "timestamp": {"type": "string", "format": "date-time", "maxLength": 35},
    "session_id": {"$ref": "#/$defs/id"},
    "correlation_id": {"$ref": "#/$defs/id"},
    "causation_id": {"$ref": "#/$defs/id"}
  }
})json";

void json_schema(benchmark::State& state) {
  auto made = schema::make_json_schema_validator(
      "t.json", {{.name = "t.json", .text = std::string(k_event_schema)}}, FormatChecks::kIgnore);
  auto* validator = std::get_if<std::unique_ptr<decode::Validator>>(&made);
  if (validator == nullptr) return state.SkipWithError("the schema is refused");
  for (auto _ : state) {
    for (const auto& event : events()) {
      const auto verdict = (*validator)->check(event);
      if (!std::holds_alternative<decode::Accepted>(verdict)) {
        return state.SkipWithError(std::get<decode::RecordError>(verdict).message.c_str());
      }
    }
  }
  told_in_bytes(state, bytes_of_events());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(events().size()));
}
BENCHMARK(json_schema);

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// One payload of the tests, again and again.
void check_payload(benchmark::State& state, const std::string& name, std::size_t index) {
  const auto fixtures = std::filesystem::path(BRONZE_SOURCE_DIR) / "tests/fixtures";
  std::ifstream file(fixtures / "payloads.json");
  const std::string payload = from_hex(nlohmann::json::parse(file)[name][index]);
  const auto path = fixtures / "schemas" / name;
  auto made = path.extension() == ".avsc" ? schema::make_avro_validator(path)
                                          : schema::make_protobuf_validator(path, "");
  auto* validator = std::get_if<std::unique_ptr<decode::Validator>>(&made);
  if (validator == nullptr) return state.SkipWithError("the schema is refused");
  if (!std::holds_alternative<decode::Accepted>((*validator)->check(payload))) {
    return state.SkipWithError("the payload is not accepted");
  }
  for (auto _ : state) benchmark::DoNotOptimize((*validator)->check(payload));
  told_in_bytes(state, static_cast<std::int64_t>(payload.size()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(check_payload, avro, "rides.avsc", 2);
BENCHMARK_CAPTURE(check_payload, protobuf, "rides.proto", 1);

void append_to_columns(benchmark::State& state) {
  const auto all = rows();
  for (auto _ : state) {
    batch::Columns columns;
    for (const auto& row : all) {
      if (columns.variable_bytes() >= k_chunk_bytes) columns = batch::Columns();
      columns.append(row);
    }
    benchmark::DoNotOptimize(columns);
  }
  told_in_bytes(state, bytes_of_events());
}
BENCHMARK(append_to_columns);

void export_columns(benchmark::State& state) {
  const auto all = rows();
  std::int64_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    batch::Columns columns;
    while (columns.variable_bytes() < k_chunk_bytes) {
      bytes += payload(all[columns.rows()]);
      columns.append(all[columns.rows()]);
    }
    state.ResumeTiming();
    ArrowArray array{};
    ArrowSchema schema{};
    std::move(columns).export_to(&array, &schema);
    array.release(&array);
    schema.release(&schema);
  }
  state.SetBytesProcessed(bytes);
}
BENCHMARK(export_columns)->Iterations(2'000);

/// A table in a folder of its own.
class Table {
 public:
  explicit Table(ParquetCompression compression)
      : folder_(std::filesystem::temp_directory_path() /
                ("bronze-micro-" + std::to_string(::getpid()))),
        store_({.base_uri = "file://" + folder_.string(),
                .options = {},
                .engine_info = "bronze/bench",
                .connect_timeout = std::chrono::seconds(1),
                .request_timeout = std::chrono::seconds(5),
                .compression = compression}),
        sink_(store_.table("bronze_t")) {
    created_ = sink_
                   ->create({.schema_json = batch::table_schema(),
                             .partition_columns = {batch::k_partition_column},
                             .configuration = {}})
                   .ok();
  }
  ~Table() { std::filesystem::remove_all(folder_); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] bool created() const { return created_; }
  [[nodiscard]] std::unique_ptr<delta::FileSink> file() { return sink_->open_file("2026-03-01"); }

 private:
  std::filesystem::path folder_;
  delta::DeltaStore store_;
  std::unique_ptr<delta::TableSink> sink_;
  bool created_ = false;
};

/// Columns to pages, as far as they are done before the file ends. Ending it is not timed.
void encode_parquet(benchmark::State& state, ParquetCompression compression) {
  Table table(compression);
  if (!table.created()) return state.SkipWithError("the table cannot be created");
  const auto all = rows();
  std::int64_t bytes = 0;
  std::uint64_t encoded = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<batch::Columns> chunks(k_chunks);
    std::size_t next = 0;
    for (auto& chunk : chunks) {
      while (chunk.variable_bytes() < k_chunk_bytes) {
        const auto& row = all[next++ % all.size()];
        bytes += payload(row);
        chunk.append(row);
      }
    }
    auto file = table.file();
    state.ResumeTiming();
    for (auto& chunk : chunks) file->append(std::move(chunk));
    state.PauseTiming();
    encoded += file->finish().bytes;
    (void)file->discard();
    file.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(bytes);
  state.counters["times_smaller"] = static_cast<double>(bytes) / static_cast<double>(encoded);
}
BENCHMARK_CAPTURE(encode_parquet, zstd_1, {ParquetCodec::kZstd, 1});
BENCHMARK_CAPTURE(encode_parquet, zstd_3, {ParquetCodec::kZstd, 3});
BENCHMARK_CAPTURE(encode_parquet, snappy, {ParquetCodec::kSnappy});
BENCHMARK_CAPTURE(encode_parquet, lz4, {ParquetCodec::kLz4});
BENCHMARK_CAPTURE(encode_parquet, none, {ParquetCodec::kNone});

/// A service with so many topics and partitions, all of them behind.
observe::Observation watched(const benchmark::State& state) {
  observe::Observation seen;
  seen.wall = k_now;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    ingest::LaneReport lane;
    lane.topic = "rideshare.topic-" + std::to_string(i);
    lane.last_commit = {.at = k_now, .version = 1, .token = "5f0c5ad6-6c5f-4d4e-b8f1-3c1f7a"};
    seen.report.lanes.push_back(std::move(lane));
  }
  for (std::int64_t i = 0; i < state.range(1); ++i) {
    auto& lane = seen.report.lanes[static_cast<std::size_t>(i % state.range(0))];
    lane.partitions[Partition{static_cast<std::int32_t>(i)}] = {
        .activity = ingest::PartitionActivity::kReading,
        .position = Offset{1'000'000'000 + i},
        .committed = Offset{999'999'000 + i},
        .end = Offset{1'000'100'000 + i},
        .last_timestamp = k_now - 1'000,
        .loses_data_in = {},
        .reason = ""};
  }
  return seen;
}

void tell(benchmark::State& state, std::string (*text_of)(const observe::Observation&)) {
  const observe::Observation seen = watched(state);
  std::size_t bytes = 0;
  for (auto _ : state) {
    // The report is copied for each request.
    const observe::Observation copy = seen;
    bytes += text_of(copy).size();
  }
  told_in_bytes(state, static_cast<std::int64_t>(bytes) / state.iterations());
}
BENCHMARK_CAPTURE(tell, metrics, observe::metrics_text)->Args({8, 200})->Args({500, 2'000});
BENCHMARK_CAPTURE(tell, status,
                  [](const observe::Observation& seen) { return observe::status_json(seen); })
    ->Args({8, 200})
    ->Args({500, 2'000});

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
