//! Cursors of every type, over several runs against real servers: the state file keeps them as text, and each row has to
//! come once all the same.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write;
use std::fs;

use rivet_e2e::{Database, Kind, Sandbox, on_both};
use rusqlite::Connection;

on_both!(
    every_type_goes_on_where_it_stood,
    a_column_that_is_not_selected_is_named_with_those_that_are,
    cursors_of_the_predecessor_go_on,
    a_cursor_goes_on_when_its_server_is_named_otherwise,
    rows_without_a_cursor_come_once,
);

/// A type, the keys of the first run in the server's order, and those of the second.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const POSTGRES: [Case; 23] = [
    ("smallint", &["-32768", "0"], &["1", "32767"]),
    ("int", &["-2147483648", "7"], &["8", "2147483647"]),
    ("bigint", &["-9223372036854775808", "9223372036854775806"], &["9223372036854775807"]),
    ("oid", &["0", "2147483647"], &["2147483648", "4294967295"]),
    ("numeric", &["-1e30", "18446744073709551615.5"], &["18446744073709551615.50000000000000000001", "1e40"]),
    ("numeric(9,2)", &["-0.01", "0.10"], &["0.11"]),
    ("real", &["-Infinity", "0.1"], &["0.3", "16777216"]),
    ("double precision", &["-Infinity", "-0.1", "0.1"], &["0.30000000000000004"]),
    ("text collate \"C\"", &["", "B", "O'Hara", "\\"], &["\\'x", "a'; drop table c0; --", "a\\b", "é", "ü\"$1\\"]),
    // Neither order is that of the bytes.
    ("text collate \"en-x-icu\"", &["a", "ä", "B"], &["c", "Z", "ž"]),
    ("varchar(9)", &["a", "b'"], &["b''", "c\\"]),
    ("char(3)", &["a", "ab"], &["abc"]),
    ("bytea", &["\\x", "\\x00", "\\x27"], &["\\x5c", "\\xff"]),
    ("uuid", &["00000000-0000-0000-0000-000000000000"], &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("date", &["4714-11-24 BC", "1969-12-31"], &["1970-01-01", "10000-01-01"]),
    ("timestamp", &["0044-03-15 BC", "1969-12-31 23:59:59.999998"], &["1969-12-31 23:59:59.999999", "10000-01-01"]),
    // The hour that a zone with summer time has twice.
    (
        "timestamptz",
        &["0044-03-15+00 BC", "2024-10-27 00:30+00"],
        &["2024-10-27 00:30:00.000001+00", "2024-10-27 01:30+00"],
    ),
    ("time", &["00:00", "12:00:00.5"], &["12:00:00.500001", "24:00:00"]),
    ("interval", &["-1 day", "1 day"], &["2 mons"]),
    ("inet", &["9.0.0.1", "10.0.0.1"], &["10.0.0.2"]),
    ("bool", &["f"], &["t"]),
    ("mood", &["so so", "fine"], &["odd's"]),
    ("int[]", &["{}", "{1,2}"], &["{2}"]),
];

