//! Short statements without a portal: the pages of one table, range by range, each by a COPY of its own inside one
//! transaction. A range should fill about one batch, and take a small share of the statement limit.

use std::time::{Duration, Instant};

use rivet_plugin_api::{ReadRequest, Timeouts};

use crate::select::Select;
use crate::split::{Pages, Piece};

/// A range takes at most this share of the statement limit, as the next one may take longer than the last one did.
const SHARE: u32 = 10;
/// How long a range should take where there is no limit.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much more the next range may have than the last one.
const GROWTH: f64 = 4.0;
/// Values are stored compressed, so that the first range is taken for this many times its size on disk.
const EXPANSION: u64 = 4;

/// The ranges of a read that are still to come.
#[derive(Debug)]
pub(crate) struct Ranges {
    select: Select,
    table: Pages,
    /// The page with which the next range begins; `None` when all were read.
    next: Option<u64>,
    /// The page at which the last range ends; `None` for the table's end, wherever that is by now.
    end: Option<u64>,
    /// How many pages the next range has.
    pages: u64,
    /// What a range should have of Arrow's bytes, and how long it should take.
    bytes: usize,
    time: Duration,
    started: Instant,
}

impl Ranges {
    /// The ranges of `piece` for `request`, whose columns `select` has. `None` when a single page has more than a batch.
    pub(crate) fn new(select: &Select, table: Pages, piece: &Piece, request: &ReadRequest) -> Option<Self> {
        let Piece::Pages(from, end) = *piece else { return None };
        let bytes = request.batch.bytes.max(1);
        let pages = bytes as u64 / table.page_bytes.saturating_mul(EXPANSION);
        let time = time(&request.timeouts);
        let next = Some(from.unwrap_or(0));
        (pages > 0).then(|| Self {
            select: select.clone(),
            table,
            next,
            end,
            pages,
            bytes,
            time,
            started: Instant::now(),
        })
    }

    /// The statement of the next range, which is sent at once.
    pub(crate) fn next(&mut self) -> Option<String> {
        let from = self.next?;
        let to = from.saturating_add(self.pages);
        // The last range is open where the whole is: the table may have grown.
        let last = self.end.map_or(to >= self.table.length, |end| to >= end);
        let piece = Piece::Pages((from > 0).then_some(from), if last { self.end } else { Some(to) });
        self.next = (!last).then_some(to);
        self.started = Instant::now();
        Some(self.select.of(&self.table.query.piece(&piece)))
    }

    /// Sizes the next range by the last one, which became this many bytes of Arrow's.
    pub(crate) fn measure(&mut self, bytes: usize) {
        let bytes = self.bytes as f64 / bytes.max(1) as f64;
        let time = self.time.as_secs_f64() / self.started.elapsed().as_secs_f64().max(1e-6);
        self.pages = ((self.pages as f64 * bytes.min(time).min(GROWTH)) as u64).max(1);
    }
}

fn time(timeouts: &Timeouts) -> Duration {
    timeouts.statement().map_or(PATIENCE, |limit| limit / SHARE)
}
