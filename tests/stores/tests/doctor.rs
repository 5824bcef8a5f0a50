//! `rivet doctor` and object stores: one line for each destination, with the right category, whatever is wrong there.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::env;
use std::fs;

use rivet_e2e::{Outcome, Sandbox, built, skip};
use rivet_stores::{Gcs, Identity};
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

/// What the environment says of the S3 store.
fn s3<const N: usize>(names: [&str; N]) -> Option<[String; N]> {
    let names = names.map(|name| format!("RIVET_TEST_S3_{name}"));
    variables(names.each_ref().map(String::as_str))
}

#[test]
fn each_fault_of_an_s3_store_has_its_line() {
    let Some([endpoint, tls, ca, bucket, key, secret, reader_key, reader_secret]) =
        s3(["ENDPOINT", "TLS_ENDPOINT", "TLS_CA", "BUCKET", "ACCESS_KEY", "SECRET_KEY", "READER_KEY", "READER_SECRET"])
    else {
        return;
    };
    let mut sandbox = Sandbox::new();
    // A key is shown nowhere, and that of the tests is called as their bucket.
    let shown = bucket.replace(&key, "***");
    sandbox.env("KEY", key);
    sandbox.env("SECRET", secret);
    sandbox.env("WRONG", "S3CR3T-CANARY-wrong");
    sandbox.env("READER_KEY", reader_key);
    sandbox.env("READER_SECRET", reader_secret);
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
        (
            to(&bucket, &endpoint, "READER_KEY", "READER_SECRET", ""),
            "auth error",
            "hint: give these credentials the rights",
        ),
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
    outcome.expect(1, &[&ok("h")]);
}

/// Runs `rivet` with a clock that is off. Time that passes is left alone, on which timers depend.
fn at_another_time(sandbox: &Sandbox, offset: &str, args: &[&str]) -> Option<Outcome> {
    let mut command = sandbox.command("faketime");
    command.args(["--exclude-monotonic", "-f", offset]).arg(built().join("rivet")).args(args);
    match command.output() {
        Ok(_) => Some(Outcome::of(&mut command)),
        Err(e) => {
            skip(&format!("faketime does not start: {e}"));
            None
        }
    }
}

#[test]
fn a_clock_that_is_off_is_said_to_be() {
    let Some([endpoint, bucket, key, secret]) = s3(["ENDPOINT", "BUCKET", "ACCESS_KEY", "SECRET_KEY"]) else { return };
    let gcs = Gcs::closed();
    let mut sandbox = Sandbox::new();
    sandbox.env("KEY", key);
    sandbox.env("SECRET", secret);
    gcs.credentials(Identity::ServiceAccount, sandbox.path(), "account.json");
    let destinations = [
        format!("type: s3, bucket: {bucket}, endpoint: \"{endpoint}\", access_key_env: KEY, secret_key_env: SECRET"),
        format!("type: gcs, bucket: rivet, endpoint: \"{}\", credentials_file: account.json", gcs.url),
    ];
    // The clocks are right so far.
    doctor(&sandbox, &destinations).expect(0, &["All checks passed."]);
    for (offset, words) in [("+2h", "2 h 0 min ahead of"), ("-3h", "h 59 min behind")] {
        let Some(checked) = at_another_time(&sandbox, offset, &["doctor", "--config", "rivet.yaml"]) else { return };
        assert_eq!(checked.stdout.matches("[FAIL]").count(), 2, "{checked}");
        assert_eq!(checked.stdout.matches("-- auth error: ").count(), 2, "{checked}");
        let (s3, gcs) = (format!("{words} the store's"), format!("{words} the server's"));
        checked.expect(1, &["(RequestTimeTooSkewed)", "hint: set the clock of this machine", &s3, &gcs]);
        for export in ["a", "b"] {
            let run = ["run", "--config", "rivet.yaml", "--export", export];
            let failed = at_another_time(&sandbox, offset, &run).unwrap();
            failed.expect(1, &["status:      failed", "clock of this machine", "rivet explain-error auth"]);
            // Waiting does not help.
            assert!(!failed.stderr.contains("retry 1/"), "{failed}");
        }
    }
    assert!(gcs.names().is_empty(), "{:?}", gcs.names());
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
fn each_right_that_an_account_of_google_lacks_has_its_line() {
    let rights = ["storage.objects.create", "storage.objects.get", "storage.objects.delete"];
    let stores = rights.map(|right| {
        let gcs = Gcs::closed();
        gcs.deny(right);
        gcs
    });
    let sandbox = Sandbox::new();
    let mut destinations = Vec::new();
    for (gcs, right) in stores.iter().zip(rights) {
        gcs.credentials(Identity::ServiceAccount, sandbox.path(), right);
        let url = &gcs.url;
        destinations.push(format!("type: gcs, bucket: rivet, endpoint: \"{url}\", credentials_file: {right}"));
    }
    // The bucket of an account that has all rights, and an account whose key is not the one that Google knows.
    let whole = Gcs::closed();
    let file = whole.credentials(Identity::User, sandbox.path(), "user.json");
    destinations.push(format!("type: gcs, bucket: nowhere, endpoint: \"{}\", credentials_file: user.json", whole.url));
    let wrong = fs::read_to_string(file).unwrap().replace("CANARY-refresh", "CANARY-wrong");
    sandbox.write("wrong.json", &wrong);
    destinations.push(format!("type: gcs, bucket: rivet, endpoint: \"{}\", credentials_file: wrong.json", whole.url));
    let outcome = doctor(&sandbox, &destinations);
    assert_eq!(outcome.stdout.matches("[FAIL]").count(), 5, "{outcome}");
    for (export, right) in ["a", "b", "c"].into_iter().zip(rights) {
        let line = format!("[FAIL] Destination GCS(rivet) of export \"{export}\" -- auth error: ");
        let words = format!("does not have {right} access");
        outcome.expect(1, &[&line, &words, &format!("hint: grant {right} to these credentials")]);
    }
    outcome.expect(
        1,
        &[
            "[FAIL] Destination GCS(nowhere) -- bucket not found: ",
            "hint: create the bucket, or correct `bucket`",
            "[FAIL] Destination GCS(rivet) of export \"e\" -- auth error: ",
            "loading credentials: the token server answered invalid_grant\n",
        ],
    );
    // Only what may not be removed is left, of lines and of the document.
    assert_eq!(stores.each_ref().map(|gcs| gcs.names().len()), [0, 0, 2]);
}

#[test]
fn a_store_of_googles_make_that_is_not_trusted_has_its_line() {
    let Some([tls]) = s3(["TLS_ENDPOINT"]) else { return };
    // Whoever answers there, its certificate comes first.
    doctor(&Sandbox::new(), &[to_gcs("rivet", &tls)]).expect(
        1,
        &[
            "[FAIL] Destination GCS(rivet) -- auth error: ",
            "could not negotiate TLS with server",
            "hint: give the authority's certificate as `ca_file`",
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
