//! What the process of a plug-in prints where nothing should be printed. Its last lines often say why it ended: that its
//! stack has overflowed, or what the C library found.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, PipeReader, Read as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::secret;

/// How many lines are kept, and how much of each.
const LINES: usize = 6;
const SHOWN_CHARS: usize = 300;

/// How much of a line is looked at. The rest of a longer one is dropped.
const LINE_BYTES: usize = 64 << 10;

/// How much of what was looked at is not shown where the rest was dropped: it may end in the beginning of a secret, which
/// nobody knows by its beginning. No secret is longer.
const CUT_BYTES: usize = 32 << 10;

/// The last lines.
pub struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Output {
    /// Reads `pipe` to its end, in a thread of its own. Each line is logged for those who want to see it.
    pub fn listen(plugin: &str, pipe: PipeReader) -> Self {
        let lines = Arc::<Mutex<VecDeque<String>>>::default();
        let (kept, plugin) = (Arc::clone(&lines), plugin.to_owned());
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            while let Some(text) = next_line(&mut pipe) {
                if text.is_empty() {
                    continue;
                }
                tracing::info!("plug-in \"{plugin}\" printed: {text}");
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LINES {
                    kept.pop_front();
                }
                kept.push_back(text);
            }
            drop(end);
        });
        Self { lines, ended: Mutex::new(ended) }
    }

    /// The last lines of a process that has ended, in one.
    pub fn last(&self) -> String {
        // A process that it has started may hold the pipe for longer.
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(Duration::from_millis(500));
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

/// What can be shown of the next line; `None` when there is none.
fn next_line(pipe: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let read = pipe.take(LINE_BYTES as u64).read_until(b'\n', &mut line).ok()?;
    if read == 0 {
        return None;
    }
    let is_cut = read == LINE_BYTES && !line.ends_with(b"\n");
    if is_cut {
        // The line before the failure is worth more than the error, which comes again.
        let _ = pipe.skip_until(b'\n');
    }
    Some(readable(&line, is_cut))
}

/// Without secrets and without what would move a cursor.
fn readable(line: &[u8], is_cut: bool) -> String {
    let mut text = secret::redact(&String::from_utf8_lossy(line));
    if is_cut {
        text.truncate(text.floor_char_boundary(text.len().saturating_sub(CUT_BYTES)));
    }
    let text: String = text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(printed: &str) -> Vec<String> {
        let mut pipe = BufReader::with_capacity(100, printed.as_bytes());
        std::iter::from_fn(|| next_line(&mut pipe)).collect()
    }

    #[test]
    fn lines_are_shown_without_what_moves_a_cursor_and_cut_where_they_are_long() {
        assert_eq!(lines("\u{1b}[31mone\u{7}\n\ntwo"), ["[31mone", "", "two"]);
        assert_eq!(
            lines(&format!("{}\nnext\n", "x".repeat(3 * LINE_BYTES))),
            ["x".repeat(SHOWN_CHARS), "next".to_owned()]
        );
    }

    #[test]
    fn no_part_of_a_secret_is_shown_wherever_a_line_is_cut() {
        let secret = "q7Zk".repeat(5);
        secret::add(std::slice::from_ref(&secret));
        let known = |text: &str| (4..=secret.len()).any(|length| text.contains(&secret[..length]));
        // What stands before it is not shown, so that it is the first thing that is. It lies across every place that a
        // line could be cut at.
        for cut in [300, 2000, 4096, 8192, LINE_BYTES - CUT_BYTES, LINE_BYTES] {
            for before in cut - secret.len()..=cut {
                let printed = format!("{}{secret}{}\n", "\u{1}".repeat(before), " and more".repeat(10_000));
                let shown = lines(&printed);
                assert!(shown.iter().all(|line| !known(line)), "{before}: {shown:?}");
            }
        }
    }
}
