//! The rows of a dead-letter table, whole, one file after the other.
//!
//! Values may have 10 MiB, and a row holds one twice: a piece is at most 8 MiB of a row group, or
//! one row. The columns are found by name; the tables of other programs lack some.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::vec::IntoIter;

use delta_kernel::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use delta_kernel::arrow::compute::cast;
use delta_kernel::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use delta_kernel::arrow::datatypes::{
    DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use delta_kernel::object_store::ObjectStoreExt;
use delta_kernel::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use delta_kernel::parquet::arrow::ProjectionMask;
use delta_kernel::parquet::file::metadata::RowGroupMetaData;
use delta_kernel::KernelResult;
use url::Url;

use super::chunks::Chunks;
use super::offsets::{live_files, LiveFile};
use super::Table;
use crate::errors::{guarded, ok, Fault, Result};
use crate::ffi::{DeadLetter, LetterHeader, LetterPart, LetterQuery, PartitionRange, Status};
use crate::store::{object_path, StoreInner};

const PIECE_BYTES_MAX: i64 = 8 << 20;
const PIECE_ROWS_MAX: usize = 4_096;

const BYTES: &str = "_original_bytes";
const TEXT: &str = "original_payload";
const INGESTED_AT: &str = "_ingested_at";
const COLUMNS: [&str; 10] = [
    "error_type",
    TEXT,
    "kafka_topic",
    "_kafka_partition",
    "_kafka_offset",
    INGESTED_AT,
    BYTES,
    "_kafka_key",
    "_kafka_headers",
    "_kafka_timestamp",
];

/// Used by one caller at a time.
pub struct LetterScan {
    store: Arc<StoreInner>,
    root: Url,
    query: LetterQuery,
    /// Listed by the first `advance`.
    files: Option<IntoIter<LiveFile>>,
    open: Option<OpenFile>,
    snapshot: delta_kernel::SnapshotRef,
}

struct OpenFile {
    path: String,
    chunks: Chunks,
    metadata: ArrowReaderMetadata,
    /// Which rows the deletion vector leaves; rows past its end are left.
    left: Vec<bool>,
    next_group: usize,
    /// Of the file, counted from its beginning.
    next_row: usize,
    pieces: Option<ParquetRecordBatchReader>,
}

impl Table {
    pub fn scan_letters(&self, query: &LetterQuery) -> Result<Box<LetterScan>> {
        guarded("scan_letters", || {
            Ok(Box::new(LetterScan {
                store: self.store.clone(),
                root: self.root.clone(),
                query: query.clone(),
                files: None,
                open: None,
                snapshot: self.snapshot()?,
            }))
        })
    }
}

impl LetterScan {
    pub fn advance(&mut self) -> Result<LetterPart> {
        guarded("advance", || {
            let mut part = LetterPart {
                outcome: ok(),
                done: false,
                rows_read: 0,
                letters: Vec::new(),
            };
            match self.next_piece(&mut part) {
                Ok(more) => part.done = !more,
                Err(fault) => {
                    part.outcome = fault.while_doing(&self.root).into();
                    part.done = true;
                }
            }
            Ok(part)
        })
    }

    /// Returns whether there was one.
    fn next_piece(&mut self, part: &mut LetterPart) -> Result<bool> {
        loop {
            if self.open.is_none() {
                let Some(file) = self.files()?.next() else {
                    return Ok(false);
                };
                let path = file.path.clone();
                let open = OpenFile::open(&self.store, &self.root, file);
                self.open = Some(open.map_err(|fault| fault.while_doing(&path))?);
            }
            let Some(file) = &mut self.open else {
                continue;
            };
            let first_row = file.next_row;
            let piece = file.next_piece();
            match piece.map_err(|fault| fault.while_doing(&file.path))? {
                Some(batch) => {
                    part.rows_read = batch.num_rows() as u64;
                    let left = file.left.get(first_row..).unwrap_or_default();
                    part.letters = Letters::of(&batch)?.wanted(&self.query, left);
                    return Ok(true);
                }
                None => self.open = None,
            }
        }
    }

    fn files(&mut self) -> Result<&mut IntoIter<LiveFile>> {
        if self.files.is_none() {
            self.files = Some(self.list()?.into_iter());
        }
        Ok(self.files.as_mut().expect("it was just set"))
    }

    /// The files that may have rows which are wanted.
    fn list(&self) -> KernelResult<Vec<LiveFile>> {
        let mut files = Vec::new();
        let scan = self.snapshot.clone().scan_builder().build()?;
        for scanned in scan.scan_metadata(self.store.engine.as_ref())? {
            let mut found = live_files(&self.root, scanned?)?;
            found.retain(|file| may_be_wanted(file, &self.query));
            files.append(&mut found);
        }
        Ok(files)
    }
}

fn may_be_wanted(file: &LiveFile, query: &LetterQuery) -> bool {
    let range = PartitionRange {
        partition: query.partition,
        first: query.first,
        next: query.next,
    };
    if query.partition >= 0 && !file.may_hold(&[range]) {
        return false;
    }
    let Some(stats) = &file.stats else {
        return true;
    };
    let micros = |bound: &str| {
        let nanos = string_to_timestamp_nanos(stats[bound][INGESTED_AT].as_str()?).ok()?;
        Some(nanos.div_euclid(1_000))
    };
    // Times in statistics are cut to milliseconds.
    let ended = micros("maxValues").is_some_and(|last| last + 999 < query.since_us);
    let not_begun = micros("minValues").is_some_and(|first| first >= query.until_us);
    let may_be_null = stats["nullCount"][INGESTED_AT].as_i64() != Some(0);
    !ended && !not_begun || may_be_null && query.since_us <= 0
}

impl OpenFile {
    fn open(store: &Arc<StoreInner>, root: &Url, file: LiveFile) -> Result<Self> {
        let left = file.left(store, root)?;
        let location = object_path(&file.meta.location)?;
        let bytes = store.wait(store.data.head(&location))?.size;
        let chunks = Chunks::new(store.clone(), location, bytes);
        // By their Parquet types: what writers say of Arrow's is theirs.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&chunks, options)?;
        Ok(Self {
            path: file.path,
            chunks,
            metadata,
            left,
            next_group: 0,
            next_row: 0,
            pieces: None,
        })
    }

    fn next_piece(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(pieces) = &mut self.pieces {
                if let Some(batch) = pieces.next() {
                    let batch = batch?;
                    self.next_row += batch.num_rows();
                    return Ok(Some(batch));
                }
                self.pieces = None;
            }
            if self.next_group == self.metadata.metadata().num_row_groups() {
                return Ok(None);
            }
            self.pieces = Some(self.read_group(self.next_group)?);
            self.next_group += 1;
        }
    }

    fn read_group(&self, index: usize) -> Result<ParquetRecordBatchReader> {
        let group = self.metadata.metadata().row_group(index);
        let schema = self.metadata.parquet_schema();
        let skipped = if has_all_bytes(group) { TEXT } else { "" };
        let roots: Vec<usize> = schema
            .root_schema()
            .get_fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| COLUMNS.contains(&field.name()) && field.name() != skipped)
            .map(|(index, _)| index)
            .collect();
        let rows = match group.total_byte_size() <= PIECE_BYTES_MAX {
            true => PIECE_ROWS_MAX,
            false => 1,
        };
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.chunks.clone(),
            self.metadata.clone(),
        );
        Ok(builder
            .with_row_groups(vec![index])
            .with_projection(ProjectionMask::roots(schema, roots))
            .with_batch_size(rows)
            .build()?)
    }
}

