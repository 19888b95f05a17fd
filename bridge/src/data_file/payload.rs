//! The column of message bodies: nearly all bytes of a file. Each value is copied once, into its
//! page, and from there compressed: the Parquet crate copies every page four times, three of them
//! into memory that grows from nothing. What is written is what the crate writes: data pages of
//! version 1, PLAIN, of one size.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use delta_kernel::arrow::array::{Array, ArrayRef, AsArray, GenericByteArray, NullBufferBuilder};
use delta_kernel::arrow::buffer::NullBuffer;
use delta_kernel::arrow::datatypes::{BinaryType, ByteArrayType, DataType, Utf8Type};
use delta_kernel::parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use delta_kernel::parquet::column::page::{CompressedPage, Page, PageWriter};
use delta_kernel::parquet::column::writer::ColumnCloseResult;
use delta_kernel::parquet::errors::ParquetError;
use delta_kernel::parquet::file::metadata::{
    ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats,
};
use delta_kernel::parquet::file::reader::{ChunkReader, Length};
use delta_kernel::parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use delta_kernel::parquet::schema::types::ColumnDescPtr;
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, ParamSwitch};

use super::upload::Blocks;
use crate::errors::{Fault, Result};

/// A page ends with the value that reaches this. zstd encodes a page of 132 KiB a fifth slower and
/// larger, since it looks at blocks of 128 KiB.
const PAGE_BYTES: usize = 124 << 10;
/// With the value that ends it, mostly.
const PAGE_ROOM: usize = PAGE_BYTES + (4 << 10);
const PAGE_ROWS: usize = 20_000;
/// Of a compressor: how far back it looks, which is all of a page, but for one of a larger value.
const WINDOW_LOG: u32 = 17;
/// In front of the values, for the levels of a page without NULLs: length, run, value.
const LEVELS_ROOM: usize = 4 + 5 + 1;

/// One column chunk that grows. Used by one caller at a time.
pub(super) struct PayloadColumn {
    column: ColumnDescPtr,
    level: ZstdLevel,
    /// The values of the page that is open, behind LEVELS_ROOM.
    values: Vec<u8>,
    validity: NullBufferBuilder,
    pages: TrackedWrite<Blocks>,
    index: OffsetIndexBuilder,
    page_count: i32,
    rows: u64,
    uncompressed_bytes: usize,
}

impl PayloadColumn {
    /// `column` is one of byte arrays, not in a list.
    pub(super) fn new(column: ColumnDescPtr, level: ZstdLevel) -> Self {
        Self {
            column,
            level,
            values: vec![0; LEVELS_ROOM],
            validity: NullBufferBuilder::new(0),
            pages: TrackedWrite::new(Blocks::default()),
            index: OffsetIndexBuilder::new(),
            page_count: 0,
            rows: 0,
            uncompressed_bytes: 0,
        }
    }

    pub(super) fn append(&mut self, values: &ArrayRef) -> Result<()> {
        match values.data_type() {
            DataType::Utf8 => self.append_values(values.as_bytes::<Utf8Type>()),
            DataType::Binary => self.append_values(values.as_bytes::<BinaryType>()),
            other => Err(Fault::contract(format!("a payload of type {other}"))),
        }
    }

    fn append_values<T: ByteArrayType<Offset = i32>>(
        &mut self,
        array: &GenericByteArray<T>,
    ) -> Result<()> {
        let bytes = array.value_data();
        let room = PAGE_ROOM.saturating_sub(self.values.len());
        self.values
            .reserve((bytes.len() + 4 * array.len()).min(room));
        for (row, ends) in array.value_offsets().windows(2).enumerate() {
            if array.is_null(row) {
                self.validity.append_null();
            } else {
                let value = &bytes[ends[0] as usize..ends[1] as usize];
                self.values
                    .extend_from_slice(&(value.len() as u32).to_le_bytes());
                self.values.extend_from_slice(value);
                self.validity.append_non_null();
            }
            if self.values.len() - LEVELS_ROOM >= PAGE_BYTES || self.validity.len() >= PAGE_ROWS {
                self.end_page()?;
            }
        }
        Ok(())
    }

    /// Roughly what it would be if it ended now.
    pub(super) fn encoded_bytes(&self) -> usize {
        self.pages.bytes_written() + self.values.len() - LEVELS_ROOM
    }

