//! How far the rows of a table go: the greatest `_kafka_offset` of each Kafka partition.
//!
//! Statistics tell it for a file that holds one partition. A file of several partitions is read,
//! its two columns only, and only while it could still raise a maximum. What is known at a time is
//! one number a partition and at most `PENDING_MAX` files that may have to be read.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use delta_kernel::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use delta_kernel::arrow::datatypes::{Int32Type, Int64Type};
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::scan::state::DvInfo;
use delta_kernel::scan::ScanMetadata;
use delta_kernel::schema::{DataType, SchemaRef, StructField, StructType};
use delta_kernel::{FileMeta, KernelError, KernelResult, SnapshotRef};
use serde_json::Value;
use url::Url;

use crate::ffi::{PartitionOffset, PartitionRange};
use crate::store::StoreInner;

const PARTITION: &str = "_kafka_partition";
const OFFSET: &str = "_kafka_offset";
const PENDING_MAX: usize = 4_096;
/// Most files asked for together. It is one at first; between two such groups it is looked again
/// which are still needed.
const READ_TOGETHER_MAX: usize = 16;

/// Kafka partition -> greatest offset.
type Greatest = HashMap<i32, i64>;

/// Of the live rows. Rows before `from` of their partition need not be found: an answer below it,
/// or none, says that there is no row at or after it.
pub(super) fn last_offsets(
    store: &StoreInner,
    root: &Url,
    snapshot: &SnapshotRef,
    from: &[PartitionOffset],
) -> KernelResult<Greatest> {
    let mut search = Search {
        store,
        root,
        columns: columns()?,
        from: from.iter().map(|p| (p.partition, p.offset)).collect(),
        greatest: Greatest::new(),
        pending: Vec::new(),
    };
    let scan = snapshot.clone().scan_builder().build()?;
    // Newest first, as the log is replayed: the maxima are soon known, and most files dismissed.
    for files in scan.scan_metadata(store.engine.as_ref())? {
        for file in live_files(root, files?)? {
            search.look_at(file)?;
        }
    }
    search.read_pending()?;
    Ok(search.greatest)
}

pub(super) struct LiveFile {
    /// As the log has it.
    pub(super) path: String,
    pub(super) meta: FileMeta,
    pub(super) stats: Option<Value>,
    /// With one, the statistics are bounds only.
    pub(super) deletion_vector: Option<DvInfo>,
}

impl LiveFile {
    /// Which rows the file's deletion vector leaves; rows past the end are left.
    pub(super) fn left(&self, store: &StoreInner, root: &Url) -> KernelResult<Vec<bool>> {
        let Some(vector) = &self.deletion_vector else {
            return Ok(Vec::new());
        };
        let left = vector.get_selection_vector(store.engine.as_ref(), root)?;
        Ok(left.unwrap_or_default())
    }

    /// Whether the statistics allow of a row in one of the ranges.
    pub(super) fn may_hold(&self, ranges: &[PartitionRange]) -> bool {
        let Some(stats) = &self.stats else {
            return true;
        };
        let bound = |which: &str, column: &str| stats[which][column].as_i64();
        let outside = |column: &str, first: i64, next: i64| {
            bound("minValues", column).is_some_and(|least| least >= next)
                || bound("maxValues", column).is_some_and(|greatest| greatest < first)
        };
        ranges.iter().any(|range| {
            let partition = i64::from(range.partition);
            !outside(PARTITION, partition, partition + 1)
                && !outside(OFFSET, range.first, range.next)
        })
    }
}

/// What the statistics of a file say about the Kafka columns of its rows.
#[derive(Debug, PartialEq)]
enum Content {
    /// No row has a partition.
    Nothing,
    OnePartition(i32, i64),
    Unclear(Unclear),
}

/// Which rows a file may have, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Unclear {
    first_partition: i32,
    last_partition: i32,
    greatest_offset: i64,
}

struct Search<'a> {
    store: &'a StoreInner,
    root: &'a Url,
    columns: SchemaRef,
    from: HashMap<i32, i64>,
    greatest: Greatest,
    pending: Vec<(Unclear, LiveFile)>,
}

