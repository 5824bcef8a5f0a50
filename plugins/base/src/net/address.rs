//! The addresses of a host. The system's resolver cannot be interrupted, so it runs on a thread of its own, which is left
//! to itself once nobody waits for it any more.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use rivet_plugin_api::{Cancel, Error, Result};

use super::connect::POLL;
use super::plain;

/// All addresses of `host`; at least one.
pub(super) fn resolve(host: &str, port: u16, cancel: &Cancel, deadline: Option<Instant>) -> Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    let lookup = move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        // Nobody listens any more when time is up.
        let _ = sender.send(found);
    };
    thread::Builder::new().name("resolve".to_owned()).spawn(lookup).map_err(|e| failed(host, &e))?;
    loop {
        match receiver.recv_timeout(POLL) {
            Ok(Ok(addresses)) if addresses.is_empty() => {
                return Err(Error::network(format!("host \"{host}\" has no address")));
            }
            Ok(found) => return found.map_err(|e| failed(host, &e)),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("the resolver's thread panicked")),
            Err(RecvTimeoutError::Timeout) => {
                cancel.check()?;
                if deadline.is_some_and(|d| Instant::now() >= d) {
                    return Err(failed(host, &io::Error::new(io::ErrorKind::TimedOut, "no answer in time")));
                }
            }
        }
    }
}

fn failed(host: &str, e: &io::Error) -> Error {
    Error::network(format!("could not resolve host \"{host}\": {}", plain(e)))
        .hint("check the host name and this machine's DNS")
}
