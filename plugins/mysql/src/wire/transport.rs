//! The byte stream under the protocol: TCP, TCP with TLS, or a Unix socket. Reads give up the thread at short
//! intervals so that a wish to stop is noticed even when the server is silent.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rivet_plugin_api::{Error, Result};
use rustls::{ClientConnection, StreamOwned};
use socket2::{SockRef, TcpKeepalive};

use crate::error::io_error;
use crate::options::{Host, Target};

/// How long a read waits before it reports `WouldBlock`.
pub(super) const POLL: Duration = Duration::from_millis(250);
/// How long a request may take to leave: they are small, so this means a dead peer.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// A peer that vanished without a word is noticed after about two minutes, as nobody else would tell.
const KEEPALIVE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(15));

#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Transport {
    /// Connects without encryption; `deadline` limits all attempts together.
    pub(super) fn connect(target: &Target, deadline: Option<Instant>) -> Result<Self> {
        match &target.host {
            Host::Tcp(host) => connect_tcp(host, target, deadline).map(Self::Tcp),
            Host::Unix(path) => connect_unix(path, target),
        }
    }

    /// Whether nobody on the network can listen: encrypted, or never leaving this machine.
    pub(super) fn is_private(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback()),
            _ => true,
        }
    }

    /// Whether it is no network connection at all.
    pub(super) fn is_local(&self) -> bool {
        !matches!(self, Self::Tcp(_) | Self::Tls(_))
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Ends the connection at once, without the protocol's goodbye.
    pub(super) fn shutdown(&self) {
        use std::net::Shutdown::Both;
        // An error means that the connection is already gone.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Both),
            Self::Tls(stream) => stream.sock.shutdown(Both),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Both),
        };
    }
}

#[cfg(unix)]
fn connect_unix(path: &Path, target: &Target) -> Result<Transport> {
    let connect = || {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(POLL))?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        Ok(stream)
    };
    connect().map(Transport::Unix).map_err(|e| io_error(&e, &target.name(), "connect to"))
}

#[cfg(not(unix))]
fn connect_unix(_path: &Path, _target: &Target) -> Result<Transport> {
    Err(Error::config("this system has no Unix sockets").hint("connect by host name"))
}

/// Tries every address of the host in turn; the last failure is reported.
fn connect_tcp(host: &str, target: &Target, deadline: Option<Instant>) -> Result<TcpStream> {
    let name = target.name();
    let addresses = (host, target.port).to_socket_addrs().map_err(|e| {
        Error::network(format!("could not resolve host \"{host}\": {}", e.to_string().to_lowercase()))
            .hint("check the host name and this machine's DNS")
    })?;
    let mut failure = Error::network(format!("host \"{host}\" has no address"));
    for address in addresses {
        match connect_address(address, deadline) {
            Ok(stream) => return Ok(stream),
            Err(e) => {
                tracing::debug!("could not connect to {address}: {e}");
                failure = io_error(&e, &name, "connect to");
            }
        }
    }
    Err(failure)
}

fn connect_address(address: SocketAddr, deadline: Option<Instant>) -> io::Result<TcpStream> {
    let stream = match deadline {
        None => TcpStream::connect(address)?,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"));
            }
            TcpStream::connect_timeout(&address, left)?
        }
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(POLL))?;
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

impl Read for Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Tls(stream) => stream.read(buf),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buf),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buf),
            Self::Tls(stream) => stream.write(buf),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.flush(),
        }
    }
}
