//! What the process of a plug-in prints where nothing should be printed. Its last lines often say why it ended: that its
//! stack has overflowed, or what the C library found.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, PipeReader, Read as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::secret;

/// How many lines are kept, and how much of each.
const LINES: usize = 6;
const LINE_BYTES: u64 = 2000;
const SHOWN_CHARS: usize = 300;

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
            let mut line = Vec::new();
            while pipe.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = readable(&line);
                line.clear();
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

/// Without secrets and without what would move a cursor.
fn readable(line: &[u8]) -> String {
    let text = secret::redact(&String::from_utf8_lossy(line));
    let text: String = text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect();
    text.trim().to_owned()
}
