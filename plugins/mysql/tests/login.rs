//! Logging in and encryption, against a server with TLS named by `RIVET_TEST_MYSQL_TLS_URL` (host `127.0.0.1`, a user who
//! may create users), whose certificate is for `localhost` alone and signed by the authority in
//! `RIVET_TEST_MYSQL_TLS_CA`.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use rivet_plugin_api::{Category, Context, Error, Probe, Source};
use rivet_plugin_mysql::Mysql;
use serde_json::{Value, json};

use client::client;

#[path = "common/client.rs"]
mod client;

const PASSWORD: &str = "S3CR3T-CANARY-ü@:/?#% login";

struct Server {
    port: u16,
    ca: String,
}

impl Server {
    /// The server with its users. Without one the test says why it is skipped, and fails where that must not happen.
    fn find() -> Option<Self> {
        let (Ok(url), Ok(ca)) = (std::env::var("RIVET_TEST_MYSQL_TLS_URL"), std::env::var("RIVET_TEST_MYSQL_TLS_CA"))
        else {
            assert!(std::env::var_os("CI").is_none(), "RIVET_TEST_MYSQL_TLS_URL or _CA is not set, and CI demands it");
            eprintln!("skipped: RIVET_TEST_MYSQL_TLS_URL or RIVET_TEST_MYSQL_TLS_CA is not set");
            return None;
        };
        for (user, demand) in [("rivet_any", "NONE"), ("rivet_tls_only", "SSL")] {
            client(
                &url,
                &format!(
                    "DROP USER IF EXISTS {user}@'%'; CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE {demand}"
                ),
            );
        }
        let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok()).unwrap();
        Some(Self { port, ca })
    }

    fn login(&self, host: &str, user: &str, password: &str, tls: &Value) -> Result<Probe, Error> {
        let options = json!({ "host": host, "port": self.port, "user": user, "password": password, "tls": tls });
        Mysql::open(serde_json::from_value(options).unwrap(), &Context::default())?.probe(&Context::default())
    }
}

/// One test, because its users are the server's.
#[test]
fn logins_and_encryption() {
    let Some(server) = Server::find() else { return };
    for mode in ["disable", "require"] {
        let probe = server.login("127.0.0.1", "rivet_any", PASSWORD, &json!({ "mode": mode })).unwrap();
        assert_eq!(probe.encrypted, Some(mode == "require"));
        let wrong =
            server.login("127.0.0.1", "rivet_any", "S3CR3T-CANARY wrong", &json!({ "mode": mode })).unwrap_err();
        assert_eq!((wrong.category(), wrong.code_text()), (Category::Auth, Some("1045")), "{wrong}");
        assert!(!wrong.to_string().contains("CANARY"), "{wrong}");
    }
    let preferred = server.login("127.0.0.1", "rivet_tls_only", PASSWORD, &json!({})).unwrap();
    assert_eq!(preferred.encrypted, Some(true));
    assert!(preferred.warnings.iter().any(|w| w.contains("verify-full")), "{:?}", preferred.warnings);
    let refused = server.login("127.0.0.1", "rivet_tls_only", PASSWORD, &json!({ "mode": "disable" })).unwrap_err();
    assert_eq!(refused.category(), Category::Auth, "{refused}");
    certificates(&server);
}

fn certificates(server: &Server) {
    let login = |host: &str, tls: Value| server.login(host, "rivet_tls_only", PASSWORD, &tls);
    let full = login("localhost", json!({ "mode": "verify-full", "ca_file": server.ca })).unwrap();
    assert!(full.encrypted == Some(true) && full.warnings.is_empty(), "{:?}", full.warnings);
    login("127.0.0.1", json!({ "mode": "verify-ca", "ca_file": server.ca })).unwrap();
    let other_name = login("127.0.0.1", json!({ "mode": "verify-full", "ca_file": server.ca })).unwrap_err();
    assert_eq!(other_name.category(), Category::Auth, "{other_name}");
    let unknown = login("localhost", json!({ "mode": "verify-full" })).unwrap_err();
    assert!(unknown.hint_text().is_some_and(|h| h.contains("ca_file")), "{unknown}");
}
