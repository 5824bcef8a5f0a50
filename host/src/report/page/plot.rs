//! Plots of one export: rows, bytes and duration, as bars with a lane below for failures. The text in them has the size
//! of the page, for the drawing is about as wide as it is shown.

use super::points::{Grain, Point};
use super::text;
use crate::state::Day;

const WIDTH: f64 = 360.0;
const TOP: f64 = 20.0;
const BASE: f64 = 104.0;
/// Few bars are not stretched over all of it.
const WIDEST_SLOT: f64 = 18.0;

/// One plot, in the words of its template.
pub struct Plot {
    pub id: String,
    pub title: &'static str,
    pub latest: String,
    pub description: String,
    pub top: String,
    pub bars: Vec<Bar>,
    pub first: String,
    pub last: String,
    pub end: String,
}

/// One point.
pub struct Bar {
    pub text: String,
    pub slot: (String, String),
    pub x: String,
    pub width: String,
    pub value: Option<(String, String)>,
    pub class: &'static str,
    /// The drawing of a failure, and its class.
    pub mark: Option<(String, &'static str)>,
}

/// What is plotted.
struct Measure {
    title: &'static str,
    of: fn(&Point) -> u64,
    show: fn(u64) -> String,
    /// What the axis counts in, for numbers of this size: bytes by 1024, times by 60.
    unit: fn(f64) -> f64,
    axis: fn(f64) -> String,
}

const MEASURES: [Measure; 3] = [
    Measure { title: "Rows", of: |point| point.sums.rows, show: text::thousands, unit: |_| 1.0, axis: text::compact },
    Measure {
        title: "Bytes",
        of: |point| point.sums.bytes,
        show: text::bytes,
        unit: |n| {
            [1_099_511_627_776.0, 1_073_741_824.0, 1_048_576.0, 1024.0]
                .into_iter()
                .find(|unit| n >= *unit)
                .unwrap_or(1.0)
        },
        axis: |n| text::bytes(n as u64).replace(".0 ", " "),
    },
    Measure {
        title: "Duration",
        of: |point| point.sums.duration_ms.checked_div(point.sums.runs).unwrap_or(0),
        show: text::duration,
        unit: |n| [3_600_000.0, 60_000.0, 1000.0].into_iter().find(|unit| n >= *unit).unwrap_or(1.0),
        axis: |n| text::duration(n as u64),
    },
];

/// The three plots of an export; none without a point.
pub fn plots(id: &str, grain: Grain, points: &[Point]) -> Vec<Plot> {
    if points.is_empty() {
        return Vec::new();
    }
    MEASURES.iter().map(|measure| plot(id, grain, points, measure)).collect()
}

fn plot(id: &str, grain: Grain, points: &[Point], measure: &Measure) -> Plot {
    let values: Vec<u64> = points.iter().map(measure.of).collect();
    let greatest = values.iter().copied().max().unwrap_or(0);
    let ceiling = ceiling(greatest as f64, (measure.unit)(greatest as f64));
    let slot = (WIDTH / points.len() as f64).min(WIDEST_SLOT);
    let bars = points.iter().zip(&values).enumerate().map(|(i, (point, value))| {
        let left = i as f64 * slot;
        let height = (*value as f64 / ceiling * (BASE - TOP)).max(1.0);
        let failed = point.sums.failed > 0;
        Bar {
            text: tooltip(point, &(measure.show)(*value), measure.title),
            slot: (number(left), number(slot)),
            x: number(left + slot * 0.12),
            width: number(slot * 0.76),
            value: (*value > 0).then(|| (number(BASE - height), number(height))),
            class: if failed && grain == Grain::Run { "value bad" } else { "value" },
            mark: failed.then(|| match grain {
                Grain::Run => (cross(left + slot / 2.0), "mark"),
                Grain::Days(_) => (share(left + slot * 0.12, slot * 0.76, &point.sums), "value bad"),
            }),
        }
    });
    let failures: u64 = points.iter().map(|point| point.sums.failed).sum();
    let first = points.first().map(Point::first_day).unwrap_or_default();
    let last = points.last().map(Point::last_day).unwrap_or_default();
    let latest = values.last().map(|value| (measure.show)(*value)).unwrap_or_default();
    let mean = if measure.title == "Duration" && grain != Grain::Run { ", mean" } else { "" };
    Plot {
        id: format!("{id}-{}", measure.title.to_lowercase()),
        title: measure.title,
        description: format!(
            "{} {}{mean}, from {first} to {last}: at most {}, latest {latest}; {}",
            measure.title,
            grain.words(),
            (measure.show)(greatest),
            text::count(failures, "failure")
        ),
        latest: format!("latest {latest}{mean}"),
        top: if greatest > 0 { (measure.axis)(ceiling) } else { String::new() },
        // Under few bars there is no room for two dates.
        end: number((slot * points.len() as f64).max(150.0)),
        bars: bars.collect(),
        last: if last == first { String::new() } else { last },
        first,
    }
}

fn tooltip(point: &Point, value: &str, title: &str) -> String {
    let sums = &point.sums;
    let result = match &point.status {
        Some(status) => text::shown(status),
        None if sums.failed == 0 => text::count(sums.runs, "run"),
        None => format!("{}, {} failed", text::count(sums.runs, "run"), text::thousands(sums.failed)),
    };
    format!("{}: {} {value} ({result})", point.label, title.to_lowercase())
}

fn cross(x: f64) -> String {
    let (left, right) = (number(x - 2.5), number(x + 2.5));
    format!("M{left} 109L{right} 114M{right} 109L{left} 114")
}

/// Below the line, how many of the runs failed: all of them are ten high.
fn share(left: f64, width: f64, sums: &Day) -> String {
    let height = (sums.failed as f64 / sums.runs.max(1) as f64 * 10.0).max(1.5);
    let (left, width, height) = (number(left), number(width), number(height));
    format!("M{left} 106.5h{width}v{height}h-{width}z")
}

/// A round number from `greatest` on, in `unit`s.
fn ceiling(greatest: f64, unit: f64) -> f64 {
    let counted = (greatest / unit).max(1.0);
    let power = 10_f64.powf(counted.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= counted).unwrap_or(10.0);
    let round = step * power;
    // Rows, bytes and milliseconds are whole.
    (if unit > 1.0 { round } else { round.ceil() }) * unit
}

/// A coordinate, to a tenth.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
