//! One Delta table: the cached snapshot, what it says, and what changes it.

mod checkpoint;
mod chunks;
pub(crate) mod dead_letters;
mod diagnosis;
mod entries;
mod follow;
mod ingestion;
mod log;
#[cfg(test)]
mod measure;
mod offsets;
mod put;
mod replay;
pub(crate) mod scan;
mod state;
#[cfg(test)]
mod tests;
mod within;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use delta_kernel::object_store::path::Path;
use delta_kernel::{KernelError, Snapshot, SnapshotRef, Version};
use url::Url;

use crate::data_file::{DataFile, FileSet};
use crate::errors::{guarded, ok, outcome, Fault, Result};
use crate::ffi::{
    CommitRequest, DataFilesLookup, KeyValue, LastIngestion, LastOffsets, OffsetsWithin, Outcome,
    PartitionOffset, PartitionRange, PutResult, Status, TableSpec, TableState, TableTotals,
    TokenLookup, Txn, TxnList, TxnLookup, VouchedState,
};
use crate::store::StoreInner;
use diagnosis::Listing;
use follow::EntryDigest;

/// How often a checkpoint tries to hand its shorter log to the cache while commits go on.
const REBASE_ATTEMPTS_MAX: usize = 3;

/// Owned by C++. All methods may be called from several threads; the mutex is held only to read
/// or replace the cache, never across I/O.
pub struct Table {
    store: Arc<StoreInner>,
    /// Ends with a slash.
    root: Url,
    cached: Mutex<Cached>,
}

/// appId -> version
type TxnMap = HashMap<String, i64>;

#[derive(Default, Clone)]
struct Cached {
    snapshot: Option<SnapshotRef>,
    /// Version of every appId in `snapshot`, once it was asked for.
    txns: Option<Arc<TxnMap>>,
    /// The log entry of `snapshot`, once it was read or written.
    last_entry: Option<EntryDigest>,
}

impl Table {
    pub(crate) fn new(store: Arc<StoreInner>, directory: &str) -> Result<Self> {
        if directory.is_empty() || directory.starts_with('.') || directory.contains('/') {
            return Err(Fault::contract(format!(
                "not a table directory: {directory:?}"
            )));
        }
        let mut root = store.base.clone();
        root.path_segments_mut()
            .map_err(|()| Fault::contract("the base URI cannot have a path"))?
            .pop_if_empty()
            .push(directory)
            .push("");
        Ok(Self {
            store,
            root,
            cached: Mutex::new(Cached::default()),
        })
    }

    pub fn load(&self) -> Result<Outcome> {
        guarded("load", || Ok(outcome(self.reload())))
    }

    pub fn refresh(&self) -> Result<Outcome> {
        guarded("refresh", || Ok(outcome(self.follow())))
    }

    pub fn believe(&self, state: &str) -> Result<Outcome> {
        guarded("believe", || Ok(outcome(self.believe_state(state))))
    }

    pub fn state_after(&self, txns: &[Txn]) -> Result<VouchedState> {
        guarded("state_after", || {
            let cached = self.cached_now();
            self.loaded(&cached)?;
            Ok(state::after(&cached, txns).unwrap_or_default())
        })
    }

    pub fn vouched_state(&self) -> Result<VouchedState> {
        guarded("vouched_state", || {
            let cached = self.cached_now();
            self.loaded(&cached)?;
            Ok(self.state_vouched_for(&cached).unwrap_or_default())
        })
    }

    pub fn create(&self, spec: &TableSpec) -> Result<Outcome> {
        guarded("create", || {
            Ok(outcome(
                self.write_version_zero(spec).and_then(|()| self.reload()),
            ))
        })
    }

    pub fn state(&self) -> Result<TableState> {
        guarded("state", || Ok(describe(&*self.snapshot()?)))
    }

    pub fn txns(&self, prefix: &str) -> Result<TxnList> {
        guarded("txns", || {
            let cached = self.cached_now();
            self.loaded(&cached)?;
            Ok(match self.txn_map(&cached) {
                Ok(all) => TxnList {
                    outcome: ok(),
                    txns: replay::with_prefix(&all, prefix),
                },
                Err(fault) => TxnList {
                    outcome: fault.into(),
                    txns: Vec::new(),
                },
            })
        })
    }

