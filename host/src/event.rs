//! What a run tells of itself. The pipeline prints nothing: it tells events, of which listeners make the summary, the
//! bars, JSON lines, metrics and messages.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rivet_plugin_api::{Category, Part};
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

use crate::report::Summary;

/// One thing that happened. The names and fields are those of `rivet run --json`, which `docs/src/reference/json.md`
/// documents: they may become more, and stay as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The command knows what it will run.
    RunStarted { version: String, exports: Vec<String> },
    /// An export has its lock.
    ExportStarted { run_id: String },
    /// An attempt knows what it will read.
    Planned { chunks: u64, pending: u64, rows: Option<u64>, resumable: bool },
    /// A batch was written; the sums of the export so far.
    Progress { rows: u64, bytes: u64 },
    /// A file is durable.
    PartWritten { chunk: u64, file: String, location: String, rows: u64, bytes: u64 },
    /// Everything of a chunk is durable and recorded.
    ChunkFinished { chunk: u64, rows: u64, bytes: u64, files: u64, done: u64, chunks: u64 },
    /// Something failed and will be tried again.
    Retry { retry: u32, max_retries: u32, pause_ms: u64, category: Category, error: String },
    /// Reading slows down because the process has more memory than it should.
    MemoryWait { rss_mb: u64, limit_mb: u64 },
    /// The columns differ from those of the last run.
    SchemaChanged { changes: Vec<String> },
    /// What the log warns of.
    Warning { message: String },
    /// A signal asked the run to stop.
    Cancelled { signal: i32 },
    /// An export has ended, well or not.
    ExportFinished(Box<Summary>),
}

/// Whoever wants to know. It is told by the threads that do the work, so that it has to be quick.
pub trait Listener: Send + Sync {
    /// Hears an event, of one export or of the whole run.
    fn hear(&self, export: Option<&str>, event: &Event);

    /// Whether it shows how many rows are to come, so that the source is asked for its estimate.
    fn wants_estimate(&self) -> bool {
        false
    }
}

/// Everybody who listens to a run.
#[derive(Clone, Default)]
pub struct Listeners(Arc<[Arc<dyn Listener>]>);

impl Listeners {
    /// They hear in this order.
    pub fn new(listeners: Vec<Arc<dyn Listener>>) -> Self {
        Self(listeners.into())
    }

    /// Tells all of them.
    pub fn tell(&self, export: Option<&str>, event: &Event) {
        self.0.iter().for_each(|listener| listener.hear(export, event));
    }

    fn want_estimate(&self) -> bool {
        self.0.iter().any(|listener| listener.wants_estimate())
    }
}

/// What one export tells, and how far it is.
pub struct Feed {
    listeners: Listeners,
    export: String,
    rows: AtomicU64,
    bytes: AtomicU64,
    done: AtomicU64,
    chunks: AtomicU64,
}

impl Feed {
    /// Of an export that has not begun.
    pub fn new(listeners: &Listeners, export: &str) -> Self {
        let [rows, bytes, done, chunks] = [const { AtomicU64::new(0) }; 4];
        Self { listeners: listeners.clone(), export: export.to_owned(), rows, bytes, done, chunks }
    }

    /// Tells an event of this export.
    pub fn tell(&self, event: &Event) {
        self.listeners.tell(Some(&self.export), event);
    }

    /// Whether anybody wants to know how many rows are to come.
    pub fn wants_estimate(&self) -> bool {
        self.listeners.want_estimate()
    }

    /// Tells what an attempt is about to read: `pending` of `chunks`, and about so many rows.
    pub fn planned(&self, chunks: usize, pending: usize, rows: Option<u64>, resumable: bool) {
        let (chunks, pending) = (chunks as u64, pending as u64);
        if pending == chunks {
            // Also what an earlier attempt has finished is read again.
            self.rows.store(0, Ordering::Relaxed);
            self.bytes.store(0, Ordering::Relaxed);
        }
        self.chunks.store(chunks, Ordering::Relaxed);
        self.done.store(chunks.saturating_sub(pending), Ordering::Relaxed);
        self.tell(&Event::Planned { chunks, pending, rows, resumable });
    }

