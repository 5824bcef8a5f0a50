//! How far every export is, in numbers that working threads may change at any time without waiting for anybody.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::clock::Stopwatch;
use crate::event::{Event, Listener};

/// All exports of a run, in order.
pub struct Board(Vec<Place>);

/// One export. Numbers that are not known are 0.
#[derive(Default)]
pub struct Place {
    pub(super) export: String,
    started: OnceLock<Stopwatch>,
    ended: AtomicBool,
    rows: AtomicU64,
    bytes: AtomicU64,
    chunks: AtomicU64,
    done: AtomicU64,
    /// Chunks of this run, and their rows: others were done by a run before.
    landed: AtomicU64,
    landed_rows: AtomicU64,
    pending: AtomicU64,
    estimate: AtomicU64,
    resumable: AtomicBool,
}

/// A look at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// Seconds since it began.
    pub seconds: f64,
    /// Rows read.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Chunks that are there.
    pub done: u64,
    /// All chunks.
    pub chunks: u64,
    /// About how many rows there will be.
    pub of: Option<u64>,
}

fn get(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

impl Board {
    /// None of `exports` has begun.
    pub fn new(exports: &[&str]) -> Self {
        Self(exports.iter().map(|name| Place { export: (*name).to_owned(), ..Place::default() }).collect())
    }

    /// The exports that have begun and not ended, by number.
    pub fn running(&self) -> impl Iterator<Item = (usize, &Place)> {
        let is_running = |place: &Place| place.started.get().is_some() && !place.ended.load(Ordering::Relaxed);
        self.0.iter().enumerate().filter(move |(_, place)| is_running(place))
    }

    /// Whether export number `index` has this name.
    pub fn is(&self, index: usize, name: &str) -> bool {
        self.0.get(index).is_some_and(|place| place.export == name)
    }

    /// What a stop ends, in words.
    pub fn under_way(&self) -> String {
        let exports: Vec<String> = self.running().map(|(_, place)| place.under_way()).collect();
        if exports.is_empty() { "no export is under way".to_owned() } else { exports.join(", ") }
    }
}

impl Place {
    /// How far it is.
    pub fn look(&self) -> Look {
        let (rows, landed, pending) = (get(&self.rows), get(&self.landed), get(&self.pending));
        let of = if pending > 1 && landed > 0 {
            // Chunks that are there tell more than any plan of the source.
            u64::try_from(u128::from(get(&self.landed_rows)) * u128::from(pending) / u128::from(landed)).ok()
        } else {
            Some(get(&self.estimate))
        };
        Look {
            seconds: self.started.get().map_or(0.0, |watch| watch.elapsed().as_secs_f64()),
            rows,
            bytes: get(&self.bytes),
            done: get(&self.done),
            chunks: get(&self.chunks),
            of: of.filter(|of| *of >= rows && *of > 0),
        }
    }

    fn under_way(&self) -> String {
        let Look { rows, done, chunks, .. } = self.look();
        let name = &self.export;
        if chunks < 2 {
            return format!("undoing export \"{name}\" ({rows} rows read)");
        }
        let kept = if self.resumable.load(Ordering::Relaxed) { "; these are kept for --resume" } else { "" };
        let verb = if kept.is_empty() { "undoing" } else { "ending" };
        format!("{verb} export \"{name}\" ({rows} rows read, {done} of {chunks} chunks done{kept})")
    }

    fn hear(&self, event: &Event) {
        let set = |number: &AtomicU64, value: u64| number.store(value, Ordering::Relaxed);
        match event {
            Event::ExportStarted { .. } => drop(self.started.set(Stopwatch::start())),
            Event::Planned { chunks, pending, rows, resumable } => {
                set(&self.chunks, *chunks);
                set(&self.pending, *pending);
                set(&self.done, chunks.saturating_sub(*pending));
                set(&self.estimate, rows.unwrap_or(0));
                set(&self.landed, 0);
                set(&self.landed_rows, 0);
                self.resumable.store(*resumable, Ordering::Relaxed);
            }
            Event::Progress { rows, bytes } => {
                set(&self.rows, *rows);
                set(&self.bytes, *bytes);
            }
            Event::ChunkFinished { rows, done, chunks, .. } => {
                self.landed.fetch_add(1, Ordering::Relaxed);
                self.landed_rows.fetch_add(*rows, Ordering::Relaxed);
                set(&self.done, *done);
                set(&self.chunks, *chunks);
            }
            Event::ExportFinished(_) => self.ended.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Listener for Board {
    fn hear(&self, export: Option<&str>, event: &Event) {
        if let Some(place) = export.and_then(|name| self.0.iter().find(|place| place.export == name)) {
            place.hear(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(events: &[Event]) -> Board {
        let board = Board::new(&["a", "b"]);
        let started = Event::ExportStarted { run_id: "b_1".into() };
        [&started].into_iter().chain(events).for_each(|event| board.hear(Some("b"), event));
        board
    }

    fn look(events: &[Event]) -> Look {
        let board = board(events);
        let (index, place) = board.running().next().unwrap();
        assert_eq!(index, 1);
        Look { seconds: 0.0, ..place.look() }
    }

    const PROGRESS: Event = Event::Progress { rows: 30, bytes: 9 };

    fn planned(chunks: u64, pending: u64, rows: Option<u64>) -> Event {
        Event::Planned { chunks, pending, rows, resumable: false }
    }

    #[test]
    fn rows_to_come_are_those_of_the_source_until_chunks_tell_better() {
        let of = |events: &[Event]| look(events).of;
        assert_eq!(of(&[PROGRESS]), None);
        assert_eq!(of(&[planned(1, 1, Some(100)), PROGRESS]), Some(100));
        assert_eq!(of(&[planned(1, 1, Some(29)), PROGRESS]), None, "the estimate was wrong");
        let finished = Event::ChunkFinished { chunk: 5, rows: 20, bytes: 1, files: 1, done: 7, chunks: 10 };
        let resumed = [planned(10, 4, None), PROGRESS, finished];
        assert_eq!(of(&resumed[..2]), None);
        assert_eq!(look(&resumed), Look { seconds: 0.0, rows: 30, bytes: 9, done: 7, chunks: 10, of: Some(80) });
    }

    #[test]
    fn a_stop_says_what_it_ends() {
        assert_eq!(Board::new(&["a"]).under_way(), "no export is under way");
        assert_eq!(board(&[PROGRESS]).under_way(), "undoing export \"b\" (30 rows read)");
        let chunked = board(&[planned(10, 4, None), PROGRESS]);
        assert_eq!(chunked.under_way(), "undoing export \"b\" (30 rows read, 6 of 10 chunks done)");
        let resumable = board(&[Event::Planned { chunks: 10, pending: 4, rows: None, resumable: true }]);
        let text = "ending export \"b\" (0 rows read, 6 of 10 chunks done; these are kept for --resume)";
        assert_eq!(resumable.under_way(), text);
        chunked.hear(Some("b"), &Event::ExportFinished(Box::default()));
        assert_eq!(chunked.under_way(), "no export is under way");
    }
}
