//! docs/examples/adbc, the model of a third party's connector: built by itself, with another arrow than Rivet's, and read
//! through the drivers of three databases.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rivet_e2e::{CANARY, Outcome, Postgres, Sandbox, built, read_with, skip, workspace};

/// The library, built once as an author does, in the directory where the other tests build what third parties would.
fn library() -> PathBuf {
    cargo("build").join(LIBRARY)
}

/// Runs `cargo build` or `cargo test`; where it puts what it makes.
fn cargo(verb: &str) -> PathBuf {
    let target = built().parent().unwrap().join("third-party");
    let mut command = Command::new(env!("CARGO"));
    command.args([verb, "--release", "--locked", "--quiet"]).current_dir(workspace().join("docs/examples/adbc"));
    // Optimising is what takes the time, and shows nothing here.
    command.envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")]);
    Outcome::of(command.env("CARGO_TARGET_DIR", &target).env_remove("RUSTFLAGS")).expect(0, &[]);
    target.join("release")
}

const LIBRARY: &str = "librivet_plugin_adbc.so";

/// A sandbox in which `type: adbc` works.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    fs::copy(library(), sandbox.path().join(LIBRARY)).unwrap();
    let folder = sandbox.path().to_str().unwrap().to_owned();
    sandbox.env("RIVET_PLUGIN_PATH", folder);
    sandbox
}

#[test]
fn adbc_passes_its_own_tests() {
    cargo("test");
}

fn driver(package: &str) -> Option<String> {
    read_with("adbc_driver.py", &[package]).map(|path| path.trim().to_owned())
}

fn duckdb_library() -> Option<String> {
    let library = std::env::var("RIVET_TEST_LIBDUCKDB").ok();
    if library.is_none() {
        skip("RIVET_TEST_LIBDUCKDB names no libduckdb.so: use scripts/test");
    }
    library
}

fn parquet_files(sandbox: &Sandbox) -> Vec<String> {
    let names = sandbox.out().into_iter().filter(|name| name.ends_with(".parquet"));
    names.map(|name| sandbox.path().join("out").join(name).to_str().unwrap().to_owned()).collect()
}

/// The Parquet files hold what a statement of DuckDB makes.
fn same_as(sandbox: &Sandbox, sql: &str) {
    let files = parquet_files(sandbox);
    let mut args = vec![sql];
    args.extend(files.iter().map(String::as_str));
    assert!(read_with("same_as_sql.py", &args).is_some());
}

fn export(source: &str, query: &str, mode: &str) -> String {
    format!(
        "source:\n  type: adbc\n{source}\nexports:\n  - name: t\n    query: \"{query}\"\n    format: parquet\n{mode}\
         \x20   destination: {{ type: local, path: out }}\n"
    )
}

const INCREMENTAL: &str = "    mode: incremental\n    cursor_column: id\n";
const CHUNKED: &str = "    mode: chunked\n    chunk_column: id\n    chunk_size: 400\n    parallel: 2\n";

#[test]
fn adbc_reads_sqlite() {
    let Some(driver) = driver("adbc_driver_sqlite") else { return };
    let sandbox = sandbox();
    let database = rusqlite::Connection::open(sandbox.path().join("shop.db")).unwrap();
    let insert = |from: u32, to: u32| {
        database
            .execute(
                "insert into t with recursive n(i) as (select ?1 union all select i + 1 from n where i < ?2)
                 select i, 'note ' || i, i / 8.0, case when i % 3 then null else x'00ff' end from n",
                [from, to],
            )
            .unwrap();
    };
    database.execute_batch("create table t (id integer primary key, note text, price real, raw blob)").unwrap();
    insert(3, 3000);
    let source = format!("  driver: {driver}\n  uri: shop.db\n");
    let config = export(&source, "select * from t;  -- all of it", INCREMENTAL);
    sandbox.rivet(&["plugin", "list"]).expect(0, &["adbc", "1.0.0", "source", "librivet_plugin_adbc.so"]);
    sandbox.run(&config).expect(0, &["rows:        2998"]);
    sandbox.run(&config).expect(0, &["rows:        0"]);
    insert(3001, 3010);
    sandbox.run(&config).expect(0, &["rows:        10"]);
    same_as(
        &sandbox,
        "select i as id, 'note ' || i as note, i / 8.0::double as price,
         case when i % 3 = 0 then '\\x00\\xFF'::blob end as raw from range(3, 3011) r(i)",
    );
    sandbox.rivet(&["doctor", "--config", "rivet.yaml"]).expect(0, &["SQLite", "All checks passed"]);
    sandbox.rivet(&["check", "--config", "rivet.yaml"]).expect(0, &["price", "Float64"]);
}

