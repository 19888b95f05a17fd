//! Files on a local disk and over a store that misbehaves.

use std::sync::Arc;

use delta_kernel::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use delta_kernel::arrow::compute::concat_batches;
use delta_kernel::arrow::datatypes::Int64Type;
use delta_kernel::object_store::multipart::MultipartStore;
use delta_kernel::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use delta_kernel::parquet::basic::{Compression, Encoding, ZstdLevel};

use super::*;
use crate::ffi::{Codec, Status, StoreOptions};
use crate::store::open_store;
use crate::store::testing::*;

#[test]
fn rows_come_back_in_order_with_tombstones() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append(&mut file, rows(0, 0, 1_000)).unwrap();
    append(&mut file, rows(0, 1_000, 500)).unwrap();
    let result = file.finish().unwrap();
    let path = directory.path().join("base/bronze_a").join(result.path);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let metadata = reader.metadata().clone();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let all = concat_batches(&schema, &batches).unwrap();
    let offsets: Vec<i64> = all["_kafka_offset"]
        .as_primitive::<Int64Type>()
        .values()
        .to_vec();
    assert_eq!(offsets, (0..1_500).collect::<Vec<i64>>());
    let raw = all["_raw_value"].as_string::<i32>();
    assert!(raw.is_null(4) && raw.is_null(1_499));
    assert_eq!(raw.value(7), r#"{"offset":7,"text":"ümlaut"}"#);
    assert!(all.schema().column_with_name("_ingestion_date").is_none());

    let group = metadata.row_group(0);
    for (index, name) in ["_raw_value", "_kafka_partition", "_kafka_offset"]
        .iter()
        .enumerate()
    {
        let column = group.column(index);
        assert_eq!(column.column_path().string(), *name);
        assert_eq!(
            matches!(column.compression(), Compression::ZSTD(_)),
            *name == "_raw_value",
            "{name}"
        );
        assert_eq!(
            column.statistics().is_some(),
            *name != "_raw_value",
            "{name}"
        );
    }
    let encodings: Vec<Encoding> = group.column(2).encodings().collect();
    assert!(
        encodings.contains(&Encoding::DELTA_BINARY_PACKED),
        "{encodings:?}"
    );
    let encodings: Vec<Encoding> = group.column(0).encodings().collect();
    assert!(
        !encodings.contains(&Encoding::RLE_DICTIONARY),
        "{encodings:?}"
    );
}

#[test]
fn keys_and_headers_come_back_and_have_no_statistics() {
    let (directory, store) = local();
    let table = store.table("bronze_a").unwrap();
    expect(table.create(&spec_with_extras()).unwrap(), Status::Ok);
    let mut file = table.open_file(DAY).unwrap();
    let sent = rows_with_extras(10);
    append(&mut file, sent.clone()).unwrap();
    let result = file.finish().unwrap();
    let stats = stats_of(&file);
    for name in ["_kafka_topic", "_kafka_timestamp_type", "_kafka_offset"] {
        assert!(stats.contains(&name.to_owned()), "{stats:?}");
    }
    for name in ["_raw_value", "_kafka_key", "_kafka_headers"] {
        assert!(!stats.contains(&name.to_owned()), "{stats:?}");
    }

    let path = directory.path().join("base/bronze_a").join(result.path);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let group = reader.metadata().row_group(0).clone();
    for column in group.columns() {
        let path = column.column_path().string();
        let opaque = path.starts_with("_kafka_key") || path.starts_with("_kafka_headers");
        assert_eq!(
            column.statistics().is_none(),
            opaque || path == "_raw_value",
            "{path}"
        );
    }
    assert_eq!(group.num_columns(), 5 + 1 + 1 + 2 + 1);
    let read = reader.build().unwrap().next().unwrap().unwrap();
    for name in EXTRA_COLUMNS {
        let sent = sent.column_by_name(name).unwrap();
        assert_eq!(&read[name].to_data(), &sent.to_data(), "{name}");
    }
}

/// The columns of which the finished file's statistics tell the least value.
fn stats_of(file: &DataFile) -> Vec<String> {
    let Stage::Uploaded { add, .. } = &file.stage else {
        panic!("the file is not finished");
    };
    let stats = add["stats"].as_struct();
    let least = stats.column_by_name("minValues").unwrap().as_struct();
    least
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn finish_may_be_called_again() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append(&mut file, rows(0, 0, 5)).unwrap();
    let first = file.finish().unwrap();
    let second = file.finish().unwrap();
    expect(second.outcome, Status::Ok);
    assert_eq!(
        (first.path, first.rows, first.bytes),
        (second.path, second.rows, second.bytes)
    );
    assert!(append(&mut file, rows(0, 5, 5)).is_err());
}

