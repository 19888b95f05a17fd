//! JSON Schema: a schema of a folder of documents, compiled, and values checked against it.
//!
//! References resolve to the other documents of the folder, by file name relative to it or by
//! `$id`, and to the meta-schemas that the library carries; nothing is fetched.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Retrieve, Uri, ValidationError};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{described, not_json, problem_of, Reference, Rejection};
use crate::errors::{Fault, Result};
use crate::ffi::{FormatChecks, SchemaDocument, SchemaProblem, Status, Verdict};
use work::CountedJson;

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
mod work;

/// Where the folder is, as far as references can tell.
const FOLDER_URI: &str = "file:///schemas/";
/// What registries, too, take a schema for that does not say.
const REGISTERED_DRAFT: &str = "http://json-schema.org/draft-07/schema#";
/// Some editors put it before a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// The depth that every check of a value allows.
const DEPTH_MAX: usize = 1024;
/// What serde_json reads on any stack.
const DEPTH_ON_ANY_STACK: usize = 127;
/// Ample for DEPTH_MAX levels of a value under a schema that refers to itself.
const DEEP_STACK_BYTES: usize = 64 << 20;
/// How many errors of a value, and how many of a schema, are told.
const ERRORS_OF_VALUE_MAX: usize = 3;
const ERRORS_OF_SCHEMA_MAX: usize = 10;
/// How much of a value, or of anything as long as somebody else made it, a message shows.
const EXCERPT_BYTES_MAX: usize = 200;
/// Of a larger value only the first error is looked for: one for each of its elements would cost
/// many times its size.
const VALUE_BYTES_WITH_ALL_ERRORS: usize = 64 << 10;
/// Of a larger value the parts are counted before any is made, since each takes some hundred bytes
/// of memory that no budget knows.
const VALUE_BYTES_WITHOUT_COUNT: usize = 64 << 10;
const PARTS_MAX: usize = 50_000;
/// Steps back that one match of a regular expression with lookaround or references to groups may
/// take, by how many bytes the longest string of a value has. A step may pass over all of them, and
/// no match can be interrupted: together they take a second or two at most.
const STEPS_BACK_MAX: [(usize, usize); 3] =
    [(16 << 10, 100_000), (256 << 10, 5_000), (usize::MAX, 100)];

type Validator = jsonschema::Validator<CountedJson>;
type ValidationOptions<'a> = jsonschema::ValidationOptions<'a, Arc<dyn Retrieve>, CountedJson>;

/// A compiled schema.
pub(super) struct JsonSchema {
    /// Of its document.
    name: String,
    /// For values whose longest string has at most so many bytes, the smallest first.
    validators: Vec<(usize, Validator)>,
}

impl super::Schema for JsonSchema {
    fn check(&self, value: &[u8], begin: usize) -> Result<(), Rejection> {
        let text = &value[begin..];
        if text.len() > VALUE_BYTES_WITHOUT_COUNT
            && parts(text) > PARTS_MAX
            && too_deep_at(text, DEPTH_MAX).is_none()
        {
            return Err(Rejection::refused(format!(
                "the value has more than {PARTS_MAX} members and elements, which is more than is \
                 checked against a schema"
            )));
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(instance) => self.judge(&instance, text),
            Err(error) => match std::str::from_utf8(text) {
                Ok(_) => self.judge_unusual(value, begin, &error),
                Err(error) => Err(Rejection {
                    verdict: Verdict::NotText,
                    message: format!(
                        "the value is not valid UTF-8 at byte {}",
                        begin + error.valid_up_to()
                    ),
                }),
            },
        }
    }
}

/// The schema in `documents` whose name is `file`.
pub(super) fn compile(
    file: &str,
    documents: &[SchemaDocument],
    formats: FormatChecks,
) -> Result<JsonSchema, Vec<SchemaProblem>> {
    let documents = documents
        .iter()
        .map(|source| Document::new(&source.name, uri_of(&source.name), &source.text))
        .collect();
    let folder = Folder::new(documents, "file of the folder of schemas");
    compile_in(&folder, file, formats)
}

