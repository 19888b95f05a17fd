//! Rows -> Parquet bytes and Delta statistics.

use std::ops::Range;
use std::sync::Arc;

use delta_kernel::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StructArray, TimestampMicrosecondArray,
};
use delta_kernel::arrow::compute::cast;
use delta_kernel::arrow::datatypes::{
    DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use delta_kernel::engine::arrow_conversion::TryIntoArrow;
use delta_kernel::engine::writer_options;
use delta_kernel::expressions::ColumnName;
use delta_kernel::parquet::arrow::arrow_writer::{
    compute_leaves, ArrowColumnWriter, ArrowRowGroupWriterFactory,
};
use delta_kernel::parquet::arrow::ArrowWriter;
use delta_kernel::parquet::basic::{Compression, Encoding, ZstdLevel};
use delta_kernel::parquet::file::properties::{EnabledStatistics, WriterProperties};
use delta_kernel::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use delta_kernel::parquet::schema::types::{ColumnDescPtr, ColumnPath};
use delta_kernel::schema::{SchemaRef as DeltaSchemaRef, StructType};
use delta_kernel_default_engine::stats::FileStatsAccumulator;

use super::payload::PayloadColumn;
use super::upload::Blocks;
use crate::errors::{Fault, Result};

/// Encoded; a little more than goes up as one part. A row group is copied when it ends, so this
/// much memory is needed twice.
const ROW_GROUP_BYTES_MAX: usize = 9 << 20;
const ROW_GROUP_ROWS_MAX: usize = 1 << 20;
/// Of a page: as many as the payload's have, whose rows come at once.
const PAGE_BYTES: usize = 96 << 10;
/// After so many rows the size of the page is looked at.
const ROWS_BETWEEN_LOOKS: usize = 128;
/// Message bodies: large, hardly ever equal, never filtered by range.
const PAYLOAD_COLUMNS: [&str; 3] = ["_raw_value", "original_payload", "_original_bytes"];
/// They may well repeat, but no range of them tells anything.
const OPAQUE_COLUMNS: [&str; 2] = ["_kafka_key", "_kafka_headers"];
/// What Parquet makes of them.
const OPAQUE_LEAVES: [&[&str]; 3] = [
    &["_kafka_key"],
    &["_kafka_headers", "list", "element", "key"],
    &["_kafka_headers", "list", "element", "value"],
];
/// Hardly more than one value in a table: nothing is left of them after the dictionary.
const CONSTANT_COLUMNS: [&str; 2] = ["_kafka_topic", "_kafka_timestamp_type"];

pub(super) struct Encoder {
    schema: SchemaRef,
    compression: Compression,
    file: SerializedFileWriter<Blocks>,
    columns_of_a_group: ArrowRowGroupWriterFactory,
    group: Option<RowGroup>,
    stats: FileStatsAccumulator,
}

/// Held in memory until it ends.
struct RowGroup {
    rows: usize,
    columns: Vec<Column>,
}

/// One that Parquet knows.
enum Column {
    Payload(Box<PayloadColumn>),
    Other(Box<ArrowColumnWriter>),
}

impl Encoder {
    pub(super) fn new(
        schema: &DeltaSchemaRef,
        stats_columns: &[ColumnName],
        compression: Compression,
    ) -> Result<Self> {
        let table: &StructType = schema.as_ref();
        let arrow: Schema = table.try_into_arrow()?;
        let arrow = Arc::new(arrow);
        let stats_columns: Vec<ColumnName> = stats_columns
            .iter()
            .filter(|column| column.path().first().is_some_and(|name| has_range(name)))
            .cloned()
            .collect();
        let writer = ArrowWriter::try_new_with_options(
            Blocks::default(),
            arrow.clone(),
            writer_options().with_properties(properties(&arrow, compression)),
        )?;
        let (file, columns_of_a_group) = writer.into_serialized_writer()?;
        Ok(Self {
            schema: arrow,
            compression,
            file,
            columns_of_a_group,
            group: None,
            stats: FileStatsAccumulator::new(&stats_columns, table),
        })
    }

    pub(super) fn width(&self) -> usize {
        self.schema.fields().len()
    }

    /// Checks the shape of `rows` without encoding anything.
    pub(super) fn rows_of(&self, rows: &StructArray) -> Result<u64> {
        if rows.num_columns() != self.schema.fields().len() {
            return Err(Fault::contract(format!(
                "{} columns, the table has {}",
                rows.num_columns(),
                self.schema.fields().len()
            )));
        }
        if rows.null_count() > 0 {
            return Err(Fault::contract("a row is null"));
        }
        Ok(rows.len() as u64)
    }

    pub(super) fn append(&mut self, rows: StructArray) -> Result<()> {
        let columns = self
            .schema
            .fields()
            .iter()
            .zip(rows.columns())
            .map(|(field, column)| conform(column, field))
            .collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.stats.merge(&batch)?;
        if self.group.is_none() {
            self.group = Some(self.begin_group()?);
        }
        if let Some(group) = &mut self.group {
            group.append(&batch)?;
            if group.is_full() {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// Of finished row groups, what has not been sent.
    pub(super) fn blocks(&mut self) -> &mut Blocks {
        self.file.inner_mut()
    }

    /// What the file would hold if it ended now, without its footer.
    pub(super) fn encoded_bytes(&self) -> u64 {
        let open = self.group.as_ref().map_or(0, RowGroup::encoded_bytes);
        (self.file.bytes_written() + open) as u64
    }

    pub(super) fn finish(mut self) -> Result<(Blocks, StructArray)> {
        self.end_group()?;
        let stats = self
            .stats
            .finish()?
            .ok_or_else(|| Fault::contract("a file without rows"))?;
        Ok((self.file.into_inner()?, tellable(&stats)?))
    }

    fn begin_group(&self) -> Result<RowGroup> {
        let index = self.file.flushed_row_groups().len();
        let writers = self.columns_of_a_group.create_column_writers(index)?;
        let leaves = self.file.schema_descr().columns();
        let columns = writers.into_iter().zip(leaves);
        Ok(RowGroup {
            rows: 0,
            columns: columns
                .map(|(writer, leaf)| Column::new(writer, leaf, self.compression))
                .collect(),
        })
    }

    fn end_group(&mut self) -> Result<()> {
        if let Some(group) = self.group.take() {
            let mut into = self.file.next_row_group()?;
            for column in group.columns {
                column.close(&mut into)?;
            }
            into.close()?;
        }
        Ok(())
    }
}

impl RowGroup {
    fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut columns = self.columns.iter_mut().peekable();
        for (field, values) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if let Some(Column::Payload(payload)) =
                columns.next_if(|column| matches!(column, Column::Payload(_)))
            {
                payload.append(values)?;
                continue;
            }
            for (leaf, column) in compute_leaves(field, values)?.iter().zip(columns.by_ref()) {
                if let Column::Other(writer) = column {
                    writer.write(leaf)?;
                }
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows >= ROW_GROUP_ROWS_MAX || self.encoded_bytes() >= ROW_GROUP_BYTES_MAX
    }

    fn encoded_bytes(&self) -> usize {
        self.columns
            .iter()
            .map(|column| match column {
                Column::Payload(payload) => payload.encoded_bytes(),
                Column::Other(writer) => writer.get_estimated_total_bytes(),
            })
            .sum()
    }
}

impl Column {
    fn new(writer: ArrowColumnWriter, leaf: &ColumnDescPtr, compression: Compression) -> Self {
        match (compression, leaf.path().parts()) {
            (Compression::ZSTD(level), [name]) if PAYLOAD_COLUMNS.contains(&name.as_str()) => {
                Self::Payload(Box::new(PayloadColumn::new(leaf.clone(), level)))
            }
            _ => Self::Other(Box::new(writer)),
        }
    }

    fn close(self, group: &mut SerializedRowGroupWriter<Blocks>) -> Result<()> {
        match self {
            Self::Payload(payload) => {
                let (chunk, close) = payload.close()?;
                group.append_column(&chunk, close)?;
            }
            Self::Other(writer) => writer.close()?.append_to_row_group(group)?,
        }
        Ok(())
    }
}

/// The statistics without least and greatest times that the log cannot tell: it holds them as
/// text, and what most readers take, and arrow writes, are years of four digits.
fn tellable(stats: &StructArray) -> Result<StructArray> {
    let bounds = |name: &str| name == "minValues" || name == "maxValues";
    with_columns(stats, |name, column| match column.as_struct_opt() {
        Some(of_columns) if bounds(name) => {
            let kept = with_columns(of_columns, |_, bound| Ok(without_odd_times(bound)))?;
            Ok(Arc::new(kept))
        }
        _ => Ok(column.clone()),
    })
}

fn without_odd_times(bound: &ArrayRef) -> ArrayRef {
    // 0001-01-01 and 10000-01-01
    const TELLABLE_MICROS: Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;
    let Some(times) = bound.as_primitive_opt::<TimestampMicrosecondType>() else {
        return bound.clone();
    };
    let kept: TimestampMicrosecondArray =
        times.unary_opt(|time| TELLABLE_MICROS.contains(&time).then_some(time));
    Arc::new(kept.with_data_type(bound.data_type().clone()))
}

fn with_columns(
    array: &StructArray,
    change: impl Fn(&str, &ArrayRef) -> Result<ArrayRef>,
) -> Result<StructArray> {
    let columns = array
        .fields()
        .iter()
        .zip(array.columns())
        .map(|(field, column)| change(field.name(), column))
        .collect::<Result<Vec<_>>>()?;
    Ok(StructArray::try_new(
        array.fields().clone(),
        columns,
        array.nulls().cloned(),
    )?)
}

/// The column in the type that the table has. Only names inside nested types may differ.
fn conform(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(column.clone());
    }
    if column.data_type().equals_datatype(field.data_type()) {
        return Ok(cast(column, field.data_type())?);
    }
    Err(Fault::contract(format!(
        "column {} is {}, the table has {}",
        field.name(),
        column.data_type(),
        field.data_type()
    )))
}

/// Whether the least and the greatest value of a column help to find rows.
fn has_range(name: &str) -> bool {
    !PAYLOAD_COLUMNS.contains(&name) && !OPAQUE_COLUMNS.contains(&name)
}

fn properties(schema: &Schema, compression: Compression) -> WriterProperties {
    let of_small_columns = match compression {
        // Each such column of each open file holds a compressor, which is larger at each level.
        Compression::ZSTD(_) => Compression::ZSTD(ZstdLevel::default()),
        other => other,
    };
    let mut builder = WriterProperties::builder()
        .set_compression(of_small_columns)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(ROWS_BETWEEN_LOOKS);
    for leaf in OPAQUE_LEAVES {
        let path = ColumnPath::from(leaf.iter().map(|&part| part.to_owned()).collect::<Vec<_>>());
        builder = builder.set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    for field in schema.fields() {
        let column = || ColumnPath::from(field.name().as_str());
        if PAYLOAD_COLUMNS.contains(&field.name().as_str()) {
            builder = builder
                .set_column_dictionary_enabled(column(), false)
                .set_column_statistics_enabled(column(), EnabledStatistics::None);
        }
        let is_constant = CONSTANT_COLUMNS.contains(&field.name().as_str());
        if field.data_type().is_primitive() || is_constant {
            // Packed already. Each compressed column would hold a codec of its own, half of the
            // memory of a file with few rows, to make files 1.5 % smaller.
            builder = builder.set_column_compression(column(), Compression::UNCOMPRESSED);
        }
        if is_ascending(field.data_type()) {
            builder = builder
                .set_column_dictionary_enabled(column(), false)
                .set_column_encoding(column(), Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}

/// Offsets and timestamps. (Partition numbers repeat; a dictionary suits them better.)
fn is_ascending(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}
