//! What is written can be read: every value in typed formats, every record in CSV.

use rivet_plugin_api::arrow_array::RecordBatch;
use rivet_plugin_api::{ArrowLayout, Category, Format, FormatKind, Receipt, WriteRequest};

use super::{Destination, content, sample};
use crate::check::{ensure, refused};
use crate::suite::Outcome;

fn request(destination: &Destination, trial: &str, kind: FormatKind) -> Result<WriteRequest, libtest_mimic::Failed> {
    let format = Format { kind, ..Format::default() };
    Ok(WriteRequest { format, verify: true, ..destination.request(trial)? })
}

/// The one part of a receipt, checked against what was written.
fn one_part(receipt: &Receipt, request: &WriteRequest, batch: &RecordBatch) -> Outcome {
    let [part] = receipt.parts.as_slice() else {
        return Err(format!("{} parts were made of one batch", receipt.parts.len()).into());
    };
    let (name, rows) = (request.part_name(0, false), batch.num_rows() as u64);
    ensure!(part.name == name, "the part is named \"{}\", not \"{name}\"", part.name);
    ensure!(part.rows == rows, "{} rows were written, the receipt says {}", rows, part.rows);
    ensure!(part.validated_rows == Some(rows), "the part was not verified as asked: {:?}", part.validated_rows);
    ensure!(!part.location.is_empty(), "the receipt has no location");
    Ok(())
}

fn typed_round_trip(destination: &Destination, trial: &str, format: Format) -> Outcome {
    let request = WriteRequest { format, verify: true, ..destination.request(trial)? };
    let batch = sample::all_types();
    let receipt = destination.write(&request, std::slice::from_ref(&batch))?;
    one_part(&receipt, &request, &batch)?;
    content::same(&batch, &content::read(destination, &receipt, &request.format)?)?;
    destination.tidy(&receipt)
}

pub(super) fn parquet_keeps_every_value(destination: &Destination) -> Outcome {
    typed_round_trip(destination, "parquet", Format { kind: FormatKind::Parquet, ..Format::default() })
}

pub(super) fn arrow_keeps_every_value(destination: &Destination) -> Outcome {
    for (trial, arrow_layout) in [("arrow", ArrowLayout::Stream), ("arrow_file", ArrowLayout::File)] {
        let format = Format { kind: FormatKind::Arrow, arrow_layout, ..Format::default() };
        typed_round_trip(destination, trial, format)?;
    }
    Ok(())
}

pub(super) fn csv_keeps_every_row(destination: &Destination) -> Outcome {
    let (request, batch) = (request(destination, "csv", FormatKind::Csv)?, sample::all_types());
    let receipt = destination.write(&request, std::slice::from_ref(&batch))?;
    one_part(&receipt, &request, &batch)?;
    let text = content::fetch(destination, &receipt.parts[0])?;
    let records = content::csv_records(&text)?;
    ensure!(records == batch.num_rows() as u64 + 1, "{records} records, {} rows and a header", batch.num_rows());
    let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    let header = format!("{}\n", names.join(","));
    ensure!(text.starts_with(header.as_bytes()), "the header is not {header:?}");
    for cell in ["\"plain, \"\"quoted\"\"\r\nand more\"", "-9223372036854775808", "18446744073709551615", "00ff"] {
        let found = text.windows(cell.len()).any(|window| window == cell.as_bytes());
        ensure!(found, "the text lacks the cell {cell:?}");
    }
    destination.tidy(&receipt)
}

pub(super) fn formats_not_announced_are_refused(destination: &Destination) -> Outcome {
    let can = destination.half()?.capabilities;
    if !(can.parquet || can.csv || can.arrow) {
        // It takes batches as they are and ignores the format.
        return Ok(());
    }
    let before = destination.list();
    for (announced, kind) in
        [(can.parquet, FormatKind::Parquet), (can.csv, FormatKind::Csv), (can.arrow, FormatKind::Arrow)]
    {
        let request = request(destination, "format", kind)?;
        if !announced {
            let what = format!("format \"{}\"", kind.as_str());
            refused(&what, destination.begin(&request, &sample::small()), Category::Unsupported)?;
        }
    }
    destination.unchanged("a refused format", &before)
}

pub(super) fn no_rows_mean_no_parts(destination: &Destination) -> Outcome {
    let before = destination.list();
    let receipt = destination.write(&destination.request("no_rows")?, &[])?;
    ensure!(receipt.parts.is_empty(), "{} parts were made of no batch", receipt.parts.len());
    let empty = sample::small().slice(0, 0);
    let receipt = destination.write(&destination.request("empty_batch")?, &[empty])?;
    ensure!(receipt.parts.is_empty(), "{} parts were made of an empty batch", receipt.parts.len());
    destination.unchanged("a write without rows", &before)
}

pub(super) fn writer_outlives_destination(destination: &Destination) -> Outcome {
    let (request, batch) = (destination.request("outlives")?, sample::small());
    let mut handle = destination.open()?;
    let mut writer = handle.begin(&request, &batch.schema(), &rivet_plugin_api::Cancel::new())?;
    handle.close()?;
    let progress = writer.write(batch.clone())?;
    ensure!(progress.buffered + progress.written > 0, "two rows were taken, but no byte is held or written");
    let receipt = writer.finish()?;
    let rows: u64 = receipt.parts.iter().map(|part| part.rows).sum();
    ensure!(rows == batch.num_rows() as u64, "{rows} rows of {} arrived", batch.num_rows());
    destination.tidy(&receipt)
}

pub(super) fn two_writers_write_at_once(destination: &Destination) -> Outcome {
    let writers: Vec<_> = (0..2)
        .map(|n| {
            let destination = destination.clone();
            std::thread::spawn(move || -> Result<Receipt, libtest_mimic::Failed> {
                let request = destination.request(&format!("beside_{n}"))?;
                Ok(destination.write(&request, &sample::noise(20, 500))?)
            })
        })
        .collect();
    for writer in writers {
        let receipt = writer.join().map_err(|_| "a writer panicked")??;
        let rows: u64 = receipt.parts.iter().map(|part| part.rows).sum();
        ensure!(rows == 10_000, "{rows} rows of 10000 arrived beside another writer");
        for part in &receipt.parts {
            content::fetch(destination, part)?;
        }
        destination.tidy(&receipt)?;
    }
    Ok(())
}
