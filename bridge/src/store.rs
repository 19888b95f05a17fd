//! One object store under one base URI: its clients, its runtime, and the probe.

mod backend;
pub(crate) mod commit_put;
mod credentials;
mod patience;
mod pulse;
mod refusal;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tls;

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use delta_kernel::object_store::multipart::MultipartStore;
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{DynObjectStore, MultipartUpload, ObjectStoreExt};
use delta_kernel::parquet::basic::Compression;
use delta_kernel::Engine;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::DefaultEngineBuilder;
use tokio::runtime::Runtime;
use url::Url;
use uuid::Uuid;

use crate::data_file::compression::compression;
use crate::errors::{guarded, outcome, Fault, Result};
use crate::ffi::{Outcome, Status, StoreNotice, StoreOptions, StorePulse};
use crate::table::Table;
use backend::Backend;
use commit_put::{CommitStore, PutAnswer};
use credentials::Credentials;
use futures::future::join;
use pulse::Pulse;

const PROBE_DIRECTORY: &str = "_bronze_probe";
/// Threads exist while they are needed: what blocks in the runtime takes one and may need another,
/// so a low limit is a deadlock.
const BLOCKING_THREADS_MAX: usize = 512;
/// Log entries that a snapshot reads at the same time.
const READS_IN_FLIGHT_MAX: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// Owned by C++; tables and files keep what they need of it alive.
pub struct Store {
    inner: Arc<StoreInner>,
}

/// Shared by a store, its tables and their files; usable from any thread outside of `runtime`.
pub(crate) struct StoreInner {
    pub(crate) engine: Arc<dyn Engine>,
    /// With retries: everything but commits.
    pub(crate) data: Arc<DynObjectStore>,
    /// The same, for objects that go up in parts. None: the store has no parts by number.
    pub(crate) parts: Option<Arc<dyn MultipartStore>>,
    /// Without retries: commits and the probe.
    pub(crate) commits: CommitStore,
    pulse: Arc<Pulse>,
    credentials: Option<Credentials>,
    /// Ends with a slash.
    pub(crate) base: Url,
    pub(crate) engine_info: String,
    /// Of new data files.
    pub(crate) compression: Compression,
    /// Uploads of checkpoints that failed and could not be aborted.
    left_uploads: Mutex<Vec<Box<dyn MultipartUpload>>>,
    /// `Some` until dropped.
    runtime: Option<Runtime>,
}

pub fn open_store(options: &StoreOptions) -> Result<Box<Store>> {
    guarded("open_store", || {
        let backend = backend::open(options)?;
        let inner = StoreInner::new(backend, options)?;
        Ok(Box::new(Store {
            inner: Arc::new(inner),
        }))
    })
}

impl Store {
    pub fn probe_put_if_absent(&self) -> Result<Outcome> {
        guarded("probe_put_if_absent", || Ok(outcome(self.inner.probe())))
    }

    pub fn pulse(&self) -> StorePulse {
        let milliseconds = |time: Option<Duration>| match time {
            Some(time) => i64::try_from(time.as_millis()).unwrap_or(i64::MAX),
            None => -1,
        };
        StorePulse {
            unanswered_ms: milliseconds(self.inner.pulse.unanswered()),
            last_answer_ms: milliseconds(self.inner.pulse.last_answer()),
        }
    }

    pub fn take_notices(&self) -> Vec<StoreNotice> {
        let credentials = self.inner.credentials.as_ref();
        credentials.map_or_else(Vec::new, Credentials::take_notices)
    }

    pub fn table(&self, directory: &str) -> Result<Box<Table>> {
        guarded("table", || {
            Table::new(self.inner.clone(), directory).map(Box::new)
        })
    }
}

