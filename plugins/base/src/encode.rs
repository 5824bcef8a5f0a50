//! From Arrow batches to the bytes of a file. Knows nothing of where the bytes go.

mod arrow_ipc;
mod csv;
mod parquet;
mod profile;

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, Schema};
use rivet_plugin_api::{Compression, Error, Format, FormatKind, Result, WriteRequest};

/// Where encoded bytes go.
pub type Sink = Box<dyn Write + Send>;

/// Turns batches of one schema into one file.
pub trait Encoder: Send {
    /// Encodes one batch. After an error the file is of no use.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Bytes of the file so far. What is still being encoded counts with the encoder's estimate.
    fn written(&self) -> u64;

    /// Bytes held in memory.
    fn buffered(&self) -> u64;

    /// Completes the file.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Refuses what the format cannot do: a wrong level, or a column it cannot hold without loss. Call it before anything
/// is written; the schema of every batch must then be `schema`.
pub fn check(format: &Format, schema: &Schema) -> Result<()> {
    if schema.fields().is_empty() {
        return Err(Error::data("the query returns no columns").hint("name at least one column in the query"));
    }
    match format.kind {
        FormatKind::Parquet => parquet::check(format, schema),
        FormatKind::Csv => csv::check(schema),
        FormatKind::Arrow => arrow_ipc::check(format, schema),
    }
}

/// Starts a file whose first batch will be `first`: its values decide how columns are encoded. Nothing of `first` is
/// written yet.
pub fn open(sink: Sink, request: &WriteRequest, first: &RecordBatch) -> Result<Box<dyn Encoder>> {
    Ok(match request.format.kind {
        FormatKind::Parquet => Box::new(parquet::ParquetEncoder::new(sink, request, first)?),
        FormatKind::Csv => Box::new(csv::CsvEncoder::new(sink, &first.schema())),
        FormatKind::Arrow => arrow_ipc::open(sink, request, &first.schema())?,
    })
}

/// What a file keeps of a batch, and so what [`read`] returns: CSV has no types, so a batch becomes its texts; the other
/// formats keep it as it is.
pub(crate) fn as_kept(kind: FormatKind, batch: &RecordBatch) -> Result<Cow<'_, RecordBatch>> {
    match kind {
        FormatKind::Parquet | FormatKind::Arrow => Ok(Cow::Borrowed(batch)),
        FormatKind::Csv => csv::texts(batch).map(Cow::Owned),
    }
}

/// Decodes a finished file from its beginning, batch by batch. A batch has at most `rows` rows, except that Arrow files
/// keep the batches that they were written with.
pub(crate) fn read(
    format: &Format,
    file: File,
    rows: usize,
) -> std::result::Result<Box<dyn RecordBatchReader>, ArrowError> {
    Ok(match format.kind {
        FormatKind::Parquet => Box::new(parquet::read(file, rows)?),
        FormatKind::Csv => Box::new(csv::CsvReader::new(file, rows)?),
        FormatKind::Arrow => arrow_ipc::read(format.arrow_layout, file)?,
    })
}

/// The level if it lies in `range`, or the codec's default.
fn level(format: &Format, range: std::ops::RangeInclusive<u32>, default: u32) -> Result<u32> {
    let level = format.level.unwrap_or(default);
    if range.contains(&level) {
        return Ok(level);
    }
    Err(Error::config(format!("compression level \"{level}\" is out of range for \"{}\"", format.compression.as_str()))
        .hint(format!("choose a level from {} to {}", range.start(), range.end())))
}

/// Refuses a level for a codec that has none.
fn no_level(format: &Format) -> Result<()> {
    match format.level {
        None => Ok(()),
        Some(level) => Err(Error::config(format!(
            "compression level \"{level}\" is set, but \"{}\" has no levels",
            format.compression.as_str()
        ))
        .hint("remove the level, or choose \"zstd\" or \"gzip\"")),
    }
}

/// The zstd level as the codec libraries want it.
fn zstd_level(format: &Format) -> Result<i32> {
    debug_assert_eq!(format.compression, Compression::Zstd);
    Ok(level(format, 1..=22, 3)? as i32)
}

/// Formats that find columns by name cannot hold two of one name.
fn unique_names(schema: &Schema) -> Result<()> {
    let mut names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::data(format!("column \"{}\" occurs twice in the result", pair[0]))
            .hint("give the columns different names with AS in the query")),
    }
}
