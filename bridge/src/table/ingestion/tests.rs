use crate::ffi::Status;
use crate::store::testing::*;
use crate::table::Table;

/// Of the row with this offset; see `rows`.
fn ingested_at(offset: i64) -> i64 {
    1_769_850_000_000_000 + offset * 1_003
}

fn ask(table: &Table) -> Option<i64> {
    let last = table.last_ingestion().unwrap();
    expect(last.outcome, Status::Ok);
    last.found.then_some(last.micros)
}

#[test]
fn an_empty_table_has_none() {
    let (_directory, store) = local();
    assert_eq!(ask(&created(&store, "bronze_a")), None);
}

#[test]
fn statistics_tell_it_whatever_the_order_of_the_files() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    for first in [0, 500, 100] {
        let path = add_file(&table, &[(0, first, 10)]);
        delete(&directory, &path);
    }
    let is_near = |found: i64| (ingested_at(509)..ingested_at(509) + 1_000).contains(&found);
    assert!(ask(&table).is_some_and(is_near));
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert!(ask(&loaded(&store, "bronze_a")).is_some_and(is_near));
}

#[test]
fn a_file_without_statistics_is_read() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 0, 10)]);
    add_file(&table, &[(0, 500, 10)]);
    edit(&directory, 2, without_stats);
    assert_eq!(ask(&loaded(&store, "bronze_a")), Some(ingested_at(509)));
}
