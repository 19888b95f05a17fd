use std::sync::Arc;

use super::*;
use crate::ffi::TableSpec;
use crate::store::testing::*;
use delta_kernel::arrow::array::{
    BinaryArray, BinaryBuilder, Int32Array, Int64Array, ListBuilder, StringArray, StringBuilder,
    StructArray, StructBuilder, TimestampMicrosecondArray,
};
use delta_kernel::arrow::datatypes::{Field, Fields};

const BASE_US: i64 = 1_769_850_000_000_000;
const HEADERS_TYPE: &str = concat!(
    r#"{"type":"array","elementType":{"type":"struct","fields":["#,
    r#"{"name":"key","type":"string","nullable":true,"metadata":{}},"#,
    r#"{"name":"value","type":"binary","nullable":true,"metadata":{}}]},"containsNull":true}"#
);

/// With or without the columns that the original's tables lack.
fn letters_spec(whole: bool) -> TableSpec {
    let mut fields = vec![
        ("error_type", r#""string""#),
        ("original_payload", r#""string""#),
        ("kafka_topic", r#""string""#),
        ("_kafka_partition", r#""integer""#),
        ("_kafka_offset", r#""long""#),
        ("_ingested_at", r#""timestamp""#),
    ];
    if whole {
        fields.extend([
            ("_original_bytes", r#""binary""#),
            ("_kafka_key", r#""binary""#),
            ("_kafka_headers", HEADERS_TYPE),
            ("_kafka_timestamp", r#""timestamp""#),
        ]);
    }
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, of)| {
            format!(r#"{{"name":"{name}","type":{of},"nullable":true,"metadata":{{}}}}"#)
        })
        .collect();
    TableSpec {
        schema_json: format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(",")),
        partition_columns: Vec::new(),
        configuration: Vec::new(),
        vouches: false,
    }
}

fn headers_of_none(count: usize) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("key", DataType::Utf8, true),
        Field::new("value", DataType::Binary, true),
    ]);
    let element = Field::new("element", DataType::Struct(fields.clone()), true);
    let builders: Vec<Box<dyn delta_kernel::arrow::array::ArrayBuilder>> = vec![
        Box::new(StringBuilder::new()),
        Box::new(BinaryBuilder::new()),
    ];
    let mut list = ListBuilder::new(StructBuilder::new(fields, builders)).with_field(element);
    for row in 0..count {
        if row == 1 {
            for (key, value) in [("trace", Some(&b"\xff\x00"[..])), ("trace", None)] {
                let entry = list.values();
                let keys = entry.field_builder::<StringBuilder>(0).unwrap();
                keys.append_value(key);
                let values = entry.field_builder::<BinaryBuilder>(1).unwrap();
                values.append_option(value);
                entry.append(true);
            }
        }
        list.append(row == 1);
    }
    Arc::new(list.finish())
}

/// Letters at `[first, first + bytes.len())` of partition 3, 1,000 us apart.
fn letters(first: i64, topic: &str, bytes: &[Option<&[u8]>], whole: bool) -> StructArray {
    let count = bytes.len();
    let offsets = first..first + count as i64;
    let time = |step: i64| -> ArrayRef {
        let times = offsets.clone().map(|offset| BASE_US + offset * step);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let texts = |text: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..count).map(|_| text)))
    };
    let kinds = offsets.clone().map(|o| match o % 2 {
        0 => "ENCODING_ERROR",
        _ => "JSON_PARSE_ERROR",
    });
    let payloads = bytes
        .iter()
        .map(|b| b.map_or("only text".into(), String::from_utf8_lossy));
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("error_type", Arc::new(StringArray::from_iter_values(kinds))),
        (
            "original_payload",
            Arc::new(StringArray::from_iter_values(payloads)),
        ),
        ("kafka_topic", texts(topic)),
        (
            "_kafka_partition",
            Arc::new(Int32Array::from(vec![3; count])),
        ),
        (
            "_kafka_offset",
            Arc::new(Int64Array::from_iter_values(offsets.clone())),
        ),
        ("_ingested_at", time(1_000)),
    ];
    if whole {
        let keys = (0..count).map(|row| (row == 1).then_some(&b"\xfe"[..]));
        columns.extend([
            (
                "_original_bytes",
                Arc::new(BinaryArray::from_iter(bytes)) as ArrayRef,
            ),
            ("_kafka_key", Arc::new(BinaryArray::from_iter(keys))),
            ("_kafka_headers", headers_of_none(count)),
            ("_kafka_timestamp", time(7)),
        ]);
    }
    struct_of(columns)
}

fn add(table: &Table, rows: StructArray) -> String {
    let mut file = table.open_file("").unwrap();
    append(&mut file, rows).unwrap();
    commit(table, file)
}

fn table(store: &crate::store::Store, whole: bool) -> Box<Table> {
    let table = store.table("bronze_a").unwrap();
    expect(table.create(&letters_spec(whole)).unwrap(), Status::Ok);
    table
}

fn all() -> LetterQuery {
    LetterQuery {
        topic: "a".into(),
        error_types: Vec::new(),
        partition: -1,
        first: 0,
        next: i64::MAX,
        since_us: i64::MIN,
        until_us: i64::MAX,
    }
}

struct Found {
    letters: Vec<DeadLetter>,
    rows_read: u64,
    largest_piece: usize,
}

impl Found {
    fn offsets(&self) -> Vec<i64> {
        let mut offsets: Vec<i64> = self.letters.iter().map(|letter| letter.offset).collect();
        offsets.sort_unstable();
        offsets
    }
}

