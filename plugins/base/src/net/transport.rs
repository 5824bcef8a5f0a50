//! The byte stream under a protocol: TCP, TCP with TLS, or a Unix socket. Reads give up the thread at short intervals so
//! that a wish to stop is noticed even when the server is silent.

use std::io::{self, Read, Write};
use std::net::Shutdown::Both;
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rivet_plugin_api::{Cancel, CancelGuard, Error, Result};
use rustls::{ClientConnection, StreamOwned};

use super::{Host, Target, TlsMode, connect, io_error, tls};

/// How long a read waits before it reports `WouldBlock`.
const POLL: Duration = Duration::from_millis(250);
/// How long a request may take to leave: they are small, so this means a dead peer.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// A connection to a server.
#[derive(Debug)]
pub struct Transport(Stream);

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Transport {
    /// Connects without encryption; `deadline` limits all attempts together. Errors are
    /// [`Category::Network`](rivet_plugin_api::Category::Network), or
    /// [`Category::Cancelled`](rivet_plugin_api::Category::Cancelled) about 50 ms after `cancel` was set.
    pub fn connect(target: &Target, cancel: &Cancel, deadline: Option<Instant>) -> Result<Self> {
        cancel.check()?;
        let server = target.name();
        match &target.host {
            Host::Tcp(host) => {
                let at = target.address.map_or_else(|| host.clone(), |address| address.to_string());
                let stream = connect::tcp(&at, target.port, &server, cancel, deadline)?;
                Self::of_tcp(stream).map_err(|e| io_error(&e, &server, "connect to"))
            }
            Host::Unix(path) => {
                let connected = Self::to_unix(path, cancel, deadline);
                cancel.check()?;
                connected.map_err(|e| io_error(&e, &server, "connect to"))
            }
        }
    }

    fn of_tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(POLL))?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        Ok(Self(Stream::Tcp(stream)))
    }

    #[cfg(unix)]
    fn to_unix(path: &Path, cancel: &Cancel, deadline: Option<Instant>) -> io::Result<Self> {
        let stream = connect::unix(path, cancel, deadline)?;
        stream.set_read_timeout(Some(POLL))?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        Ok(Self(Stream::Unix(stream)))
    }

    #[cfg(not(unix))]
    fn to_unix(_: &Path, _: &Cancel, _: Option<Instant>) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
    }

    /// Whether to ask for TLS of a server that does or does not offer it. The error is
    /// [`Category::Auth`](rivet_plugin_api::Category::Auth).
    pub fn wants_tls(&self, target: &Target, offered: bool) -> Result<bool> {
        match (&self.0, target.tls.mode) {
            (Stream::Tcp(_), TlsMode::Disable) => Ok(false),
            (Stream::Tcp(_), TlsMode::Prefer) => Ok(offered),
            (Stream::Tcp(_), _) if offered => Ok(true),
            (Stream::Tcp(_), _) => Err(Error::auth(format!("server \"{}\" does not offer TLS", target.name())).hint(
                "turn on TLS at the server, or set the TLS mode to \"prefer\" or \"disable\" and accept plain text",
            )),
            // Nobody can listen on a socket of this machine.
            _ => Ok(false),
        }
    }

    /// The same connection encrypted, after the server has been asked for it.
    pub fn encrypt(&self, target: &Target, deadline: Option<Instant>) -> Result<Self> {
        let Stream::Tcp(stream) = &self.0 else {
            return Err(Error::internal("TLS was asked for on a connection that cannot have it"));
        };
        let stream = stream.try_clone().map_err(|e| io_error(&e, &target.name(), "negotiate TLS with"))?;
        Ok(Self(Stream::Tls(Box::new(tls::handshake(stream, target, deadline)?))))
    }

    /// Whether nobody on the network can listen: encrypted, or never leaving this machine. Only then a password may be
    /// sent as it is. Who is at the other end is known only by the TLS modes that verify it.
    pub fn is_private(&self) -> bool {
        match &self.0 {
            Stream::Tcp(stream) => is_loopback(stream),
            _ => true,
        }
    }

    /// What an operator should know about the connection's encryption, in one sentence.
    pub fn warning(&self, target: &Target) -> Option<&'static str> {
        if !self.is_private() {
            Some("the connection is not encrypted: set the TLS mode to \"verify-full\"")
        } else if self.is_encrypted() && target.tls.mode != TlsMode::VerifyFull {
            Some("the server's identity is not verified: set the TLS mode to \"verify-full\"")
        } else {
            None
        }
    }

    /// Whether the server is on another machine, as far as its address tells.
    pub fn is_remote(&self) -> bool {
        match &self.0 {
            Stream::Tcp(stream) => !is_loopback(stream),
            Stream::Tls(stream) => !is_loopback(&stream.sock),
            #[cfg(unix)]
            Stream::Unix(_) => false,
        }
    }

    /// Whether it is no network connection at all.
    pub fn is_local(&self) -> bool {
        !matches!(self.0, Stream::Tcp(_) | Stream::Tls(_))
    }

    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0, Stream::Tls(_))
    }

    /// What a log-in can be bound to: the hash of the server's certificate by RFC 5929. `None` without encryption, and for
    /// the few certificates that have none.
    pub fn end_point(&self) -> Option<Vec<u8>> {
        match &self.0 {
            Stream::Tls(stream) => tls::end_point(stream.conn.peer_certificates()?.first()?),
            _ => None,
        }
    }

    /// Ends the connection at once, without the protocol's goodbye.
    pub fn shutdown(&self) {
        // An error means that the connection is already gone.
        let _ = match &self.0 {
            Stream::Tcp(stream) => stream.shutdown(Both),
            Stream::Tls(stream) => stream.sock.shutdown(Both),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.shutdown(Both),
        };
    }

    /// Ends the connection when the host wants to stop, as long as the guard lives: for logging in, when there is nothing
    /// yet to cancel on the server. Reads and writes report a closed connection then.
    pub fn shutdown_on_cancel(&self, cancel: &Cancel) -> io::Result<CancelGuard> {
        Ok(match &self.0 {
            Stream::Tcp(stream) => tcp_guard(stream, cancel)?,
            Stream::Tls(stream) => tcp_guard(&stream.sock, cancel)?,
            #[cfg(unix)]
            Stream::Unix(stream) => {
                let stream = stream.try_clone()?;
                cancel.on_cancel(move || drop(stream.shutdown(Both)))
            }
        })
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)?;
        self.flush()
    }
}

fn tcp_guard(stream: &TcpStream, cancel: &Cancel) -> io::Result<CancelGuard> {
    let stream = stream.try_clone()?;
    Ok(cancel.on_cancel(move || drop(stream.shutdown(Both))))
}

fn is_loopback(stream: &TcpStream) -> bool {
    stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback())
}

impl Read for Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Stream::Tcp(stream) => stream.read(buf),
            Stream::Tls(stream) => stream.read(buf),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.read(buf),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Stream::Tcp(stream) => stream.write(buf),
            Stream::Tls(stream) => stream.write(buf),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Stream::Tcp(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests;
