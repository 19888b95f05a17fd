//! Tables on a local disk and over a store that misbehaves.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use delta_kernel::arrow::array::{ArrayRef, TimestampMicrosecondArray};
use serde_json::Value;

use super::*;
use crate::store::testing::*;

fn entry(directory: &TempDir, table: &str, version: u64) -> Vec<Value> {
    fs::read_to_string(log_file(directory, table, &format!("{version:020}.json")))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn actions<'a>(entry: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entry.iter().filter_map(|action| action.get(kind)).collect()
}

fn load_fails(store: &crate::store::Store, table: &str, status: Status) -> String {
    expect(store.table(table).unwrap().load().unwrap(), status)
}

#[test]
fn rows_and_txns_come_back() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let first = finished(&table, DAY, rows(0, 0, 10));
    let second = finished(&table, NEXT_DAY, rows(1, 100, 5));
    let put = table
        .put(
            &request(
                &[("bronze/g/t/0", 10), ("bronze/g/t/1", 105), ("other", 7)],
                "tok-1",
            ),
            &set(&[&first, &second]),
        )
        .unwrap();
    expect(put.outcome, Status::Ok);
    assert_eq!((put.version, put.sent), (1, true));
    for table in [&table, &loaded(&store, "bronze_a")] {
        assert_eq!(table.state().unwrap().version, 1);
        assert_eq!(
            txns(table, "bronze/"),
            [
                ("bronze/g/t/0".to_owned(), 10),
                ("bronze/g/t/1".to_owned(), 105)
            ]
        );
        assert!(table.has_data_files().unwrap().found);
    }

    let entry = entry(&directory, "bronze_a", 1);
    let info = actions(&entry, "commitInfo")[0];
    assert_eq!(info["operation"], "STREAMING UPDATE");
    assert_eq!(info["engineInfo"], "bronze/test");
    assert_eq!(info["isBlindAppend"], true);
    assert_eq!(info["operationParameters"]["bronzeToken"], "tok-1");
    assert_eq!(info["operationParameters"]["rows"], "5");
    assert_eq!(actions(&entry, "txn").len(), 3);
    let adds = actions(&entry, "add");
    assert_eq!(adds.len(), 2);
    assert_eq!(adds[0]["partitionValues"]["_ingestion_date"], DAY);
    assert_eq!(adds[1]["partitionValues"]["_ingestion_date"], NEXT_DAY);
    assert_eq!(adds[0]["dataChange"], true);
}

#[test]
fn totals_add_up_the_live_files() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let empty = table.totals().unwrap();
    expect(empty.outcome, Status::Ok);
    assert_eq!((empty.files, empty.rows, empty.bytes), (0, 0, 0));

    let files = [
        finished(&table, DAY, rows(0, 0, 10)),
        finished(&table, NEXT_DAY, rows(1, 100, 5)),
    ];
    for (number, file) in files.iter().enumerate() {
        let txns = [("bronze/g/t/0", 10 + i64::try_from(number).unwrap())];
        let put = table.put(&request(&txns, "tok"), &set(&[file])).unwrap();
        expect(put.outcome, Status::Ok);
    }
    let added: u64 = (1..=2)
        .map(|version| {
            actions(&entry(&directory, "bronze_a", version), "add")[0]["size"]
                .as_u64()
                .unwrap()
        })
        .sum();
    for table in [&table, &loaded(&store, "bronze_a")] {
        let totals = table.totals().unwrap();
        expect(totals.outcome, Status::Ok);
        assert_eq!((totals.files, totals.rows, totals.bytes), (2, 15, added));
    }

    let first = actions(&entry(&directory, "bronze_a", 1), "add")[0].clone();
    let without_the_first = serde_json::json!({"remove": {
        "path": first["path"], "deletionTimestamp": 1, "dataChange": true,
        "partitionValues": first["partitionValues"], "size": first["size"],
    }});
    let third = log_file(&directory, "bronze_a", "00000000000000000003.json");
    fs::write(third, without_the_first.to_string()).unwrap();
    let totals = loaded(&store, "bronze_a").totals().unwrap();
    assert_eq!((totals.files, totals.rows), (1, 5));
}

