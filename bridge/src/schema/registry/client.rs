//! What is asked of a schema registry over HTTP.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::ready;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use reqwest::{Certificate, Response, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;
use url::Url;

use super::Reference;
use crate::errors::{Fault, Result};
use crate::ffi::{RegistryLogin, RegistryOptions, Status};

const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Of one schema, those of its references included.
const REFERENCES_MAX: usize = 1_000;
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json, application/json";
const REQUESTS_MAX: usize = 8;
/// So that those who wait for the first answers do not wait for all.
const ASKING_MAX: Duration = Duration::from_secs(1);
/// An older one may be closed by the other side at any moment.
const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(1);
const UNKNOWN_CODES: [i64; 3] = [40401, 40402, 40403];

/// A schema and all that it refers to; what a reference needs comes before it.
pub(super) struct Fetched {
    pub(super) kind: String,
    pub(super) text: String,
    pub(super) references: Vec<Reference>,
}

impl Fetched {
    pub(super) fn text_bytes(&self) -> usize {
        let references = self.references.iter();
        self.text.len() + references.map(|other| other.text.len()).sum::<usize>()
    }
}

pub(super) struct Client {
    http: reqwest::Client,
    urls: Vec<Url>,
    /// Runs while a caller waits.
    runtime: Runtime,
}

/// The client as somebody.
struct Session<'a> {
    client: &'a Client,
    login: &'a RegistryLogin,
}

/// A schema as an answer has it.
struct Stored {
    kind: String,
    text: String,
    references: Vec<Named>,
}

#[derive(Clone)]
struct Named {
    name: String,
    subject: String,
    version: i64,
}

impl Client {
    pub(super) fn new(options: &RegistryOptions) -> Result<Self> {
        let urls = options
            .urls
            .iter()
            .map(|url| Url::parse(url).map_err(|error| Fault::contract(format!("{url}: {error}"))))
            .collect::<Result<Vec<_>>>()?;
        let without_tls = urls.iter().all(|url| url.scheme() == "http");
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(options.connect_timeout_ms.into()))
            .timeout(Duration::from_millis(options.request_timeout_ms.into()))
            .pool_max_idle_per_host(REQUESTS_MAX)
            .pool_idle_timeout(CONNECTION_IDLE_MAX);
        if !options.ca_file.is_empty() {
            builder = builder.tls_certs_merge(certificates(&options.ca_file)?);
        } else if without_tls {
            // Without any CA certificate on the machine no client could be made.
            builder = builder.tls_certs_only([]);
        }
        let http = builder
            .build()
            .map_err(|error| Fault::contract(format!("no HTTP client: {}", text_of(&error))))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::contract(format!("cannot start the runtime: {error}")))?;
        Ok(Self {
            http,
            urls,
            runtime,
        })
    }

    /// Asks for a few at a time; `take` gets each as soon as it is there. Once one got no answer,
    /// or ASKING_MAX has passed, those left are not asked for; the first one always is.
    pub(super) fn schemas(
        &self,
        ids: &[i32],
        login: &RegistryLogin,
        mut take: impl FnMut(i32, Result<Fetched>),
    ) {
        let session = &Session {
            client: self,
            login,
        };
        let answers = Cell::new(true);
        let begun = Instant::now();
        let mut fetched = stream::iter(ids)
            .take_while(|_| ready(answers.get() && begun.elapsed() < ASKING_MAX))
            .map(|&id| async move { (id, session.schema(id).await) })
            .buffer_unordered(REQUESTS_MAX);
        self.runtime.block_on(async {
            while let Some((id, schema)) = fetched.next().await {
                if schema
                    .as_ref()
                    .is_err_and(|fault| fault.status == Status::Transient)
                {
                    answers.set(false);
                }
                take(id, schema);
            }
        });
    }
}

