//! Keys of the environment, or of files that it names, which are read anew when they change.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use delta_kernel::object_store::aws::AwsCredential;

use super::watched::Watched;
use super::{Fetched, Options, Source};
use crate::errors::{Fault, Result};
use crate::ffi::Status;

/// Files of one pair of keys are replaced one after the other.
const REPLACED_WITHIN: Duration = Duration::from_secs(1);
const BYTES_MAX: usize = 64 * 1024;

pub(super) struct Keys {
    id: Secret,
    secret: Secret,
    token: Option<Secret>,
    files: Watched,
}

struct Secret {
    variable: String,
    place: Place,
}

enum Place {
    Environment(String),
    File(String),
}

impl Keys {
    pub(super) fn take_from(options: &mut Options) -> Option<Self> {
        let mut take = |name: &str| Secret::take_from(options, name);
        let (id, secret, token) = (
            take("aws_access_key_id"),
            take("aws_secret_access_key"),
            take("aws_session_token"),
        );
        let (id, secret) = (id?, secret?);
        let all = [Some(&id), Some(&secret), token.as_ref()];
        let files = all.into_iter().flatten().filter_map(Secret::file).collect();
        Some(Self {
            files: Watched::new(files),
            id,
            secret,
            token,
        })
    }
}

impl Secret {
    fn take_from(options: &mut Options, name: &str) -> Option<Self> {
        let file = options.remove(&format!("{name}_file"));
        let value = options.remove(name);
        let variable = name.to_uppercase();
        match (file, value) {
            (Some(path), _) => Some(Self {
                variable: variable + "_FILE",
                place: Place::File(path),
            }),
            (None, value) => Some(Self {
                variable,
                place: Place::Environment(value?),
            }),
        }
    }

    fn file(&self) -> Option<String> {
        match &self.place {
            Place::File(path) => Some(path.clone()),
            Place::Environment(_) => None,
        }
    }

    /// By the rules of all variables that may come from files.
    fn read(&self) -> Result<String> {
        let path = match &self.place {
            Place::Environment(value) => return Ok(value.clone()),
            Place::File(path) => path,
        };
        let refused = |why: &str| {
            let Self { variable, .. } = self;
            Fault::new(Status::Transient, format!("{variable}: {path} {why}"))
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| refused(&format!("cannot be read: {error}")))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(refused("is empty")),
            secret if secret.len() > BYTES_MAX => Err(refused("is larger than 64 KiB")),
            secret if secret.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                Err(refused("holds spaces or several lines, which no key has"))
            }
            secret => Ok(secret.to_owned()),
        }
    }
}

#[async_trait]
impl Source for Keys {
    async fn fetch(&self) -> Result<Fetched> {
        self.files.note_reading();
        Ok(Fetched {
            credential: AwsCredential {
                key_id: self.id.read()?,
                secret_key: self.secret.read()?,
                token: self.token.as_ref().map(Secret::read).transpose()?,
            },
            ends: None,
        })
    }

    fn has_changed(&self) -> bool {
        self.files.have_changed() && self.files.are_quiet_for(REPLACED_WITHIN)
    }

    fn repair(&self) -> &'static str {
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the files that are named for them, \
         and with temporary keys AWS_SESSION_TOKEN"
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id.variable)
    }
}
