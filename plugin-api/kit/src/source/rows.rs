//! Unfiltered reads: every row, in sound batches of the size asked for.

use std::sync::{Arc, Barrier};

use arrow_array::{Array, RecordBatch};
use libtest_mimic::Failed;
use rivet_plugin_api::{BatchSize, Cancel, Category, ReadRequest, Strategy};

use super::{Source, drain, same_rows};
use crate::check::ensure;
use crate::suite::Outcome;
use crate::table::Table;

pub(super) fn all_rows_arrive(source: &Source) -> Outcome {
    let table = source.read(&source.request())?;
    ensure!(table.row_count() == source.target.rows, "{} rows of {} arrived", table.row_count(), source.target.rows);
    let mut keys: Vec<String> = table.values(&source.target.key)?.into_iter().map(|key| format!("{key:?}")).collect();
    keys.sort_unstable();
    keys.dedup();
    ensure!(
        keys.len() as u64 == source.target.rows,
        "the key has {} values in {} rows",
        keys.len(),
        source.target.rows
    );
    Ok(())
}

pub(super) fn batches_have_at_most_the_rows_asked_for(source: &Source) -> Outcome {
    let whole = source.read(&source.request())?;
    for rows in [1, 7] {
        let batch = BatchSize { rows, ..BatchSize::default() };
        let table = source.read(&ReadRequest { batch, ..source.request() })?;
        for batch in &table.batches {
            ensure!(batch.num_rows() <= rows, "a batch has {} rows, {rows} were asked for", batch.num_rows());
        }
        same_rows("small batches", &whole, &table)?;
    }
    Ok(())
}

pub(super) fn batches_have_about_the_bytes_asked_for(source: &Source) -> Outcome {
    let whole = source.read(&source.request())?;
    let total = whole.batches.iter().map(bytes).sum::<Result<usize, _>>()?;
    let limit = total / 5;
    let batch = BatchSize { bytes: limit, rows: usize::MAX };
    let table = source.read(&ReadRequest { batch, ..source.request() })?;
    for batch in &table.batches {
        // The row that reaches the limit is the last one; buffers of few rows are rounded up to whole words.
        let before_last = bytes(&batch.slice(0, batch.num_rows() - 1))?;
        ensure!(before_last <= limit + limit / 2 + 512, "a batch went on after {before_last} bytes of {limit}");
    }
    same_rows("batches limited in bytes", &whole, &table)
}

/// The bytes of a batch's own rows, without what its buffers hold beyond.
fn bytes(batch: &RecordBatch) -> Result<usize, Failed> {
    let mut total = 0;
    for column in batch.columns() {
        total += column.to_data().get_slice_memory_size()?;
    }
    Ok(total)
}

pub(super) fn strategies_agree(source: &Source) -> Outcome {
    let whole = source.read(&source.request())?;
    for strategy in [Strategy::Stream, Strategy::Cursor] {
        let batch = BatchSize { rows: 10, ..BatchSize::default() };
        let table = source.read(&ReadRequest { strategy, batch, ..source.request() })?;
        ensure!(table.schema == whole.schema, "strategy {strategy:?} has another schema");
        same_rows(&format!("strategy {strategy:?}"), &whole, &table)?;
    }
    Ok(())
}

pub(super) fn columns_are_chosen_or_refused(source: &Source) -> Outcome {
    let key = &source.target.key;
    let request = ReadRequest { columns: Some(vec![key.clone()]), ..source.request() };
    match source.attempt(&request) {
        Err(error) if error.category() == Category::Unsupported => return Ok(()),
        outcome => outcome?,
    }
    let table = source.read(&request)?;
    let names: Vec<_> = table.schema.fields().iter().map(|field| field.name()).collect();
    ensure!(names == [key], "columns {names:?} were returned, \"{key}\" was asked for");
    ensure!(table.row_count() == source.target.rows, "{} rows of {} arrived", table.row_count(), source.target.rows);
    Ok(())
}

pub(super) fn reader_outlives_source(source: &Source) -> Outcome {
    let whole = source.read(&source.request())?;
    let mut handle = source.open()?;
    let reader = handle.read(&source.request(), &Cancel::new())?;
    handle.close()?;
    same_rows("a reader whose source is closed", &whole, &drain(reader)?)
}

pub(super) fn batches_outlive_reader(source: &Source) -> Outcome {
    let batch = BatchSize { rows: 5, ..BatchSize::default() };
    let request = ReadRequest { batch, ..source.request() };
    let whole = source.read(&request)?.sorted()?;
    let table = source.read(&request)?;
    // Other reads reuse memory that was freed too early.
    drop(source.read(&request)?);
    let (later, _) = crate::check::within(crate::check::PROMPT * 10, "another thread", move || table.sorted())?;
    ensure!(later? == whole, "the batches changed after their reader was closed");
    Ok(())
}

pub(super) fn two_readers_read_at_once(source: &Source) -> Outcome {
    let batch = BatchSize { rows: 7, ..BatchSize::default() };
    let request = ReadRequest { batch, ..source.request() };
    let whole = source.read(&request)?;
    // Both are in the middle of their work before either goes on, each on a thread of its own.
    let meet = Arc::new(Barrier::new(2));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (source, request, meet) = (source.clone(), request.clone(), Arc::clone(&meet));
            std::thread::spawn(move || -> Result<Table, Failed> {
                let opened = source.open().and_then(|mut handle| {
                    let reader = handle.read(&request, &Cancel::new())?;
                    Ok((handle, reader))
                });
                meet.wait();
                let (handle, reader) = opened?;
                let table = drain(reader)?;
                handle.close()?;
                Ok(table)
            })
        })
        .collect();
    for reader in readers {
        let table = reader.join().map_err(|_| "a reader panicked")??;
        same_rows("a reader beside another one", &whole, &table)?;
    }
    Ok(())
}
