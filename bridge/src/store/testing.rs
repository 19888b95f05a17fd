//! Fixtures of this crate's tests.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use delta_kernel::arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryBuilder, Int32Array, Int64Array, ListBuilder, StringArray,
    StringBuilder, StructArray, StructBuilder, TimestampMicrosecondArray,
};
use delta_kernel::arrow::datatypes::{DataType, Field, Fields};
use delta_kernel::arrow::ffi::{to_ffi, FFI_ArrowArray, FFI_ArrowSchema};
use delta_kernel::object_store::memory::InMemory;
use delta_kernel::object_store::multipart::{MultipartStore, PartId};
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{
    self, CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, UploadPart,
};
use futures::stream::BoxStream;
use futures::StreamExt;
use url::Url;
use uuid::Uuid;

use super::backend::Backend;
use super::commit_put::CommitStore;
use super::{open_store, Store, StoreInner};
use crate::data_file::{new_file_set, DataFile, FileSet};
use crate::ffi::{
    Codec, CommitRequest, KeyValue, PutResult as TablePut, Status, StoreOptions, TableSpec, Txn,
};
use crate::table::Table;

pub(crate) const DAY: &str = "2026-01-31";
pub(crate) const NEXT_DAY: &str = "2026-02-01";
/// Unusual spacing: it must come back byte for byte.
pub(crate) const SCHEMA: &str = concat!(
    r#"{"type":"struct","fields":[ {"name":"_raw_value","type":"string","nullable":true,"metadata":{}},"#,
    r#"{"name":"_kafka_partition","type":"integer","nullable":true,"metadata":{}},"#,
    r#"{"name":"_kafka_offset","type":"long","nullable":true,"metadata":{}},"#,
    r#"{"name":"_kafka_timestamp","type":"timestamp","nullable":true,"metadata":{}},"#,
    r#"{"name":"_ingested_at","type":"timestamp","nullable":true,"metadata":{}},"#,
    r#"{"name":"_ingestion_date","type":"string","nullable":true,"metadata":{}}]}"#
);

pub(crate) fn options(base_uri: String, options: &[(&str, &str)]) -> StoreOptions {
    StoreOptions {
        base_uri,
        options: options.iter().map(|(k, v)| pair(k, v)).collect(),
        engine_info: "bronze/test".into(),
        connect_timeout_ms: 2_000,
        request_timeout_ms: 2_000,
        codec: Codec::Zstd,
        zstd_level: 1,
    }
}

pub(crate) fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: value.into(),
    }
}

