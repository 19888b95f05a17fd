//! Which object store a base URI means, opened twice: with and without retries.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use delta_kernel::object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use delta_kernel::object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use delta_kernel::object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use delta_kernel::object_store::local::LocalFileSystem;
use delta_kernel::object_store::multipart::MultipartStore;
use delta_kernel::object_store::{self, BackoffConfig, ClientOptions, DynObjectStore, RetryConfig};
use url::Url;

use super::commit_put::{CommitStore, TracedConnector};
use super::credentials::{Credentials, Options};
use super::patience::PatientConnector;
use super::pulse::Pulse;
use super::refusal::{Access, NamingConnector};
use super::tls::Trust;
use crate::errors::{Fault, Result};
use crate::ffi::{KeyValue, Status, StoreOptions};

/// Short blips are ridden out here; anything longer is the caller's business.
const RETRIES_MAX: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_BACKOFF_FIRST: Duration = Duration::from_millis(100);
const RETRY_BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What of a Backend is made by its store's builder.
type Clients = (
    Arc<DynObjectStore>,
    Arc<dyn MultipartStore>,
    Arc<DynObjectStore>,
);

pub(super) struct Backend {
    /// Everything but commits.
    pub(super) data: Arc<DynObjectStore>,
    /// The same, if it takes parts by number.
    pub(super) parts: Option<Arc<dyn MultipartStore>>,
    pub(super) commits: CommitStore,
    /// Of stores that are reached by HTTP.
    pub(super) pulse: Arc<Pulse>,
    /// Of S3.
    pub(super) credentials: Option<Credentials>,
    /// Ends with a slash.
    pub(super) base: Url,
}

pub(super) fn open(settings: &StoreOptions) -> Result<Backend> {
    let base = base_url(&settings.base_uri)?;
    match base.scheme() {
        "file" => open_local(base),
        "s3" | "s3a" => open_s3(base, settings),
        "gs" => open_gcs(base, settings),
        "az" | "abfs" | "abfss" => open_azure(base, settings),
        other => Err(Fault::new(
            Status::Unsupported,
            format!("no object store for the scheme {other}:// (known: s3, gs, abfss, file)"),
        )),
    }
}

/// The part after the bucket is taken as it stands: nothing in it is an escape or a query.
fn base_url(base_uri: &str) -> Result<Url> {
    let refused = |why: &str| Fault::contract(format!("base URI {base_uri}: {why}"));
    if base_uri.contains('%') {
        // The kernel turns listed names into URLs without escaping them.
        return Err(refused("a path with a percent sign is not supported"));
    }
    if let Some(path) = base_uri.strip_prefix("file://") {
        return Url::from_directory_path(path).map_err(|()| refused("not an absolute path"));
    }
    let (scheme, rest) = base_uri
        .split_once("://")
        .ok_or_else(|| refused("no scheme"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(refused("no bucket"));
    }
    let mut url =
        Url::parse(&format!("{scheme}://{bucket}/")).map_err(|e| refused(&e.to_string()))?;
    url.path_segments_mut()
        .map_err(|()| refused("cannot have a path"))?
        .clear()
        .extend(prefix.split('/').filter(|segment| !segment.is_empty()))
        .push("");
    Ok(url)
}

fn open_local(base: Url) -> Result<Backend> {
    let files: Arc<DynObjectStore> = Arc::new(LocalFileSystem::new().with_fsync(true));
    Ok(Backend {
        data: files.clone(),
        parts: None,
        commits: CommitStore::untraced(files),
        pulse: Arc::default(),
        credentials: None,
        base,
    })
}

fn options_of(settings: &StoreOptions) -> Options {
    let pair = |option: &KeyValue| (option.key.clone(), option.value.clone());
    settings.options.iter().map(pair).collect()
}

fn client_options(settings: &StoreOptions, options: &Options) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(has_plain_endpoint(options))
        .with_connect_timeout(Duration::from_millis(settings.connect_timeout_ms.into()))
        .with_timeout(request_timeout(settings))
}

fn request_timeout(settings: &StoreOptions) -> Duration {
    Duration::from_millis(settings.request_timeout_ms.into())
}

fn connector(settings: &StoreOptions, pulse: &Arc<Pulse>) -> TracedConnector {
    TracedConnector {
        inner: PatientConnector {
            timeout: request_timeout(settings),
        },
        pulse: pulse.clone(),
    }
}

/// An endpoint without TLS was asked for by name; the clients refuse it otherwise.
fn has_plain_endpoint(options: &Options) -> bool {
    options
        .iter()
        .any(|(key, value)| key.ends_with("endpoint") && value.starts_with("http://"))
}

