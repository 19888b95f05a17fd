//! `refresh` shows what `load` shows, whoever wrote in between, and reads less.

use std::fs;

use super::super::Table;
use crate::ffi::Status;
use crate::store::testing::*;

fn entry_name(version: u64) -> String {
    format!("{version:020}.json")
}

/// Version, table id and txns.
fn seen(table: &Table) -> (u64, String, Vec<(String, i64)>) {
    let state = table.state().unwrap();
    (state.version, state.id, txns(table, ""))
}

#[track_caller]
fn refreshed_as_loaded(table: &Table, store: &crate::store::Store, directory: &str) {
    expect(table.refresh().unwrap(), Status::Ok);
    assert_eq!(seen(table), seen(&loaded(store, directory)));
}

#[test]
fn what_others_committed_is_seen_and_nothing_before_it_is_read() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    for version in 1..=20 {
        put_ok(&table, &[("ours", version)], "t");
    }
    assert_eq!(txns(&table, ""), [("ours".to_owned(), 20)]);
    let other = loaded(&store, "bronze_a");
    for version in 1..=3 {
        put_ok(&other, &[("theirs", version), ("also theirs", 7)], "u");
    }

    fake.take_reads();
    expect(table.refresh().unwrap(), Status::Ok);
    let mut read = fake.take_reads();
    read.sort();
    read.dedup();
    assert_eq!(read, [20, 21, 22, 23].map(entry_name));
    refreshed_as_loaded(&table, &store, "bronze_a");
    assert_eq!(put_ok(&table, &[("ours", 21)], "t"), 24);
}

#[test]
fn where_much_was_committed_all_is_read_at_once() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("ours", 1)], "t");
    assert_eq!(txns(&table, "").len(), 1);
    let other = loaded(&store, "bronze_a");
    for version in 1..=40 {
        put_ok(&other, &[("theirs", version)], "u");
    }
    fake.take_reads();
    expect(table.refresh().unwrap(), Status::Ok);
    assert!(fake.take_reads().contains(&entry_name(0)));
    refreshed_as_loaded(&table, &store, "bronze_a");
}

#[test]
fn after_a_load_too() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    for version in 1..=9 {
        put_ok(&table, &[("ours", version)], "t");
    }
    let late = loaded(&store, "bronze_a");
    assert_eq!(txns(&late, "").len(), 1);
    put_ok(&table, &[("ours", 10)], "t");
    fake.take_reads();
    expect(late.refresh().unwrap(), Status::Ok);
    let read = fake.take_reads();
    assert!(read.iter().all(|name| *name >= entry_name(9)), "{read:?}");
    assert_eq!(txns(&late, ""), [("ours".to_owned(), 10)]);
}

#[test]
fn nothing_new_is_no_change() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    refreshed_as_loaded(&table, &store, "bronze_a");
    assert_eq!(put_ok(&table, &[("a", 2)], "t"), 2);
}

#[test]
fn a_table_created_again_is_not_taken_for_the_old_one() {
    for commits in 1..=4 {
        let (directory, store) = local();
        let table = created(&store, "bronze_a");
        put_ok(&table, &[("a", 1)], "t");
        put_ok(&table, &[("a", 2)], "t");
        fs::remove_dir_all(directory.path().join("base/bronze_a")).unwrap();
        let again = created(&store, "bronze_a");
        for version in 1..=commits {
            put_ok(&again, &[("b", version)], "t");
        }
        refreshed_as_loaded(&table, &store, "bronze_a");
        assert_eq!(txns(&table, ""), [("b".to_owned(), commits)]);
    }
}

#[test]
fn a_wiped_log_is_missing() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    fs::remove_dir_all(directory.path().join("base/bronze_a")).unwrap();
    expect(table.refresh().unwrap(), Status::Missing);
}

#[test]
fn an_entry_that_was_edited_is_read_anew() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 17)], "t");
    let path = log_file(&directory, "bronze_a", &entry_name(1));
    let edited = fs::read_to_string(&path).unwrap();
    let edited = edited.replace(r#""version":17"#, r#""version":16"#);
    fs::write(&path, edited).unwrap();
    refreshed_as_loaded(&table, &store, "bronze_a");
    assert_eq!(txns(&table, ""), [("a".to_owned(), 16)]);
}

#[test]
fn a_missing_entry_in_between_is_corrupt() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    let other = loaded(&store, "bronze_a");
    for version in 1..=3 {
        put_ok(&other, &[("b", version)], "t");
    }
    fs::remove_file(log_file(&directory, "bronze_a", &entry_name(3))).unwrap();
    expect(table.refresh().unwrap(), Status::Corrupt);
}

#[test]
fn an_unreadable_store_leaves_what_was_known() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    fake.fail_reads(true);
    expect(table.refresh().unwrap(), Status::Transient);
    fake.fail_reads(false);
    assert_eq!(table.state().unwrap().version, 1);
}

/// Two writers, checkpoints by either, clean-up of the log behind a checkpoint, in an order drawn
/// by a small generator of its own: the same at every run.
#[test]
fn whatever_happened_it_shows_what_a_load_shows() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..20 {
        let (directory, store) = local();
        let tables = [created(&store, "bronze_a"), loaded(&store, "bronze_a")];
        for step in 0..40 {
            let who = usize::try_from(draw(2)).unwrap();
            match draw(8) {
                0 => {
                    expect(tables[who].refresh().unwrap(), Status::Ok);
                    expect(tables[who].checkpoint().unwrap(), Status::Ok)
                }
                1 => {
                    let checkpointed = loaded(&store, "bronze_a");
                    expect(checkpointed.checkpoint().unwrap(), Status::Ok);
                    for version in 0..checkpointed.state().unwrap().version {
                        let old = log_file(&directory, "bronze_a", &entry_name(version));
                        let _ = fs::remove_file(old);
                    }
                    String::new()
                }
                2 | 3 => {
                    refreshed_as_loaded(&tables[who], &store, "bronze_a");
                    String::new()
                }
                _ => {
                    expect(tables[who].refresh().unwrap(), Status::Ok);
                    let name = format!("p{}", draw(3));
                    put_ok(&tables[who], &[(&name, step), ("registry", 1)], "t");
                    String::new()
                }
            };
        }
        for table in &tables {
            refreshed_as_loaded(table, &store, "bronze_a");
        }
    }
}
