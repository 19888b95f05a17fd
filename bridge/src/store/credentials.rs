//! The keys of an S3 store: fetched from their source, kept, and renewed before they end.

mod issued;
mod keys;
mod process;
mod profile;
mod service;
#[cfg(test)]
mod tests;
mod watched;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use delta_kernel::object_store::aws::AwsCredential;
use delta_kernel::object_store::{self, CredentialProvider};

use crate::errors::{Fault, Result};
use crate::ffi::{self, Status, StoreNotice};
use crate::store::tls::Trust;
use issued::{Container, Instance, WebIdentity};
use keys::Keys;
use profile::Profile;

/// AWS has new ones at least this long before the old ones end. Of short-lived ones, a third.
const RENEW_BEFORE_END_MAX: Duration = Duration::from_secs(300);
/// Between two looks at a source while its credentials are held.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Between two notices of the same trouble.
const NOTICE_PAUSE: Duration = Duration::from_secs(30);
/// Requests that were signed with the former ones may still be under way; the store may be asked
/// whether it knows them.
const NEW_FOR: Duration = Duration::from_secs(30);
/// Nobody may be there to take them.
const NOTICES_MAX: usize = 16;

/// By name; each is removed by whoever it is for.
pub(super) type Options = BTreeMap<String, String>;

/// Where credentials come from. `Display` names it and its variable.
#[async_trait]
pub(super) trait Source: fmt::Display + Send + Sync {
    async fn fetch(&self) -> Result<Fetched>;

    /// Whether credentials without an end should be fetched again.
    fn has_changed(&self) -> bool {
        false
    }

    /// What to do when the store does not know them or says that they have ended.
    fn repair(&self) -> &'static str {
        "check that S3_ENDPOINT_URL names the store that they are for"
    }
}

/// What a source answers.
#[derive(Debug)]
pub(super) struct Fetched {
    credential: AwsCredential,
    /// None: they hold until the source says otherwise.
    ends: Option<DateTime<Utc>>,
}

/// What became of credentials that the store refused.
#[derive(Debug)]
pub(super) enum Renewal {
    /// There are others now.
    Others,
    /// The source has no others.
    Same,
    /// The source could not be asked.
    Unknown(Fault),
}

/// Shared by the clients of one store. While the source fails, what is held goes on being used,
/// beyond its end too: whether it still holds is for the store to say.
#[derive(Clone)]
pub(super) struct Credentials(Arc<Inner>);

struct Inner {
    source: Box<dyn Source>,
    state: Mutex<State>,
    /// Held while the source is asked: it is asked once for all who wait.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// Of the last request to the source, if it failed, and when.
    failed: Option<(Fault, Instant)>,
    warned: Option<Instant>,
    notices: VecDeque<StoreNotice>,
}

struct Held {
    credential: Arc<AwsCredential>,
    since: Instant,
    /// Those before them had the same id.
    shares_id: bool,
    /// None: never.
    ends: Option<Instant>,
    /// The source is not asked before.
    ask_from: Instant,
}

/// What has to be done before credentials can be given out.
enum Need {
    Nothing(Arc<AwsCredential>),
    /// They still hold: nobody waits for new ones.
    RenewBeside(Arc<AwsCredential>),
    Fetch(Option<Arc<AwsCredential>>),
}

impl Credentials {
    /// Removes from `options` what says where credentials come from, and completes the region.
    pub(super) fn take_from(options: &mut Options, trust: &Arc<Trust>) -> Result<Self> {
        source_in(options, trust).map(Self::of)
    }

    fn of(source: Box<dyn Source>) -> Self {
        Self(Arc::new(Inner {
            source,
            state: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }))
    }

    pub(super) fn source(&self) -> &dyn Source {
        self.0.source.as_ref()
    }

    /// By a service that will issue others.
    pub(super) fn are_issued(&self) -> bool {
        self.state()
            .held
            .as_ref()
            .is_some_and(|held| held.ends.is_some())
    }

    /// What happened since the last call.
    pub(super) fn take_notices(&self) -> Vec<StoreNotice> {
        self.state().notices.drain(..).collect()
    }