fn scan(table: &Table, query: &LetterQuery) -> Found {
    let mut scan = table.scan_letters(query).unwrap();
    let mut found = Found {
        letters: Vec::new(),
        rows_read: 0,
        largest_piece: 0,
    };
    loop {
        let part = scan.advance().unwrap();
        expect(part.outcome, Status::Ok);
        found.rows_read += part.rows_read;
        let bytes = part
            .letters
            .iter()
            .map(|l| l.bytes.len() + l.text.len())
            .sum();
        found.largest_piece = found.largest_piece.max(bytes);
        found.letters.extend(part.letters);
        if part.done {
            return found;
        }
    }
}

#[test]
fn letters_come_whole() {
    let (_directory, store) = local();
    let table = table(&store, true);
    add(
        &table,
        letters(4, "a", &[None, Some(b"\xff{"), Some(b"")], true),
    );
    let found = scan(&table, &all()).letters;
    assert_eq!(found.len(), 3);
    assert_eq!(
        (found[0].has_bytes, found[0].text.as_str()),
        (false, "only text")
    );
    assert_eq!((found[2].has_bytes, found[2].bytes.len()), (true, 0));
    let header = |has_value: bool, value: &[u8]| LetterHeader {
        key: "trace".into(),
        has_value,
        value: value.to_vec(),
    };
    assert_eq!(
        found[1],
        DeadLetter {
            partition: 3,
            offset: 5,
            ingested_us: BASE_US + 5_000,
            error_type: "JSON_PARSE_ERROR".into(),
            has_bytes: true,
            bytes: b"\xff{".to_vec(),
            text: String::new(),
            has_timestamp: true,
            timestamp_us: BASE_US + 35,
            has_key: true,
            key: b"\xfe".to_vec(),
            headers: vec![header(true, b"\xff\x00"), header(false, b"")],
        }
    );
}

#[test]
fn a_table_without_the_later_columns_has_texts() {
    let (_directory, store) = local();
    let table = table(&store, false);
    add(
        &table,
        letters(0, "a", &[Some(b"one"), Some(b"\xfftwo")], false),
    );
    let found = scan(&table, &all()).letters;
    let texts: Vec<&str> = found.iter().map(|letter| letter.text.as_str()).collect();
    assert_eq!(texts, ["one", "\u{fffd}two"]);
    assert!(found.iter().all(|letter| !letter.has_bytes
        && !letter.has_key
        && !letter.has_timestamp
        && letter.headers.is_empty()));
}

#[test]
fn only_what_is_wanted_comes() {
    let (_directory, store) = local();
    let table = table(&store, true);
    let bytes: Vec<Option<&[u8]>> = vec![Some(b"x"); 10];
    for first in [0, 10, 20] {
        add(&table, letters(first, "a", &bytes, true));
    }
    add(&table, letters(100, "other", &bytes, true));
    assert_eq!(scan(&table, &all()).letters.len(), 30);
    let of_type = LetterQuery {
        error_types: vec!["JSON_PARSE_ERROR".into()],
        ..all()
    };
    assert_eq!(scan(&table, &of_type).letters.len(), 15);
    let in_time = LetterQuery {
        since_us: BASE_US + 12_000,
        until_us: BASE_US + 15_000,
        ..all()
    };
    let found = scan(&table, &in_time);
    assert_eq!(found.offsets(), [12, 13, 14]);
    assert_eq!(found.rows_read, 10, "statistics tell which file it is");
    let in_range = LetterQuery {
        partition: 3,
        first: 18,
        next: 22,
        ..all()
    };
    let found = scan(&table, &in_range);
    assert_eq!(found.offsets(), [18, 19, 20, 21]);
    assert_eq!(found.rows_read, 20);
    let elsewhere = LetterQuery {
        partition: 2,
        ..all()
    };
    assert_eq!(scan(&table, &elsewhere).rows_read, 0);
}

#[test]
fn large_values_come_one_at_a_time() {
    let (_directory, store) = local();
    let table = table(&store, true);
    let value = |salt: u8| -> Vec<u8> {
        let mut state = u32::from(salt) + 1;
        (0..5 << 20)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8 & 0x7f
            })
            .collect()
    };
    let values: Vec<Vec<u8>> = (0..6).map(value).collect();
    let bytes: Vec<Option<&[u8]>> = values.iter().map(|v| Some(v.as_slice())).collect();
    add(&table, letters(0, "a", &bytes, true));
    let found = scan(&table, &all());
    assert_eq!(found.letters.len(), 6);
    assert!(found
        .letters
        .iter()
        .all(|l| l.bytes == values[l.offset as usize]));
    assert_eq!(found.largest_piece, 5 << 20);
}

#[test]
fn rows_that_a_deletion_vector_removes_do_not_come() {
    let (directory, store) = local();
    let table = table(&store, true);
    let bytes: Vec<Option<&[u8]>> = vec![Some(b"x"); 30];
    add(&table, letters(0, "a", &bytes, true));
    hide_example_rows(&directory, &[1]);
    let offsets = scan(&loaded(&store, "bronze_a"), &all()).offsets();
    let left: Vec<i64> = (0..30)
        .filter(|o| ![3, 4, 7, 11, 18, 29].contains(o))
        .collect();
    assert_eq!(offsets, left);
}

#[test]
fn a_file_that_is_gone_or_broken_ends_the_scan() {
    let (directory, store) = local();
    let table = table(&store, true);
    let path = add(&table, letters(0, "a", &[Some(b"x")], true));
    let file = directory.path().join("base/bronze_a").join(&path);
    for (content, status) in [
        (Some("PAR1 no Parquet"), Status::Corrupt),
        (None, Status::Missing),
    ] {
        match content {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let part = table.scan_letters(&all()).unwrap().advance().unwrap();
        assert!(part.done);
        let message = expect(part.outcome, status);
        assert!(message.contains(&path), "{message}");
    }
}
