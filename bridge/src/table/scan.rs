//! The rows of a table as runs of Kafka offsets, and whether its files are what the log says.
//!
//! A thread replays the log, a task of the runtime reads `FILES_TOGETHER` files at a time, and
//! both wait while nobody takes what they found: held are a few batches of two or three columns.

#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::sync::Arc;

use delta_kernel::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use delta_kernel::arrow::compute::cast;
use delta_kernel::arrow::datatypes::{
    DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{DynObjectStore, ObjectStoreExt};
#[allow(deprecated)]
use delta_kernel::parquet::arrow::async_reader::ParquetObjectReader;
use delta_kernel::parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use delta_kernel::{KernelResult, SnapshotRef};
use futures::StreamExt;
use tokio::sync::mpsc;
use url::Url;

use super::offsets::{live_files, LiveFile};
use super::Table;
use crate::errors::{guarded, ok, Fault, Result};
use crate::ffi::{FileFacts, OffsetRun, PartitionRange, RowPart, Status};
use crate::store::{object_path, StoreInner};

const PARTITION: &str = "_kafka_partition";
const OFFSET: &str = "_kafka_offset";
const INGESTED_AT: &str = "_ingested_at";
const TOPIC: &str = "kafka_topic";
const FILES_TOGETHER: usize = 8;
const ROWS_A_BATCH: usize = 65_536;
const MESSAGES_WAITING_MAX: usize = 8;

/// Used by one caller at a time. What is left of it ends by itself when it is dropped.
pub struct RowScan {
    store: Arc<StoreInner>,
    messages: mpsc::Receiver<Message>,
    /// How many live files there are, once the log is replayed.
    listed: Option<u64>,
    finished: u64,
}

enum Message {
    Runs(Vec<OffsetRun>),
    File(Box<FileFacts>, Vec<OffsetRun>),
    Listed(Result<u64>),
}

/// A live file, as the log has it.
struct Listed {
    path: String,
    location: Result<Path>,
    bytes: i64,
    rows: Option<u64>,
    /// Which rows the deletion vector leaves; rows past its end are left.
    left: Result<Vec<bool>>,
}

impl Table {
    pub fn scan_rows(
        &self,
        epochs_us: &[i64],
        topic: &str,
        within: &[PartitionRange],
    ) -> Result<Box<RowScan>> {
        guarded("scan_rows", || {
            let snapshot = self.snapshot()?;
            let (messages, received) = mpsc::channel(MESSAGES_WAITING_MAX);
            let (files, to_read) = mpsc::channel(FILES_TOGETHER);
            let reader = FileReader {
                store: self.store.data.clone(),
                epochs_us: epochs_us.into(),
                topic: topic.into(),
                messages: messages.clone(),
            };
            self.store.spawn(read_files(reader, to_read));
            let listing = Listing {
                store: self.store.clone(),
                root: self.root.clone(),
                within: within.to_vec(),
            };
            std::thread::Builder::new()
                .name("bronze-scan".into())
                .spawn(move || {
                    let listed = listing
                        .send_files(&snapshot, &files)
                        .map_err(|error| Fault::from(error).while_doing(&listing.root));
                    let _ = messages.blocking_send(Message::Listed(listed));
                })
                .map_err(|e| Fault::contract(format!("cannot start a thread: {e}")))?;
            Ok(Box::new(RowScan {
                store: self.store.clone(),
                messages: received,
                listed: None,
                finished: 0,
            }))
        })
    }
}

impl RowScan {
    pub fn advance(&mut self) -> Result<RowPart> {
        guarded("advance", || {
            let mut part = RowPart {
                outcome: ok(),
                done: false,
                runs: Vec::new(),
                files: Vec::new(),
            };
            while part.runs.is_empty() && part.files.is_empty() {
                match self.store.wait(self.messages.recv()) {
                    Some(Message::Runs(runs)) => part.runs = runs,
                    Some(Message::File(facts, runs)) => {
                        self.finished += 1;
                        part.files.push(*facts);
                        part.runs = runs;
                    }
                    Some(Message::Listed(Ok(files))) => self.listed = Some(files),
                    Some(Message::Listed(Err(fault))) => {
                        part.outcome = fault.into();
                        part.done = true;
                        return Ok(part);
                    }
                    None if self.listed == Some(self.finished) => {
                        part.done = true;
                        return Ok(part);
                    }
                    None => return Err(Fault::contract("reading the rows ended too early")),
                }
            }
            Ok(part)
        })
    }
}

/// Finds the files that are to be read.
struct Listing {
    store: Arc<StoreInner>,
    root: Url,
    /// Empty = all.
    within: Vec<PartitionRange>,
}

impl Listing {
    /// Returns how many there are.
    fn send_files(
        &self,
        snapshot: &SnapshotRef,
        files: &mpsc::Sender<Listed>,
    ) -> KernelResult<u64> {
        let mut count = 0;
        let scan = snapshot.clone().scan_builder().build()?;
        for scanned in scan.scan_metadata(self.store.engine.as_ref())? {
            for file in live_files(&self.root, scanned?)? {
                if !self.within.is_empty() && !file.may_hold(&self.within) {
                    continue;
                }
                count += 1;
                if files.blocking_send(self.listed(file)).is_err() {
                    return Ok(count);
                }
            }
        }
        Ok(count)
    }

    fn listed(&self, file: LiveFile) -> Listed {
        Listed {
            left: file.left(&self.store, &self.root).map_err(Fault::from),
            location: object_path(&file.meta.location),
            bytes: file.meta.size as i64,
            rows: file
                .stats
                .as_ref()
                .and_then(|stats| stats["numRecords"].as_u64()),
            path: file.path,
        }
    }
}

#[derive(Clone)]
struct FileReader {
    store: Arc<DynObjectStore>,
    epochs_us: Arc<[i64]>,
    /// Empty: rows of all topics are told.
    topic: Arc<str>,
    messages: mpsc::Sender<Message>,
}

async fn read_files(reader: FileReader, to_read: mpsc::Receiver<Listed>) {
    let files = futures::stream::unfold(to_read, |mut to_read| async move {
        to_read.recv().await.map(|file| (file, to_read))
    });
    files
        .for_each_concurrent(FILES_TOGETHER, |file| {
            let reader = reader.clone();
            async move { reader.tell(file).await }
        })
        .await;
}

impl FileReader {
    async fn tell(&self, file: Listed) {
        let mut facts = FileFacts {
            path: file.path.clone(),
            outcome: ok(),
            stated_bytes: file.bytes,
            stored_bytes: -1,
            stated_rows: file.rows.map_or(-1, |rows| rows as i64),
            stored_rows: -1,
            live_rows: 0,
            rows_without_offset: 0,
            rows_of_no_record: 0,
        };
        let last = match self.read(file, &mut facts).await {
            Ok(last) => last,
            Err(fault) => {
                facts.outcome = fault.while_doing(&facts.path).into();
                Vec::new()
            }
        };
        // Nobody listens any more: nobody wants to know.
        let _ = self
            .messages
            .send(Message::File(Box::new(facts), last))
            .await;
    }

    /// Returns the runs of the last batch; sends those of the others.
    async fn read(&self, file: Listed, facts: &mut FileFacts) -> Result<Vec<OffsetRun>> {
        let location = file.location?;
        let left = file.left?;
        let bytes = self.store.head(&location).await?.size;
        facts.stored_bytes = bytes as i64;
        #[allow(deprecated)]
        let reader = ParquetObjectReader::new(self.store.clone(), location).with_file_size(bytes);
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
        facts.stored_rows = builder.metadata().file_metadata().num_rows();
        let mut wanted = vec![PARTITION, OFFSET];
        if !self.epochs_us.is_empty() {
            wanted.push(INGESTED_AT);
        }
        if !self.topic.is_empty() {
            wanted.push(TOPIC);
        }
        let schema = builder.parquet_schema();
        let roots: Vec<usize> = schema
            .root_schema()
            .get_fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| wanted.contains(&field.name()))
            .map(|(index, _)| index)
            .collect();
        let mask = ProjectionMask::roots(schema, roots);
        let mut batches = builder
            .with_projection(mask)
            .with_batch_size(ROWS_A_BATCH)
            .build()?;
        let mut runs = Vec::new();
        let mut first_row = 0;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            if !runs.is_empty() {
                let full = std::mem::take(&mut runs);
                if self.messages.send(Message::Runs(full)).await.is_err() {
                    return Ok(runs);
                }
            }
            let columns = Columns::of(&batch, &self.epochs_us, &self.topic)?;
            let keep = |row: usize| left.get(first_row + row).copied().unwrap_or(true);
            runs = columns.runs(batch.num_rows(), keep, facts);
            first_row += batch.num_rows();
        }
        Ok(runs)
    }
}

