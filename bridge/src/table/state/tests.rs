//! A state that was kept elsewhere is as good as a load, or it is not believed.

use std::fs;

use super::super::Table;
use super::*;
use crate::data_file::new_file_set;
use crate::ffi::TableSpec;
use crate::store::testing::*;
use crate::store::Store;

/// Commits what `vouched` names, and returns the text of the state that it leads to.
fn put_vouched(
    table: &Table,
    txns: &[(&str, i64)],
    files: &[&crate::data_file::DataFile],
) -> String {
    let mut request = request(txns, "t");
    txns_known(table);
    let state = table.state_after(&request.txns).unwrap();
    assert!(!state.text.is_empty());
    request.parameters.push(state.parameter);
    let files = if files.is_empty() {
        new_file_set()
    } else {
        set(files)
    };
    expect(table.put(&request, &files).unwrap().outcome, Status::Ok);
    state.text
}

fn txns_known(table: &Table) {
    expect(table.txns("").unwrap().outcome, Status::Ok);
}

fn believing(store: &Store, directory: &str, text: &str) -> Box<Table> {
    let table = store.table(directory).unwrap();
    expect(table.believe(text).unwrap(), Status::Ok);
    table
}

fn refuses(store: &Store, directory: &str, text: &str) -> String {
    let table = store.table(directory).unwrap();
    let why = expect(table.believe(text).unwrap(), Status::Missing);
    assert!(table.state().is_err(), "something is cached");
    why
}

/// All that is told of a table.
fn told(table: &Table) -> String {
    let totals = table.totals().unwrap();
    let last = table.last_offsets(&[]).unwrap();
    let mut offsets: Vec<_> = last
        .offsets
        .iter()
        .map(|o| (o.partition, o.offset))
        .collect();
    offsets.sort_unstable();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        table.state().unwrap(),
        txns(table, ""),
        table.has_data_files().unwrap().found,
        (totals.files, totals.rows, totals.bytes),
        offsets,
        table.last_ingestion().unwrap().micros,
    )
}

#[track_caller]
fn as_loaded(table: &Table, store: &Store, directory: &str) {
    assert_eq!(told(table), told(&loaded(store, directory)));
}

#[test]
fn everything_works_on_a_state_that_is_believed() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut text = String::new();
    for commit in 0..12_i64 {
        let file = finished(&table, DAY, rows(0, commit * 10, 10));
        text = put_vouched(&table, &[("bronze/g/t/0", (commit + 1) * 10)], &[&file]);
        if commit == 4 || commit == 9 {
            expect(table.checkpoint().unwrap(), Status::Ok);
        }
    }

    let believed = believing(&store, "bronze_a", &text);
    as_loaded(&believed, &store, "bronze_a");
    expect(believed.refresh().unwrap(), Status::Ok);
    expect(believed.confirm().unwrap(), Status::Ok);
    let file = finished(&believed, NEXT_DAY, rows(1, 7, 5));
    put_vouched(&believed, &[("bronze/g/t/1", 12)], &[&file]);
    as_loaded(&believed, &store, "bronze_a");
    expect(believed.checkpoint().unwrap(), Status::Ok);
    as_loaded(&believed, &store, "bronze_a");
    for version in 0..13 {
        let _ = fs::remove_file(log_file(&directory, "bronze_a", &entry_name(version)));
    }
    put_vouched(&believed, &[("bronze/g/t/1", 13)], &[]);
    as_loaded(&believed, &store, "bronze_a");
}

fn entry_name(version: u64) -> String {
    format!("{version:020}.json")
}

#[test]
fn each_version_of_a_table_is_told_as_it_was() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    for commit in 1..=8_i64 {
        let file = finished(&table, DAY, rows(0, commit * 10, 10));
        let text = put_vouched(&table, &[("a", commit), ("b", 100 - commit)], &[&file]);
        as_loaded(&believing(&store, "bronze_a", &text), &store, "bronze_a");
        if commit % 3 == 0 {
            expect(table.checkpoint().unwrap(), Status::Ok);
        }
    }
}

