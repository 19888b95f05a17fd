//! What went wrong, as one `Status` and one line of text.
//!
//! The libraries wrap errors several layers deep, and some wrappers hide their cause from
//! `Error::source`. `classify` unwraps them and judges by type; text is read only where the
//! library keeps the type private (HTTP answers of object_store).

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};

use delta_kernel::arrow::error::ArrowError;
use delta_kernel::object_store;
use delta_kernel::object_store::client::HttpError;
use delta_kernel::parquet::errors::ParquetError;
use delta_kernel::KernelError;

use crate::ffi::{Outcome, Status};

#[cfg(test)]
mod tests;

const MESSAGE_BYTES_MAX: usize = 1_000;

/// A failed call: what the caller can do about it, and a message for people without secrets.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) status: Status,
    pub(crate) message: String,
}

pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

impl Fault {
    pub(crate) fn new(status: Status, message: impl AsRef<str>) -> Self {
        Self {
            status,
            message: redact(message.as_ref()),
        }
    }

    /// A broken contract of the caller.
    pub(crate) fn contract(message: impl AsRef<str>) -> Self {
        Self::new(Status::Failed, message)
    }

    /// The same fault, its message preceded by what was being done.
    pub(crate) fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// So that what lies below object_store can say what is wrong: see `told`.
impl Error for Fault {}

impl From<KernelError> for Fault {
    fn from(error: KernelError) -> Self {
        fault_of(&error, || with_root_cause(text_of(&error), &error))
    }
}

impl From<object_store::Error> for Fault {
    fn from(error: object_store::Error) -> Self {
        fault_of(&error, || with_root_cause(error.to_string(), &error))
    }
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        fault_of(&error, || error.to_string())
    }
}

impl From<ArrowError> for Fault {
    fn from(error: ArrowError) -> Self {
        fault_of(&error, || error.to_string())
    }
}

impl From<object_store::path::Error> for Fault {
    fn from(error: object_store::path::Error) -> Self {
        Self::new(Status::Failed, error.to_string())
    }
}

pub(crate) fn ok() -> Outcome {
    Outcome {
        status: Status::Ok,
        message: String::new(),
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self {
            status: fault.status,
            message: fault.message,
        }
    }
}

pub(crate) fn outcome(result: Result<()>) -> Outcome {
    result.map_or_else(Outcome::from, |()| ok())
}

/// Runs the body of one border function; a panic becomes an Err.
pub(crate) fn guarded<T>(what: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let cause = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Err(Fault::contract(format!("panic in {what}: {cause}")))
    })
}

/// What `error` means; without a Fault in it, `text` says so.
fn fault_of(error: &(dyn Error + 'static), text: impl FnOnce() -> String) -> Fault {
    match told(error) {
        Some(fault) => fault.clone(),
        None => Fault::new(classify(error), text()),
    }
}

/// What our own layers below object_store said: it went through the library like other errors.
fn told<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Fault> {
    chain(error).find_map(|link| link.downcast_ref::<Fault>())
}

/// The status of a Fault in the chain, otherwise of the outermost error of the chain that says
/// anything; `Failed` when none does.
pub(crate) fn classify(error: &(dyn Error + 'static)) -> Status {
    match told(error) {
        Some(fault) => fault.status,
        None => chain(error).find_map(judge).unwrap_or(Status::Failed),
    }
}

/// Whether any error of the chain is a failure of the Parquet decoder.
pub(crate) fn is_parquet(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|link| link.is::<ParquetError>())
}

/// Whether the kernel found no log at all.
pub(crate) fn is_empty_log(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|link| {
        matches!(
            link.downcast_ref::<KernelError>(),
            Some(KernelError::EmptyLog)
        )
    })
}

pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> + 'a {
    std::iter::successors(Some(error), |link| cause(*link))
}

