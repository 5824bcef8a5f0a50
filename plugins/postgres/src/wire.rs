//! A small blocking client of PostgreSQL's wire protocol, version 3. It exists because a driver costs as much client
//! CPU as decoding itself: rows are handed out as slices of the receive buffer, and nothing is allocated per row.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{Message, NoticeResponseBody, ParameterStatusBody};
use postgres_protocol::message::frontend;
use rivet_plugin_api::{Cancel, Category, Error, Result};
use rivet_plugin_base::net::{Transport, io_error, is_poll};

use self::inbox::{Frame, Inbox};
use crate::error::{QUERY_CANCELED, ServerMessage, protocol, server_error};
use crate::options::Target;

mod auth;
mod connect;
mod inbox;
mod rows;
mod tls;

pub(crate) use rows::{RowStream, Step};

/// How long after its limit a statement may go on in silence before the server counts as gone.
const GRACE: Duration = Duration::from_secs(5);

/// How long the server may take to obey a cancel request before the connection is given up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(3);

/// One session. Calls block; the owner sets the token that can interrupt them.
pub(crate) struct Connection {
    transport: Transport,
    inbox: Inbox,
    target: Arc<Target>,
    cancel: Cancel,
    /// When this connection asked the server to cancel, because `cancel` was set while it waited.
    cancel_sent: Option<Instant>,
    /// The limit of statements, which the server enforces as long as it is there.
    patience: Option<Duration>,
    /// When it was first noticed that nothing comes.
    silent_since: Option<Instant>,
    /// Which character of the statement the last error meant.
    error_position: Option<usize>,
    /// Limits log-in.
    deadline: Option<Instant>,
    parameters: Vec<(String, String)>,
    key: Option<(i32, i32)>,
    /// A request was sent whose answers end with `ReadyForQuery`.
    awaits_ready: bool,
    /// The stream is out of step or dead: the connection can only be dropped.
    broken: bool,
}

/// A column of a result as the server announces it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ResultColumn {
    pub(crate) name: String,
    /// The base type's for a column of a domain.
    pub(crate) type_oid: u32,
    pub(crate) modifier: i32,
    /// The relation and the number of its column that the values come from; zeros for an expression.
    pub(crate) origin: (u32, i16),
}

impl Connection {
    /// The token that interrupts the calls to come.
    pub(crate) fn follow(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
        self.cancel_sent = None;
    }

