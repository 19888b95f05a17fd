//! The one request that decides: put-if-absent of a log entry, never repeated, and whether it
//! left this process.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use delta_kernel::object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{
    self, ClientOptions, DynObjectStore, Extensions, PutMode, PutOptions,
};

use super::patience::PatientConnector;
use super::pulse::Pulse;
use crate::errors::{Fault, Result};
use crate::ffi::Status;

const HTTP_CONFLICT: u16 = 409;

/// What became of one put-if-absent.
#[derive(Debug)]
pub(crate) struct PutAnswer {
    /// False only when it is certain that no request left this process.
    pub(crate) sent: bool,
    /// The store refused because the object was there or was being created by somebody else.
    pub(crate) contended: bool,
    pub(crate) result: Result<()>,
}

/// A store client without retries.
#[derive(Debug)]
pub(crate) struct CommitStore {
    store: Arc<DynObjectStore>,
    /// Requests pass `TracedService`.
    traced: bool,
    /// 409 means that another conditional request was under way and nothing landed (S3).
    conflict_status_retryable: bool,
}

impl CommitStore {
    pub(crate) fn traced(store: Arc<DynObjectStore>) -> Self {
        Self {
            store,
            traced: true,
            conflict_status_retryable: false,
        }
    }

    /// For stores that are not reached by HTTP: every put counts as sent once it was tried.
    pub(crate) fn untraced(store: Arc<DynObjectStore>) -> Self {
        Self {
            store,
            traced: false,
            conflict_status_retryable: false,
        }
    }

    pub(crate) fn with_conflict_status_retryable(mut self) -> Self {
        self.conflict_status_retryable = true;
        self
    }

    /// Creates `path` when it is absent, with one request.
    pub(crate) async fn put_once(&self, path: &Path, bytes: Bytes) -> PutAnswer {
        let trace = Arc::new(Trace::default());
        let mut extensions = Extensions::new();
        extensions.insert(trace.clone());
        let options = PutOptions {
            mode: PutMode::Create,
            extensions,
            ..PutOptions::default()
        };
        match self.store.put_opts(path, bytes.into(), options).await {
            Ok(_) => PutAnswer {
                sent: true,
                contended: false,
                result: Ok(()),
            },
            Err(error) => PutAnswer {
                sent: self.was_sent(&trace, &error),
                contended: matches!(
                    error,
                    object_store::Error::AlreadyExists { .. }
                        | object_store::Error::Precondition { .. }
                ),
                result: Err(self.fault(&trace, error)),
            },
        }
    }

    fn was_sent(&self, trace: &Trace, error: &object_store::Error) -> bool {
        use object_store::Error as E;
        if self.traced {
            return trace.sent.load(Ordering::Acquire);
        }
        !matches!(
            error,
            E::NotImplemented { .. }
                | E::NotSupported { .. }
                | E::InvalidPath { .. }
                | E::UnknownConfigurationKey { .. }
        )
    }

    fn fault(&self, trace: &Trace, error: object_store::Error) -> Fault {
        let mut fault = Fault::from(error);
        let answer = trace.status.load(Ordering::Acquire);
        let refused_as_busy = self.conflict_status_retryable && answer == HTTP_CONFLICT;
        let unreadable_success = (200..300).contains(&answer);
        if refused_as_busy || unreadable_success {
            fault.status = Status::Transient;
        }
        fault
    }
}

/// Travels with a request through object_store and records what the HTTP client saw.
#[derive(Debug, Default)]
struct Trace {
    sent: AtomicBool,
    /// Of the answer; 0 = none came.
    status: AtomicU16,
}

pub(super) fn is_commit(request: &HttpRequest) -> bool {
    request.extensions().get::<Arc<Trace>>().is_some()
}

/// Of all clients of a store.
#[derive(Debug, Clone)]
pub(super) struct TracedConnector {
    pub(super) inner: PatientConnector,
    pub(super) pulse: Arc<Pulse>,
}

impl HttpConnector for TracedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.inner.connect(options)?;
        let pulse = self.pulse.clone();
        Ok(HttpClient::new(TracedService { client, pulse }))
    }
}

#[derive(Debug)]
struct TracedService {
    client: HttpClient,
    pulse: Arc<Pulse>,
}

#[async_trait]
impl HttpService for TracedService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let trace = request.extensions().get::<Arc<Trace>>().cloned();
        if let Some(trace) = &trace {
            trace.sent.store(true, Ordering::Release);
        }
        let waiting = self.pulse.request();
        let answer = self.client.execute(request).await;
        if answer.is_ok() {
            waiting.answered();
        }
        if let Some(trace) = &trace {
            match &answer {
                Ok(response) => trace
                    .status
                    .store(response.status().as_u16(), Ordering::Release),
                Err(error) if error.kind() == HttpErrorKind::Connect => {
                    trace.sent.store(false, Ordering::Release);
                }
                Err(_) => {}
            }
        }
        answer
    }
}
