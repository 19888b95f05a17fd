//! What new data files are compressed with, and how their names say so.

use delta_kernel::parquet::basic::{Compression, ZstdLevel};

use crate::errors::{Fault, Result};
use crate::ffi::Codec;

/// Err: there is no such codec or level.
pub(crate) fn compression(codec: Codec, zstd_level: i32) -> Result<Compression> {
    Ok(match codec {
        Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(zstd_level)?),
        Codec::Snappy => Compression::SNAPPY,
        Codec::Lz4 => Compression::LZ4_RAW,
        Codec::Uncompressed => Compression::UNCOMPRESSED,
        _ => return Err(Fault::contract(format!("no codec {codec:?}"))),
    })
}

/// As Spark names its files: what stands before `.parquet`.
pub(super) fn name_part(compression: Compression) -> &'static str {
    match compression {
        Compression::ZSTD(_) => ".zstd",
        Compression::SNAPPY => ".snappy",
        Compression::LZ4_RAW => ".lz4raw",
        _ => "",
    }
}
