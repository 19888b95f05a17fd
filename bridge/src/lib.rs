//! The border between `bronze` (C++) and the official Delta, Parquet, Arrow and object-store
//! libraries, those that check values against schemas, and the client of Redis. This file holds
//! only the declarations and their contracts; each topic has a file.
//!
//! Rules of the border:
//! - Calls block; they run on the caller's thread and one tokio runtime inside. All methods of
//!   `Store` and `Table` may be called from several threads at once; a `DataFile` belongs to one
//!   caller at a time.
//! - What C++ must branch on crosses as `Outcome`/`PutResult`. An `Err` (thrown as `rust::Error`)
//!   means "cannot continue": a Rust panic or a broken contract.
//! - There is no policy here: no retry loop of our own, no timing, no configuration reading. The
//!   one exception are credentials, which are renewed before they end.

mod data_file;
mod errors;
mod key_values;
mod schema;
mod store;
mod table;

#[cfg(feature = "fuzz")]
pub use schema::fuzz;

use data_file::{new_file_set, DataFile, FileSet};
use key_values::{open_redis, Redis};
use schema::{
    compile_json_schema, load_avro, load_protobuf, open_registry, PayloadSchema, Registry,
};
use store::{open_store, Store};
use table::dead_letters::LetterScan;
use table::scan::RowScan;
use table::Table;

#[cxx::bridge(namespace = "bronze::bridge")]
pub mod ffi {
    /// What became of a call, by what the caller can do about it.
    #[derive(Debug, Clone, Copy)]
    enum Status {
        /// It happened.
        Ok,
        /// The table, object, log version or bucket is not there.
        Missing,
        /// An object of that name is there already, or another writer took the version.
        Conflict,
        /// Worth another try: time-out, refused or reset connection, 5xx, 429, disk full.
        Transient,
        /// 401, 403, wrong or expired credentials, read-only file system.
        Denied,
        /// The log or a checkpoint cannot be read or contradicts itself.
        Corrupt,
        /// The table or the store needs or lacks something that this build cannot deal with.
        Unsupported,
        /// None of the above; trying again will not help.
        Failed,
    }

    /// `message` is for people and empty when `status` is Ok. It never holds a secret.
    #[derive(Debug, Clone)]
    struct Outcome {
        status: Status,
        message: String,
    }

    /// Of a store's requests by HTTP, in milliseconds; -1 = none.
    #[derive(Debug, Clone)]
    struct StorePulse {
        /// How long ago the oldest request was sent that has no answer: it waits, or it failed and
        /// no other has had one since.
        unanswered_ms: i64,
        /// Since the last answer.
        last_answer_ms: i64,
    }

    /// What happened to a store's credentials.
    #[derive(Debug, Clone, Copy)]
    enum Renewal {
        /// There are new ones; the text says from where and until when.
        Renewed,
        /// The old ones are used on; the text says how long they hold and why there are no others.
        Failed,
    }

    /// Something for the log, without secrets.
    #[derive(Debug, Clone)]
    struct StoreNotice {
        renewal: Renewal,
        text: String,
    }

    #[derive(Debug, Clone, Default)]
    struct KeyValue {
        key: String,
        value: String,
    }

    /// A Delta `txn` action.
    #[derive(Debug, Clone)]
    struct Txn {
        app_id: String,
        version: i64,
    }

    struct StoreOptions {
        /// `s3://bucket[/prefix]` or `file:///absolute/path`, without a trailing slash.
        base_uri: String,
        /// Options by the names of the object_store crate (`aws_endpoint`, `aws_region`, ...). Of
        /// S3 also, by the names of the variables that AWS's own tools read: aws_profile,
        /// aws_shared_credentials_file, aws_config_file, aws_container_authorization_token,
        /// aws_ec2_metadata_disabled, aws_ca_bundle.
        options: Vec<KeyValue>,
        /// commitInfo.engineInfo of every commit, e.g. `bronze/0.1.0`.
        engine_info: String,
        connect_timeout_ms: u32,
        /// For one HTTP request, the body included.
        request_timeout_ms: u32,
        /// Of new data files.
        codec: Codec,
        /// With Codec::Zstd, 1 to 22.
        zstd_level: i32,
    }

