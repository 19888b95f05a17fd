//! One Parquet file: encoded and compressed as rows arrive, held in memory, uploaded at the end or,
//! when it is large, in parts while rows arrive.

pub(crate) mod compression;
mod encoding;
mod payload;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use delta_kernel::arrow::array::{RecordBatch, StructArray};
use delta_kernel::arrow::ffi::{from_ffi, FFI_ArrowArray, FFI_ArrowSchema};
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_data::{ArrowEngineData, EngineDataArrowExt};
use delta_kernel::expressions::Scalar;
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{self, ObjectStoreExt};
use delta_kernel::transaction::{BoundWriteContext, UpdateTableOperation};
use delta_kernel::{EngineData, FileMeta, KernelResult, SnapshotRef};
use delta_kernel_default_engine::build_add_file_metadata;
use delta_kernel_default_engine::parquet::DataFileMetadata;
use url::Url;
use uuid::Uuid;

use crate::errors::{guarded, ok, outcome, Fault, Result};
use crate::ffi::{ArrowArray, ArrowSchema, FinishResult, Outcome};
use crate::store::{object_path, StoreInner};
use encoding::Encoder;
use upload::{Blocks, Upload};

/// Used by one caller at a time. Keeps its store alive, not its table.
pub struct DataFile {
    store: Arc<StoreInner>,
    context: BoundWriteContext,
    location: Url,
    object: Path,
    rows: u64,
    width: usize,
    upload: Upload,
    stage: Stage,
}

enum Stage {
    /// Boxed: much larger than the others.
    Open(Box<Encoder>),
    /// Encoded to the end; an upload may have been tried.
    Sealed {
        /// What has not been sent of it.
        blocks: Blocks,
        bytes: u64,
        stats: StructArray,
    },
    Uploaded {
        add: RecordBatch,
        bytes: u64,
    },
    /// Nothing is left of it; also what a failed encoder leaves.
    Gone,
}

impl DataFile {
    pub(crate) fn open(
        store: Arc<StoreInner>,
        snapshot: SnapshotRef,
        partition_value: &str,
    ) -> Result<Self> {
        let context = write_context(&store, snapshot, partition_value)?;
        let name = format!(
            "part-00000-{}-c000{}.parquet",
            Uuid::new_v4(),
            compression::name_part(store.compression)
        );
        let location = context
            .write_dir()
            .join(&name)
            .map_err(|e| Fault::contract(format!("{name}: {e}")))?;
        let encoder = Encoder::new(
            context.physical_data_schema(),
            context.stats_columns(),
            store.compression,
        )?;
        let width = encoder.width();
        Ok(Self {
            object: object_path(&location)?,
            store,
            context,
            location,
            rows: 0,
            width,
            upload: Upload::default(),
            stage: Stage::Open(Box::new(encoder)),
        })
    }

    pub fn width(&self) -> usize {
        self.width
    }

    /// # Safety
    /// Both pointers are valid and hold an exported array and its schema.
    pub unsafe fn append(
        &mut self,
        array: *mut ArrowArray,
        schema: *mut ArrowSchema,
    ) -> Result<u64> {
        // The C structs are the same by the Arrow C Data Interface. Taking them first makes sure
        // that they are released whatever happens.
        let array = unsafe { FFI_ArrowArray::from_raw(array.cast()) };
        let schema = unsafe { FFI_ArrowSchema::from_raw(schema.cast()) };
        guarded("append", || {
            let data = unsafe { from_ffi(array, &schema) }?;
            self.append_rows(StructArray::from(data))
        })
    }

    fn append_rows(&mut self, rows: StructArray) -> Result<u64> {
        let Stage::Open(encoder) = &mut self.stage else {
            return Err(Fault::contract("append to a file that is finished"));
        };
        let count = encoder.rows_of(&rows)?;
        match encoder.append(rows) {
            Ok(()) => {
                self.rows += count;
                let blocks = encoder.blocks();
                if let (Some(parts), 1..) = (&self.store.parts, blocks.full_parts()) {
                    let sent = self
                        .upload
                        .send_full_parts(parts.as_ref(), &self.object, blocks);
                    self.store.wait(sent);
                }
                Ok(encoder.encoded_bytes() - self.upload.bytes())
            }
            Err(fault) => {
                // Half a batch may be in it.
                self.stage = Stage::Gone;
                Err(fault.while_doing(format!("encode {}", self.object)))
            }
        }
    }

