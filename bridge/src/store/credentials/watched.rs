//! Files that keys come from.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NANOS_A_SECOND: i128 = 1_000_000_000;

/// Files, and what they were like when they were last read.
pub(super) struct Watched {
    pub(super) paths: Vec<String>,
    seen: Mutex<Option<Stamps>>,
}

/// None: there is no such file.
type Stamps = Vec<Option<Stamp>>;
type Stamp = (u64, u64, i64, i64);

impl Watched {
    pub(super) fn new(paths: Vec<String>) -> Self {
        Self {
            paths,
            seen: Mutex::default(),
        }
    }

    /// Before the files are read: what changes meanwhile counts as changed.
    pub(super) fn note_reading(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.stamps());
    }

    pub(super) fn have_changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != Some(self.stamps())
    }

    /// None of them was written or put in its place within `pause`.
    pub(super) fn are_quiet_for(&self, pause: Duration) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos() as i128;
        let is_new = |file: Metadata| {
            let changed = i128::from(file.ctime()) * NANOS_A_SECOND + i128::from(file.ctime_nsec());
            // A clock that was set back makes nobody wait.
            (0..pause.as_nanos() as i128).contains(&(now - changed))
        };
        !self
            .paths
            .iter()
            .any(|path| std::fs::metadata(path).is_ok_and(is_new))
    }

    fn stamps(&self) -> Stamps {
        let stamp = |file: Metadata| (file.ino(), file.size(), file.ctime(), file.ctime_nsec());
        self.paths
            .iter()
            .map(|path| std::fs::metadata(path).ok().map(stamp))
            .collect()
    }
}
