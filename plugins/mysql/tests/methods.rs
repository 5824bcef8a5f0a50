//! Authentication methods, against the servers in `RIVET_TEST_MYSQL_URL` and `RIVET_TEST_MYSQL_MORE`, whose user may
//! create users.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::TcpStream;

use rivet_plugin_api::{Category, Context, Error, Probe, Source};
use rivet_plugin_mysql::Mysql;
use serde_json::json;

use common::{Server, on_each_server};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

const PASSWORD: &str = "S3CR3T-CANARY-ü@:/?#% method";

fn login(server: &Server, user: &str, password: &str, tls: &str) -> Result<Probe, Error> {
    let port: u16 = server.url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
    let options = json!({
        "host": "127.0.0.1", "port": port, "user": user, "password": password, "tls": { "mode": tls }
    });
    Mysql::open(serde_json::from_value(options).unwrap(), &Context::default())?.probe(&Context::default())
}

/// The first log-in of a user sends the password, by the server's key or by TLS; later ones prove it by a hash.
#[test]
fn caching_sha2_password_takes_every_path() {
    on_each_server(|server| {
        if !server.is_mysql((8, 0)) {
            server.skip("caching_sha2_password");
            return;
        }
        for method in ["caching_sha2_password", "sha256_password"] {
            server.client(&format!(
                "DROP USER IF EXISTS rivet_method@'%'; CREATE USER rivet_method@'%' IDENTIFIED WITH {method} BY '{PASSWORD}'"
            ));
            for tls in ["disable", "require"] {
                // Empties the server's memory of passwords.
                server.client("FLUSH PRIVILEGES");
                let wrong = login(server, "rivet_method", "S3CR3T-CANARY wrong", tls).unwrap_err();
                assert_eq!((wrong.category(), wrong.code_text()), (Category::Auth, Some("1045")), "{method}: {wrong}");
                assert!(!wrong.to_string().contains("CANARY"), "{wrong}");
                for time in 1..=2 {
                    let probe = login(server, "rivet_method", PASSWORD, tls);
                    let probe = probe.unwrap_or_else(|e| panic!("{method}, tls {tls}, time {time}: {e}"));
                    assert_eq!(probe.encrypted, Some(tls == "require"));
                }
                let wrong = login(server, "rivet_method", "S3CR3T-CANARY wrong", tls).unwrap_err();
                assert_eq!((wrong.category(), wrong.code_text()), (Category::Auth, Some("1045")), "{method}: {wrong}");
            }
            server.client("ALTER USER rivet_method@'%' IDENTIFIED BY ''");
            login(server, "rivet_method", "", "disable").unwrap();
            server.client("DROP USER rivet_method@'%'");
        }
    });
}

#[test]
fn native_passwords_and_none_at_all_work() {
    on_each_server(|server| {
        if server.is_mysql((9, 0)) {
            server.skip("mysql_native_password");
            return;
        }
        // MariaDB now and then refuses a GRANT that creates a user without a password.
        let create = if server.is_old() { "GRANT USAGE ON *.* TO" } else { "CREATE USER IF NOT EXISTS" };
        for (user, password) in [("rivet_native", PASSWORD), ("rivet_empty", "")] {
            server.client(&format!("{create} {user}@'%' IDENTIFIED BY '{password}'"));
            login(server, user, password, "prefer").unwrap();
            let wrong = login(server, user, "wrong", "prefer").unwrap_err();
            assert_eq!((wrong.category(), wrong.code_text()), (Category::Auth, Some("1045")), "{wrong}");
            server.client(&format!("DROP USER {user}@'%'"));
        }
    });
}

#[test]
fn ed25519_works() {
    on_each_server(|server| {
        // Debian's minimal package of the server leaves the plug-in out.
        let directory = server.client("SELECT @@plugin_dir");
        if !server.is_mariadb || !std::path::Path::new(directory.trim()).join("auth_ed25519.so").exists() {
            server.skip("ed25519");
            return;
        }
        server.client(&format!(
            "INSTALL SONAME 'auth_ed25519'; \
             CREATE OR REPLACE USER rivet_ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}')"
        ));
        login(server, "rivet_ed", PASSWORD, "prefer").unwrap();
        let wrong = login(server, "rivet_ed", "wrong", "prefer").unwrap_err();
        assert_eq!((wrong.category(), wrong.code_text()), (Category::Auth, Some("1045")), "{wrong}");
        server.client("DROP USER rivet_ed@'%'; UNINSTALL SONAME 'auth_ed25519'");
    });
}

/// Somebody who asks for a method of his own.
#[test]
fn a_method_that_is_not_known_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let greeting = b"\x0a8.0.0\0\x01\0\0\0nonce567\0\xff\xf7\x2d\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0nonce9abcdef\0mysql_native_password\0";
        send(&mut peer, 0, &without_tls(greeting));
        let mut answer = [0; 4096];
        assert!(peer.read(&mut answer).unwrap() > 4);
        send(&mut peer, 2, b"\xfedialog\0\x02Password: ");
        // Until the client gives up.
        while peer.read(&mut answer).is_ok_and(|n| n > 0) {}
    });
    let options = json!({ "host": "127.0.0.1", "port": port, "user": "u", "password": PASSWORD });
    let error = Mysql::open(serde_json::from_value(options).unwrap(), &Context::default()).map(drop).unwrap_err();
    server.join().unwrap();
    assert_eq!(error.category(), Category::Auth, "{error}");
    assert!(error.message().contains("\"dialog\"") && error.hint_text().is_some(), "{error}");
}

fn send(peer: &mut TcpStream, sequence: u8, body: &[u8]) {
    let header = [body.len() as u8, 0, 0, sequence];
    peer.write_all(&[&header[..], body].concat()).unwrap();
}

/// The greeting of a server that offers no TLS: a bit of the lower capabilities.
fn without_tls(greeting: &[u8]) -> Vec<u8> {
    let mut greeting = greeting.to_vec();
    greeting[21] &= !0x08;
    greeting
}