    pub fn has_data_files(&self) -> Result<DataFilesLookup> {
        guarded("has_data_files", || {
            let snapshot = self.snapshot()?;
            let found =
                replay::has_data_files(&self.store, &snapshot).map_err(|error| self.explain(error));
            Ok(DataFilesLookup {
                found: *found.as_ref().unwrap_or(&false),
                outcome: outcome(found.map(|_| ())),
            })
        })
    }

    pub fn last_offsets(&self, from: &[PartitionOffset]) -> Result<LastOffsets> {
        guarded("last_offsets", || {
            let snapshot = self.snapshot()?;
            let found = offsets::last_offsets(&self.store, &self.root, &snapshot, from)
                .map_err(|error| self.explain(error));
            Ok(match found {
                Ok(greatest) => LastOffsets {
                    outcome: ok(),
                    offsets: greatest
                        .into_iter()
                        .map(|(partition, offset)| PartitionOffset { partition, offset })
                        .collect(),
                },
                Err(fault) => LastOffsets {
                    outcome: fault.into(),
                    offsets: Vec::new(),
                },
            })
        })
    }

    pub fn last_ingestion(&self) -> Result<LastIngestion> {
        guarded("last_ingestion", || {
            let snapshot = self.snapshot()?;
            let found = ingestion::last_ingestion(&self.store, &self.root, &snapshot)
                .map_err(|error| self.explain(error));
            Ok(LastIngestion {
                found: matches!(found, Ok(Some(_))),
                micros: *found.as_ref().ok().and_then(Option::as_ref).unwrap_or(&0),
                outcome: outcome(found.map(|_| ())),
            })
        })
    }

    pub fn offsets_within(
        &self,
        ranges: &[PartitionRange],
        since_us: i64,
    ) -> Result<OffsetsWithin> {
        guarded("offsets_within", || {
            let snapshot = self.snapshot()?;
            let wanted = within::Wanted::new(ranges, since_us);
            let found = within::runs(&self.store, &self.root, &snapshot, &wanted)
                .map_err(|error| self.explain(error));
            Ok(match found {
                Ok(runs) => OffsetsWithin {
                    outcome: ok(),
                    runs,
                },
                Err(fault) => OffsetsWithin {
                    outcome: fault.into(),
                    runs: Vec::new(),
                },
            })
        })
    }

    pub fn log_entry_has_txn(&self, version: u64, prefix: &str) -> Result<TxnLookup> {
        guarded("log_entry_has_txn", || {
            let found = log::entry_has_txn(&self.store, &self.log()?, version, prefix);
            Ok(TxnLookup {
                found: *found.as_ref().unwrap_or(&false),
                outcome: outcome(found.map(|_| ())),
            })
        })
    }

    pub fn totals(&self) -> Result<TableTotals> {
        guarded("totals", || {
            let snapshot = self.snapshot()?;
            let live = replay::live_files(&self.store, &snapshot)
                .map_err(|error| self.explain(error))
                .and_then(|live| match live.uncounted {
                    None => Ok(live),
                    Some(path) => Err(Fault::new(
                        Status::Unsupported,
                        format!("{}: no row count for {path}", self.root),
                    )),
                });
            let totals = live.as_ref().cloned().unwrap_or_default();
            Ok(TableTotals {
                files: totals.files,
                rows: totals.rows,
                bytes: totals.bytes,
                outcome: outcome(live.map(|_| ())),
            })
        })
    }

    pub fn find_token(&self, token: &str, after: u64) -> Result<TokenLookup> {
        guarded("find_token", || {
            let last = self.snapshot()?.version();
            let version = log::find_token(&self.store, &self.log()?, token, after, last);
            let found = version.as_ref().ok().copied().flatten();
            Ok(TokenLookup {
                outcome: outcome(version.map(|_| ())),
                found: found.is_some(),
                version: found.unwrap_or_default(),
            })
        })
    }

    pub fn confirm(&self) -> Result<Outcome> {
        guarded("confirm", || {
            let cached = self.cached_now();
            self.loaded(&cached)?;
            Ok(outcome(self.check_last_entry(&cached)))
        })
    }

