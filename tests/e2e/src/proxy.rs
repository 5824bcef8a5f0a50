//! A proxy between the binary and a server, which breaks connections after so many bytes of the server's answers.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// What happens to a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It ends, for both sides.
    Cut,
    /// It stays open and nothing comes any more, in either direction.
    Silence,
}

/// A listener on a port of its own; what connects there talks to the server.
pub struct Proxy {
    /// The server's URL with the proxy's address in it.
    pub url: String,
    port: u16,
    /// Bound already, so that the port is ours; listens once connections are accepted.
    socket: Socket,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    server: Option<SocketAddr>,
    /// The fault, after how many bytes of one connection it comes, and how many connections it is still to hit.
    fault: Option<(Fault, u64, u32)>,
    /// How many connections it has hit.
    hit: u32,
    open: Vec<TcpStream>,
    is_over: bool,
}

impl Proxy {
    /// A proxy that hands everything on to the server of `url`.
    pub fn new(url: &str) -> Self {
        let this = Self::refusing(url);
        this.accept();
        this
    }

    /// A proxy that refuses connections until [`Self::accept`] is called.
    pub fn refusing(url: &str) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let (start, rest) = url.rsplit_once('@').unwrap();
        let (server, end) = rest.split_once('/').unwrap();
        let shared = Shared { server: Some(server.parse().unwrap()), ..Shared::default() };
        let url = format!("{start}@127.0.0.1:{port}/{end}");
        Self { url, port, socket, shared: Arc::new(Mutex::new(shared)) }
    }

    /// Takes connections from now on.
    pub fn accept(&self) {
        self.socket.listen(64).unwrap();
        let listener = TcpListener::from(self.socket.try_clone().unwrap());
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if lock(&shared).is_over {
                    return;
                }
                join(client, &shared);
            }
        });
    }

    /// The next `times` connections over which the server sends more than `bytes` suffer `fault` then.
    pub fn fail(&self, fault: Fault, bytes: u64, times: u32) {
        lock(&self.shared).fault = Some((fault, bytes, times));
    }

    /// How many connections suffered a fault so far.
    pub fn hit(&self) -> u32 {
        lock(&self.shared).hit
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.is_over = true;
        for stream in &shared.open {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(shared);
        // Wakes the listener, which sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connects `client` with the server, or hangs up when there is none.
fn join(client: TcpStream, shared: &Arc<Mutex<Shared>>) {
    let Some(server) = lock(shared).server else { return };
    let Ok(server) = TcpStream::connect_timeout(&server, Duration::from_secs(5)) else { return };
    let copies = [&client, &server].map(|stream| stream.try_clone().unwrap());
    lock(shared).open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
    let [client_too, server_too] = copies;
    let silence = Arc::new(Mutex::new(false));
    let (is_silent, shared) = (Arc::clone(&silence), Arc::clone(shared));
    thread::spawn(move || {
        forward(client_too, server_too, |_| if *is_silent.lock().unwrap() { Some(Fault::Silence) } else { None });
    });
    thread::spawn(move || {
        let mut sent = 0;
        forward(server, client, |bytes| {
            sent += bytes;
            let fault = due(&shared, sent);
            *silence.lock().unwrap() |= fault == Some(Fault::Silence);
            fault
        });
    });
}

/// The fault of a connection over which `sent` bytes have come.
fn due(shared: &Mutex<Shared>, sent: u64) -> Option<Fault> {
    let mut shared = lock(shared);
    let (fault, bytes, times) = shared.fault.as_mut()?;
    if *times == 0 || sent <= *bytes {
        return None;
    }
    *times -= 1;
    let fault = *fault;
    shared.hit += 1;
    Some(fault)
}

/// Copies until one side ends, or until `fault` says what to do instead of handing on so many further bytes.
fn forward(mut from: TcpStream, mut to: TcpStream, mut fault: impl FnMut(u64) -> Option<Fault>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        match fault(length as u64) {
            None if to.write_all(&buffer[..length]).is_ok() => {}
            // Whoever reads takes everything, so that the sender notices nothing.
            Some(Fault::Silence) => while matches!(from.read(&mut buffer), Ok(1..)) {},
            _ => break,
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