#[test]
fn a_file_that_does_not_state_its_rows_has_no_totals() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let file = finished(&table, DAY, rows(0, 0, 10));
    let put = table
        .put(&request(&[("bronze/g/t/0", 10)], "tok"), &set(&[&file]))
        .unwrap();
    expect(put.outcome, Status::Ok);
    let path = log_file(&directory, "bronze_a", "00000000000000000001.json");
    let lines: Vec<String> = entry(&directory, "bronze_a", 1)
        .into_iter()
        .map(|mut action| {
            if let Some(add) = action.get_mut("add") {
                add.as_object_mut().unwrap().remove("stats");
            }
            action.to_string()
        })
        .collect();
    fs::write(path, lines.join("\n")).unwrap();
    let totals = loaded(&store, "bronze_a").totals().unwrap();
    let message = expect(totals.outcome, Status::Unsupported);
    assert!(message.contains("no row count for _ingestion_date="));
}

#[test]
fn statistics_cover_every_column_but_the_payload() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    append(&mut file, rows(3, 100, 10)).unwrap();
    append(&mut file, rows(3, 110, 10)).unwrap();
    let result = file.finish().unwrap();
    expect(result.outcome, Status::Ok);
    assert_eq!(result.rows, 20);
    let on_disk = directory.path().join("base/bronze_a").join(&result.path);
    assert_eq!(fs::metadata(on_disk).unwrap().len(), result.bytes);
    assert!(result
        .path
        .starts_with("_ingestion_date=2026-01-31/part-00000-"));
    assert!(result.path.ends_with("-c000.zstd.parquet"));
    expect(
        table
            .put(&request(&[], "t"), &set(&[&file]))
            .unwrap()
            .outcome,
        Status::Ok,
    );
    let entry = entry(&directory, "bronze_a", 1);
    let add = actions(&entry, "add")[0];
    assert_eq!(add["path"], result.path);
    assert_eq!(add["size"], result.bytes);
    let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(stats["numRecords"], 20);
    assert_eq!(stats["minValues"]["_kafka_offset"], 100);
    assert_eq!(stats["maxValues"]["_kafka_offset"], 119);
    assert_eq!(stats["minValues"]["_kafka_partition"], 3);
    assert_eq!(stats["nullCount"]["_kafka_timestamp"], 0);
    assert!(stats["maxValues"]["_ingested_at"].is_string());
    for kind in ["minValues", "maxValues", "nullCount"] {
        assert!(stats[kind].get("_raw_value").is_none(), "{kind}");
    }
}

#[test]
fn times_of_no_calendar_leave_the_statistics_readable() {
    const YEAR_10000: i64 = 253_402_300_800_000_000;
    const YEAR_1: i64 = -62_135_596_800_000_000;
    let cases: [(&[i64], [Option<&str>; 2]); 4] = [
        (
            &[YEAR_1, YEAR_10000 - 1],
            [
                Some("0001-01-01T00:00:00.000Z"),
                Some("9999-12-31T23:59:59.999Z"),
            ],
        ),
        (&[0, YEAR_10000], [Some("1970-01-01T00:00:00.000Z"), None]),
        (&[YEAR_1 - 1, 0], [None, Some("1970-01-01T00:00:00.000Z")]),
        (&[i64::MIN, i64::MAX], [None, None]),
    ];
    for (times, bounds) in cases {
        let (directory, store) = local();
        let table = created(&store, "bronze_a");
        let plain = rows(0, 0, times.len() as i64);
        let odd = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
        let columns = plain
            .column_names()
            .into_iter()
            .zip(plain.columns())
            .map(|(name, column)| match name {
                "_kafka_timestamp" => (name, Arc::new(odd.clone()) as ArrayRef),
                _ => (name, column.clone()),
            })
            .collect();
        let file = finished(&table, DAY, struct_of(columns));
        let answer = table.put(&request(&[], "token"), &set(&[&file])).unwrap();
        expect(answer.outcome, Status::Ok);

        let entry = entry(&directory, "bronze_a", answer.version);
        let add = actions(&entry, "add")[0];
        let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
        for (part, bound) in ["minValues", "maxValues"].into_iter().zip(bounds) {
            let told = stats[part].get("_kafka_timestamp").and_then(Value::as_str);
            assert_eq!(told, bound, "{part} of {times:?}");
        }
        assert_eq!(stats["numRecords"], times.len());
        assert!(stats["maxValues"].get("_kafka_offset").is_some());
    }
}

