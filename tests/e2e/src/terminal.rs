//! A terminal of one test: the binary runs in it, keys are pressed, and its screen is read.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::sandbox::{Sandbox, built};

/// Rows and columns.
type Size = (NonZeroU16, NonZeroU16);

const SIZE: Size = (NonZeroU16::new(60).unwrap(), NonZeroU16::new(120).unwrap());
/// Higher and wider than whatever golden pages show, so that nothing is broken where a path is longer.
const PAGE: Size = (NonZeroU16::new(400).unwrap(), NonZeroU16::new(240).unwrap());

/// A run in a terminal.
pub struct Terminal {
    child: Child,
    size: Size,
    keys: File,
    written: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// What was seen of a run that has ended.
#[derive(Debug)]
pub struct Shown {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Everything that was written, with the sequences that move the cursor.
    pub raw: String,
    /// What is on the screen at the end.
    pub screen: String,
    /// The same, with marks where colours and weight change: `⟦red bold⟧error:⟦⟧`.
    pub styled: String,
}

impl Terminal {
    /// Starts `rivet` in a terminal that is its own, with these variables set.
    pub fn start(sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let words: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let rivet = built().join("rivet");
        Self::of(sandbox, &[&[rivet.as_os_str()], words.as_slice()].concat(), variables, SIZE)
    }

    /// Starts a line of shell in a terminal that is its own, which is so high that nothing leaves it.
    pub fn shell(sandbox: &Sandbox, line: &str, variables: &[(&str, &str)]) -> Self {
        Self::of(sandbox, &["sh", "-c", line].map(OsStr::new), variables, PAGE)
    }

    fn of(sandbox: &Sandbox, words: &[&OsStr], variables: &[(&str, &str)], size: Size) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let winsize = Winsize { ws_row: size.0.get(), ws_col: size.1.get(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, winsize).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
        // It becomes the controlling terminal, so that Ctrl-C is a signal.
        let mut command = sandbox.command("setsid");
        command.arg("--ctty").args(words);
        command.env_remove("CI").env_remove("NO_COLOR").env("TERM", "xterm-256color");
        command.envs(variables.iter().copied());
        command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
        let child = command.spawn().unwrap();
        drop(command);
        let (keys, written) = (File::from(ours), Arc::<Mutex<Vec<u8>>>::default());
        let (mut screen, seen) = (keys.try_clone().unwrap(), Arc::clone(&written));
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The last one to close the terminal ends it with an error.
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
            }
        });
        Self { child, size, keys, written, reader }
    }

    /// What has been written so far.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until `text` has been written.
    pub fn wait_for(&self, text: &str) {
        let start = Instant::now();
        while !self.raw().contains(text) {
            assert!(start.elapsed() < Duration::from_mins(1), "\"{text}\" was not written:\n{}", self.raw());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses a key.
    pub fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).unwrap();
    }

    /// Waits for the end of the run.
    pub fn end(mut self) -> Shown {
        let code = self.child.wait().unwrap().code();
        self.reader.join().unwrap();
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parser = vt100::Parser::new(self.size.0, self.size.1, 0);
        parser.process(&written);
        let screen = parser.screen();
        Shown {
            code,
            raw: String::from_utf8_lossy(&written).into_owned(),
            screen: screen.contents(),
            styled: styled(screen),
        }
    }
}

/// What is on the screen, with marks where its style changes.
fn styled(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let mut lines = Vec::new();
    for row in 0..rows {
        let (mut line, mut now) = (String::new(), String::new());
        let cells =
            (0..columns).filter_map(|column| screen.cell(row, column)).filter(|cell| !cell.is_wide_continuation());
        for cell in cells {
            let style = style(cell);
            // A blank has no colour that anybody sees, so that no style begins with one.
            let text = if cell.has_contents() { cell.contents() } else { " " };
            let begins = !style.is_empty() && (text != " " || cell.underline());
            if style != now && (begins || style.is_empty()) {
                line.extend(["⟦", &style, "⟧"]);
                now = style;
            }
            line.push_str(text);
        }
        let end = if now.is_empty() { "" } else { "⟦⟧" };
        lines.push(format!("{}{end}", line.trim_end()));
    }
    let last = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    lines[..last].join("\n")
}

fn style(cell: &vt100::Cell) -> String {
    const COLOURS: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
    let colour = match cell.fgcolor() {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => {
            let name = COLOURS[usize::from(index % 8)];
            Some(if index < 8 { name.to_owned() } else { format!("bright {name}") })
        }
        vt100::Color::Rgb(..) => Some("another colour".to_owned()),
    };
    let weights =
        [(cell.bold(), "bold"), (cell.dim(), "dim"), (cell.italic(), "italic"), (cell.underline(), "underlined")];
    let weights = weights.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned());
    colour.into_iter().chain(weights).collect::<Vec<_>>().join(" ")
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n--- screen\n{}\n--- raw\n{:?}", self.code, self.screen, self.raw)
    }
}
