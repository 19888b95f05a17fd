use std::sync::Arc;

use delta_kernel::object_store::{ObjectStore, ObjectStoreExt};
use delta_kernel::parquet::file::reader::{FileReader, SerializedFileReader};
use futures::StreamExt;
use uuid::Uuid;

use super::super::log::entry_path;
use super::super::Table;
use super::*;
use crate::ffi::Status;
use crate::store::testing::*;
use crate::store::Store;

const INTERVAL: u64 = 20;

/// A table of `versions` commits with a checkpoint every INTERVAL.
fn aged(versions: u64) -> (Arc<FakeStore>, Box<Store>, Box<Table>) {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    txns(&table, "");
    for version in 1..=versions {
        commit(&table, version);
        if version % INTERVAL == 0 {
            expect(table.checkpoint().unwrap(), Status::Ok);
        }
    }
    forget(&fake);
    (fake, store, table)
}

/// As the service does it: the batch's file, then the entry.
fn commit(table: &Table, version: u64) {
    let file = finished(table, DAY, rows(0, version as i64, 1));
    let put = table
        .put(&request(&[("a", version as i64)], "t"), &set(&[&file]))
        .unwrap();
    expect(put.outcome, Status::Ok);
    assert_eq!(put.version, version);
}

fn forget(fake: &FakeStore) {
    fake.take_reads();
    fake.take_listed();
}

/// Reads and listed names, with versions told from the last checkpoint on.
fn requests(fake: &FakeStore, checkpoint: u64) -> [Vec<String>; 2] {
    [fake.take_reads(), fake.take_listed()].map(|names| {
        let relative = |name: &String| match name.split_once('.') {
            Some((version, kind)) if version.len() == 20 => {
                format!("{}.{kind}", version.parse::<u64>().unwrap() - checkpoint)
            }
            _ => name.clone(),
        };
        let mut told: Vec<String> = names.iter().map(relative).collect();
        told.sort();
        told
    })
}

fn requests_of_opening(versions: u64) -> [Vec<String>; 2] {
    let (fake, store, _) = aged(versions);
    let table = loaded(&store, "bronze_a");
    assert_eq!(txns(&table, ""), [("a".to_owned(), versions as i64)]);
    requests(&fake, versions / INTERVAL * INTERVAL)
}

#[test]
fn opening_makes_the_same_requests_at_any_version() {
    let (young, old) = (requests_of_opening(25), requests_of_opening(205));
    assert_eq!(young, old);
    let [reads, listed] = old;
    assert!(listed.iter().any(|name| name == "0.checkpoint.parquet"));
    let newest = "5.json".to_owned();
    assert!(reads.contains(&newest) && listed.contains(&newest));
    // The log since the checkpoint, each file a few times at most.
    assert!(
        reads.len() < 30 && listed.len() < 10,
        "{reads:?} {listed:?}"
    );
}

#[test]
fn a_commit_makes_the_same_requests_at_any_version() {
    let of_a_commit = |versions: u64| {
        let (fake, _, table) = aged(versions);
        expect(table.confirm().unwrap(), Status::Ok);
        commit(&table, versions + 1);
        requests(&fake, versions / INTERVAL * INTERVAL)
    };
    let [reads, listed] = of_a_commit(205);
    assert_eq!(of_a_commit(25), [reads.clone(), listed.clone()]);
    assert_eq!((reads, listed), (vec!["5.json".to_owned()], vec![]));
}

#[test]
fn a_checkpoint_makes_the_same_requests_at_any_version() {
    let of_a_checkpoint = |versions: u64| {
        let (fake, _, table) = aged(versions);
        expect(table.checkpoint().unwrap(), Status::Ok);
        requests(&fake, versions / INTERVAL * INTERVAL)
    };
    assert_eq!(of_a_checkpoint(25), of_a_checkpoint(205));
}