    pub fn put(&self, request: &CommitRequest, files: &FileSet) -> Result<PutResult> {
        guarded("put", || self.put_commit(request, files))
    }

    pub fn add_columns(&self, schema_json: &str) -> Result<Outcome> {
        guarded("add_columns", || Ok(outcome(self.put_schema(schema_json))))
    }

    pub fn checkpoint(&self) -> Result<Outcome> {
        guarded("checkpoint", || {
            let snapshot = self.snapshot()?;
            Ok(outcome(self.write_checkpoint(snapshot)))
        })
    }

    pub fn open_file(&self, partition_value: &str) -> Result<Box<DataFile>> {
        guarded("open_file", || {
            let snapshot = self.snapshot()?;
            DataFile::open(self.store.clone(), snapshot, partition_value).map(Box::new)
        })
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        // Every critical section leaves the cache whole.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached_now(&self) -> Cached {
        self.cached().clone()
    }

    fn snapshot(&self) -> Result<SnapshotRef> {
        self.loaded(&self.cached_now()).cloned()
    }

    /// Err: neither `load` nor `create` succeeded before.
    fn loaded<'a>(&self, cached: &'a Cached) -> Result<&'a SnapshotRef> {
        cached
            .snapshot
            .as_ref()
            .ok_or_else(|| Fault::contract(format!("{}: load comes first", self.root)))
    }

    fn log(&self) -> Result<Path> {
        Ok(crate::store::object_path(&self.root)?.join("_delta_log"))
    }

    /// Builds the latest snapshot from nothing but the store.
    fn fresh_snapshot(&self) -> Result<SnapshotRef> {
        let snapshot = Snapshot::builder_for(&self.root)
            .build(self.store.engine.as_ref())
            .map_err(|e| self.explain(e))?;
        diagnosis::check_start(&self.store, &self.log()?, &snapshot)
            .map_err(|fault| fault.while_doing(&self.root))?;
        Ok(snapshot)
    }

    fn reload(&self) -> Result<()> {
        let before = self.cached().snapshot.clone();
        let fresh = self.fresh_snapshot()?;
        let last_entry = log::read_entry(&self.store, &self.log()?, fresh.version())
            .map(|entry| EntryDigest::of(entry.as_bytes()));
        let mut cached = self.cached();
        let newer_meanwhile =
            !same(&cached.snapshot, &before) && version(&cached.snapshot) >= Some(fresh.version());
        if !newer_meanwhile {
            *cached = Cached {
                snapshot: Some(fresh),
                txns: None,
                last_entry: last_entry.ok(),
            };
        }
        Ok(())
    }

    /// Caches `next`, which follows `before`, unless others have cached something newer meanwhile.
    fn advance(&self, before: &Cached, next: Cached) {
        let displaced = {
            let mut cached = self.cached();
            let unchanged = same(&cached.snapshot, &before.snapshot);
            if !unchanged && version(&cached.snapshot) >= version(&next.snapshot) {
                return;
            }
            let current = std::mem::replace(&mut *cached, next).snapshot;
            current.filter(|_| !unchanged)
        };
        // A checkpoint that ended meanwhile had shortened the log of the cached snapshot.
        if let Some(checkpointed) = displaced {
            self.adopt_checkpoint(&checkpointed);
        }
    }

    fn txn_map(&self, cached: &Cached) -> Result<Arc<TxnMap>> {
        let snapshot = self.loaded(cached)?;
        if let Some(known) = &cached.txns {
            return Ok(known.clone());
        }
        let read = replay::read_txns(&self.store, snapshot).map_err(|e| self.explain(e))?;
        let read = Arc::new(read);
        let mut now = self.cached();
        if now
            .snapshot
            .as_ref()
            .is_some_and(|s| Arc::ptr_eq(s, snapshot))
        {
            now.txns = Some(read.clone());
        }
        Ok(read)
    }

    /// Puts version 0 when the log is empty; any entry at all is a Conflict.
    fn write_version_zero(&self, spec: &TableSpec) -> Result<()> {
        let log = self.log()?;
        if !Listing::read(&self.store, &log)?.is_empty() {
            return Err(Fault::new(
                Status::Conflict,
                format!("{}: a table is there already", self.root),
            ));
        }
        let entry = log::version_zero(spec, &self.store.engine_info);
        let path = log::entry_path(&log, 0);
        let put = self.store.commits.put_once(&path, Bytes::from(entry));
        self.store
            .wait(put)
            .result
            .map_err(|fault| fault.while_doing(format!("create {}", self.root)))
    }

    fn put_schema(&self, schema_json: &str) -> Result<()> {
        let snapshot = self.snapshot()?;
        let log = self.log()?;
        let version = snapshot.version() + 1;
        let metadata = snapshot.table_configuration().metadata();
        let entry = log::new_schema(metadata, schema_json, &self.store.engine_info)?;
        let path = log::entry_path(&log, version);
        let put = self.store.commits.put_once(&path, Bytes::from(entry));
        self.store
            .wait(put)
            .result
            .and_then(|()| self.reload())
            .map_err(|fault| fault.while_doing(format!("add columns to {}", self.root)))
    }

    fn write_checkpoint(&self, snapshot: SnapshotRef) -> Result<()> {
        let rebased = checkpoint::write(&self.store, &snapshot).map_err(|e| {
            self.explain(e)
                .while_doing(format!("checkpoint of {}", self.root))
        })?;
        self.adopt_checkpoint(&rebased);
        Ok(())
    }

    /// Lets the cache start from the checkpoint instead of the long log before it. Commits that
    /// happened meanwhile are kept; when they come too fast, the cache stays as it is.
    fn adopt_checkpoint(&self, checkpointed: &SnapshotRef) {
        for _ in 0..REBASE_ATTEMPTS_MAX {
            let Some(observed) = self.cached().snapshot.clone() else {
                return;
            };
            let Some(rebased) = self.rebase(checkpointed, observed.version()) else {
                return;
            };
            let mut cached = self.cached();
            match &cached.snapshot {
                Some(now) if Arc::ptr_eq(now, &observed) => {
                    cached.snapshot = Some(rebased);
                    return;
                }
                _ => {}
            }
        }
    }

    fn rebase(&self, checkpointed: &SnapshotRef, version: Version) -> Option<SnapshotRef> {
        if checkpointed.version() == version {
            return Some(checkpointed.clone());
        }
        Snapshot::builder_from(checkpointed.clone())
            .at_version(version)
            .build(self.store.engine.as_ref())
            .ok()
            .filter(|rebased| rebased.version() == version)
    }

    /// Says what is wrong with the log when reading it failed.
    fn explain(&self, error: KernelError) -> Fault {
        match self.log() {
            Ok(log) => diagnosis::explain(&self.store, &log, error),
            Err(_) => error.into(),
        }
        .while_doing(&self.root)
    }
}