/// Like `source`, but sees through the wrappers that do not name theirs.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(kernel) = error.downcast_ref::<KernelError>() {
        return match kernel {
            KernelError::Backtraced { source, .. } => Some(source.as_ref()),
            KernelError::Arrow(e) => Some(e),
            KernelError::Parquet(e) => Some(e),
            KernelError::ObjectStore(e) => Some(e),
            KernelError::IOError(e) => Some(e),
            KernelError::GenericError { source } => Some(source.as_ref()),
            other => other.source(),
        };
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return io.get_ref().map(|inner| inner as &(dyn Error + 'static));
    }
    match error.downcast_ref::<ArrowError>() {
        Some(ArrowError::IoError(_, io)) => Some(io),
        Some(ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
        _ => match error.downcast_ref::<ParquetError>() {
            Some(ParquetError::External(inner)) => Some(inner.as_ref()),
            _ => error.source(),
        },
    }
}

fn judge(error: &(dyn Error + 'static)) -> Option<Status> {
    if let Some(e) = error.downcast_ref::<KernelError>() {
        return judge_kernel(e);
    }
    if let Some(e) = error.downcast_ref::<object_store::Error>() {
        return judge_store(e);
    }
    if error.is::<HttpError>() {
        return Some(Status::Transient);
    }
    if let Some(e) = error.downcast_ref::<io::Error>() {
        return judge_io(e);
    }
    if let Some(e) = error.downcast_ref::<ArrowError>() {
        return match e {
            ArrowError::ExternalError(_) | ArrowError::IoError(..) => None,
            ArrowError::JsonError(_) | ArrowError::ParseError(_) => Some(Status::Corrupt),
            _ => None,
        };
    }
    if let Some(e) = error.downcast_ref::<ParquetError>() {
        return match e {
            ParquetError::External(_) => None,
            _ => Some(Status::Corrupt),
        };
    }
    http_answer(&error.to_string()).map(|(status, body)| judge_answer(status, body))
}

fn judge_kernel(error: &KernelError) -> Option<Status> {
    use KernelError as K;
    match error {
        K::FileNotFound(_) => Some(Status::Missing),
        K::FileAlreadyExists(_) => Some(Status::Conflict),
        K::Unsupported(_) | K::InvalidColumnMappingMode(_) => Some(Status::Unsupported),
        K::MalformedJson(_)
        | K::MissingMetadata
        | K::MissingProtocol
        | K::MissingMetadataAndProtocol
        | K::InvalidProtocol(_)
        | K::InvalidCheckpoint(_)
        | K::InvalidLogSegment(_)
        | K::InvalidLogPath(_)
        | K::MissingVersion(_)
        | K::EmptyLog
        | K::Utf8Error(_)
        | K::ParseError(..) => Some(Status::Corrupt),
        _ => None,
    }
}

fn judge_store(error: &object_store::Error) -> Option<Status> {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => Some(Status::Missing),
        E::AlreadyExists { .. } | E::Precondition { .. } => Some(Status::Conflict),
        // Our clock is wrong; it may be set right, and nobody's rights have changed.
        E::PermissionDenied { source, .. }
            if source.to_string().contains("RequestTimeTooSkewed") =>
        {
            Some(Status::Transient)
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => Some(Status::Denied),
        E::NotImplemented { .. } | E::NotSupported { .. } => Some(Status::Unsupported),
        _ => None,
    }
}

fn judge_io(error: &io::Error) -> Option<Status> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => Some(Status::Missing),
        Kind::AlreadyExists => Some(Status::Conflict),
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Some(Status::Denied),
        Kind::StorageFull
        | Kind::QuotaExceeded
        | Kind::OutOfMemory
        | Kind::TimedOut
        | Kind::Interrupted
        | Kind::WouldBlock
        | Kind::ResourceBusy
        | Kind::StaleNetworkFileHandle
        | Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::NotConnected
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::BrokenPipe
        | Kind::UnexpectedEof => Some(Status::Transient),
        _ => match error.raw_os_error() {
            // EIO, ENFILE, EMFILE: no stable ErrorKind names them.
            Some(5 | 23 | 24) => Some(Status::Transient),
            _ => None,
        },
    }
}

