//! A service that issues credentials, and how it is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use delta_kernel::object_store::aws::AwsCredential;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use url::{Position, Url};

use super::Fetched;
use crate::errors::{between, root_cause, Fault, Result};
use crate::ffi::Status;
use crate::store::tls::Trust;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Whether requests go through a proxy that the environment names.
#[derive(Clone, Copy)]
pub(super) enum Route {
    /// The service is on this machine or next to it.
    Direct,
    ByProxy,
}

pub(super) struct Service {
    client: reqwest::Client,
    url: Url,
    /// The one that names it.
    variable: &'static str,
    trust: Arc<Trust>,
}

impl Service {
    pub(super) fn new(
        url: &str,
        variable: &'static str,
        route: Route,
        trust: &Arc<Trust>,
    ) -> Result<Self> {
        let url = Url::parse(url)
            .map_err(|error| Fault::contract(format!("{variable}: {url}: {error}")))?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            // Requests are rare: a connection would be closed by the other side meanwhile.
            .pool_max_idle_per_host(0);
        if matches!(route, Route::Direct) {
            builder = builder.no_proxy();
        }
        builder = match url.scheme() {
            // Without any CA certificate on the machine no client could be made.
            "http" => builder.tls_certs_only([]),
            _ => trust.apply(builder)?,
        };
        let client = builder
            .build()
            .map_err(|error| Fault::contract(format!("no HTTP client: {}", root_cause(&error))))?;
        Ok(Self {
            client,
            url,
            variable,
            trust: trust.clone(),
        })
    }

    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.at(path))
    }

    pub(super) fn put(&self, path: &str) -> RequestBuilder {
        self.client.put(self.at(path))
    }

    pub(super) fn post(&self) -> RequestBuilder {
        self.client.post(self.url.clone())
    }

    fn at(&self, path: &str) -> String {
        match path {
            "" => self.url.to_string(),
            path => format!("{}{path}", self.url.as_str().trim_end_matches('/')),
        }
    }

    /// The body of a good answer.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<String> {
        let response = request.send().await.map_err(|e| self.unanswered(&e))?;
        let status = response.status();
        let body = body_of(response).await.map_err(|e| self.unanswered(&e))?;
        if status.is_success() {
            return Ok(body);
        }
        let reason = reason_in(&body).map_or_else(String::new, |reason| format!(": {reason}"));
        Err(Fault::new(
            status_of(status, &reason),
            format!("it answers {status}{reason}"),
        ))
    }

    /// The same, as credentials in the document that the services beside a machine give.
    pub(super) async fn document(&self, request: RequestBuilder) -> Result<Fetched> {
        let answer = self.answer(request).await?;
        let json: Value = serde_json::from_str(&answer).map_err(|_| unreadable("no JSON"))?;
        if let Some(code) = json["Code"].as_str().filter(|code| *code != "Success") {
            let message = json["Message"].as_str().unwrap_or_default();
            return Err(unreadable(format!("{code} {message}")));
        }
        credentials_of(&json, "Token").map_err(unreadable)
    }

    fn unanswered(&self, error: &reqwest::Error) -> Fault {
        let address = self.url.origin().ascii_serialization();
        if let Some(fault) = self.trust.refusal(error, &address, self.variable) {
            return fault;
        }
        let why = match error.is_timeout() {
            true => "timed out".to_owned(),
            false => root_cause(error),
        };
        Fault::new(Status::Transient, format!("it does not answer: {why}"))
    }
}

/// Without a query, which may hold a secret.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, path) = (
            self.url.origin().ascii_serialization(),
            &self.url[Position::BeforePath..Position::AfterPath],
        );
        write!(f, "{origin}{path} ({})", self.variable)
    }
}

/// An answer that makes no sense.
pub(super) fn unreadable(what: impl fmt::Display) -> Fault {
    Fault::new(
        Status::Denied,
        format!("it answers, but not with credentials: {what}"),
    )
}

/// `Expiration` may be absent: they hold for good.
pub(super) fn credentials_of(json: &Value, token: &str) -> Result<Fetched, String> {
    let text = |key: &str| json[key].as_str().filter(|text| !text.is_empty());
    let needed = |key: &str| text(key).ok_or_else(|| format!("no {key}"));
    Ok(Fetched {
        credential: AwsCredential {
            key_id: needed("AccessKeyId")?.to_owned(),
            secret_key: needed("SecretAccessKey")?.to_owned(),
            token: text(token).map(str::to_owned),
        },
        ends: text("Expiration").map(time).transpose()?,
    })
}

/// RFC 3339.
pub(super) fn time(text: &str) -> Result<chrono::DateTime<chrono::Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|error| format!("Expiration: {error}"))
}

async fn body_of(mut response: Response) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_BYTES_MAX {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// `code message` of an error, as JSON or XML has it.
fn reason_in(body: &str) -> Option<String> {
    let json = serde_json::from_str::<Value>(body).unwrap_or_default();
    let part = |key: &str| {
        let lower = key.to_lowercase();
        between(body, &format!("<{key}>"), &format!("</{key}>"))
            .or_else(|| json[key].as_str())
            .or_else(|| json[lower].as_str())
    };
    let (code, message) = (part("Code"), part("Message"));
    code.or(message)?;
    Some(
        [code, message]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// A service that answers and gives nothing has to be told otherwise by people.
fn status_of(status: StatusCode, reason: &str) -> Status {
    let may_pass = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
        || ["IDPCommunicationError", "Throttling"]
            .iter()
            .any(|code| reason.contains(code));
    if may_pass {
        Status::Transient
    } else {
        Status::Denied
    }
}
