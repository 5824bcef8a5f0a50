//! Client certificates, against the server in `RIVET_TEST_POSTGRES_TLS_URL`. The key of its authority lies beside the
//! authority's certificate, `RIVET_TEST_POSTGRES_TLS_CA`.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::path::Path;
use std::process::Command;

use rivet_plugin_api::{Category, Context, ReadRequest, Source};
use rivet_plugin_postgres::Postgres;

use arrow_array::cast::AsArray;

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

fn psql(url: &str, sql: &str) {
    let out = Command::new("psql").args([url, "-qX", "-v", "ON_ERROR_STOP=1", "-c", sql]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Whom the server believes the client to be.
fn seen(url: &str) -> Result<String, rivet_plugin_api::Error> {
    let options = serde_json::from_value(serde_json::json!({ "url": url })).unwrap();
    let mut source = Postgres::open(options, &Context::default())?;
    let query = "SELECT coalesce(client_dn, 'nobody') FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let mut reader =
        source.read(&ReadRequest { query: query.into(), ..ReadRequest::default() }, &Context::default())?;
    let batch = reader.next()?.unwrap();
    Ok(batch.column(0).as_string::<i32>().value(0).to_owned())
}

#[test]
fn a_client_certificate_is_shown_when_it_is_given() {
    let (Ok(url), Ok(ca)) = (std::env::var("RIVET_TEST_POSTGRES_TLS_URL"), std::env::var("RIVET_TEST_POSTGRES_TLS_CA"))
    else {
        assert!(std::env::var_os("CI").is_none(), "RIVET_TEST_POSTGRES_TLS_URL or _CA is not set, and CI demands it");
        eprintln!("skipped: RIVET_TEST_POSTGRES_TLS_URL or RIVET_TEST_POSTGRES_TLS_CA is not set");
        return;
    };
    // The server asks for certificates once it has an authority to check them against.
    psql(&url, &format!("ALTER SYSTEM SET ssl_ca_file = '{ca}'"));
    psql(&url, "SELECT pg_reload_conf(), pg_sleep(0.5)");
    let directory = tempfile::tempdir().unwrap();
    make_certificate(directory.path(), Path::new(&ca), "rivet-client");
    let [cert, key] = ["client.crt", "client.key"].map(|file| directory.path().join(file).display().to_string());
    let base = format!("{}?sslmode=verify-ca&sslrootcert={ca}", url.replace("postgres://", "postgresql://"));
    assert_eq!(seen(&base).unwrap(), "nobody");
    assert_eq!(seen(&format!("{base}&sslcert={cert}&sslkey={key}")).unwrap(), "/CN=rivet-client");
    // A key that belongs to another certificate, files that are mixed up, and one that is missing.
    for (cert, key) in [(&ca, &key), (&key, &cert), (&cert, &"/no/such.key".to_owned())] {
        let error = seen(&format!("{base}&sslcert={cert}&sslkey={key}")).unwrap_err();
        assert_eq!(error.category(), Category::Config, "{error}");
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
}