    /// What compresses the pages of a Parquet file.
    #[derive(Debug, Clone, Copy)]
    enum Codec {
        Zstd,
        Snappy,
        /// LZ4_RAW
        Lz4,
        Uncompressed,
    }

    /// What a snapshot says about its table.
    #[derive(Debug, Clone)]
    struct TableState {
        version: u64,
        /// metaData.id
        id: String,
        /// metaData.schemaString
        schema_json: String,
        partition_columns: Vec<String>,
        configuration: Vec<KeyValue>,
        min_reader_version: i32,
        min_writer_version: i32,
        reader_features: Vec<String>,
        writer_features: Vec<String>,
    }

    struct TableSpec {
        /// A Delta schemaString.
        schema_json: String,
        partition_columns: Vec<String>,
        configuration: Vec<KeyValue>,
        /// Whether version 0 vouches for its state.
        vouches: bool,
    }

    struct TxnList {
        outcome: Outcome,
        txns: Vec<Txn>,
    }

    /// What a table is at a version: all that `state` and `txns` tell, and where its log begins.
    #[derive(Debug, Clone, Default)]
    struct VouchedState {
        /// Empty = none.
        text: String,
        /// The entry of commitInfo.operationParameters of that version that vouches for it.
        parameter: KeyValue,
    }

    struct TokenLookup {
        outcome: Outcome,
        found: bool,
        /// The version that carries the token, when found.
        version: u64,
    }

    struct DataFilesLookup {
        outcome: Outcome,
        found: bool,
    }

    /// An offset of a Kafka partition.
    #[derive(Debug, Clone, Copy)]
    struct PartitionOffset {
        partition: i32,
        offset: i64,
    }

    struct LastOffsets {
        outcome: Outcome,
        offsets: Vec<PartitionOffset>,
    }

    struct LastIngestion {
        outcome: Outcome,
        found: bool,
        /// Microseconds since 1970.
        micros: i64,
    }

