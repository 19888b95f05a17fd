use std::fs;

use super::*;
use crate::ffi::Status;
use crate::store::testing::*;
use delta_kernel::arrow::array::{Int32Array, Int64Array, StructArray};

#[derive(Default)]
struct Found {
    runs: Vec<(i32, u32, i64, i64)>,
    files: Vec<FileFacts>,
}

fn scan(table: &Table, epochs_us: &[i64]) -> Found {
    let mut scan = table.scan_rows(epochs_us, "", &[]).unwrap();
    let mut found = Found::default();
    loop {
        let part = scan.advance().unwrap();
        expect(part.outcome, Status::Ok);
        for run in part.runs {
            found
                .runs
                .push((run.partition, run.epoch, run.first, run.next));
        }
        found.files.extend(part.files);
        if part.done {
            found.runs.sort_unstable();
            return found;
        }
    }
}

/// Rows as (partition, offset) pairs; None = NULL.
fn pairs(content: &[(Option<i32>, Option<i64>)]) -> StructArray {
    let plain = rows(0, 0, content.len() as i64);
    let mut columns = plain.columns().to_vec();
    columns[1] = Arc::new(Int32Array::from_iter(content.iter().map(|row| row.0)));
    columns[2] = Arc::new(Int64Array::from_iter(content.iter().map(|row| row.1)));
    StructArray::new(plain.fields().clone(), columns, None)
}

fn path_of(directory: &TempDir, file: &str) -> std::path::PathBuf {
    directory.path().join("base/bronze_a").join(file)
}

#[test]
fn an_empty_table_has_no_rows_and_no_files() {
    let (_directory, store) = local();
    let found = scan(&created(&store, "bronze_a"), &[]);
    assert!(found.runs.is_empty() && found.files.is_empty());
}

#[test]
fn offsets_that_no_record_has_are_counted_and_in_no_run() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    let offsets = [-5, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let content: Vec<_> = offsets.iter().map(|&o| (Some(0), Some(o))).collect();
    append(&mut file, pairs(&content)).unwrap();
    commit(&table, file);
    let found = scan(&table, &[]);
    assert_eq!(found.runs, [(0, 0, 0, 2), (0, 0, i64::MAX - 1, i64::MAX)]);
    let facts = &found.files[0];
    assert_eq!((facts.live_rows, facts.rows_of_no_record), (6, 3));
}

#[test]
fn rows_of_all_files_are_told_as_runs() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    for file in 0..20 {
        add_file(&table, &[(0, file * 10, 10), (1, file * 100, 5)]);
    }
    let found = scan(&table, &[]);
    assert_eq!(found.files.len(), 20);
    assert_eq!(found.runs.len(), 40);
    assert_eq!(found.runs[1], (0, 0, 10, 20));
    assert_eq!(found.runs[39], (1, 0, 1900, 1905));
    let facts = &found.files[0];
    expect(facts.outcome.clone(), Status::Ok);
    assert_eq!((facts.stated_rows, facts.stored_rows), (15, 15));
    assert_eq!((facts.live_rows, facts.rows_without_offset), (15, 0));
    assert!(facts.stated_bytes > 0);
    assert_eq!(facts.stated_bytes, facts.stored_bytes);
}

#[test]
fn rows_that_are_mixed_up_repeated_or_null_are_each_counted() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    let content = [
        (Some(0), Some(7)),
        (Some(1), Some(0)),
        (Some(0), Some(8)),
        (None, Some(9)),
        (Some(0), Some(8)),
        (Some(1), Some(1)),
        (Some(0), Some(3)),
        (Some(1), None),
    ];
    append(&mut file, pairs(&content)).unwrap();
    commit(&table, file);
    let found = scan(&table, &[]);
    assert_eq!(
        found.runs,
        [(0, 0, 3, 4), (0, 0, 7, 9), (0, 0, 8, 9), (1, 0, 0, 2)]
    );
    assert_eq!(found.files[0].rows_without_offset, 2);
    assert_eq!(found.files[0].live_rows, 8);
}