#[test]
fn a_failed_upload_can_be_repeated_with_the_same_name() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append(&mut file, rows(0, 0, 5)).unwrap();
    *fake.uploads_fail.lock().unwrap() = 1;
    let failed = file.finish().unwrap();
    expect(failed.outcome, Status::Transient);
    assert!(new_file_set().add(&file).is_err());
    let done = file.finish().unwrap();
    expect(done.outcome, Status::Ok);
    assert_eq!((done.path, done.rows), (failed.path, 5));
    assert!(done.bytes > 0);
}

#[test]
fn a_discarded_file_is_removed() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append(&mut file, rows(0, 0, 5)).unwrap();
    let result = file.finish().unwrap();
    let path = directory.path().join("base/bronze_a").join(result.path);
    assert!(path.exists());
    expect(file.discard().unwrap(), Status::Ok);
    assert!(!path.exists());
    expect(file.discard().unwrap(), Status::Ok);
    assert!(file.finish().is_err());
    assert!(new_file_set().add(&file).is_err());
}

#[test]
fn a_file_that_was_never_uploaded_is_discarded_without_a_request() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append(&mut file, rows(0, 0, 5)).unwrap();
    *fake.panics.lock().unwrap() = true;
    expect(file.discard().unwrap(), Status::Ok);
}

#[test]
fn rows_of_another_shape_are_refused() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let open = || table.open_file(DAY).unwrap();
    let error = append(&mut open(), struct_of(vec![("_raw_value", text.clone())])).unwrap_err();
    assert!(error.contains("1 columns"), "{error}");
    let wrong = ["a", "b", "c", "d", "e"].map(|name| (name, number.clone()));
    let mut file = open();
    let error = append(&mut file, struct_of(wrong.to_vec())).unwrap_err();
    assert!(error.contains("_raw_value is Int64"), "{error}");
    // Nothing half-written can be finished.
    assert!(file.finish().is_err());
}

#[test]
fn a_file_without_rows_is_a_broken_contract() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    assert!(table.open_file(DAY).unwrap().finish().is_err());
}

#[test]
fn large_files_arrive_whole() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    let mut state = 1_u64;
    for first in (0..10).map(|i| i * 5_000) {
        append(&mut file, random_rows(first, 5_000, &mut state)).unwrap();
    }
    let result = file.finish().unwrap();
    expect(result.outcome, Status::Ok);
    assert!(result.bytes > 20 << 20, "{}", result.bytes);
    let path = directory.path().join("base/bronze_a").join(result.path);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let rows: usize = reader.build().unwrap().map(|b| b.unwrap().num_rows()).sum();
    assert_eq!(rows, 50_000);
}

/// Rows of about 12 MiB: a part and some.
fn append_a_part_and_more(file: &mut DataFile) -> u64 {
    let mut state = 1_u64;
    let mut held = 0;
    for first in (0..5).map(|i| i * 5_000) {
        held = append(file, random_rows(first, 5_000, &mut state)).unwrap();
    }
    held
}

fn rows_in(fake: &FakeStore, file: &DataFile) -> usize {
    let get = async { fake.get(&file.object).await?.bytes().await };
    let bytes = file.store.wait(get).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    reader.build().unwrap().map(|b| b.unwrap().num_rows()).sum()
}

fn log_of(fake: &FakeStore) -> Vec<String> {
    std::mem::take(&mut fake.parts_log.lock().unwrap())
}

const FIRST_PART: &str = "part 0 of 8388608 bytes";

#[test]
fn a_large_file_goes_up_while_rows_arrive() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    let held = append_a_part_and_more(&mut file);
    assert_eq!(log_of(&fake), ["create", FIRST_PART]);
    let result = file.finish().unwrap();
    expect(result.outcome, Status::Ok);
    assert!(held < result.bytes - (8 << 20) + (256 << 10), "{held}");
    let log = log_of(&fake);
    assert!(
        log[0].starts_with("part 1 of ") && log[1] == "complete 2",
        "{log:?}"
    );
    assert_eq!(rows_in(&fake, &file), 25_000);
    expect(file.finish().unwrap().outcome, Status::Ok);
    assert!(log_of(&fake).is_empty());
}

#[test]
fn a_part_that_fails_is_sent_again_under_its_number() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    *fake.parts_fail.lock().unwrap() = 2;
    append_a_part_and_more(&mut file);
    assert_eq!(
        log_of(&fake),
        ["create", FIRST_PART],
        "not with every append"
    );
    expect(file.finish().unwrap().outcome, Status::Transient);
    assert_eq!(log_of(&fake), [FIRST_PART]);
    expect(file.finish().unwrap().outcome, Status::Ok);
    assert_eq!(log_of(&fake)[0], FIRST_PART);
    assert_eq!(rows_in(&fake, &file), 25_000);
}

