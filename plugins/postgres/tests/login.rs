//! Logging in and encryption, against a server with TLS named by `RIVET_TEST_POSTGRES_TLS_URL` (a superuser's URL, host
//! `127.0.0.1`), whose certificate is for `localhost` alone and signed by the authority in
//! `RIVET_TEST_POSTGRES_TLS_CA`. Its `pg_hba.conf` begins with:
//!
//! ```text
//! hostssl all rivet_tls_only all scram-sha-256
//! host    all rivet_tls_only all reject
//! host    all rivet_scram    all scram-sha-256
//! host    all rivet_md5      all md5
//! host    all rivet_clear    all password
//! ```

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::process::Command;

use rivet_plugin_api::{Category, Context, Error, Probe, Source};
use rivet_plugin_postgres::Postgres;
use serde_json::json;

const PASSWORD: &str = "S3CR3T-CANARY-ü@:/?#%' login";

struct Server {
    port: u16,
    ca: String,
}

impl Server {
    /// The server with its roles. Without one the test says why it is skipped, and fails where that must not happen.
    fn find() -> Option<Self> {
        let (Ok(url), Ok(ca)) =
            (std::env::var("RIVET_TEST_POSTGRES_TLS_URL"), std::env::var("RIVET_TEST_POSTGRES_TLS_CA"))
        else {
            assert!(
                std::env::var_os("CI").is_none(),
                "RIVET_TEST_POSTGRES_TLS_URL or _CA is not set, and CI demands it"
            );
            eprintln!("skipped: RIVET_TEST_POSTGRES_TLS_URL or RIVET_TEST_POSTGRES_TLS_CA is not set");
            return None;
        };
        let create = |(role, encryption): (&str, &str)| {
            let password = PASSWORD.replace('\'', "''");
            format!(
                "SET password_encryption = '{encryption}'; DROP ROLE IF EXISTS rivet_{role}; \
                 CREATE ROLE rivet_{role} LOGIN PASSWORD '{password}';"
            )
        };
        let [scram, md5] = ["scram-sha-256", "md5"];
        let script: String =
            [("scram", scram), ("md5", md5), ("clear", scram), ("tls_only", scram)].map(create).concat();
        let out = Command::new("psql").args([&url, "-qX1", "-v", "ON_ERROR_STOP=1", "-c", &script]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok()).unwrap();
        Some(Self { port, ca })
    }

    /// A log-in by a URL with `parameters`.
    fn by_url(&self, user: &str, parameters: &str) -> Result<Probe, Error> {
        let password = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let url = format!("postgresql://{user}:{password}@127.0.0.1:{}/postgres?{parameters}", self.port);
        let options = serde_json::from_value(json!({ "url": url })).unwrap();
        Postgres::open(options, &Context::default())?.probe(&Context::default())
    }

    fn login(&self, host: &str, user: &str, password: &str, tls: &serde_json::Value) -> Result<Probe, Error> {
        let options = json!({ "host": host, "port": self.port, "user": user, "password": password,
                              "database": "postgres", "tls": tls });
        let mut source = Postgres::open(serde_json::from_value(options).unwrap(), &Context::default())?;
        source.probe(&Context::default())
    }
}

/// One test, because its roles are the server's.
#[test]
fn logins_and_encryption() {
    let Some(server) = Server::find() else { return };
    passwords(&server);
    modes(&server);
    certificates(&server);
    bindings(&server);
}

fn passwords(server: &Server) {
    for user in ["rivet_scram", "rivet_md5", "rivet_clear"] {
        for mode in ["disable", "require"] {
            let probe = server.login("127.0.0.1", user, PASSWORD, &json!({ "mode": mode })).unwrap();
            assert_eq!(probe.user.as_deref(), Some(user));
            assert_eq!(probe.encrypted, Some(mode == "require"));
        }
        let wrong = server.login("127.0.0.1", user, "S3CR3T-CANARY wrong", &json!({ "mode": "disable" })).unwrap_err();
        assert_eq!((wrong.category(), wrong.code_text()), (Category::Auth, Some("28P01")), "{wrong}");
        assert!(!wrong.to_string().contains("CANARY"), "{wrong}");
    }
}

fn modes(server: &Server) {
    let preferred = server.login("127.0.0.1", "rivet_tls_only", PASSWORD, &json!({})).unwrap();
    assert_eq!(preferred.encrypted, Some(true));
    assert!(preferred.warnings.iter().any(|w| w.contains("verify-full")), "{:?}", preferred.warnings);
    let refused = server.login("127.0.0.1", "rivet_tls_only", PASSWORD, &json!({ "mode": "disable" })).unwrap_err();
    assert_eq!((refused.category(), refused.code_text()), (Category::Auth, Some("28000")), "{refused}");
}

fn certificates(server: &Server) {
    let login = |host: &str, tls: serde_json::Value| server.login(host, "rivet_tls_only", PASSWORD, &tls);
    let full = login("localhost", json!({ "mode": "verify-full", "ca_file": server.ca })).unwrap();
    assert!(full.encrypted == Some(true) && full.warnings.is_empty(), "{:?}", full.warnings);
    login("127.0.0.1", json!({ "mode": "verify-ca", "ca_file": server.ca })).unwrap();
    let other_name = login("127.0.0.1", json!({ "mode": "verify-full", "ca_file": server.ca })).unwrap_err();
    assert_eq!(other_name.category(), Category::Auth, "{other_name}");
    for mode in ["verify-ca", "verify-full"] {
        let unknown = login("localhost", json!({ "mode": mode })).unwrap_err();
        assert_eq!(unknown.category(), Category::Auth, "{unknown}");
        assert!(unknown.hint_text().is_some_and(|h| h.contains("ca_file")), "{unknown}");
    }
    let missing = login("localhost", json!({ "mode": "verify-full", "ca_file": "/no/such/file" })).unwrap_err();
    assert_eq!(missing.category(), Category::Config, "{missing}");
}

fn bindings(server: &Server) {
    // The server compares what the log-in is bound to with its own certificate.
    for wish in ["disable", "prefer", "require"] {
        server.by_url("rivet_scram", &format!("sslmode=require&channel_binding={wish}")).unwrap();
    }
    for (user, parameters) in [
        ("rivet_scram", "sslmode=disable&channel_binding=require"),
        ("rivet_md5", "sslmode=require&channel_binding=require"),
        ("rivet_clear", "sslmode=require&channel_binding=require"),
    ] {
        let error = server.by_url(user, parameters).unwrap_err();
        assert_eq!(error.category(), Category::Auth, "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("verify-full")), "{user}: {error}");
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
    for wanted in ["any", "read-write", "primary", "prefer-standby"] {
        server.by_url("rivet_scram", &format!("target_session_attrs={wanted}")).unwrap();
    }
    for wanted in ["read-only", "standby"] {
        let error = server.by_url("rivet_scram", &format!("target_session_attrs={wanted}")).unwrap_err();
        assert_eq!(error.category(), Category::Network, "{error}");
        assert!(error.message().contains(wanted), "{error}");
    }
    server.by_url("rivet_scram", "host=elsewhere.invalid&hostaddr=127.0.0.1").unwrap();
}
