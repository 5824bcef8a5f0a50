//! Ending a read before its end, from inside and from outside.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rivet_plugin_api::{BatchSize, Cancel, Category, ReadRequest, Result};

use super::{Source, same_rows};
use crate::check::{PROMPT, ensure, refused, within};
use crate::suite::Outcome;

/// How long an endless query runs before it is stopped: enough to be in the middle of it.
const MIDDLE: Duration = Duration::from_millis(300);

/// How long to wait for a connector that does not stop.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn closing_in_the_middle_is_prompt(source: &Source) -> Outcome {
    let batch = BatchSize { rows: 1, ..BatchSize::default() };
    let request = ReadRequest { batch, ..source.request() };
    let whole = source.read(&request)?;
    let mut handle = source.open()?;
    let mut reader = handle.read(&request, &Cancel::new())?;
    ensure!(reader.next()?.is_some(), "there is no first batch");
    let (closed, took) = within(PATIENCE, "\"close_reader\"", move || reader.close())?;
    closed?;
    ensure!(took < PROMPT, "closing took {took:?}");
    drop(handle);
    // Also a reader that was never asked for a batch.
    drop(source.open()?.read(&request, &Cancel::new())?);
    same_rows("a read after one that was closed in the middle", &whole, &source.read(&request)?)
}

pub(super) fn cancel_before_the_call_is_heard(source: &Source) -> Outcome {
    let cancel = Cancel::new();
    cancel.cancel();
    let (source, request) = (source.clone(), source.request());
    let attempt = move || -> Result<()> {
        let mut reader = source.open()?.read(&request, &cancel)?;
        while reader.next()?.is_some() {}
        Ok(())
    };
    let (outcome, took) = within(PATIENCE, "a read that was cancelled before", attempt)?;
    refused("a read that was cancelled before", outcome, Category::Cancelled)?;
    // The limit covers opening as well, which is not cancelled.
    ensure!(took < PROMPT * 2, "it took {took:?}");
    Ok(())
}

/// Reads a query to its end and closes, which is part of stopping. Says when that was done.
fn exhaust(source: &Source, request: &ReadRequest, cancel: &Cancel) -> (Result<()>, Instant) {
    let read = || -> Result<()> {
        let mut handle = source.open()?;
        let mut reader = handle.read(request, cancel)?;
        let outcome = loop {
            match reader.next() {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        let closed = reader.close();
        outcome.map(drop).and(closed)
    };
    (read(), Instant::now())
}

/// Cancels after a pause, on a thread of its own, which says when that was.
fn cancel_after(pause: Duration, cancel: &Cancel) -> JoinHandle<Instant> {
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(pause);
        let asked = Instant::now();
        cancel.cancel();
        asked
    })
}

pub(super) fn cancel_ends_an_endless_query_within_a_second(source: &Source) -> Outcome {
    for query in &source.target.endless {
        let request = ReadRequest { query: query.clone(), ..ReadRequest::default() };
        let cancel = Cancel::new();
        let stop = cancel_after(MIDDLE, &cancel);
        let subject = source.clone();
        let ((outcome, ended), _) = within(PATIENCE, query, move || exhaust(&subject, &request, &cancel))?;
        let asked = stop.join().map_err(|_| "cancelling panicked")?;
        refused(query, outcome, Category::Cancelled)?;
        let took = ended.saturating_duration_since(asked);
        ensure!(took < PROMPT, "\"{query}\" took {took:?} to stop");
        source.read(&source.request())?;
    }
    Ok(())
}

pub(super) fn closing_ends_an_endless_query(source: &Source) -> Outcome {
    for query in &source.target.endless {
        let batch = BatchSize { rows: 1, ..BatchSize::default() };
        let request = ReadRequest { query: query.clone(), batch, ..ReadRequest::default() };
        // Without rows some servers do not even answer "read", so that there is no reader to close.
        let cancel = Cancel::new();
        cancel_after(PROMPT * 3, &cancel);
        let subject = source.clone();
        // No batch is asked for: there may never be one.
        let attempt = move || -> Result<Duration> {
            let reader = subject.open()?.read(&request, &cancel)?;
            let start = Instant::now();
            reader.close()?;
            Ok(start.elapsed())
        };
        match within(PATIENCE, query, attempt)?.0 {
            Err(error) if error.category() == Category::Cancelled => {}
            outcome => {
                let took = outcome?;
                ensure!(took < PROMPT, "closing \"{query}\" took {took:?}");
            }
        }
    }
    Ok(())
}
