//! A server's own client, which is given statements and rows on its standard input.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::engine::Engine;
use crate::url::{self, Parts};

/// So much is gathered before it is handed on.
const FULL: usize = 1 << 20;

/// A client with a server to speak to.
pub struct Client {
    engine: Engine,
    program: &'static str,
    parts: Parts,
}

impl Client {
    /// Finds the program.
    pub fn new(engine: Engine, url: &str) -> Result<Self, String> {
        let parts = url::parse(url, engine.schemes())?;
        if engine == Engine::Mysql && parts.has_parameters {
            return Err("parameters in the URL are not supported".to_owned());
        }
        let answers = |program: &&&str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
        let program = engine.programs().iter().find(answers).ok_or_else(|| {
            format!("{} is missing; on Debian: apt-get install {}", engine.programs().join(" or "), engine.package())
        })?;
        Ok(Self { engine, program, parts })
    }

    /// Runs one statement; what it answers, without headings.
    pub fn ask(&self, sql: &str) -> Result<String, String> {
        let mut command = self.command();
        command.arg(if self.engine == Engine::Postgres { "-c" } else { "-e" }).arg(sql).stdin(Stdio::null());
        let output = command.stderr(Stdio::inherit()).output().map_err(|e| format!("{}: {e}", self.program))?;
        if !output.status.success() {
            return Err(format!("{} failed; what it says is above", self.program));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts a session that runs what it is given.
    pub fn start(&self) -> Result<Session, String> {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| format!("{}: {e}", self.program))?;
        Ok(Session { input: child.stdin.take(), child, buffer: Vec::with_capacity(2 * FULL), program: self.program })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        let parts = &self.parts;
        match self.engine {
            Engine::Postgres => {
                command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &parts.bare]);
                command.env("PGPASSWORD", &parts.password);
                command.env("PGCLIENTENCODING", "UTF8");
            }
            Engine::Mysql => {
                command.args(["--no-defaults", "--protocol=TCP", "--default-character-set=utf8mb4", "-N", "-B"]);
                command.args(["-h", &parts.host, "-P", parts.port.as_deref().unwrap_or("3306")]);
                command.args(["-u", &parts.user, "-D", &parts.database]);
                command.env("MYSQL_PWD", &parts.password);
            }
        }
        command
    }
}

/// A client that runs.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    buffer: Vec<u8>,
    program: &'static str,
}

impl Session {
    /// What is sent with the next flush.
    pub fn input(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Sends what there is when it is much.
    pub fn flush_if_full(&mut self) -> std::io::Result<()> {
        if self.buffer.len() >= FULL { self.flush() } else { Ok(()) }
    }

    /// Sends what there is.
    pub fn flush(&mut self) -> std::io::Result<()> {
        if let Some(input) = &mut self.input {
            input.write_all(&self.buffer)?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// Waits until all is done.
    pub fn finish(mut self) -> Result<(), String> {
        drop(self.input.take());
        let status = self.child.wait().map_err(|e| format!("{}: {e}", self.program))?;
        if status.success() { Ok(()) } else { Err(format!("{} failed; what it says is above", self.program)) }
    }
}
