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
use super::pulse::Pulse;
use crate::errors::{Fault, Result};
use crate::ffi::{Status, StoreOptions};

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
    Arc<Pulse>,
);

pub(super) struct Backend {
    /// Everything but commits.
    pub(super) data: Arc<DynObjectStore>,
    /// The same, if it takes parts by number.
    pub(super) parts: Option<Arc<dyn MultipartStore>>,
    pub(super) commits: CommitStore,
    /// Of stores that are reached by HTTP.
    pub(super) pulse: Arc<Pulse>,
    /// Ends with a slash.
    pub(super) base: Url,
}

pub(super) fn open(options: &StoreOptions) -> Result<Backend> {
    let base = base_url(&options.base_uri)?;
    match base.scheme() {
        "file" => open_local(base),
        "s3" | "s3a" => open_s3(base, options),
        "gs" => open_gcs(base, options),
        "az" | "abfs" | "abfss" => open_azure(base, options),
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
        base,
    })
}

fn client_options(options: &StoreOptions) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(has_plain_endpoint(options))
        .with_connect_timeout(Duration::from_millis(options.connect_timeout_ms.into()))
        .with_timeout(Duration::from_millis(options.request_timeout_ms.into()))
}

/// An endpoint without TLS was asked for by name; the clients refuse it otherwise.
fn has_plain_endpoint(options: &StoreOptions) -> bool {
    options
        .options
        .iter()
        .any(|o| o.key.ends_with("endpoint") && o.value.starts_with("http://"))
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
    ($builder:expr, $key:ty, $options:expr) => {{
        let options: &StoreOptions = $options;
        let pairs = options
            .options
            .iter()
            .map(|option| Ok((<$key>::from_str(&option.key)?, &option.value)))
            .collect::<Result<Vec<_>>>()?;
        let open_with = |client: ClientOptions| -> object_store::Result<Clients> {
            let pulse = Arc::new(Pulse::default());
            let mut builder = $builder
                .clone()
                .with_client_options(client)
                .with_http_connector(TracedConnector(pulse.clone()));
            for (key, value) in &pairs {
                builder = builder.with_config(*key, *value);
            }
            let data = Arc::new(builder.clone().with_retry(with_retries()).build()?);
            let commits = builder.with_retry(without_retries()).build()?;
            Ok((data.clone(), data, Arc::new(commits), pulse))
        };
        let client = client_options(options);
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

fn open_s3(mut base: Url, options: &StoreOptions) -> Result<Backend> {
    if base.scheme() == "s3a" {
        base = base_url(&options.base_uri.replacen("s3a://", "s3://", 1))?;
    }
    let bucket = base.host_str().unwrap_or_default();
    let builder = AmazonS3Builder::new().with_bucket_name(bucket);
    let (data, parts, commits, pulse) = open_cloud!(builder, AmazonS3ConfigKey, options);
    Ok(Backend {
        data,
        parts: Some(parts),
        commits: CommitStore::traced(commits).with_conflict_status_retryable(),
        pulse,
        base,
    })
}

fn open_gcs(base: Url, options: &StoreOptions) -> Result<Backend> {
    let builder = GoogleCloudStorageBuilder::new().with_url(base.as_str());
    let (data, parts, commits, pulse) = open_cloud!(builder, GoogleConfigKey, options);
    Ok(Backend {
        data,
        parts: Some(parts),
        commits: CommitStore::traced(commits),
        pulse,
        base,
    })
}

fn open_azure(base: Url, options: &StoreOptions) -> Result<Backend> {
    let builder = MicrosoftAzureBuilder::new().with_url(base.as_str());
    let (data, parts, commits, pulse) = open_cloud!(builder, AzureConfigKey, options);
    Ok(Backend {
        data,
        parts: Some(parts),
        commits: CommitStore::traced(commits),
        pulse,
        base,
    })
}