const MYSQL: [Case; 20] = [
    ("tinyint", &["-128", "0"], &["1", "127"]),
    ("bigint", &["-9223372036854775808", "9223372036854775806"], &["9223372036854775807"]),
    ("bigint unsigned", &["0", "9223372036854775808"], &["9223372036854775809", "18446744073709551615"]),
    ("decimal(65,30)", &["-1e30", "1.5"], &["1.500000000000000000000000000001", "1e30"]),
    ("float", &["-0.1", "0.1"], &["0.3", "16777216"]),
    ("double", &["-1e300", "0.1"], &["0.30000000000000004", "1.7976931348623157e308"]),
    ("year", &["0", "1970"], &["1971", "2155"]),
    ("bit(64)", &["0", "9223372036854775808"], &["18446744073709551615"]),
    ("varchar(30) collate utf8mb4_bin", &["''", "'B'", "'O''Hara'"], &["'a''; drop table c0; --'", "'a\\\\'", "'é\"'"]),
    // Neither order is that of the bytes.
    ("varchar(9) collate utf8mb4_unicode_ci", &["'a'", "'B'"], &["'c'", "'Z'"]),
    ("varchar(9) character set latin1", &["'a'", "'B'"], &["'c'", "'ÿ'"]),
    ("varbinary(9)", &["x''", "x'00'", "x'27'"], &["x'5c'", "x'ff'"]),
    ("enum('z','y','odd''s')", &["'odd''s'", "'y'"], &["'z'"]),
    ("date", &["'0001-01-01'", "'1969-12-31'"], &["'1970-01-01'", "'9999-12-31'"]),
    ("datetime", &["'1000-01-01'", "'1969-12-31 23:59:59'"], &["'1970-01-01'"]),
    (
        "datetime(6)",
        &["'2024-01-01 00:00:00.000001'"],
        &["'2024-01-01 00:00:00.000002'", "'9999-12-31 23:59:59.999999'"],
    ),
    ("timestamp", &["'1970-01-02'", "'2024-10-27 00:30'"], &["'2024-10-27 00:30:01'", "'2024-10-27 01:30'"]),
    ("timestamp(6)", &["'2024-01-01 00:00:00.000001'"], &["'2024-01-01 00:00:00.000002'"]),
    ("time(6)", &["'-838:59:59'", "'00:00:00'"], &["'00:00:00.000001'", "'100:00:00'"]),
    ("set('b','a')", &["''", "'a'"], &["'b'"]),
];

const SQLITE: [Case; 10] = [
    ("integer", &["-9223372036854775808", "1"], &["2", "9223372036854775807"]),
    ("real", &["-1e300", "0.1"], &["0.30000000000000004", "1e300"]),
    ("numeric", &["-1", "0.1"], &["0.2", "9223372036854775807"]),
    ("text", &["''", "'B'", "'O''Hara'"], &["'a''; drop table c0; --'", "'a\\'", "'é\"'"]),
    ("text collate nocase", &["'a'", "'B'"], &["'c'", "'Z'"]),
    ("blob", &["x''", "x'27'"], &["x'5c'", "x'ff'"]),
    ("date", &["'0000-01-01'", "'1969-12-31'"], &["'1970-01-01'", "'9999-12-31'"]),
    ("timestamp", &["'2024-01-01 01:00:00+01:00'", "'2024-01-01T00:00:00.000001Z'"], &["'2024-01-01 00:00:00.000002'"]),
    ("boolean", &["0"], &["1"]),
    // Without a type the values decide.
    ("", &["1", "2"], &["3"]),
];

/// The exports `c0`, `c1`, … of the tables of these names.
fn exports(count: usize, from: &str) -> String {
    (0..count).fold("exports:\n".to_owned(), |mut all, number| {
        writeln!(
            all,
            "  - name: c{number}
    query: select id, k from {from}c{number}
    mode: incremental
    cursor_column: k
    format: csv
    destination: {{ type: local, path: out }}"
        )
        .unwrap();
        all
    })
}

/// The ids of all rows that an export wrote, sorted.
fn ids(sandbox: &Sandbox, export: usize) -> Vec<usize> {
    let names = sandbox.out().into_iter().filter(|name| name.starts_with(&format!("c{export}_")));
    let read = |name| fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
    let id = |line: &str| line.split(',').next().unwrap().parse().ok();
    let mut ids: Vec<usize> =
        names.map(read).flat_map(|text| text.lines().skip(1).filter_map(id).collect::<Vec<_>>()).collect();
    ids.sort_unstable();
    ids
}