/// A log entry that adds so many files, with statistics that zstd cannot shrink much.
fn put_many_files(table: &Table, version: u64, count: usize) {
    let add = |_| {
        let noise: Vec<String> = (0..5).map(|_| Uuid::new_v4().to_string()).collect();
        let noise = noise.concat();
        serde_json::json!({"add": {
            "path": format!("_ingestion_date={DAY}/{}.parquet", Uuid::new_v4()),
            "partitionValues": {"_ingestion_date": DAY},
            "size": 1, "modificationTime": 0, "dataChange": true,
            "stats": format!(r#"{{"numRecords":1,"maxValues":{{"_raw_value":"{noise}"}}}}"#),
        }})
        .to_string()
    };
    let lines: Vec<String> = (0..count).map(add).collect();
    let path = entry_path(&table.log().unwrap(), version);
    let put = table.store.data.put(&path, lines.join("\n").into());
    table.store.wait(put).unwrap();
}

#[test]
fn row_groups_stay_small_however_many_files_there_are() {
    const FILES: usize = 60_000;
    let store = over(FakeStore::new(Create::Honest));
    let table = created(&store, "bronze_a");
    put_many_files(&table, 1, FILES);
    expect(table.load().unwrap(), Status::Ok);
    expect(table.checkpoint().unwrap(), Status::Ok);
    // Written from the log, then from a checkpoint.
    commit(&table, 2);
    expect(table.checkpoint().unwrap(), Status::Ok);
    for version in [1, 2] {
        let name = format!("{version:020}.checkpoint.parquet");
        let path = table.log().unwrap().join(name.as_str());
        let file = table
            .store
            .wait(async { table.store.data.get(&path).await?.bytes().await })
            .unwrap();
        assert!(file.len() > PART_BYTES, "{}", file.len());
        let reader = SerializedFileReader::new(file).unwrap();
        let groups = reader.metadata().row_groups();
        assert!(groups.len() > 1);
        for group in groups {
            let bytes = group.compressed_size() as usize;
            assert!(bytes < ROW_GROUP_BYTES_MAX * 3 / 2, "{bytes}");
        }
    }
    let totals = loaded(&store, "bronze_a").totals().unwrap();
    expect(totals.outcome, Status::Ok);
    assert_eq!(totals.files, FILES as u64 + 1);
}

#[test]
fn a_checkpoint_whose_upload_fails_is_transient_and_leaves_the_cache() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    commit(&table, 1);
    *fake.uploads_fail.lock().unwrap() = 1;
    expect(table.checkpoint().unwrap(), Status::Transient);
    commit(&table, 2);
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert_eq!(txns(&loaded(&store, "bronze_a"), ""), [("a".to_owned(), 2)]);
}

/// So many files that their checkpoint goes up in parts.
fn large(fake: &Arc<FakeStore>) -> (Box<Store>, Box<Table>) {
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    put_many_files(&table, 1, 60_000);
    expect(table.load().unwrap(), Status::Ok);
    (store, table)
}

/// What was asked for about parts, without their sizes.
fn parts_log(fake: &FakeStore) -> Vec<String> {
    let log = std::mem::take(&mut *fake.parts_log.lock().unwrap());
    let short = |what: &String| what.split(" of ").next().unwrap().to_owned();
    log.iter().map(short).collect()
}

fn checkpoints(table: &Table) -> Vec<String> {
    let listing = table.store.data.list(Some(&table.log().unwrap()));
    let names = listing.map(|object| object.unwrap().location.filename().unwrap().to_owned());
    let mut names: Vec<String> = table.store.wait(names.collect::<Vec<_>>());
    names.retain(|name| name.contains("checkpoint"));
    names
}

#[test]
fn a_large_checkpoint_whose_part_fails_leaves_no_parts() {
    let fake = FakeStore::new(Create::Honest);
    let (_store, table) = large(&fake);
    *fake.parts_fail.lock().unwrap() = 1;
    expect(table.checkpoint().unwrap(), Status::Transient);
    assert_eq!(parts_log(&fake), ["create", "part 0", "abort"]);
    assert!(checkpoints(&table).is_empty());

    expect(table.checkpoint().unwrap(), Status::Ok);
    let log = parts_log(&fake);
    assert_eq!(log.first().unwrap(), "create");
    assert!(log.last().unwrap().starts_with("complete "), "{log:?}");
}

#[test]
fn a_large_checkpoint_that_is_not_completed_leaves_no_parts() {
    let fake = FakeStore::new(Create::Honest);
    let (_store, table) = large(&fake);
    *fake.completions_fail.lock().unwrap() = 1;
    expect(table.checkpoint().unwrap(), Status::Transient);
    let log = parts_log(&fake);
    assert!(log[log.len() - 2].starts_with("complete "), "{log:?}");
    assert_eq!(log.last().unwrap(), "abort");
    assert!(checkpoints(&table).is_empty());
}

#[test]
fn an_abort_that_fails_is_made_up_for_by_the_next_checkpoint() {
    let fake = FakeStore::new(Create::Honest);
    let (_store, table) = large(&fake);
    *fake.parts_fail.lock().unwrap() = 1;
    *fake.aborts_fail.lock().unwrap() = 2;
    expect(table.checkpoint().unwrap(), Status::Transient);
    assert_eq!(parts_log(&fake), ["create", "part 0", "abort"]);
    // Still not, and this is no reason to write no checkpoint.
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert_eq!(parts_log(&fake)[..2], ["abort", "create"]);
    commit(&table, 2);
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert_eq!(parts_log(&fake)[..2], ["abort", "create"]);
    commit(&table, 3);
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert_eq!(parts_log(&fake)[0], "create");
}
