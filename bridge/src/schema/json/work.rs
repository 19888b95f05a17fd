//! A limit to the work of one check.
//!
//! A schema that refers to itself within `anyOf` can take time that doubles with each level of a
//! value, a regular expression can take long for each of many strings, and the library cannot be
//! told to stop. So values are shown to it in a form that counts each look at one of their parts
//! and, at the limit, unwinds out of the check.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, SerdeJson};
use jsonschema::JsonType;
use serde_json::{Map, Number, Value};

/// Looks of one check: many times what a value of as many parts as are checked needs.
pub(super) const OF_A_CHECK: u32 = 50_000_000;
/// And of finding out where it is wrong.
pub(super) const OF_ITS_ERRORS: u32 = 1_000_000;

/// What an error counts, for the memory that it takes: nothing else needs the value itself.
const LOOKS_OF_AN_ERROR: u32 = 100;
/// From one reading of the clock to the next. Each look may be followed by a match of a regular
/// expression, which takes milliseconds at worst.
const LOOKS_UNTIL_CLOCK: u32 = 64;
/// A match may take longer the longer a string is: so many bytes count as one look more.
const BYTES_OF_A_LOOK: usize = 256;
/// A check may take so long, and then so much of its thread's own time: the process may have been
/// stopped for a while, which is no fault of the value.
const TIME_MAX: Duration = Duration::from_millis(300);
const OWN_TIME_MAX: Duration = Duration::from_millis(300);

#[derive(Clone, Copy)]
enum Clock {
    NotRead,
    Begun(Instant),
    /// At which time of the thread itself.
    OwnTimeBegun(Duration),
}

thread_local! {
    static UNTIL_CLOCK: Cell<u32> = const { Cell::new(u32::MAX) };
    /// Besides those until the clock is read.
    static LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::NotRead) };
}

struct LimitReached;

/// Runs a check on this thread. None: it came to the limit.
pub(super) fn limited<T>(looks: u32, check: impl FnOnce() -> T) -> Option<T> {
    UNTIL_CLOCK.set(LOOKS_UNTIL_CLOCK);
    LEFT.set(looks);
    CLOCK.set(Clock::NotRead);
    let checked = catch_unwind(AssertUnwindSafe(check));
    UNTIL_CLOCK.set(u32::MAX);
    match checked {
        Ok(answer) => Some(answer),
        Err(panic) if panic.is::<LimitReached>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

#[inline]
fn look() {
    looks(1);
}

#[inline]
fn looks(count: u32) {
    match UNTIL_CLOCK.get().checked_sub(count) {
        Some(left) => UNTIL_CLOCK.set(left),
        None => read_clock(count),
    }
}

#[cold]
#[inline(never)]
fn read_clock(count: u32) {
    let left = LEFT.get().saturating_sub(LOOKS_UNTIL_CLOCK.max(count));
    let late = match CLOCK.get() {
        Clock::NotRead => {
            CLOCK.set(Clock::Begun(Instant::now()));
            false
        }
        Clock::Begun(begin) => {
            if begin.elapsed() > TIME_MAX {
                CLOCK.set(Clock::OwnTimeBegun(own_time()));
            }
            false
        }
        Clock::OwnTimeBegun(begin) => own_time().saturating_sub(begin) > OWN_TIME_MAX,
    };
    if late || left == 0 {
        resume_unwind(Box::new(LimitReached));
    }
    LEFT.set(left);
    UNTIL_CLOCK.set(LOOKS_UNTIL_CLOCK);
}

/// How long this thread has run.
fn own_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // It writes nothing but `time`. Without this clock no time passes, and the looks end the check.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Values of serde_json that count the looks at them.
pub(super) struct CountedJson;

impl Json for CountedJson {
    type Node<'a> = &'a Value;
    type PreparedKey = <SerdeJson as Json>::PreparedKey;
    type StringBuffer = <SerdeJson as Json>::StringBuffer;

    const KEYS_PER_LOOKUP: usize = SerdeJson::KEYS_PER_LOOKUP;
    const ACYCLIC: bool = SerdeJson::ACYCLIC;

    fn prepare_key(key: &str) -> Self::PreparedKey {
        SerdeJson::prepare_key(key)
    }

    fn with_string_node<T>(
        buffer: &mut Self::StringBuffer,
        string: &str,
        f: impl FnOnce(&Value) -> T,
    ) -> T {
        look();
        SerdeJson::with_string_node(buffer, string, f)
    }
}

/// Looks, and answers as serde_json's own form does.
macro_rules! counted {
    ($trait:ident: $($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(
            #[inline]
            fn $name(&self $(, $argument: $type)*) -> $answer {
                look();
                <Self as $trait<'a, SerdeJson>>::$name(self $(, $argument)*)
            }
        )*
    };
}

/// Looks at each item.
pub(super) struct Counted<I>(I);

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        look();
        self.0.next()
    }
}

impl<'a> Node<'a, CountedJson> for &'a Value {
    type Object = &'a Map<String, Value>;
    type Array = &'a [Value];
    type Number = &'a Number;

    #[inline]
    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Value::String(text) => {
                looks(1 + (text.len() / BYTES_OF_A_LOOK) as u32);
                Some(Cow::Borrowed(text))
            }
            _ => None,
        }
    }

    #[inline]
    fn to_value(&self) -> Cow<'a, Value> {
        looks(LOOKS_OF_AN_ERROR);
        Cow::Borrowed(self)
    }

    counted! { Node:
        as_object() -> Option<&'a Map<String, Value>>;
        as_array() -> Option<&'a [Value]>;
        as_number() -> Option<&'a Number>;
        as_boolean() -> Option<bool>;
        is_null() -> bool;
        is_number() -> bool;
        is_string() -> bool;
        json_type() -> JsonType;
        string_length() -> Option<u64>;
        string_length_within(min: u64, max: u64) -> Option<bool>;
        equals_value(expected: &Value) -> bool;
        identity() -> Option<NodeIdentity>;
        container_identity() -> Option<NodeIdentity>;
    }
}

impl<'a> Object<'a, CountedJson> for &'a Map<String, Value> {
    type Node = &'a Value;
    type MemberName = &'a str;
    type MembersIter = Counted<<Self as Object<'a, SerdeJson>>::MembersIter>;

    counted! { Object:
        len() -> usize;
        get(key: &String) -> Option<&'a Value>;
    }

    fn members(&self) -> Self::MembersIter {
        Counted(<Self as Object<'a, SerdeJson>>::members(self))
    }
}

impl<'a> Array<'a, CountedJson> for &'a [Value] {
    type Node = &'a Value;
    type ElementsIter = Counted<<Self as Array<'a, SerdeJson>>::ElementsIter>;

    counted! { Array:
        len() -> usize;
        is_unique() -> bool;
    }

    fn elements(&self) -> Self::ElementsIter {
        Counted(<Self as Array<'a, SerdeJson>>::elements(self))
    }
}
