//! The terminal, which bars share with everything else that is printed.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{PoisonError, RwLock};

use anstyle::{AnsiColor, Style};
use indicatif::MultiProgress;

use crate::{environment, secret};

/// The bars that are on the screen.
static BARS: RwLock<Option<MultiProgress>> = RwLock::new(None);

/// Whether bars have a place: a terminal that can move its cursor, and somebody who looks at it. `data_on_stdout` says
/// that standard output carries rows, which must not share a terminal with bars.
pub fn has_room(data_on_stdout: bool) -> bool {
    let dumb = environment("TERM").is_none_or(|term| term == "dumb");
    let shared = data_on_stdout && std::io::stdout().is_terminal();
    std::io::stderr().is_terminal() && !dumb && !shared && environment("CI").is_none()
}

/// From now on everything that is printed goes above `bars`; `None` when there are none any more.
pub(super) fn show(bars: Option<MultiProgress>) {
    *BARS.write().unwrap_or_else(PoisonError::into_inner) = bars;
}

/// Prints without tearing bars: they are taken away meanwhile.
pub fn apart<T>(print: impl FnOnce() -> T) -> T {
    let bars = BARS.read().unwrap_or_else(PoisonError::into_inner).clone();
    match bars {
        Some(bars) => bars.suspend(print),
        None => print(),
    }
}

/// Whether standard error shows colours.
pub fn has_colours() -> bool {
    let dumb = environment("TERM").is_none_or(|term| term == "dumb");
    std::io::stderr().is_terminal() && !dumb && environment("NO_COLOR").is_none()
}

/// Shows what can be shown on standard error, without secrets: a terminal that is gone must not stop the run.
pub fn eprint(text: &str) {
    put(&secret::redact(text));
}

/// As [`eprint`], for an error, whose parts have the colours that the command line's own errors have.
pub fn eprint_error(text: &str) {
    let text = secret::redact(text);
    put(&if has_colours() { coloured(&text) } else { text });
}

fn put(text: &str) {
    apart(|| {
        let _ = std::io::stderr().write_all(text.as_bytes());
    });
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Green.on_default();
const GUTTER: Style = AnsiColor::Blue.on_default().bold();

/// An error as [`crate::error::Error::render`] writes it, with colours.
fn coloured(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let (style, length) = if line.starts_with("error: ") {
            (ERROR, "error:".len())
        } else if line.starts_with("hint: ") {
            (HINT, "hint:".len())
        } else {
            (GUTTER, gutter(line))
        };
        let (head, rest) = line.split_at(length);
        if head.is_empty() {
            out.push_str(line);
            continue;
        }
        let _ = write!(out, "{style}{head}{style:#}");
        let carets = rest.trim();
        if style == GUTTER && !carets.is_empty() && carets.chars().all(|c| c == '^') {
            let (blanks, carets) = rest.trim_end().split_at(rest.find('^').unwrap_or_default());
            let _ = writeln!(out, "{blanks}{ERROR}{carets}{ERROR:#}");
        } else {
            out.push_str(rest);
        }
    }
    out
}

/// How long the margin of a line of source is: ` --> ` before the place, or its number and a bar.
fn gutter(line: &str) -> usize {
    let inner = line.trim_start_matches(' ').trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(' ');
    let is_margin = line.starts_with([' ', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let mark = ["--> ", "|"].into_iter().find(|mark| is_margin && inner.starts_with(mark));
    mark.map_or(0, |mark| line.len() - inner.len() + mark.trim_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_error_have_colours() {
        let plain = "error: a | b\n --> x.yaml:12:3\n   |\n12 |   a: | ^\n   |   ^^\nhint: --> c\nmore: error: d\n";
        let (red, green, blue, end) = ("\u{1b}[1m\u{1b}[31m", "\u{1b}[32m", "\u{1b}[1m\u{1b}[34m", "\u{1b}[0m");
        let expected = format!(
            "{red}error:{end} a | b\n{blue} -->{end} x.yaml:12:3\n{blue}   |{end}\n{blue}12 |{end}   a: | ^\n\
             {blue}   |{end}   {red}^^{end}\n{green}hint:{end} --> c\nmore: error: d\n"
        );
        assert_eq!(coloured(plain), expected);
        assert_eq!(coloured("error: no end"), format!("{red}error:{end} no end"));
    }
}
