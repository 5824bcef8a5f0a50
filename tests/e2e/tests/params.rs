//! Values that a query names: they arrive as they are in every mode, and none changes the statement.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write;

use rivet_e2e::{Database, Kind, MODES, Outcome, SEEN, Sandbox, on_both, read_with};
use rusqlite::Connection;
use serde_json::{Value, json};

on_both!(
    values_arrive_as_they_are_in_every_mode,
    types_are_those_of_the_configuration,
    expanded_values_are_values,
    mistakes_are_errors,
);

/// Texts that would end a literal or begin something else for some server in some mode.
const TEXTS: [&str; 14] = [
    "",
    " ",
    "it's",
    "''",
    "\\",
    "\\'",
    "\\' or 1=1 -- ",
    "' or ''='",
    "'; drop table t; --",
    "\"`[x]` /* :p0 */ -- :p1 :p2",
    "$$ $tag$ ${NO_SUCH} ? %s {} \\n \\0",
    "two\nlines\r\n\tand a tab",
    "Grüße 日本語 🦀 \u{202e} \u{bf}' \u{2019} \u{ff07} \u{815c}'",
    "a:p0::text",
];

/// Rows that no value names, from 101 on.
const OTHERS: usize = 30;

/// A YAML scalar in quotes.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace("${", "$${")
}

/// Selects the rows whose note is one of the values, and the values themselves.
fn query(table: &str) -> String {
    let names: Vec<_> = (0..TEXTS.len()).map(|i| format!(":p{i}")).collect();
    let columns: Vec<_> = names.iter().map(|name| format!("{name} as {}", &name[1..])).collect();
    format!(
        "select id, seen, note, {} from {table} -- :not a param\nwhere note in ({}) and id <> :id",
        columns.join(", "),
        names.join(", ")
    )
}

/// An export in each mode, called `e0` and so on.
fn in_every_mode(source: &str, query: &str) -> String {
    let mut config = format!("source: {{ {source} }}\nexports:\n");
    for (number, (_, mode)) in MODES.iter().enumerate() {
        writeln!(config, "  - name: e{number}\n    query: |\n      {}", query.replace('\n', "\n      ")).unwrap();
        writeln!(
            config,
            "    format: parquet\n    destination: {{ type: local, path: out }}\n    params:\n      id: -1"
        )
        .unwrap();
        for (number, text) in TEXTS.iter().enumerate() {
            writeln!(config, "      p{number}: {}", quoted(text)).unwrap();
        }
        config.push_str(mode);
    }
    config
}

/// The rows that [`query`] has.
fn expected() -> Value {
    TEXTS
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let mut row = vec![json!(number + 1), json!(SEEN), json!(text)];
            row.extend(TEXTS.map(Value::from));
            Value::from(row)
        })
        .collect()
}

/// Asserts that each export of [`in_every_mode`] wrote the rows.
fn are_the_rows(sandbox: &Sandbox) {
    let rows = sandbox.write("expected.json", &expected().to_string());
    for (number, (mode, _)) in MODES.iter().enumerate() {
        let names = sandbox.out();
        let files = names.iter().filter(|name| name.starts_with(&format!("e{number}_")));
        let files: Vec<_> = files.map(|name| format!("{}/out/{name}", sandbox.path().display())).collect();
        let args: Vec<_> = std::iter::once(rows.to_str().unwrap()).chain(files.iter().map(String::as_str)).collect();
        if let Some(count) = read_with("values.py", &args) {
            assert_eq!(count.trim(), TEXTS.len().to_string(), "{mode}");
        }
    }
}

fn fill(database: &Database) {
    let text = match database.kind() {
        Kind::Postgres => "text",
        Kind::Mysql => "varchar(200) character set utf8mb4 collate utf8mb4_bin",
    };
    let mut sql = format!("create table t (id int primary key, seen bigint, note {text});");
    for (number, text) in TEXTS.iter().enumerate() {
        let hex = text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let note = match database.kind() {
            Kind::Postgres => format!("convert_from(decode('{hex}', 'hex'), 'UTF8')"),
            Kind::Mysql => format!("_utf8mb4 x'{hex}'"),
        };
        write!(sql, "insert into t values ({}, {SEEN}, {note});", number + 1).unwrap();
    }
    for id in 101..101 + OTHERS {
        write!(sql, "insert into t values ({id}, {SEEN}, 'other {id}');").unwrap();
    }
    database.sql(&sql);
}