/// Removed with everything in it when dropped. (A crate for this would bring features into shared
/// dependencies and so compile most of them a second time.)
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("bronze-bridge-{}", Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn local() -> (TempDir, Box<Store>) {
    let directory = TempDir::new();
    let store = local_at(&directory.path().join("base"));
    (directory, store)
}

pub(crate) fn local_at(path: &std::path::Path) -> Box<Store> {
    open_store(&options(format!("file://{}", path.display()), &[])).unwrap()
}

pub(crate) fn over(fake: Arc<FakeStore>) -> Box<Store> {
    let backend = Backend {
        pulse: Arc::default(),
        data: fake.clone(),
        parts: Some(fake.clone()),
        commits: CommitStore::untraced(fake),
        credentials: None,
        base: Url::parse("memory:///base/").unwrap(),
    };
    Box::new(Store {
        inner: Arc::new(StoreInner::new(backend, &options(String::new(), &[])).unwrap()),
    })
}

pub(crate) fn spec() -> TableSpec {
    TableSpec {
        schema_json: SCHEMA.into(),
        partition_columns: vec!["_ingestion_date".into()],
        configuration: vec![pair("delta.appendOnly", "true")],
        vouches: false,
    }
}

pub(crate) fn created(store: &Store, directory: &str) -> Box<Table> {
    let table = store.table(directory).unwrap();
    expect(table.create(&spec()).unwrap(), Status::Ok);
    table
}

pub(crate) fn loaded(store: &Store, directory: &str) -> Box<Table> {
    let table = store.table(directory).unwrap();
    expect(table.load().unwrap(), Status::Ok);
    table
}

#[track_caller]
pub(crate) fn expect(outcome: crate::ffi::Outcome, status: Status) -> String {
    assert_eq!(outcome.status, status, "{}", outcome.message);
    assert_eq!(outcome.message.is_empty(), status == Status::Ok);
    outcome.message
}

/// Rows `[first, first + count)` of one Kafka partition; every fifth is a tombstone.
pub(crate) fn rows(partition: i32, first: i64, count: i64) -> StructArray {
    let offsets = first..first + count;
    let time = |step: i64| -> ArrayRef {
        let base_us = 1_769_850_000_000_000;
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(
                offsets.clone().map(|offset| base_us + offset * step),
            )
            .with_timezone("UTC"),
        )
    };
    let raw: ArrayRef = Arc::new(StringArray::from_iter(offsets.clone().map(|offset| {
        (offset % 5 != 4).then(|| format!(r#"{{"offset":{offset},"text":"ümlaut"}}"#))
    })));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_raw_value", raw),
        (
            "_kafka_partition",
            Arc::new(Int32Array::from_iter_values(
                offsets.clone().map(|_| partition),
            )),
        ),
        (
            "_kafka_offset",
            Arc::new(Int64Array::from_iter_values(offsets.clone())),
        ),
        ("_kafka_timestamp", time(1_001)),
        ("_ingested_at", time(1_003)),
    ];
    struct_of(columns)
}

pub(crate) const EXTRA_COLUMNS: [&str; 4] = [
    "_kafka_topic",
    "_kafka_key",
    "_kafka_headers",
    "_kafka_timestamp_type",
];

/// A table with all columns that may follow the six.
pub(crate) fn spec_with_extras() -> TableSpec {
    let extra = concat!(
        r#",{"name":"_kafka_topic","type":"string","nullable":true,"metadata":{}},"#,
        r#"{"name":"_kafka_key","type":"binary","nullable":true,"metadata":{}},"#,
        r#"{"name":"_kafka_headers","type":{"type":"array","elementType":{"type":"struct","fields":["#,
        r#"{"name":"key","type":"string","nullable":true,"metadata":{}},"#,
        r#"{"name":"value","type":"binary","nullable":true,"metadata":{}}]},"containsNull":true},"#,
        r#""nullable":true,"metadata":{}},"#,
        r#"{"name":"_kafka_timestamp_type","type":"string","nullable":true,"metadata":{}}]}"#
    );
    TableSpec {
        schema_json: SCHEMA.strip_suffix("]}").unwrap().to_owned() + extra,
        ..spec()
    }
}

/// Every second row has headers, as many as its offset; every third has a key.
pub(crate) fn rows_with_extras(count: i64) -> StructArray {
    let plain = rows(0, 0, count);
    let (keys, values) = (StringBuilder::new(), BinaryBuilder::new());
    let fields = Fields::from(vec![
        Field::new("key", DataType::Utf8, true),
        Field::new("value", DataType::Binary, true),
    ]);
    let element = Field::new("element", DataType::Struct(fields.clone()), true);
    let header = StructBuilder::new(fields, vec![Box::new(keys), Box::new(values)]);
    let mut headers = ListBuilder::new(header).with_field(element);
    for row in 0..count {
        for i in 0..if row % 2 == 0 { row } else { 0 } {
            let header = headers.values();
            let key = header.field_builder::<StringBuilder>(0).unwrap();
            key.append_value(format!("h{}", i % 3));
            let value = header.field_builder::<BinaryBuilder>(1).unwrap();
            value.append_option((i % 4 != 3).then(|| vec![0xff_u8; (i % 4) as usize]));
            header.append(true);
        }
        headers.append(row % 2 == 0 && row > 0);
    }
    let texts = |text: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..count).map(|_| text)))
    };
    let key: ArrayRef = Arc::new(BinaryArray::from_iter(
        (0..count).map(|row| (row % 3 == 0).then(|| vec![0xfe_u8, row as u8])),
    ));
    let mut columns: Vec<(&str, ArrayRef)> = plain
        .column_names()
        .into_iter()
        .zip(plain.columns().iter().cloned())
        .collect();
    columns.push((EXTRA_COLUMNS[0], texts("a")));
    columns.push((EXTRA_COLUMNS[1], key));
    columns.push((EXTRA_COLUMNS[2], Arc::new(headers.finish())));
    columns.push((EXTRA_COLUMNS[3], texts("create_time")));
    struct_of(columns)
}