impl Session<'_> {
    /// Missing, Corrupt, Unsupported: the registry answered, and that is what is wrong with the
    /// schema. Everything else: no answer.
    async fn schema(&self, id: i32) -> Result<Fetched> {
        let root = self.get(&["schemas", "ids", &id.to_string()]).await?;
        let root = stored(&root).map_err(|fault| fault.while_doing(format!("schema {id}")))?;
        let mut fetched = Fetched {
            kind: root.kind,
            text: root.text,
            references: Vec::new(),
        };
        self.collect(&root.references, &mut fetched.references)
            .await
            .map_err(|fault| fault.while_doing(format!("references of schema {id}")))?;
        Ok(fetched)
    }

    /// Adds what `wanted` needs, each once, and then `wanted` itself.
    async fn collect(&self, wanted: &[Named], found: &mut Vec<Reference>) -> Result<()> {
        enum Step {
            Fetch(Named),
            Add(Reference),
        }
        let mut seen = HashSet::new();
        let mut bytes = 0;
        let mut steps: Vec<Step> = wanted.iter().rev().cloned().map(Step::Fetch).collect();
        while let Some(step) = steps.pop() {
            let named = match step {
                Step::Add(reference) => {
                    found.push(reference);
                    continue;
                }
                Step::Fetch(named) => named,
            };
            if !seen.insert(named.name.clone()) {
                continue;
            }
            if seen.len() > REFERENCES_MAX {
                return Err(Fault::new(
                    Status::Unsupported,
                    format!("more than {REFERENCES_MAX} of them"),
                ));
            }
            let version = named.version.to_string();
            let path = ["subjects", &named.subject, "versions", &version];
            let answer = self.get(&path).await?;
            let schema = stored(&answer)?;
            bytes += schema.text.len();
            if bytes > BODY_BYTES_MAX {
                return Err(Fault::new(
                    Status::Unsupported,
                    format!("more than {BODY_BYTES_MAX} bytes of them"),
                ));
            }
            steps.push(Step::Add(Reference {
                name: named.name,
                text: schema.text,
            }));
            steps.extend(schema.references.into_iter().rev().map(Step::Fetch));
        }
        Ok(())
    }

    /// The first answer of the registries, tried in order.
    async fn get(&self, path: &[&str]) -> Result<Value> {
        let mut faults = Vec::new();
        for url in &self.client.urls {
            match self.get_from(url, path).await {
                Err(fault) if fault.status != Status::Missing => faults.push(fault.message),
                answered => return answered,
            }
        }
        Err(Fault::new(Status::Transient, faults.join("; ")))
    }

    async fn get_from(&self, base: &Url, path: &[&str]) -> Result<Value> {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if path[0] == "subjects" {
            // What others refer to may have been deleted softly.
            url.set_query(Some("deleted=true"));
        }
        let mut request = self.client.http.get(url.clone()).header("Accept", ACCEPT);
        let RegistryLogin { username, password } = self.login;
        if !username.is_empty() {
            request = request.basic_auth(username, Some(password));
        }
        let failed = |how: String| {
            Fault::new(
                Status::Transient,
                format!("the schema registry at {base} {how}"),
            )
        };
        let response = request.send().await.map_err(|error| {
            failed(format!(
                "cannot be reached: {}. Check SCHEMA_REGISTRY_URL, and that the registry runs",
                text_of(&error)
            ))
        })?;
        let status = response.status();
        let body = body_of(response)
            .await
            .map_err(|error| failed(format!("broke off: {error}")))?;
        let json = serde_json::from_slice::<Value>(&body);
        match (status, json) {
            (StatusCode::OK, Ok(json)) => Ok(json),
            (status, Ok(json)) if is_unknown(status, &json) => Err(Fault::new(
                Status::Missing,
                format!(
                    "the schema registry does not know {} ({})",
                    what(path),
                    json["message"].as_str().unwrap_or(status.as_str())
                ),
            )),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Err(failed(format!(
                "refuses access ({status}): check SCHEMA_REGISTRY_USERNAME and \
                 SCHEMA_REGISTRY_PASSWORD"
            ))),
            (StatusCode::OK | StatusCode::NOT_FOUND, _) => Err(failed(format!(
                "answers {status} to {}, but not as a schema registry: check the path in \
                 SCHEMA_REGISTRY_URL",
                url.path()
            ))),
            _ => Err(failed(format!("answers {status} to {}", url.path()))),
        }
    }
}

fn what(path: &[&str]) -> String {
    match path {
        ["schemas", "ids", id] => format!("the schema id {id}"),
        ["subjects", subject, "versions", version] => {
            format!("version {version} of the subject {subject}")
        }
        other => other.join("/"),
    }
}

/// It has no such schema, or says that there can be none.
fn is_unknown(status: StatusCode, answer: &Value) -> bool {
    let Some(code) = answer["error_code"].as_i64() else {
        return false;
    };
    match status {
        StatusCode::NOT_FOUND => UNKNOWN_CODES.contains(&code),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => true,
        _ => false,
    }
}

async fn body_of(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| text_of(&error))? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(format!("an answer of more than {BODY_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn stored(answer: &Value) -> Result<Stored> {
    // Of anything but a registry: no fault of the schema.
    let unreadable = |what: &str| {
        Fault::new(
            Status::Transient,
            format!(
                "the answer has no usable {what}: check that SCHEMA_REGISTRY_URL leads to a schema \
                 registry"
            ),
        )
    };
    let mut references = Vec::new();
    for reference in answer["references"].as_array().into_iter().flatten() {
        let text = |key: &str| reference[key].as_str().map(str::to_owned);
        match (text("name"), text("subject"), reference["version"].as_i64()) {
            (Some(name), Some(subject), Some(version)) => references.push(Named {
                name,
                subject,
                version,
            }),
            _ => return Err(unreadable("references")),
        }
    }
    Ok(Stored {
        kind: answer["schemaType"].as_str().unwrap_or("AVRO").to_owned(),
        text: answer["schema"]
            .as_str()
            .ok_or_else(|| unreadable("schema"))?
            .to_owned(),
        references,
    })
}

fn certificates(path: &str) -> Result<Vec<Certificate>> {
    let refused = |why: String| Fault::contract(format!("{path}: {why}"));
    let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| refused(text_of(&error)))?;
    if found.is_empty() {
        return Err(refused("no certificate in it (expected PEM)".to_owned()));
    }
    Ok(found)
}

/// The cause says what happened, the error itself only when.
fn text_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    cause.to_string()
}
