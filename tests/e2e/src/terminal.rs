//! A terminal of one test: the binary runs in it, keys are pressed, and its screen is read.

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

const ROWS: NonZeroU16 = NonZeroU16::new(60).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(120).unwrap();

/// A run in a terminal.
pub struct Terminal {
    child: Child,
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
}

impl Terminal {
    /// Starts `rivet` in a terminal that is its own, with these variables set.
    pub fn start(sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
        // It becomes the controlling terminal, so that Ctrl-C is a signal.
        let mut command = sandbox.command("setsid");
        command.arg("--ctty").arg(built().join("rivet")).args(args);
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
        Self { child, keys, written, reader }
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
        let mut parser = vt100::Parser::new(ROWS, COLUMNS, 0);
        parser.process(&written);
        let screen = parser.screen().contents();
        Shown { code, raw: String::from_utf8_lossy(&written).into_owned(), screen }
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n--- screen\n{}\n--- raw\n{:?}", self.code, self.screen, self.raw)
    }
}