    /// Whether another statement can be sent.
    pub(crate) fn is_idle(&self) -> bool {
        !self.broken && !self.awaits_ready
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

    /// What the server reported of a setting, such as `server_version`.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Runs `sql`, which may hold several statements, and returns the rows of all of them as text.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.send_query(sql)?;
        let mut rows = Vec::new();
        loop {
            match self.message()? {
                Message::DataRow(body) => {
                    let row = body
                        .ranges()
                        .map(|range| Ok(range.map(|r| String::from_utf8_lossy(&body.buffer()[r]).into_owned())));
                    rows.push(row.collect().map_err(protocol)?);
                }
                Message::ReadyForQuery(_) => return Ok(rows),
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                    return Err(self.give_up(protocol("a COPY that nobody asked for")));
                }
                _ => {}
            }
        }
    }

    /// Which character of the last statement the server meant by its error, from 1.
    pub(crate) fn error_position(&self) -> Option<usize> {
        self.error_position
    }

    /// The result columns of `sql`, which is parsed and not run.
    pub(crate) fn describe(&mut self, sql: &str) -> Result<Vec<ResultColumn>> {
        self.error_position = None;
        tracing::debug!("sql to parse: {sql}");
        let mut out = BytesMut::new();
        frontend::parse("", sql, [], &mut out).map_err(unsendable)?;
        frontend::describe(b'S', "", &mut out).map_err(unsendable)?;
        frontend::sync(&mut out);
        self.request(&out)?;
        let mut columns = Vec::new();
        let mut parameters = 0;
        loop {
            match self.message()? {
                Message::ParameterDescription(body) => parameters = body.parameters().count().map_err(protocol)?,
                Message::RowDescription(body) => {
                    let all = body.fields().map(|field| {
                        let (name, type_oid, modifier) =
                            (field.name().to_owned(), field.type_oid(), field.type_modifier());
                        let origin = (field.table_oid(), field.column_id());
                        Ok(ResultColumn { name, type_oid, modifier, origin })
                    });
                    columns = all.collect().map_err(protocol)?;
                }
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        if parameters > 0 {
            return Err(Error::config("the query has a placeholder such as \"$1\"")
                .hint("write `:name`, and declare its value under `params` of the export"));
        }
        Ok(columns)
    }

    /// How long a statement may take, which the server enforces; well beyond it the server counts as gone.
    pub(crate) fn expect_within(&mut self, limit: Option<Duration>) {
        self.patience = limit;
    }

    fn send_query(&mut self, sql: &str) -> Result<()> {
        tracing::debug!("sql: {sql}");
        let mut out = BytesMut::new();
        frontend::query(sql, &mut out).map_err(unsendable)?;
        self.request(&out)
    }

    /// Sends what the server answers with a `ReadyForQuery` at the end.
    fn request(&mut self, bytes: &[u8]) -> Result<()> {
        self.cancel.check()?;
        if !self.is_idle() {
            return Err(Error::internal("a statement was sent on a connection that is not ready for one"));
        }
        self.awaits_ready = true;
        self.silent_since = None;
        self.send(bytes)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.transport.send(bytes).map_err(|e| {
            let error = io_error(&e, &self.target.name(), "write to");
            self.give_up(error)
        })
    }

    /// The next message of the server, in the protocol crate's form.
    fn message(&mut self) -> Result<Message> {
        let frame = self.frame()?;
        self.parse(frame)
    }

    fn parse(&mut self, frame: Frame) -> Result<Message> {
        let mut bytes = BytesMut::from(self.inbox.whole(frame));
        match Message::parse(&mut bytes) {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.give_up(protocol("a message without an end"))),
            Err(e) => Err(self.give_up(protocol(e))),
        }
    }

    /// The next frame that answers a request. An error of the server comes as `Err` once the session is ready again.
    #[inline]
    fn frame(&mut self) -> Result<Frame> {
        loop {
            match self.inbox.take() {
                Ok(Some(frame)) if matches!(frame.tag, b'd' | b'D') => return Ok(frame),
                Ok(Some(frame)) => {
                    if self.handle(frame)? {
                        return Ok(frame);
                    }
                }
                Ok(None) => self.fill()?,
                Err(e) => return Err(self.give_up(protocol(e))),
            }
        }
    }

    /// Deals with what may come at any time; true when `frame` is an answer.
    fn handle(&mut self, frame: Frame) -> Result<bool> {
        match frame.tag {
            b'E' => match self.parse(frame)? {
                Message::ErrorResponse(body) => {
                    let (error, position) = server_error(&body);
                    self.error_position = position;
                    Err(self.failed(error))
                }
                _ => Err(protocol("an error that is none")),
            },
            b'N' => {
                if let Message::NoticeResponse(body) = self.parse(frame)? {
                    notice(&body);
                }
                Ok(false)
            }
            b'S' => {
                if let Message::ParameterStatus(body) = self.parse(frame)? {
                    self.keep_parameter(&body);
                }
                Ok(false)
            }
            b'A' => Ok(false),
            b'Z' => {
                self.awaits_ready = false;
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    fn keep_parameter(&mut self, body: &ParameterStatusBody) {
        if let (Ok(name), Ok(value)) = (body.name(), body.value()) {
            self.parameters.retain(|(n, _)| n != name);
            self.parameters.push((name.to_owned(), value.to_owned()));
        }
    }

    /// After an error the server skips to the end of the request: so do we.
    fn failed(&mut self, error: Error) -> Error {
        while self.awaits_ready && !self.broken {
            match self.inbox.take() {
                Ok(Some(frame)) => self.awaits_ready = frame.tag != b'Z',
                // A dying connection ends here; the error at hand says why.
                Ok(None) => self.broken |= self.fill().is_err(),
                Err(_) => self.broken = true,
            }
        }
        // Only the wish to stop makes a cancelled statement "cancelled"; otherwise it is the server's time limit.
        if self.cancel.is_cancelled() && error.code_text() == Some(QUERY_CANCELED) {
            return Error::cancelled();
        }
        error
    }

    /// Marks the connection unusable.
    fn give_up(&mut self, error: Error) -> Error {
        self.broken = true;
        if self.cancel.is_cancelled() && error.category() == Category::Network { Error::cancelled() } else { error }
    }

    fn fill(&mut self) -> Result<()> {
        let error = match self.inbox.fill(&mut self.transport) {
            Ok(0) => io::Error::from(io::ErrorKind::UnexpectedEof),
            Ok(_) => {
                self.silent_since = None;
                return Ok(());
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(e) if is_poll(&e) => return self.still_waiting(),
            Err(e) => e,
        };
        let error = io_error(&error, &self.target.name(), "read from");
        Err(self.give_up(error))
    }

    /// Nothing came for a while: go on, unless time is up or the host wants to stop.
    fn still_waiting(&mut self) -> Result<()> {
        if self.deadline.is_some_and(|d| Instant::now() >= d) {
            let text = format!("server \"{}\" did not answer the log-in in time", self.target.name());
            return Err(self.give_up(Error::network(text).hint("is it a PostgreSQL server, and is it overloaded")));
        }
        let silence = self.silent_since.get_or_insert_with(Instant::now).elapsed();
        if self.patience.is_some_and(|limit| silence > limit + GRACE) {
            let text = format!("server \"{}\" fell silent: it has not even enforced its limit", self.target.name());
            self.transport.shutdown();
            return Err(self.give_up(Error::timeout(text).hint("is the network between here and the server down")));
        }
        if !self.cancel.is_cancelled() {
            return Ok(());
        }
        match self.cancel_sent {
            // The interrupt may have come between two statements, when there was nothing to cancel.
            None if self.awaits_ready => {
                self.cancel_sent = Some(Instant::now());
                self.cancel_key().cancel();
                Ok(())
            }
            Some(sent) if sent.elapsed() < CANCEL_PATIENCE => Ok(()),
            _ => {
                self.transport.shutdown();
                Err(self.give_up(Error::cancelled()))
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_idle() {
            let mut out = BytesMut::new();
            frontend::terminate(&mut out);
            // The server notices the closed socket as well.
            let _ = self.transport.send(&out);
        }
        self.transport.shutdown();
    }
}

fn unsendable(_: io::Error) -> Error {
    Error::config("the query holds a zero byte or is longer than 1 GiB")
}

fn notice(body: &NoticeResponseBody) {
    if let Ok(message) = ServerMessage::read(body.fields()) {
        if message.severity == "WARNING" {
            tracing::warn!("server: {}", message.message);
        } else {
            tracing::debug!("server: {}", message.message);
        }
    }
}
