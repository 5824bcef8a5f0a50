//! The tool against real servers, and Rivet on what it made.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::process::Command;

use rivet_e2e::{Database, Kind, Outcome, on_both};

on_both!(the_tables_are_made_once_and_can_be_exported);

/// The URL that leads into the schema or database of the test.
fn url(db: &Database) -> String {
    match db {
        Database::Postgres(pg) => format!("{}?options=-c%20search_path%3D{}", pg.url, pg.schema),
        Database::Mysql(my) => format!("{}/{}", my.url.rsplit_once('/').unwrap().0, my.database),
    }
}

fn seed(db: &Database, args: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seed"));
    let flag = db.either("--pg-url", "--mysql-url");
    command.args(["--target", db.either("postgres", "mysql"), flag, &url(db)]);
    Outcome::of(command.args(["--users", "500", "--orders-per-user", "4", "--events-per-user", "6"]).args(args))
}

/// What the tables hold, in one line that both servers print alike.
fn content(db: &Database) -> String {
    let name = db.name();
    let sums = format!(
        "select concat_ws(' ', (select count(*) from {name}.users), (select count(*) from {name}.orders), (select count(*) from {name}.events),
           (select count(*) from {name}.page_views), (select count(*) from {name}.content_items),
           (select max(chunk_rownum) from {name}.orders_sparse_ordered),
           (select sum(price * quantity) from {name}.orders), (select sum(char_length(bio)) from {name}.users),
           (select sum(char_length(body)) from {name}.content_items), (select max(id) from {name}.orders_sparse),
           (select count(payload) from {name}.events))"
    );
    db.sql(&sums).trim().to_owned()
}

fn the_tables_are_made_once_and_can_be_exported(kind: Kind) {
    kind.each("seed", |db| {
        let first = seed(db, &["--batch-size", "7"]);
        first.expect(0, &["rows in"]);
        assert!(!format!("{first}").contains(rivet_e2e::CANARY), "{first}");
        let made = content(db);
        assert!(made.starts_with("500 2000 3000 1000 10 50 "), "{made}");
        // A second time it refuses, and with `--recreate` makes the very same.
        db.sql("delete from users where id > 9");
        let refused = seed(db, &[]);
        refused.expect(1, &["these exist already", "orders_sparse_ordered", "--recreate"]);
        assert!(content(db).starts_with("9 2000 "));
        seed(db, &["--recreate"]).expect(0, &[]);
        assert_eq!(content(db), made);
        assert_exported(db, &made);
    });
}

/// Runs Rivet on the tables, in the mode that each is made for.
fn assert_exported(db: &Database, made: &str) {
    let sandbox = db.sandbox(db.url());
    let name = db.name();
    let config = format!(
        "source: {{ type: {}, url_env: DATABASE_URL }}
exports:
  - {{ name: orders, mode: incremental, cursor_column: updated_at, query: select * from {name}.orders, format: csv, destination: {{ type: local, path: out }} }}
  - {{ name: events, mode: chunked, chunk_column: id, chunk_size: 700, query: select * from {name}.events, format: parquet, destination: {{ type: local, path: out }} }}
  - {{ name: items, query: select * from {name}.content_items, format: parquet, destination: {{ type: local, path: out }} }}
  - {{ name: views, mode: time_window, time_column: created_at, days_window: 9999, query: select * from {name}.page_views, format: parquet, destination: {{ type: local, path: out }} }}
  - {{ name: sparse, mode: chunked, chunk_column: chunk_rownum, chunk_size: 20, query: select * from {name}.orders_sparse_ordered, format: csv, destination: {{ type: local, path: out }} }}
",
        kind_name(db)
    );
    let outcome = sandbox.run(&config);
    for rows in ["2000", "3000", "10", "1000", "50"] {
        assert!(outcome.stdout.contains(&format!("rows:        {rows}\n")), "{rows}: {outcome}");
    }
    let csv = sandbox.out().into_iter().find(|file| file.starts_with("orders_")).unwrap();
    let text = fs::read_to_string(sandbox.path().join("out").join(csv)).unwrap();
    assert!(text.starts_with("id,user_id,product,quantity,price,status,notes,ordered_at,updated_at\n"), "{made}");
}

fn kind_name(db: &Database) -> &'static str {
    db.kind().name()
}

#[test]
fn both_servers_hold_the_same() {
    let (Ok(postgres), Ok(mysql)) = (std::env::var("RIVET_TEST_POSTGRES_URL"), std::env::var("RIVET_TEST_MYSQL_URL"))
    else {
        return rivet_e2e::skip("RIVET_TEST_POSTGRES_URL and RIVET_TEST_MYSQL_URL name no servers: use scripts/test");
    };
    let (postgres, mysql) = (Kind::Postgres.on(&postgres, "seed_both"), Kind::Mysql.on(&mysql, "seed_both"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_seed"));
    command.args(["--target", "both", "--users", "300", "--pg-url", &url(&postgres), "--mysql-url", &url(&mysql)]);
    Outcome::of(&mut command).expect(0, &["PostgreSQL: ", "MySQL: "]);
    assert_eq!(content(&postgres), content(&mysql));
}

#[test]
fn what_is_wrong_is_said_without_the_password() {
    for (args, text) in [
        (&["--target", "mysql", "--mysql-url", "mysql://u:S3CR3T-CANARY@127.0.0.1:1/d"][..], "failed"),
        (&["--target", "postgres", "--pg-url", "postgresql://u:S3CR3T-CANARY@127.0.0.1:1/d"], "failed"),
        (&["--target", "postgres", "--pg-url", "http://u:S3CR3T-CANARY@127.0.0.1:1/d"], "does not look like"),
    ] {
        let outcome = Outcome::of(Command::new(env!("CARGO_BIN_EXE_seed")).args(args));
        outcome.expect(1, &["error: could not fill", text]);
        assert!(!format!("{outcome}").contains("CANARY"), "{outcome}");
    }
    Outcome::of(Command::new(env!("CARGO_BIN_EXE_seed")).args(["--users", "0"])).expect(2, &["--users"]);
}