pub(crate) fn struct_of(columns: Vec<(&str, ArrayRef)>) -> StructArray {
    let fields: Fields = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    StructArray::new(fields, arrays, None)
}

/// Appends over the C Data Interface, as C++ does.
pub(crate) fn append(file: &mut DataFile, rows: StructArray) -> Result<u64, String> {
    let (mut array, mut schema): (FFI_ArrowArray, FFI_ArrowSchema) =
        to_ffi(&rows.to_data()).unwrap();
    let result = unsafe {
        file.append(
            std::ptr::from_mut(&mut array).cast(),
            std::ptr::from_mut(&mut schema).cast(),
        )
    };
    assert!(array.is_released(), "the array was not taken");
    result.map_err(|fault| fault.to_string())
}

pub(crate) fn finished(table: &Table, day: &str, rows: StructArray) -> Box<DataFile> {
    let mut file = table.open_file(day).unwrap();
    append(&mut file, rows).unwrap();
    expect(file.finish().unwrap().outcome, Status::Ok);
    file
}

pub(crate) fn set(files: &[&DataFile]) -> Box<FileSet> {
    let mut set = new_file_set();
    for file in files {
        set.add(file).unwrap();
    }
    set
}

pub(crate) fn request(txns: &[(&str, i64)], token: &str) -> CommitRequest {
    CommitRequest {
        txns: txns
            .iter()
            .map(|(app_id, version)| Txn {
                app_id: (*app_id).into(),
                version: *version,
            })
            .collect(),
        parameters: vec![pair("bronzeToken", token), pair("rows", "5")],
    }
}

/// An offsets-only commit.
pub(crate) fn put(table: &Table, txns: &[(&str, i64)], token: &str) -> TablePut {
    table.put(&request(txns, token), &new_file_set()).unwrap()
}

#[track_caller]
pub(crate) fn put_ok(table: &Table, txns: &[(&str, i64)], token: &str) -> u64 {
    let put = put(table, txns, token);
    expect(put.outcome, Status::Ok);
    assert!(put.sent);
    put.version
}

pub(crate) fn txns(table: &Table, prefix: &str) -> Vec<(String, i64)> {
    let list = table.txns(prefix).unwrap();
    expect(list.outcome, Status::Ok);
    list.txns
        .into_iter()
        .map(|t| (t.app_id, t.version))
        .collect()
}

pub(crate) fn log_file(directory: &TempDir, table: &str, name: &str) -> PathBuf {
    directory
        .path()
        .join("base")
        .join(table)
        .join("_delta_log")
        .join(name)
}

/// What a `FakeStore` does to the next conditional puts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Create {
    Honest,
    /// Ignores the condition.
    Overwrites,
    /// Ignores the condition while creates race, and honours it later.
    OverwritesInRace,
    /// Writes, then reports a time-out.
    LosesAnswer,
    /// Does not write and reports a time-out.
    LosesRequest,
    /// Refuses without looking.
    NotImplemented,
}