/// Whether no row needs the text instead.
fn has_all_bytes(group: &RowGroupMetaData) -> bool {
    group.columns().iter().any(|column| {
        let is_bytes = column.column_path().parts() == [BYTES];
        let nulls = column.statistics().and_then(|s| s.null_count_opt());
        is_bytes && nulls == Some(0)
    })
}

/// The columns of one piece. None: the file lacks the column, so each row has NULL there.
struct Letters {
    rows: usize,
    error_type: Option<ArrayRef>,
    text: Option<ArrayRef>,
    topic: Option<ArrayRef>,
    partition: Option<ArrayRef>,
    offset: Option<ArrayRef>,
    ingested_at: Option<ArrayRef>,
    bytes: Option<ArrayRef>,
    key: Option<ArrayRef>,
    headers: Option<ArrayRef>,
    timestamp: Option<ArrayRef>,
}

fn corrupt(column: &str, why: &str) -> Fault {
    Fault::new(Status::Corrupt, format!("column {column}: {why}"))
}

impl Letters {
    fn of(batch: &RecordBatch) -> Result<Self> {
        let column = |name: &str, wanted: &DataType| -> Result<Option<ArrayRef>> {
            batch
                .column_by_name(name)
                .map(|column| cast(column, wanted))
                .transpose()
                .map_err(|e| corrupt(name, &e.to_string()))
        };
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(Self {
            rows: batch.num_rows(),
            error_type: column("error_type", &DataType::Utf8)?,
            text: column(TEXT, &DataType::Utf8)?,
            topic: column("kafka_topic", &DataType::Utf8)?,
            partition: column("_kafka_partition", &DataType::Int32)?,
            offset: column("_kafka_offset", &DataType::Int64)?,
            ingested_at: column(INGESTED_AT, &time)?,
            bytes: column(BYTES, &DataType::Binary)?,
            key: column("_kafka_key", &DataType::Binary)?,
            headers: batch.column_by_name("_kafka_headers").cloned(),
            timestamp: column("_kafka_timestamp", &time)?,
        })
    }

