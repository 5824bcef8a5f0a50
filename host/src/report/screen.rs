//! The terminal, which bars share with everything else that is printed.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{PoisonError, RwLock};

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

/// Shows what can be shown on standard error, without secrets: a terminal that is gone must not stop the run.
pub fn eprint(text: &str) {
    let text = secret::redact(text);
    apart(|| {
        let _ = std::io::stderr().write_all(text.as_bytes());
    });
}