#[derive(Debug)]
pub(crate) struct FakeStore {
    inner: InMemory,
    pub(crate) create: Mutex<Create>,
    /// Fails every read with a time-out.
    pub(crate) reads_fail: Mutex<bool>,
    /// What was read, in order.
    pub(crate) reads: Mutex<Vec<String>>,
    /// What listings told, in order.
    listed: Arc<Mutex<Vec<String>>>,
    /// Panics in the next put.
    pub(crate) panics: Mutex<bool>,
    /// Fails so many puts that are not conditional.
    pub(crate) uploads_fail: Mutex<usize>,
    /// Fails so many parts.
    pub(crate) parts_fail: Arc<Mutex<usize>>,
    /// Completes so many uploads in parts and reports a time-out.
    pub(crate) completions_lost: Mutex<usize>,
    /// Does not complete so many uploads that are a stream, and reports a time-out.
    pub(crate) completions_fail: Arc<Mutex<usize>>,
    /// Does not abort so many uploads in parts, and reports a time-out.
    pub(crate) aborts_fail: Arc<Mutex<usize>>,
    /// What was asked for about parts, in order.
    pub(crate) parts_log: Arc<Mutex<Vec<String>>>,
    /// Creates that `OverwritesInRace` still takes for racing ones.
    racing: Mutex<usize>,
}

impl FakeStore {
    pub(crate) fn new(create: Create) -> Arc<Self> {
        Arc::new(Self {
            inner: InMemory::new(),
            create: Mutex::new(create),
            reads_fail: Mutex::new(false),
            reads: Mutex::new(Vec::new()),
            listed: Arc::default(),
            panics: Mutex::new(false),
            uploads_fail: Mutex::new(0),
            parts_fail: Arc::default(),
            completions_lost: Mutex::new(0),
            completions_fail: Arc::default(),
            aborts_fail: Arc::default(),
            parts_log: Arc::default(),
            racing: Mutex::new(2),
        })
    }

    pub(crate) fn set(&self, create: Create) {
        *self.create.lock().unwrap() = create;
    }

    /// The names of the files that were read since the last call.
    pub(crate) fn take_reads(&self) -> Vec<String> {
        names(&std::mem::take(&mut *self.reads.lock().unwrap()))
    }

    /// The names of the files that listings told since the last call.
    pub(crate) fn take_listed(&self) -> Vec<String> {
        names(&std::mem::take(&mut *self.listed.lock().unwrap()))
    }

    fn recorded(
        &self,
        listing: BoxStream<'static, object_store::Result<ObjectMeta>>,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let listed = self.listed.clone();
        let record = move |object: &object_store::Result<ObjectMeta>| {
            let location = object.as_ref().unwrap().location.to_string();
            listed.lock().unwrap().push(location);
        };
        listing.inspect(record).boxed()
    }

    fn note(&self, what: String) {
        self.parts_log.lock().unwrap().push(what);
    }

    pub(crate) fn fail_reads(&self, fail: bool) {
        *self.reads_fail.lock().unwrap() = fail;
    }
}

/// Takes one from `left`; false = none was left.
fn take_one(left: &Mutex<usize>) -> bool {
    let mut left = left.lock().unwrap();
    let any = *left > 0;
    *left -= usize::from(any);
    any
}

/// What other stores say of an upload that they do not know.
fn gone(path: &Path, error: object_store::Error) -> object_store::Error {
    object_store::Error::NotFound {
        path: path.to_string(),
        source: error.into(),
    }
}

fn names(paths: &[String]) -> Vec<String> {
    let name = |path: &String| path.rsplit('/').next().unwrap().to_owned();
    paths.iter().map(name).collect()
}

fn time_out() -> object_store::Error {
    object_store::Error::Generic {
        store: "fake",
        source: Box::new(std::io::Error::from(std::io::ErrorKind::TimedOut)),
    }
}

impl fmt::Display for FakeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeStore")
    }
}

#[async_trait]
impl MultipartStore for FakeStore {
    async fn create_multipart(&self, path: &Path) -> object_store::Result<MultipartId> {
        self.note("create".into());
        self.inner.create_multipart(path).await
    }

