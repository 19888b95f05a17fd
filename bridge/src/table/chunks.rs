//! A Parquet file in the store, read where its reader wants to read it.
//!
//! Kept are the last blocks that were read: the pages of a row group's columns lie one after the
//! other, and are wanted in turn, a piece of each. So memory does not grow with row groups, which
//! other engines make as large as they like.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::ObjectStoreExt;
use delta_kernel::parquet::errors::{ParquetError, Result};
use delta_kernel::parquet::file::reader::{ChunkReader, Length};

use crate::store::StoreInner;

const BLOCK_BYTES: u64 = 512 << 10;
const BLOCKS_KEPT_MAX: usize = 32;

/// Cheap to clone; blocks are shared. For threads that are not the runtime's.
#[derive(Clone)]
pub(super) struct Chunks(Arc<Inner>);

struct Inner {
    store: Arc<StoreInner>,
    location: Path,
    bytes: u64,
    /// By the number of the block; the one that was used last is at the back.
    blocks: Mutex<VecDeque<(u64, Bytes)>>,
}

impl Chunks {
    pub(super) fn new(store: Arc<StoreInner>, location: Path, bytes: u64) -> Self {
        Self(Arc::new(Inner {
            store,
            location,
            bytes,
            blocks: Mutex::default(),
        }))
    }

    fn fetch(&self, first: u64, next: u64) -> Result<Bytes> {
        let Inner {
            store, location, ..
        } = self.0.as_ref();
        store
            .wait(store.data.get_range(location, first..next))
            .map_err(|error| ParquetError::External(Box::new(error)))
    }

    /// From `start` to the end of its block.
    fn rest_of_block(&self, start: u64) -> Result<Bytes> {
        if start >= self.0.bytes {
            return Ok(Bytes::new());
        }
        let number = start / BLOCK_BYTES;
        let first = number * BLOCK_BYTES;
        let mut blocks = self.0.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = blocks.iter().position(|(of, _)| *of == number);
        let block = match known.and_then(|index| blocks.remove(index)) {
            Some(block) => block,
            None => {
                let next = self.0.bytes.min(first + BLOCK_BYTES);
                (number, self.fetch(first, next)?)
            }
        };
        let rest = block.1.slice((start - first) as usize..);
        if blocks.len() >= BLOCKS_KEPT_MAX {
            blocks.pop_front();
        }
        blocks.push_back(block);
        Ok(rest)
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

impl ChunkReader for Chunks {
    type T = BlockReader;

    fn get_read(&self, start: u64) -> Result<BlockReader> {
        Ok(BlockReader {
            chunks: self.clone(),
            at: start,
            block: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let next = start + length as u64;
        if next > self.0.bytes {
            return Err(ParquetError::EOF(format!(
                "{} ends at {}, before {next}",
                self.0.location, self.0.bytes
            )));
        }
        if length as u64 > BLOCK_BYTES {
            return self.fetch(start, next);
        }
        let head = self.rest_of_block(start)?;
        if head.len() >= length {
            return Ok(head.slice(..length));
        }
        let tail = self.rest_of_block(start + head.len() as u64)?;
        let mut joined = Vec::with_capacity(length);
        joined.extend_from_slice(&head);
        joined.extend_from_slice(&tail[..length - head.len()]);
        Ok(joined.into())
    }
}

pub(super) struct BlockReader {
    chunks: Chunks,
    at: u64,
    block: Bytes,
}

impl Read for BlockReader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.block.is_empty() {
            let rest = self.chunks.rest_of_block(self.at);
            self.block = rest.map_err(std::io::Error::other)?;
        }
        let count = into.len().min(self.block.len());
        into[..count].copy_from_slice(&self.block.split_to(count));
        self.at += count as u64;
        Ok(count)
    }
}
