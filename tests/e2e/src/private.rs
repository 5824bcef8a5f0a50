//! A server of one test, for what would disturb the tests that share one: settings of its own, and restarts.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{Kind, skip};

/// A server that runs until this is dropped.
pub struct Private {
    /// Its URL, password included.
    pub url: String,
    script: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Private {
    /// A server with further options on its command line, or `None` where the tests have no servers.
    pub fn new(kind: Kind, options: &[&str]) -> Option<Self> {
        let variable = format!("RIVET_TEST_{}_URL", kind.name().to_uppercase());
        if env::var_os(&variable).is_none() {
            skip(&format!("{variable} names no server: use scripts/test"));
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/private.sh");
        let mut command = Command::new(script);
        command.arg(kind.name()).args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Whoever ends the test leaves the script the time to end the server.
        let mut script = command.process_group(0).spawn().unwrap();
        let orders = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().unwrap());
        let mut this = Self { url: String::new(), script, orders, answers };
        this.url = this.answer();
        assert!(this.url.contains("://"), "the server did not start");
        Some(this)
    }

    /// Stops the server, which tells its sessions so.
    pub fn stop(&mut self) {
        self.order("fast");
    }

    /// Ends the server as a crash does.
    pub fn crash(&mut self) {
        self.order("immediate");
    }

    /// Starts the server again, on the same port.
    pub fn start(&mut self) {
        self.order("up");
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        assert_eq!(self.answer(), "done", "{order}");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // The end of its input ends the script, and with it the server.
        self.orders = None;
        let _ = self.script.wait();
    }
}