#[test]
fn a_new_table_has_the_oldest_protocol_and_its_schema_unchanged() {
    let (_directory, store) = local();
    created(&store, "bronze_a");
    let state = loaded(&store, "bronze_a").state().unwrap();
    assert_eq!(state.version, 0);
    assert_eq!(state.schema_json, SCHEMA);
    assert_eq!(state.partition_columns, ["_ingestion_date"]);
    assert_eq!((state.min_reader_version, state.min_writer_version), (1, 2));
    assert!(state.reader_features.is_empty() && state.writer_features.is_empty());
    assert_eq!(state.configuration.len(), 1);
    assert_eq!(state.configuration[0].key, "delta.appendOnly");
    assert_eq!(state.configuration[0].value, "true");
    assert_eq!(state.id.len(), 36);
}

#[test]
fn state_tells_the_features_of_a_foreign_table() {
    let (directory, store) = local();
    created(&store, "bronze_a");
    let path = log_file(&directory, "bronze_a", "00000000000000000000.json");
    let text = fs::read_to_string(&path).unwrap().replace(
        r#"{"minReaderVersion":1,"minWriterVersion":2}"#,
        r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors","appendOnly"]}"#,
    );
    fs::write(&path, text).unwrap();
    let state = loaded(&store, "bronze_a").state().unwrap();
    assert_eq!((state.min_reader_version, state.min_writer_version), (3, 7));
    assert_eq!(state.reader_features, ["deletionVectors"]);
    assert_eq!(state.writer_features, ["deletionVectors", "appendOnly"]);
}

#[test]
fn a_writer_feature_that_is_unknown_is_told_and_stops_commits() {
    let (directory, store) = local();
    created(&store, "bronze_a");
    let path = log_file(&directory, "bronze_a", "00000000000000000000.json");
    let text = fs::read_to_string(&path).unwrap().replace(
        r#"{"minReaderVersion":1,"minWriterVersion":2}"#,
        r#"{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["writesBackwards"]}"#,
    );
    fs::write(&path, text).unwrap();
    let table = loaded(&store, "bronze_a");
    let state = table.state().unwrap();
    assert_eq!((state.min_reader_version, state.min_writer_version), (1, 7));
    assert_eq!(state.writer_features, ["writesBackwards"]);
    let put = put(&table, &[("a", 1)], "t");
    expect(put.outcome, Status::Unsupported);
    assert!(!put.sent);
}

#[test]
fn a_table_that_needs_an_unknown_feature_is_unsupported() {
    let (directory, store) = local();
    created(&store, "bronze_a");
    let path = log_file(&directory, "bronze_a", "00000000000000000000.json");
    let text = fs::read_to_string(&path).unwrap().replace(
        r#"{"minReaderVersion":1,"minWriterVersion":2}"#,
        r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["timeTravelBackwards"],"writerFeatures":["timeTravelBackwards"]}"#,
    );
    fs::write(&path, text).unwrap();
    let message = load_fails(&store, "bronze_a", Status::Unsupported);
    assert!(message.contains("timeTravelBackwards"), "{message}");
}

#[test]
fn of_two_racing_creates_one_wins() {
    for round in 0..10 {
        let (_directory, store) = local();
        let name = format!("bronze_{round}");
        let tables: Vec<_> = (0..4).map(|_| store.table(&name).unwrap()).collect();
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let racing: Vec<_> = tables
                .iter()
                .map(|table| scope.spawn(|| table.create(&spec()).unwrap()))
                .collect();
            racing.into_iter().map(|r| r.join().unwrap()).collect()
        });
        let won = outcomes.iter().filter(|o| o.status == Status::Ok).count();
        let lost = outcomes
            .iter()
            .filter(|o| o.status == Status::Conflict)
            .count();
        assert_eq!((won, lost), (1, 3), "{outcomes:?}");
        let ids: HashSet<String> = tables
            .iter()
            .map(|table| {
                expect(table.load().unwrap(), Status::Ok);
                table.state().unwrap().id
            })
            .collect();
        assert_eq!(ids.len(), 1);
    }
}