#[test]
fn adbc_reads_postgresql() {
    let Some(driver) = driver("adbc_driver_postgresql") else { return };
    let Some(postgres) = Postgres::schema("adbc") else { return };
    postgres.sql(
        "create table t as select i::bigint as id, 'note ' || i as note, i / 8.0::float8 as price, i % 2 = 0 as even,
         date '2024-02-28' + i as day, timestamp '2024-01-01' + i * interval '1 hour' as at,
         timestamptz '2024-01-01 00:00+00' + i * interval '1 second' as instant,
         case when i % 3 = 0 then '\\x00ff'::bytea end as raw from generate_series(1, 1000) i",
    );
    let mut sandbox = sandbox();
    sandbox.env("DATABASE_URL", &postgres.url);
    let source = format!("  driver: {driver}\n  uri_env: DATABASE_URL\n");
    let expected = "select i as id, 'note ' || i as note, i / 8.0::double as price, i % 2 = 0 as even,
         date '2024-02-28' + i::int as day, timestamp '2024-01-01' + to_hours(i) as at,
         timestamptz '2024-01-01 00:00+00' + to_seconds(i) as instant,
         case when i % 3 = 0 then '\\x00\\xFF'::blob end as raw from range(1, 1001) r(i)";
    sandbox.run(&export(&source, "select * from adbc.t", CHUNKED)).expect(0, &["rows:        1000"]);
    assert_eq!(parquet_files(&sandbox).len(), 3, "{:?}", sandbox.out());
    same_as(&sandbox, expected);

    let by_instant =
        export(&source, "select * from adbc.t", INCREMENTAL).replace("cursor_column: id", "cursor_column: instant");
    let second = sandbox.copy();
    for file in parquet_files(&second) {
        fs::remove_file(file).unwrap();
    }
    second.run(&by_instant).expect(0, &["rows:        1000"]);
    second.run(&by_instant).expect(0, &["rows:        0"]);
    postgres.sql("insert into t (id, instant) values (5000, '2030-01-01')");
    second.run(&by_instant).expect(0, &["rows:        1"]);

    let wrong = second.try_run(&export(&source, "select nothing from adbc.t", ""));
    wrong.expect(1, &["column \"nothing\" does not exist", "42703"]);
    second.try_run(&export(&source, "delete from adbc.t returning id", "")).expect(1, &["42601"]);
    second.try_run(&export(&source, "select 1 as n; select 2 as n", "")).expect(1, &["more than one statement"]);
    assert_eq!(postgres.sql("select count(*) from t").trim(), "1001");

    let password = format!("{CANARY}-wrong");
    let (head, tail) = postgres.url.split_once('@').unwrap();
    let wrong = format!("{}:{password}@{tail}", head.rsplit_once(':').unwrap().0);
    sandbox.env("DATABASE_URL", wrong);
    let outcome = sandbox.try_run(&export(&source, "select 1 as n", ""));
    outcome.expect(1, &["password authentication failed"]);
    assert!(!outcome.to_string().contains(CANARY), "{outcome}");
}

/// A statement that computes is cancelled on the server.
#[test]
fn adbc_stops_a_statement() {
    let Some(driver) = driver("adbc_driver_postgresql") else { return };
    let Some(postgres) = Postgres::schema("adbc_stop") else { return };
    let mut sandbox = sandbox();
    sandbox.env("DATABASE_URL", &postgres.url);
    let source = format!("  driver: {driver}\n  uri_env: DATABASE_URL\n");
    let running = sandbox.start(&export(&source, "select 'adbc_sleeps' as mark from pg_sleep(600)", ""));
    let count = "select count(*) from pg_stat_activity where query like '%adbc_sleeps%' and state = 'active'
        and pid <> pg_backend_pid()";
    let wait_for = |expected: &str| {
        let start = Instant::now();
        while postgres.sql(count).trim() != expected {
            assert!(start.elapsed() < Duration::from_secs(20), "there are not {expected} of the statement");
            thread::sleep(Duration::from_millis(50));
        }
    };
    wait_for("1");
    assert_eq!(running.terminate("INT"), Some(130), "{}", sandbox.log());
    wait_for("0");
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
}

#[test]
fn adbc_reads_duckdb() {
    let Some(driver) = duckdb_library() else { return };
    let sandbox = sandbox();
    let rows = "select i as id, 'note ' || i as note, (i / 8.0)::decimal(18, 3) as price, i % 2 = 0 as even,
         date '2024-02-28' + i::int as day, timestamp '2024-01-01' + to_seconds(i) as at, [i, null] as list,
         i::utinyint as tiny, i::ubigint as big from range(200) r(i)";
    let file = sandbox.path().join("shop.duckdb");
    let make = format!("create table t as {rows}; create table odd as select interval 1 month as step");
    if read_with("make_duckdb.py", &[file.to_str().unwrap(), &make]).is_none() {
        return;
    }
    let source = format!(
        "  driver: {driver}\n  entrypoint: duckdb_adbc_init\n  options: {{ path: shop.duckdb, access_mode: READ_ONLY }}\n"
    );
    sandbox.run(&export(&source, "select * from t", &CHUNKED.replace("400", "50"))).expect(0, &["rows:        200"]);
    assert_eq!(parquet_files(&sandbox).len(), 4, "{:?}", sandbox.out());
    same_as(&sandbox, rows);
    let by_time =
        INCREMENTAL.replace("cursor_column: id", "cursor_column: at").replace("    mode", "    types: {}\n    mode");
    let config = export(&source, "select * from t", &by_time);
    sandbox.run(&config).expect(0, &["rows:        200"]);
    sandbox.run(&config).expect(0, &["rows:        0"]);
    let refused = sandbox.try_run(&export(&source, "select * from odd", ""));
    refused.expect(1, &["column \"step\" is of type Interval", "cast it in the query"]);
    let refused = sandbox.try_run(&export(&source, "select * from t", "    columns: { price: text }\n"));
    refused.expect(1, &["`types` and `columns` have no say"]);
}

