//! `rivet doctor` and object stores: one line for each destination, with the right category, whatever is wrong there.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::env;

use rivet_e2e::{Outcome, Sandbox, skip};
use rivet_stores::Gcs;
use rusqlite::Connection;

/// What the environment says of a store; `None` where it names none.
fn variables<const N: usize>(names: [&str; N]) -> Option<[String; N]> {
    let found = names.map(env::var);
    if found.iter().any(Result::is_err) {
        skip(&format!("{names:?} are not all set: use scripts/test"));
        return None;
    }
    Some(found.map(Result::unwrap))
}

/// Runs doctor for one export to each of `destinations`, and asserts that no key is in anything.
fn doctor(sandbox: &Sandbox, destinations: &[String]) -> Outcome {
    let db = Connection::open(sandbox.path().join("notes.db")).unwrap();
    db.execute_batch("create table if not exists notes (id integer primary key)").unwrap();
    let mut config = "source: { type: sqlite, path: notes.db }\nexports:\n".to_owned();
    for (number, destination) in destinations.iter().enumerate() {
        let name = char::from(b'a' + u8::try_from(number).unwrap());
        let line = format!("name: {name}, query: select * from notes, format: csv, destination: {{ {destination} }}");
        config.extend(["  - { ", &line, " }\n"]);
    }
    sandbox.write("rivet.yaml", &config);
    let outcome = sandbox.rivet(&["doctor", "--config", "rivet.yaml"]);
    let document = sandbox.rivet(&["doctor", "--config", "rivet.yaml", "--json"]);
    assert_eq!(document.code, outcome.code, "{outcome}\n{document}");
    for text in [&outcome, &document] {
        assert!(!text.to_string().contains("S3CR3T"), "{text}");
    }
    assert!(!sandbox.path().join(".rivet_state.db").exists());
    outcome
}

#[test]
fn each_fault_of_an_s3_store_has_its_line() {
    let names = ["ENDPOINT", "TLS_ENDPOINT", "TLS_CA", "BUCKET", "ACCESS_KEY", "SECRET_KEY"];
    let names = names.map(|name| format!("RIVET_TEST_S3_{name}"));
    let Some([endpoint, tls, ca, bucket, key, secret]) = variables(names.each_ref().map(String::as_str)) else {
        return;
    };
    let mut sandbox = Sandbox::new();
    // A key is shown nowhere, and that of the tests is called as their bucket.
    let shown = bucket.replace(&key, "***");
    sandbox.env("KEY", key);
    sandbox.env("SECRET", secret);
    sandbox.env("WRONG", "S3CR3T-CANARY-wrong");
    let to = |bucket: &str, endpoint: &str, key: &str, secret: &str, more: &str| {
        format!(
            "type: s3, bucket: {bucket}, prefix: doctor/, endpoint: \"{endpoint}\", access_key_env: {key}, \
             secret_key_env: {secret}{more}"
        )
    };
    let right = to(&bucket, &endpoint, "KEY", "SECRET", "");
    let good = doctor(&sandbox, &[right.clone(), to(&bucket, &tls, "KEY", "SECRET", &format!(", ca_file: \"{ca}\""))]);
    let ok = |export: &str| format!("[OK]  Destination S3({shown}) of export \"{export}\"\n");
    good.expect(0, &[&ok("a"), &ok("b"), "All checks passed."]);
    doctor(&sandbox, std::slice::from_ref(&right)).expect(0, &[&format!("[OK]  Destination S3({shown})\n")]);
    let failures = [
        (to(&bucket, &endpoint, "WRONG", "SECRET", ""), "auth error", "hint: the store does not know this access key"),
        (to(&bucket, &endpoint, "KEY", "WRONG", ""), "auth error", "hint: the secret key does not belong"),
        (to("no-such-bucket", &endpoint, "KEY", "SECRET", ""), "bucket not found", "hint: create the bucket"),
        (to(&bucket, "http://127.0.0.1:1", "KEY", "SECRET", ""), "connectivity error", "hint: check `endpoint`"),
        (to(&bucket, "http://no-such-host.invalid", "KEY", "SECRET", ""), "connectivity error", "hint: "),
        (to(&bucket, &tls, "KEY", "SECRET", ""), "auth error", "could not negotiate TLS with server"),
    ];
    let mut destinations: Vec<String> = failures.iter().map(|(destination, ..)| destination.clone()).collect();
    destinations.push(right);
    let outcome = doctor(&sandbox, &destinations);
    assert_eq!(outcome.stdout.matches("[FAIL]").count(), failures.len(), "{outcome}");
    for (export, (_, label, text)) in ('a'..).zip(&failures) {
        let name = if *label == "bucket not found" {
            "S3(no-such-bucket)".to_owned()
        } else {
            format!("S3({shown}) of export \"{export}\"")
        };
        outcome.expect(1, &[&format!("[FAIL] Destination {name} -- {label}: "), text]);
    }
    outcome.expect(1, &[&ok("g")]);
}

fn to_gcs(bucket: &str, endpoint: &str) -> String {
    format!("type: gcs, bucket: {bucket}, prefix: doctor/, endpoint: \"{endpoint}\", allow_anonymous: true")
}

#[test]
fn each_fault_of_a_gcs_store_has_its_line() {
    let Some([endpoint, bucket]) = variables(["RIVET_TEST_GCS_ENDPOINT", "RIVET_TEST_GCS_BUCKET"]) else { return };
    let sandbox = Sandbox::new();
    let (right, unreachable) = (to_gcs(&bucket, &endpoint), to_gcs(&bucket, "http://127.0.0.1:1"));
    doctor(&sandbox, std::slice::from_ref(&right)).expect(0, &[&format!("[OK]  Destination GCS({bucket})\n")]);
    doctor(&sandbox, &[to_gcs("no-such-bucket", &endpoint), unreachable, right]).expect(
        1,
        &[
            "[FAIL] Destination GCS(no-such-bucket) -- bucket not found: ",
            &format!("[FAIL] Destination GCS({bucket}) of export \"b\" -- connectivity error: "),
            &format!("[OK]  Destination GCS({bucket}) of export \"c\"\n"),
        ],
    );
}

#[test]
fn nothing_is_left_in_a_store_and_one_that_wants_credentials_is_an_auth_error() {
    let (open, closed) = (Gcs::open(), Gcs::closed());
    let sandbox = Sandbox::new();
    let outcome = doctor(&sandbox, &[to_gcs("rivet", &open.url), to_gcs("rivet", &closed.url)]);
    outcome.expect(
        1,
        &[
            "[OK]  Destination GCS(rivet) of export \"a\"\n",
            "[FAIL] Destination GCS(rivet) of export \"b\" -- auth error: ",
            "       hint: ",
        ],
    );
    assert!(open.names().is_empty() && open.pending().is_empty(), "{:?}", open.names());
}
