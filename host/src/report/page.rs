//! The report: the history as one HTML page without scripts, whose templates are in `templates/report`. They escape all
//! that is put into them; what a browser may load or run, the page itself forbids but for its own style sheet.

mod activity;
mod overview;
mod plot;
mod points;
mod section;
mod text;
#[cfg(test)]
mod tests;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use activity::Activity;
use overview::{Line, Tile};
use section::Section;

use crate::distribution;
use crate::state::{ExportHistory, Overview};

const STYLE: &str = include_str!("../../templates/report/style.css");

/// So many exports have a section of their own, which bounds the page; the table holds all.
const SECTIONS: usize = 100;

/// What the page says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The state file.
    pub state: String,
    /// How many days back it looks; all when absent.
    pub days: Option<u32>,
}

/// The page.
pub fn page(overview: &Overview, about: &About) -> String {
    // What needs attention comes first; otherwise the order is that of the names.
    let mut exports: Vec<&ExportHistory> = overview.exports.iter().collect();
    exports.sort_by_key(|export| !overview::needs_attention(export));
    let shown = exports.len().min(SECTIONS);
    let rest = (exports.len() > shown)
        .then(|| format!("The {shown} exports that follow have a section each. The others are in this table only."));
    let lines = exports.iter().enumerate().map(|(i, export)| Line::new(export, (i < shown).then(|| id(i))));
    let page = Page {
        policy: policy(),
        style: STYLE,
        about: Heading::new(&exports, about),
        tiles: overview::tiles(&exports),
        activity: Activity::new(&exports),
        overview: lines.collect(),
        rest,
        exports: exports.iter().take(shown).enumerate().map(|(i, export)| Section::new(export, id(i))).collect(),
    };
    // Writing into memory, of values that can all be shown, cannot fail.
    page.render().unwrap_or_default()
}

fn id(index: usize) -> String {
    format!("export-{}", index + 1)
}

/// Nothing may be loaded or run; the one style sheet is known by its digest. The icon is an empty one that stands in the
/// page, for browsers ask the server for one otherwise.
fn policy() -> String {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'")
}

#[derive(Template)]
#[template(path = "report/page.html", whitespace = "minimize")]
struct Page {
    policy: String,
    style: &'static str,
    about: Heading,
    tiles: Vec<Tile>,
    activity: Option<Activity>,
    overview: Vec<Line>,
    rest: Option<String>,
    exports: Vec<Section>,
}

struct Heading {
    period: String,
    verdict: String,
    verdict_class: &'static str,
    attention: Vec<Link>,
    made: String,
}

struct Link {
    id: String,
    name: String,
}

/// So many exports are named where the page says what needs attention.
const NAMED: usize = 10;

impl Heading {
    fn new(exports: &[&ExportHistory], about: &About) -> Self {
        let failing = exports.iter().take_while(|export| overview::needs_attention(export)).count();
        let total = text::count(exports.len() as u64, "export");
        let (verdict, verdict_class) = match (exports.len(), failing) {
            (0, _) => ("No run is recorded yet.".to_owned(), "verdict"),
            (1, 0) => ("The export succeeded in its last run.".to_owned(), "verdict good"),
            (_, 0) => (format!("All {total} succeeded in their last run."), "verdict good"),
            (_, n) if n > NAMED => (format!("{n} of {total} failed in their last run, among them"), "verdict bad"),
            (1, _) => ("The export failed in its last run:".to_owned(), "verdict bad"),
            (_, n) => (format!("{n} of {total} failed in their last run:"), "verdict bad"),
        };
        let named = exports.iter().take(failing.min(NAMED)).enumerate();
        let period = about.days.map_or("All that is recorded".to_owned(), |days| match days {
            1 => "The last 24 hours".to_owned(),
            days => format!("The last {days} days"),
        });
        let first = exports.iter().filter_map(|e| e.days.first()).map(|day| day.day.as_str()).filter(|d| !d.is_empty());
        let since = first.min().map(|day| format!(", from {day} on")).unwrap_or_default();
        Self {
            period: format!("{period}{since}"),
            verdict,
            verdict_class,
            attention: named.map(|(i, export)| Link { id: id(i), name: text::shown(&export.export) }).collect(),
            made: format!(
                "Made by {} {} on {} from {}. Times are in UTC, and 1 KB is 1024 bytes.",
                distribution::name(),
                distribution::version(),
                text::when(&about.made_at),
                text::shown(&about.state)
            ),
        }
    }
}