/// A schema as a registry keeps it: without `$schema` it is of draft 7, and what it refers to is
/// found by the names of the references, as they resolve against its own `$id`.
pub(super) fn compile_registered(
    text: &str,
    references: &[Reference],
    formats: FormatChecks,
) -> Result<JsonSchema> {
    const ROOT: &str = "";
    let document = |name: &str, uri, text: &str| {
        let mut document = Document::new(name, uri, text.as_bytes());
        if let Ok(Value::Object(members)) = &mut document.content {
            members
                .entry("$schema")
                .or_insert_with(|| REGISTERED_DRAFT.into());
        }
        document
    };
    let root = document(ROOT, uri_of(ROOT), text);
    let base = Url::parse(FOLDER_URI).expect("a URI");
    let base = root.id().and_then(|id| base.join(id).ok()).unwrap_or(base);
    let mut documents = vec![root];
    documents.extend(references.iter().map(|reference| {
        let uri = base
            .join(&reference.name)
            .map_or_else(|_| uri_of(&reference.name), Into::into);
        document(&reference.name, uri, &reference.text)
    }));
    let folder = Folder::new(documents, "reference of the schema");
    compile_in(&folder, ROOT, formats).map_err(|problems| {
        let told: Vec<_> = problems.iter().map(described).collect();
        Fault::new(Status::Corrupt, told.join("; "))
    })
}

fn compile_in(
    folder: &Folder,
    name: &str,
    formats: FormatChecks,
) -> Result<JsonSchema, Vec<SchemaProblem>> {
    let Some(root) = folder.0.documents.iter().find(|d| d.name == name) else {
        return Err(vec![problem_of(Path::new(name), "there is no such file")]);
    };
    let schema = match &root.content {
        Ok(schema) => schema,
        Err(problem) => return Err(vec![problem.clone()]),
    };
    let mut problems = against_meta_schema(name, schema);
    if !problems.is_empty() {
        return Err(problems);
    }
    let options = options(formats)
        .with_base_uri(root.uri.clone())
        .with_retriever(folder.clone());
    let compiled = validators(schema, &options);
    problems.extend(folder.faults_of_referenced());
    match compiled {
        _ if !problems.is_empty() => Err(problems),
        Ok(validators) => Ok(JsonSchema {
            name: name.to_owned(),
            validators,
        }),
        Err(error) => Err(vec![problem(name, &error)]),
    }
}

fn options<'a>(formats: FormatChecks) -> ValidationOptions<'a> {
    jsonschema::options_for()
        .should_validate_formats(formats == FormatChecks::Check)
        .should_ignore_unknown_formats(true)
}

/// As `JsonSchema` has them.
fn validators(
    schema: &Value,
    options: &ValidationOptions<'_>,
) -> Result<Vec<(usize, Validator)>, ValidationError<'static>> {
    let linear = options
        .clone()
        .with_pattern_options(PatternOptions::regex());
    if let Ok(validator) = linear.build(schema) {
        return Ok(vec![(usize::MAX, validator)]);
    }
    let limited = STEPS_BACK_MAX.iter().map(|&(bytes, steps)| {
        let patterns = PatternOptions::fancy_regex().backtrack_limit(steps);
        let validator = options
            .clone()
            .with_pattern_options(patterns)
            .build(schema)?;
        Ok((bytes, validator))
    });
    limited.collect()
}

impl JsonSchema {
    fn judge(&self, instance: &Value, text: &[u8]) -> Result<(), Rejection> {
        let validator = self.validator_for(text);
        let check = || validator.is_valid(instance);
        let Some(valid) = work::limited(work::OF_A_CHECK, check) else {
            return Err(Rejection::refused(
                "checking the value takes too long: the schema refers to itself in a way that \
                 multiplies with the depth of a value, or has regular expressions that step back \
                 very often",
            ));
        };
        if valid {
            return Ok(());
        }
        let all = || validator.iter_errors(instance).collect();
        let first = || validator.validate(instance).err().into_iter().collect();
        let errors: Option<Vec<_>> = (text.len() <= VALUE_BYTES_WITH_ALL_ERRORS)
            .then(|| work::limited(work::OF_ITS_ERRORS, all))
            .flatten()
            .or_else(|| work::limited(work::OF_ITS_ERRORS, first));
        let Some(errors) = errors else {
            return Err(Rejection::refused(
                "the value does not fit the schema, and to find out where takes too long",
            ));
        };
        let shown = errors.iter().take(ERRORS_OF_VALUE_MAX);
        let mut told: Vec<_> = shown.map(|error| text_of(error, &self.name)).collect();
        if errors.len() > told.len() {
            told.push(format!("and {} more", errors.len() - told.len()));
        }
        Err(Rejection::refused(told.join("; ")))
    }

    fn validator_for(&self, text: &[u8]) -> &Validator {
        let mut validators = self.validators.iter();
        let fits = |&&(bytes, _): &&(usize, Validator)| {
            text.len() <= bytes || bytes == usize::MAX || longest_string(text) <= bytes
        };
        let (_, validator) = validators.find(fits).expect("the last one is for any");
        validator
    }