impl Search<'_> {
    fn look_at(&mut self, file: LiveFile) -> KernelResult<()> {
        let unclear = match content(file.stats.as_ref()) {
            Content::Nothing => return Ok(()),
            Content::OnePartition(partition, offset) if file.deletion_vector.is_none() => {
                raise(&mut self.greatest, partition, offset);
                return Ok(());
            }
            Content::OnePartition(partition, offset) => Unclear {
                first_partition: partition,
                last_partition: partition,
                greatest_offset: offset,
            },
            Content::Unclear(unclear) => unclear,
        };
        if self.may_raise(&unclear) {
            self.pending.push((unclear, file));
        }
        if self.pending.len() >= PENDING_MAX {
            self.read_pending()?;
        }
        Ok(())
    }

    /// Reads from the greatest offset down, as long as there are files that may matter.
    fn read_pending(&mut self) -> KernelResult<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|(unclear, _)| unclear.greatest_offset);
        let mut together = 1;
        while !pending.is_empty() {
            let next = pending.split_off(pending.len().saturating_sub(together));
            together = (together * 2).min(READ_TOGETHER_MAX);
            let (cut, whole): (Vec<_>, Vec<_>) = next
                .into_iter()
                .rev()
                .map(|(_, file)| file)
                .partition(|file| file.deletion_vector.is_some());
            let whole: Vec<FileMeta> = whole.into_iter().map(|file| file.meta).collect();
            self.read(&whole, |_| true)?;
            for file in cut {
                let left = file.left(self.store, self.root)?;
                // Rows past the end of the selection are left.
                self.read(&[file.meta], |row| left.get(row).copied().unwrap_or(true))?;
            }
            pending.retain(|(unclear, _)| self.may_raise(unclear));
        }
        Ok(())
    }

    fn may_raise(&self, file: &Unclear) -> bool {
        // A file of unknown content may hold partitions that nobody thought of.
        let span = i64::from(file.last_partition) - i64::from(file.first_partition);
        if span >= (self.from.len() + self.greatest.len()) as i64 {
            return true;
        }
        (file.first_partition..=file.last_partition).any(|partition| {
            let wanted = self.from.get(&partition).copied().unwrap_or(i64::MIN);
            let found = self.greatest.get(&partition).copied();
            file.greatest_offset >= wanted && found.is_none_or(|f| f < file.greatest_offset)
        })
    }

    /// `keep` is asked for rows by their number, counted over all `files`.
    fn read(&mut self, files: &[FileMeta], keep: impl Fn(usize) -> bool) -> KernelResult<()> {
        let parquet = self.store.engine.parquet_handler();
        let mut rows_before = 0;
        for batch in parquet.read_parquet_files(files, self.columns.clone(), None)? {
            let rows = batch?.try_into_record_batch()?;
            let partitions = rows.column(0).as_primitive_opt::<Int32Type>();
            let offsets = rows.column(1).as_primitive_opt::<Int64Type>();
            let (Some(partitions), Some(offsets)) = (partitions, offsets) else {
                return Err(KernelError::generic(
                    "the columns _kafka_partition and _kafka_offset have unexpected types",
                ));
            };
            for row in 0..rows.num_rows() {
                if keep(rows_before + row) && partitions.is_valid(row) && offsets.is_valid(row) {
                    raise(
                        &mut self.greatest,
                        partitions.value(row),
                        offsets.value(row),
                    );
                }
            }
            rows_before += rows.num_rows();
        }
        Ok(())
    }
}

fn raise(greatest: &mut Greatest, partition: i32, offset: i64) {
    let known = greatest.entry(partition).or_insert(offset);
    *known = (*known).max(offset);
}

fn columns() -> KernelResult<SchemaRef> {
    Ok(Arc::new(StructType::try_new([
        StructField::nullable(PARTITION, DataType::INTEGER),
        StructField::nullable(OFFSET, DataType::LONG),
    ])?))
}

fn content(stats: Option<&Value>) -> Content {
    let unknown = Content::Unclear(Unclear {
        first_partition: i32::MIN,
        last_partition: i32::MAX,
        greatest_offset: i64::MAX,
    });
    let Some(stats) = stats else { return unknown };
    let nulls = |column: &str| stats["nullCount"][column].as_i64();
    let rows = stats["numRecords"].as_i64();
    if rows == Some(0) || (rows.is_some() && nulls(PARTITION) == rows) {
        return Content::Nothing;
    }
    let partition = |bound: &str| {
        let value = stats[bound][PARTITION].as_i64()?;
        i32::try_from(value).ok()
    };
    let (Some(first), Some(last), Some(offset)) = (
        partition("minValues"),
        partition("maxValues"),
        stats["maxValues"][OFFSET].as_i64(),
    ) else {
        return unknown;
    };
    // The greatest offset could belong to a row without a partition.
    if first == last && nulls(PARTITION) == Some(0) {
        return Content::OnePartition(first, offset);
    }
    Content::Unclear(Unclear {
        first_partition: first,
        last_partition: last,
        greatest_offset: offset,
    })
}

pub(super) fn live_files(root: &Url, scanned: ScanMetadata) -> KernelResult<Vec<LiveFile>> {
    let mut vectors =
        scanned.visit_scan_files(HashMap::new(), |found: &mut HashMap<_, _>, file| {
            if file.dv_info.has_vector() {
                found.insert(file.path, file.dv_info);
            }
        })?;
    let (data, selected) = scanned.scan_files.into_parts();
    let rows: RecordBatch = data.try_into_record_batch()?;
    let paths = text_column(&rows, "path")?;
    let stats = text_column(&rows, "stats")?;
    let number = |name: &str| {
        rows.column_by_name(name)
            .and_then(|column| column.as_primitive_opt::<Int64Type>())
            .ok_or_else(|| unexpected(name))
    };
    let (sizes, times) = (number("size")?, number("modificationTime")?);
    let mut files = Vec::new();
    for row in 0..rows.num_rows() {
        // Rows past the end of the selection vector are selected.
        if !selected.get(row).copied().unwrap_or(true) || paths.is_null(row) {
            continue;
        }
        let location = root
            .join(paths.value(row))
            .map_err(|e| KernelError::generic(format!("data file {}: {e}", paths.value(row))))?;
        files.push(LiveFile {
            path: paths.value(row).to_owned(),
            deletion_vector: vectors.remove(paths.value(row)),
            meta: FileMeta {
                location,
                last_modified: times.value(row),
                size: u64::try_from(sizes.value(row)).unwrap_or_default(),
            },
            // Statistics that cannot be read are none.
            stats: stats
                .is_valid(row)
                .then(|| serde_json::from_str(stats.value(row)).ok())
                .flatten(),
        });
    }
    Ok(files)
}

fn text_column<'a>(rows: &'a RecordBatch, name: &str) -> KernelResult<&'a StringArray> {
    rows.column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>())
        .ok_or_else(|| unexpected(name))
}

fn unexpected(name: &str) -> KernelError {
    KernelError::generic(format!("the list of data files has an unexpected {name}"))
}
