//! One commit: the kernel composes the log entry, our own committer puts it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use delta_kernel::committer::{CommitMetadata, CommitResponse, Committer, PublishMetadata};
use delta_kernel::engine::arrow_utils::to_json_bytes;
use delta_kernel::transaction::{CommitResult, UpdateTableOperation};
use delta_kernel::{
    Engine, FileMeta, FilteredEngineData, KernelError, KernelResult, KernelResultIterator,
    SnapshotRef,
};

use super::follow::EntryDigest;
use super::{Cached, Table, TxnMap};
use crate::data_file::FileSet;
use crate::errors::{ok, Fault, Result};
use crate::ffi::{CommitRequest, PutResult, Status, Txn};
use crate::store::commit_put::PutAnswer;
use crate::store::{object_path, StoreInner};

/// Puts the entry with one request and keeps the raw answer: the kernel's reading of it is not
/// enough to tell "refused" from "unknown".
struct RecordingCommitter {
    store: Arc<StoreInner>,
    put: Arc<Mutex<Option<RecordedPut>>>,
}

struct RecordedPut {
    answer: PutAnswer,
    entry: EntryDigest,
}

impl Committer for RecordingCommitter {
    fn commit(
        &self,
        _engine: &dyn Engine,
        actions: KernelResultIterator<'_, FilteredEngineData>,
        metadata: CommitMetadata,
    ) -> KernelResult<CommitResponse> {
        let location = metadata.published_commit_path()?;
        let entry = Bytes::from(to_json_bytes(actions)?);
        let size = entry.len() as u64;
        let digest = EntryDigest::of(&entry);
        let path = object_path(&location).map_err(KernelError::generic)?;
        let answer = self.store.wait(self.store.commits.put_once(&path, entry));
        let response = match &answer.result {
            Ok(()) => Ok(CommitResponse::Committed {
                file_meta: FileMeta::new(location, metadata.in_commit_timestamp(), size),
            }),
            Err(fault) if matches!(fault.status, Status::Conflict) => {
                Ok(CommitResponse::Conflict {
                    version: metadata.version(),
                })
            }
            Err(fault) => Err(KernelError::generic(fault)),
        };
        *self.put.lock().unwrap_or_else(PoisonError::into_inner) = Some(RecordedPut {
            answer,
            entry: digest,
        });
        response
    }

    fn is_catalog_committer(&self) -> bool {
        false
    }

    fn publish(&self, _engine: &dyn Engine, _metadata: PublishMetadata) -> KernelResult<()> {
        Ok(())
    }
}

impl Table {
    pub(super) fn put_commit(&self, request: &CommitRequest, files: &FileSet) -> Result<PutResult> {
        let before = self.cached_now();
        let snapshot = self.loaded(&before)?;
        let version = snapshot.version() + 1;
        let put = Arc::new(Mutex::new(None));
        let committed = self.commit(snapshot.clone(), request, files, put.clone());
        let put = put.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (sent, result) = match (put, committed) {
            (None, Err(error)) => (false, Err(Fault::from(error))),
            (None, Ok(_)) => (false, Err(Fault::contract("the kernel did not commit"))),
            (Some(put), committed) if put.answer.result.is_ok() => (
                true,
                self.adopt_commit(&before, &request.txns, put.entry, committed),
            ),
            (Some(put), _) => (put.answer.sent, put.answer.result),
        };
        Ok(PutResult {
            outcome: match result {
                Ok(()) => ok(),
                Err(fault) => fault
                    .while_doing(format!("put of version {version} of {}", self.root))
                    .into(),
            },
            version,
            sent,
        })
    }

    fn commit(
        &self,
        snapshot: SnapshotRef,
        request: &CommitRequest,
        files: &FileSet,
        put: Arc<Mutex<Option<RecordedPut>>>,
    ) -> KernelResult<CommitResult> {
        let engine = self.store.engine.as_ref();
        let has_files = !files.is_empty();
        let mut builder = snapshot
            .update_table(
                UpdateTableOperation::StreamingUpdate,
                self.store.engine_info.as_str(),
                has_files,
            )
            .with_operation_parameters(
                request
                    .parameters
                    .iter()
                    .map(|p| (p.key.as_str(), Some(p.value.as_str()))),
            );
        if has_files {
            builder = builder.with_blind_append();
        }
        let committer = RecordingCommitter {
            store: self.store.clone(),
            put,
        };
        let mut transaction = builder.build(engine, Box::new(committer))?;
        for txn in &request.txns {
            transaction = transaction.with_transaction_id(txn.app_id.clone(), txn.version);
        }
        for add in files.add_actions() {
            transaction.add_files(add);
        }
        transaction.commit(engine)
    }

    /// Makes the version that our acknowledged PUT wrote the cached one, whatever the kernel made
    /// of it. Transient: the version is there, but could not be read back, or others have followed
    /// it, whose txns the caller has not seen.
    pub(super) fn adopt_commit(
        &self,
        before: &Cached,
        txns: &[Txn],
        entry: EntryDigest,
        committed: KernelResult<CommitResult>,
    ) -> Result<()> {
        let next = match committed {
            Ok(CommitResult::Committed(done)) => done.post_commit_snapshot().cloned(),
            _ => None,
        };
        let Some(next) = next else {
            return self.read_back(before);
        };
        self.advance(
            before,
            Cached {
                snapshot: Some(next),
                txns: before.txns.clone().map(|map| advanced(map, txns)),
                last_entry: Some(entry),
            },
        );
        Ok(())
    }

    /// Finds the version after `before` in the store, where an acknowledged PUT wrote it.
    fn read_back(&self, before: &Cached) -> Result<()> {
        let written = self.loaded(before)?.version() + 1;
        self.reload()
            .and_then(|()| match self.snapshot()?.version() {
                version if version == written => Ok(()),
                version => Err(Fault::contract(format!(
                    "the log ends at version {version}"
                ))),
            })
            .map_err(|fault| Fault {
                status: Status::Transient,
                ..fault.while_doing("the entry was written, but reading it back failed")
            })
    }
}

/// The map of the next version, when only `txns` were committed.
fn advanced(known: Arc<TxnMap>, txns: &[Txn]) -> Arc<TxnMap> {
    let mut map = Arc::unwrap_or_clone(known);
    for txn in txns {
        map.insert(txn.app_id.clone(), txn.version);
    }
    Arc::new(map)
}
