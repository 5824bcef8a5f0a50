//! `rivet init`: what it writes runs as it is, whatever the tables are called, and holds no secret.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::{CANARY, Database, Kind, Outcome, Sandbox, on_both, read_with};
use rusqlite::Connection;

on_both!(awkward_names_run_as_they_are_written, a_large_table_is_split_by_its_key, a_password_stays_out_of_the_file);

/// As `rivet.yaml`, after a look at `schema` of the database in `DATABASE_URL`.
fn init(sandbox: &Sandbox, schema: &str, more: &[&str]) -> String {
    let args = [&["init", "--url-env", "DATABASE_URL", "--schema", schema], more].concat();
    let outcome = sandbox.rivet(&args);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), ""), "{outcome}");
    assert!(!outcome.stderr.contains(CANARY), "{outcome}");
    let text = fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap();
    assert!(!text.contains(CANARY) && text.contains("\n  url_env: DATABASE_URL\n"), "{text}");
    outcome.stderr + &text
}

fn run(sandbox: &Sandbox) -> Outcome {
    let outcome = sandbox.rivet(&["run", "--config", "rivet.yaml"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    outcome
}

/// The rows of each export, as DuckDB and pyarrow count them.
fn rows(sandbox: &Sandbox) -> Option<Vec<String>> {
    let counted = read_with("counts.py", &[sandbox.path().join("output").to_str().unwrap()])?;
    Some(counted.lines().map(str::to_owned).collect())
}

const POSTGRES: &str = r#"
    create table "Order" ("Id" int primary key, "select" text, "updatedAt" timestamptz, price numeric(9,2));
    create index on "Order" ("updatedAt");
    insert into "Order" values (1, 'a', '2024-01-01', 1.5), (2, 'b', '2024-01-02', 2), (3, null, null, null);
    create table "we ird ""q"" 'x' ${HOME} $${A} größe" ("n: #" int, ":x" int);
    insert into "we ird ""q"" 'x' ${HOME} $${A} größe" values (1, 2), (3, 4);
    create table keyed ("a ""b"" ${C}" timestamp unique, id int primary key, "modified" timestamp);
    insert into keyed values (now(), 1, now());
    create view "user" as select * from "Order";
    create table parts (id int, at date) partition by range (at);
    create table parts_2024 partition of parts for values from ('2024-01-01') to ('2025-01-01');
    insert into parts values (1, '2024-05-05');
    create table refused (id int primary key, b box[]);
    insert into refused values (1, '{(1,2),(3,4)}');
    create table hidden (id int);
    revoke all on hidden from current_user;
"#;

const MYSQL: &str = r#"
    create table `Order` (`Id` int primary key, `select` text, `updatedAt` timestamp null, price decimal(9,2), index (`updatedAt`));
    insert into `Order` values (1, 'a', '2024-01-01', 1.5), (2, 'b', '2024-01-02', 2), (3, null, null, null);
    create table `we ird ``q`` 'x' "y" ${HOME} $${A} größe` (`n: #` int, `:x` int);
    insert into `we ird ``q`` 'x' "y" ${HOME} $${A} größe` values (1, 2), (3, 4);
    create table keyed (`a ``b`` ${C}` datetime unique, id int primary key, `modified` datetime(6));
    insert into keyed values (now(), 1, now());
    create view `user` as select * from `Order`;
"#;

fn awkward_names_run_as_they_are_written(kind: Kind) {
    kind.each("init_names", |database| {
        database.sql(database.either(POSTGRES, MYSQL));
        let sandbox = database.sandbox(database.url());
        let said = init(&sandbox, database.name(), &[]);
        for text in [
            "  mode: incremental\n    cursor_column: updatedAt\n",
            "  mode: incremental\n    cursor_column: modified\n",
            "a view has neither key nor index",
            "no primary key: rows that arrive twice cannot be told apart",
            "# columns: { price: 'decimal(9,2)' }  # numbers instead of their text\n",
            "# columns: { updatedAt: 'null' }",
        ] {
            assert!(said.contains(text), "\"{text}\" is missing in:\n{said}");
        }
        run(&sandbox);
        let Some(rows) = rows(&sandbox) else { return };
        let odd = database.either("we_ird__q___x____HOME_____A__gr__e 2", "we_ird__q___x___y____HOME_____A__gr__e 2");
        let both = ["Order 3", "keyed 1", "user 3", odd];
        let own: &[&str] = if kind == Kind::Postgres { &["parts 1", "refused 1"] } else { &[] };
        let mut expected = [both.as_slice(), own].concat();
        expected.sort_unstable();
        assert_eq!(rows, expected);
        if kind == Kind::Postgres {
            assert!(said.contains("    columns: { b: text }\n"), "{said}");
            assert!(said.contains(".hidden: left out: the user may not read it"), "{said}");
            assert!(!said.contains("parts_2024"), "{said}");
        }
        commented_overrides_work(&sandbox, &said);
    });
}

/// Uncomments what is offered instead of the defaults, and runs again.
fn commented_overrides_work(sandbox: &Sandbox, said: &str) {
    let text = fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap();
    assert!(said.contains("# columns: "), "{said}");
    for line in text.lines().filter(|line| line.contains("    # columns: ")) {
        let plain = line.replacen("# columns: ", "columns: ", 1);
        sandbox.write("rivet.yaml", &text.replace(line, &plain));
        let outcome = sandbox.rivet(&["run", "--config", "rivet.yaml"]);
        assert_eq!(outcome.code, Some(0), "{plain}\n{outcome}");
    }
}

fn a_large_table_is_split_by_its_key(kind: Kind) {
    kind.each("init_large", |database| {
        database.sql(database.either(
            "create table big (id bigint primary key, v text);
             insert into big select i, 'v' from generate_series(1, 600000) i; analyze big",
            "create table d (n int); insert into d values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
             create table big (id bigint unsigned primary key auto_increment, v char(1));
             insert into big (v) select 'v' from d a, d b, d c, d e, d f, d g where g.n < 6; analyze table big",
        ));
        let sandbox = database.sandbox(database.url());
        let said = init(&sandbox, database.name(), &["--table", "B?G"]);
        assert!(said.contains("    mode: chunked\n    chunk_column: id\n    chunk_size: 100000\n"), "{said}");
        assert!(said.contains("`mode: incremental` and `cursor_column: id`"), "{said}");
        run(&sandbox);
        if let Some(rows) = rows(&sandbox) {
            assert_eq!(rows, ["big 600000"]);
        }
    });
}

fn a_password_stays_out_of_the_file(kind: Kind) {
    kind.each("init_secret", |database| {
        database.sql("create table t (id int primary key)");
        let mut sandbox = Sandbox::new();
        let outcome = sandbox.rivet(&["init", database.url(), "--schema", database.name()]);
        outcome.expect(0, &["use --url-env", "read -rs DATABASE_URL && export DATABASE_URL", "with 1 export;"]);
        let text = fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap();
        assert!(!format!("{text}{outcome}").contains(CANARY), "{outcome}");
        sandbox.env("DATABASE_URL", database.url());
        run(&sandbox);
        wrong_requests_say_what_is_known(&sandbox, database);
    });
}

fn wrong_requests_say_what_is_known(sandbox: &Sandbox, database: &Database) {
    let schema = database.name();
    let init = |args: &[&str]| sandbox.rivet(&[&["init", "--url-env", "DATABASE_URL"], args].concat());
    init(&["--schema", schema]).expect(2, &["\"rivet.yaml\" exists already", "--force"]);
    init(&["--schema", schema, "--force", "--table", "tt"])
        .expect(2, &["no table matches \"tt\"", "did you mean `t`?"]);
    init(&["--schema", "no_such_schema", "-o", "-"]).expect(2, &["the source has no table to export", "--schema"]);
    init(&["--type", "mysq", "-o", "-"]).expect(2, &["no source connector is named \"mysq\"", "`mysql`"]);
    let wrong = database.url().replacen("://", "x://", 1);
    let outcome = sandbox.rivet(&["init", &wrong, "-o", "-"]);
    outcome.expect(2, &["no connector opens URLs that begin with", "did you mean"]);
    assert!(!outcome.to_string().contains(CANARY), "{outcome}");
    sandbox.rivet(&["init", "--url-env", "NO_SUCH"]).expect(2, &["environment variable \"NO_SUCH\" is not set"]);
    let printed = init(&["--schema", schema, "-o", "-"]);
    assert_eq!(printed.stdout, fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap(), "{printed}");
}

#[test]
fn a_file_of_sqlite() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE \"Order\" (id INTEGER PRIMARY KEY, \"updatedAt\" TIMESTAMP, total DECIMAL(9,2), \"select\" TEXT);
         INSERT INTO \"Order\" VALUES (1, '2024-01-01 00:00:00', 1.5, 'x'), (2, NULL, 2, NULL);
         CREATE INDEX by_time ON \"Order\" (\"updatedAt\");
         CREATE TABLE \"we ird \"\"q\"\" ''x'' größe ${X}\" (\"a:\" TEXT PRIMARY KEY, b BLOB) WITHOUT ROWID;
         INSERT INTO \"we ird \"\"q\"\" ''x'' größe ${X}\" VALUES ('x', x'00');
         CREATE TABLE big (id INTEGER PRIMARY KEY, v TEXT);
         INSERT INTO big WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600000) SELECT i, 'v' FROM n;
         CREATE TABLE hides (rowid TEXT, oid TEXT, _rowid_ TEXT);
         INSERT INTO hides VALUES ('a', 'b', 'c');
         CREATE VIRTUAL TABLE found USING fts5(body);
         INSERT INTO found VALUES ('some words');
         CREATE VIEW v AS SELECT * FROM \"Order\";",
    )
    .unwrap();
    drop(db);
    let outcome = sandbox.rivet(&["init", "shop.db"]);
    outcome.expect(0, &["TABLE", "wrote rivet.yaml with 6 exports; next:", "rivet run --config rivet.yaml"]);
    let text = fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap();
    for expected in ["\n  url: shop.db\n", "    cursor_column: updatedAt\n", "    chunk_column: id\n"] {
        assert!(text.contains(expected), "{text}");
    }
    // What the search index keeps for itself is no table of the user's.
    assert!(text.contains("FROM \"found\"") && !text.contains("found_"), "{text}");
    run(&sandbox);
    if let Some(rows) = rows(&sandbox) {
        let expected = ["Order 2", "big 600000", "found 1", "hides 1", "v 2", "we_ird__q____x___gr__e___X_ 1"];
        assert_eq!(rows, expected);
    }
}

#[test]
fn what_is_no_source_is_refused() {
    let sandbox = Sandbox::new();
    sandbox
        .rivet(&["init", "S3CR3T-CANARY"])
        .expect(2, &["the location is neither a URL nor an existing file", "sqlite:"]);
    let outcome = sandbox.rivet(&["init", "S3CR3T-CANARY"]);
    assert!(!outcome.to_string().contains(CANARY), "{outcome}");
    sandbox.rivet(&["init"]).expect(2, &["URL", "--url-env"]);
    sandbox.write("notes.txt", "no database");
    sandbox.rivet(&["init", "notes.txt"]).expect(1, &["not an SQLite database"]);
    assert!(!sandbox.path().join("rivet.yaml").exists());
}
