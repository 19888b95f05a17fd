//! Bytes -> object: one request when small; parts, one after the other, when large, the first of
//! them while the rest is still being made.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use delta_kernel::object_store::multipart::{MultipartStore, PartId};
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{
    DynObjectStore, Error, MultipartId, ObjectStoreExt, PutPayload, Result,
};

const SINGLE_PUT_BYTES_MAX: u64 = 16 << 20;
const BLOCK_BYTES: usize = 256 << 10;
/// S3 takes at most 10,000 parts of at least 5 MiB; some stores want all of one size.
const PART_BLOCKS: usize = 32;

/// Bytes in blocks of one size, so that growing never copies what is there, and parts are cut
/// without copying.
#[derive(Default)]
pub(super) struct Blocks {
    full: VecDeque<Bytes>,
    last: Vec<u8>,
}

impl Blocks {
    pub(super) fn full_parts(&self) -> usize {
        self.full.len() / PART_BLOCKS
    }

    pub(super) fn bytes(&self) -> u64 {
        let full: usize = self.full.iter().map(Bytes::len).sum();
        (full + self.last.len()) as u64
    }

    /// Nothing will be added any more.
    fn close(&mut self) {
        if !self.last.is_empty() {
            self.full.push_back(std::mem::take(&mut self.last).into());
        }
    }

    pub(super) fn into_bytes(mut self) -> VecDeque<Bytes> {
        self.close();
        self.full
    }

    /// The bytes at the front that make a part, or what there is.
    fn part(&self) -> PutPayload {
        self.full.iter().take(PART_BLOCKS).cloned().collect()
    }

    fn drop_part(&mut self) {
        self.full.drain(..PART_BLOCKS.min(self.full.len()));
    }
}

impl io::Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.last.reserve_exact(BLOCK_BYTES - self.last.len());
            let (fits, more) = rest.split_at(rest.len().min(BLOCK_BYTES - self.last.len()));
            self.last.extend_from_slice(fits);
            rest = more;
            if self.last.len() == BLOCK_BYTES {
                self.full.push_back(std::mem::take(&mut self.last).into());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An object that goes up in parts. A part that fails is sent again under its number.
struct Begun {
    id: MultipartId,
    arrived: Vec<PartId>,
    /// Of those.
    bytes: u64,
}

/// What has been sent of one object, whose name is ours alone.
#[derive(Default)]
pub(super) struct Upload {
    begun: Option<Begun>,
    /// How many parts were full when the last one failed.
    full_when_failed: usize,
    /// The object is there.
    done: bool,
}

impl Upload {
    /// Bytes that the store has and `blocks` holds no more.
    pub(super) fn bytes(&self) -> u64 {
        self.begun.as_ref().map_or(0, |begun| begun.bytes)
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> Option<&MultipartId> {
        self.begun.as_ref().map(|begun| &begun.id)
    }

    /// Sends the parts that are full. A failure changes nothing, and is not met again before the
    /// next part is full.
    pub(super) async fn send_full_parts(
        &mut self,
        store: &dyn MultipartStore,
        object: &Path,
        blocks: &mut Blocks,
    ) {
        while blocks.full_parts() > self.full_when_failed {
            if self.send_part(store, object, blocks).await.is_err() {
                self.full_when_failed = blocks.full_parts();
                return;
            }
            self.full_when_failed = 0;
        }
    }

    /// Sends the rest and makes the object appear. After a failure it may be called again, unless
    /// it is `lost`.
    pub(super) async fn finish(
        &mut self,
        store: &DynObjectStore,
        parts: Option<&dyn MultipartStore>,
        object: &Path,
        blocks: &mut Blocks,
    ) -> Result<()> {
        if self.done {
            return Ok(());
        }
        blocks.close();
        let small = self.begun.is_none() && blocks.bytes() <= SINGLE_PUT_BYTES_MAX;
        let parts = match parts {
            Some(parts) if !small => parts,
            _ => {
                store
                    .put(object, blocks.full.iter().cloned().collect())
                    .await?;
                self.done = true;
                return Ok(());
            }
        };
        while !blocks.full.is_empty() {
            self.send_part(parts, object, blocks).await?;
        }
        let Some(begun) = &self.begun else {
            return Ok(());
        };
        let completed = parts
            .complete_multipart(object, &begun.id, begun.arrived.clone())
            .await;
        if let Err(error) = completed {
            // It may have been done all the same, now or by an earlier try.
            match store.head(object).await {
                Ok(found) if found.size == begun.bytes => {}
                Ok(_) | Err(Error::NotFound { .. }) => return Err(error),
                Err(unclear) => return Err(unclear),
            }
        }
        self.begun = None;
        self.done = true;
        Ok(())
    }

    /// Whether this failure of `finish` means that parts are gone which `blocks` holds no more.
    pub(super) fn lost(&self, error: &Error) -> bool {
        matches!(error, Error::NotFound { .. }) && self.bytes() > 0
    }

    /// Parts of an upload that is not aborted are paid for until a lifecycle rule removes them.
    pub(super) async fn abort(
        &mut self,
        store: Option<&dyn MultipartStore>,
        object: &Path,
    ) -> Result<()> {
        let (Some(store), Some(begun)) = (store, &self.begun) else {
            return Ok(());
        };
        match store.abort_multipart(object, &begun.id).await {
            Ok(()) | Err(Error::NotFound { .. }) => {
                self.begun = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn send_part(
        &mut self,
        store: &dyn MultipartStore,
        object: &Path,
        blocks: &mut Blocks,
    ) -> Result<()> {
        let begun = match &mut self.begun {
            Some(begun) => begun,
            None => {
                let id = store.create_multipart(object).await?;
                self.begun.insert(Begun {
                    id,
                    arrived: Vec::new(),
                    bytes: 0,
                })
            }
        };
        let part = blocks.part();
        let bytes = part.content_length() as u64;
        let number = begun.arrived.len();
        let arrived = store.put_part(object, &begun.id, number, part).await?;
        begun.arrived.push(arrived);
        begun.bytes += bytes;
        blocks.drop_part();
        Ok(())
    }
}
