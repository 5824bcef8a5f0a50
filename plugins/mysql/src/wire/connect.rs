//! From a target to a session: TCP or socket, handshake, TLS, log-in, and what can end its statements.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;
use rivet_plugin_api::{Cancel, Result};
use rivet_plugin_base::net::{Transport, io_error};

use super::inbox::Inbox;
use super::{Connection, Server, auth};
use crate::error::protocol;
use crate::options::Target;
use crate::sql::Quotes;

/// How long a `KILL QUERY` may take, log-in included: it runs while the user waits for the end.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// utf8mb4_general_ci, which every version knows.
const COLLATION: u8 = 45;
/// The largest row we accept: the server's own limit.
const MAX_PACKET: u32 = 1 << 30;
/// Neither several statements nor local files: what a query could abuse is not asked for.
const CAPABILITIES: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_PROTOCOL_41)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS);

impl Connection {
    /// Connects and logs in. Errors say whether network, log-in or configuration is at fault.
    pub(crate) fn open(target: &Arc<Target>, cancel: &Cancel) -> Result<Self> {
        let deadline = target.connect_timeout.and_then(|limit| Instant::now().checked_add(limit));
        let mut connection = Self::log_in(target, cancel, deadline)?;
        connection.deadline = None;
        Ok(connection)
    }

    /// A session whose statements end by `deadline` as well.
    fn log_in(target: &Arc<Target>, cancel: &Cancel, deadline: Option<Instant>) -> Result<Self> {
        let transport = Transport::connect(target, cancel, deadline)?;
        // Until the session has begun, only the end of the connection can end what we wait for.
        let guard = transport.shutdown_on_cancel(cancel).map_err(|e| io_error(&e, &target.name(), "connect to"))?;
        let mut connection = Self {
            transport,
            inbox: Inbox::new(),
            target: Arc::clone(target),
            server: Server::default(),
            quotes: Quotes::default(),
            cancel: cancel.clone(),
            kill_sent: None,
            deadline,
            patience: None,
            busy: true,
            broken: false,
        };
        let greeted = connection.shake_hands();
        drop(guard);
        cancel.check().and(greeted)?;
        connection.busy = false;
        Ok(connection)
    }

    fn shake_hands(&mut self) -> Result<()> {
        let greeting = self.message()?;
        let handshake = ParseBuf(self.body(greeting)).parse::<HandshakePacket<'_>>(()).map_err(protocol)?.into_owned();
        self.server = Server::new(&handshake.server_version_str(), handshake.connection_id().into());
        let offered = handshake.capabilities();
        let mut capabilities = CAPABILITIES & offered;
        // MySQL keeps to what the request for TLS says, so all of it has to be there.
        capabilities.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, self.target.database.is_some());
        if self.transport.wants_tls(&self.target, offered.contains(CapabilityFlags::CLIENT_SSL))? {
            capabilities |= CapabilityFlags::CLIENT_SSL;
            self.start_tls(capabilities)?;
        }
        let plugin = handshake.auth_plugin().unwrap_or(AuthPlugin::MysqlNativePassword);
        let (password, nonce) = (self.target.password.clone().unwrap_or_default(), handshake.nonce());
        let (plugin, first) = match auth::first_answer(&plugin, self.facts(&password, &nonce)) {
            Ok(first) => (plugin, first),
            // The user may well have another method than the server's default: it will ask for that one.
            Err(e) if !capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH) => return Err(e),
            Err(_) => {
                let native = AuthPlugin::MysqlNativePassword;
                let first = auth::first_answer(&native, self.facts(&password, &nonce))?;
                (native, first)
            }
        };
        let (method, answer) = first;
        let response = self.response(capabilities, plugin, answer);
        // The request for TLS was a packet of ours as well.
        let sequence = self.inbox.next_sequence() + u8::from(self.transport.is_encrypted());
        self.send(sequence, &response)?;
        self.authenticate(method, nonce)
    }

    fn response(&self, capabilities: CapabilityFlags, plugin: AuthPlugin<'_>, answer: Vec<u8>) -> Vec<u8> {
        let with = |flag, value| capabilities.contains(flag).then_some(value);
        let attributes = HashMap::from([
            ("program_name".to_owned(), concat!("rivet/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("_client_name".to_owned(), env!("CARGO_PKG_NAME").to_owned()),
        ]);
        let response = HandshakeResponse::new(
            Some(answer),
            (5, 6, 0),
            Some(self.target.user.as_bytes()),
            self.target.database.as_deref().map(str::as_bytes),
            with(CapabilityFlags::CLIENT_PLUGIN_AUTH, ()).map(|()| plugin),
            capabilities,
            with(CapabilityFlags::CLIENT_CONNECT_ATTRS, ()).map(|()| attributes),
            MAX_PACKET,
        );
        let mut out = Vec::new();
        response.serialize(&mut out);
        out
    }

    /// Asks for TLS and goes on inside of it.
    fn start_tls(&mut self, capabilities: CapabilityFlags) -> Result<()> {
        let mut request = Vec::new();
        SslRequest::new(capabilities, MAX_PACKET, COLLATION).serialize(&mut request);
        let sequence = self.inbox.next_sequence();
        self.send(sequence, &request)?;
        if !self.inbox.is_empty() {
            // What was sent before the encryption cannot be trusted.
            return Err(protocol("bytes between the greeting and TLS"));
        }
        self.transport = self.transport.encrypt(&self.target, self.deadline)?;
        Ok(())
    }

    /// What ends a running statement of this connection from another thread.
    pub(crate) fn killer(&self) -> Killer {
        Killer { target: Arc::clone(&self.target), connection_id: self.server.connection_id }
    }
}

/// The right to end what a connection runs. It works over a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Killer {
    target: Arc<Target>,
    connection_id: u64,
}

impl Killer {
    /// Asks the server to end the statement. Whether it did shows in the other connection only.
    pub(crate) fn kill(&self) {
        if let Err(e) = self.try_kill() {
            tracing::warn!("could not end the statement on the server: {e}");
        }
    }

    fn try_kill(&self) -> Result<()> {
        let deadline = Instant::now().checked_add(KILL_LIMIT);
        // The token that brought us here is set already: this connection must not follow it.
        let mut connection = Connection::log_in(&self.target, &Cancel::new(), deadline)?;
        connection.query(&format!("KILL QUERY {}", self.connection_id)).map(drop)
    }
}
