//! The plot above all: how many runs there were over time, with failures below the line. It is drawn without text, so
//! that it can be as wide as the page.

use std::collections::BTreeMap;

use super::plot::number;
use super::points::{self, Grain, Point};
use super::text;
use crate::state::{Day, ExportHistory};

/// At most so many bars.
const BARS: usize = 90;
/// At least so many.
const FEWEST: usize = 5;
/// The width of one.
const SLOT: f64 = 10.0;
/// Narrower than their slots.
const BAR: f64 = 7.5;
const HEIGHT: f64 = 98.0;

/// The plot, in the words of its template.
pub struct Activity {
    pub grain: String,
    pub description: String,
    pub width: String,
    pub line: String,
    pub bars: Vec<Bar>,
    pub first: String,
    pub last: String,
}

/// The runs of one day, or some.
pub struct Bar {
    pub text: String,
    pub x: String,
    pub width: String,
    pub good: Option<(String, String)>,
    pub bad: Option<(String, String)>,
}

impl Activity {
    /// Nothing before there are some days: two would be as wide as the page.
    pub fn new(exports: &[&ExportHistory]) -> Option<Self> {
        let mut days = BTreeMap::<&str, Day>::new();
        for day in exports.iter().flat_map(|export| &export.days) {
            let name = || Day { day: day.day.clone(), ..Day::default() };
            days.entry(&day.day).or_insert_with(name).add(day);
        }
        let (grain, points) = points::by_days(&days.into_values().collect::<Vec<_>>(), BARS);
        if points.len() < FEWEST {
            return None;
        }
        let good = |day: &Day| day.runs.saturating_sub(day.failed) as f64;
        let most = |of: &dyn Fn(&Day) -> f64| points.iter().map(|p| of(&p.sums)).fold(0.0, f64::max);
        let (above, below) = (most(&good), most(&|day| day.failed as f64));
        let scale = HEIGHT / (above + below).max(1.0);
        let line = 1.0 + above * scale;
        let height = |runs: f64| (runs > 0.0).then(|| (runs * scale).max(2.0));
        let bars = points.iter().enumerate().map(|(i, point)| Bar {
            text: match (point.sums.runs, point.sums.failed) {
                (0, _) => format!("{}: no runs", point.label),
                (runs, 0) => format!("{}: {}", point.label, text::count(runs, "run")),
                (runs, bad) => {
                    format!("{}: {}, {} failed", point.label, text::count(runs, "run"), text::thousands(bad))
                }
            },
            x: number(i as f64 * SLOT),
            width: number(BAR),
            good: height(good(&point.sums)).map(|h| (number(line - h), number(h))),
            bad: height(point.sums.failed as f64).map(|h| (number(line), number(h))),
        });
        let (runs, failed) = points.iter().fold((0, 0), |(r, f), p| (r + p.sums.runs, f + p.sums.failed));
        let first = points.first().map(Point::first_day).unwrap_or_default();
        let last = points.last().map(Point::last_day).unwrap_or_default();
        Some(Self {
            grain: match grain {
                Grain::Days(1) | Grain::Run => "a day".to_owned(),
                Grain::Days(n) => format!("in {n} days"),
            },
            description: format!(
                "Runs from {first} to {last}: {}, of which {} failed",
                text::thousands(runs),
                text::thousands(failed)
            ),
            width: number(points.len() as f64 * SLOT - (SLOT - BAR)),
            line: number(line),
            bars: bars.collect(),
            first,
            last,
        })
    }
}
