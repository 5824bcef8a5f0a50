//! What would make it better, by mode.

use super::coverage::Coverage;
use super::verdict::{VERY_LARGE, Verdict};
use crate::config::{Mode, Profile};

/// What a suggestion depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The export's mode.
    pub mode: &'a Mode,
    /// Its workers.
    pub parallel: usize,
    /// The rows that the source looks at.
    pub rows: Option<u64>,
    /// How far an index helps.
    pub coverage: Coverage,
    /// The chunks of a run.
    pub chunks: Option<u64>,
    /// The profile that is recommended.
    pub profile: Profile,
    /// Whether no index could help.
    pub unindexable: bool,
}

const LIMIT: &str = "Use 'safe' tuning profile to limit database impact.";

/// What to do about `verdict`, if anything.
pub fn suggestion(verdict: Verdict, facts: Facts<'_>) -> Option<String> {
    let rows = facts.rows.map(super::about).unwrap_or_default();
    match verdict {
        Verdict::Efficient => None,
        Verdict::Acceptable => acceptable(facts, &rows),
        Verdict::Degraded => {
            let first = "No index detected -- full table scan.";
            let safe = if facts.profile == Profile::Safe { LIMIT } else { "" };
            Some([first, &remedy(facts), safe].join(" ").trim_end().to_owned())
        }
        Verdict::Unsafe => Some(format!(
            "{rows} rows are scanned without an index. {} Until then use 'safe' tuning profile and run off-peak.",
            remedy(facts)
        )),
    }
}

fn acceptable(facts: Facts<'_>, rows: &str) -> Option<String> {
    if facts.rows.is_some_and(|rows| rows >= VERY_LARGE) {
        let then = match facts.mode {
            Mode::Full => "Consider incremental mode, which reads only what is new.",
            Mode::Chunked { dense: false, .. } if facts.parallel <= 1 => "Add parallel > 1 to speed up the export.",
            _ => LIMIT,
        };
        return Some(format!("Large dataset ({rows} rows). {then}"));
    }
    let Mode::Chunked { column, .. } = facts.mode else { return None };
    let several = facts.chunks.is_some_and(|chunks| chunks > 1);
    (facts.coverage == Coverage::Standby && several).then(|| {
        format!(
            "A chunk holds so much of the table that the server scans all of it instead of using the index on '{column}'. \
             Lower chunk_size, or use mode: full."
        )
    })
}

/// The index that is missing.
fn remedy(facts: Facts<'_>) -> String {
    match facts.mode {
        Mode::TimeWindow { column, .. } | Mode::Incremental { cursor_column: column, .. } if facts.unindexable => {
            format!("No index could serve '{column}': the source computes the time of each row to compare it.")
        }
        Mode::Full => "Add an indexed cursor column and switch to incremental mode.".to_owned(),
        Mode::Incremental { cursor_column, .. } => {
            format!("Create an index on '{cursor_column}', so that a run reads only what is new.")
        }
        Mode::Chunked { column, dense: true, .. } => {
            format!("Create an index on '{column}', so that the rows need no sort.")
        }
        Mode::Chunked { column, .. } => {
            format!("Create an index on '{column}': without it every chunk scans the whole table.")
        }
        Mode::TimeWindow { column, .. } => {
            format!("Create an index on '{column}', so that a run reads only the window.")
        }
    }
}
