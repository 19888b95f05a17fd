//! Schemas of values: loading them, and one trait for all languages.
//!
//! Checks of Avro and Protobuf walk the bytes and build no values: what a hostile payload can cost
//! is bounded by its own length, and its nesting by a limit.

mod avro;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod input;
mod json;
mod protobuf;
mod registry;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::Path;

use crate::errors::{guarded, Fault, Result};
use crate::ffi::{CheckResult, FormatChecks, SchemaDocument, SchemaProblem, Status, Verdict};
use input::Failure;
pub use registry::{open_registry, Registry};

const FILE_BYTES_MAX: u64 = 4 << 20;

/// Text of a schema that another one names.
#[derive(Debug, Clone)]
struct Reference {
    /// As the other schema names it: the path of an import, the name of a type, a `$ref`.
    name: String,
    text: String,
}

/// Why a value is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rejection {
    verdict: Verdict,
    message: String,
}

impl Rejection {
    fn refused(message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Refused,
            message: message.into(),
        }
    }
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self::refused(failure.to_string())
    }
}

/// A compiled schema, used by many threads at once.
trait Schema: Send + Sync {
    /// `value[begin..]` is the payload. Positions in messages are those in `value`.
    fn check(&self, value: &[u8], begin: usize) -> Result<(), Rejection>;
}

/// A schema that was read from files, or what is wrong with it. Owned by C++; any thread.
pub struct PayloadSchema {
    schema: Result<Box<dyn Schema>, Vec<SchemaProblem>>,
}

impl PayloadSchema {
    fn new<S: Schema + 'static>(made: Result<S, Vec<SchemaProblem>>) -> Box<Self> {
        Box::new(Self {
            schema: made.map(|schema| Box::new(schema) as Box<dyn Schema>),
        })
    }

    pub fn problems(&self) -> Result<Vec<SchemaProblem>> {
        guarded("PayloadSchema::problems", || {
            Ok(self.schema.as_ref().err().cloned().unwrap_or_default())
        })
    }

    pub fn check(&self, value: &[u8]) -> Result<CheckResult> {
        guarded("PayloadSchema::check", || match &self.schema {
            Ok(schema) => Ok(answer(schema.check(value, 0))),
            Err(_) => Err(Fault::contract("the schema has problems")),
        })
    }
}

pub fn compile_json_schema(
    file: &str,
    documents: &[SchemaDocument],
    formats: FormatChecks,
) -> Result<Box<PayloadSchema>> {
    guarded("compile_json_schema", || {
        Ok(PayloadSchema::new(json::compile(file, documents, formats)))
    })
}

pub fn load_avro(path: &str) -> Result<Box<PayloadSchema>> {
    guarded("load_avro", || {
        let made = avro::load(Path::new(path));
        Ok(PayloadSchema::new(made.map_err(|problem| vec![problem])))
    })
}

pub fn load_protobuf(path: &str, message: &str) -> Result<Box<PayloadSchema>> {
    guarded("load_protobuf", || {
        let made = protobuf::load(Path::new(path), message);
        Ok(PayloadSchema::new(made.map_err(|problem| vec![problem])))
    })
}

/// A schema as a registry keeps it. REQUIRES: what one reference needs of others comes before it.
fn compile(
    kind: &str,
    text: &str,
    references: &[Reference],
    formats: FormatChecks,
) -> Result<Box<dyn Schema>> {
    let text = without_mark(text);
    match kind {
        "AVRO" => Ok(Box::new(avro::compile(text, references)?)),
        "PROTOBUF" => Ok(Box::new(protobuf::compile_framed(text, references)?)),
        "JSON" => Ok(Box::new(json::compile_registered(
            text, references, formats,
        )?)),
        other => Err(Fault::new(
            Status::Unsupported,
            format!("schemas of type {other} are not supported (known: AVRO, PROTOBUF, JSON)"),
        )),
    }
}

fn answer(checked: Result<(), Rejection>) -> CheckResult {
    match checked {
        Ok(()) => CheckResult {
            verdict: Verdict::Accepted,
            schema_id: 0,
            message: String::new(),
        },
        Err(rejection) => CheckResult {
            verdict: rejection.verdict,
            schema_id: 0,
            message: rejection.message,
        },
    }
}

/// What is wrong with all of a file.
fn problem_of(path: &Path, message: impl Into<String>) -> SchemaProblem {
    SchemaProblem {
        file: file_name(path),
        place: String::new(),
        message: message.into(),
    }
}

fn not_json(file: &str, error: &serde_json::Error) -> SchemaProblem {
    let text = error.to_string();
    // serde_json appends the place to what it tells.
    let place = format!(" at line {} column {}", error.line(), error.column());
    SchemaProblem {
        file: file.to_owned(),
        place: format!("{}:{}", error.line(), error.column()),
        message: format!("not JSON: {}", text.strip_suffix(&place).unwrap_or(&text)),
    }
}

/// `file:line:column: message`, as far as these are known.
fn described(problem: &SchemaProblem) -> String {
    let SchemaProblem {
        file,
        place,
        message,
    } = problem;
    let separator = if file.is_empty() || place.is_empty() || place.starts_with('#') {
        ""
    } else {
        ":"
    };
    match format!("{file}{separator}{place}") {
        whole if whole.is_empty() => message.clone(),
        whole => format!("{whole}: {message}"),
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn read_text(path: &Path) -> Result<String, SchemaProblem> {
    let text = String::from_utf8(read(path)?).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        problem_of(path, format!("not valid UTF-8 at byte {position}"))
    })?;
    Ok(without_mark(&text).to_owned())
}

/// The text behind its byte order mark, which some editors put before it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn read(path: &Path) -> Result<Vec<u8>, SchemaProblem> {
    let unreadable = |error: io::Error| problem_of(path, format!("cannot be read: {error}"));
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > FILE_BYTES_MAX {
        let limit = format!("expected at most {FILE_BYTES_MAX}");
        return Err(problem_of(
            path,
            format!("{size} bytes are too many for a schema: {limit}"),
        ));
    }
    fs::read(path).map_err(unreadable)
}