/// The columns of one batch that tell where its rows come from. None: the file lacks the column,
/// so each row has NULL there.
struct Columns<'a> {
    partitions: Option<ArrayRef>,
    offsets: Option<ArrayRef>,
    ingested_at: Option<ArrayRef>,
    topics: Option<ArrayRef>,
    epochs_us: &'a [i64],
    topic: &'a str,
}

impl<'a> Columns<'a> {
    fn of(batch: &RecordBatch, epochs_us: &'a [i64], topic: &'a str) -> Result<Self> {
        let column = |name: &str, wanted: &DataType| -> Result<Option<ArrayRef>> {
            batch
                .column_by_name(name)
                .map(|column| cast(column, wanted))
                .transpose()
                .map_err(|e| Fault::new(Status::Corrupt, format!("column {name}: {e}")))
        };
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(Self {
            partitions: column(PARTITION, &DataType::Int32)?,
            offsets: column(OFFSET, &DataType::Int64)?,
            ingested_at: column(INGESTED_AT, &time)?,
            topics: column(TOPIC, &DataType::Utf8)?,
            epochs_us,
            topic,
        })
    }

    /// Rows that name no topic may be of any.
    fn is_of_another_topic(&self, row: usize) -> bool {
        let topics = self.topics.as_ref().filter(|topics| topics.is_valid(row));
        let named = topics.map(|topics| topics.as_string::<i32>().value(row));
        !self.topic.is_empty() && named.is_some_and(|named| named != self.topic)
    }