/// Status code and body of object_store's private `RequestError`, which only its text shows.
fn http_answer(text: &str) -> Option<(u16, &str)> {
    if let Some(rest) = text.strip_prefix("Server returned non-2xx status code: ") {
        let code = rest.get(..3)?.parse().ok()?;
        return Some((code, rest));
    }
    text.strip_prefix("Server returned error response: ")
        .map(|body| (503, body))
}

fn judge_answer(code: u16, body: &str) -> Status {
    match code {
        401 | 403 => Status::Denied,
        404 => Status::Missing,
        409 | 412 => Status::Conflict,
        408 | 425 | 429 => Status::Transient,
        501 => Status::Unsupported,
        500..=599 => Status::Transient,
        400 => judge_bad_request(body),
        _ => Status::Failed,
    }
}

/// S3 and STS answer 400 for credentials that are expired or malformed and for broken-off uploads.
fn judge_bad_request(body: &str) -> Status {
    const DENIED: [&str; 7] = [
        "ExpiredToken",
        "InvalidToken",
        "InvalidAccessKeyId",
        "TokenRefreshRequired",
        "InvalidIdentityToken",
        "AuthorizationHeaderMalformed",
        "InvalidClientTokenId",
    ];
    const TRANSIENT: [&str; 4] = [
        "RequestTimeout",
        "IncompleteBody",
        "BadDigest",
        "IDPCommunicationError",
    ];
    let code = between(body, "<Code>", "</Code>").unwrap_or(body);
    if DENIED.iter().any(|name| code.contains(name)) {
        Status::Denied
    } else if TRANSIENT.iter().any(|name| code.contains(name)) {
        Status::Transient
    } else {
        Status::Failed
    }
}

/// The kernel appends a backtrace to some of its errors; people get the error only.
fn text_of(error: &KernelError) -> String {
    match error {
        KernelError::Backtraced { source, .. } => text_of(source),
        other => other.to_string(),
    }
}

/// `text`, and why a request could not be sent (name not known, connection refused, certificate not
/// trusted), which the text of a transport error leaves out.
fn with_root_cause(text: String, error: &(dyn Error + 'static)) -> String {
    if !chain(error).any(|link| link.is::<HttpError>()) {
        return text;
    }
    let root = root_cause(error);
    if root.is_empty() || text.contains(&root) {
        return text;
    }
    format!("{text}: {root}")
}

pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// One line without the query strings and user names of URLs and without the XML of a store's
/// answer (it may repeat what was signed); its code and message stay.
fn redact(text: &str) -> String {
    let mut line = without_url_secrets(&without_xml(text))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if line.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX)
            .rev()
            .find(|&i| line.is_char_boundary(i))
            .unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

fn without_xml(text: &str) -> String {
    let Some(start) = text.find("<?xml").or_else(|| text.find("<Error")) else {
        return text.to_owned();
    };
    let (head, xml) = text.split_at(start);
    let code = between(xml, "<Code>", "</Code>").unwrap_or("unknown answer");
    let message = between(xml, "<Message>", "</Message>").unwrap_or("");
    format!("{head}{code} {message}")
}

fn without_url_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (head, tail) = rest.split_at(scheme + "://".len());
        clean.push_str(head);
        let end = tail
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '>' | '<' | '`'))
            .unwrap_or(tail.len());
        let (url, after) = tail.split_at(end);
        let url = url.split(['?', '#']).next().unwrap_or_default();
        let authority = url.find('/').unwrap_or(url.len());
        let host = url[..authority].rfind('@').map_or(0, |at| at + 1);
        clean.push_str(&url[host..]);
        rest = after;
    }
    clean.push_str(rest);
    clean
}

pub(crate) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let start = text.find(open)? + open.len();
    let end = text[start..].find(close)? + start;
    Some(&text[start..end])
}
