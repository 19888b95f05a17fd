//! Follows the log from the cached snapshot on, without reading again what was read before.

#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use delta_kernel::{Snapshot, SnapshotRef};

use super::{log, Cached, Table};
use crate::errors::{Fault, Result};
use crate::ffi::Status;

/// More entries than these are read sooner at once, with all the others.
const FOLLOWED_MAX: u64 = 32;

/// Tells a log entry from another one that took its place: entries hold ids that nobody else draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryDigest {
    bytes: usize,
    hash: u64,
}

impl EntryDigest {
    pub(super) fn of(entry: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        entry.hash(&mut hasher);
        Self {
            bytes: entry.len(),
            hash: hasher.finish(),
        }
    }
}

impl Table {
    /// Brings the cache up to the last version in the store. Reads only what came after it when
    /// that is certain to follow it, and everything otherwise.
    pub(super) fn follow(&self) -> Result<()> {
        let before = self.cached_now();
        self.loaded(&before)?;
        match self.continuation(&before) {
            Ok(Some(next)) => {
                self.advance(&before, next);
                Ok(())
            }
            Ok(None) | Err(_) => self.reload(),
        }
    }

    /// Missing: the log entry of `cached` is not the one that was read or written any more.
    pub(super) fn check_last_entry(&self, cached: &Cached) -> Result<()> {
        let version = self.loaded(cached)?.version();
        let entry = log::read_entry(&self.store, &self.log()?, version)?;
        if Some(EntryDigest::of(entry.as_bytes())) == cached.last_entry {
            return Ok(());
        }
        Err(Fault::new(
            Status::Missing,
            format!("log entry {version} of {} is another one now", self.root),
        ))
    }

    /// None: whether the log in the store continues `before` cannot be told from its end, or so
    /// much has come that all of it is read as soon.
    fn continuation(&self, before: &Cached) -> Result<Option<Cached>> {
        let (Some(txns), Some(mut last_entry)) = (&before.txns, before.last_entry) else {
            return Ok(None);
        };
        self.check_last_entry(before)?;
        let snapshot = self.loaded(before)?;
        let log = self.log()?;
        let next = Snapshot::builder_from(snapshot.clone()).build(self.store.engine.as_ref())?;
        let many = next.version() - snapshot.version() > FOLLOWED_MAX;
        if many || has_checkpoint_after(snapshot, &next) {
            return Ok(None);
        }
        let mut txns = (**txns).clone();
        for version in snapshot.version() + 1..=next.version() {
            let entry = log::read_entry(&self.store, &log, version)?;
            for txn in log::txns_of(&entry)? {
                txns.insert(txn.app_id, txn.version);
            }
            last_entry = EntryDigest::of(entry.as_bytes());
        }
        Ok(Some(Cached {
            snapshot: Some(next),
            txns: Some(Arc::new(txns)),
            last_entry: Some(last_entry),
        }))
    }
}

/// Then the kernel has begun anew from there.
fn has_checkpoint_after(before: &SnapshotRef, next: &SnapshotRef) -> bool {
    next.log_segment()
        .checkpoint_version
        .is_some_and(|checkpoint| checkpoint > before.version())
}
