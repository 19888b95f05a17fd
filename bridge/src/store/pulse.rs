//! Whether the store answers: which requests wait, and when the last answer came.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by the clients of a store. Any thread.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// When they were sent, in that order.
    waiting: BTreeMap<u64, Instant>,
    /// When the first request was sent that failed without an answer, if none has come since.
    failed: Option<Instant>,
    last_answer: Option<Instant>,
}

impl Pulse {
    /// A request goes out. It waits until what is returned is dropped.
    pub(super) fn request(&self) -> Waiting<'_> {
        self.with(|state| {
            state.next += 1;
            state.waiting.insert(state.next, Instant::now());
            Waiting {
                pulse: self,
                number: state.next,
            }
        })
    }

    /// How long ago the oldest request was sent that has no answer: it waits, or it failed and no
    /// other has had one since.
    pub(super) fn unanswered(&self) -> Option<Duration> {
        self.with(|state| {
            let oldest = state.waiting.values().next().copied();
            let since = oldest.into_iter().chain(state.failed).min();
            since.map(|sent| sent.elapsed())
        })
    }

    pub(super) fn last_answer(&self) -> Option<Duration> {
        self.with(|state| state.last_answer.as_ref().map(Instant::elapsed))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
pub(super) struct Waiting<'a> {
    pulse: &'a Pulse,
    number: u64,
}

impl Waiting<'_> {
    /// The store said something, be it an error.
    pub(super) fn answered(self) {
        self.pulse.with(|state| {
            state.waiting.remove(&self.number);
            state.failed = None;
            state.last_answer = Some(Instant::now());
        });
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pulse.with(|state| {
            if let Some(sent) = state.waiting.remove(&self.number) {
                state.failed.get_or_insert(sent);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_an_answer_counts_until_another_has_one() {
        let pulse = Pulse::default();
        assert_eq!((pulse.unanswered(), pulse.last_answer()), (None, None));

        let first = pulse.request();
        let second = pulse.request();
        std::thread::sleep(Duration::from_millis(20));
        first.answered();

        assert!(pulse.unanswered() >= Some(Duration::from_millis(20)));
        assert!(pulse.last_answer() < Some(Duration::from_millis(20)));

        drop(second);
        assert!(pulse.unanswered() >= Some(Duration::from_millis(20)));

        pulse.request().answered();
        assert_eq!(pulse.unanswered(), None);
    }
}