fn same(a: &Option<SnapshotRef>, b: &Option<SnapshotRef>) -> bool {
    a.as_ref().map(Arc::as_ptr) == b.as_ref().map(Arc::as_ptr)
}

fn version(snapshot: &Option<SnapshotRef>) -> Option<Version> {
    snapshot.as_ref().map(|s| s.version())
}

fn describe(snapshot: &Snapshot) -> TableState {
    let table = snapshot.table_configuration();
    let (metadata, protocol) = (table.metadata(), table.protocol());
    let mut configuration: Vec<KeyValue> = metadata
        .configuration()
        .iter()
        .map(|(key, value)| KeyValue {
            key: key.clone(),
            value: value.clone(),
        })
        .collect();
    configuration.sort_by(|a, b| a.key.cmp(&b.key));
    let names = |features: Option<&[_]>| -> Vec<String> {
        features
            .unwrap_or_default()
            .iter()
            .map(delta_kernel::table_features::TableFeature::to_string)
            .collect()
    };
    TableState {
        version: snapshot.version(),
        id: metadata.id().to_owned(),
        schema_json: metadata.schema_string().clone(),
        partition_columns: metadata.partition_columns().to_vec(),
        configuration,
        min_reader_version: protocol.min_reader_version(),
        min_writer_version: protocol.min_writer_version(),
        reader_features: names(protocol.reader_features()),
        writer_features: names(protocol.writer_features()),
    }
}
