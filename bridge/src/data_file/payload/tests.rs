//! What the Parquet crate reads of files that have such a column alone.

use std::sync::Arc;

use delta_kernel::arrow::array::{BinaryArray, StringArray};
use delta_kernel::arrow::compute::{cast, concat};
use delta_kernel::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use delta_kernel::parquet::file::metadata::PageIndexPolicy;
use delta_kernel::parquet::file::writer::SerializedFileWriter;
use delta_kernel::parquet::schema::parser::parse_message_type;

use super::*;

const TEXT: &str = "message m { optional binary v (UTF8); }";

fn file_of(message: &str, chunks: &[ArrayRef]) -> Bytes {
    let message = Arc::new(parse_message_type(message).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), message, Arc::default()).unwrap();
    let mut payload = PayloadColumn::new(file.schema_descr().column(0), ZstdLevel::default());
    for chunk in chunks {
        payload.append(chunk).unwrap();
    }
    let mut group = file.next_row_group().unwrap();
    let (chunk, close) = payload.close().unwrap();
    group.append_column(&chunk, close).unwrap();
    group.close().unwrap();
    file.into_inner().unwrap().into()
}

fn open(file: &Bytes) -> ParquetRecordBatchReaderBuilder<Bytes> {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap()
}

fn read(builder: ParquetRecordBatchReaderBuilder<Bytes>) -> ArrayRef {
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    let columns: Vec<&dyn Array> = batches.iter().map(|batch| &**batch.column(0)).collect();
    concat(&columns).unwrap()
}

/// Of each page.
fn first_rows(builder: &ParquetRecordBatchReaderBuilder<Bytes>) -> Vec<usize> {
    let of_group = builder.metadata().page_index_for_row_group(0);
    let pages = of_group.offset_index(0).unwrap().page_locations();
    pages
        .iter()
        .map(|page| page.first_row_index as usize)
        .collect()
}

fn texts(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

/// Pages with NULLs and pages without; one value is longer than a page.
fn some_of_all() -> ArrayRef {
    texts((0..30_000).map(|row| match row {
        17_000 => Some("long ".repeat(100_000)),
        0..5_000 | 20_000.. if row % 7 == 3 => None,
        _ => Some(format!(r#"{{"row":{row},"text":"ümlaut"}}"#)),
    }))
}

#[test]
fn values_and_nulls_come_back_whatever_the_chunks_were() {
    let all = some_of_all();
    for rows in [1, 1_000, 4_099, 30_000] {
        let chunks: Vec<ArrayRef> = (0..all.len())
            .step_by(rows)
            .map(|first| all.slice(first, rows.min(all.len() - first)))
            .collect();
        assert_eq!(&read(open(&file_of(TEXT, &chunks))), &all, "{rows}");
    }
}

#[test]
fn rows_are_found_by_the_index_of_pages() {
    let all = some_of_all();
    let file = file_of(TEXT, std::slice::from_ref(&all));
    let pages = first_rows(&open(&file));
    assert!(pages.len() > 8, "{}", pages.len());
    for first in pages {
        let selection = RowSelection::from(vec![RowSelector::skip(first), RowSelector::select(3)]);
        let found = read(open(&file).with_row_selection(selection));
        assert_eq!(&found, &all.slice(first, 3.min(all.len() - first)));
    }
}

#[test]
fn pages_have_one_size_and_not_too_many_rows() {
    let full = texts((0..1_000).map(|row| Some(format!("{row:0>996}"))));
    let builder = open(&file_of(TEXT, &[full]));
    assert_eq!(first_rows(&builder), [0, 127, 254, 381, 508, 635, 762, 889]);

    let empty = texts((0..50_000).map(|_| None));
    let builder = open(&file_of(TEXT, std::slice::from_ref(&empty)));
    assert_eq!(first_rows(&builder), [0, 20_000, 40_000]);
    assert_eq!(&read(builder), &empty);
}

#[test]
fn bytes_and_columns_without_nulls_are_written_as_well() {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\xff\x00"[..], b"", b"a"]));
    let required = file_of(
        "message m { required binary v; }",
        std::slice::from_ref(&bytes),
    );
    assert_eq!(&read(open(&required)), &bytes);
    let optional = file_of(
        "message m { optional binary v; }",
        std::slice::from_ref(&bytes),
    );
    assert_eq!(&read(open(&optional)), &bytes);
}

#[test]
fn other_types_are_refused() {
    let numbers = cast(&texts([Some("1".to_owned())]), &DataType::Int64).unwrap();
    let message = Arc::new(parse_message_type(TEXT).unwrap());
    let file = SerializedFileWriter::new(Vec::new(), message, Arc::default()).unwrap();
    let mut payload = PayloadColumn::new(file.schema_descr().column(0), ZstdLevel::default());
    assert!(payload.append(&numbers).is_err());
}

#[test]
fn a_compressor_is_small_however_large_the_value() {
    let mut state = 1_u64;
    let text: Vec<u8> = (0..3 << 20)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            b"0123456789abcdef"[(state >> 60) as usize]
        })
        .collect();
    for level in [1, 2, 3, 6, 9, 12, 15, 19, 22] {
        let mut compressor = compressor(level).unwrap();
        let compressed = compressor.compress(&text).unwrap();
        let held = compressor.context_mut().sizeof();
        assert!(held < 4 << 20, "level {level}: {held} bytes");
        assert_eq!(
            zstd::bulk::decompress(&compressed, text.len()).unwrap(),
            text
        );
    }
}
