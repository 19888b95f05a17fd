//! What an S3 store's refusals mean: which key, right, bucket or certificate is wrong, and what to
//! do. It stands between object_store and the HTTP client, where both the answer and the source of
//! the credentials are known.

use std::sync::Arc;

use async_trait::async_trait;
use delta_kernel::object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use delta_kernel::object_store::{self, ClientOptions};
use url::form_urlencoded;

use super::commit_put::TracedConnector;
use super::credentials::{Credentials, Renewal};
use super::tls::Trust;
use crate::errors::{between, Fault};
use crate::ffi::Status;

#[cfg(test)]
mod tests;

/// How one bucket is reached.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) bucket: String,
    pub(super) credentials: Credentials,
    pub(super) trust: Arc<Trust>,
}

/// Of all clients of an S3 store.
#[derive(Debug, Clone)]
pub(super) struct NamingConnector {
    pub(super) inner: TracedConnector,
    pub(super) access: Arc<Access>,
}

impl HttpConnector for NamingConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(NamingService {
            client: self.inner.connect(options)?,
            access: self.access.clone(),
        }))
    }
}

#[derive(Debug)]
struct NamingService {
    client: HttpClient,
    access: Arc<Access>,
}

#[async_trait]
impl HttpService for NamingService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = Asked::of(&request);
        let response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                let origin = &asked.origin;
                return Err(
                    match self.access.trust.refusal(&error, origin, "S3_ENDPOINT_URL") {
                        Some(fault) => HttpError::new(error.kind(), fault),
                        None => error,
                    },
                );
            }
        };
        if !matches!(response.status().as_u16(), 301 | 400 | 403 | 404) {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = body.bytes().await?;
        let answer = Answer::of(
            head.status.as_u16(),
            &String::from_utf8_lossy(&body),
            &asked,
        );
        match self.access.refusal(&asked, &answer).await {
            // Not to be sent again as it is: it would be signed with the same key.
            Some(fault) => Err(HttpError::new(HttpErrorKind::Unknown, fault)),
            None => Ok(HttpResponse::from_parts(head, body.into())),
        }
    }
}

/// What is remembered of a request.
struct Asked {
    method: String,
    /// `https://host:port`
    origin: String,
    path: String,
    query: Vec<(String, String)>,
    /// With which it was signed; empty: it was not.
    key_id: String,
    is_temporary: bool,
}

impl Asked {
    fn of(request: &HttpRequest) -> Self {
        let uri = request.uri();
        let query = uri.query().unwrap_or_default().as_bytes();
        let signature = request
            .headers()
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        Self {
            method: request.method().to_string(),
            origin: format!(
                "{}://{}",
                uri.scheme_str().unwrap_or_default(),
                uri.authority().map_or("", |authority| authority.as_str())
            ),
            path: uri.path().to_owned(),
            query: form_urlencoded::parse(query).into_owned().collect(),
            key_id: signature
                .and_then(|text| between(text, "Credential=", "/"))
                .unwrap_or_default()
                .to_owned(),
            is_temporary: request.headers().contains_key("x-amz-security-token"),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The right that it takes, and on what.
    fn right(&self, bucket: &str) -> String {
        let is_upload = self.parameter("uploadId").is_some();
        let right = match self.method.as_str() {
            "GET" if self.parameter("list-type").is_some() => {
                let prefix = self.parameter("prefix").unwrap_or_default();
                return format!("s3:ListBucket on {bucket} for the prefix {prefix}");
            }
            "GET" | "HEAD" => "s3:GetObject",
            "DELETE" if is_upload => "s3:AbortMultipartUpload",
            "DELETE" => "s3:DeleteObject",
            "POST" if self.parameter("delete").is_some() => "s3:DeleteObject",
            _ => "s3:PutObject",
        };
        let path = self.path.trim_start_matches('/');
        let key = path.strip_prefix(&format!("{bucket}/")).unwrap_or(path);
        format!("{right} on {bucket}/{key}")
    }
}

/// The code and message of an error.
struct Answer {
    code: String,
    message: String,
}

impl Answer {
    fn of(status: u16, body: &str, asked: &Asked) -> Self {
        let part = |open, close| between(body, open, close).unwrap_or_default().to_owned();
        let mut answer = Self {
            code: part("<Code>", "</Code>"),
            message: part("<Message>", "</Message>"),
        };
        // It has no body; nothing else is wrong with a request as small as that.
        if asked.method == "HEAD" && status == 400 && asked.is_temporary {
            answer.code = "ExpiredToken".to_owned();
        }
        answer
    }
}

impl Access {
    /// What has to be said about an answer, if it is about keys, rights, the bucket or the region.
    async fn refusal(&self, asked: &Asked, answer: &Answer) -> Option<Fault> {
        let Self {
            bucket,
            credentials,
            ..
        } = self;
        let Answer { code, message } = answer;
        if asked.key_id.is_empty() {
            return None;
        }
        let (status, text) = match code.as_str() {
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                return Some(self.ended(asked, code).await);
            }
            "InvalidAccessKeyId" | "InvalidClientTokenId" | "InvalidToken" | "InvalidTokenId" => {
                let what = format!("the store does not know the key of {credentials}");
                return Some(self.refused(asked, code, &what).await);
            }
            "SignatureDoesNotMatch" => {
                let what = format!("the secret key of {credentials} does not fit");
                return Some(self.refused(asked, code, &what).await);
            }
            "AccessDenied" => (
                Status::Denied,
                format!(
                    "the credentials of {credentials} do not allow it: grant {} ({message})",
                    asked.right(bucket)
                ),
            ),
            "NoSuchBucket" => (
                Status::Missing,
                format!(
                    "there is no bucket {bucket} at {}: create it, or correct DELTA_BASE_PATH or \
                     BRONZE_BUCKET",
                    asked.origin
                ),
            ),
            "AuthorizationHeaderMalformed" | "PermanentRedirect" => (
                Status::Denied,
                format!("check AWS_REGION and S3_ENDPOINT_URL ({message})"),
            ),
            _ => return None,
        };
        Some(Fault::new(status, format!("{code}: {text}")))
    }

    /// Temporary credentials are refused as too old.
    async fn ended(&self, asked: &Asked, code: &str) -> Fault {
        let credentials = &self.credentials;
        let (status, then) = match credentials.renew_refused(&asked.key_id).await {
            Renewal::Others => (Status::Transient, "new ones were fetched".to_owned()),
            Renewal::Unknown(fault) => (Status::Transient, fault.message),
            Renewal::Same if credentials.are_issued() => (
                Status::Transient,
                "no new ones are issued yet: compare the clocks of this machine and the store"
                    .to_owned(),
            ),
            Renewal::Same => (Status::Denied, credentials.source().repair().to_owned()),
        };
        let text = format!("{code}: the credentials of {credentials} have expired: {then}");
        Fault::new(status, text)
    }

    /// The keys do not hold, maybe not any more.
    async fn refused(&self, asked: &Asked, code: &str, what: &str) -> Fault {
        let credentials = &self.credentials;
        let renewal = match credentials.are_fresh(&asked.key_id) {
            true => Renewal::Same,
            false => credentials.renew_refused(&asked.key_id).await,
        };
        let (status, then) = match renewal {
            Renewal::Others => (Status::Transient, "there are new ones".to_owned()),
            Renewal::Unknown(fault) => (Status::Transient, fault.message),
            Renewal::Same => (Status::Denied, credentials.source().repair().to_owned()),
        };
        Fault::new(status, format!("{code}: {what}: {then}"))
    }
}
