use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use rivet_plugin_api::{Category, SecretString};

use super::super::{Fields, Scheme, Target, Transport};
use super::*;

const SOON: Duration = Duration::from_millis(100);

/// A server that never takes a connection, whose queue is full: the system leaves further ones without an answer.
struct Silent {
    listener: Socket,
    queued: Vec<Socket>,
}

impl Silent {
    fn tcp() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self::fill(listener)
    }

    fn fill(listener: Socket) -> Self {
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        for _ in 0..8 {
            let socket = Socket::new(address.domain(), Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            queued.push(socket);
        }
        thread::sleep(Duration::from_millis(50));
        Self { listener, queued }
    }

    fn address(&self) -> SocketAddr {
        assert!(!self.queued.is_empty());
        self.listener.local_addr().unwrap().as_socket().unwrap()
    }
}

/// Runs `call`, which would take seconds, sets its token, and returns how long it then took to end.
fn cancelled(call: impl FnOnce(&Cancel) -> Result<()> + Send + 'static) -> Duration {
    let cancel = Cancel::new();
    let token = cancel.clone();
    let running = thread::spawn(move || call(&token));
    thread::sleep(Duration::from_millis(200));
    assert!(!running.is_finished(), "{:?}", running.join());
    let started = Instant::now();
    cancel.cancel();
    let error = running.join().unwrap().unwrap_err();
    assert_eq!(error.category(), Category::Cancelled, "{error}");
    started.elapsed()
}

fn within(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}

fn target(url: &str) -> Target {
    let scheme = Scheme {
        names: &["db"],
        port: 1,
        parameters: &[],
        socket_file: None,
        needs_database: false,
        needed_fields: "",
    };
    Target::new(Fields { url: Some(&SecretString::new(url)), ..Fields::default() }, &scheme).unwrap()
}

#[test]
fn every_address_has_its_share_of_the_time() {
    let (silent, server) = (Silent::tcp(), TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = [silent.address(), silent.address(), server.local_addr().unwrap()];
    let started = Instant::now();
    let stream = to_any(&addresses, "db:1", &Cancel::new(), within(Duration::from_millis(1500))).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), addresses[2]);
    assert!(stream.nodelay().unwrap());
    let spent = started.elapsed();
    assert!(spent > Duration::from_millis(900) && spent < Duration::from_millis(1400), "{spent:?}");
}

#[test]
fn the_error_names_the_last_address_and_how_many_there_were() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Silent::tcp();
    let error = to_any(&[silent.address(), closed], "db:1", &Cancel::new(), within(SOON)).unwrap_err();
    let expected = format!(
        "could not connect to server \"db:1\": connection refused (\"{closed}\", the last of 2 addresses tried)"
    );
    assert_eq!((error.category(), error.message()), (Category::Network, expected.as_str()));
    let error = to_any(&[silent.address()], "db:1", &Cancel::new(), within(SOON)).unwrap_err();
    assert_eq!(error.message(), "could not connect to server \"db:1\": no answer in time");
}

#[test]
fn cancel_is_heard_while_nobody_answers() {
    let silent = Silent::tcp();
    let address = silent.address();
    let url = format!("db://u@{address}");
    let spent = cancelled(move |cancel| Transport::connect(&target(&url), cancel, None).map(drop));
    assert!(spent < SOON, "{spent:?}");
}

#[test]
fn cancel_is_heard_while_the_server_says_nothing() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("db://u@{}", server.local_addr().unwrap());
    let spent = cancelled(move |cancel| {
        let mut transport = Transport::connect(&target(&url), cancel, None)?;
        let guard = transport.shutdown_on_cancel(cancel)?;
        let read = super::super::read_patiently(None, || transport.read(&mut [0]));
        drop(guard);
        assert_eq!(read.unwrap(), 0);
        cancel.check()
    });
    assert!(spent < SOON, "{spent:?}");
}

#[test]
fn names_are_resolved_and_their_failure_is_told() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let stream = tcp("localhost", port, "localhost", &Cancel::new(), within(Duration::from_secs(5))).unwrap();
    assert!(stream.peer_addr().unwrap().ip().is_loopback());
    let error = tcp("no-such-host.invalid", 1, "x", &Cancel::new(), within(Duration::from_secs(20))).unwrap_err();
    assert_eq!(error.category(), Category::Network);
    assert!(error.message().starts_with("could not resolve host \"no-such-host.invalid\": "), "{error}");
}

#[cfg(unix)]
#[test]
fn sockets_of_this_machine_are_trusted_and_wait_for_room() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let url = format!("db://u@{}", path.display().to_string().replace('/', "%2F"));
    let missing = Transport::connect(&target(&url), &Cancel::new(), None).unwrap_err();
    assert!(missing.hint_text().is_some_and(|h| h.contains("path of the socket")), "{missing}");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(16).unwrap();
    let mut transport = Transport::connect(&target(&url), &Cancel::new(), None).unwrap();
    assert!(transport.is_private() && transport.is_local() && !transport.is_encrypted());
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"x").unwrap();
    let mut got = [0];
    transport.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"x");
    let silent = Silent::fill(listener);
    assert!(!silent.queued.is_empty());
    let late = Transport::connect(&target(&url), &Cancel::new(), within(SOON)).unwrap_err();
    assert!(late.message().contains("no answer in time"), "{late}");
    let spent = cancelled(move |cancel| Transport::connect(&target(&url), cancel, None).map(drop));
    assert!(spent < SOON, "{spent:?}");
}