    /// What serde_json does not read with its own limits.
    fn judge_unusual(
        &self,
        value: &[u8],
        begin: usize,
        error: &serde_json::Error,
    ) -> Result<(), Rejection> {
        if let Some(at) = too_deep_at(&value[begin..], DEPTH_MAX) {
            return Err(Rejection {
                verdict: Verdict::NotJson,
                message: format!(
                    "the value is nested deeper than {DEPTH_MAX} levels at byte {}",
                    begin + at
                ),
            });
        }
        if too_deep_at(&value[begin..], DEPTH_ON_ANY_STACK).is_some() {
            return self.judge_deep(value, begin);
        }
        Err(unreadable(value, begin, error))
    }

    /// `judge` on a stack that is large enough whichever thread asks.
    fn judge_deep(&self, value: &[u8], begin: usize) -> Result<(), Rejection> {
        let text = &value[begin..];
        let judge_all = || {
            let mut deserializer = serde_json::Deserializer::from_slice(text);
            deserializer.disable_recursion_limit();
            match Value::deserialize(&mut deserializer).and_then(|v| deserializer.end().map(|()| v))
            {
                Ok(instance) => self.judge(&instance, text),
                Err(error) => Err(unreadable(value, begin, &error)),
            }
        };
        thread::scope(|scope| {
            let deep = thread::Builder::new().stack_size(DEEP_STACK_BYTES);
            let failed = |why: String| Err(Rejection::refused(format!("the check failed: {why}")));
            match deep.spawn_scoped(scope, judge_all) {
                Ok(judging) => judging
                    .join()
                    .unwrap_or_else(|_| failed("panic at a deep value".to_owned())),
                Err(error) => failed(format!("no thread for a deep value: {error}")),
            }
        })
    }
}

/// No JSON, or well-formed JSON that has no meaning here: a number beyond a double.
fn unreadable(value: &[u8], begin: usize, error: &serde_json::Error) -> Rejection {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    let read = &value[begin..end_of_reading(value, begin, error)];
    let of_number = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let (verdict, last) = match what {
        "number out of range" => {
            let digits = read.iter().rev().take_while(of_number).count();
            (Verdict::Refused, digits)
        }
        _ => (Verdict::NotJson, usize::from(!error.is_eof())),
    };
    let at = begin + read.len().saturating_sub(last);
    Rejection {
        verdict,
        message: format!("the value cannot be read as JSON at byte {at}: {what}"),
    }
}

/// Behind the last byte that was looked at.
fn end_of_reading(value: &[u8], begin: usize, error: &serde_json::Error) -> usize {
    let lines = value[begin..].split_inclusive(|&byte| byte == b'\n');
    let before = lines.take(error.line().saturating_sub(1));
    let before: usize = before.map(<[u8]>::len).sum();
    value.len().min(begin + before + error.column())
}

/// How many members of objects and elements of arrays, at most. Of any bytes.
fn parts(value: &[u8]) -> usize {
    let mut parts = 1;
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b'[' | b'{' => parts += 1,
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    parts
}

/// The longest string or name, escapes as they are written. Of any bytes.
fn longest_string(value: &[u8]) -> usize {
    let mut longest = 0;
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'"' {
            let left = bytes.len();
            skip_string(&mut bytes);
            longest = longest.max(left - bytes.len());
        }
    }
    longest
}

/// Where an array or object opens in more than `limit` others. Of any bytes.
fn too_deep_at(value: &[u8], limit: usize) -> Option<usize> {
    let mut open = 0_usize;
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' if open == limit => return Some(value.len() - bytes.len() - 1),
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    None
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// Where in the value, what is wrong, and by which keyword of which document. `root` is the name of
/// the schema's own.
fn text_of(error: &ValidationError<'_>, root: &str) -> String {
    let pointer = error.instance_path().as_str();
    let place = if pointer.is_empty() {
        "the value".to_owned()
    } else {
        excerpt(pointer)
    };
    let keyword = error.absolute_keyword_location().map_or_else(
        || format!("{root}#{}", error.evaluation_path()),
        |uri| shown(uri.as_str()).to_owned(),
    );
    let what = error.masked_with(excerpt_of(error.instance())).to_string();
    format!("{place}: {} ({})", excerpt(&what), excerpt(&keyword))
}

/// The text, or its beginning and a sign that there was more.
fn excerpt(text: &str) -> String {
    if text.len() <= EXCERPT_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=EXCERPT_BYTES_MAX)
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}