#[test]
fn adbc_says_what_is_wrong_about_a_driver() {
    let Some(driver) = driver("adbc_driver_sqlite") else { return };
    let sandbox = sandbox();
    let source = |keys: &str| export(keys, "select 1 as n", "");
    let missing = sandbox.try_run(&source("  driver: ./nowhere/libdriver.so\n"));
    missing.expect(1, &["driver \"./nowhere/libdriver.so\"", "cannot open shared object file", "hint:"]);
    sandbox.try_run(&source("  driver: nosuchdriver\n")).expect(1, &["driver \"nosuchdriver\""]);
    if let Some(duckdb) = duckdb_library() {
        let wrong = source(&format!("  driver: {duckdb}\n  entrypoint: no_such_function\n"));
        sandbox.try_run(&wrong).expect(1, &["undefined symbol", "entrypoint"]);
    }
    let secret = format!("  driver: {driver}\n  uri: shop.db\n  secret_options: {{ no.such.option: {CANARY}-x }}\n");
    let outcome = sandbox.try_run(&source(&secret));
    outcome.expect(1, &["no.such.option"]);
    assert!(!outcome.to_string().contains(CANARY), "{outcome}");
    sandbox.try_run(&source(&format!("  driver: {driver}\n  urll: x\n"))).expect(2, &["urll", "uri"]);
}

fn sample_shop(sandbox: &Sandbox) {
    Outcome::of(sandbox.command(built().join("examples/sample_shop")).arg("shop.db")).expect(0, &[]);
}

#[test]
fn adbc_passes_the_conformance_suite() {
    let Some(driver) = driver("adbc_driver_sqlite") else { return };
    let sandbox = sandbox();
    sample_shop(&sandbox);
    fs::copy(driver, sandbox.path().join("libadbc_driver_sqlite.so")).unwrap();
    fs::copy(workspace().join("docs/examples/adbc/verify.yaml"), sandbox.path().join("verify.yaml")).unwrap();
    let verdict = sandbox.rivet(&["plugin", "verify", LIBRARY]);
    verdict.expect(0, &["windows_cover_all_rows_once", "bounds_are_those_of_the_rows", "count_is_exact", "0 failed"]);
    assert!(!verdict.stdout.contains("it was not said"), "{verdict}");
}

/// The guide, line by line, as a reader follows it; the one command that is not run here is cargo's, see [`library`].
#[test]
fn adbc_does_what_its_guide_shows() {
    let Some(driver) = driver("adbc_driver_sqlite") else { return };
    let sandbox = Sandbox::new();
    sample_shop(&sandbox);
    fs::create_dir_all(sandbox.path().join("target/release")).unwrap();
    fs::copy(library(), sandbox.path().join("target/release").join(LIBRARY)).unwrap();
    // Pip finds what is installed already, so that it needs no network.
    let python = driver.split("/lib/python").next().unwrap();
    let path = format!("{}:{python}/bin:{}", built().display(), std::env::var("PATH").unwrap());
    let page = fs::read_to_string(workspace().join("docs/src/guides/adbc.md")).unwrap();
    let (mut printed, mut commands) = (String::new(), 0);
    for block in page.split("```").skip(1).step_by(2) {
        let (language, body) = block.split_once('\n').unwrap();
        match language {
            "yaml rivet.yaml" => drop(sandbox.write("rivet.yaml", body)),
            "sh" => {
                printed.clear();
                for line in body.lines().filter(|line| *line != "cargo build --release") {
                    let mut shell = sandbox.command("sh");
                    shell.args(["-c", line]).env("PATH", &path).env_remove("XDG_DATA_HOME");
                    let outcome = Outcome::of(&mut shell);
                    assert_eq!(outcome.code, Some(0), "{line}\n{outcome}");
                    printed.extend([outcome.stdout, outcome.stderr]);
                    commands += 1;
                }
            }
            "text" => {
                for line in body.lines() {
                    assert!(printed.contains(line), "\"{line}\" is not printed, but\n{printed}");
                }
            }
            _ => {}
        }
    }
    assert!(commands > 7, "{commands} commands");
    assert!(!parquet_files(&sandbox).is_empty());
}
