//! A full read over two connections of a PostgreSQL table that changes all the time: both files together are the table as
//! of one instant.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};

use rivet_e2e::{Database, Fault, Kind, Postgres, Proxy, Sandbox};

const ROWS: u64 = 40_000;
const BALANCE: u64 = 1000;

/// A table whose number of rows and whose sum are the same at every instant.
fn ledger(database: &Database) {
    let numbers = format!("select i, {BALANCE}, repeat('.', 90) from generate_series(1, {ROWS}) i");
    database.sql(&format!(
        "create table ledger (id bigint primary key, amount bigint, note text); insert into ledger {numbers}; analyze ledger"
    ));
}

/// A session that moves amounts between rows, and rows between pages, one transaction after the other.
struct Writer(Child);

impl Writer {
    fn start(postgres: &Postgres) -> Self {
        let mut child = postgres.session().stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let statement = |step: u64| {
            // Both halves of the table are hit, in no order.
            let (from, to) = (step * 7919 % ROWS + 1, (step * 104_729 + ROWS / 2) % ROWS + 1);
            format!(
                "update ledger set amount = amount + case when id = {from} then -7 else 7 end where id in ({from}, {to}) and {from} <> {to};
                 with gone as (delete from ledger where id = {to} returning *) insert into ledger select * from gone;\n"
            )
        };
        // Ends when the session is killed.
        std::thread::spawn(move || (1..1_000_000).try_for_each(|step| input.write_all(statement(step).as_bytes())));
        Self(child)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Slow enough for thousands of changes in between.
fn config(database: &Database) -> String {
    let tuning = "batch_size: 2000, throttle_ms: 30, max_retries: 1, retry_backoff_ms: 1";
    let query = format!("select id, amount, note from {}.ledger", database.name());
    database.config(&query, tuning) + "    parallel: 2\n"
}

fn assert_one_instant(sandbox: &Sandbox, database: &Database) {
    let names = sandbox.out();
    // Before version 14 pages cannot be read range by range.
    let version: u32 = database.sql("show server_version_num").trim().parse().unwrap();
    assert!(version < 140_000 || names.len() == 2, "{names:?}");
    let (mut ids, mut sum, mut changed) = (HashSet::new(), 0, 0);
    for name in names {
        let text = fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
        for row in text.lines().skip(1) {
            let mut cells = row.split(',');
            let mut number = || cells.next().unwrap().parse::<i64>().unwrap();
            assert!(ids.insert(number()), "twice: {row}");
            let amount = number();
            sum += amount;
            changed += u32::from(amount != BALANCE as i64);
        }
    }
    assert_eq!((ids.len() as u64, sum), (ROWS, (ROWS * BALANCE) as i64));
    let changed_later: u32 =
        database.sql(&format!("select count(*) from ledger where amount <> {BALANCE}")).trim().parse().unwrap();
    assert!(changed_later > changed, "nothing changed while the table was read");
}

#[test]
fn two_parts_are_one_instant_of_a_changing_table() {
    Kind::Postgres.each("instant", |database| {
        let Database::Postgres(postgres) = database else { return };
        ledger(database);
        let _writer = Writer::start(postgres);
        let sandbox = database.sandbox(database.url());
        sandbox.run(&config(database)).expect(0, &["rows:        40000"]);
        assert_one_instant(&sandbox, database);
    });
}

#[test]
fn a_part_whose_connection_breaks_is_repeated_alone_in_the_same_snapshot() {
    Kind::Postgres.each("instant_cut", |database| {
        let Database::Postgres(postgres) = database else { return };
        ledger(database);
        let _writer = Writer::start(postgres);
        let proxy = Proxy::new(database.url());
        proxy.fail(Fault::Cut, 1 << 20, 1);
        let sandbox = database.sandbox(&proxy.url);
        let outcome = sandbox.run(&config(database));
        outcome.expect(0, &["rows:        40000", "retries:     1"]);
        if sandbox.out().len() == 2 {
            outcome.expect(0, &["part "]);
        }
        assert_one_instant(&sandbox, database);
    });
}
