//! Whether values fit the schema of their topic.

use std::io;

use serde_json::Value;

use crate::ffi::SchemaVerdict;

pub(crate) mod json;

/// How much of a value, or of anything as long as somebody else made it, a message shows.
const EXCERPT_BYTES_MAX: usize = 200;

fn accepted() -> SchemaVerdict {
    SchemaVerdict {
        ok: true,
        message: String::new(),
    }
}

fn refused(message: String) -> SchemaVerdict {
    SchemaVerdict { ok: false, message }
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
