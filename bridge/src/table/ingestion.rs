//! When the last row of a table was ingested: the greatest `_ingested_at`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use delta_kernel::arrow::array::AsArray;
use delta_kernel::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use delta_kernel::arrow::compute::max;
use delta_kernel::arrow::datatypes::TimestampMicrosecondType;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::schema::{DataType, StructField, StructType};
use delta_kernel::{FileMeta, KernelError, KernelResult, SnapshotRef};
use serde_json::Value;
use url::Url;

use super::offsets::live_files;
use crate::store::StoreInner;

const INGESTED_AT: &str = "_ingested_at";
/// Writers cut the times of statistics to milliseconds.
const CUT_MICROS: i64 = 999;

/// Microseconds since 1970, of the live files; up to a millisecond too late. Rows hidden by a
/// deletion vector count.
pub(super) fn last_ingestion(
    store: &StoreInner,
    root: &Url,
    snapshot: &SnapshotRef,
) -> KernelResult<Option<i64>> {
    let mut latest = None;
    let scan = snapshot.clone().scan_builder().build()?;
    for files in scan.scan_metadata(store.engine.as_ref())? {
        let mut unclear = Vec::new();
        for file in live_files(root, files?)? {
            match file.stats.as_ref().and_then(stated) {
                Some(time) => latest = latest.max(Some(time)),
                None => unclear.push(file.meta),
            }
        }
        latest = latest.max(read(store, &unclear)?);
    }
    Ok(latest)
}

fn stated(stats: &Value) -> Option<i64> {
    let text = stats["maxValues"][INGESTED_AT].as_str()?;
    let nanos = string_to_timestamp_nanos(text).ok()?;
    Some(nanos.div_euclid(1_000) + CUT_MICROS)
}

fn read(store: &StoreInner, files: &[FileMeta]) -> KernelResult<Option<i64>> {
    let column = StructField::nullable(INGESTED_AT, DataType::TIMESTAMP);
    let schema = Arc::new(StructType::try_new([column])?);
    let mut latest = None;
    for batch in store
        .engine
        .parquet_handler()
        .read_parquet_files(files, schema, None)?
    {
        let rows = batch?.try_into_record_batch()?;
        let times = rows
            .column(0)
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or_else(|| {
                KernelError::generic("the column _ingested_at has an unexpected type")
            })?;
        latest = latest.max(max(times));
    }
    Ok(latest)
}
