use crate::ffi::{PartitionRange, Status};
use crate::store::testing::*;
use crate::table::Table;

/// Of the row with this offset; see `rows`.
fn ingested_at(offset: i64) -> i64 {
    1_769_850_000_000_000 + offset * 1_003
}

fn range(partition: i32, first: i64, next: i64) -> PartitionRange {
    PartitionRange {
        partition,
        first,
        next,
    }
}

/// Partition and offset, in order.
fn ask(table: &Table, ranges: &[PartitionRange], since_us: i64) -> Vec<(i32, i64)> {
    let found = table.offsets_within(ranges, since_us).unwrap();
    expect(found.outcome, Status::Ok);
    let mut offsets: Vec<_> = found
        .runs
        .iter()
        .flat_map(|run| (run.first..run.next).map(|offset| (run.partition, offset)))
        .collect();
    offsets.sort_unstable();
    offsets
}

fn of(partition: i32, offsets: std::ops::Range<i64>) -> Vec<(i32, i64)> {
    offsets.map(|offset| (partition, offset)).collect()
}

#[test]
fn only_what_lies_in_the_ranges_is_told() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    assert_eq!(ask(&table, &[range(0, 0, 100)], 0), []);
    add_file(&table, &[(0, 0, 10), (1, 0, 10)]);
    add_file(&table, &[(0, 50, 10)]);
    assert_eq!(
        ask(&table, &[range(0, 5, 52)], 0),
        [of(0, 5..10), of(0, 50..52)].concat()
    );
    assert_eq!(
        ask(&table, &[range(0, 8, 9), range(1, 3, 5)], 0),
        [of(0, 8..9), of(1, 3..5)].concat()
    );
    assert_eq!(ask(&table, &[range(2, 0, 100)], 0), []);
}

#[test]
fn files_that_cannot_matter_are_not_read() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let path = add_file(&table, &[(0, 0, 10)]);
    delete(&directory, &path);
    add_file(&table, &[(0, 50, 10)]);
    assert_eq!(ask(&table, &[range(0, 10, 60)], 0), of(0, 50..60));
    let read = table.offsets_within(&[range(0, 9, 60)], 0).unwrap();
    assert!(read.outcome.status != Status::Ok, "that file is needed");
}

#[test]
fn a_file_without_statistics_is_read() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 0, 10)]);
    edit(&directory, 1, without_stats);
    let table = loaded(&store, "bronze_a");
    assert_eq!(ask(&table, &[range(0, 2, 4)], 0), of(0, 2..4));
}

#[test]
fn rows_of_before_do_not_count() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 0, 10)]);
    let asked = [range(0, 0, 10)];
    assert_eq!(ask(&table, &asked, ingested_at(4)), of(0, 4..10));
    assert_eq!(ask(&table, &asked, ingested_at(9) + 1), []);
}
