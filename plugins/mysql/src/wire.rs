//! A small blocking client of the MySQL protocol. It exists because a driver costs as much client CPU as decoding
//! itself: rows are handed out as slices of the receive buffer, and nothing is allocated per row.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_common::constants::Command;
use rivet_plugin_api::{Cancel, Category, Error, Result};
use rivet_plugin_base::net::{Transport, io_error, is_poll};

use self::inbox::{Inbox, Message};
use crate::error::{INTERRUPTED, protocol, server_error};
use crate::options::Target;
use crate::sql::Quotes;

mod auth;
mod connect;
mod inbox;
mod rows;
mod server;
mod statement;

pub(crate) use rows::{RowStream, Step};
pub(crate) use server::Server;
pub(crate) use statement::Prepared;

/// How long the server may take to obey a `KILL QUERY` before the connection is given up.
const KILL_PATIENCE: Duration = Duration::from_secs(3);
/// The longest body of one packet.
const FULL_PACKET: usize = 0xff_ffff;

/// One session. Calls block; the owner sets the token that can interrupt them.
pub(crate) struct Connection {
    transport: Transport,
    inbox: Inbox,
    target: Arc<Target>,
    server: Server,
    quotes: Quotes,
    cancel: Cancel,
    /// When this connection asked for a `KILL QUERY`, because of `cancel` or of `patience`.
    kill_sent: Option<Instant>,
    /// Limits log-in.
    deadline: Option<Instant>,
    /// How long the running statement may still keep us waiting; `None` waits for ever.
    patience: Option<Duration>,
    /// A request was sent whose answer is not over.
    busy: bool,
    /// The stream is out of step or dead: the connection can only be dropped.
    broken: bool,
}

impl Connection {
    /// The token that interrupts the calls to come.
    pub(crate) fn follow(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
        self.kill_sent = None;
    }

    /// Limits the time that the statements to come may keep us waiting for the server. Time in which nobody reads does not
    /// count, so the host may pause between batches.
    pub(crate) fn limit(&mut self, limit: Option<Duration>) {
        self.patience = limit;
    }

    /// Whether another statement can be sent.
    pub(crate) fn is_idle(&self) -> bool {
        !self.broken && !self.busy
    }