/// Fills the tables in two steps, with two rows a key and two without one, and runs after each until nothing is new.
fn goes_on(sandbox: &Sandbox, config: &str, cases: &[Case], quote: &str, sql: impl Fn(&str)) {
    let literal = |key: &&str| {
        format!("{quote}{}{quote}", if quote.is_empty() { (*key).to_owned() } else { key.replace('\'', "''") })
    };
    let insert = |keys: &dyn Fn(&Case) -> (Vec<String>, usize)| {
        let statements = cases.iter().enumerate().map(|(number, case)| {
            let (keys, first) = keys(case);
            let rows: Vec<_> = keys
                .iter()
                .enumerate()
                .flat_map(|(i, key)| [0, 1].map(|twin| format!("({}, {key})", first + 2 * i + twin)))
                .collect();
            format!("insert into c{number} values {};", rows.join(", "))
        });
        sql(&statements.collect::<String>());
    };
    let check = |rows: &dyn Fn(&Case) -> usize| {
        for (number, case) in cases.iter().enumerate() {
            assert_eq!(ids(sandbox, number), (0..2 * rows(case)).collect::<Vec<_>>(), "{case:?}");
        }
    };
    insert(&|case| (case.1.iter().map(literal).chain(["null".to_owned()]).collect(), 0));
    for _ in 0..2 {
        sandbox.run(config);
        check(&|case| case.1.len() + 1);
    }
    insert(&|case| (case.2.iter().map(literal).collect(), 2 * case.1.len() + 2));
    for _ in 0..2 {
        sandbox.run(config);
        check(&|case| case.1.len() + 1 + case.2.len());
    }
}

fn every_type_goes_on_where_it_stood(kind: Kind) {
    kind.each("cursor_types", |database| {
        let cases: &[Case] = match kind {
            Kind::Postgres => &POSTGRES,
            Kind::Mysql => &MYSQL,
        };
        let tables = cases.iter().enumerate().map(|(number, case)| {
            let column = case.0.replace("mood", &format!("{}.mood", database.name()));
            format!("create table c{number} (id int, k {column} null);")
        });
        let mood = database.either("create type mood as enum ('so so', 'fine', 'odd''s');", "");
        database.sql(&format!("{mood}{}", tables.collect::<String>()));
        let sandbox = database.sandbox(&database.foreign_url());
        let head = database.config("", "throttle_ms: 0").split_once("exports:").unwrap().0.to_owned();
        let config = head + &exports(cases.len(), &format!("{}.", database.name()));
        let session = database.either("", "set time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES';");
        goes_on(&sandbox, &config, cases, database.either("'", ""), |sql| {
            drop(database.sql(&format!("{session}{sql}")));
        });
    });
}

#[test]
fn every_type_of_the_embedded_database_goes_on_where_it_stood() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    for (number, case) in SQLITE.iter().enumerate() {
        db.execute_batch(&format!("create table c{number} (id integer, k {})", case.0)).unwrap();
    }
    let config = "source: { type: sqlite, path: shop.db }\n".to_owned() + &exports(SQLITE.len(), "");
    goes_on(&sandbox, &config, &SQLITE, "", |sql| db.execute_batch(sql).unwrap());
}

#[test]
fn a_column_in_another_case_is_the_cursor_all_the_same() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch("create table c0 (id integer, K integer); insert into c0 values (1, 7), (2, null)").unwrap();
    let config = "source: { type: sqlite, path: shop.db }\n".to_owned() + &exports(1, "");
    sandbox.run(&config).expect(0, &["rows:        2\n", "1 rows of export \"c0\" have no cursor value"]);
    sandbox.run(&config).expect(0, &["rows:        0\n"]);
}

/// Above it nothing would ever come, and the runs would go on to succeed.
fn refuses_a_last_key(sandbox: &Sandbox, config: &str, shown: &str, correct: impl Fn()) {
    let outcome = sandbox.try_run(config);
    outcome.expect(1, &["column \"k\"", shown, "no later row would ever be found", "`cursor_column`"]);
    assert!(sandbox.out().is_empty());
    correct();
    sandbox.run(config).expect(0, &["rows:        1\n"]);
}