#[test]
fn create_never_writes_into_a_log_that_lost_its_first_entry() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    expect(table.checkpoint().unwrap(), Status::Ok);
    let first = log_file(&directory, "bronze_a", "00000000000000000000.json");
    fs::remove_file(&first).unwrap();
    let other = store.table("bronze_a").unwrap();
    expect(other.create(&spec()).unwrap(), Status::Conflict);
    assert!(!first.exists());
    expect(other.load().unwrap(), Status::Ok);
}

#[test]
fn nothing_there_is_missing() {
    let (directory, store) = local();
    load_fails(&store, "bronze_a", Status::Missing);
    // Data and junk in the log directory are not a table either.
    let log = log_file(&directory, "bronze_a", "note.txt");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "x").unwrap();
    load_fails(&store, "bronze_a", Status::Missing);
    created(&store, "bronze_a");
}

/// Two instances start at once: one finds no log, and before it asks why, the other creates it.
#[test]
fn a_table_that_appears_while_it_is_looked_for_is_worth_another_look() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let fault = table.explain(KernelError::EmptyLog);
    assert_eq!(fault.status, Status::Transient, "{fault}");
    expect(table.load().unwrap(), Status::Ok);
}

#[test]
fn a_hint_without_anything_else_is_a_wiped_log_and_not_a_missing_table() {
    let (directory, store) = local();
    let hint = log_file(&directory, "bronze_a", "_last_checkpoint");
    fs::create_dir_all(hint.parent().unwrap()).unwrap();
    fs::write(&hint, r#"{"version":7,"size":3}"#).unwrap();
    load_fails(&store, "bronze_a", Status::Corrupt);
    expect(
        store.table("bronze_a").unwrap().create(&spec()).unwrap(),
        Status::Conflict,
    );
}

#[test]
fn calls_before_load_are_errors() {
    let (_directory, store) = local();
    let table = store.table("bronze_a").unwrap();
    assert!(table.state().is_err());
    assert!(table.txns("").is_err());
    assert!(table.open_file(DAY).is_err());
    assert!(table.checkpoint().is_err());
    assert!(table.put(&request(&[], "t"), &set(&[])).is_err());
}

#[test]
fn names_that_leave_the_base_are_refused() {
    let (_directory, store) = local();
    for name in ["", "..", ".", "a/b", ".hidden"] {
        assert!(store.table(name).is_err(), "{name}");
    }
}

#[test]
fn tokens_are_found_in_the_range_only() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    for token in ["one", "two", "three"] {
        put_ok(&table, &[("a", 1)], token);
    }
    let find = |token: &str, after: u64| table.find_token(token, after).unwrap();
    let lookup = find("two", 0);
    assert_eq!((lookup.found, lookup.version), (true, 2));
    expect(lookup.outcome, Status::Ok);
    assert!(!find("two", 2).found);
    assert!(find("two", 1).found);
    assert!(!find("four", 0).found);
    assert!(!find("one", u64::MAX).found);
    // Only the cached snapshot's versions count.
    put_ok(&loaded(&store, "bronze_a"), &[("a", 2)], "four");
    assert!(!find("four", 0).found);
    expect(table.load().unwrap(), Status::Ok);
    assert_eq!(table.find_token("four", 0).unwrap().version, 4);

    fs::remove_file(log_file(
        &directory,
        "bronze_a",
        "00000000000000000002.json",
    ))
    .unwrap();
    let lookup = table.find_token("three", 0).unwrap();
    expect(lookup.outcome, Status::Missing);
    assert!(!lookup.found);
    expect(table.find_token("three", 2).unwrap().outcome, Status::Ok);
}

#[test]
fn the_slower_of_two_writers_gets_a_conflict_and_can_go_on_after_load() {
    let (directory, store) = local();
    let mine = created(&store, "bronze_a");
    let theirs = loaded(&store, "bronze_a");
    let file = finished(&mine, DAY, rows(0, 0, 3));
    put_ok(&theirs, &[("theirs", 1)], "x");

    let attempt = || {
        mine.put(&request(&[("mine", 3)], "tok"), &set(&[&file]))
            .unwrap()
    };
    let put = attempt();
    expect(put.outcome, Status::Conflict);
    assert_eq!((put.version, put.sent), (1, true));
    assert_eq!(mine.state().unwrap().version, 0);
    assert_eq!(txns(&mine, ""), []);

    expect(mine.load().unwrap(), Status::Ok);
    let put = attempt();
    expect(put.outcome, Status::Ok);
    assert_eq!(put.version, 2);
    assert_eq!(
        txns(&mine, ""),
        [("mine".to_owned(), 3), ("theirs".to_owned(), 1)]
    );
    assert_eq!(actions(&entry(&directory, "bronze_a", 2), "add").len(), 1);
}