/// `value` as JSON text as far as it is shown: of a large one, only the beginning is made.
fn excerpt_of(value: &Value) -> String {
    /// Refuses what is more than an excerpt.
    struct Bounded(Vec<u8>);

    impl io::Write for Bounded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() > EXCERPT_BYTES_MAX {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let room = EXCERPT_BYTES_MAX + 1 - self.0.len();
            self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut text = Bounded(Vec::new());
    // Not all of it was wanted.
    let _ = serde_json::to_writer(&mut text, value);
    excerpt(&String::from_utf8_lossy(&text.0))
}

fn uri_of(name: &str) -> String {
    let mut uri = Url::parse(FOLDER_URI).expect("a URI");
    uri.path_segments_mut()
        .expect("a hierarchical URI")
        .pop_if_empty()
        .push(name);
    uri.into()
}

/// A URI for people: a document of the folder by its name.
fn shown(uri: &str) -> &str {
    uri.strip_prefix(FOLDER_URI).unwrap_or(uri)
}

fn against_meta_schema(file: &str, schema: &Value) -> Vec<SchemaProblem> {
    // Of an unknown $schema the compiler tells more.
    let Ok(meta) = jsonschema::meta::validator_for(schema) else {
        return Vec::new();
    };
    meta.iter_errors(schema)
        .take(ERRORS_OF_SCHEMA_MAX)
        .map(|error| problem(file, &error))
        .collect()
}

fn problem(file: &str, error: &ValidationError<'_>) -> SchemaProblem {
    let message = match error.kind() {
        ValidationErrorKind::Referencing(error) => without_prefix(&causes(error)),
        _ => error.masked_with(excerpt_of(error.instance())).to_string(),
    };
    SchemaProblem {
        file: file.to_owned(),
        place: format!("#{}", excerpt(error.instance_path().as_str())),
        message: excerpt(&message),
    }
}

/// The error and what caused it, as far as it does not say so itself.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let told = inner.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = inner.source();
    }
    text
}

fn without_prefix(text: &str) -> String {
    text.replace(FOLDER_URI, "")
}

/// A document, or why it is none.
struct Document {
    name: String,
    uri: String,
    content: Result<Value, SchemaProblem>,
}

impl Document {
    fn new(name: &str, uri: String, text: &[u8]) -> Self {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let content = serde_json::from_slice(text).map_err(|error| not_json(name, &error));
        Self {
            name: name.to_owned(),
            uri,
            content,
        }
    }

    /// The URI that it gives itself.
    fn id(&self) -> Option<&str> {
        let content = self.content.as_ref().ok()?;
        let text = |keyword| content.get(keyword).and_then(Value::as_str);
        let id = text("$id").or_else(|| text("id"))?;
        Some(id.trim_end_matches('#'))
    }

    fn is_at(&self, uri: &str) -> bool {
        self.uri == uri || self.id() == Some(uri)
    }
}

/// Gives the compiler the documents that a schema refers to, and remembers which.
#[derive(Clone)]
struct Folder(Arc<FolderContent>);

struct FolderContent {
    documents: Vec<Document>,
    /// What a document is, for messages.
    kind: &'static str,
    referenced: Mutex<BTreeSet<usize>>,
}

impl Folder {
    fn new(documents: Vec<Document>, kind: &'static str) -> Self {
        Self(Arc::new(FolderContent {
            documents,
            kind,
            referenced: Mutex::default(),
        }))
    }

    /// The compiler checks a document that is referred to less strictly than the schema itself.
    fn faults_of_referenced(&self) -> Vec<SchemaProblem> {
        let referenced = self.0.referenced.lock();
        referenced
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|&index| &self.0.documents[index])
            .flat_map(|document| match &document.content {
                Ok(content) => against_meta_schema(&document.name, content),
                Err(problem) => vec![problem.clone()],
            })
            .take(ERRORS_OF_SCHEMA_MAX)
            .collect()
    }
}

/// What a reference leads to when it leads out of the folder.
#[derive(Debug)]
struct Unresolved(String);

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unresolved {}

impl Retrieve for Folder {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> std::result::Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let wanted = uri.as_str();
        let mut documents = self.0.documents.iter().enumerate();
        let Some((index, document)) = documents.find(|(_, document)| document.is_at(wanted)) else {
            let what = format!("no {} has this name or $id", self.0.kind);
            return Err(Unresolved(format!("{}: {what}", shown(wanted))).into());
        };
        let mut referenced = self.0.referenced.lock();
        referenced
            .as_mut()
            .map(|indices| indices.insert(index))
            .map_err(|_| Unresolved("a panic went before".to_owned()))?;
        match &document.content {
            Ok(content) => Ok(content.clone()),
            Err(problem) => Err(Unresolved(problem.message.clone()).into()),
        }
    }
}