#[test]
fn a_key_above_which_nothing_comes_is_refused() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch("create table c0 (id integer, k real); insert into c0 values (1, 0.5), (2, 9e999)").unwrap();
    let config = "source: { type: sqlite, path: shop.db }\n".to_owned() + &exports(1, "");
    refuses_a_last_key(&sandbox, &config, "inf", || db.execute_batch("delete from c0 where id = 2").unwrap());
    // As an earlier version has stored it.
    let state = Connection::open(sandbox.path().join(".rivet_state.db")).unwrap();
    state.execute_batch("update export_state set last_cursor_value = 'inf'").unwrap();
    drop(state);
    sandbox
        .try_run(&config)
        .expect(1, &["the cursor of export \"c0\" is inf", "`rivet state reset --config rivet.yaml --export c0`"]);
    Kind::Postgres.each("cursor_last", |database| {
        for (column, value) in [("double precision", "NaN"), ("double precision", "Infinity"), ("numeric", "NaN")] {
            database.sql(&format!(
                "drop table if exists t; create table t (id int, k {column}); insert into t values (1, 0.5), (2, '{value}')"
            ));
            let sandbox = database.sandbox(database.url());
            let config = incremental(database, &format!("select * from {}.t", database.name()), "k");
            let shown = if value == "Infinity" { "inf" } else { value };
            refuses_a_last_key(&sandbox, &config, shown, || {
                database.sql("delete from t where id = 2");
            });
        }
    });
}

/// One database has many names, and another one is another one.
#[test]
fn a_cursor_goes_on_however_its_source_is_named() {
    let sandbox = Sandbox::new();
    let database = |name: &str| Connection::open(sandbox.path().join(name)).unwrap();
    let make = "create table c0 (id integer, k integer); insert into c0 values (1, 1)";
    database("shop.db").execute_batch(make).unwrap();
    fs::create_dir(sandbox.path().join("sub")).unwrap();
    let config = |source: &str| format!("source: {{ type: sqlite, {source} }}\n{}", exports(1, ""));
    sandbox.run(&config("path: shop.db")).expect(0, &["rows:        1\n"]);
    let absolute = sandbox.path().join("shop.db");
    let absolute = absolute.display();
    for source in ["path: ./sub/../shop.db", "url: 'sqlite:shop.db'", &format!("path: {absolute}"), "path: shop.db"] {
        sandbox.run(&config(source)).expect(0, &["rows:        0\n"]);
    }
    // A directory that is moved with its state: the options are the same.
    fs::rename(sandbox.path().join("shop.db"), sandbox.path().join("moved.db")).unwrap();
    std::os::unix::fs::symlink("moved.db", sandbox.path().join("shop.db")).unwrap();
    sandbox.run(&config("path: shop.db")).expect(0, &["rows:        0\n"]);
    database("other.db").execute_batch(&format!("{make}, (2, 2)")).unwrap();
    let refused = sandbox.try_run(&config("path: other.db"));
    refused.expect(
        1,
        &[
            "stored for source \"sqlite:///",
            "shop.db\", but",
            "other.db\"",
            "`rivet state adopt --config rivet.yaml --export c0`",
        ],
    );
    let adopt = |export: &str| sandbox.rivet(&["state", "adopt", "--config", "rivet.yaml", "--export", export]);
    adopt("c1").expect(1, &["export \"c1\" has no cursor", "holds nothing of an export \"c1\""]);
    sandbox.try_run(&config("path: other.db")).expect(1, &["stored for source"]);
    adopt("c0").expect(0, &["The cursor of export 'c0' goes on with the source of its next run"]);
    sandbox.run(&config("path: other.db")).expect(0, &["rows:        1\n"]);
    sandbox.try_run(&config("path: shop.db")).expect(1, &["stored for source"]);
}

/// The same server by a URL and by fields, with other encryption and another limit.
fn a_cursor_goes_on_when_its_server_is_named_otherwise(kind: Kind) {
    kind.each("cursor_place", |database| {
        database.sql("create table t (id int, k int); insert into t values (1, 1)");
        let mut sandbox = database.sandbox(database.url());
        let query = format!("select * from {}.t", database.name());
        let config = incremental(database, &query, "k");
        sandbox.run(&config).expect(0, &["rows:        1\n"]);
        let parameter = database.either("connect_timeout=7&sslmode=disable", "ssl-mode=DISABLED");
        let url = database.url();
        let mark = if url.contains('?') { '&' } else { '?' };
        sandbox.env("DATABASE_URL", format!("{url}{mark}{parameter}"));
        sandbox.run(&config).expect(0, &["rows:        0\n"]);
    });
}