    /// Whether the connection is dead or out of step.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.transport.is_encrypted()
    }

    pub(crate) fn is_remote(&self) -> bool {
        self.transport.is_remote()
    }

    /// See [`Transport::warning`].
    pub(crate) fn warning(&self) -> Option<&'static str> {
        self.transport.warning(&self.target)
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// How the session reads quotes.
    pub(crate) fn quotes(&self) -> Quotes {
        self.quotes
    }

    /// Keeps what the server says of the session: its true number, which a proxy's greeting does not give, and how it
    /// reads quotes.
    pub(crate) fn know(&mut self, connection_id: u64, quotes: Quotes) {
        self.server.connection_id = connection_id;
        self.quotes = quotes;
    }

    /// Sends a command that the server answers.
    fn command(&mut self, command: Command, arguments: &[&[u8]]) -> Result<()> {
        self.cancel.check()?;
        if !self.is_idle() {
            return Err(Error::internal("a statement was sent on a connection that is not ready for one"));
        }
        self.busy = true;
        self.kill_sent = None;
        self.send(0, &[&[command as u8], arguments.concat().as_slice()].concat())
    }

    /// Sends a message in packets numbered from `sequence`.
    fn send(&mut self, mut sequence: u8, body: &[u8]) -> Result<()> {
        let mut out = Vec::with_capacity(body.len() + 8);
        let mut rest = body;
        loop {
            let (part, after) = rest.split_at(rest.len().min(FULL_PACKET));
            out.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
            out.push(sequence);
            out.extend_from_slice(part);
            sequence = sequence.wrapping_add(1);
            rest = after;
            if part.len() < FULL_PACKET {
                break;
            }
        }
        self.transport.send(&out).map_err(|e| {
            let error = io_error(&e, &self.target.name(), "write to");
            self.give_up(error)
        })
    }

    /// The next message. An error of the server comes as `Err`, and ends the answer.
    #[inline]
    fn message(&mut self) -> Result<Message> {
        let message = loop {
            match self.inbox.take() {
                Ok(Some(message)) => break message,
                Ok(None) => self.fill()?,
                Err(e) => return Err(self.give_up(protocol(e))),
            }
        };
        match self.inbox.body(message).first() {
            Some(0xff) => Err(self.failed(message)),
            Some(_) => Ok(message),
            None => Err(self.give_up(protocol("an empty message"))),
        }
    }

    #[inline]
    fn body(&self, message: Message) -> &[u8] {
        self.inbox.body(message)
    }

    /// The end of an answer. Some functions, such as `SLEEP`, answer a `KILL QUERY` with another value instead of an
    /// error: what was asked to end early is never whole.
    fn completed(&mut self) -> Result<()> {
        self.busy = false;
        match self.kill_sent {
            _ if self.cancel.is_cancelled() => Err(Error::cancelled()),
            Some(_) => Err(too_slow()),
            None => Ok(()),
        }
    }

    /// The error that ended an answer.
    #[cold]
    fn failed(&mut self, message: Message) -> Error {
        self.busy = false;
        let error = server_error(self.inbox.body(message));
        // Only our own wish makes an interrupted statement "cancelled" or late; otherwise somebody else ended it.
        if error.code_text() == Some(INTERRUPTED) {
            if self.cancel.is_cancelled() {
                return Error::cancelled();
            }
            if self.kill_sent.is_some() {
                return too_slow();
            }
        }
        // A server that shuts the connection down says so once, and is gone.
        self.broken |= matches!(error.category(), Category::Network) || error.code_text() == Some("1053");
        error
    }

    /// Marks the connection unusable.
    fn give_up(&mut self, error: Error) -> Error {
        self.broken = true;
        if self.cancel.is_cancelled() && error.category() == Category::Network { Error::cancelled() } else { error }
    }

    fn fill(&mut self) -> Result<()> {
        let started = self.patience.map(|_| Instant::now());
        let result = self.inbox.fill(&mut self.transport);
        if let (Some(left), Some(started)) = (&mut self.patience, started) {
            *left = left.saturating_sub(started.elapsed());
        }
        let error = match result {
            Ok(0) => io::Error::from(io::ErrorKind::UnexpectedEof),
            Ok(_) if self.is_late() => return self.kill_once(),
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(e) if is_poll(&e) => return self.still_waiting(),
            Err(e) => e,
        };
        let error = io_error(&error, &self.target.name(), "read from");
        Err(self.give_up(error))
    }

    fn is_late(&self) -> bool {
        self.busy && self.patience.is_some_and(|left| left.is_zero())
    }

    /// Nothing came for a while: go on, unless time is up or the host wants to stop.
    fn still_waiting(&mut self) -> Result<()> {
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            let text = format!("server \"{}\" did not answer the log-in in time", self.target.name());
            return Err(
                self.give_up(Error::network(text).hint("is it a MySQL or MariaDB server, and is it overloaded"))
            );
        }
        if self.cancel.is_cancelled() || self.is_late() { self.kill_once() } else { Ok(()) }
    }

    /// Asks the server to end the statement; the connection is cut when it does not obey in time.
    fn kill_once(&mut self) -> Result<()> {
        match self.kill_sent {
            // The interrupt may have come between two statements, when there was nothing to end.
            None if self.busy && self.deadline.is_none() => {
                self.kill_sent = Some(Instant::now());
                self.killer().kill();
                Ok(())
            }
            Some(sent) if sent.elapsed() < KILL_PATIENCE => Ok(()),
            _ => {
                self.transport.shutdown();
                let error = if self.cancel.is_cancelled() { Error::cancelled() } else { too_slow() };
                Err(self.give_up(error))
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_idle() {
            // The server notices the closed socket as well.
            let _ = self.transport.send(&[1, 0, 0, 0, Command::COM_QUIT as u8]);
        }
        self.transport.shutdown();
    }
}

fn too_slow() -> Error {
    Error::timeout("the statement took longer than its limit")
        .hint("raise \"statement_timeout_s\", or read in smaller chunks")
}