#[test]
fn nothing_is_read_but_the_entry_that_vouches() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let mut text = String::new();
    for version in 1..=30 {
        text = put_vouched(&table, &[("a", version)], &[]);
        if version == 20 {
            expect(table.checkpoint().unwrap(), Status::Ok);
        }
    }
    fake.take_reads();
    fake.take_listed();
    let believed = believing(&store, "bronze_a", &text);
    assert_eq!(txns(&believed, ""), [("a".to_owned(), 30)]);
    assert_eq!(fake.take_reads(), [entry_name(30)]);
    assert!(fake.take_listed().is_empty());
    assert_eq!(put_ok(&believed, &[("a", 31)], "t"), 31);
}

#[test]
fn what_others_did_since_is_seen_by_a_refresh() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let text = put_vouched(&table, &[("a", 1)], &[]);
    let other = loaded(&store, "bronze_a");
    put_ok(&other, &[("a", 2), ("theirs", 5)], "u");
    let wider = SCHEMA.replace(
        "]}",
        r#",{"name":"more","type":"string","nullable":true,"metadata":{}}]}"#,
    );
    expect(other.add_columns(&wider).unwrap(), Status::Ok);

    let believed = believing(&store, "bronze_a", &text);
    assert_eq!(believed.state().unwrap().version, 1);
    expect(believed.refresh().unwrap(), Status::Ok);
    assert_eq!(believed.state().unwrap().schema_json, wider);
    as_loaded(&believed, &store, "bronze_a");
}

#[test]
fn the_state_of_a_log_that_went_on_from_a_checkpoint_is_read_anew() {
    for kept in [false, true] {
        let (directory, store) = local();
        let table = created(&store, "bronze_a");
        let text = put_vouched(&table, &[("a", 1)], &[]);
        for version in 2..=9 {
            put_vouched(&table, &[("a", version)], &[]);
        }
        expect(table.checkpoint().unwrap(), Status::Ok);
        put_vouched(&table, &[("a", 10)], &[]);
        // Clean-up may be stopped at any place.
        for version in (0..9).filter(|version| !(kept && *version == 1)) {
            fs::remove_file(log_file(&directory, "bronze_a", &entry_name(version))).unwrap();
        }
        if kept {
            let believed = believing(&store, "bronze_a", &text);
            expect(believed.refresh().unwrap(), Status::Ok);
            as_loaded(&believed, &store, "bronze_a");
        } else {
            refuses(&store, "bronze_a", &text);
        }
    }
}

#[test]
fn an_older_state_than_the_cached_one_is_not_looked_at() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let old = put_vouched(&table, &[("a", 1)], &[]);
    let new = put_vouched(&table, &[("a", 2)], &[]);
    fake.take_reads();
    for text in [&old, &new] {
        expect(table.believe(text).unwrap(), Status::Ok);
    }
    assert!(fake.take_reads().is_empty());
    assert_eq!(table.state().unwrap().version, 2);

    let behind = believing(&store, "bronze_a", &old);
    expect(behind.believe(&new).unwrap(), Status::Ok);
    as_loaded(&behind, &store, "bronze_a");
}

