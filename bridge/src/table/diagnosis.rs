//! Why a log cannot be read: which file is missing or broken, and what repairs it.

use std::collections::{BTreeMap, BTreeSet};

use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{self, ObjectStoreExt};
use delta_kernel::{KernelError, Snapshot, Version};
use futures::TryStreamExt;
use serde_json::Value;

use super::log::{entry_exists, entry_path};
use crate::errors::{is_empty_log, is_parquet, Fault, Result};
use crate::ffi::Status;
use crate::store::StoreInner;

const HINT: &str = "_last_checkpoint";
const VERSION_DIGITS: usize = 20;

/// The kernel accepts a log that begins anywhere; without a checkpoint it must begin at 0, or
/// everything before its first entry (tables, files, txns) would silently be forgotten.
pub(super) fn check_start(store: &StoreInner, log: &Path, snapshot: &Snapshot) -> Result<()> {
    if snapshot.log_segment().checkpoint_version.is_some() {
        return Ok(());
    }
    entry_exists(store, log, 0).map_err(|fault| match fault.status {
        Status::Missing => Fault::new(
            Status::Corrupt,
            format!(
                "log entry {} is missing and there is no checkpoint; restore the log from a backup",
                entry_path(log, 0)
            ),
        ),
        _ => fault,
    })
}

/// What a failure to read the log at `log` means. Looks at the store unless the failure already
/// says that the store is to blame.
pub(super) fn explain(store: &StoreInner, log: &Path, error: KernelError) -> Fault {
    let in_parquet = is_parquet(&error);
    let found_nothing = is_empty_log(&error);
    let mut fault = Fault::from(error);
    if found_nothing {
        // Whether that is still so, and why, the listing below tells.
        fault.status = Status::Missing;
    }
    if matches!(
        fault.status,
        Status::Transient | Status::Denied | Status::Unsupported
    ) {
        return fault;
    }
    match examine(store, log, &fault, in_parquet) {
        Ok(found) => found,
        Err(unreadable) => unreadable,
    }
}

fn examine(store: &StoreInner, log: &Path, fault: &Fault, in_parquet: bool) -> Result<Fault> {
    let listing = Listing::read(store, log)?;
    if listing.is_empty() {
        return Ok(Fault::new(
            Status::Missing,
            "there is no Delta log; if the table was deleted, restore it",
        ));
    }
    let corrupt = |what: String| Ok(Fault::new(Status::Corrupt, what));
    if let Some(hinted) = hinted_version(store, log)? {
        if !listing.has_checkpoint_from(hinted) {
            return corrupt(listing.dangling_hint(log, hinted));
        }
    }
    if let Some(gap) = listing.gap(log) {
        return corrupt(gap);
    }
    if !listing.has_a_version() {
        return corrupt(format!(
            "{log} has neither an entry nor a checkpoint, but other files of a log; restore it \
             from a backup"
        ));
    }
    if in_parquet {
        if let Some(broken) = listing.broken_checkpoint(log) {
            return corrupt(format!("{broken} ({})", fault.message));
        }
    }
    if let Some(path) = first_malformed(store, log, &listing)? {
        return corrupt(format!(
            "log entry {path} is not a list of JSON actions; restore it from a backup ({})",
            fault.message
        ));
    }
    Ok(match fault.status {
        Status::Missing => Fault::new(
            Status::Transient,
            format!(
                "the log changed while it was being read ({})",
                fault.message
            ),
        ),
        _ => fault.clone(),
    })
}

/// The files of `_delta_log` that readers know, by version.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) commits: BTreeSet<Version>,
    /// Complete ones only; names of the files.
    pub(super) checkpoints: BTreeMap<Version, Vec<String>>,
    /// There is a file that belongs to a log but is neither of these.
    others: bool,
}

impl Listing {
    pub(super) fn read(store: &StoreInner, log: &Path) -> Result<Self> {
        let names: Vec<(String, u64)> = store.wait(async {
            store
                .data
                .list(Some(log))
                .try_filter_map(|object| {
                    let relative = object
                        .location
                        .prefix_match(log)
                        .map(|parts| Path::from_iter(parts).to_string());
                    futures::future::ready(Ok(relative.map(|name| (name, object.size))))
                })
                .try_collect()
                .await
        })?;
        Ok(Self::of(names))
    }

    fn has_a_version(&self) -> bool {
        !self.commits.is_empty() || !self.checkpoints.is_empty()
    }

