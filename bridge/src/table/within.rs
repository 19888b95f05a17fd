//! Which offsets of some ranges a table has rows of.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use delta_kernel::arrow::array::{Array, AsArray, RecordBatch};
use delta_kernel::arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::schema::{DataType, StructField, StructType};
use delta_kernel::{KernelError, KernelResult, SnapshotRef};
use serde_json::Value;
use url::Url;

use super::offsets::live_files;
use crate::ffi::PartitionRange;
use crate::store::StoreInner;

const PARTITION: &str = "_kafka_partition";
const OFFSET: &str = "_kafka_offset";
const INGESTED_AT: &str = "_ingested_at";

pub(super) struct Wanted {
    ranges: HashMap<i32, (i64, i64)>,
    since_us: i64,
}

impl Wanted {
    pub(super) fn new(ranges: &[PartitionRange], since_us: i64) -> Self {
        let ranges = ranges.iter().map(|r| (r.partition, (r.first, r.next)));
        Self {
            ranges: ranges.collect(),
            since_us,
        }
    }

    fn has(&self, partition: i32, offset: i64) -> bool {
        let range = self.ranges.get(&partition);
        range.is_some_and(|&(first, next)| first <= offset && offset < next)
    }

    /// Whether the statistics of a file leave that open.
    fn may_be_in(&self, stats: Option<&Value>) -> bool {
        let bound = |which: &str| stats?[which][OFFSET].as_i64();
        let (least, greatest) = (
            bound("minValues").unwrap_or(i64::MIN),
            bound("maxValues").unwrap_or(i64::MAX),
        );
        let mut ranges = self.ranges.values();
        ranges.any(|&(first, next)| least < next && greatest >= first)
    }
}

pub(super) fn runs(
    store: &StoreInner,
    root: &Url,
    snapshot: &SnapshotRef,
    wanted: &Wanted,
) -> KernelResult<Vec<PartitionRange>> {
    let columns = Arc::new(StructType::try_new([
        StructField::nullable(PARTITION, DataType::INTEGER),
        StructField::nullable(OFFSET, DataType::LONG),
        StructField::nullable(INGESTED_AT, DataType::TIMESTAMP),
    ])?);
    let parquet = store.engine.parquet_handler();
    let mut found = Vec::new();
    let scan = snapshot.clone().scan_builder().build()?;
    for files in scan.scan_metadata(store.engine.as_ref())? {
        let metas: Vec<_> = live_files(root, files?)?
            .into_iter()
            .filter(|file| wanted.may_be_in(file.stats.as_ref()))
            .map(|file| file.meta)
            .collect();
        for batch in parquet.read_parquet_files(&metas, columns.clone(), None)? {
            add_runs(&batch?.try_into_record_batch()?, wanted, &mut found)?;
        }
    }
    Ok(found)
}

fn add_runs(
    rows: &RecordBatch,
    wanted: &Wanted,
    found: &mut Vec<PartitionRange>,
) -> KernelResult<()> {
    let (Some(partitions), Some(offsets), Some(times)) = (
        rows.column(0).as_primitive_opt::<Int32Type>(),
        rows.column(1).as_primitive_opt::<Int64Type>(),
        rows.column(2)
            .as_primitive_opt::<TimestampMicrosecondType>(),
    ) else {
        return Err(KernelError::generic(
            "the columns _kafka_partition, _kafka_offset and _ingested_at have unexpected types",
        ));
    };
    for row in 0..rows.num_rows() {
        if partitions.is_null(row) || offsets.is_null(row) {
            continue;
        }
        let (partition, offset) = (partitions.value(row), offsets.value(row));
        // A row that does not say when it came may be of any time.
        let too_old = times.is_valid(row) && times.value(row) < wanted.since_us;
        if too_old || !wanted.has(partition, offset) {
            continue;
        }
        match found.last_mut() {
            Some(run) if run.partition == partition && run.next == offset => run.next += 1,
            _ => found.push(PartitionRange {
                partition,
                first: offset,
                next: offset + 1,
            }),
        }
    }
    Ok(())
}
