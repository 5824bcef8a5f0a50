//! Client certificates, against the server in `RIVET_TEST_MYSQL_TLS_URL`. The key of its authority lies beside the
//! authority's certificate, `RIVET_TEST_MYSQL_TLS_CA`.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::path::Path;
use std::process::Command;

use rivet_plugin_api::{Category, Context, Source};
use rivet_plugin_mysql::Mysql;

use client::client;

#[path = "common/client.rs"]
mod client;

fn openssl(directory: &Path, command: &str) {
    let out = Command::new("openssl").args(command.split(' ')).current_dir(directory).output().unwrap();
    assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
}

/// `client.crt` and `client.key` of one called `name`, signed by the authority `ca`.
fn make_certificate(directory: &Path, ca: &Path, name: &str) {
    openssl(
        directory,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout client.key -out \
             client.csr"
        ),
    );
    let (ca, key) = (ca.display(), ca.with_extension("key").display().to_string());
    // A serial number of its own keeps the authority's files as they are, and an extension makes it version 3.
    std::fs::write(directory.join("ext"), "basicConstraints=CA:FALSE\n").unwrap();
    openssl(
        directory,
        &format!("x509 -req -in client.csr -CA {ca} -CAkey {key} -set_serial 77 -days 2 -extfile ext -out client.crt"),
    );
}

#[test]
fn a_user_who_must_show_a_certificate_may_log_in_with_it() {
    let (Ok(url), Ok(ca)) = (std::env::var("RIVET_TEST_MYSQL_TLS_URL"), std::env::var("RIVET_TEST_MYSQL_TLS_CA"))
    else {
        assert!(std::env::var_os("CI").is_none(), "RIVET_TEST_MYSQL_TLS_URL or _CA is not set, and CI demands it");
        eprintln!("skipped: RIVET_TEST_MYSQL_TLS_URL or RIVET_TEST_MYSQL_TLS_CA is not set");
        return;
    };
    client(
        &url,
        "CREATE OR REPLACE USER rivet_cert@'%' IDENTIFIED BY 'S3CR3T-CANARY-cert' REQUIRE SUBJECT '/CN=rivet-client'",
    );
    let directory = tempfile::tempdir().unwrap();
    let log_in = |name: &str| {
        make_certificate(directory.path(), Path::new(&ca), name);
        let [cert, key] = ["client.crt", "client.key"].map(|file| directory.path().join(file).display().to_string());
        let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()).unwrap();
        let url = format!(
            "mysql://rivet_cert:S3CR3T-CANARY-cert@localhost:{port}/?ssl-mode=verify-full&ssl-ca={ca}&ssl-cert={cert}\
             &ssl-key={key}"
        );
        let options = serde_json::from_value(serde_json::json!({ "url": url })).unwrap();
        Mysql::open(options, &Context::default())?.probe(&Context::default())
    };
    assert_eq!(log_in("rivet-client").unwrap().encrypted, Some(true));
    let error = log_in("somebody-else").unwrap_err();
    assert_eq!((error.category(), error.code_text()), (Category::Auth, Some("1045")), "{error}");
    assert!(!error.to_string().contains("CANARY"), "{error}");
}