#[test]
fn a_commit_of_offsets_only_changes_no_data() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 5)], "t");
    let entry = entry(&directory, "bronze_a", 1);
    assert_eq!(actions(&entry, "add").len(), 0);
    assert_eq!(actions(&entry, "txn")[0]["version"], 5);
    assert_ne!(actions(&entry, "commitInfo")[0]["isBlindAppend"], true);
    assert!(!table.has_data_files().unwrap().found);
}

#[test]
fn txns_are_the_same_from_the_cache_from_the_log_and_from_a_checkpoint() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    assert_eq!(txns(&table, ""), []);
    for step in 1..=250_i64 {
        let partition = format!("bronze/g/t/{}", step % 7);
        put_ok(&table, &[(&partition, step)], "t");
        if step == 100 {
            expect(table.checkpoint().unwrap(), Status::Ok);
        }
    }
    let expected: Vec<(String, i64)> = (0..7)
        .map(|p| {
            let last = (1..=250).rev().find(|step| step % 7 == p).unwrap();
            (format!("bronze/g/t/{p}"), last)
        })
        .collect();
    assert_eq!(txns(&table, "bronze/g/"), expected);
    assert_eq!(txns(&loaded(&store, "bronze_a"), "bronze/g/"), expected);
    assert_eq!(txns(&table, "bronze/h/"), []);
    expect(table.checkpoint().unwrap(), Status::Ok);
    let fresh = loaded(&store, "bronze_a");
    assert_eq!(fresh.state().unwrap().version, 250);
    assert_eq!(txns(&fresh, ""), expected);
}

fn log_starts_at_checkpoint(table: &Table) -> Option<Version> {
    let snapshot = table.snapshot().unwrap();
    snapshot.log_segment().checkpoint_version
}

#[test]
fn after_a_checkpoint_the_cache_starts_there() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    for step in 1..=5 {
        put_ok(&table, &[("a", step)], "t");
    }
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert_eq!(log_starts_at_checkpoint(&table), Some(5));
    put_ok(&table, &[("a", 6)], "t");
    assert_eq!(log_starts_at_checkpoint(&table), Some(5));
    assert_eq!(txns(&table, ""), [("a".to_owned(), 6)]);
}

#[test]
fn a_checkpoint_that_others_have_overtaken_keeps_the_newer_commits() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    let old = table.snapshot().unwrap();
    for step in 2..=4 {
        put_ok(&table, &[("a", step)], "t");
    }
    table.write_checkpoint(old).unwrap();
    assert_eq!(table.state().unwrap().version, 4);
    assert_eq!(log_starts_at_checkpoint(&table), Some(1));
    assert_eq!(txns(&table, ""), [("a".to_owned(), 4)]);
    assert_eq!(put_ok(&table, &[("a", 5)], "t"), 5);
}

#[test]
fn checkpoints_and_commits_do_not_disturb_each_other() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                expect(table.checkpoint().unwrap(), Status::Ok);
            }
        });
        let before = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for step in 1..=100 {
                let file = finished(&table, DAY, rows(0, step, 1));
                let put = table
                    .put(&request(&[("a", step)], "t"), &set(&[&file]))
                    .unwrap();
                expect(put.outcome, Status::Ok);
                assert_eq!(put.version, step as u64);
                assert_eq!(table.state().unwrap().version, step as u64);
                assert_eq!(txns(&table, ""), [("a".to_owned(), step)]);
            }
        }));
        done.store(true, Ordering::Release);
        before.unwrap();
    });
    let fresh = loaded(&store, "bronze_a");
    assert_eq!(fresh.state().unwrap().version, 100);
    assert_eq!(txns(&fresh, ""), [("a".to_owned(), 100)]);
}