    fn epoch(&self, row: usize) -> u32 {
        let Some(times) = self.ingested_at.as_ref().filter(|t| t.is_valid(row)) else {
            return 0;
        };
        let time = times.as_primitive::<TimestampMicrosecondType>().value(row);
        self.epochs_us.partition_point(|&begin| begin <= time) as u32
    }

    fn runs(
        &self,
        rows: usize,
        keep: impl Fn(usize) -> bool,
        facts: &mut FileFacts,
    ) -> Vec<OffsetRun> {
        let kept = (0..rows).filter(|&row| keep(row));
        let (Some(partitions), Some(offsets)) = (&self.partitions, &self.offsets) else {
            let count = kept.count() as u64;
            facts.live_rows += count;
            facts.rows_without_offset += count;
            return Vec::new();
        };
        let partition_of = partitions.as_primitive::<Int32Type>();
        let offset_of = offsets.as_primitive::<Int64Type>();
        let mut runs = Vec::new();
        let mut open: HashMap<(i32, u32), OffsetRun> = HashMap::new();
        for row in kept {
            facts.live_rows += 1;
            if self.is_of_another_topic(row) {
                continue;
            }
            if partitions.is_null(row) || offsets.is_null(row) {
                facts.rows_without_offset += 1;
                continue;
            }
            let (partition, offset) = (partition_of.value(row), offset_of.value(row));
            if !(0..i64::MAX).contains(&offset) {
                facts.rows_of_no_record += 1;
                continue;
            }
            let epoch = self.epoch(row);
            let begun = OffsetRun {
                partition,
                epoch,
                first: offset,
                next: offset + 1,
            };
            match open.entry((partition, epoch)) {
                Entry::Vacant(none) => {
                    none.insert(begun);
                }
                Entry::Occupied(mut run) if run.get().next == offset => {
                    run.get_mut().next = begun.next;
                }
                Entry::Occupied(mut run) => runs.push(run.insert(begun)),
            }
        }
        runs.extend(open.into_values());
        runs
    }
}