#[test]
fn a_completion_whose_answer_is_lost_is_looked_up() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append_a_part_and_more(&mut file);
    *fake.completions_lost.lock().unwrap() = 1;
    fake.fail_reads(true);
    let failed = file.finish().unwrap();
    expect(failed.outcome, Status::Transient);
    assert!(!failed.rows_lost);
    fake.fail_reads(false);
    let done = file.finish().unwrap();
    expect(done.outcome, Status::Ok);
    assert_eq!(rows_in(&fake, &file), 25_000);
}

#[test]
fn parts_that_are_gone_from_the_store_are_lost_rows() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append_a_part_and_more(&mut file);
    *fake.parts_fail.lock().unwrap() = 1;
    expect(file.finish().unwrap().outcome, Status::Transient);
    let behind_its_back = fake.abort_multipart(&file.object, file.upload.id().unwrap());
    file.store.wait(behind_its_back).unwrap();
    let result = file.finish().unwrap();
    assert!(result.rows_lost, "{}", result.outcome.message);
    assert_ne!(result.outcome.status, Status::Ok);
}

#[test]
fn a_file_that_is_discarded_leaves_no_parts() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append_a_part_and_more(&mut file);
    expect(file.discard().unwrap(), Status::Ok);
    assert_eq!(log_of(&fake).last().unwrap(), "abort");
    expect(file.discard().unwrap(), Status::Ok);
    assert!(file.finish().is_err());
}

#[test]
fn a_file_whose_upload_failed_leaves_no_parts_once_it_is_discarded() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append_a_part_and_more(&mut file);
    *fake.parts_fail.lock().unwrap() = 1;
    expect(file.finish().unwrap().outcome, Status::Transient);
    *fake.aborts_fail.lock().unwrap() = 1;
    expect(file.discard().unwrap(), Status::Transient);
    assert_eq!(log_of(&fake).last().unwrap(), "abort");
    expect(file.discard().unwrap(), Status::Ok);
    assert_eq!(log_of(&fake), ["abort"]);
    assert!(file.upload.id().is_none());
}

/// Values that zstd cannot shrink much.
fn random_rows(first: i64, count: i64, state: &mut u64) -> StructArray {
    let mut next = || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    };
    let plain = rows(0, first, count);
    let noise: ArrayRef = Arc::new(StringArray::from_iter_values((0..count).map(|_| {
        (0..70)
            .map(|_| format!("{:016x}", next()))
            .collect::<String>()
    })));
    let mut columns = plain.columns().to_vec();
    columns[0] = noise;
    StructArray::new(plain.fields().clone(), columns, None)
}

#[test]
fn files_of_every_codec_come_back_and_are_named_for_it() {
    let level = |level| Compression::ZSTD(ZstdLevel::try_new(level).unwrap());
    for (codec, zstd_level, expected, ending) in [
        (Codec::Zstd, 1, level(1), "-c000.zstd.parquet"),
        (Codec::Zstd, 22, level(22), "-c000.zstd.parquet"),
        (
            Codec::Snappy,
            0,
            Compression::SNAPPY,
            "-c000.snappy.parquet",
        ),
        (Codec::Lz4, 0, Compression::LZ4_RAW, "-c000.lz4raw.parquet"),
        (
            Codec::Uncompressed,
            0,
            Compression::UNCOMPRESSED,
            "-c000.parquet",
        ),
    ] {
        let directory = TempDir::new();
        let base = format!("file://{}/base", directory.path().display());
        let store = open_store(&StoreOptions {
            codec,
            zstd_level,
            ..options(base, &[])
        })
        .unwrap();
        let table = created(&store, "bronze_a");
        let mut file = table.open_file(DAY).unwrap();
        append(&mut file, rows(0, 0, 1_000)).unwrap();
        let result = file.finish().unwrap();
        assert!(result.path.ends_with(ending), "{}", result.path);
        let path = directory.path().join("base/bronze_a").join(result.path);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
        let stored = builder.metadata().row_group(0).column(0).compression();
        // The file tells the codec, not its level.
        assert_eq!(
            std::mem::discriminant(&stored),
            std::mem::discriminant(&expected)
        );
        let read: usize = builder
            .build()
            .unwrap()
            .map(|b| b.unwrap().num_rows())
            .sum();
        assert_eq!(read, 1_000);
    }
}

#[test]
fn a_level_that_zstd_does_not_have_is_refused() {
    let options = StoreOptions {
        zstd_level: 23,
        ..options("file:///nowhere".into(), &[])
    };
    assert!(open_store(&options).is_err());
}
