//! Parquet: row groups bounded by bytes, so that memory stays bounded however many rows a file gets.

use std::fs::File;

use ::parquet::arrow::ArrowSchemaConverter;
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use ::parquet::arrow::arrow_writer::ArrowWriter;
use ::parquet::basic::{self, GzipLevel, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow_array::RecordBatch;
use arrow_schema::Schema;
use rivet_plugin_api::{Compression, Error, Format, Result, WriteRequest};

use super::{Encoder, Sink, level, no_level, profile, unique_names, zstd_level};

/// A row group ends once it takes this many bytes of memory, which is what a writer holds, unless the request says
/// otherwise.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Smaller ones would cost readers more than the memory is worth.
const LEAST_GROUP_BYTES: usize = 8 << 20;

/// Pages end at this size, unless files are to be so small that pages of it would make up much of them.
const PAGE_BYTES: usize = 1 << 20;

/// Smaller pages would not compress well.
const LEAST_PAGE_BYTES: usize = 8 << 10;

/// Narrow tables reach this first. Readers spread their work by row groups, so one group a file would not do.
const ROW_GROUP_ROWS: usize = 1 << 20;

pub(super) struct ParquetEncoder {
    writer: ArrowWriter<Sink>,
    group_bytes: usize,
}

pub(super) fn check(format: &Format, schema: &Schema) -> Result<()> {
    codec(format)?;
    unique_names(schema)?;
    for field in schema.fields() {
        let alone = Schema::new(vec![field.clone()]);
        if ArrowSchemaConverter::new().convert(&alone).is_err() {
            return Err(Error::data(format!(
                "column \"{}\" of type \"{}\" cannot be written as Parquet",
                field.name(),
                field.data_type()
            ))
            .hint("select the column as text"));
        }
    }
    Ok(())
}

pub(super) fn read(file: File, rows: usize) -> std::result::Result<ParquetRecordBatchReader, ParquetError> {
    ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(rows).build()
}

fn codec(format: &Format) -> Result<basic::Compression> {
    Ok(match format.compression {
        Compression::Zstd => basic::Compression::ZSTD(ZstdLevel::try_new(zstd_level(format)?).map_err(failed)?),
        // Level 10 exists only in another deflate library; configurations that name it get the strongest there is.
        Compression::Gzip => {
            basic::Compression::GZIP(GzipLevel::try_new(level(format, 0..=10, 6)?.min(9)).map_err(failed)?)
        }
        other => {
            no_level(format)?;
            match other {
                Compression::Snappy => basic::Compression::SNAPPY,
                // Not `LZ4`, whose framing is Hadoop's and which few readers know.
                Compression::Lz4 => basic::Compression::LZ4_RAW,
                _ => basic::Compression::UNCOMPRESSED,
            }
        }
    })
}

/// What is in an unfinished page is not compressed yet, so that nobody knows how large it will be. One page and one
/// dictionary a column together may be an eighth of a file each: then a file ends near its limit however well it
/// compresses.
fn page_bytes(format: &Format, schema: &Schema) -> usize {
    let columns = schema.flattened_fields().len().max(1);
    let share =
        format.max_file_size.map_or(PAGE_BYTES, |limit| usize::try_from(limit).unwrap_or(usize::MAX) / 8 / columns);
    share.clamp(LEAST_PAGE_BYTES, PAGE_BYTES)
}

fn failed(e: ParquetError) -> Error {
    Error::internal(format!("parquet: {e}"))
}

impl ParquetEncoder {
    pub(super) fn new(sink: Sink, request: &WriteRequest, first: &RecordBatch) -> Result<Self> {
        let metadata = request.metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        let codec = codec(&request.format)?;
        let wanted = request.memory_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let group_bytes = wanted.map_or(ROW_GROUP_BYTES, |bytes| bytes.clamp(LEAST_GROUP_BYTES, ROW_GROUP_BYTES));
        let page_bytes = page_bytes(&request.format, &first.schema());
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(group_bytes))
            .set_data_page_size_limit(page_bytes)
            .set_dictionary_page_size_limit(page_bytes)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_key_value_metadata(Some(metadata));
        let properties = profile::choose_encodings(properties, first, codec).map_err(failed)?.build();
        let writer = ArrowWriter::try_new(sink, first.schema(), Some(properties)).map_err(failed)?;
        Ok(Self { writer, group_bytes })
    }
}

impl Encoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(failed)?;
        // The writer's own limit counts encoded bytes only; dictionaries and page buffers take memory as well.
        if self.writer.memory_size() >= self.group_bytes {
            self.writer.flush().map_err(failed)?;
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    fn buffered(&self) -> u64 {
        self.writer.memory_size() as u64
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.finish().map(drop).map_err(failed)
    }
}

#[cfg(test)]
mod tests;
