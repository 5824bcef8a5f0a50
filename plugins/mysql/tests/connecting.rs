//! Connecting to what does not answer. No server is needed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rivet_plugin_api::{Cancel, Category, Context, Source};
use rivet_plugin_mysql::{Mysql, Options};

/// A greeting of MySQL 8: version, session 7, half of the nonce, capabilities, the other half, and the default method.
const GREETING: &[u8] = b"\x4a\0\0\0\x0a8.0.36\0\x07\0\0\0aaaaaaaa\0\xff\xff\x2d\x02\0\xff\xdf\x15\
    \0\0\0\0\0\0\0\0\0\0bbbbbbbbbbbb\0caching_sha2_password\0";

fn options(url: &str) -> Options {
    serde_json::from_value(serde_json::json!({ "url": url })).unwrap()
}

/// Connects to a server that says `greeting` and then nothing, and stops the attempt; returns how long that took.
fn stopped(parameters: &str, greeting: &[u8]) -> Duration {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://u:S3CR3T-CANARY@{}/d?{parameters}", server.local_addr().unwrap());
    let cancel = Cancel::new();
    let context = Context::new(cancel.clone());
    let opening = thread::spawn(move || Mysql::open(options(&url), &context).map(drop));
    let (mut peer, _): (TcpStream, _) = server.accept().unwrap();
    peer.write_all(greeting).unwrap();
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
    for (parameters, greeting) in [
        ("connect_timeout=0", &b""[..]),
        ("ssl-mode=disable", b""),
        ("ssl-mode=disable&connect_timeout=0", GREETING),
        ("ssl-mode=require", GREETING),
    ] {
        let spent = stopped(parameters, greeting);
        assert!(spent < Duration::from_millis(150), "{parameters}: {spent:?}");
    }
}

#[test]
fn a_server_that_says_nothing_costs_the_connect_timeout() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://u:S3CR3T-CANARY@{}/d?connect_timeout=1", server.local_addr().unwrap());
    let started = Instant::now();
    let error = Mysql::open(options(&url), &Context::default()).map(drop).unwrap_err();
    assert_eq!(error.category(), Category::Network, "{error}");
    assert!(started.elapsed() < Duration::from_secs(2) && !error.to_string().contains("CANARY"), "{error}");
}
