//! Asks a server for TLS, in the way of this protocol: by a message before all others, answered by one byte.

use std::io::{self, Read};
use std::time::Instant;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rivet_plugin_api::{Error, Result};
use rivet_plugin_base::net::{Target, TlsMode, Transport, io_error, read_patiently};

/// Encrypts `transport` as `target` demands. Never falls back to plain text unless the mode is `prefer` and the server
/// itself declines.
pub(super) fn encrypt(mut transport: Transport, target: &Target, deadline: Option<Instant>) -> Result<Transport> {
    if transport.is_local() || target.tls.mode == TlsMode::Disable {
        return Ok(transport);
    }
    let server = target.name();
    let fail = |e: io::Error| io_error(&e, &server, "negotiate TLS with");
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    transport.send(&request).map_err(fail)?;
    // One byte and not more: what follows belongs to the TLS handshake, and nothing sent before it may be trusted.
    let mut answer = [0];
    read_patiently(deadline, || transport.read_exact(&mut answer)).map_err(fail)?;
    let offered = match answer[0] {
        b'S' => true,
        b'N' => false,
        _ => {
            return Err(Error::network(format!(
                "server \"{server}\" refused the connection before TLS was negotiated"
            ))
            .hint("look into the server's log: it may be full or starting up"));
        }
    };
    if transport.wants_tls(target, offered)? { transport.encrypt(target, deadline) } else { Ok(transport) }
}
