//! `rivet run --json`: a line for each event, and one for the result.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Summary, screen};
use crate::clock::{self, Stopwatch};
use crate::code::Code;
use crate::error::{Error, Result, exit};
use crate::event::{Event, Listener};
use crate::secret;

/// The least time between two lines about the progress of one export.
const PACE: Duration = Duration::from_secs(1);

/// For programs.
#[derive(Default)]
pub struct Json {
    log: Mutex<Log>,
    /// Apart from the log: while one thread waits for a slow reader, others only look whether they have anything to tell.
    out: Mutex<Out>,
}

/// What was told.
#[derive(Default)]
struct Log {
    progress: HashMap<String, Stopwatch>,
    finished: Vec<Summary>,
    names: Vec<String>,
}

/// Where lines go.
#[derive(Default)]
struct Out {
    /// `None` until it is known whether standard output carries rows.
    to_stderr: Option<bool>,
    waiting: String,
    failed: Option<io::Error>,
}

impl Json {
    /// Writes what waits, and what follows, to standard output or `to_stderr`.
    pub fn open(&self, to_stderr: bool) {
        let mut out = self.out();
        out.to_stderr = Some(to_stderr);
        out.flush();
    }

    /// Writes the result of the command, and answers what it answers.
    ///
    /// # Errors
    /// That of the command, or else that the lines could not be written.
    pub fn end(&self, outcome: Result<u8>) -> Result<u8> {
        let (code, error) = match &outcome {
            Ok(code) => (*code, None),
            Err(e) => {
                // A mistake in the configuration is shown with its place.
                let message = if let Error::Config(e) = e { e.to_string() } else { e.to_string() };
                let codes: Vec<&str> = e.codes().into_iter().map(Code::name).collect();
                (e.exit_code(), Some(json!({ "message": message.trim_end(), "hint": e.hint(), "codes": codes })))
            }
        };
        let result = self.result(code, error);
        let mut out = self.out();
        out.to_stderr.get_or_insert(false);
        out.write(result);
        match out.failed.take() {
            Some(e) if code == exit::OK => {
                Err(Error::Run(rivet_plugin_api::Error::from(e).context("could not write to standard output")))
            }
            _ => outcome,
        }
    }

    fn result(&self, code: u8, error: Option<Value>) -> Value {
        let mut log = self.log();
        let Log { names, finished, .. } = &mut *log;
        finished.sort_by_key(|summary| names.iter().position(|name| *name == summary.export));
        json!({
            "type": "result",
            "version": env!("CARGO_PKG_VERSION"),
            "status": if code == exit::OK { "success" } else { "failed" },
            "exit_code": code,
            "error": error,
            "exports": finished,
        })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the event makes a line.
    fn note(&self, export: Option<&str>, event: &Event) -> bool {
        let mut log = self.log();
        match event {
            Event::Progress { .. } => return log.is_due(export.unwrap_or_default()),
            Event::RunStarted { exports, .. } => log.names.clone_from(exports),
            Event::ExportFinished(summary) => log.finished.push((**summary).clone()),
            _ => {}
        }
        true
    }
}

impl Listener for Json {
    fn hear(&self, export: Option<&str>, event: &Event) {
        if !self.note(export, event) {
            return;
        }
        // An event is a plain structure, for which there is always JSON.
        let mut line = serde_json::to_value(event).unwrap_or_default();
        if let (Some(export), Some(fields)) = (export, line.as_object_mut()) {
            fields.insert("export".to_owned(), export.into());
        }
        self.out().write(line);
    }

    fn wants_estimate(&self) -> bool {
        true
    }
}

impl Log {
    /// Whether it is time to tell of the progress of `export`.
    fn is_due(&mut self, export: &str) -> bool {
        let due = self.progress.get(export).is_none_or(|last| last.elapsed() >= PACE);
        if due {
            self.progress.insert(export.to_owned(), Stopwatch::start());
        }
        due
    }
}

impl Out {
    fn write(&mut self, mut line: Value) {
        redact(&mut line);
        let mut fields = line.as_object_mut().map(std::mem::take).unwrap_or_default();
        fields.insert("time".to_owned(), clock::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into());
        // What a line is about comes first, for those who read along.
        let head = ["type", "time", "export"].map(|name| fields.remove_entry(name));
        let fields = head.into_iter().flatten().chain(fields).map(|(name, value)| format!("\"{name}\":{value}"));
        self.waiting.extend(["{", &fields.collect::<Vec<_>>().join(","), "}\n"]);
        self.flush();
    }

    /// A reader that has seen enough closes the pipe, which is no failure; whoever cannot be told stops no run.
    fn flush(&mut self) {
        let Some(to_stderr) = self.to_stderr else { return };
        let lines = std::mem::take(&mut self.waiting);
        let written = screen::apart(|| {
            let mut out: Box<dyn Write> = if to_stderr { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
            out.write_all(lines.as_bytes()).and_then(|()| out.flush())
        });
        if let Err(e) = written
            && e.kind() != ErrorKind::BrokenPipe
        {
            self.failed.get_or_insert(e);
        }
    }
}

/// Before it becomes JSON text, in which a secret may look otherwise.
fn redact(value: &mut Value) {
    match value {
        Value::String(text) => *text = secret::redact(text),
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(fields) => fields.values_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
