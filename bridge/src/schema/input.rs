//! Bytes that are walked from front to end, and what is wrong with them.

use std::borrow::Cow;
use std::fmt;

/// A path or a name of a hostile payload is told up to here.
const TOLD_BYTES_MAX: usize = 64;
const PATH_STEPS_MAX: usize = 64;

pub(crate) type Walk<T = ()> = Result<T, Failure>;

/// What is wrong with a payload, and where. Boxed, since it is the rare case.
#[derive(Debug)]
pub(crate) struct Failure(Box<FailureParts>);

#[derive(Debug)]
struct FailureParts {
    at: usize,
    what: Cow<'static, str>,
    /// From the innermost field outwards.
    path: Vec<String>,
    /// Steps that are not kept.
    more: usize,
}

impl Failure {
    pub(crate) fn new(at: usize, what: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(FailureParts {
            at,
            what: what.into(),
            path: Vec::new(),
            more: 0,
        }))
    }

    /// The same, found in a part of what is being walked.
    pub(crate) fn inside(mut self, step: impl fmt::Display) -> Self {
        if self.0.path.len() < PATH_STEPS_MAX {
            self.0.path.push(shortened(&step.to_string()));
        } else {
            self.0.more += 1;
        }
        self
    }
}

/// `/order/items/2: ... at byte 17`
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.0;
        if parts.more > 0 {
            write!(f, "({} outer steps)", parts.more)?;
        }
        for step in parts.path.iter().rev() {
            write!(f, "/{}", step.replace('~', "~0").replace('/', "~1"))?;
        }
        if !parts.path.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "{} at byte {}", parts.what, parts.at)
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= TOLD_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=TOLD_BYTES_MAX)
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0);
    format!("{}…", &text[..end])
}

/// Never reads at or beyond `end`.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    pub(crate) at: usize,
    pub(crate) end: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            end: bytes.len(),
        }
    }

    pub(crate) fn left(&self) -> usize {
        self.end - self.at
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Walk<u8> {
        if self.at == self.end {
            return Err(self.ended(what));
        }
        let byte = self.bytes[self.at];
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn take(&mut self, size: usize, what: &'static str) -> Walk<&'a [u8]> {
        if size > self.left() {
            return Err(Failure::new(
                self.at,
                format!("{what} needs {size} bytes and {} are left", self.left()),
            ));
        }
        let taken = &self.bytes[self.at..self.at + size];
        self.at += size;
        Ok(taken)
    }

    /// A little-endian base-128 number of at most ten bytes and 64 bits.
    #[inline]
    pub(crate) fn varint(&mut self, what: &'static str) -> Walk<u64> {
        let begin = self.at;
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            if shift == 63 && byte > 1 {
                return Err(Failure::new(begin, format!("{what} has more than 64 bits")));
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        unreachable!("the tenth byte ends the number or is refused")
    }

    pub(crate) fn zigzag(&mut self, what: &'static str) -> Walk<i64> {
        let number = self.varint(what)?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn text(&mut self, size: usize, what: &'static str) -> Walk<&'a str> {
        let begin = self.at;
        let bytes = self.take(size, what)?;
        std::str::from_utf8(bytes).map_err(|error| {
            Failure::new(
                begin + error.valid_up_to(),
                format!("{what} is not valid UTF-8"),
            )
        })
    }

    pub(crate) fn nothing_left(&self) -> Walk {
        if self.left() == 0 {
            return Ok(());
        }
        Err(Failure::new(
            self.at,
            format!(
                "the value goes on for {} bytes after its end by the schema",
                self.left()
            ),
        ))
    }

    fn ended(&self, what: &'static str) -> Failure {
        Failure::new(self.at, format!("the value ends within {what}"))
    }
}
