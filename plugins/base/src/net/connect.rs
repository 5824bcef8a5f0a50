//! Connecting: tries every address of a host, gives each its share of the time, and hears the wish to stop while the other
//! side keeps silent.

use std::io;
use std::net::{SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(unix)]
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rivet_plugin_api::{Cancel, Error, Result};
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::{address, io_error, plain};

/// How often the wish to stop is looked at.
pub(super) const POLL: Duration = Duration::from_millis(25);
/// A server that is there mostly answers within this time, in which the system wakes us at once.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// A peer that vanished without a word is noticed after about three minutes, with the nine probes that systems send
/// unless told otherwise, as nobody else would tell.
const KEEPALIVE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(15));

/// A connection to one of the addresses of `host`; the last failure is reported, `server` being the name for messages.
pub(super) fn tcp(
    host: &str,
    port: u16,
    server: &str,
    cancel: &Cancel,
    deadline: Option<Instant>,
) -> Result<TcpStream> {
    to_any(&address::resolve(host, port, cancel, deadline)?, server, cancel, deadline)
}

fn to_any(addresses: &[SocketAddr], server: &str, cancel: &Cancel, deadline: Option<Instant>) -> Result<TcpStream> {
    let mut failure = None;
    for (tried, address) in addresses.iter().enumerate() {
        cancel.check()?;
        // What an address does not use up is left for the others, and a silent one leaves them enough.
        let share = deadline.map(|deadline| {
            let now = Instant::now();
            now + deadline.saturating_duration_since(now) / (addresses.len() - tried) as u32
        });
        match to_address(*address, cancel, share) {
            Ok(stream) => return Ok(stream),
            Err(e) => {
                tracing::debug!("could not connect to {address}: {e}");
                failure = Some((address, e));
            }
        }
    }
    cancel.check()?;
    Err(match failure {
        Some((address, e)) if addresses.len() > 1 => Error::network(format!(
            "could not connect to server \"{server}\": {} (\"{address}\", the last of {} addresses tried)",
            plain(&e),
            addresses.len()
        ))
        .hint("check host and port, and that the server listens there"),
        Some((_, e)) => io_error(&e, server, "connect to"),
        None => Error::network(format!("server \"{server}\" has no address")),
    })
}

fn to_address(address: SocketAddr, cancel: &Cancel, deadline: Option<Instant>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    let left = deadline.map_or(FIRST_WAIT, |d| d.saturating_duration_since(Instant::now()));
    match socket.connect_timeout(&address.into(), left.clamp(Duration::from_millis(1), FIRST_WAIT)) {
        Ok(()) => {}
        // An error of the system has a number; without one, it is our time that is up.
        Err(e) if e.kind() == io::ErrorKind::TimedOut && e.raw_os_error().is_none() => {
            // It goes on by itself: who has a peer is connected.
            wait(cancel, deadline, || match socket.take_error()? {
                Some(e) => Err(e),
                None => Ok(socket.peer_addr().is_ok()),
            })?;
        }
        Err(e) => return Err(e),
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1))?;
    Ok(socket.into())
}

/// A connection to the socket `path`. One whose queue is full does not answer until there is room.
#[cfg(unix)]
pub(super) fn unix(path: &Path, cancel: &Cancel, deadline: Option<Instant>) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    socket.set_nonblocking(true)?;
    wait(cancel, deadline, || match socket.connect(&address) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(e) => Err(e),
    })?;
    socket.set_nonblocking(false)?;
    Ok(OwnedFd::from(socket).into())
}

/// Asks `is_done` until it says so, time is up, or the host wants to stop.
fn wait(cancel: &Cancel, deadline: Option<Instant>, is_done: impl Fn() -> io::Result<bool>) -> io::Result<()> {
    while !is_done()? {
        if cancel.is_cancelled() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped on request"));
        }
        if deadline.is_some_and(|d| Instant::now() >= d) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
        }
        thread::sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
