//! What the entries of `_delta_log` say of themselves, read one by one from the store.

#[cfg(test)]
mod tests;

use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::ObjectStoreExt;
use delta_kernel::Version;
use futures::StreamExt;
use serde_json::Value;

use super::diagnosis::Listing;
use super::{log, Table};
use crate::errors::{guarded, ok, Fault, Result};
use crate::ffi::{KeyValue, LogEntries, LogEntry, LogVersions, Status, Txn, VersionRange};
use crate::store::StoreInner;

const READ_TOGETHER: usize = 16;

impl Table {
    pub fn log_versions(&self) -> Result<LogVersions> {
        guarded("log_versions", || {
            let listing = Listing::read(&self.store, &self.log()?);
            Ok(match listing {
                Ok(listing) => LogVersions {
                    outcome: ok(),
                    entries: listing.entry_ranges(),
                    checkpoint: listing.newest_checkpoint().map_or(-1, |v| v as i64),
                },
                Err(fault) => LogVersions {
                    outcome: fault.into(),
                    entries: Vec::new(),
                    checkpoint: -1,
                },
            })
        })
    }

    pub fn log_entries(&self, first: u64, next: u64) -> Result<LogEntries> {
        guarded("log_entries", || {
            let log = self.log()?;
            let entries = futures::stream::iter(first..next)
                .map(|version| read_entry(&self.store, &log, version))
                .buffered(READ_TOGETHER)
                .collect();
            Ok(LogEntries {
                entries: self.store.wait(entries),
            })
        })
    }
}

async fn read_entry(store: &StoreInner, log: &Path, version: Version) -> LogEntry {
    let mut entry = LogEntry {
        version,
        outcome: ok(),
        operation: String::new(),
        timestamp_ms: 0,
        parameters: Vec::new(),
        txns: Vec::new(),
        files_added: 0,
        files_removed: 0,
    };
    let path = log::entry_path(log, version);
    if let Err(fault) = fill(&mut entry, store, &path).await {
        entry.outcome = fault.while_doing(format!("log entry {path}")).into();
    }
    entry
}

/// Holds no more of the entry than one line and one part of the answer: entries of other programs
/// may name any number of files.
async fn fill(entry: &mut LogEntry, store: &StoreInner, path: &Path) -> Result<()> {
    let mut parts = store.data.get(path).await?.into_stream();
    let mut begun: Vec<u8> = Vec::new();
    while let Some(part) = parts.next().await {
        let part = part?;
        let mut lines = part.split(|&b| b == b'\n');
        // What follows the last line break is the beginning of a line.
        let rest = lines.next_back().unwrap_or_default();
        for line in lines {
            if begun.is_empty() {
                take_line(entry, line)?;
            } else {
                begun.extend_from_slice(line);
                take_line(entry, &begun)?;
                begun.clear();
            }
        }
        begun.extend_from_slice(rest);
    }
    take_line(entry, &begun)
}

fn take_line(entry: &mut LogEntry, line: &[u8]) -> Result<()> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let action: Value = serde_json::from_slice(line)
        .map_err(|e| Fault::new(Status::Corrupt, format!("not a JSON action: {e}")))?;
    let Some((kind, content)) = action.as_object().and_then(|action| action.iter().next()) else {
        return Err(Fault::new(Status::Corrupt, "a line is not an action"));
    };
    match kind.as_str() {
        "add" => entry.files_added += 1,
        "remove" => entry.files_removed += 1,
        "txn" => entry.txns.push(Txn {
            app_id: content["appId"].as_str().unwrap_or_default().to_owned(),
            version: content["version"].as_i64().unwrap_or_default(),
        }),
        "commitInfo" => {
            entry.operation = content["operation"].as_str().unwrap_or_default().to_owned();
            entry.timestamp_ms = content["timestamp"].as_i64().unwrap_or_default();
            entry.parameters = parameters(&content["operationParameters"]);
        }
        _ => {}
    }
    Ok(())
}

/// Those whose value is text.
fn parameters(all: &Value) -> Vec<KeyValue> {
    let Some(all) = all.as_object() else {
        return Vec::new();
    };
    all.iter()
        .filter_map(|(key, value)| {
            Some(KeyValue {
                key: key.clone(),
                value: value.as_str()?.to_owned(),
            })
        })
        .collect()
}

impl Listing {
    fn newest_checkpoint(&self) -> Option<Version> {
        self.checkpoints.keys().next_back().copied()
    }

    fn entry_ranges(&self) -> Vec<VersionRange> {
        let mut ranges: Vec<VersionRange> = Vec::new();
        for &version in &self.commits {
            match ranges.last_mut() {
                Some(range) if range.next == version => range.next += 1,
                _ => ranges.push(VersionRange {
                    first: version,
                    next: version + 1,
                }),
            }
        }
        ranges
    }
}