fn values_arrive_as_they_are_in_every_mode(kind: Kind) {
    kind.each("params", |database| {
        fill(database);
        let sandbox = database.sandbox(&database.foreign_url());
        let source = format!("type: {}, url_env: DATABASE_URL", kind.name());
        sandbox.run(&in_every_mode(&source, &query(&format!("{}.t", database.name()))));
        are_the_rows(&sandbox);
        let rows = (TEXTS.len() + OTHERS).to_string();
        assert_eq!(database.sql("select count(*) from t").trim(), rows);
    });
}

#[test]
fn sqlite_values_arrive_as_they_are_in_every_mode() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("t.db")).unwrap();
    db.execute_batch("create table t (id integer primary key, seen integer, note text)").unwrap();
    for (number, text) in TEXTS.iter().enumerate() {
        db.execute("insert into t values (?1, ?2, ?3)", (number + 1, SEEN, text)).unwrap();
    }
    for id in 101..101 + OTHERS {
        db.execute("insert into t values (?1, ?2, 'other')", (id, SEEN)).unwrap();
    }
    sandbox.run(&in_every_mode("type: sqlite, path: t.db", &query("t")));
    are_the_rows(&sandbox);
}

/// One export in CSV of `query` with `params` below it.
fn one(database: &Database, query: &str, params: &str) -> String {
    let config = database.config(query, "max_retries: 0");
    format!("{config}    params:\n{}", params.lines().fold(String::new(), |text, line| text + "      " + line + "\n"))
}

fn csv(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.only("csv")).unwrap()
}

fn types_are_those_of_the_configuration(kind: Kind) {
    kind.each("param_types", |database| {
        database.sql("create table t (id int, born date, price decimal(30,20));");
        database.sql("insert into t values (1, '2024-02-28', 0.1), (2, '2024-02-29', 12345678.00000000000000000001)");
        database.sql("insert into t values (3, '2024-03-01', 12345678.00000000000000000002), (4, null, null)");
        let table = format!("{}.t", database.name());
        let query = format!(
            "select id, 1-:five as six, :least as least, :wide as wide, cast(:text as char(2)) as t from {table}
             where born >= cast(:day as date) and price > :price and :yes and :nothing is null and id < :limit"
        );
        let params = "day: 2024-02-29\nprice: 12345678.00000000000000000001\nyes: true\nnothing: ~\nlimit: 1e3\n\
            five: -5\nleast: -9223372036854775808\nwide: 99999999999999999999\ntext: \"10\"";
        let sandbox = database.sandbox(database.url());
        sandbox.run(&one(database, &query, params));
        let row = "3,6,-9223372036854775808,99999999999999999999,10\n";
        assert_eq!(csv(&sandbox), format!("id,six,least,wide,t\n{row}"));
    });
}

fn run_with(sandbox: &Sandbox, config: &str, args: &[&str]) -> Outcome {
    sandbox.write("rivet.yaml", config);
    sandbox.rivet(&[&["run", "--config", "rivet.yaml"], args].concat())
}

/// `--param` wins over the environment, which wins over a default, and what comes from there is data.
fn expanded_values_are_values(kind: Kind) {
    kind.each("param_expanded", |database| {
        let value = "it's \\' :b ${A} \" -- x";
        let query = "select :a as a, :b as b";
        let config = one(database, "", "a: \"${A:-none}\"\nb: ${B:-7}").replace("query: |", "query_file: q.sql");
        for (args, environment, row) in [
            (vec!["--param", "B=8"], None, "none,8\n".to_owned()),
            (vec![], Some(value), format!("\"{}\",7\n", value.replace('"', "\"\""))),
            (vec!["--param", "A=5", "--param", "B=text"], Some(value), "5,text\n".to_owned()),
        ] {
            let mut sandbox = database.sandbox(database.url());
            sandbox.write("q.sql", query);
            if let Some(value) = environment {
                sandbox.env("A", value);
            }
            let outcome = run_with(&sandbox, &config, &args);
            assert_eq!(outcome.code, Some(0), "{outcome}");
            assert_eq!(csv(&sandbox), format!("a,b\n{row}"));
        }
    });
}

