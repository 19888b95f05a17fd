//! Profiles of `~/.aws/credentials` and `~/.aws/config`, read anew when the files change.

use std::fmt;
use std::io::ErrorKind;

use async_trait::async_trait;
use configparser::ini::{Ini, IniDefault};
use delta_kernel::object_store::aws::AwsCredential;

use super::watched::Watched;
use super::{process, Fetched, Options, Source};
use crate::errors::{Fault, Result};
use crate::ffi::Status;

const DEFAULT_NAME: &str = "default";
/// Settings that say that the keys come from elsewhere, and that are not followed.
const ELSEWHERE: [&str; 6] = [
    "role_arn",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "login_session",
    "web_identity_token_file",
];

pub(super) struct Profile {
    name: String,
    /// That of keys, whose sections bear the names of profiles, and that of everything, whose
    /// sections are `profile NAME`.
    files: Watched,
}

/// The settings of one profile; those of the first file win.
struct Settings([Option<Ini>; 2], [String; 2]);

impl Profile {
    /// The one that is named; otherwise the default one, if a file has it.
    pub(super) fn take_from(options: &mut Options) -> Result<Option<Self>> {
        let name = options.remove("aws_profile");
        let files = ["aws_shared_credentials_file", "aws_config_file"]
            .map(|option| options.remove(option).unwrap_or_default());
        let profile = Self {
            files: Watched::new(files.into()),
            name: name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned()),
        };
        let wanted = name.is_some() || profile.settings()?.is_some();
        Ok(wanted.then_some(profile))
    }

    pub(super) fn region(&self) -> Result<Option<String>> {
        Ok(self.settings()?.and_then(|settings| settings.get("region")))
    }

    /// None: neither file has the profile.
    fn settings(&self) -> Result<Option<Settings>> {
        let files = [read(&self.files.paths[0])?, read(&self.files.paths[1])?];
        let sections = [
            self.name.clone(),
            match self.name.as_str() {
                DEFAULT_NAME => DEFAULT_NAME.to_owned(),
                name => format!("profile {name}"),
            },
        ];
        let settings = Settings(files, sections);
        Ok(settings.exists().then_some(settings))
    }

    fn refused(&self, why: impl fmt::Display) -> Fault {
        Fault::new(Status::Denied, format!("{self} {why}"))
    }
}

#[async_trait]
impl Source for Profile {
    async fn fetch(&self) -> Result<Fetched> {
        self.files.note_reading();
        let settings = self.settings()?.ok_or_else(|| {
            self.refused("does not exist: correct AWS_PROFILE, or write it into one of the files")
        })?;
        let (id, secret) = (
            settings.get("aws_access_key_id"),
            settings.get("aws_secret_access_key"),
        );
        if let Some(setting) = ELSEWHERE.iter().find(|name| settings.get(name).is_some()) {
            return Err(self.refused(format!(
                "has {setting}, which is not supported: give it keys, or a credential_process \
                 such as 'aws configure export-credentials --profile ...'"
            )));
        }
        if let Some(command) = settings.get("credential_process").filter(|_| id.is_none()) {
            return process::credentials_of(&command)
                .await
                .map_err(|fault| fault.while_doing(self));
        }
        let (Some(key_id), Some(secret_key)) = (id, secret) else {
            return Err(self.refused(
                "has no keys: it needs aws_access_key_id and aws_secret_access_key, or \
                 credential_process",
            ));
        };
        Ok(Fetched {
            credential: AwsCredential {
                key_id,
                secret_key,
                token: settings.get("aws_session_token"),
            },
            ends: None,
        })
    }

    fn has_changed(&self) -> bool {
        self.files.have_changed()
    }

    fn repair(&self) -> &'static str {
        "check them there; the files are read again when they change"
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the profile {} (AWS_PROFILE) in {} and {}",
            self.name, self.files.paths[0], self.files.paths[1]
        )
    }
}

impl Settings {
    fn exists(&self) -> bool {
        let Self(files, sections) = self;
        files
            .iter()
            .zip(sections)
            .any(|(file, section)| match file {
                Some(file) => file.get_map_ref().contains_key(section),
                None => false,
            })
    }

    fn get(&self, key: &str) -> Option<String> {
        let Self(files, sections) = self;
        files
            .iter()
            .zip(sections)
            .filter_map(|(file, section)| file.as_ref()?.get(section, key))
            .find(|value| !value.is_empty())
    }
}

/// None: there is no such file.
fn read(path: &str) -> Result<Option<Ini>> {
    let refused = |why: String| Fault::new(Status::Denied, format!("{path}: {why}"));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(refused(error.to_string())),
    };
    let mut rules = IniDefault::default();
    rules.case_sensitive = true;
    // A key may hold any character, and what is indented below a setting is part of it.
    rules.enable_inline_comments = false;
    rules.delimiters = vec!['='];
    rules.multiline = true;
    // What stands before the first section belongs to no profile.
    rules.default_section = String::new();
    let mut file = Ini::new_from_defaults(rules);
    file.read(text).map_err(refused)?;
    Ok(Some(file))
}
