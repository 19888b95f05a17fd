//! What only a pass over the whole log of a snapshot tells.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use delta_kernel::arrow::array::{Array, AsArray};
use delta_kernel::arrow::datatypes::Int64Type;
use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::scan::state::ScanFile;
use delta_kernel::schema::{DataType, StructField, StructType};
use delta_kernel::{KernelError, KernelResult, Snapshot, SnapshotRef};

use super::TxnMap;
use crate::ffi::Txn;
use crate::store::StoreInner;

/// Version of every appId. Reads all log entries since the last checkpoint, and its txn column.
pub(super) fn read_txns(store: &StoreInner, snapshot: &Snapshot) -> KernelResult<TxnMap> {
    let txn = StructType::try_new([
        StructField::not_null("appId", DataType::STRING),
        StructField::not_null("version", DataType::LONG),
    ])?;
    let schema = StructType::try_new([StructField::nullable("txn", txn)])?;
    let batches = snapshot
        .log_segment()
        .read_actions(store.engine.as_ref(), Arc::new(schema))?;
    let mut newest = TxnMap::new();
    for batch in batches {
        let rows = batch?.actions.try_into_record_batch()?;
        let txns = rows.column(0).as_struct_opt().ok_or_else(unexpected)?;
        let app_ids = txns
            .column(0)
            .as_string_opt::<i32>()
            .ok_or_else(unexpected)?;
        let versions = txns
            .column(1)
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(unexpected)?;
        for row in (0..txns.len()).filter(|&row| txns.is_valid(row)) {
            if let Entry::Vacant(unseen) = newest.entry(app_ids.value(row).to_owned()) {
                unseen.insert(versions.value(row));
            }
        }
    }
    Ok(newest)
}

fn unexpected() -> KernelError {
    KernelError::generic("the txn actions of the log have an unexpected type")
}

/// Ordered by appId.
pub(super) fn with_prefix(all: &TxnMap, prefix: &str) -> Vec<Txn> {
    let mut txns: Vec<Txn> = all
        .iter()
        .filter(|(app_id, _)| app_id.starts_with(prefix))
        .map(|(app_id, &version)| Txn {
            app_id: app_id.clone(),
            version,
        })
        .collect();
    txns.sort_by(|a, b| a.app_id.cmp(&b.app_id));
    txns
}

/// Stops at the first file that is live.
pub(super) fn has_data_files(store: &StoreInner, snapshot: &SnapshotRef) -> KernelResult<bool> {
    let scan = snapshot.clone().scan_builder().build()?;
    for files in scan.scan_metadata(store.engine.as_ref())? {
        let files = files?.scan_files;
        let selection = files.selection_vector();
        // Rows past the end of the selection vector are selected.
        if files.data().len() > selection.len() || selection.contains(&true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The live files of a snapshot, added up.
#[derive(Default, Clone)]
pub(super) struct LiveFiles {
    pub(super) files: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// A file whose rows nobody stated.
    pub(super) uncounted: Option<String>,
}

impl LiveFiles {
    fn add(&mut self, file: ScanFile) {
        let stated = file.stats.as_ref().map(|stats| stats.num_records);
        let removed = file
            .dv_info
            .cardinality()
            .ok()
            .map(Option::unwrap_or_default);
        match stated.zip(removed) {
            Some((stated, removed)) => self.rows += stated.saturating_sub(removed),
            None => self.uncounted = Some(file.path),
        }
        self.files += 1;
        self.bytes += u64::try_from(file.size).unwrap_or_default();
    }
}

pub(super) fn live_files(store: &StoreInner, snapshot: &SnapshotRef) -> KernelResult<LiveFiles> {
    let scan = snapshot.clone().scan_builder().build()?;
    let mut live = LiveFiles::default();
    for files in scan.scan_metadata(store.engine.as_ref())? {
        live = files?.visit_scan_files(live, LiveFiles::add)?;
    }
    Ok(live)
}
