//! Numbers, times and foreign text as the page shows them. Escaping is the templates' matter.

use jiff::Timestamp;

use crate::config::userinfo_masked;
use crate::state::human_bytes;

/// Longer texts are cut: an error may hold a whole query.
const LONGEST: usize = 4000;

/// Foreign text without what could mislead: characters that control or turn the direction of what follows, and passwords
/// in URLs, which files of older versions may hold.
pub fn shown(text: &str) -> String {
    let hidden =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let visible = |c: char| if hidden(c) { '\u{fffd}' } else { c };
    let mut shown: String = userinfo_masked(text).chars().map(visible).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// A whole number with its thousands apart: `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size in the units of the run summary, and in terabytes.
pub fn bytes(bytes: u64) -> String {
    const TB: u64 = 1 << 40;
    if bytes < TB { human_bytes(bytes) } else { format!("{:.1} TB", bytes as f64 / TB as f64) }
}

/// A number in few characters: `950`, `15 k`, `1.2 M`.
pub fn compact(number: f64) -> String {
    let units = [(1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e3, "k")];
    match units.into_iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) => format!("{} {unit}", short(number / size)),
        None => short(number),
    }
}

/// At most one digit behind the point, and none that is 0.
fn short(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A number of things: `1 run`, `2 runs`.
pub fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", thousands(number))
}

/// A duration in its two greatest units: `340 ms`, `3.2 s`, `12 min 5 s`, `3 h 12 min`.
pub fn duration(ms: u64) -> String {
    let pair = |great: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{great} {unit}"),
        _ => format!("{great} {unit} {small} {part}"),
    };
    let s = ms / 1000;
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{} s", short(ms as f64 / 1000.0)),
        60_000..3_600_000 => pair(s / 60, "min", s % 60, "s"),
        3_600_000..86_400_000 => pair(s / 3600, "h", s / 60 % 60, "min"),
        _ => pair(s / 86_400, "d", s / 3600 % 24, "h"),
    }
}

/// The instant of an RFC 3339 text to the minute; a text that is none, as it is.
pub fn when(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(instant) => instant.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => shown(text),
    }
}

/// The class of a status, by which it is coloured.
pub fn class(status: &str) -> &'static str {
    match status {
        "success" => "success",
        "failed" => "failed",
        _ => "other",
    }
}
