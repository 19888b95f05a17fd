//! A file that was deleted from the disk shows that nobody read it.

use delta_kernel::arrow::array::{ArrayRef, Int32Array, Int64Array, StructArray};

use super::*;
use crate::ffi::Status;
use crate::store::testing::*;
use crate::table::Table;

fn ask(table: &Table, from: &[(i32, i64)]) -> Vec<(i32, i64)> {
    let from: Vec<_> = from
        .iter()
        .map(|&(partition, offset)| PartitionOffset { partition, offset })
        .collect();
    let found = table.last_offsets(&from).unwrap();
    expect(found.outcome, Status::Ok);
    let mut list: Vec<_> = found
        .offsets
        .iter()
        .map(|entry| (entry.partition, entry.offset))
        .collect();
    list.sort_unstable();
    list
}

#[test]
fn an_empty_table_has_none() {
    let (_directory, store) = local();
    assert_eq!(ask(&created(&store, "bronze_a"), &[]), []);
}

#[test]
fn statistics_suffice_for_files_of_one_partition() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let paths = [
        add_file(&table, &[(0, 10, 5)]),
        add_file(&table, &[(0, 0, 10)]),
        add_file(&table, &[(2, 100, 1)]),
    ];
    paths.iter().for_each(|path| delete(&directory, path));
    assert_eq!(ask(&table, &[]), [(0, 14), (2, 100)]);
    expect(table.checkpoint().unwrap(), Status::Ok);
    let fresh = loaded(&store, "bronze_a");
    assert_eq!(ask(&fresh, &[]), [(0, 14), (2, 100)]);
}

#[test]
fn files_of_several_partitions_are_read() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 0, 10), (1, 0, 3), (4, 7, 1)]);
    add_file(&table, &[(0, 10, 5), (1, 3, 40)]);
    add_file(&table, &[(1, 43, 1)]);
    let all = [(0, 14), (1, 43), (4, 7)];
    assert_eq!(ask(&table, &[]), all);
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert_eq!(ask(&loaded(&store, "bronze_a"), &[]), all);
}

#[test]
fn only_files_that_could_raise_a_maximum_are_read() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let old: Vec<_> = (0..40)
        .map(|i| add_file(&table, &[(0, i * 10, 10), (1, i * 10, 10)]))
        .collect();
    old.iter().for_each(|path| delete(&directory, path));
    add_file(&table, &[(0, 400, 10), (1, 400, 7)]);
    assert_eq!(ask(&table, &[]), [(0, 409), (1, 406)]);
}

#[test]
fn files_with_nothing_from_the_wanted_offsets_on_are_not_read() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let old = add_file(&table, &[(0, 0, 10), (1, 0, 10)]);
    delete(&directory, &old);
    assert_eq!(ask(&table, &[(0, 10), (1, 10)]), []);
    add_file(&table, &[(0, 10, 5)]);
    assert_eq!(ask(&table, &[(0, 10), (1, 10)]), [(0, 14)]);
    // Of partition 1 nothing is known beforehand: whatever may hold it is needed.
    let missing = table
        .last_offsets(&[PartitionOffset {
            partition: 0,
            offset: 10,
        }])
        .unwrap();
    assert_ne!(missing.outcome.status, Status::Ok);
    assert!(!missing.outcome.message.is_empty());
}

#[test]
fn files_without_statistics_are_read() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(3, 5, 5)]);
    add_file(&table, &[(0, 0, 2), (3, 10, 2)]);
    edit(&directory, 1, without_stats);
    edit(&directory, 2, without_stats);
    assert_eq!(
        ask(&loaded(&store, "bronze_a"), &[(0, 90), (3, 90)]),
        [(0, 1), (3, 11)]
    );
}

#[test]
fn neither_removed_files_nor_hidden_rows_count() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 100, 29), (1, 7, 1)]);
    add_file(&table, &[(2, 0, 30)]);
    let removed = add_file(&table, &[(0, 200, 5), (1, 205, 5)]);
    edit(&directory, 3, |text| {
        text.lines()
            .map(|line| match line.contains(r#"{"add":"#) {
                false => format!("{line}\n"),
                true => format!(r#"{{"remove":{{"path":"{removed}","dataChange":true}}}}"#),
            })
            .collect()
    });
    hide_example_rows(&directory, &[1, 2]);
    assert_eq!(ask(&loaded(&store, "bronze_a"), &[]), [(0, 128), (2, 28)]);
}

/// Foreign rows may come from no partition at all.
fn without_partition(first: i64, count: i64) -> StructArray {
    let plain = rows(0, first, count);
    let mut columns = plain.columns().to_vec();
    let nulls: ArrayRef = Arc::new(Int32Array::from(vec![None; count as usize]));
    columns[1] = nulls;
    StructArray::new(plain.fields().clone(), columns, None)
}