/// They share the threads of the runtime.
#[test]
fn many_tables_can_be_checkpointed_at_once() {
    let (_directory, store) = local();
    let tables: Vec<_> = (0..48)
        .map(|i| created(&store, &format!("bronze_{i}")))
        .collect();
    for table in &tables {
        let file = finished(table, DAY, rows(0, 0, 10));
        let put = table.put(&request(&[("a", 1)], "t"), &set(&[&file]));
        expect(put.unwrap().outcome, Status::Ok);
    }
    std::thread::scope(|scope| {
        for table in &tables {
            scope.spawn(|| expect(table.checkpoint().unwrap(), Status::Ok));
        }
    });
}

#[test]
fn a_dangling_hint_is_corrupt_and_the_message_names_the_repair() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    let hint = log_file(&directory, "bronze_a", "_last_checkpoint");
    fs::write(&hint, r#"{"version":1,"size":3}"#).unwrap();
    let message = load_fails(&store, "bronze_a", Status::Corrupt);
    assert!(message.contains("_last_checkpoint"), "{message}");
    assert!(message.contains("delete"), "{message}");
    assert_eq!(table.state().unwrap().version, 1);
    fs::remove_file(&hint).unwrap();
    assert_eq!(txns(&loaded(&store, "bronze_a"), ""), [("a".to_owned(), 1)]);

    fs::write(&hint, r#"{"version":1,"size":3}"#).unwrap();
    fs::remove_file(log_file(
        &directory,
        "bronze_a",
        "00000000000000000000.json",
    ))
    .unwrap();
    let message = load_fails(&store, "bronze_a", Status::Corrupt);
    assert!(message.contains("backup"), "{message}");
    assert!(!message.contains("delete"), "{message}");
}

#[test]
fn a_garbage_hint_is_ignored() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    for garbage in ["", "not json", "[]", "{\"version\":\"x\"}"] {
        fs::write(
            log_file(&directory, "bronze_a", "_last_checkpoint"),
            garbage,
        )
        .unwrap();
        assert_eq!(loaded(&store, "bronze_a").state().unwrap().version, 1);
    }
}

#[test]
fn a_missing_log_entry_is_corrupt_and_named() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    for step in 1..=4 {
        put_ok(&table, &[("a", step)], "t");
    }
    let name = "00000000000000000002.json";
    let path = log_file(&directory, "bronze_a", name);
    let kept = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let message = load_fails(&store, "bronze_a", Status::Corrupt);
    assert!(message.contains(name), "{message}");
    fs::write(&path, kept).unwrap();
    loaded(&store, "bronze_a");
}

#[test]
fn a_log_that_lost_its_beginning_is_corrupt() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    for step in 1..=3 {
        put_ok(&table, &[("a", step)], "t");
    }
    // The schema is repeated late, so that nothing but the start of the log looks wrong.
    let zero = log_file(&directory, "bronze_a", "00000000000000000000.json");
    let two = log_file(&directory, "bronze_a", "00000000000000000002.json");
    let head = fs::read_to_string(&zero).unwrap();
    let tail = fs::read_to_string(&two).unwrap();
    fs::write(&two, format!("{head}{tail}")).unwrap();
    fs::remove_file(&zero).unwrap();
    let message = load_fails(&store, "bronze_a", Status::Corrupt);
    assert!(message.contains("00000000000000000000.json"), "{message}");
    fs::remove_file(log_file(
        &directory,
        "bronze_a",
        "00000000000000000001.json",
    ))
    .unwrap();
    load_fails(&store, "bronze_a", Status::Corrupt);
}

#[test]
fn a_truncated_checkpoint_is_corrupt_and_named() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    expect(table.checkpoint().unwrap(), Status::Ok);
    put_ok(&table, &[("a", 2)], "t");
    let name = "00000000000000000001.checkpoint.parquet";
    let path = log_file(&directory, "bronze_a", name);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let message = load_fails(&store, "bronze_a", Status::Corrupt);
    assert!(message.contains(name), "{message}");
    assert!(message.contains("delete"), "{message}");
    // The repair that the message names works.
    fs::remove_file(&path).unwrap();
    fs::remove_file(log_file(&directory, "bronze_a", "_last_checkpoint")).unwrap();
    assert_eq!(txns(&loaded(&store, "bronze_a"), ""), [("a".to_owned(), 2)]);
}

#[test]
fn a_malformed_log_entry_is_corrupt_and_named() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    let name = "00000000000000000001.json";
    fs::write(log_file(&directory, "bronze_a", name), "{\"txn\":{\"appI").unwrap();
    let fresh = store.table("bronze_a").unwrap();
    let message = expect(fresh.load().unwrap(), Status::Corrupt);
    assert!(message.contains(name), "{message}");
}

