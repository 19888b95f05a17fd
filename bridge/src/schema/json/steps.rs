//! A limit to the work of one check.
//!
//! A schema that refers to itself within `anyOf` can take time that doubles with each level of a
//! value, and the library cannot be told to stop. So before each reference of a schema stands a
//! keyword of our own, which counts and, at the limit, unwinds out of the check.

use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

use jsonschema::{Keyword, ValidationError};
use serde_json::{json, Map, Value};

pub(super) const KEYWORD: &str = "bronze:step";
/// References that one check follows: a second of work, more or less, and many times what a value
/// of as many parts as are checked needs.
pub(super) const OF_A_CHECK: u32 = 1_000_000;
/// And that finding out where it is wrong follows.
pub(super) const OF_ITS_ERRORS: u32 = 100_000;

const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// What stands below them is no schema.
const PLAIN_VALUES: [&str; 4] = ["const", "default", "enum", "examples"];

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
}

struct LimitReached;

/// Runs a check on this thread. None: it came to the limit.
pub(super) fn limited<T>(references: u32, check: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(references);
    let checked = catch_unwind(AssertUnwindSafe(check));
    LEFT.set(u32::MAX);
    match checked {
        Ok(answer) => Some(answer),
        Err(panic) if panic.is::<LimitReached>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// Holds for every value, if it comes to an end.
pub(super) struct Step;

impl<'i> Keyword<'i> for Step {
    fn validate(&self, _instance: &'i Value) -> Result<(), ValidationError<'i>> {
        let left = LEFT.get() - 1;
        if left == 0 {
            resume_unwind(Box::new(LimitReached));
        }
        LEFT.set(left);
        Ok(())
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.validate(instance).is_ok()
    }
}

/// Whether what stands beside `$ref` counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Siblings {
    /// Up to draft 7.
    Ignored,
    Heeded,
}

impl Siblings {
    /// In a schema that does not say its draft: `otherwise`.
    pub(super) fn of(schema: &Value, otherwise: Self) -> Self {
        const IGNORED: [&str; 3] = ["draft-04", "draft-06", "draft-07"];
        match schema.get("$schema").and_then(Value::as_str) {
            Some(uri) if IGNORED.iter().any(|draft| uri.contains(draft)) => Self::Ignored,
            Some(_) => Self::Heeded,
            None => otherwise,
        }
    }
}

/// The schema with a step before each reference.
pub(super) fn counted(schema: &Value, siblings: Siblings) -> Value {
    let mut copy = schema.clone();
    count_in(&mut copy, siblings);
    copy
}

fn count_in(schema: &mut Value, siblings: Siblings) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(|each| count_in(each, siblings)),
        Value::Object(members) => {
            for (name, below) in members.iter_mut() {
                if !PLAIN_VALUES.contains(&name.as_str()) {
                    count_in(below, siblings);
                }
            }
            for reference in REFERENCES {
                put_step_before(members, reference, siblings);
            }
        }
        _ => {}
    }
}

fn put_step_before(members: &mut Map<String, Value>, reference: &str, siblings: Siblings) {
    let is_one = members.get(reference).is_some_and(Value::is_string);
    // Beside others it is left alone where they would be given a meaning.
    if !is_one || (siblings == Siblings::Ignored && members.len() > 1) {
        return;
    }
    let Some(target) = members.remove(reference) else {
        return;
    };
    // In this order: what does not hold ends the list.
    let all = members.entry("allOf").or_insert_with(|| json!([]));
    if let Value::Array(all) = all {
        all.push(json!({ KEYWORD: true }));
        all.push(json!({ reference: target }));
    }
}