#[test]
fn rows_without_a_partition_do_not_count() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let only = finished(&table, DAY, without_partition(500, 5));
    let put = table.put(&request(&[], "t"), &set(&[&only])).unwrap();
    expect(put.outcome, Status::Ok);
    assert_eq!(ask(&table, &[]), []);
    let mut file = table.open_file(DAY).unwrap();
    append(&mut file, rows(1, 0, 5)).unwrap();
    append(&mut file, without_partition(900, 5)).unwrap();
    expect(file.finish().unwrap().outcome, Status::Ok);
    let put = table.put(&request(&[], "t"), &set(&[&file])).unwrap();
    expect(put.outcome, Status::Ok);
    assert_eq!(ask(&table, &[]), [(1, 4)]);
    drop(directory);
}

#[test]
fn what_may_wait_is_bounded() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    add_file(&table, &[(0, 0, 5), (1, 0, 9)]);
    let snapshot = table.snapshot().unwrap();
    let mut search = Search {
        store: &table.store,
        root: &table.root,
        columns: columns().unwrap(),
        from: HashMap::new(),
        greatest: Greatest::new(),
        pending: Vec::new(),
    };
    let scan = snapshot.scan_builder().build().unwrap();
    let scanned = scan.scan_metadata(table.store.engine.as_ref()).unwrap();
    let meta = scanned
        .flat_map(|files| live_files(&table.root, files.unwrap()).unwrap())
        .map(|file| file.meta)
        .next()
        .unwrap();
    for _ in 0..2 * PENDING_MAX {
        let file = LiveFile {
            path: "f".into(),
            meta: meta.clone(),
            stats: serde_json::from_str(
                r#"{"numRecords":14,"minValues":{"_kafka_partition":0},"maxValues":{"_kafka_partition":1,"_kafka_offset":8},"nullCount":{"_kafka_partition":0}}"#,
            )
            .unwrap(),
            deletion_vector: None,
        };
        search.look_at(file).unwrap();
        assert!(search.pending.len() < PENDING_MAX);
    }
    search.read_pending().unwrap();
    assert_eq!(search.greatest, HashMap::from([(0, 4), (1, 8)]));
}

#[test]
fn statistics_that_do_not_tell_are_told_from_those_that_do() {
    let of = |text: &str| content(Some(&serde_json::from_str(text).unwrap()));
    let unclear = |first_partition, last_partition, greatest_offset| {
        Content::Unclear(Unclear {
            first_partition,
            last_partition,
            greatest_offset,
        })
    };
    let unknown = unclear(i32::MIN, i32::MAX, i64::MAX);
    assert_eq!(content(None), unknown);
    assert_eq!(of("{}"), unknown);
    assert_eq!(of(r#"{"numRecords":0}"#), Content::Nothing);
    assert_eq!(
        of(r#"{"numRecords":3,"nullCount":{"_kafka_partition":3}}"#),
        Content::Nothing
    );
    let bounds = concat!(
        r#""minValues":{"_kafka_partition":2},"#,
        r#""maxValues":{"_kafka_partition":2,"_kafka_offset":9}"#
    );
    assert_eq!(
        of(&format!(
            r#"{{"numRecords":3,{bounds},"nullCount":{{"_kafka_partition":0}}}}"#
        )),
        Content::OnePartition(2, 9)
    );
    // Whose is the greatest offset?
    assert_eq!(
        of(&format!(
            r#"{{"numRecords":3,{bounds},"nullCount":{{"_kafka_partition":1}}}}"#
        )),
        unclear(2, 2, 9)
    );
    assert_eq!(
        of(&format!(r#"{{"numRecords":3,{bounds}}}"#)),
        unclear(2, 2, 9)
    );
    assert_eq!(
        of(r#"{"minValues":{"_kafka_partition":2},"maxValues":{"_kafka_partition":4}}"#),
        unknown
    );
}

#[test]
fn a_column_of_another_type_is_an_error() {
    let rows = struct_of(vec![(
        "_kafka_offset",
        Arc::new(Int64Array::from(vec![1])) as ArrayRef,
    )]);
    let batch = RecordBatch::from(rows);
    assert!(text_column(&batch, "_kafka_offset").is_err());
    assert!(text_column(&batch, "path").is_err());
}

#[test]
fn a_log_entry_tells_whose_txns_it_has() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("bronze/g/t/0", 10)], "t");
    let has = |version, prefix| {
        let lookup = table.log_entry_has_txn(version, prefix).unwrap();
        (lookup.outcome.status, lookup.found)
    };
    assert_eq!(has(1, "bronze/g/"), (Status::Ok, true));
    assert_eq!(has(1, "bronze/h/"), (Status::Ok, false));
    assert_eq!(has(0, "bronze/g/"), (Status::Ok, false));
    assert_eq!(has(2, "bronze/g/").0, Status::Missing);
}