fn mistakes_are_errors(kind: Kind) {
    kind.each("param_mistakes", |database| {
        let try_run = |query, params| {
            let sandbox = database.sandbox(database.url());
            let outcome = sandbox.try_run(&one(database, query, params));
            assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
            outcome
        };
        try_run("select 1 as a where :sinse > 1", "since: 1")
            .expect(1, &["the query does not use parameter \"since\"", "the query has \":sinse\""]);
        try_run("select ':since' as a", "since: 1").expect(1, &["outside of quotes and comments"]);
        try_run("select 1 as a from (select 1 as b) as x where :since = 1 and b = :sinse", "since: 1")
            .expect(1, &["── lines ──", "status:      failed"]);
        if kind == Kind::Postgres {
            try_run("select :a as a", "a: \"x\\0y\"").expect(1, &["parameter \"a\"", "NUL"]);
            // The lines are those of the user's query, whatever the values hold.
            try_run("select :a as a,\n  no_such", "a: \"x\\ny\\nz\"").expect(1, &["at line 2, column 3 of the query"]);
            try_run("-- what\nselect :a as a, no_such", "a: \"a value\"")
                .expect(1, &["at line 2, column 17 of the query"]);
        } else {
            let many = format!("a: 0.{}", "1".repeat(31));
            try_run("select :a as a", &many).expect(1, &["parameter \"a\"", "would round"]);
        }
    });
}

/// A database that can hold NUL gets it.
#[test]
fn sqlite_takes_nul_and_refuses_what_it_would_round() {
    let sandbox = Sandbox::new();
    Connection::open(sandbox.path().join("t.db")).unwrap().execute_batch("create table t (a)").unwrap();
    let config = |params: &str| {
        format!(
            "source: {{ type: sqlite, path: t.db }}\nexports:\n  - name: e\n    query: \"select :a as a, 1 as b\"\n    \
             format: parquet\n    destination: {{ type: local, path: out }}\n    params: {{ {params} }}\n"
        )
    };
    sandbox.try_run(&config("a: 12345678901234567890")).expect(1, &["parameter \"a\"", "would round"]);
    assert!(sandbox.out().is_empty());
    sandbox.run(&config("a: \"x\\0'y\""));
    let expected = sandbox.write("expected.json", &json!([["x\0'y", 1]]).to_string());
    read_with("values.py", &[expected.to_str().unwrap(), &sandbox.only("parquet")]);
}

/// Chunks of one table for some values and the rest for others would be no export of anything.
#[test]
fn a_run_with_other_values_is_not_resumed() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("t.db")).unwrap();
    db.execute_batch(
        "create table t (id integer primary key, note text); insert into t
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 100) select i, 'note' from n;
         update t set note = x'ff' where id = 70",
    )
    .unwrap();
    let config = "source: { type: sqlite, path: t.db, tuning: { max_retries: 0 } }
exports:
  - name: e
    query: select * from t where id <= :most
    params: { most: ${MOST:-100} }
    mode: chunked
    chunk_column: id
    chunk_size: 30
    chunk_checkpoint: true
    format: csv
    destination: { type: local, path: out }
";
    run_with(&sandbox, config, &[]).expect(1, &["chunk 2", "--resume"]);
    db.execute_batch("update t set note = 'repaired' where id = 70").unwrap();
    run_with(&sandbox, config, &["--resume", "--param", "MOST=99"]).expect(1, &["another configuration"]);
    run_with(&sandbox, config, &["--resume"]).expect(0, &["rows:        100"]);
}