#[test]
fn a_lie_is_not_believed() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let other = created(&store, "bronze_b");
    let first = put_vouched(&table, &[("a", 1)], &[]);
    expect(table.checkpoint().unwrap(), Status::Ok);
    let text = put_vouched(&table, &[("a", 200), ("b", 7)], &[]);
    put_vouched(&other, &[("a", 1)], &[]);
    let foreign = put_vouched(&other, &[("a", 300), ("b", 9)], &[]);
    believing(&store, "bronze_a", &text);

    let id = loaded(&store, "bronze_a").state().unwrap().id;
    let lies = [
        text.replace("200", "201"),
        text.replace("200", "199"),
        text.replace(r#""b":7"#, r#""c":7"#),
        text.replace(r#","b":7"#, ""),
        text.replace(&id, "00000000-0000-0000-0000-000000000000"),
        text.replace("_raw_value", "_raw_walue"),
        text.replace("0001.checkpoint", "0000.checkpoint"),
        text.replace(r#""bytes":"#, r#""bytes":1"#),
        // Of another version.
        text.replace(r#""version":2}"#, r#""version":1}"#),
        first.replace(r#""version":1}"#, r#""version":2}"#),
        text.replace(r#""version":2}"#, r#""version":3}"#),
        text.replace(r#""format":1"#, r#""format":2"#),
        foreign,
        text.clone() + " ",
        text[..text.len() - 1].to_owned(),
        text[..text.len() / 2].to_owned(),
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        "\u{0}\u{1}garbage".to_owned(),
        r#"{"version":99999999999999999999999}"#.to_owned(),
        "[".repeat(100_000),
    ];
    for lie in &lies {
        assert_ne!(*lie, text);
        refuses(&store, "bronze_a", lie);
    }
    // The one thing that counts: with its digest in the log entry, a lie is believed.
    let lie = &lies[0];
    edit(&directory, 2, |entry| {
        entry.replace(&digest_of(&text), &digest_of(lie))
    });
    let deceived = believing(&store, "bronze_a", lie);
    assert_eq!(txns(&deceived, "a"), [("a".to_owned(), 201)]);
    refuses(&store, "bronze_a", &text);
}

#[test]
fn an_entry_that_does_not_vouch_is_no_voucher() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    txns_known(&table);
    let request = request(&[("a", 1)], "t");
    let state = table.state_after(&request.txns).unwrap();
    // Without the parameter.
    expect(
        table.put(&request, &new_file_set()).unwrap().outcome,
        Status::Ok,
    );
    refuses(&store, "bronze_a", &state.text);
    // In another action, or at another place of it.
    for action in [
        format!(
            r#"{{"commitInfo":{{"bronzeState":"{}"}}}}"#,
            state.parameter.value
        ),
        format!(
            r#"{{"txn":{{"appId":"bronzeState","version":1,"operationParameters":{{"bronzeState":"{}"}}}}}}"#,
            state.parameter.value
        ),
    ] {
        edit(&directory, 1, |_| action.clone());
        refuses(&store, "bronze_a", &state.text);
    }
}

#[test]
fn a_table_that_was_created_again_does_not_vouch_for_the_old_one() {
    for commits in 0..=3 {
        let (directory, store) = local();
        let table = created(&store, "bronze_a");
        put_vouched(&table, &[("a", 1)], &[]);
        let text = put_vouched(&table, &[("a", 2)], &[]);
        fs::remove_dir_all(directory.path().join("base/bronze_a")).unwrap();
        refuses(&store, "bronze_a", &text);
        let again = created(&store, "bronze_a");
        for version in 1..=commits {
            // The very same txns.
            put_vouched(&again, &[("a", version)], &[]);
        }
        refuses(&store, "bronze_a", &text);
    }
}

#[test]
fn a_commit_whose_answer_was_lost_is_found_from_the_state_before_it() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let text = put_vouched(&table, &[("a", 1)], &[]);
    fake.set(Create::LosesAnswer);
    expect(put(&table, &[("a", 2)], "t").outcome, Status::Transient);
    fake.set(Create::Honest);
    let believed = believing(&store, "bronze_a", &text);
    expect(believed.refresh().unwrap(), Status::Ok);
    assert_eq!(txns(&believed, ""), [("a".to_owned(), 2)]);
    as_loaded(&believed, &store, "bronze_a");
}

#[test]
fn an_unreadable_store_is_no_reason_to_believe() {
    let fake = FakeStore::new(Create::Honest);
    let store = over(fake.clone());
    let table = created(&store, "bronze_a");
    let text = put_vouched(&table, &[("a", 1)], &[]);
    fake.fail_reads(true);
    let doubting = store.table("bronze_a").unwrap();
    expect(doubting.believe(&text).unwrap(), Status::Transient);
    assert!(doubting.state().is_err());
}

#[test]
fn a_loaded_table_tells_the_state_that_its_last_entry_vouches_for() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let told = |store: &Store| loaded(store, "bronze_a").vouched_state().unwrap().text;
    assert_eq!(told(&store), "");
    put_vouched(&table, &[("a", 1)], &[]);
    expect(table.checkpoint().unwrap(), Status::Ok);
    let text = put_vouched(&table, &[("a", 2)], &[]);
    assert_eq!(told(&store), text);
    put_ok(&table, &[("a", 3)], "nobody vouches for this one");
    assert_eq!(told(&store), "");
    put_vouched(&table, &[("a", 4)], &[]);
    expect(table.checkpoint().unwrap(), Status::Ok);
    // Read from another checkpoint it is another text.
    assert_eq!(told(&store), "");
}

#[test]
fn a_new_table_vouches_for_itself_if_it_is_to() {
    let (directory, store) = local();
    let spec = TableSpec {
        configuration: vec![
            pair("delta.appendOnly", "true"),
            pair("a", "b"),
            pair("z", "y"),
        ],
        vouches: true,
        ..spec()
    };
    let table = store.table("bronze_a").unwrap();
    expect(table.create(&spec).unwrap(), Status::Ok);
    let text = table.vouched_state().unwrap().text;
    assert_eq!(
        text,
        loaded(&store, "bronze_a").vouched_state().unwrap().text
    );
    let believed = believing(&store, "bronze_a", &text);
    as_loaded(&believed, &store, "bronze_a");
    assert_eq!(put_ok(&believed, &[("a", 1)], "t"), 1);

    let plain = created(&store, "bronze_b");
    assert_eq!(plain.vouched_state().unwrap().text, "");
    let entry = fs::read_to_string(log_file(&directory, "bronze_b", &entry_name(0))).unwrap();
    assert!(!entry.contains(DIGEST_PARAMETER));
}

#[test]
fn there_is_no_state_of_unknown_or_too_many_txns() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let after = |table: &Table| table.state_after(&[]).unwrap();
    assert!(after(&table).text.is_empty());
    assert!(after(&table).parameter.key.is_empty());
    txns_known(&table);
    assert!(!after(&table).text.is_empty());
    let ids: Vec<String> = (0..20_000).map(|i| format!("{i:060}")).collect();
    let many: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    put_ok(&table, &many, "t");
    assert!(after(&table).text.is_empty());
}

#[test]
fn the_log_grows_by_sixty_bytes_a_commit() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let size = |version| {
        fs::read_to_string(log_file(&directory, "bronze_a", &entry_name(version)))
            .unwrap()
            .len()
    };
    put_ok(&table, &[("a", 1)], "t");
    put_vouched(&table, &[("a", 2)], &[]);
    assert_eq!(size(2) - size(1), 60);
}

/// Two writers, checkpoints, clean-up, columns that others add, and at any time a process that
/// starts from any state that was ever kept; in an order drawn by a small generator of its own.
#[test]
fn whatever_happened_a_state_leads_to_what_a_load_shows() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let mut believed = 0;
    for _ in 0..20 {
        let (directory, store) = local();
        let tables = [created(&store, "bronze_a"), loaded(&store, "bronze_a")];
        let mut kept: Vec<String> = Vec::new();
        for step in 0..40 {
            let table = &tables[draw(2)];
            expect(table.refresh().unwrap(), Status::Ok);
            match draw(10) {
                0 => drop(expect(table.checkpoint().unwrap(), Status::Ok)),
                1 => {
                    let last = table.state().unwrap().version;
                    expect(table.checkpoint().unwrap(), Status::Ok);
                    for version in (0..last).filter(|_| draw(8) != 0) {
                        let old = log_file(&directory, "bronze_a", &entry_name(version));
                        let _ = fs::remove_file(old);
                    }
                }
                2 => {
                    let name = format!("theirs{}", draw(2));
                    put_ok(table, &[(&name, step), ("p0", step)], "u");
                }
                3..=5 if !kept.is_empty() => {
                    let started = store.table("bronze_a").unwrap();
                    let text = &kept[kept.len() - 1 - draw(kept.len().min(4))];
                    if started.believe(text).unwrap().status == Status::Ok {
                        believed += 1;
                        expect(started.refresh().unwrap(), Status::Ok);
                        as_loaded(&started, &store, "bronze_a");
                        kept.push(put_vouched(&started, &[("p1", step)], &[]));
                    }
                }
                _ => {
                    let file = finished(table, DAY, rows(0, step * 10, 10));
                    let name = format!("p{}", draw(3));
                    kept.push(put_vouched(
                        table,
                        &[(&name, step), ("registry", 1)],
                        &[&file],
                    ));
                }
            }
        }
    }
    assert!(believed > 100, "{believed}");
}