    /// The source has just given those of `key_id`: it would not help to ask it again.
    pub(super) fn are_fresh(&self, key_id: &str) -> bool {
        let state = self.state();
        state.held.as_ref().is_some_and(|held| {
            held.credential.key_id == key_id && held.are_new() && !held.shares_id
        })
    }

    /// The store says that those of `key_id` do not hold (any more).
    pub(super) async fn renew_refused(&self, key_id: &str) -> Renewal {
        let (held, may_be_former) = {
            let state = self.state();
            let held = state.held.as_ref();
            (
                held.map(|held| held.credential.clone()),
                held.is_some_and(|held| held.are_new() && held.shares_id),
            )
        };
        // Whoever changes a secret may keep its id.
        if may_be_former || held.as_ref().is_some_and(|held| held.key_id != key_id) {
            return Renewal::Others;
        }
        match self.fetch(held.as_ref()).await {
            Ok(credential) if held.is_some_and(|held| *held == *credential) => Renewal::Same,
            Ok(_) => Renewal::Others,
            Err(fault) => Renewal::Unknown(fault),
        }
    }

    async fn get(&self) -> Result<Arc<AwsCredential>> {
        match self.need() {
            Need::Nothing(held) => Ok(held),
            Need::RenewBeside(held) => {
                let (this, old) = (self.clone(), held.clone());
                tokio::spawn(async move { this.fetch(Some(&old)).await.map(drop) });
                Ok(held)
            }
            Need::Fetch(None) => self.fetch(None).await,
            Need::Fetch(Some(held)) => Ok(self.fetch(Some(&held)).await.unwrap_or(held)),
        }
    }

    fn need(&self) -> Need {
        let mut state = self.state();
        let Some(held) = &mut state.held else {
            return Need::Fetch(None);
        };
        let credential = held.credential.clone();
        let now = Instant::now();
        if now < held.ask_from {
            return Need::Nothing(credential);
        }
        match held.ends {
            None if !self.0.source.has_changed() => {
                held.ask_from = now + PAUSE_MIN;
                Need::Nothing(credential)
            }
            Some(end) if now < end => {
                // Only one of all who come by asks.
                held.ask_from = now + pause(held.ends, now);
                Need::RenewBeside(credential)
            }
            _ => Need::Fetch(Some(credential)),
        }
    }

    /// Asks the source, unless somebody else did since the caller saw `old`.
    async fn fetch(&self, old: Option<&Arc<AwsCredential>>) -> Result<Arc<AwsCredential>> {
        let since = Instant::now();
        let _asking = self.0.asking.lock().await;
        if let Some(answer) = self.state().answered(old, since) {
            return answer;
        }
        let answer = self.0.source.fetch().await;
        let answer = answer.map_err(|fault| fault.while_doing(format!("no credentials of {self}")));
        let mut state = self.state();
        match answer {
            Ok(fetched) => Ok(self.hold(&mut state, fetched)),
            Err(fault) => {
                self.keep_old(&mut state, &fault);
                state.failed = Some((fault.clone(), Instant::now()));
                Err(fault)
            }
        }
    }

    fn hold(&self, state: &mut State, fetched: Fetched) -> Arc<AwsCredential> {
        let now = Instant::now();
        let left = fetched
            .ends
            .map(|end| (end - Utc::now()).to_std().unwrap_or_default());
        let ends = left.map(|left| now + left);
        let ask_from = match left {
            Some(left) => now + left.saturating_sub(RENEW_BEFORE_END_MAX.min(left / 3)),
            None => now,
        };
        let credential = Arc::new(fetched.credential);
        let is_new = !state
            .held
            .as_ref()
            .is_some_and(|held| *held.credential == *credential);
        if is_new {
            let until = fetched.ends.map_or_else(String::new, |end| {
                format!(", which hold until {}", end.format("%Y-%m-%dT%H:%M:%SZ"))
            });
            state.note(ffi::Renewal::Renewed, format!("{self}{until}"));
        }
        let (since, shares_id) = match &state.held {
            Some(held) if !is_new => (held.since, held.shares_id),
            Some(held) => (now, held.credential.key_id == credential.key_id),
            None => (now, false),
        };
        state.held = Some(Held {
            credential: credential.clone(),
            since,
            shares_id,
            ends,
            ask_from: ask_from.max(now + PAUSE_MIN),
        });
        state.failed = None;
        state.warned = None;
        credential
    }