    fn of(mut names: Vec<(String, u64)>) -> Self {
        names.sort();
        let mut listing = Self::default();
        let mut parts: BTreeMap<(Version, u64), Vec<String>> = BTreeMap::new();
        for (name, size) in names {
            match LogFile::parse(&name) {
                Some(LogFile::Commit(version)) => {
                    listing.commits.insert(version);
                }
                Some(LogFile::Checkpoint(version)) if size > 0 => {
                    listing.checkpoints.insert(version, vec![name]);
                }
                Some(LogFile::CheckpointPart(version, of)) if size > 0 => {
                    parts.entry((version, of)).or_default().push(name);
                }
                Some(_) => listing.others = true,
                None => {}
            }
        }
        for ((version, of), names) in parts {
            if names.len() as u64 == of {
                listing.checkpoints.entry(version).or_insert(names);
            } else {
                listing.others = true;
            }
        }
        listing
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.checkpoints.is_empty() && !self.others
    }

    fn has_checkpoint_from(&self, version: Version) -> bool {
        self.checkpoints.range(version..).next().is_some()
    }

    /// The missing log entry that keeps the newest checkpoint, or version 0, from the newest entry.
    fn gap(&self, log: &Path) -> Option<String> {
        let start = self.checkpoints.keys().next_back().copied();
        self.missing_after(start).map(|version| {
            format!(
                "log entry {} is missing; restore it from a backup",
                entry_path(log, version)
            )
        })
    }

    /// The first version that is needed to go on from checkpoint `start` and is not there.
    fn missing_after(&self, start: Option<Version>) -> Option<Version> {
        let newest = self.commits.last().copied().or(start)?;
        let first = start.map_or(0, |checkpoint| checkpoint + 1);
        (first..=newest).find(|version| !self.commits.contains(version))
    }

    fn dangling_hint(&self, log: &Path, hinted: Version) -> String {
        let start = self.checkpoints.keys().next_back().copied();
        let repair = match self.missing_after(start) {
            None => format!("delete {log}/{HINT} (the log is complete without it)"),
            Some(version) => format!(
                "restore that checkpoint from a backup (entry {} is gone, so the log is not \
                 complete without it)",
                entry_path(log, version)
            ),
        };
        format!("{log}/{HINT} names a checkpoint of version {hinted} that is not there; {repair}")
    }

    /// About the newest checkpoint, which could not be decoded.
    fn broken_checkpoint(&self, log: &Path) -> Option<String> {
        let (&version, names) = self.checkpoints.last_key_value()?;
        let before = self.checkpoints.range(..version).next_back();
        let repair = match self.missing_after(before.map(|(&older, _)| older)) {
            None => format!("delete it and {log}/{HINT} (the log is complete without them)"),
            Some(_) => "restore it from a backup".to_owned(),
        };
        Some(format!(
            "checkpoint {log}/{} cannot be read; {repair}",
            names.join(", ")
        ))
    }
}

enum LogFile {
    Commit(Version),
    Checkpoint(Version),
    /// One of so many.
    CheckpointPart(Version, u64),
    Other,
}

impl LogFile {
    fn parse(name: &str) -> Option<Self> {
        if name == HINT {
            return Some(Self::Other);
        }
        let digits = name.get(..VERSION_DIGITS)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let version = digits.parse().ok()?;
        let kind: Vec<&str> = name[VERSION_DIGITS..].split('.').collect();
        Some(match kind.as_slice() {
            ["", "json"] => Self::Commit(version),
            ["", "checkpoint", "parquet"] | ["", "checkpoint", _, "parquet" | "json"] => {
                Self::Checkpoint(version)
            }
            ["", "checkpoint", _, of, "parquet"] => Self::CheckpointPart(version, of.parse().ok()?),
            _ => Self::Other,
        })
    }
}

/// What `_last_checkpoint` says; None when it is absent or not readable as JSON (readers then
/// ignore it).
fn hinted_version(store: &StoreInner, log: &Path) -> Result<Option<Version>> {
    let path = log.clone().join(HINT);
    let bytes = match store.wait(async { store.data.get(&path).await?.bytes().await }) {
        Ok(bytes) => bytes,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let hint: Option<Value> = serde_json::from_slice(&bytes).ok();
    Ok(hint.and_then(|hint| hint["version"].as_u64()))
}

/// The first entry after the newest checkpoint that is not one JSON object a line.
fn first_malformed(store: &StoreInner, log: &Path, listing: &Listing) -> Result<Option<Path>> {
    let after = listing.checkpoints.keys().next_back().copied();
    for &version in &listing.commits {
        if after.is_some_and(|checkpoint| version <= checkpoint) {
            continue;
        }
        let path = entry_path(log, version);
        let bytes = store.wait(async { store.data.get(&path).await?.bytes().await })?;
        let is_action = |line: &[u8]| {
            line.iter().all(u8::is_ascii_whitespace)
                || serde_json::from_slice::<Value>(line).is_ok_and(|action| action.is_object())
        };
        if !bytes.split(|&b| b == b'\n').all(is_action) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
