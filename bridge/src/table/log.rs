//! Single entries of `_delta_log`, by their version.

use std::time::{SystemTime, UNIX_EPOCH};

use delta_kernel::actions::Metadata;
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::ObjectStoreExt;
use delta_kernel::Version;
use serde_json::{json, Map, Value};
use uuid::Uuid;

use super::state;
use crate::errors::{Fault, Result};
use crate::ffi::{KeyValue, Status, TableSpec, Txn};
use crate::store::StoreInner;

const TOKEN_PARAMETER: &str = "bronzeToken";
const MIN_READER_VERSION: u32 = 1;
const MIN_WRITER_VERSION: u32 = 2;

pub(super) fn entry_path(log: &Path, version: Version) -> Path {
    log.clone().join(format!("{version:020}.json"))
}

pub(super) fn entry_exists(store: &StoreInner, log: &Path, version: Version) -> Result<()> {
    store.wait(store.data.head(&entry_path(log, version)))?;
    Ok(())
}

/// Missing: there is no such entry.
pub(super) fn read_entry(store: &StoreInner, log: &Path, version: Version) -> Result<String> {
    let path = entry_path(log, version);
    let entry = store.wait(async { store.data.get(&path).await?.bytes().await })?;
    String::from_utf8(entry.into())
        .map_err(|e| Fault::new(Status::Corrupt, format!("log entry {path}: {e}")))
}

/// The version in `(after, last]` whose commitInfo carries `token`. Missing: an entry of the range
/// is gone before the token was found.
pub(super) fn find_token(
    store: &StoreInner,
    log: &Path,
    token: &str,
    after: Version,
    last: Version,
) -> Result<Option<Version>> {
    for version in after.saturating_add(1)..=last {
        if entry_has_token(&read_entry(store, log, version)?, token) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Whether the entry has a txn of an appId that begins with `prefix`.
pub(super) fn entry_has_txn(
    store: &StoreInner,
    log: &Path,
    version: Version,
    prefix: &str,
) -> Result<bool> {
    let txns = txns_of(&read_entry(store, log, version)?)?;
    Ok(txns.iter().any(|txn| txn.app_id.starts_with(prefix)))
}

/// Corrupt: a line is not JSON, or a txn lacks one of its fields.
pub(super) fn txns_of(entry: &str) -> Result<Vec<Txn>> {
    let corrupt = |line: &str| Fault::new(Status::Corrupt, format!("not an action: {line:.200}"));
    let mut txns = Vec::new();
    for line in entry.lines().filter(|line| !line.trim().is_empty()) {
        let action: Value = serde_json::from_str(line).map_err(|_| corrupt(line))?;
        let Some(txn) = action.get("txn").filter(|txn| !txn.is_null()) else {
            continue;
        };
        let (Some(app_id), Some(version)) = (txn["appId"].as_str(), txn["version"].as_i64()) else {
            return Err(corrupt(line));
        };
        txns.push(Txn {
            app_id: app_id.to_owned(),
            version,
        });
    }
    Ok(txns)
}

fn entry_has_token(entry: &str, token: &str) -> bool {
    entry
        .lines()
        .filter(|line| line.contains(TOKEN_PARAMETER))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .any(|action| action["commitInfo"]["operationParameters"][TOKEN_PARAMETER] == token)
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

/// The log entry that gives a table another schema, and leaves all else as it is: two actions, one
/// a line.
pub(super) fn new_schema(
    metadata: &Metadata,
    schema_json: &str,
    engine_info: &str,
) -> Result<String> {
    let mut metadata = serde_json::to_value(metadata)
        .map_err(|e| Fault::contract(format!("the table's metadata: {e}")))?;
    metadata["schemaString"] = schema_json.into();
    let commit_info = json!({"commitInfo": {
        "timestamp": now_ms(),
        "operation": "ADD COLUMNS",
        "operationParameters": {},
        "isBlindAppend": false,
        "engineInfo": engine_info,
        "txnId": Uuid::new_v4().to_string(),
    }});
    let metadata = json!({"metaData": metadata});
    Ok(format!("{commit_info}\n{metadata}\n"))
}

/// The first log entry of a new table: three actions, one a line.
pub(super) fn version_zero(spec: &TableSpec, engine_info: &str) -> String {
    let now_ms = now_ms();
    let configuration = object_of(&spec.configuration);
    let protocol = json!({
        "minReaderVersion": MIN_READER_VERSION,
        "minWriterVersion": MIN_WRITER_VERSION,
    });
    let metadata = json!({
        "id": Uuid::new_v4().to_string(),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": spec.schema_json,
        "partitionColumns": spec.partition_columns,
        "configuration": configuration,
        "createdTime": now_ms,
    });
    let mut parameters = json!({
        "isManaged": "false",
        "description": null,
        "partitionBy": json!(spec.partition_columns).to_string(),
        "properties": Value::Object(configuration).to_string(),
    });
    if spec.vouches {
        if let Some(state) = state::of_new_table(&protocol, &metadata) {
            parameters[state.parameter.key] = state.parameter.value.into();
        }
    }
    let commit_info = json!({"commitInfo": {
        "timestamp": now_ms,
        "operation": "CREATE TABLE",
        "operationParameters": parameters,
        "isBlindAppend": true,
        "engineInfo": engine_info,
        "txnId": Uuid::new_v4().to_string(),
    }});
    let (protocol, metadata) = (json!({"protocol": protocol}), json!({"metaData": metadata}));
    format!("{commit_info}\n{protocol}\n{metadata}\n")
}

fn object_of(pairs: &[KeyValue]) -> Map<String, Value> {
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), Value::String(pair.value.clone())))
        .collect()
}
