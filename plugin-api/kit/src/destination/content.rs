//! Reads back what a destination wrote, with readers that share nothing with its encoders but the format.

use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use bytes::Bytes;
use libtest_mimic::Failed;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rivet_plugin_api::{ArrowLayout, Format, FormatKind, Part, Receipt};
use xxhash_rust::xxh3::xxh3_128;

use super::Destination;
use crate::check::ensure;
use crate::suite::Outcome;

/// The content of a part, after comparing its size and checksum with the receipt.
pub(super) fn fetch(destination: &Destination, part: &Part) -> Result<Vec<u8>, Failed> {
    let name = &part.name;
    let bytes = (destination.target.fetch)(name).map_err(|e| format!("part \"{name}\" cannot be fetched: {e}"))?;
    ensure!(bytes.len() as u64 == part.bytes, "\"{name}\" has {} bytes, its receipt {}", bytes.len(), part.bytes);
    let checksum = format!("xxh3-128:{:032x}", xxh3_128(&bytes));
    ensure!(checksum == part.checksum, "\"{name}\" has checksum {checksum}, its receipt {}", part.checksum);
    Ok(bytes)
}

/// All rows of all parts of a typed format, as one batch.
pub(super) fn read(destination: &Destination, receipt: &Receipt, format: &Format) -> Result<RecordBatch, Failed> {
    let mut batches = Vec::new();
    for part in &receipt.parts {
        let bytes = Bytes::from(fetch(destination, part)?);
        let of_part: Vec<RecordBatch> = match (format.kind, format.arrow_layout) {
            (FormatKind::Arrow, ArrowLayout::Stream) => {
                StreamReader::try_new(bytes.as_ref(), None)?.collect::<Result<_, _>>()?
            }
            (FormatKind::Arrow, ArrowLayout::File) => {
                FileReader::try_new(Cursor::new(bytes), None)?.collect::<Result<_, _>>()?
            }
            _ => ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()?.collect::<Result<_, _>>()?,
        };
        let rows: u64 = of_part.iter().map(|batch| batch.num_rows() as u64).sum();
        ensure!(rows == part.rows, "\"{}\" has {rows} rows, its receipt {}", part.name, part.rows);
        batches.extend(of_part);
    }
    let first = batches.first().ok_or("there are no rows")?;
    Ok(arrow_select::concat::concat_batches(&first.schema(), &batches)?)
}

/// Compares names, types and values; metadata of the schema may differ.
pub(super) fn same(written: &RecordBatch, found: &RecordBatch) -> Outcome {
    ensure!(
        written.num_columns() == found.num_columns(),
        "{} columns of {} were found",
        found.num_columns(),
        written.num_columns()
    );
    let (of_written, of_found) = (written.schema(), found.schema());
    for (i, (written_field, found_field)) in of_written.fields().iter().zip(of_found.fields()).enumerate() {
        let expected = (written_field.name(), written_field.data_type());
        let actual = (found_field.name(), found_field.data_type());
        ensure!(expected == actual, "column {expected:?} was found as {actual:?}");
        ensure!(
            written.column(i).to_data() == found.column(i).to_data(),
            "column \"{}\" was found with other values",
            written_field.name()
        );
    }
    Ok(())
}

/// The records of CSV text, its header included: line ends within quotes are part of a value.
pub(super) fn csv_records(text: &[u8]) -> Result<u64, Failed> {
    let (mut quoted, mut records) = (false, 0);
    for byte in text {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => records += 1,
            _ => {}
        }
    }
    ensure!(!quoted, "a quote is not closed");
    ensure!(text.last() == Some(&b'\n'), "the last record has no line end");
    Ok(records)
}
