//! How long a request may take. A large body that did not get through in time is given twice as
//! long at the next try, so that a slow link makes progress, until the link has shown to be fast.
//! Meanwhile the kernel gives up a connection on which nothing is acknowledged for 30 s (reqwest's
//! tcp_user_timeout). Commits are never given longer: others wait for the end of those that a
//! process may have left behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use delta_kernel::object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use delta_kernel::object_store::{self, ClientOptions};

use super::commit_put::is_commit;

/// What is smaller needs no more time, and tells nothing of the link.
const LARGE_BYTES: usize = 1 << 20;
/// A file that is larger goes up in parts.
const BODY_BYTES_MAX: usize = 16 << 20;
const DOUBLINGS_MAX: usize = 3;

/// Of clients that give a request `timeout` at first.
#[derive(Debug, Clone)]
pub(super) struct PatientConnector {
    pub(super) timeout: Duration,
}

impl HttpConnector for PatientConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(PatientService {
            client: ReqwestConnector::default().connect(options)?,
            patient: Default::default(),
            options: options.clone(),
            timeout: self.timeout,
            doublings: AtomicUsize::new(0),
        }))
    }
}

#[derive(Debug)]
struct PatientService {
    client: HttpClient,
    /// With one, two and three doublings of `timeout`; made when one is needed.
    patient: [OnceLock<HttpClient>; DOUBLINGS_MAX],
    options: ClientOptions,
    timeout: Duration,
    /// For large bodies, now.
    doublings: AtomicUsize,
}

impl PatientService {
    fn timeout(&self, doublings: usize) -> Duration {
        self.timeout * (1 << doublings)
    }

    fn client(&self, doublings: usize) -> &HttpClient {
        let Some(made) = doublings.checked_sub(1).map(|index| &self.patient[index]) else {
            return &self.client;
        };
        made.get_or_init(|| {
            let options = self.options.clone().with_timeout(self.timeout(doublings));
            let client = ReqwestConnector::default().connect(&options);
            client.unwrap_or_else(|_| self.client.clone())
        })
    }

    /// A body of so many bytes was under way for so long.
    fn learn(&self, doublings: usize, bytes: usize, took: Duration, error: Option<HttpErrorKind>) {
        let would_take_at_most = took.mul_f64(BODY_BYTES_MAX as f64 / bytes as f64);
        let next = match error {
            // A connection that cannot be made, or is dead, is given up sooner.
            Some(HttpErrorKind::Timeout) if took >= self.timeout(doublings) => {
                (doublings + 1).min(DOUBLINGS_MAX)
            }
            None if would_take_at_most < self.timeout => 0,
            _ => return,
        };
        // Of several at the same time one counts.
        let (before, after) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self
            .doublings
            .compare_exchange(doublings, next, before, after);
    }
}

#[async_trait]
impl HttpService for PatientService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let bytes = request.body().content_length();
        if bytes < LARGE_BYTES || is_commit(&request) {
            return self.client.execute(request).await;
        }
        let doublings = self.doublings.load(Ordering::Relaxed);
        let begun = Instant::now();
        let answer = self.client(doublings).execute(request).await;
        // A refusal may come before the body has gone through.
        if answer
            .as_ref()
            .map_or(true, |told| told.status().is_success())
        {
            let error = answer.as_ref().err().map(HttpError::kind);
            self.learn(doublings, bytes, begun.elapsed(), error);
        }
        answer
    }
}