    fn keep_old(&self, state: &mut State, fault: &Fault) {
        let now = Instant::now();
        let Some(held) = &mut state.held else {
            return;
        };
        held.ask_from = now + pause(held.ends, now);
        if state.warned.is_some_and(|at| now < at + NOTICE_PAUSE) {
            return;
        }
        state.warned = Some(now);
        let still = match held.ends.map(|end| end.saturating_duration_since(now)) {
            None => "the old ones are used on".to_owned(),
            Some(left) if left.is_zero() => "the old ones have ended".to_owned(),
            Some(left) => format!("the old ones hold for {} s", left.as_secs()),
        };
        state.note(ffi::Renewal::Failed, format!("{still}: {fault}"));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn are_new(&self) -> bool {
        self.since.elapsed() < NEW_FOR
    }
}

impl State {
    /// What somebody else was told by the source, to whom `old` was known, after `since`.
    fn answered(
        &self,
        old: Option<&Arc<AwsCredential>>,
        since: Instant,
    ) -> Option<Result<Arc<AwsCredential>>> {
        match (&self.held, &self.failed) {
            (Some(held), _) if !old.is_some_and(|old| Arc::ptr_eq(old, &held.credential)) => {
                Some(Ok(held.credential.clone()))
            }
            (_, Some((fault, at))) if *at >= since => Some(Err(fault.clone())),
            _ => None,
        }
    }

    fn note(&mut self, renewal: ffi::Renewal, text: String) {
        if self.notices.len() == NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(StoreNotice { renewal, text });
    }
}

/// Until a source is asked again whose credentials end at `ends`.
fn pause(ends: Option<Instant>, now: Instant) -> Duration {
    ends.map_or(PAUSE_MIN, |end| {
        (end.saturating_duration_since(now) / 10).clamp(PAUSE_MIN, PAUSE_MAX)
    })
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.get()
            .await
            .map_err(|fault| object_store::Error::Generic {
                store: "S3",
                source: Box::new(fault),
            })
    }
}

/// Their source.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.source.fmt(f)
    }
}

/// Without the keys.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials of {self}")
    }
}

/// The first of the chain that the options name.
fn source_in(options: &mut Options, trust: &Arc<Trust>) -> Result<Box<dyn Source>> {
    let keys = Keys::take_from(options);
    let default_region = options.remove("aws_default_region").unwrap_or_default();
    let region = options.get("aws_region").unwrap_or(&default_region).clone();
    let web_identity = WebIdentity::take_from(options, &region, trust)?;
    let container = Container::take_from(options, trust)?;
    let profile = Profile::take_from(options)?;
    let endpoint = options.remove("aws_metadata_endpoint");
    let without_instance = options.remove("aws_ec2_metadata_disabled");

    let mut own_region = None;
    let source: Box<dyn Source> = match (keys, web_identity, container, profile) {
        (Some(keys), ..) => Box::new(keys),
        (_, Some(web_identity), ..) => Box::new(web_identity),
        (_, _, Some(container), _) => Box::new(container),
        (.., Some(profile)) => {
            own_region = profile.region()?;
            Box::new(profile)
        }
        _ if without_instance.is_some() => Box::new(Nowhere),
        _ => Box::new(Instance::new(endpoint, trust)?),
    };
    options
        .entry("aws_region".to_owned())
        .or_insert(own_region.unwrap_or(default_region));
    Ok(source)
}

/// Nothing names a source.
struct Nowhere;

#[async_trait]
impl Source for Nowhere {
    async fn fetch(&self) -> Result<Fetched> {
        Err(Fault::new(
            Status::Denied,
            "there is none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; an \
             instance is not asked because of AWS_EC2_METADATA_DISABLED",
        ))
    }
}

impl fmt::Display for Nowhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any source")
    }
}
