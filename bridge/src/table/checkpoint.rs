//! Writing a checkpoint in bounded memory, whatever the number of live files.
//!
//! The kernel composes a checkpoint as a stream: the log entries since the last checkpoint, then
//! that one, batch by batch. But the default engine writes it as one row group, not compressed,
//! which is held in memory when it is written and again when the next checkpoint reads it, and
//! uploads up to eight parts of 10 MiB at once. Here row groups are small, compressed and uploaded
//! one part at a time.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use delta_kernel::engine::arrow_data::EngineDataArrowExt;
use delta_kernel::engine::writer_options;
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{Error, MultipartUpload, ObjectStoreExt};
use delta_kernel::parquet::arrow::ArrowWriter;
use delta_kernel::parquet::basic::{Compression, ZstdLevel};
use delta_kernel::parquet::file::properties::{EnabledStatistics, WriterProperties};
use delta_kernel::parquet::schema::types::ColumnPath;
use delta_kernel::schema::SchemaRef;
use delta_kernel::{
    Engine, EngineData, EvaluationHandler, FileDataReadResultIterator, FileMeta, FileSize,
    JsonHandler, KernelError, KernelResult, KernelResultIteratorStatic, ParquetFooter,
    ParquetHandler, PredicateRef, SnapshotRef, StorageHandler,
};
use url::Url;

use crate::store::{object_path, StoreInner};

/// Encoded; about 40,000 files. Held once when it is written, and once when it is read.
const ROW_GROUP_BYTES_MAX: usize = 4 << 20;
/// Not encoded yet, in each column.
const PAGE_BYTES: usize = 128 << 10;
/// S3 takes at most 10,000 parts of at least 5 MiB.
const PART_BYTES: usize = 5 << 20;
const ZSTD_LEVEL: i32 = 1;
/// Hardly ever twice the same.
const DISTINCT_COLUMNS: [[&str; 2]; 3] = [["add", "path"], ["add", "stats"], ["txn", "appId"]];

/// Returns the snapshot whose log starts at the checkpoint. Any thread outside of the runtime.
pub(super) fn write(store: &Arc<StoreInner>, snapshot: &SnapshotRef) -> KernelResult<SnapshotRef> {
    abort_left_uploads(store);
    let engine = CheckpointEngine(store.clone());
    let (_, rebased) = snapshot.checkpoint(&engine, None)?;
    Ok(rebased)
}

/// Up to the first that fails again: then the store is not well.
fn abort_left_uploads(store: &StoreInner) {
    loop {
        let Some(mut upload) = store.take_left_upload() else {
            return;
        };
        if !is_aborted(store, upload.as_mut()) {
            store.leave_upload(upload);
            return;
        }
    }
}

/// Whether nothing of it is left in the store.
fn is_aborted(store: &StoreInner, upload: &mut dyn MultipartUpload) -> bool {
    matches!(
        store.wait(upload.abort()),
        Ok(()) | Err(Error::NotFound { .. })
    )
}

/// The store's engine, with another way to write Parquet files.
struct CheckpointEngine(Arc<StoreInner>);

impl Engine for CheckpointEngine {
    fn evaluation_handler(&self) -> Arc<dyn EvaluationHandler> {
        self.0.engine.evaluation_handler()
    }

    fn storage_handler(&self) -> Arc<dyn StorageHandler> {
        self.0.engine.storage_handler()
    }

    fn json_handler(&self) -> Arc<dyn JsonHandler> {
        self.0.engine.json_handler()
    }

    fn parquet_handler(&self) -> Arc<dyn ParquetHandler> {
        Arc::new(CheckpointFiles {
            store: self.0.clone(),
            files: self.0.engine.parquet_handler(),
        })
    }
}

struct CheckpointFiles {
    store: Arc<StoreInner>,
    files: Arc<dyn ParquetHandler>,
}

impl ParquetHandler for CheckpointFiles {
    fn read_parquet_files(
        &self,
        files: &[FileMeta],
        physical_schema: SchemaRef,
        predicate: Option<PredicateRef>,
    ) -> KernelResult<FileDataReadResultIterator> {
        self.files
            .read_parquet_files(files, physical_schema, predicate)
    }

    fn write_parquet_file(
        &self,
        location: Url,
        mut data: KernelResultIteratorStatic<Box<dyn EngineData>>,
    ) -> KernelResult<FileSize> {
        let mut object = Object {
            store: &self.store,
            path: object_path(&location).map_err(KernelError::generic)?,
            upload: None,
        };
        let written = write_to(&mut object, data.as_mut());
        if written.is_err() {
            object.abort();
        }
        written
    }

    fn read_parquet_footer(&self, file: &FileMeta) -> KernelResult<ParquetFooter> {
        self.files.read_parquet_footer(file)
    }
}

fn write_to(
    object: &mut Object,
    data: &mut dyn Iterator<Item = KernelResult<Box<dyn EngineData>>>,
) -> KernelResult<FileSize> {
    let first = data
        .next()
        .ok_or_else(|| KernelError::generic("a checkpoint without actions"))??
        .try_into_record_batch()?;
    let options = writer_options().with_properties(properties()?);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), first.schema(), options)?;
    writer.write(&first)?;
    for actions in data {
        writer.write(&actions?.try_into_record_batch()?)?;
        writer.sync()?;
        object.put_full_parts(writer.inner_mut())?;
    }
    writer.finish()?;
    object.put_full_parts(writer.inner_mut())?;
    object.end(std::mem::take(writer.inner_mut()))?;
    Ok(writer.bytes_written() as FileSize)
}

/// Becomes visible when it ends.
struct Object<'a> {
    store: &'a StoreInner,
    path: Path,
    /// What is small goes up with one request instead.
    upload: Option<Box<dyn MultipartUpload>>,
}

impl Object<'_> {
    /// All parts but the last are of one size, which some stores ask for.
    fn put_full_parts(&mut self, bytes: &mut Vec<u8>) -> KernelResult<()> {
        while bytes.len() >= PART_BYTES {
            let rest = bytes.split_off(PART_BYTES);
            self.put_part(std::mem::replace(bytes, rest))?;
        }
        Ok(())
    }

    fn put_part(&mut self, part: Vec<u8>) -> KernelResult<()> {
        let upload = match &mut self.upload {
            Some(begun) => begun,
            none => none.insert(self.store.wait(self.store.data.put_multipart(&self.path))?),
        };
        Ok(self.store.wait(upload.put_part(part.into()))?)
    }

    fn end(&mut self, rest: Vec<u8>) -> KernelResult<()> {
        if self.upload.is_none() {
            self.store
                .wait(self.store.data.put(&self.path, rest.into()))?;
            return Ok(());
        }
        self.put_part(rest)?;
        if let Some(upload) = &mut self.upload {
            self.store.wait(upload.complete())?;
        }
        Ok(())
    }

    /// Parts of an upload that is not aborted are paid for until somebody removes them: after a
    /// failure it is tried again before the next checkpoint.
    fn abort(mut self) {
        if let Some(mut upload) = self.upload.take() {
            if !is_aborted(self.store, upload.as_mut()) {
                self.store.leave_upload(upload);
            }
        }
    }
}

fn properties() -> KernelResult<WriterProperties> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES_MAX));
    for path in DISTINCT_COLUMNS {
        let column = ColumnPath::from(path.map(str::to_owned).to_vec());
        builder = builder.set_column_dictionary_enabled(column, false);
    }
    Ok(builder.build())
}