    fn end_page(&mut self) -> Result<()> {
        let rows = self.validity.len();
        let nulls = self.validity.finish();
        let levels = match self.column.max_def_level() {
            0 => Vec::new(),
            _ => definition_levels(rows, nulls.as_ref()),
        };
        let value_bytes = self.values.len()
            - LEVELS_ROOM
            - 4 * (rows - nulls.as_ref().map_or(0, NullBuffer::null_count));
        let begin = LEVELS_ROOM.saturating_sub(levels.len());
        self.values.splice(begin..LEVELS_ROOM, levels);
        let body = &self.values[begin..];
        let page = Page::DataPage {
            buf: compress(body, self.level.compression_level())?.into(),
            num_values: rows as u32,
            encoding: Encoding::PLAIN,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let written = SerializedPageWriter::new(&mut self.pages)
            .write_page(CompressedPage::new(page, body.len()))?;
        self.values.truncate(LEVELS_ROOM);
        self.page_count += 1;
        self.rows += rows as u64;
        self.uncompressed_bytes += written.uncompressed_size;
        self.index.append_row_count(rows as i64);
        self.index
            .append_offset_and_size(written.offset as i64, written.compressed_size as i32);
        self.index
            .append_unencoded_byte_array_data_bytes(Some(value_bytes as i64));
        Ok(())
    }

    /// The chunk, and what a row group has to know of it.
    pub(super) fn close(mut self) -> Result<(Chunk, ColumnCloseResult)> {
        if !self.validity.is_empty() {
            self.end_page()?;
        }
        let bytes = self.pages.bytes_written();
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(Compression::ZSTD(self.level))
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_page_encoding_stats(vec![PageEncodingStats {
                page_type: PageType::DATA_PAGE,
                encoding: Encoding::PLAIN,
                count: self.page_count,
            }])
            .set_total_compressed_size(bytes as i64)
            .set_total_uncompressed_size(self.uncompressed_bytes as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(0)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.index.build()),
        };
        Ok((Chunk(self.pages.into_inner()?.into_bytes()), close))
    }
}

/// Parquet's levels of a column that may be NULL: how long they are, and one run of them.
fn definition_levels(rows: usize, nulls: Option<&NullBuffer>) -> Vec<u8> {
    let mut levels = vec![0; 4];
    match nulls {
        None => {
            append_varint(&mut levels, rows << 1);
            levels.push(1);
        }
        Some(nulls) => {
            append_varint(&mut levels, rows.div_ceil(8) << 1 | 1);
            // Bits as Arrow packs them.
            levels.extend_from_slice(nulls.inner().sliced().as_slice());
        }
    }
    let bytes = (levels.len() - 4) as u32;
    levels[..4].copy_from_slice(&bytes.to_le_bytes());
    levels
}

fn append_varint(to: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

thread_local! {
    /// A context is larger than most pages and there are more files than threads.
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
}

fn compress(body: &[u8], level: i32) -> Result<Vec<u8>, ParquetError> {
    let compressed = COMPRESSOR.with_borrow_mut(|kept| match kept {
        Some((of_level, compressor)) if *of_level == level => compressor.compress(body),
        _ => kept.insert((level, compressor(level)?)).1.compress(body),
    });
    Ok(compressed?)
}

fn compressor(level: i32) -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level)?;
    if level == 1 {
        // The table of matches fits the processor's first cache, and few matches of JSON are
        // shorter: a third faster, and not larger.
        compressor.set_parameter(CParameter::HashLog(11))?;
        compressor.set_parameter(CParameter::MinMatch(7))?;
        // Every fifth place is looked at, not every second: a sixth faster, and 9 % larger. By
        // itself zstd would no longer compress what is between matches then.
        compressor.set_parameter(CParameter::TargetLength(4))?;
        compressor.set_parameter(CParameter::LiteralCompressionMode(ParamSwitch::Enable))?;
    } else {
        // The tables of a level grow with the page, which is as large as its largest value, and
        // each thread keeps them.
        compressor.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    }
    Ok(compressor)
}

/// The pages of a column chunk, with their headers.
pub(super) struct Chunk(VecDeque<Bytes>);

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.0.iter().map(|bytes| bytes.len() as u64).sum()
    }
}

impl ChunkReader for Chunk {
    type T = Pages;

    /// A row group takes a column chunk from its beginning, by `get_read` alone.
    fn get_read(&self, start: u64) -> Result<Pages, ParquetError> {
        match start {
            0 => Ok(Pages(self.0.clone())),
            _ => Err(ParquetError::General(format!("read from {start}"))),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Err(ParquetError::General(format!("read {length} from {start}")))
    }
}

pub(super) struct Pages(VecDeque<Bytes>);

impl Read for Pages {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let Some(first) = self.0.front_mut() else {
            return Ok(0);
        };
        let count = first.len().min(to.len());
        first.copy_to_slice(&mut to[..count]);
        if first.is_empty() {
            self.0.pop_front();
        }
        Ok(count)
    }
}
