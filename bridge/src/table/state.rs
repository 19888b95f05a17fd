//! What a table is after a commit, as a text that others may keep, and that the commit vouches for.
//!
//! The entry of a version holds the digest of the text of that version. So where the text comes
//! from does not matter: it is believed only when the entry in the store names it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest::{digest, SHA256};
use base64::prelude::{Engine as _, BASE64_URL_SAFE_NO_PAD};
use delta_kernel::actions::{Metadata, Protocol};
use delta_kernel::snapshot::{PublicationWatermark, SnapshotHint, SnapshotHintFreshness};
use delta_kernel::{
    try_parse_uri, FileMeta, KernelError, KernelResult, LogPath, Snapshot, SnapshotRef, Version,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::follow::EntryDigest;
use super::{log, version, Cached, Table, TxnMap};
use crate::errors::{Fault, Result};
use crate::ffi::{KeyValue, Status, Txn, VouchedState};

/// Of commitInfo.operationParameters.
const DIGEST_PARAMETER: &str = "bronzeState";
/// Another one is not read.
const FORMAT: u32 = 1;
/// A table with more txns than fit is not kept.
const BYTES_MAX: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct State {
    format: u32,
    version: Version,
    protocol: Protocol,
    metadata: Metadata,
    txns: BTreeMap<String, i64>,
    checkpoint: Option<Checkpoint>,
}

/// Where the log of the state begins.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: Version,
    files: Vec<LogFile>,
}

#[derive(Serialize, Deserialize)]
struct LogFile {
    name: String,
    bytes: u64,
}

/// Of the version after `before`, which adds `txns` and changes nothing else of the state. None:
/// the txns of `before` are not known, or it is too large.
pub(super) fn after(before: &Cached, txns: &[Txn]) -> Option<VouchedState> {
    let (snapshot, known) = (before.snapshot.as_ref()?, before.txns.as_ref()?);
    let mut all: BTreeMap<String, i64> = known.iter().map(|(id, v)| (id.clone(), *v)).collect();
    all.extend(txns.iter().map(|txn| (txn.app_id.clone(), txn.version)));
    describe(snapshot, snapshot.version() + 1, all)
}

/// Of version 0 with these two actions. None: they are not such actions.
pub(super) fn of_new_table(protocol: &Value, metadata: &Value) -> Option<VouchedState> {
    State {
        format: FORMAT,
        version: 0,
        protocol: Protocol::deserialize(protocol).ok()?,
        metadata: Metadata::deserialize(metadata).ok()?,
        txns: BTreeMap::new(),
        checkpoint: None,
    }
    .vouched()
}

fn describe(
    snapshot: &Snapshot,
    version: Version,
    txns: BTreeMap<String, i64>,
) -> Option<VouchedState> {
    let segment = snapshot.log_segment();
    let table = snapshot.table_configuration();
    State {
        format: FORMAT,
        version,
        protocol: table.protocol().clone(),
        metadata: table.metadata().clone(),
        txns,
        checkpoint: segment.checkpoint_version.map(|version| Checkpoint {
            version,
            files: segment
                .listed
                .checkpoint_parts
                .iter()
                .map(|part| LogFile {
                    name: part.filename.clone(),
                    bytes: part.location.size,
                })
                .collect(),
        }),
    }
    .vouched()
}

impl State {
    /// None: it is too large.
    fn vouched(&self) -> Option<VouchedState> {
        // By way of a Value, which orders the keys of the maps.
        let text = serde_json::to_value(self).ok()?.to_string();
        (text.len() <= BYTES_MAX).then(|| VouchedState {
            parameter: KeyValue {
                key: DIGEST_PARAMETER.to_owned(),
                value: digest_of(&text),
            },
            text,
        })
    }
}

fn digest_of(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// The digest that a log entry holds.
fn digest_in(entry: &str) -> Option<String> {
    entry
        .lines()
        .filter(|line| line.contains(DIGEST_PARAMETER))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|action| {
            let stated = &action["commitInfo"]["operationParameters"][DIGEST_PARAMETER];
            stated.as_str().map(str::to_owned)
        })
}

impl Table {
    /// Caches the state that `text` describes if it is newer than what is cached, and the table
    /// vouches for it. Missing: it does not.
    pub(super) fn believe_state(&self, text: &str) -> Result<()> {
        let unusable = |why: String| {
            Fault::new(
                Status::Missing,
                format!("a state of {} that is kept elsewhere: {why}", self.root),
            )
        };
        let state: State =
            serde_json::from_str(text).map_err(|e| unusable(format!("not one of ours: {e}")))?;
        if state.format != FORMAT {
            return Err(unusable(format!("of format {}", state.format)));
        }
        let before = self.cached_now();
        if version(&before.snapshot) >= Some(state.version) {
            return Ok(());
        }
        let entry = log::read_entry(&self.store, &self.log()?, state.version)?;
        if digest_in(&entry) != Some(digest_of(text)) {
            return Err(unusable(format!("log entry {} differs", state.version)));
        }
        let snapshot = self
            .snapshot_of(&state)
            .map_err(|e| unusable(e.to_string()))?;
        let txns: TxnMap = state.txns.into_iter().collect();
        self.advance(
            &before,
            Cached {
                snapshot: Some(snapshot),
                txns: Some(Arc::new(txns)),
                last_entry: Some(EntryDigest::of(entry.as_bytes())),
            },
        );
        Ok(())
    }

    /// None: the log entry of `cached` does not vouch for it, or cannot be read.
    pub(super) fn state_vouched_for(&self, cached: &Cached) -> Option<VouchedState> {
        let snapshot = cached.snapshot.as_ref()?;
        let txns = self.txn_map(cached).ok()?;
        let all = txns.iter().map(|(id, v)| (id.clone(), *v)).collect();
        let state = describe(snapshot, snapshot.version(), all)?;
        let entry = log::read_entry(&self.store, &self.log().ok()?, snapshot.version()).ok()?;
        (digest_in(&entry)? == state.parameter.value).then_some(state)
    }

    /// No I/O.
    fn snapshot_of(&self, state: &State) -> KernelResult<SnapshotRef> {
        let log = try_parse_uri(&self.root)?.join("_delta_log/")?;
        let path = |name: &str, size: u64| -> KernelResult<LogPath> {
            LogPath::try_new(FileMeta {
                location: log.join(name).map_err(KernelError::generic)?,
                last_modified: 0,
                size,
            })
        };
        let checkpoint = state.checkpoint.as_ref();
        let first = checkpoint.map_or(0, |checkpoint| checkpoint.version + 1);
        let files = checkpoint.iter().flat_map(|checkpoint| &checkpoint.files);
        // Of log entries nobody asks how large they are.
        let paths = files
            .map(|file| path(&file.name, file.bytes))
            .chain((first..=state.version).map(|v| path(&format!("{v:020}.json"), 0)))
            .collect::<KernelResult<Vec<_>>>()?;
        let hint = SnapshotHint::try_new(
            &self.root,
            state.version,
            PublicationWatermark::InferFromLogPaths,
            paths,
            state.protocol.clone(),
            state.metadata.clone(),
            None,
            None,
            SnapshotHintFreshness::Unverified,
        )?;
        Snapshot::builder_for(&self.root)
            .with_snapshot_hint(hint)
            .build(self.store.engine.as_ref())
    }
}