    /// Tells of the parts of a chunk that is done and recorded.
    pub fn landed(&self, chunk: usize, parts: &[Part]) {
        let chunk = chunk as u64;
        for Part { name, location, rows, bytes, .. } in parts {
            let (file, location) = (name.clone(), location.clone());
            self.tell(&Event::PartWritten { chunk, file, location, rows: *rows, bytes: *bytes });
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.tell(&Event::ChunkFinished {
            chunk,
            rows: parts.iter().map(|part| part.rows).sum(),
            bytes: parts.iter().map(|part| part.bytes).sum(),
            files: parts.len() as u64,
            done,
            // Rows that are counted off into chunks show how many there are only as they come.
            chunks: self.chunks.load(Ordering::Relaxed).max(done),
        });
    }

    /// Begins to count the rows of one attempt at a chunk.
    pub fn attempt(&self) -> Tally<'_> {
        let [rows, bytes, file] = [const { AtomicU64::new(0) }; 3];
        Tally { feed: self, rows, bytes, file, kept: false }
    }
}

/// Counts one attempt. What it counted is taken back when it is dropped without [`Tally::keep`]: the rows will be read
/// once more, or are of no use.
pub struct Tally<'a> {
    feed: &'a Feed,
    rows: AtomicU64,
    bytes: AtomicU64,
    /// Bytes of the writer that is at work.
    file: AtomicU64,
    kept: bool,
}

impl Tally<'_> {
    /// Whom it tells.
    pub fn feed(&self) -> &Feed {
        self.feed
    }

    /// So many more rows were read.
    pub fn read(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.feed.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// The writer at work has this many bytes in all; an estimate, which may shrink.
    pub fn wrote(&self, bytes: u64) {
        let more = bytes.wrapping_sub(self.file.swap(bytes, Ordering::Relaxed));
        self.bytes.fetch_add(more, Ordering::Relaxed);
        let bytes = self.feed.bytes.fetch_add(more, Ordering::Relaxed).wrapping_add(more);
        self.feed.tell(&Event::Progress { rows: self.feed.rows.load(Ordering::Relaxed), bytes });
    }

    /// Everything of the writer at work is recorded; another one may follow.
    pub fn landed(&self, chunk: usize, parts: &[Part]) {
        self.wrote(parts.iter().map(|part| part.bytes).sum());
        self.file.store(0, Ordering::Relaxed);
        self.feed.landed(chunk, parts);
    }

    /// The attempt has succeeded.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.feed.rows.fetch_sub(self.rows.load(Ordering::Relaxed), Ordering::Relaxed);
            self.feed.bytes.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// Whoever hears of warnings, wherever in the program they are logged.
static WARNED: RwLock<Option<Arc<dyn Listener>>> = RwLock::new(None);

/// Lets `listener` hear of every warning from now on.
pub fn tell_warnings_to(listener: Arc<dyn Listener>) {
    *WARNED.write().unwrap_or_else(PoisonError::into_inner) = Some(listener);
}

/// Makes events of the log's warnings.
pub struct Warnings;

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > tracing::Level::WARN {
            return;
        }
        let Some(listener) = WARNED.read().unwrap_or_else(PoisonError::into_inner).clone() else { return };
        let mut message = Message::default();
        event.record(&mut message);
        listener.hear(None, &Event::Warning { message: message.0 });
    }
}

/// The text of a log line, with its fields behind.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        // Writing to a `String` does not fail.
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(u64, u64)>>);

    impl Listener for Heard {
        fn hear(&self, export: Option<&str>, event: &Event) {
            assert_eq!(export, Some("orders"));
            if let Event::Progress { rows, bytes } = event {
                self.0.lock().unwrap().push((*rows, *bytes));
            }
        }
    }

    #[test]
    fn an_attempt_that_fails_takes_back_what_it_counted() {
        let heard = Arc::new(Heard::default());
        let feed = Feed::new(&Listeners::new(vec![heard.clone()]), "orders");
        let part = |bytes| Part { bytes, ..Part::default() };
        let first = feed.attempt();
        first.read(10);
        first.wrote(100);
        // The encoder's estimate was too high.
        first.landed(0, &[part(40), part(30)]);
        first.keep();
        let second = feed.attempt();
        second.read(5);
        second.wrote(50);
        drop(second);
        let third = feed.attempt();
        third.read(7);
        third.wrote(60);
        third.keep();
        // One of two chunks is left to do, and then everything anew.
        for (pending, rows) in [(1, 4), (2, 5)] {
            feed.planned(2, pending, None, true);
            let next = feed.attempt();
            next.read(rows);
            next.wrote(1);
            next.keep();
        }
        let expected = [(10, 100), (10, 70), (15, 120), (17, 130), (21, 131), (5, 1)];
        assert_eq!(*heard.0.lock().unwrap(), expected);
    }
}
