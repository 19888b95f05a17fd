//! Schemas of a Confluent-compatible registry: values that name their schema, and what is kept of
//! the schemas.

mod client;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::{answer, compile, Reference, Rejection, Schema};
use crate::errors::{guarded, Result};
use crate::ffi::{
    CheckResult, FetchResult, FetchStatus, FormatChecks, RegistryLogin, RegistryOptions, Status,
    Verdict,
};
use client::{Client, Fetched};

const MAGIC_BYTE: u8 = 0;
/// The magic byte and the id.
const FRAME_BYTES: usize = 5;
/// How long an id that the registry does not know, or whose schema cannot be used, stays refused.
const REFUSED_FOR: Duration = Duration::from_secs(60);
const SCHEMAS_MAX: usize = 10_000;
/// Of the texts of all that are kept; compiled ones take several times as much.
const SCHEMA_BYTES_MAX: usize = 16 << 20;
const REFUSED_MAX: usize = 10_000;

/// What became of an id.
enum Entry {
    Usable(Usable),
    /// Why.
    Refused(String),
}

#[derive(Clone)]
struct Usable {
    schema: Arc<dyn Schema>,
    /// Of the schema and all that it refers to.
    text_bytes: usize,
}

struct Refusal {
    message: String,
    until: Instant,
}

/// What is kept of the ids that were asked for. Those that are refused, of which values can name
/// any number, never push out a schema.
#[derive(Default)]
struct Kept {
    usable: HashMap<i32, Usable>,
    usable_bytes: usize,
    refused: HashMap<i32, Refusal>,
    /// What was refused until when, the oldest first.
    in_order: VecDeque<(i32, Instant)>,
}

impl Kept {
    /// None: it has to be asked for.
    fn get(&self, id: i32) -> Option<Entry> {
        if let Some(schema) = self.usable.get(&id) {
            return Some(Entry::Usable(schema.clone()));
        }
        let refusal = self.refused.get(&id)?;
        (Instant::now() < refusal.until).then(|| Entry::Refused(refusal.message.clone()))
    }

    fn put(&mut self, id: i32, entry: Entry) {
        match entry {
            Entry::Usable(usable) => {
                let bytes = self.usable_bytes + usable.text_bytes;
                if self.usable.len() >= SCHEMAS_MAX || bytes > SCHEMA_BYTES_MAX {
                    self.usable.clear();
                    self.usable_bytes = 0;
                }
                self.usable_bytes += usable.text_bytes;
                if let Some(before) = self.usable.insert(id, usable) {
                    self.usable_bytes -= before.text_bytes;
                }
            }
            Entry::Refused(message) => self.refuse(id, message),
        }
    }

    fn refuse(&mut self, id: i32, message: String) {
        let until = Instant::now() + REFUSED_FOR;
        self.refused.insert(id, Refusal { message, until });
        self.in_order.push_back((id, until));
        if self.in_order.len() <= REFUSED_MAX {
            return;
        }
        // Unless it was refused anew since.
        if let Some((oldest, until)) = self.in_order.pop_front() {
            if self.refused.get(&oldest).is_some_and(|r| r.until == until) {
                self.refused.remove(&oldest);
            }
        }
    }
}

/// Owned by C++, shared by all topics; any thread. `check` never waits for the network.
pub struct Registry {
    client: Client,
    formats: FormatChecks,
    kept: RwLock<Kept>,
}

pub fn open_registry(options: &RegistryOptions) -> Result<Box<Registry>> {
    guarded("open_registry", || {
        Ok(Box::new(Registry {
            client: Client::new(options)?,
            formats: options.formats,
            kept: RwLock::default(),
        }))
    })
}

impl Registry {
    pub fn check(&self, value: &[u8]) -> Result<CheckResult> {
        guarded("check", || {
            Ok(match schema_id(value) {
                Ok(id) => self.check_by(id, value),
                Err(rejection) => answer(Err(rejection)),
            })
        })
    }

    /// In the order of `ids`.
    pub fn fetch(&self, ids: &[i32], login: &RegistryLogin) -> Result<Vec<FetchResult>> {
        guarded("fetch", || {
            let mut results = HashMap::new();
            self.client.schemas(ids, login, |id, fetched| {
                results.insert(id, self.take(id, fetched));
            });
            let not_asked = || FetchResult {
                status: FetchStatus::NotAsked,
                message: String::new(),
            };
            let result_of = |id| results.remove(id).unwrap_or_else(not_asked);
            Ok(ids.iter().map(result_of).collect())
        })
    }

    fn check_by(&self, id: i32, value: &[u8]) -> CheckResult {
        let kept = self
            .kept
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id);
        match kept {
            Some(Entry::Usable(usable)) => answer(usable.schema.check(value, FRAME_BYTES).map_err(
                |rejection| Rejection {
                    message: format!("{} (schema {id})", rejection.message),
                    ..rejection
                },
            )),
            Some(Entry::Refused(message)) => answer(Err(Rejection::refused(message))),
            None => CheckResult {
                verdict: Verdict::NeedsSchema,
                schema_id: id,
                message: String::new(),
            },
        }
    }

    fn take(&self, id: i32, fetched: Result<Fetched>) -> FetchResult {
        let entry = match fetched {
            Ok(fetched) => self.entry(id, &fetched),
            Err(fault) if means_unusable(fault.status) => Entry::Refused(fault.message),
            Err(fault) => {
                return FetchResult {
                    status: FetchStatus::Unavailable,
                    message: fault.message,
                }
            }
        };
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.put(id, entry);
        FetchResult {
            status: FetchStatus::Fetched,
            message: String::new(),
        }
    }

    fn entry(&self, id: i32, fetched: &Fetched) -> Entry {
        // A schema that makes a library panic would do so each time.
        let compiled = guarded("compile", || {
            compile(
                &fetched.kind,
                &fetched.text,
                &fetched.references,
                self.formats,
            )
        });
        let unusable = || format!("schema {id} of the schema registry cannot be used");
        match compiled {
            Ok(schema) => Entry::Usable(Usable {
                schema: schema.into(),
                text_bytes: fetched.text_bytes(),
            }),
            Err(fault) => Entry::Refused(fault.while_doing(unusable()).message),
        }
    }
}

/// The registry itself said so: asking again at once would not help.
fn means_unusable(status: Status) -> bool {
    matches!(
        status,
        Status::Missing | Status::Corrupt | Status::Unsupported
    )
}

fn schema_id(value: &[u8]) -> Result<i32, Rejection> {
    let refused = |what: String| {
        Err(Rejection::refused(format!(
            "{what}: the value is not framed for a schema registry (byte 0, then an id of 4 bytes)"
        )))
    };
    match value {
        [MAGIC_BYTE, a, b, c, d, ..] => Ok(i32::from_be_bytes([*a, *b, *c, *d])),
        [MAGIC_BYTE, ..] | [] => refused(format!("{} bytes", value.len())),
        [other, ..] => refused(format!("{other:#04x} at byte 0")),
    }
}