#[test]
fn a_file_of_many_batches_is_told_in_parts() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append(&mut file, rows(3, 0, 150_000)).unwrap();
    commit(&table, file);
    let found = scan(&table, &[]);
    assert_eq!(
        found.runs,
        [
            (3, 0, 0, 65_536),
            (3, 0, 65_536, 131_072),
            (3, 0, 131_072, 150_000)
        ]
    );
    assert_eq!(found.files[0].live_rows, 150_000);
}

#[test]
fn the_time_of_ingestion_tells_the_epoch() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 0, 10)]);
    let ingested_at = |offset: i64| 1_769_850_000_000_000 + offset * 1_003;
    let found = scan(&table, &[ingested_at(3), ingested_at(7) - 1]);
    assert_eq!(found.runs, [(0, 0, 0, 3), (0, 1, 3, 7), (0, 2, 7, 10)]);
}

#[test]
fn files_that_are_not_as_the_log_says_are_told() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let gone = add_file(&table, &[(0, 0, 10)]);
    let broken = add_file(&table, &[(0, 10, 10)]);
    let swapped = add_file(&table, &[(0, 20, 10)]);
    let other = add_file(&table, &[(0, 30, 500)]);
    fs::remove_file(path_of(&directory, &gone)).unwrap();
    fs::write(path_of(&directory, &broken), b"PAR1 this is no Parquet").unwrap();
    fs::copy(path_of(&directory, &other), path_of(&directory, &swapped)).unwrap();

    let found = scan(&table, &[]);

    let facts = |path: &str| found.files.iter().find(|file| file.path == path).unwrap();
    assert_eq!(found.files.len(), 4);
    let message = expect(facts(&gone).outcome.clone(), Status::Missing);
    assert!(message.contains(&gone), "{message}");
    expect(facts(&broken).outcome.clone(), Status::Corrupt);
    expect(facts(&swapped).outcome.clone(), Status::Ok);
    assert_eq!(facts(&swapped).stated_rows, 10);
    assert_eq!(facts(&swapped).stored_rows, 500);
    assert_ne!(facts(&swapped).stated_bytes, facts(&swapped).stored_bytes);
}

#[test]
fn a_scan_that_is_dropped_early_does_no_harm() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    for file in 0..40 {
        add_file(&table, &[(0, file, 1)]);
    }
    let mut begun = table.scan_rows(&[], "", &[]).unwrap();
    expect(begun.advance().unwrap().outcome, Status::Ok);
    drop(begun);
    assert_eq!(scan(&table, &[]).files.len(), 40);
}

#[test]
fn rows_that_a_deletion_vector_removes_are_not_told() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 100, 30)]);
    hide_example_rows(&directory, &[1]);
    let found = scan(&loaded(&store, "bronze_a"), &[]);
    let facts = &found.files[0];
    expect(facts.outcome.clone(), Status::Ok);
    assert_eq!((facts.stored_rows, facts.live_rows), (30, 24));
    assert_eq!(
        found.runs,
        [
            (0, 0, 100, 103),
            (0, 0, 105, 107),
            (0, 0, 108, 111),
            (0, 0, 112, 118),
            (0, 0, 119, 129)
        ]
    );
}

#[test]
fn files_that_statistics_put_outside_the_ranges_are_passed_over() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 0, 10)]);
    add_file(&table, &[(0, 10, 10)]);
    add_file(&table, &[(1, 10, 10), (4, 90, 10)]);
    let files = |within: &[PartitionRange]| {
        let mut scan = table.scan_rows(&[], "", within).unwrap();
        let mut files = 0;
        loop {
            let part = scan.advance().unwrap();
            expect(part.outcome, Status::Ok);
            files += part.files.len();
            if part.done {
                return files;
            }
        }
    };
    let range = |partition, first, next| PartitionRange {
        partition,
        first,
        next,
    };
    assert_eq!(files(&[]), 3);
    assert_eq!(files(&[range(0, 10, 11)]), 1);
    assert_eq!(files(&[range(0, 9, 11)]), 2);
    assert_eq!(files(&[range(2, 0, 50)]), 1);
    assert_eq!(files(&[range(2, 200, 250), range(5, 0, 100)]), 0);
}
