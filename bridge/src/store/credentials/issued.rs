//! The sources that issue temporary credentials over HTTP: STS, containers, instances.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use delta_kernel::object_store::aws::AwsCredential;
use reqwest::header::AUTHORIZATION;
use url::form_urlencoded;

use super::service::{time, unreadable, Route, Service};
use super::{Fetched, Options, Source};
use crate::errors::{between, Fault, Result};
use crate::ffi::Status;
use crate::store::tls::Trust;

const SESSION_NAME: &str = "bronze";
const INSTANCE_ENDPOINT: &str = "http://169.254.169.254";
const CONTAINER_ENDPOINT: &str = "http://169.254.170.2";
const INSTANCE_ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// Of the token with which an instance asks: more than one fetch takes.
const INSTANCE_TOKEN_TTL: &str = "300";

/// AssumeRoleWithWebIdentity of STS.
pub(super) struct WebIdentity {
    sts: Service,
    token_file: String,
    role: String,
    session: String,
}

impl WebIdentity {
    pub(super) fn take_from(
        options: &mut Options,
        region: &str,
        trust: &Arc<Trust>,
    ) -> Result<Option<Self>> {
        let token_file = options.remove("aws_web_identity_token_file");
        let role = options.remove("aws_role_arn");
        let session = options.remove("aws_role_session_name");
        let endpoint = options.remove("aws_endpoint_url_sts");
        let (Some(token_file), Some(role)) = (token_file, role) else {
            return Ok(None);
        };
        let url = endpoint.unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com"));
        Ok(Some(Self {
            sts: Service::new(&url, "AWS_ENDPOINT_URL_STS", Route::ByProxy, trust)?,
            token_file,
            role,
            session: session.unwrap_or_else(|| SESSION_NAME.to_owned()),
        }))
    }

    fn credentials_in(xml: &str) -> Result<Fetched> {
        let part = |key: &str| {
            between(xml, &format!("<{key}>"), &format!("</{key}>"))
                .ok_or_else(|| unreadable(format!("no {key}")))
        };
        let end = time(part("Expiration")?).map_err(unreadable)?;
        Ok(Fetched {
            credential: AwsCredential {
                key_id: part("AccessKeyId")?.to_owned(),
                secret_key: part("SecretAccessKey")?.to_owned(),
                token: Some(part("SessionToken")?.to_owned()),
            },
            ends: Some(end),
        })
    }
}

#[async_trait]
impl Source for WebIdentity {
    async fn fetch(&self) -> Result<Fetched> {
        let token = secret_file("AWS_WEB_IDENTITY_TOKEN_FILE", &self.token_file)?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithWebIdentity")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", &self.role)
            .append_pair("RoleSessionName", &self.session)
            .append_pair("WebIdentityToken", &token)
            .finish();
        let request = self
            .sts
            .post()
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form);
        Self::credentials_in(&self.sts.answer(request).await?)
    }
}

impl fmt::Display for WebIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the role {} (AWS_ROLE_ARN) by {}", self.role, self.sts)
    }
}

/// What ECS and EKS offer beside a container.
pub(super) struct Container {
    service: Service,
    token: Token,
}

enum Token {
    None,
    Text(String),
    File(String),
}

impl Container {
    pub(super) fn take_from(options: &mut Options, trust: &Arc<Trust>) -> Result<Option<Self>> {
        let relative = options.remove("aws_container_credentials_relative_uri");
        let full = options.remove("aws_container_credentials_full_uri");
        let file = options.remove("aws_container_authorization_token_file");
        let text = options.remove("aws_container_authorization_token");
        let (url, variable) = match (relative, full) {
            (Some(path), _) => (
                format!("{CONTAINER_ENDPOINT}{path}"),
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            ),
            (None, Some(url)) => (url, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            (None, None) => return Ok(None),
        };
        let token = match (file, text) {
            (Some(path), _) => Token::File(path),
            (None, Some(text)) => Token::Text(text),
            (None, None) => Token::None,
        };
        Ok(Some(Self {
            service: Service::new(&url, variable, Route::Direct, trust)?,
            token,
        }))
    }
}

#[async_trait]
impl Source for Container {
    async fn fetch(&self) -> Result<Fetched> {
        let mut request = self.service.get("");
        request = match &self.token {
            Token::None => request,
            Token::Text(token) => request.header(AUTHORIZATION, token),
            Token::File(path) => request.header(
                AUTHORIZATION,
                secret_file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path)?,
            ),
        };
        self.service.document(request).await
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the container by {}", self.service)
    }
}

/// The role of an EC2 instance, by version 2 of its metadata service only.
pub(super) struct Instance(Service);

impl Instance {
    pub(super) fn new(endpoint: Option<String>, trust: &Arc<Trust>) -> Result<Self> {
        let url = endpoint.as_deref().unwrap_or(INSTANCE_ENDPOINT);
        let variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        Service::new(url, variable, Route::Direct, trust).map(Self)
    }
}

#[async_trait]
impl Source for Instance {
    async fn fetch(&self) -> Result<Fetched> {
        let Self(service) = self;
        let asking = service
            .put("/latest/api/token")
            .header("X-aws-ec2-metadata-token-ttl-seconds", INSTANCE_TOKEN_TTL);
        let token = service.answer(asking).await?;
        let get = |path: &str| service.get(path).header("X-aws-ec2-metadata-token", &token);
        let roles = service.answer(get(INSTANCE_ROLES)).await?;
        let role = roles.lines().next().unwrap_or_default().trim();
        if role.is_empty() {
            return Err(unreadable("the instance has no role"));
        }
        service
            .document(get(&format!("{INSTANCE_ROLES}{role}")))
            .await
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the instance by {}", self.0)
    }
}

/// Read anew each time: the platform replaces it.
fn secret_file(variable: &str, path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Fault::new(
            Status::Denied,
            format!("{variable}: {path} cannot be read: {error}"),
        )
    })?;
    Ok(text.trim().to_owned())
}