impl StoreInner {
    fn new(backend: Backend, options: &StoreOptions) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("bronze-bridge")
            .enable_all()
            .build()
            .map_err(|e| Fault::contract(format!("cannot start the runtime: {e}")))?;
        let executor = TokioMultiThreadExecutor::new(runtime.handle().clone());
        let engine = DefaultEngineBuilder::new(backend.data.clone())
            .with_buffer_size(READS_IN_FLIGHT_MAX)
            .with_task_executor(Arc::new(executor))
            .build();
        Ok(Self {
            engine: Arc::new(engine),
            data: backend.data,
            parts: backend.parts,
            commits: backend.commits,
            pulse: backend.pulse,
            credentials: backend.credentials,
            base: backend.base,
            engine_info: options.engine_info.clone(),
            compression: compression(options.codec, options.zstd_level)?,
            left_uploads: Mutex::default(),
            runtime: Some(runtime),
        })
    }

    pub(crate) fn leave_upload(&self, upload: Box<dyn MultipartUpload>) {
        self.left_uploads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(upload);
    }

    pub(crate) fn take_left_upload(&self) -> Option<Box<dyn MultipartUpload>> {
        self.left_uploads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    /// Runs `future` to its end; the calling thread waits.
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime
            .as_ref()
            .expect("the runtime lives as long as the store")
            .block_on(future)
    }

    /// Runs `future` beside the caller, to its end or that of the store.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime
            .as_ref()
            .expect("the runtime lives as long as the store")
            .spawn(future);
    }

    fn probe(&self) -> Result<()> {
        let directory = self.path(PROBE_DIRECTORY)?;
        let object = directory.join(Uuid::new_v4().to_string());
        let verdict = self.wait(self.race_two_creates(&object));
        // The verdict stands whether or not the object can be deleted.
        let _ = self.wait(self.data.delete(&object));
        if let Ok(directory) = self.base.join(PROBE_DIRECTORY) {
            if let Ok(local) = directory.to_file_path() {
                let _ = std::fs::remove_dir(local);
            }
        }
        verdict.map_err(|fault| fault.while_doing(format!("probe of {}", self.base)))
    }

    async fn race_two_creates(&self, object: &Path) -> Result<()> {
        const BODIES: [&[u8]; 2] = [b"first", b"second"];
        let put = |body: &'static [u8]| self.commits.put_once(object, Bytes::from_static(body));
        let (first, second) = join(put(BODIES[0]), put(BODIES[1])).await;
        let winner = match (first.result.is_ok(), second.result.is_ok()) {
            (true, true) => return Err(dishonest("two creates of one object both succeeded")),
            (true, false) => lost_by_rule(second).map(|()| BODIES[0])?,
            (false, true) => lost_by_rule(first).map(|()| BODIES[1])?,
            (false, false) => return Err(neither_won(first, second)),
        };
        let late = put(b"late").await;
        if late.result.is_ok() {
            return Err(dishonest("an existing object was created again"));
        }
        lost_by_rule(late)?;
        let kept = self.data.get(object).await?.bytes().await?;
        if kept != winner {
            return Err(dishonest(
                "the object holds the bytes of a create that failed",
            ));
        }
        Ok(())
    }

    /// The object path of `relative` under the base.
    fn path(&self, relative: &str) -> Result<Path> {
        let url = self
            .base
            .join(relative)
            .map_err(|e| Fault::contract(format!("{relative}: {e}")))?;
        object_path(&url)
    }
}

impl Drop for StoreInner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The object that `url` names in its store.
pub(crate) fn object_path(url: &Url) -> Result<Path> {
    Ok(Path::from_url_path(url.path())?)
}

fn dishonest(how: &str) -> Fault {
    Fault::new(
        Status::Unsupported,
        format!("the store does not honour put-if-absent: {how}"),
    )
}

/// Ok when a create failed because the other one won.
fn lost_by_rule(answer: PutAnswer) -> Result<()> {
    match answer.result {
        Err(fault) if !answer.contended => Err(fault),
        _ => Ok(()),
    }
}

/// Why two creates of one new object both failed.
fn neither_won(first: PutAnswer, second: PutAnswer) -> Fault {
    let mut faults: Vec<Fault> = [first.result, second.result]
        .into_iter()
        .filter_map(Result::err)
        .collect();
    match faults.iter().position(|f| f.status != Status::Conflict) {
        Some(telling) => faults.swap_remove(telling),
        None => dishonest("both creates of a new object were refused"),
    }
}