    /// Offsets `[first, next)` of a Kafka partition.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct PartitionRange {
        partition: i32,
        first: i64,
        next: i64,
    }

    struct OffsetsWithin {
        outcome: Outcome,
        /// In any order; they may touch or overlap.
        runs: Vec<PartitionRange>,
    }

    struct TxnLookup {
        outcome: Outcome,
        found: bool,
    }

    /// What the live data files of a table add up to.
    struct TableTotals {
        outcome: Outcome,
        files: u64,
        /// By the statistics of the files, less what deletion vectors remove.
        rows: u64,
        bytes: u64,
    }

    /// Rows of one Kafka partition with the offsets `[first, next)`, each once.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct OffsetRun {
        partition: i32,
        /// How many of the scan's epochs had begun when the rows were ingested.
        epoch: u32,
        first: i64,
        next: i64,
    }

    /// A live data file: what the log states, and what is in the store. -1 = not told.
    struct FileFacts {
        path: String,
        /// Missing: the file is not there. Not Ok: its rows are not all told.
        outcome: Outcome,
        stated_bytes: i64,
        stored_bytes: i64,
        stated_rows: i64,
        /// By the file's own footer.
        stored_rows: i64,
        /// Rows that were read and are not removed by a deletion vector.
        live_rows: u64,
        /// Live rows whose `_kafka_partition` or `_kafka_offset` is NULL.
        rows_without_offset: u64,
        /// Live rows whose `_kafka_offset` is in no half-open range of offsets: negative, or the
        /// greatest number. They are in no run.
        rows_of_no_record: u64,
    }

    /// Some of what a scan finds.
    struct RowPart {
        /// Of listing the files; not Ok ends the scan.
        outcome: Outcome,
        /// Nothing more will come.
        done: bool,
        runs: Vec<OffsetRun>,
        /// Files of which everything has been told.
        files: Vec<FileFacts>,
    }

    /// Which rows of a dead-letter table are wanted. Ranges are half-open.
    #[derive(Debug, Clone)]
    struct LetterQuery {
        /// Rows that name another `kafka_topic` are left out.
        topic: String,
        /// Empty = all.
        error_types: Vec<String>,
        /// -1 = all.
        partition: i32,
        first: i64,
        next: i64,
        /// By `_ingested_at`, microseconds since 1970. A row without it counts as of 1970.
        since_us: i64,
        until_us: i64,
    }

    #[derive(Debug, Clone, PartialEq)]
    struct LetterHeader {
        key: String,
        has_value: bool,
        value: Vec<u8>,
    }

    /// A row of a dead-letter table. What a file has no column for is NULL.
    #[derive(Debug, Clone, PartialEq)]
    struct DeadLetter {
        partition: i32,
        offset: i64,
        ingested_us: i64,
        error_type: String,
        /// Whether `_original_bytes` is not NULL.
        has_bytes: bool,
        bytes: Vec<u8>,
        /// `original_payload`; empty where there are bytes.
        text: String,
        has_timestamp: bool,
        timestamp_us: i64,
        has_key: bool,
        key: Vec<u8>,
        /// None = NULL.
        headers: Vec<LetterHeader>,
    }

    /// Some of the rows that are wanted.
    struct LetterPart {
        /// Not Ok ends the scan.
        outcome: Outcome,
        /// Nothing more will come.
        done: bool,
        /// How many rows were read for this part, wanted or not.
        rows_read: u64,
        letters: Vec<DeadLetter>,
    }

    /// Half-open.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct VersionRange {
        first: u64,
        next: u64,
    }

    /// Which log entries and checkpoints are in the store.
    struct LogVersions {
        outcome: Outcome,
        /// Ascending, not touching each other.
        entries: Vec<VersionRange>,
        /// The newest complete one; -1 = none.
        checkpoint: i64,
    }

    /// What a log entry says of itself.
    struct LogEntry {
        version: u64,
        /// Missing: it is not there. Corrupt: it is not a list of JSON actions.
        outcome: Outcome,
        /// commitInfo.operation
        operation: String,
        timestamp_ms: i64,
        /// Entries of commitInfo.operationParameters that are text.
        parameters: Vec<KeyValue>,
        txns: Vec<Txn>,
        files_added: u64,
        files_removed: u64,
    }

    struct LogEntries {
        entries: Vec<LogEntry>,
    }

    struct FinishResult {
        outcome: Outcome,
        /// Relative to the table, e.g. `_ingestion_date=2026-01-31/part-....parquet`.
        path: String,
        rows: u64,
        bytes: u64,
        /// Parts that had gone up are no longer in the store, nor here: the file is of no use.
        rows_lost: bool,
    }

    struct CommitRequest {
        txns: Vec<Txn>,
        /// Entries of commitInfo.operationParameters.
        parameters: Vec<KeyValue>,
    }

    /// The answer to the PUT of one log entry. Anything but Ok means "find out from the log".
    struct PutResult {
        outcome: Outcome,
        /// The version that the PUT aimed at.
        version: u64,
        /// False only when it is certain that no request for the log entry left this process.
        sent: bool,
    }

    /// A file of the folder of schemas.
    struct SchemaDocument {
        name: String,
        text: Vec<u8>,
    }

    /// Whether `format` is more than a remark.
    #[derive(Debug, Clone, Copy)]
    enum FormatChecks {
        Ignore,
        Check,
    }

    /// Something wrong with a schema.
    #[derive(Debug, Clone)]
    struct SchemaProblem {
        /// Whose fault it is: the schema's own file, or one that it refers to.
        file: String,
        /// `line:column`, or `#` and a JSON pointer; empty = all of it.
        place: String,
        message: String,
    }

    /// What a schema says of a value.
    #[derive(Debug, Clone, Copy)]
    enum Verdict {
        Accepted,
        /// Text that is not UTF-8.
        NotText,
        NotJson,
        /// The schema does not allow it.
        Refused,
        /// Its schema has to be fetched first.
        NeedsSchema,
    }

    struct CheckResult {
        verdict: Verdict,
        /// With NeedsSchema.
        schema_id: i32,
        /// Names the place and the rule, in some hundred characters; empty when accepted.
        message: String,
    }

    struct RegistryOptions {
        /// Tried in order; http or https, without user names.
        urls: Vec<String>,
        /// PEM; trusted besides what the system trusts. Empty = none.
        ca_file: String,
        connect_timeout_ms: u32,
        /// For one HTTP request, the body included.
        request_timeout_ms: u32,
        /// Of JSON Schemas.
        formats: FormatChecks,
    }

    /// Who asks a registry.
    struct RegistryLogin {
        /// Empty = no authentication.
        username: String,
        password: String,
    }

    /// What became of asking for a schema.
    #[derive(Debug, Clone, Copy)]
    enum FetchStatus {
        /// `check` needs it no longer, whether the registry has it or not.
        Fetched,
        /// The registry did not answer.
        Unavailable,
        /// Others got no answer, or took too long.
        NotAsked,
    }

    struct FetchResult {
        status: FetchStatus,
        /// Why Unavailable, and what to do about it.
        message: String,
    }

    struct RedisOptions {
        /// A path; empty = by network.
        socket: String,
        host: String,
        port: u16,
        tls: bool,
        /// PEM; trusted instead of what the system trusts. Empty = none.
        ca_file: String,
        username: String,
        /// Empty = no authentication.
        password: String,
        database: u32,
        /// To connect, and for each answer.
        timeout_ms: u32,
    }

    #[derive(Debug, Clone, Default)]
    struct RedisValue {
        /// Empty = there is none, or what is there is no text.
        text: String,
    }

    struct RedisValues {
        outcome: Outcome,
        /// In the order of the keys.
        values: Vec<RedisValue>,
    }

    #[namespace = ""]
    unsafe extern "C++" {
        include!("batch/arrow_c_data.h");
        type ArrowArray;
        type ArrowSchema;
    }

    extern "Rust" {
        type Store;
        type Table;
        type DataFile;
        type FileSet;
        type RowScan;
        type LetterScan;
        type PayloadSchema;
        type Registry;
        type Redis;

        /// No I/O. Err: an option or URI that the store library refuses.
        fn open_store(options: &StoreOptions) -> Result<Box<Store>>;

        /// Two creates of one object race, `{base}/_bronze_probe/{uuid}`: exactly one must win and
        /// its bytes must stay. The object is deleted afterwards. Unsupported: the store does not
        /// honour put-if-absent. Missing: no such bucket.
        fn probe_put_if_absent(self: &Store) -> Result<Outcome>;

        /// No I/O; from any thread.
        fn pulse(self: &Store) -> StorePulse;

        /// What was fetched from the source of the credentials, and what could not be, since the
        /// last call. No I/O; from any thread.
        fn take_notices(self: &Store) -> Vec<StoreNotice>;

        /// A handle on `{base}/{directory}/`; no I/O, nothing need be there. `load` or `create`
        /// comes before every other call.
        fn table(self: &Store, directory: &str) -> Result<Box<Table>>;

        /// Reads the latest snapshot from the store, ignoring what is cached. Missing: no table.
        fn load(self: &Table) -> Result<Outcome>;

        /// The same, but reads only what came after the cached snapshot when its own log entry is
        /// still there unchanged and no checkpoint was written since.
        fn refresh(self: &Table) -> Result<Outcome>;

        /// Caches the state that somebody kept, if it is newer than what is cached. It need not be
        /// the latest: `refresh` reads on from there. Missing: its log entry is gone or does not
        /// vouch for it; nothing is cached then.
        fn believe(self: &Table, state: &str) -> Result<Outcome>;

        /// The state after a commit of these txns at cached version + 1. No I/O. None: the txns of
        /// the cached snapshot have not been read, or there are too many of them.
        fn state_after(self: &Table, txns: &[Txn]) -> Result<VouchedState>;

        /// The cached state. None: its log entry does not vouch for it.
        fn vouched_state(self: &Table) -> Result<VouchedState>;

        /// Writes version 0 (put-if-absent), protocol reader 1 / writer 2, and loads it.
        /// Conflict: a table is there already; `load` it.
        fn create(self: &Table, spec: &TableSpec) -> Result<Outcome>;

        /// Of the cached snapshot.
        fn state(self: &Table) -> Result<TableState>;

        /// All txn actions of the cached snapshot whose appId begins with `prefix`, one pass.
        fn txns(self: &Table, prefix: &str) -> Result<TxnList>;

        /// Whether the cached snapshot has any data file.
        fn has_data_files(self: &Table) -> Result<DataFilesLookup>;

        /// The greatest `_kafka_offset` of each `_kafka_partition` in the live files of the cached
        /// snapshot, from their statistics, and where those do not tell it from the two columns.
        /// Rows before the offset that `from` names for their partition need not be found: the
        /// answer for it may then be lower, or absent. Rows hidden by a deletion vector do not
        /// count.
        fn last_offsets(self: &Table, from: &[PartitionOffset]) -> Result<LastOffsets>;

        /// A time not before the greatest `_ingested_at` of the live files of the cached snapshot,
        /// and less than 1 ms after it: from their statistics, and where those do not tell it from
        /// the column. Not found: no row has one.
        fn last_ingestion(self: &Table) -> Result<LastIngestion>;

        /// The offsets of the rows of the cached snapshot's live files that lie in one of `ranges`,
        /// one for a partition, and were ingested at or after `since_us` (microseconds since
        /// 1970). Files whose statistics rule that out are not read. Rows hidden by a deletion
        /// vector count.
        fn offsets_within(
            self: &Table,
            ranges: &[PartitionRange],
            since_us: i64,
        ) -> Result<OffsetsWithin>;

        /// Whether the log entry of `version`, read from the store, has a txn action of an appId
        /// that begins with `prefix`. Missing: there is no such entry.
        fn log_entry_has_txn(self: &Table, version: u64, prefix: &str) -> Result<TxnLookup>;

        /// Of the cached snapshot. Unsupported: a live file does not say how many rows it has.
        fn totals(self: &Table) -> Result<TableTotals>;

        /// Begins to read the Kafka columns of all live files of the cached snapshot. Rows that
        /// were ingested at or after a time of `epochs_us` (ascending; microseconds since 1970)
        /// belong to that epoch; without any, all belong to epoch 0. Rows whose `kafka_topic` names
        /// another topic than `topic` are only counted; empty = rows of all topics are told. Files
        /// that cannot have a row `within` one of these ranges are passed over; empty = none are.
        fn scan_rows(
            self: &Table,
            epochs_us: &[i64],
            topic: &str,
            within: &[PartitionRange],
        ) -> Result<Box<RowScan>>;

        /// Files and rows come in any order; the runs of a file before or with its facts.
        fn advance(self: &mut RowScan) -> Result<RowPart>;

        /// Begins to read whole rows of a dead-letter table: those of the live files of the cached
        /// snapshot that the query wants. Rows without a partition or an offset are left out.
        fn scan_letters(self: &Table, query: &LetterQuery) -> Result<Box<LetterScan>>;

        /// Reads on the caller's thread: at most 8 MiB of rows, or one that is larger.
        fn advance(self: &mut LetterScan) -> Result<LetterPart>;

        fn log_versions(self: &Table) -> Result<LogVersions>;

        /// The log entries of versions `[first, next)`, read from the store, in order.
        fn log_entries(self: &Table, first: u64, next: u64) -> Result<LogEntries>;

        /// Looks for commitInfo.operationParameters.bronzeToken == `token` in the log entries of
        /// versions `(after, cached snapshot's version]`, read from the store.
        fn find_token(self: &Table, token: &str, after: u64) -> Result<TokenLookup>;

        /// Whether the log entry of the cached snapshot is in the store now, the very one that was
        /// read or written. Missing: it is not, or another one is there.
        fn confirm(self: &Table) -> Result<Outcome>;

        /// Puts the commit at cached version + 1 with one request that is never repeated. Ok: the
        /// cached snapshot is the new version. Otherwise the cached snapshot stays as it was.
        fn put(self: &Table, request: &CommitRequest, files: &FileSet) -> Result<PutResult>;

        /// Puts a commit at cached version + 1 that changes nothing but the table's schemaString,
        /// with one request that is never repeated. Ok: the cached snapshot is the new version.
        /// REQUIRES: `schema_json` only adds columns that may be null.
        fn add_columns(self: &Table, schema_json: &str) -> Result<Outcome>;

        /// Writes a checkpoint of the cached snapshot; commits may go on meanwhile.
        fn checkpoint(self: &Table) -> Result<Outcome>;

        /// A new Parquet file for rows of one value of the partition column. No I/O.
        fn open_file(self: &Table, partition_value: &str) -> Result<Box<DataFile>>;

        /// How many columns `append` must bring: those of the table when the file was opened.
        fn width(self: &DataFile) -> usize;

        /// Encodes rows: a struct array with the table's columns but the partition column, in
        /// order. Takes the contents of both structs (their `release` is called). Sends what is
        /// finished of a large file; a failure of that is told by `finish`. Returns the encoded
        /// bytes held.
        ///
        /// # Safety
        /// Both pointers are valid and hold an exported array and its schema.
        unsafe fn append(
            self: &mut DataFile,
            array: *mut ArrowArray,
            schema: *mut ArrowSchema,
        ) -> Result<u64>;

        /// Writes the footer and uploads the rest. Transient: may be called again. After Ok: a
        /// no-op that returns the same result.
        fn finish(self: &mut DataFile) -> Result<FinishResult>;

        /// Deletes what was uploaded, when it is not going to be committed.
        fn discard(self: &mut DataFile) -> Result<Outcome>;

        fn new_file_set() -> Box<FileSet>;

        /// `file` is finished.
        fn add(self: &mut FileSet, file: &DataFile) -> Result<()>;

        /// The JSON Schema that is the one of `documents` with the name `file`, for the draft that
        /// its `$schema` names, otherwise 2020-12. References resolve to the other documents and
        /// to the meta-schemas only. No I/O.
        fn compile_json_schema(
            file: &str,
            documents: &[SchemaDocument],
            formats: FormatChecks,
        ) -> Result<Box<PayloadSchema>>;

        /// An Avro schema; what it names without defining it is read from `{full name}.avsc`
        /// beside it.
        fn load_avro(path: &str) -> Result<Box<PayloadSchema>>;

        /// A `.proto` file with its imports, or a set of descriptors. Empty `message` = the first
        /// of the file.
        fn load_protobuf(path: &str, message: &str) -> Result<Box<PayloadSchema>>;

        /// What makes the schema useless; empty = it can be used.
        fn problems(self: &PayloadSchema) -> Result<Vec<SchemaProblem>>;

        /// Whether the value fits the schema: all of it must be one message, or a JSON text of at
        /// most 1024 levels. Of the members of an object that have one name, the last counts. Any
        /// thread, no I/O. Err: the schema has problems.
        fn check(self: &PayloadSchema, value: &[u8]) -> Result<CheckResult>;

        /// No I/O but reading `ca_file`. Err: an option that cannot be used.
        fn open_registry(options: &RegistryOptions) -> Result<Box<Registry>>;

        /// The same for a value that names its schema. Any thread, no I/O.
        fn check(self: &Registry, value: &[u8]) -> Result<CheckResult>;

        /// Asks the registry for schemas and all that they refer to, a few at a time; a result for
        /// each of `ids`, in their order. The first one is always asked for. Any thread.
        fn fetch(self: &Registry, ids: &[i32], login: &RegistryLogin) -> Result<Vec<FetchResult>>;

        /// No I/O but reading certificates. Err: an option that cannot be used.
        fn open_redis(options: &RedisOptions) -> Result<Box<Redis>>;

        /// The first `bytes_max` + 1 bytes of the values. Connects if need be, as the next two do.
        fn get(self: &mut Redis, keys: &[String], bytes_max: u64) -> Result<RedisValues>;

        /// Redis forgets the value after `keep_s` seconds.
        fn set(self: &mut Redis, key: &str, value: &str, keep_s: u64) -> Result<Outcome>;

        fn ping(self: &mut Redis) -> Result<Outcome>;
    }
}
