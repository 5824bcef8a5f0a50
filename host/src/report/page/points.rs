//! What a plot has on its horizontal axis: the runs one by one, or days when there are many, of which several may be
//! taken together.

use jiff::Span;
use jiff::civil::Date;

use super::text;
use crate::state::{Day, ExportHistory, RUNS, RunRecord};

/// One run, or the runs of some days.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// When.
    pub label: String,
    /// The sums.
    pub sums: Day,
    /// What came of a single run.
    pub status: Option<String>,
}

impl Point {
    /// Its first day.
    pub fn first_day(&self) -> String {
        self.label.chars().take(10).collect()
    }

    /// Its last day.
    pub fn last_day(&self) -> String {
        self.label.rsplit(" to ").next().unwrap_or_default().chars().take(10).collect()
    }
}

/// What a point is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grain {
    /// A run.
    Run,
    /// So many days.
    Days(u64),
}

/// The points of an export, oldest first.
pub fn of_export(export: &ExportHistory) -> (Grain, Vec<Point>) {
    let total: u64 = export.days.iter().map(|day| day.runs).sum();
    if total > export.runs.len() as u64 {
        return by_days(&export.days, RUNS);
    }
    let point = |run: &RunRecord| {
        let m = &run.metrics;
        let failed = u64::from(m.status == "failed");
        let sums = Day { runs: 1, failed, rows: m.rows, bytes: m.bytes, duration_ms: m.duration_ms, ..Day::default() };
        Point { label: text::when(&run.run_at), sums, status: Some(m.status.clone()) }
    };
    (Grain::Run, export.runs.iter().rev().map(point).collect())
}

/// At most `most` points that cover all days between the first and the last, also those without runs.
pub fn by_days(days: &[Day], most: usize) -> (Grain, Vec<Point>) {
    let dated: Vec<(Date, &Day)> = days.iter().filter_map(|day| Some((day.day.parse().ok()?, day))).collect();
    let (Some(first), Some(last)) = (dated.iter().map(|d| d.0).min(), dated.iter().map(|d| d.0).max()) else {
        return (Grain::Days(1), Vec::new());
    };
    let index = |date: Date| i64::from((date - first).get_days()).unsigned_abs();
    let width = (index(last) + 1).div_ceil(most as u64);
    let points = index(last) / width + 1;
    let label = |i: u64| {
        let day = |n: u64| first.saturating_add(Span::new().days(n.cast_signed())).min(last);
        match (day(i * width), day(i * width + width - 1)) {
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from} to {to}"),
        }
    };
    let mut points: Vec<Point> = (0..points).map(|i| Point { label: label(i), ..Point::default() }).collect();
    for (date, day) in dated {
        points[(index(date) / width) as usize].sums.add(day);
    }
    (Grain::Days(width), points)
}

impl Grain {
    /// What a bar is: `run by run`, `by day`, `by 3 days`.
    pub fn words(self) -> String {
        match self {
            Self::Run => "run by run".to_owned(),
            Self::Days(1) => "by day".to_owned(),
            Self::Days(n) => format!("by {n} days"),
        }
    }
}