fn incremental(database: &Database, query: &str, column: &str) -> String {
    database.config(query, "max_retries: 0, throttle_ms: 0")
        + &format!("    mode: incremental\n    cursor_column: {column}\n")
}

fn a_column_that_is_not_selected_is_named_with_those_that_are(kind: Kind) {
    kind.each("cursor_missing", |database| {
        database.sql("create table t (id int, updated_at int, note int); insert into t values (1, 2, 3)");
        let sandbox = database.sandbox(database.url());
        let query = format!("select id, note as update_at from {}.t", database.name());
        let outcome = sandbox.try_run(&incremental(database, &query, "updated_at"));
        outcome.expect(1, &["column \"updated_at\"", "hint: did you mean `update_at`?"]);
        assert!(sandbox.out().is_empty());
        sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &["No export state recorded yet."]);
    });
}

/// What rivet-cli 0.2 stored, which has no type and gives instants without a zone.
fn cursors_of_the_predecessor_go_on(kind: Kind) {
    kind.each("cursor_old", |database| {
        let instant = database.either("timestamptz", "timestamp(6)");
        let double = database.either("double precision", "double");
        let zone = database.either("set timezone = 'UTC'", "set time_zone = '+00:00'");
        database.sql(&format!(
            "{zone}; create table t (id int, at {instant}, day date, name varchar(20), f {double});
             insert into t values (1, '2026-01-02 03:04:05.678900', '2026-01-02', 'a', 0.1),
                 (2, '2026-01-02 03:04:05.678901', '2026-01-03', 'o''b', 0.2), (3, '2026-01-02 04:00:00', '2026-01-04', 'p', 0.3)"
        ));
        // It left MySQL's sessions in the zone of the server.
        let at = match kind {
            Kind::Postgres => "2026-01-02T03:04:05.678901".to_owned(),
            Kind::Mysql => {
                let local = "convert_tz('2026-01-02 03:04:05.678901', '+00:00', @@global.time_zone)";
                database.sql(&format!("select replace({local}, ' ', 'T')")).trim().to_owned()
            }
        };
        for (column, stored) in [
            ("id", "2"),
            ("at", &at),
            ("day", "2026-01-03"),
            ("name", "o''b"),
            ("f", "0.2"),
        ] {
            let sandbox = database.sandbox(database.url());
            let state = Connection::open(sandbox.path().join(".rivet_state.db")).unwrap();
            state
                .execute_batch(&format!(
                    "create table export_state (export_name text primary key, last_cursor_value text, last_run_at text);
                     insert into export_state values ('lines', '{stored}', '2026-01-01T00:00:00Z')"
                ))
                .unwrap();
            drop(state);
            let config = incremental(database, &format!("select * from {}.t", database.name()), column);
            sandbox.run(&config).expect(0, &["rows:        1"]);
            let text = fs::read_to_string(sandbox.only("csv")).unwrap();
            assert!(text.lines().nth(1).unwrap().starts_with("3,"), "{column}: {text}");
            sandbox.run(&config).expect(0, &["rows:        0"]);
        }
    });
}

fn rows_without_a_cursor_come_once(kind: Kind) {
    kind.each("cursor_null", |database| {
        database.sql("create table t (id int, k int)");
        let sandbox = database.sandbox(database.url());
        let config = incremental(database, &format!("select * from {}.t", database.name()), "k");
        let rows = |expected: u32| sandbox.run(&config).expect(0, &[&format!("rows:        {expected}\n")]);
        // A run without any row is no first run.
        rows(0);
        database.sql("insert into t values (1, null), (2, null)");
        sandbox.run(&config).expect(0, &["rows:        2\n", "2 rows of export \"lines\" have no cursor value"]);
        rows(0);
        database.sql("insert into t values (3, null), (4, 7)");
        rows(1);
        rows(0);
        sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &["lines", "7"]);
    });
}
