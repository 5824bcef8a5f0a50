//! Connecting to what does not answer. No server is needed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rivet_plugin_api::{Cancel, Category, Context, Source};
use rivet_plugin_postgres::{Options, Postgres};

fn options(url: &str) -> Options {
    serde_json::from_value(serde_json::json!({ "url": url })).unwrap()
}

/// What a server does before it falls silent.
type Answer = fn(&mut TcpStream);

/// Connects to a server that does `answer` and then nothing, and stops the attempt; returns how long that took.
fn stopped(parameters: &str, answer: Answer) -> Duration {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://u:S3CR3T-CANARY@{}/d?{parameters}", server.local_addr().unwrap());
    let cancel = Cancel::new();
    let context = Context::new(cancel.clone());
    let opening = thread::spawn(move || Postgres::open(options(&url), &context).map(drop));
    let (mut peer, _) = server.accept().unwrap();
    answer(&mut peer);
    thread::sleep(Duration::from_millis(100));
    assert!(!opening.is_finished(), "{:?}", opening.join());
    let started = Instant::now();
    cancel.cancel();
    let error = opening.join().unwrap().unwrap_err();
    assert_eq!(error.category(), Category::Cancelled, "{error}");
    started.elapsed()
}

#[test]
fn a_wish_to_stop_is_heard_at_every_step_of_connecting() {
    // The server says nothing at all, agrees to encrypt, or declines to.
    let steps: [(&str, Answer); 4] = [
        ("connect_timeout=0", |_| ()),
        ("sslmode=disable", |_| ()),
        ("sslmode=require&connect_timeout=0", |peer| say(peer, b"S")),
        ("sslmode=prefer", |peer| say(peer, b"N")),
    ];
    for (parameters, answer) in steps {
        let spent = stopped(parameters, answer);
        assert!(spent < Duration::from_millis(150), "{parameters}: {spent:?}");
    }
}

fn say(peer: &mut TcpStream, answer: &[u8]) {
    // The request for TLS.
    peer.read_exact(&mut [0; 8]).unwrap();
    peer.write_all(answer).unwrap();
}

#[test]
fn a_server_that_says_nothing_costs_the_connect_timeout() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://u:S3CR3T-CANARY@{}/d?connect_timeout=1", server.local_addr().unwrap());
    let started = Instant::now();
    let error = Postgres::open(options(&url), &Context::default()).map(drop).unwrap_err();
    assert_eq!(error.category(), Category::Network, "{error}");
    assert!(started.elapsed() < Duration::from_secs(2) && !error.to_string().contains("CANARY"), "{error}");
}