    /// `left`: which rows are; those past its end are.
    fn wanted(&self, query: &LetterQuery, left: &[bool]) -> Vec<DeadLetter> {
        (0..self.rows)
            .filter(|&row| left.get(row).copied().unwrap_or(true))
            .filter_map(|row| self.letter(row, query))
            .collect()
    }

    /// None: it is not wanted.
    fn letter(&self, row: usize, query: &LetterQuery) -> Option<DeadLetter> {
        let partition = valid(&self.partition, row)?.as_primitive::<Int32Type>();
        let offset = valid(&self.offset, row)?.as_primitive::<Int64Type>();
        let (partition, offset) = (partition.value(row), offset.value(row));
        let micros = |column| {
            let times = valid(column, row)?.as_primitive::<TimestampMicrosecondType>();
            Some(times.value(row))
        };
        let text = |column| Some(valid(column, row)?.as_string::<i32>().value(row));
        let bytes = |column| Some(valid(column, row)?.as_binary::<i32>().value(row).to_vec());
        let ingested_us = micros(&self.ingested_at).unwrap_or_default();
        let error_type = text(&self.error_type).unwrap_or_default();
        let is_wanted = text(&self.topic).is_none_or(|topic| topic == query.topic)
            && (query.partition < 0 || partition == query.partition)
            && (query.first..query.next).contains(&offset)
            && (query.since_us..query.until_us).contains(&ingested_us)
            && (query.error_types.is_empty() || query.error_types.iter().any(|t| t == error_type));
        if !is_wanted {
            return None;
        }
        let original = bytes(&self.bytes);
        let timestamp = micros(&self.timestamp);
        let key = bytes(&self.key);
        Some(DeadLetter {
            partition,
            offset,
            ingested_us,
            error_type: error_type.to_owned(),
            text: match original {
                Some(_) => String::new(),
                None => text(&self.text).unwrap_or_default().to_owned(),
            },
            has_bytes: original.is_some(),
            bytes: original.unwrap_or_default(),
            has_timestamp: timestamp.is_some(),
            timestamp_us: timestamp.unwrap_or_default(),
            has_key: key.is_some(),
            key: key.unwrap_or_default(),
            headers: self.headers(row).unwrap_or_default(),
        })
    }

    /// None: NULL, or not of the type that headers have.
    fn headers(&self, row: usize) -> Option<Vec<LetterHeader>> {
        let list = valid(&self.headers, row)?.as_list_opt::<i32>()?.value(row);
        let entries = list.as_struct_opt()?;
        let keys = entries.column_by_name("key")?.as_string_opt::<i32>()?;
        let values = entries.column_by_name("value")?.as_binary_opt::<i32>()?;
        let header = |i: usize| LetterHeader {
            key: if keys.is_valid(i) {
                keys.value(i).to_owned()
            } else {
                String::new()
            },
            has_value: values.is_valid(i),
            value: if values.is_valid(i) {
                values.value(i).to_vec()
            } else {
                Vec::new()
            },
        };
        Some((0..entries.len()).map(header).collect())
    }
}

fn valid(column: &Option<ArrayRef>, row: usize) -> Option<&ArrayRef> {
    column.as_ref().filter(|column| column.is_valid(row))
}
