//! Schemas of a Confluent-compatible registry: values that name their schema, and what is kept of
//! the schemas.

mod client;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::{answer, compile, Reference, Rejection, Schema};
use crate::errors::{guarded, Fault, Result};
use crate::ffi::{CheckResult, FetchResult, FormatChecks, RegistryOptions, Status, Verdict};
use client::Client;

const MAGIC_BYTE: u8 = 0;
/// The magic byte and the id.
const FRAME_BYTES: usize = 5;
/// How long an id that the registry does not know, or whose schema cannot be used, stays refused.
const REFUSED_FOR: Duration = Duration::from_secs(60);
const SCHEMAS_MAX: usize = 10_000;

/// What became of an id.
enum Entry {
    Usable(Box<dyn Schema>),
    Refused { message: String, until: Instant },
}

impl Entry {
    fn has_expired(&self, now: Instant) -> bool {
        matches!(self, Self::Refused { until, .. } if *until <= now)
    }
}

/// Owned by C++, shared by all topics; any thread. `check` never waits for the network.
pub struct Registry {
    client: Client,
    formats: FormatChecks,
    entries: RwLock<HashMap<i32, Arc<Entry>>>,
}

pub fn open_registry(options: &RegistryOptions) -> Result<Box<Registry>> {
    guarded("open_registry", || {
        Ok(Box::new(Registry {
            client: Client::new(options)?,
            formats: options.formats,
            entries: RwLock::default(),
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

    pub fn fetch(&self, id: i32) -> Result<FetchResult> {
        guarded("fetch", || {
            Ok(match self.entry(id) {
                Ok(entry) => {
                    self.keep(id, entry);
                    FetchResult {
                        fetched: true,
                        message: String::new(),
                    }
                }
                Err(fault) => FetchResult {
                    fetched: false,
                    message: fault.message,
                },
            })
        })
    }

    fn check_by(&self, id: i32, value: &[u8]) -> CheckResult {
        let kept = self
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned();
        match kept {
            Some(entry) if !entry.has_expired(Instant::now()) => match &*entry {
                Entry::Usable(schema) => answer(schema.check(value, FRAME_BYTES).map_err(
                    |rejection| Rejection {
                        message: format!("{} (schema {id})", rejection.message),
                        ..rejection
                    },
                )),
                Entry::Refused { message, .. } => answer(Err(Rejection::refused(message.clone()))),
            },
            _ => CheckResult {
                verdict: Verdict::NeedsSchema,
                schema_id: id,
                message: String::new(),
            },
        }
    }

    /// Err: it could not be found out.
    fn entry(&self, id: i32) -> Result<Entry> {
        let refused = |fault: Fault| Entry::Refused {
            message: fault.message,
            until: Instant::now() + REFUSED_FOR,
        };
        let fetched = match self.client.schema(id) {
            Ok(fetched) => fetched,
            Err(fault) if means_unusable(fault.status) => return Ok(refused(fault)),
            Err(fault) => return Err(fault),
        };
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
        Ok(match compiled {
            Ok(schema) => Entry::Usable(schema),
            Err(fault) => refused(fault.while_doing(unusable())),
        })
    }

    fn keep(&self, id: i32, entry: Entry) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= SCHEMAS_MAX {
            let now = Instant::now();
            entries.retain(|_, entry| !entry.has_expired(now));
        }
        if entries.len() >= SCHEMAS_MAX {
            entries.clear();
        }
        entries.insert(id, Arc::new(entry));
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
