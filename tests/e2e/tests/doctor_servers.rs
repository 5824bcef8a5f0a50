//! `rivet doctor` against servers: who they are, which logins and rights are missing, and what is not as it should be.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;

use rivet_e2e::{Database, Kind, Outcome, Sandbox, built, on_both, skip, workspace};

on_both!(
    a_server_that_works_says_who_it_is,
    a_wrong_password_is_an_auth_error,
    a_host_that_is_not_there_is_a_connectivity_error,
    a_database_that_is_not_there_is_not_found,
    a_right_that_is_missing_on_one_table_is_told_of_its_export,
);

const DOCTOR: [&str; 3] = ["doctor", "--config", "rivet.yaml"];

fn export(name: &str, query: &str) -> String {
    format!("  - {{ name: {name}, query: \"{query}\", format: csv, destination: {{ type: local, path: out }} }}\n")
}

/// Two exports of a database: one that everybody may read, and one of its table `t`.
fn config(database: &Database) -> String {
    format!(
        "source: {{ type: {}, url_env: DATABASE_URL, tuning: {{ profile: fast }} }}\nexports:\n{}{}",
        database.kind().name(),
        export("one", "select 1 as n"),
        export("table", &format!("select * from {}.t", database.name())),
    )
}

/// Runs doctor against `url`, and asserts that no password is in anything.
fn doctor(database: &Database, url: &str) -> Outcome {
    let sandbox = database.sandbox(url);
    sandbox.write("rivet.yaml", &config(database));
    let outcome = sandbox.rivet(&DOCTOR);
    let document = sandbox.rivet(&["doctor", "--config", "rivet.yaml", "--json"]);
    assert_eq!(document.code, outcome.code, "{document}");
    for text in [&outcome, &document] {
        assert!(!text.to_string().contains("S3CR3T"), "{text}");
    }
    assert!(!sandbox.path().join(".rivet_state.db").exists());
    outcome.expect(outcome.code.unwrap(), &["[OK]  Config parsed successfully", "[OK]  Destination Local(out)"]);
    outcome
}

fn a_server_that_works_says_who_it_is(kind: Kind) {
    kind.each("doctor", |database| {
        database.fill("t", 1);
        let outcome = doctor(database, database.url());
        let source = database.either("[OK]  Source auth (Postgres)\n", "[OK]  Source auth (Mysql)\n");
        let server = database.either("server: PostgreSQL ", "server: M");
        let (user, may) =
            (database.either("user \"rivet\"", "user \"rivet@"), database.either("may write", "may do everything"));
        outcome.expect(0, &[source, server, user, may, "on this machine", "queries: 2 of 2 can be read"]);
        // Nobody else's server: a statement without a limit is the user's own business.
        assert!(!outcome.stdout.contains("no limit for statements"), "{outcome}");
    });
}

fn a_wrong_password_is_an_auth_error(kind: Kind) {
    kind.each("doctor_password", |database| {
        let outcome = doctor(database, &database.url().replace("S3CR3T", "wrong-S3CR3T"));
        outcome.expect(
            1,
            &["[FAIL] Source auth error: ", database.either("28P01", "1045"), "hint: check user and password"],
        );
        assert!(!outcome.stdout.contains("Query"), "{outcome}");
    });
}

fn a_host_that_is_not_there_is_a_connectivity_error(kind: Kind) {
    kind.each("doctor_host", |database| {
        let (login, _) = database.url().rsplit_once('@').unwrap();
        let refused = doctor(database, &format!("{login}@127.0.0.1:1/rivet"));
        refused.expect(1, &["[FAIL] Source connectivity error: ", "connection refused", "hint: check host and port"]);
        let unknown = doctor(database, &format!("{login}@no-such-host.invalid/rivet"));
        unknown.expect(1, &["[FAIL] Source connectivity error: ", "no-such-host.invalid", "hint: check the host name"]);
    });
}

fn a_database_that_is_not_there_is_not_found(kind: Kind) {
    kind.each("doctor_database", |database| {
        let (server, _) = database.url().rsplit_once('/').unwrap();
        let outcome = doctor(database, &format!("{server}/nowhere_at_all"));
        outcome.expect(1, &["[FAIL] Source not found: ", "nowhere_at_all", "hint: check the database name"]);
    });
}

