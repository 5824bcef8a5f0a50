//! From a target to a session: TCP or socket, TLS, start-up packet, log-in, and the key that can cancel it.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use rivet_plugin_api::{Cancel, Error, Result};
use rivet_plugin_base::net::{Transport, io_error};

use super::inbox::Inbox;
use super::{Connection, tls};
use crate::error::protocol;
use crate::options::Target;

/// How long a cancel request may take: it runs while the user waits for the end.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

/// What every server satisfies, where there is no other one to choose.
const ANY: [&str; 2] = ["any", "prefer-standby"];

impl Connection {
    /// Connects and logs in. Errors say whether network, log-in or configuration is at fault.
    pub(crate) fn open(target: &Arc<Target>, cancel: &Cancel) -> Result<Self> {
        let deadline = target.connect_timeout.and_then(|limit| Instant::now().checked_add(limit));
        let transport = Transport::connect(target, cancel, deadline)?;
        // Until the session has begun, only the end of the connection can end what we wait for.
        let guard = transport.shutdown_on_cancel(cancel).map_err(|e| io_error(&e, &target.name(), "connect to"))?;
        let opened = Self::log_in(transport, target, cancel, deadline);
        drop(guard);
        cancel.check().and(opened)
    }

    fn log_in(transport: Transport, target: &Arc<Target>, cancel: &Cancel, deadline: Option<Instant>) -> Result<Self> {
        let transport = tls::encrypt(transport, target, deadline)?;
        let mut connection = Self {
            transport,
            inbox: Inbox::new(),
            target: Arc::clone(target),
            cancel: cancel.clone(),
            cancel_sent: None,
            patience: None,
            silent_since: None,
            error_position: None,
            deadline,
            parameters: Vec::new(),
            key: None,
            awaits_ready: false,
            broken: false,
        };
        connection.start()?;
        connection.deadline = None;
        Ok(connection)
    }

    fn start(&mut self) -> Result<()> {
        let target = Arc::clone(&self.target);
        let version = concat!("rivet/", env!("CARGO_PKG_VERSION"));
        let name = target.setting("application_name").or_else(|| target.setting("fallback_application_name"));
        let mut parameters = vec![
            ("user", target.user.as_str()),
            ("database", target.database.as_deref().unwrap_or(&target.user)),
            ("application_name", name.unwrap_or(version)),
            // Only what poolers let through; the rest is set inside each transaction.
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
            ("standard_conforming_strings", "on"),
        ];
        parameters.extend(target.setting("options").map(|options| ("options", options)));
        let mut out = BytesMut::new();
        frontend::startup_message(parameters, &mut out).map_err(protocol)?;
        self.send(&out)?;
        self.authenticate()?;
        loop {
            match self.message()? {
                Message::BackendKeyData(body) => self.key = Some((body.process_id(), body.secret_key())),
                Message::ReadyForQuery(_) => break,
                _ => return Err(protocol("neither key nor readiness after the log-in")),
            }
        }
        if self.parameter("integer_datetimes") == Some("off") {
            return Err(Error::unsupported("the server stores timestamps as floating point numbers")
                .hint("use PostgreSQL 10 or newer"));
        }
        self.check_kind()
    }

    /// Whether the server is what `target_session_attrs` asks for. Another one may take its place meanwhile: the error is
    /// one to try again.
    fn check_kind(&mut self) -> Result<()> {
        let target = Arc::clone(&self.target);
        let Some(wanted) = target.setting("target_session_attrs").filter(|wanted| !ANY.contains(wanted)) else {
            return Ok(());
        };
        let rows =
            self.query("SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')")?;
        let says = |place: usize, word: &str| rows.first().and_then(|row| row.get(place)?.as_deref()) == Some(word);
        let is_it = match wanted {
            "read-write" => says(1, "off"),
            "read-only" => says(1, "on"),
            "primary" => says(0, "f"),
            _ => says(0, "t"),
        };
        if is_it {
            return Ok(());
        }
        Err(Error::network(format!(
            "server \"{}\" is not \"{wanted}\", as target_session_attrs demands",
            target.name()
        ))
        .hint("leave target_session_attrs out of the URL, since Rivet only reads, or name the host that is meant"))
    }

    /// What ends a running statement of this connection from another thread.
    pub(crate) fn cancel_key(&self) -> CancelKey {
        CancelKey { target: Arc::clone(&self.target), key: self.key }
    }
}

/// The right to cancel what a connection runs. It works over a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct CancelKey {
    target: Arc<Target>,
    key: Option<(i32, i32)>,
}

impl CancelKey {
    /// Asks the server to cancel. Whether it did shows in the cancelled connection only.
    pub(crate) fn cancel(&self) {
        if let Err(e) = self.try_cancel() {
            tracing::warn!("could not cancel the statement on the server: {e}");
        }
    }

    fn try_cancel(&self) -> Result<()> {
        // Some poolers give no key: closing the connection has to do then.
        let Some((process, secret)) = self.key else { return Ok(()) };
        let deadline = Instant::now().checked_add(CANCEL_LIMIT);
        let mut transport =
            tls::encrypt(Transport::connect(&self.target, &Cancel::new(), deadline)?, &self.target, deadline)?;
        let mut out = BytesMut::new();
        frontend::cancel_request(process, secret, &mut out);
        let failed = |e: io::Error| io_error(&e, &self.target.name(), "send a cancel request to");
        transport.send(&out).map_err(failed)?;
        // The server closes the connection when it has passed the request on.
        while deadline.is_some_and(|d| Instant::now() < d) {
            match transport.read(&mut [0; 16]) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                _ => break,
            }
        }
        Ok(())
    }
}