#[test]
fn an_unreadable_store_is_not_a_missing_table() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    fake.fail_reads(true);
    load_fails(&store, "bronze_a", Status::Transient);
    expect(table.confirm().unwrap(), Status::Transient);
    expect(table.load().unwrap(), Status::Transient);
    expect(
        store.table("bronze_b").unwrap().create(&spec()).unwrap(),
        Status::Transient,
    );
    fake.fail_reads(false);
    assert_eq!(table.state().unwrap().version, 0);
    expect(table.load().unwrap(), Status::Ok);
}

#[test]
fn a_lost_answer_is_sent_and_not_ok() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    fake.set(Create::LosesAnswer);
    let put = put(&table, &[("a", 1)], "tok");
    expect(put.outcome, Status::Transient);
    assert_eq!((put.version, put.sent), (1, true));
    assert_eq!(table.state().unwrap().version, 0);
    // The log tells: it landed.
    expect(table.load().unwrap(), Status::Ok);
    assert_eq!(txns(&table, ""), [("a".to_owned(), 1)]);
    assert!(table.find_token("tok", 0).unwrap().found);
}

#[test]
fn a_lost_request_looks_the_same_but_has_not_landed() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    fake.set(Create::LosesRequest);
    let lost = put(&table, &[("a", 1)], "tok");
    expect(lost.outcome, Status::Transient);
    assert!(lost.sent);
    expect(table.load().unwrap(), Status::Ok);
    assert_eq!(table.state().unwrap().version, 0);
    fake.set(Create::Honest);
    assert_eq!(put_ok(&table, &[("a", 1)], "tok"), 1);
}

#[test]
fn a_put_that_is_refused_at_once_was_not_sent() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    fake.set(Create::NotImplemented);
    let refused = put(&table, &[("a", 1)], "tok");
    expect(refused.outcome, Status::Unsupported);
    assert!(!refused.sent);
    // Two txns of one appId: the kernel refuses before any request.
    fake.set(Create::Honest);
    let twice = put(&table, &[("a", 1), ("a", 2)], "tok");
    expect(twice.outcome, Status::Failed);
    assert!(!twice.sent);
    expect(
        table.log_entry_has_txn(1, "").unwrap().outcome,
        Status::Missing,
    );
}

#[test]
fn a_lost_answer_to_create_is_found_by_load() {
    let fake = FakeStore::new(Create::LosesAnswer);
    let store = over(fake.clone());
    let table = store.table("bronze_a").unwrap();
    expect(table.create(&spec()).unwrap(), Status::Transient);
    expect(table.load().unwrap(), Status::Ok);
    assert_eq!(table.state().unwrap().version, 0);
    expect(table.create(&spec()).unwrap(), Status::Conflict);
}

#[test]
fn a_commit_that_landed_is_ok_even_when_the_kernel_fails_afterwards() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    assert_eq!(txns(&table, ""), []);
    let before = table.cached_now();
    put_ok(&loaded(&store, "bronze_a"), &[("a", 1)], "tok");
    let txn = request(&[("a", 1)], "tok").txns;
    table
        .adopt_commit(
            &before,
            &txn,
            EntryDigest::of(b""),
            Err(KernelError::generic("late failure")),
        )
        .unwrap();
    assert_eq!(table.state().unwrap().version, 1);
    assert_eq!(txns(&table, ""), [("a".to_owned(), 1)]);
}

#[test]
fn a_commit_that_landed_but_cannot_be_read_back_is_transient() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let before = table.cached_now();
    fake.fail_reads(true);
    let fault = table
        .adopt_commit(
            &before,
            &[],
            EntryDigest::of(b""),
            Err(KernelError::generic("late failure")),
        )
        .unwrap_err();
    assert_eq!(fault.status, Status::Transient);
    assert_eq!(table.state().unwrap().version, 0);
}