    pub fn finish(&mut self) -> Result<FinishResult> {
        guarded("finish", || {
            self.seal()?;
            let (uploaded, rows_lost) = self.upload();
            let path = self.context.resolve_file_path(&self.location)?;
            Ok(FinishResult {
                bytes: match &self.stage {
                    Stage::Uploaded { bytes, .. } => *bytes,
                    _ => 0,
                },
                outcome: outcome(uploaded),
                path,
                rows: self.rows,
                rows_lost,
            })
        })
    }

    pub fn discard(&mut self) -> Result<Outcome> {
        guarded("discard", || {
            let parts = self.store.parts.as_deref();
            if let Err(error) = self.store.wait(self.upload.abort(parts, &self.object)) {
                return Ok(outcome(Err(Fault::from(error))));
            }
            if matches!(self.stage, Stage::Open(_) | Stage::Gone) {
                self.stage = Stage::Gone;
                return Ok(ok());
            }
            let deleted = match self.store.wait(self.store.data.delete(&self.object)) {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {
                    self.stage = Stage::Gone;
                    Ok(())
                }
                Err(error) => Err(Fault::from(error)),
            };
            Ok(outcome(deleted))
        })
    }

    /// Encodes the footer, once.
    fn seal(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Open(encoder) => {
                if self.rows == 0 {
                    return Err(Fault::contract("finish of a file without rows"));
                }
                let (blocks, stats) = encoder.finish()?;
                self.stage = Stage::Sealed {
                    bytes: self.upload.bytes() + blocks.bytes(),
                    blocks,
                    stats,
                };
            }
            Stage::Gone => return Err(Fault::contract("finish of a file that is gone")),
            sealed_or_uploaded => self.stage = sealed_or_uploaded,
        }
        Ok(())
    }

    /// Also says whether rows are lost that are no longer held here.
    fn upload(&mut self) -> (Result<()>, bool) {
        let Stage::Sealed {
            blocks,
            bytes,
            stats,
        } = &mut self.stage
        else {
            return (Ok(()), false);
        };
        let bytes = *bytes;
        let sent = self.store.wait(self.upload.finish(
            self.store.data.as_ref(),
            self.store.parts.as_deref(),
            &self.object,
            blocks,
        ));
        if let Err(error) = sent {
            let lost = self.upload.lost(&error);
            let fault = Fault::from(error).while_doing(format!("upload {}", self.object));
            return (Err(fault), lost);
        }
        let file = FileMeta::new(self.location.clone(), now_ms(), bytes);
        let metadata = DataFileMetadata::new(file, stats.clone());
        match build_add_file_metadata(metadata, &self.context).try_into_record_batch() {
            Ok(add) => {
                self.stage = Stage::Uploaded { add, bytes };
                (Ok(()), false)
            }
            Err(error) => (Err(error.into()), false),
        }
    }
}

/// The files of one commit; may serve several attempts.
#[derive(Default)]
pub struct FileSet {
    adds: Vec<RecordBatch>,
}

pub fn new_file_set() -> Box<FileSet> {
    Box::default()
}

impl FileSet {
    pub fn add(&mut self, file: &DataFile) -> Result<()> {
        match &file.stage {
            Stage::Uploaded { add, .. } => {
                self.adds.push(add.clone());
                Ok(())
            }
            _ => Err(Fault::contract("only a finished file can be committed")),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.adds.is_empty()
    }

    /// Copies for one attempt.
    pub(crate) fn add_actions(&self) -> impl Iterator<Item = Box<dyn EngineData>> + '_ {
        self.adds
            .iter()
            .map(|add| Box::new(ArrowEngineData::new(add.clone())) as Box<dyn EngineData>)
    }
}

/// Where and how the kernel wants files of `partition_value`. The value of a table without
/// partition columns is not looked at.
fn write_context(
    store: &StoreInner,
    snapshot: SnapshotRef,
    partition_value: &str,
) -> Result<BoundWriteContext> {
    let columns = snapshot
        .table_configuration()
        .metadata()
        .partition_columns()
        .to_vec();
    let values = match columns.as_slice() {
        [] => None,
        [column] => Some(HashMap::from([(
            column.clone(),
            Scalar::String(partition_value.to_owned()),
        )])),
        _ => {
            return Err(Fault::contract(format!(
                "tables with several partition columns are not written: {columns:?}"
            )))
        }
    };
    let build = || -> KernelResult<BoundWriteContext> {
        let mut builder = snapshot
            .update_table(
                UpdateTableOperation::StreamingUpdate,
                store.engine_info.as_str(),
                true,
            )
            .build(store.engine.as_ref(), Box::new(FileSystemCommitter::new()))?
            .write_state()?
            .write_context_builder();
        if let Some(values) = values {
            builder = builder.with_partition_values(values);
        }
        builder.build()
    };
    Ok(build()?)
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
