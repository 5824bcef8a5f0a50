//! A webhook of one test: it keeps what it is sent, and answers as it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::CANARY;

/// What comes back.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// A status and further header lines, such as `302 Found\r\nLocation: …`.
    Status(&'static str),
    /// A status for the first request, and `200 OK` for all others.
    First(&'static str),
    /// These bytes.
    Bytes(&'static str),
    /// Nothing, and the connection stays open.
    Silence,
    /// A byte from time to time, without an end.
    Drip,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The first line and the headers.
    pub head: String,
    /// The body; `null` when there is none.
    pub body: Value,
}

/// A server on a port of its own, for as long as the test runs.
pub struct Webhook {
    /// Its address, which nobody may see.
    pub url: String,
    received: Arc<Mutex<Vec<Request>>>,
}

impl Webhook {
    /// A webhook without TLS.
    pub fn new(answer: Answer) -> Self {
        Self::start("http://127.0.0.1", answer, |socket| socket)
    }

    /// A webhook with TLS, whose certificate for `localhost` is `hook.crt` in `dir` from now on.
    pub fn with_tls(dir: &Path, answer: Answer) -> Self {
        let (certificate, key) = (dir.join("hook.crt"), dir.join("hook.key"));
        let options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
            -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
        let mut openssl = Command::new("openssl");
        openssl.args(options.split_whitespace()).arg("-out").arg(&certificate).arg("-keyout").arg(&key);
        let output = openssl.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        let config = ServerConfig::builder().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap());
        Self::start("https://localhost", answer, move |socket| {
            StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket)
        })
    }

    fn start<S: Read + Write>(
        base: &str,
        answer: Answer,
        open: impl Fn(TcpStream) -> S + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{base}:{}/services/{CANARY}-hook", listener.local_addr().unwrap().port());
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&received);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (shared, open) = (Arc::clone(&shared), open.clone());
                // A client that goes away is what some tests are about.
                thread::spawn(move || serve(open(socket), answer, &shared));
            }
        });
        Self { url, received }
    }

    /// What has been received so far.
    pub fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The attachment of each message so far.
    pub fn attachments(&self) -> Vec<Value> {
        self.received().iter().map(|request| request.body["attachments"][0].clone()).collect()
    }

    /// The text of each message so far, in alphabetical order.
    pub fn texts(&self) -> Vec<String> {
        let mut texts: Vec<_> = self.attachments().iter().map(|a| a["text"].as_str().unwrap().to_owned()).collect();
        texts.sort();
        texts
    }
}

fn serve(stream: impl Read + Write, answer: Answer, received: &Mutex<Vec<Request>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let is_first = {
        let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
        received.push(Request { head, body });
        received.len() == 1
    };
    let stream = stream.get_mut();
    match answer {
        Answer::Status(status) => write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").ok()?,
        Answer::First(status) => {
            let status = if is_first { status } else { "200 OK" };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").ok()?;
        }
        Answer::Bytes(bytes) => stream.write_all(bytes.as_bytes()).ok()?,
        Answer::Silence => thread::sleep(Duration::from_mins(1)),
        Answer::Drip => {
            let start = Instant::now();
            write!(stream, "HTTP/1.1 200 OK\r\nX: ").ok()?;
            while start.elapsed() < Duration::from_mins(1) {
                stream.write_all(b".").and_then(|()| stream.flush()).ok()?;
                thread::sleep(Duration::from_millis(200));
            }
        }
    }
    stream.flush().ok()
}