#[test]
fn a_commit_that_others_followed_before_it_was_read_back_is_transient() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let before = table.cached_now();
    let other = loaded(&store, "bronze_a");
    put_ok(&other, &[("a", 1)], "tok");
    put_ok(&other, &[("b", 7)], "theirs");
    let txn = request(&[("a", 1)], "tok").txns;
    let fault = table
        .adopt_commit(
            &before,
            &txn,
            EntryDigest::of(b""),
            Err(KernelError::generic("late failure")),
        )
        .unwrap_err();
    assert_eq!(fault.status, Status::Transient);
    // The caller looks again, and sees what they wrote.
    assert_eq!(table.state().unwrap().version, 2);
}

#[test]
fn load_forgets_what_the_cache_believed() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("a", 1)], "t");
    let id = table.state().unwrap().id;
    fs::remove_dir_all(directory.path().join("base/bronze_a")).unwrap();
    expect(table.load().unwrap(), Status::Missing);
    created(&store, "bronze_a");
    expect(table.load().unwrap(), Status::Ok);
    let state = table.state().unwrap();
    assert_eq!(state.version, 0);
    assert_ne!(state.id, id);
    assert_eq!(txns(&table, ""), []);
}

#[test]
fn unpartitioned_tables_work_with_any_partition_value() {
    let (directory, store) = local();
    let table = store.table("dlq_bronze_a").unwrap();
    let spec = TableSpec {
        partition_columns: Vec::new(),
        schema_json: SCHEMA.replace(
            r#",{"name":"_ingestion_date","type":"string","nullable":true,"metadata":{}}"#,
            "",
        ),
        ..spec()
    };
    expect(table.create(&spec).unwrap(), Status::Ok);
    let file = finished(&table, "", rows(0, 0, 3));
    expect(
        table
            .put(&request(&[], "t"), &set(&[&file]))
            .unwrap()
            .outcome,
        Status::Ok,
    );
    let entry = entry(&directory, "dlq_bronze_a", 1);
    let add = actions(&entry, "add")[0];
    assert!(add["path"].as_str().unwrap().starts_with("part-00000-"));
    assert_eq!(add["partitionValues"], serde_json::json!({}));
}

#[test]
fn paths_with_spaces_and_other_signs_are_taken_as_they_are() {
    let directory = TempDir::new();
    let base = directory.path().join("a b+c#d?e=ü");
    let store = local_at(&base);
    expect(store.probe_put_if_absent().unwrap(), Status::Ok);
    let table = created(&store, "bronze_a");
    let file = finished(&table, DAY, rows(0, 0, 3));
    expect(
        table
            .put(&request(&[("a", 3)], "t"), &set(&[&file]))
            .unwrap()
            .outcome,
        Status::Ok,
    );
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert!(base
        .join("bronze_a/_delta_log/00000000000000000001.json")
        .exists());
    assert_eq!(txns(&loaded(&store, "bronze_a"), ""), [("a".to_owned(), 3)]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn columns_are_added_by_one_commit_that_changes_nothing_else() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let file = finished(&table, DAY, rows(0, 0, 10));
    let put = table.put(&request(&[("bronze/g/t/0", 10)], "tok"), &set(&[&file]));
    expect(put.unwrap().outcome, Status::Ok);
    let before = table.state().unwrap();
    let more = r#",{"name":"more","type":"string","nullable":true,"metadata":{}}]}"#;
    let schema = before.schema_json.strip_suffix("]}").unwrap().to_owned() + more;

    let late = loaded(&store, "bronze_a");
    expect(table.add_columns(&schema).unwrap(), Status::Ok);

    for table in [&table, &loaded(&store, "bronze_a")] {
        let after = table.state().unwrap();
        assert_eq!(after.version, before.version + 1);
        assert_eq!(after.schema_json, schema);
        assert_eq!(after.id, before.id);
        assert_eq!(after.partition_columns, before.partition_columns);
        assert_eq!(txns(table, "bronze/"), [("bronze/g/t/0".to_owned(), 10)]);
        assert_eq!(table.totals().unwrap().rows, 10);
        assert_eq!(table.open_file(DAY).unwrap().width(), 6);
    }
    let kept = |version| {
        let entry = entry(&directory, "bronze_a", version);
        let mut metadata = actions(&entry, "metaData")[0].clone();
        metadata
            .as_object_mut()
            .unwrap()
            .retain(|key, value| key != "schemaString" && !value.is_null());
        metadata
    };
    assert_eq!(kept(0), kept(2));
    // Whoever looked before is late.
    expect(late.add_columns(&schema).unwrap(), Status::Conflict);
}