fn a_right_that_is_missing_on_one_table_is_told_of_its_export(kind: Kind) {
    kind.each("doctor_right", |database| {
        database.fill("t", 1);
        let name = database.name();
        let denied = "[FAIL] Query of export \"table\" -- auth error: ";
        if kind == Kind::Postgres {
            database.sql(&format!("revoke all on {name}.t from current_user"));
            let outcome = doctor(database, database.url());
            outcome.expect(1, &[denied, "permission denied for", "42501", "hint: grant SELECT", "queries: 1 of 2"]);
            return;
        }
        let user = format!("e2e_d{}", std::process::id());
        database.sql(&format!(
            "create user {user}@'127.0.0.1' identified by 'S3CR3T-CANARY'; grant select on rivet.* to {user}@'127.0.0.1'"
        ));
        let (_, server) = database.url().rsplit_once('@').unwrap();
        let reader = format!("mysql://{user}:S3CR3T-CANARY@{server}");
        let outcome = doctor(database, &reader);
        outcome.expect(1, &[denied, "1142", "hint: grant SELECT", "queries: 1 of 2"]);
        assert!(!outcome.stdout.contains(" may "), "a reader is not warned of: {outcome}");
        database.sql(&format!("grant select on {name}.* to {user}@'127.0.0.1'"));
        doctor(database, &reader).expect(0, &["queries: 2 of 2"]);
        database.sql(&format!("drop user {user}@'127.0.0.1'"));
    });
}

#[test]
fn a_superuser_is_warned_of() {
    let Ok(url) = std::env::var("RIVET_TEST_POSTGRES_TLS_URL") else {
        return skip("RIVET_TEST_POSTGRES_TLS_URL names no server: use scripts/test");
    };
    let mut sandbox = Sandbox::new();
    sandbox.env("DATABASE_URL", format!("{url}?sslmode=require"));
    sandbox.write("rivet.yaml", "source: { type: postgres, url_env: DATABASE_URL }\nexports: []\n");
    sandbox.rivet(&DOCTOR).expect(
        0,
        &[
            "user \"postgres\"",
            ", encrypted, no replica\n",
            "[WARN] the role is a superuser",
            "[WARN] the server's identity is not verified: set the TLS mode to \"verify-full\"",
        ],
    );
}

#[test]
fn a_server_elsewhere_wants_encryption_and_limits() {
    let variables = ["RIVET_TEST_POSTGRES_SOCKET", "RIVET_TEST_POSTGRES_URL", "RIVET_TEST_PYTHON"];
    let [Ok(sockets), Ok(url), Ok(python)] = variables.map(std::env::var) else {
        return skip(&format!("{variables:?} are not all set: use scripts/test"));
    };
    if !Command::new("unshare").args(["-n", "ip", "link"]).output().is_ok_and(|o| o.status.success()) {
        return skip("a network of its own needs root and the command ip");
    }
    let (login, server) = url.rsplit_once('@').unwrap();
    let port = server.split_once(':').unwrap().1.split_once('/').unwrap().0;
    // An address that documentation uses, and nobody has.
    let mut sandbox = Sandbox::new();
    sandbox.env("DATABASE_URL", format!("{login}@192.0.2.1:5432/rivet"));
    let exports = [export("a", "select 1 as n"), export("b", "select 2 as n")];
    let config = |profile: &str| {
        format!(
            "source: {{ type: postgres, url_env: DATABASE_URL, tuning: {{ profile: {profile} }} }}\nexports:\n{}",
            exports.concat()
        )
    };
    let doctor = || {
        let relay = workspace().join("tests/e2e/servers/relay.py");
        let mut command = sandbox.command("unshare");
        command.arg("-n").arg(&python).arg(relay).arg(format!("{sockets}/.s.PGSQL.{port}")).args(["192.0.2.1", "5432"]);
        Outcome::of(command.arg(built().join("rivet")).args(DOCTOR))
    };
    sandbox.write("rivet.yaml", &config("fast"));
    doctor().expect(
        0,
        &[
            ", remote, not encrypted, no replica\n",
            "[WARN] the connection is not encrypted: set the TLS mode to \"verify-full\"",
            "[WARN] exports \"a\", \"b\" have no limit for statements on a server that others use",
        ],
    );
    sandbox.write("rivet.yaml", &config("safe"));
    assert!(!doctor().stdout.contains("no limit for statements"));
}