    async fn create_multipart_opts(
        &self,
        path: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<MultipartId> {
        self.inner.create_multipart_opts(path, opts).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        number: usize,
        data: PutPayload,
    ) -> object_store::Result<PartId> {
        self.note(format!("part {number} of {} bytes", data.content_length()));
        if take_one(&self.parts_fail) {
            return Err(time_out());
        }
        let put = self.inner.put_part(path, id, number, data).await;
        put.map_err(|e| gone(path, e))
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> object_store::Result<PutResult> {
        self.note(format!("complete {}", parts.len()));
        let done = self.inner.complete_multipart(path, id, parts).await;
        let done = done.map_err(|e| gone(path, e))?;
        if take_one(&self.completions_lost) {
            return Err(time_out());
        }
        Ok(done)
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> object_store::Result<()> {
        self.note("abort".into());
        if take_one(&self.aborts_fail) {
            return Err(time_out());
        }
        self.inner.abort_multipart(path, id).await
    }
}

#[async_trait]
impl ObjectStore for FakeStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        assert!(!*self.panics.lock().unwrap(), "the store panics");
        if opts.mode != PutMode::Create {
            let mut left = self.uploads_fail.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(time_out());
            }
        }
        let create = *self.create.lock().unwrap();
        match create {
            _ if opts.mode != PutMode::Create => {}
            Create::Honest | Create::LosesAnswer => {}
            Create::OverwritesInRace => {
                let mut left = self.racing.lock().unwrap();
                if *left > 0 {
                    *left -= 1;
                    opts.mode = PutMode::Overwrite;
                }
            }
            Create::Overwrites => opts.mode = PutMode::Overwrite,
            Create::LosesRequest => return Err(time_out()),
            Create::NotImplemented => {
                return Err(object_store::Error::NotImplemented {
                    operation: "put if absent".into(),
                    implementer: "fake".into(),
                })
            }
        }
        let conditional = opts.mode == PutMode::Create;
        let result = self.inner.put_opts(location, payload, opts).await?;
        if conditional && create == Create::LosesAnswer {
            return Err(time_out());
        }
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.note("create".into());
        Ok(Box::new(FakeUpload {
            inner: self.inner.put_multipart_opts(location, opts).await?,
            parts: 0,
            parts_fail: self.parts_fail.clone(),
            completions_fail: self.completions_fail.clone(),
            aborts_fail: self.aborts_fail.clone(),
            log: self.parts_log.clone(),
        }))
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        if *self.reads_fail.lock().unwrap() {
            return Err(time_out());
        }
        self.reads.lock().unwrap().push(location.to_string());
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        if *self.reads_fail.lock().unwrap() {
            return Box::pin(futures::stream::once(async { Err(time_out()) }));
        }
        self.recorded(self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        if *self.reads_fail.lock().unwrap() {
            return Box::pin(futures::stream::once(async { Err(time_out()) }));
        }
        self.recorded(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A stream of parts into a `FakeStore`.
#[derive(Debug)]
struct FakeUpload {
    inner: Box<dyn MultipartUpload>,
    parts: usize,
    parts_fail: Arc<Mutex<usize>>,
    completions_fail: Arc<Mutex<usize>>,
    aborts_fail: Arc<Mutex<usize>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl FakeUpload {
    fn note(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }
}

#[async_trait]
impl MultipartUpload for FakeUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.note(format!(
            "part {} of {} bytes",
            self.parts,
            data.content_length()
        ));
        self.parts += 1;
        if take_one(&self.parts_fail) {
            return Box::pin(async { Err(time_out()) });
        }
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        self.note(format!("complete {}", self.parts));
        if take_one(&self.completions_fail) {
            return Err(time_out());
        }
        self.inner.complete().await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.note("abort".into());
        if take_one(&self.aborts_fail) {
            return Err(time_out());
        }
        self.inner.abort().await
    }
}

/// Answers every request on its port, or hangs up after reading it.
pub(crate) struct HttpServer {
    pub(crate) endpoint: String,
    /// Request lines, in order of arrival.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

/// Of a whole request, its body included: status and body; None: no answer.
type Responder = dyn Fn(&str) -> Option<(String, String)> + Send + Sync;

impl HttpServer {
    pub(crate) fn answering(status: &'static str, body: &'static str) -> Self {
        Self::with(move |_| Some((status.into(), body.into())))
    }

    pub(crate) fn hanging_up() -> Self {
        Self::with(|_| None)
    }

    pub(crate) fn with(
        respond: impl Fn(&str) -> Option<(String, String)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let respond: Arc<Responder> = Arc::new(respond);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (seen, respond) = (seen.clone(), respond.clone());
                std::thread::spawn(move || serve(connection.unwrap(), &seen, respond.as_ref()));
            }
        });
        Self { endpoint, requests }
    }

    pub(crate) fn store(&self) -> Box<Store> {
        s3_at(&self.endpoint)
    }
}

pub(crate) fn s3_at(endpoint: &str) -> Box<Store> {
    open_store(&s3_options(endpoint)).unwrap()
}

pub(crate) fn s3_options(endpoint: &str) -> StoreOptions {
    options(
        "s3://bucket/lake".into(),
        &[
            ("aws_endpoint", endpoint),
            ("aws_region", "us-east-1"),
            ("aws_access_key_id", "someone"),
            ("aws_secret_access_key", "verysecret"),
        ],
    )
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<String>>, respond: &Responder) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        seen.lock().unwrap().push(request.trim().to_owned());
        let mut length = 0;
        while !request.ends_with("\r\n\r\n") {
            let start = request.len();
            reader.read_line(&mut request).unwrap();
            let header = request[start..].to_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        request.push_str(&String::from_utf8_lossy(&body));
        let Some((status, body)) = respond(&request) else {
            return;
        };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\netag: \"1\"\r\ncontent-length: {length}\r\n\r\n{body}");
        if (&stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// One file with rows `(partition, first offset, count)`.
pub(crate) fn add_file(table: &Table, content: &[(i32, i64, i64)]) -> String {
    let mut file = table.open_file(DAY).unwrap();
    for &(partition, first, count) in content {
        append(&mut file, rows(partition, first, count)).unwrap();
    }
    commit(table, file)
}

/// Returns the file's path.
pub(crate) fn commit(table: &Table, mut file: Box<DataFile>) -> String {
    let finished = file.finish().unwrap();
    expect(finished.outcome, Status::Ok);
    let put = table.put(&request(&[], "t"), &set(&[&file])).unwrap();
    expect(put.outcome, Status::Ok);
    finished.path
}

pub(crate) fn delete(directory: &TempDir, path: &str) {
    fs::remove_file(directory.path().join("base/bronze_a").join(path)).unwrap();
}

/// Changes the text of a log entry.
pub(crate) fn edit(directory: &TempDir, version: u64, change: impl Fn(String) -> String) {
    let path = log_file(directory, "bronze_a", &format!("{version:020}.json"));
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
}

pub(crate) fn without_stats(text: String) -> String {
    let begin = text.find(r#","stats":""#).expect("there are statistics");
    let end = begin + text[begin..].find(r#"}""#).unwrap() + 2;
    text[..begin].to_owned() + &text[end..]
}

/// By the deletion vector that is the protocol's example: rows 3, 4, 7, 11, 18 and 29 of each file
/// that these versions add.
pub(crate) fn hide_example_rows(directory: &TempDir, versions: &[u64]) {
    let replace = |version, from: &str, to: &str| {
        edit(directory, version, |text| {
            assert!(text.contains(from), "{text}");
            text.replace(from, to)
        })
    };
    for &version in versions {
        replace(
            version,
            r#"{"add":{"#,
            concat!(
                r#"{"add":{"deletionVector":{"storageType":"i","pathOrInlineDv":"#,
                r#""^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L","#,
                r#""sizeInBytes":44,"cardinality":6},"#,
            ),
        );
    }
    replace(
        0,
        r#"{"minReaderVersion":1,"minWriterVersion":2}"#,
        r#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors","appendOnly"]}"#,
    );
}