fn with_retries() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIMEOUT,
        backoff: BackoffConfig {
            init_backoff: RETRY_BACKOFF_FIRST,
            max_backoff: RETRY_BACKOFF_MAX,
            ..BackoffConfig::default()
        },
    }
}

fn without_retries() -> RetryConfig {
    RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    }
}

/// The three cloud builders have the same methods but share no trait.
macro_rules! open_cloud {
    ($builder:expr, $key:ty, $options:expr, $client:expr, $connector:expr) => {{
        let options: &Options = $options;
        let pairs = options
            .iter()
            .map(|(key, value)| Ok((<$key>::from_str(key)?, value)))
            .collect::<Result<Vec<_>>>()?;
        let open_with = |client: ClientOptions| -> object_store::Result<Clients> {
            let mut builder = $builder
                .clone()
                .with_client_options(client)
                .with_http_connector($connector.clone());
            for (key, value) in &pairs {
                builder = builder.with_config(*key, *value);
            }
            let data = Arc::new(builder.clone().with_retry(with_retries()).build()?);
            let commits = builder.with_retry(without_retries()).build()?;
            Ok((data.clone(), data, Arc::new(commits)))
        };
        let client: ClientOptions = $client;
        match open_with(client.clone()) {
            // Without any CA certificate no client can be made; one that trusts nobody is enough
            // for an endpoint without TLS.
            Err(_) if has_plain_endpoint(options) => {
                open_with(client.with_no_system_certificates(true))
            }
            opened => opened,
        }?
    }};
}

fn open_s3(mut base: Url, settings: &StoreOptions) -> Result<Backend> {
    if base.scheme() == "s3a" {
        base = base_url(&settings.base_uri.replacen("s3a://", "s3://", 1))?;
    }
    let bucket = base.host_str().unwrap_or_default();
    let mut options = options_of(settings);
    let trust = Arc::new(Trust::new(options.remove("aws_ca_bundle"))?);
    let credentials = Credentials::take_from(&mut options, &trust)?;
    name_bucket_in_host(&mut options, bucket)?;
    let client = trust.apply_to_store(client_options(settings, &options))?;
    let pulse = Arc::new(Pulse::default());
    let connector = NamingConnector {
        inner: connector(settings, &pulse),
        access: Arc::new(Access {
            bucket: bucket.to_owned(),
            credentials: credentials.clone(),
            trust,
        }),
    };
    let builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_credentials(Arc::new(credentials.clone()));
    let clients = open_cloud!(builder, AmazonS3ConfigKey, &options, client, connector);
    let mut backend = in_cloud(base, clients, pulse);
    backend.commits = backend.commits.with_conflict_status_retryable();
    backend.credentials = Some(credentials);
    Ok(backend)
}

/// An endpoint of the virtual-host style is given to the client with the bucket in it.
fn name_bucket_in_host(options: &mut Options, bucket: &str) -> Result<()> {
    let is_virtual = options.get("aws_virtual_hosted_style_request");
    if is_virtual.is_none_or(|choice| choice != "true") {
        return Ok(());
    }
    if let Some(endpoint) = options.get_mut("aws_endpoint") {
        let refused = |why: String| Fault::contract(format!("aws_endpoint: {why}"));
        let mut url = Url::parse(endpoint).map_err(|error| refused(error.to_string()))?;
        let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
        url.set_host(Some(&host))
            .map_err(|error| refused(error.to_string()))?;
        *endpoint = url.as_str().trim_end_matches('/').to_owned();
    }
    Ok(())
}

fn open_gcs(base: Url, settings: &StoreOptions) -> Result<Backend> {
    let builder = GoogleCloudStorageBuilder::new().with_url(base.as_str());
    let options = options_of(settings);
    let client = client_options(settings, &options);
    let pulse = Arc::new(Pulse::default());
    let connector = connector(settings, &pulse);
    let clients = open_cloud!(builder, GoogleConfigKey, &options, client, connector);
    Ok(in_cloud(base, clients, pulse))
}

fn open_azure(base: Url, settings: &StoreOptions) -> Result<Backend> {
    let builder = MicrosoftAzureBuilder::new().with_url(base.as_str());
    let options = options_of(settings);
    let client = client_options(settings, &options);
    let pulse = Arc::new(Pulse::default());
    let connector = connector(settings, &pulse);
    let clients = open_cloud!(builder, AzureConfigKey, &options, client, connector);
    Ok(in_cloud(base, clients, pulse))
}

fn in_cloud(base: Url, (data, parts, commits): Clients, pulse: Arc<Pulse>) -> Backend {
    Backend {
        data,
        parts: Some(parts),
        commits: CommitStore::traced(commits),
        pulse,
        credentials: None,
        base,
    }
}
