//! Cells of 64 MB, and tables of as many columns as a server takes.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write;

use rivet_e2e::{Database, Kind, Private, on_both, read_with};

on_both!(cells_of_64_mb_arrive_whole, the_widest_table_arrives_whole);

fn config(database: &Database, query: &str) -> String {
    database.config(query, "profile: fast, max_retries: 0").replace("format: csv", "format: parquet")
}

fn cells_of_64_mb_arrive_whole(kind: Kind) {
    if kind == Kind::Mysql {
        // Servers of MySQL's family hold back cells that are larger than one of their settings.
        let Some(server) = Private::new(kind, &["--max-allowed-packet=256M"]) else { return };
        return assert_cells_arrive(&kind.on(&server.url, "cells"));
    }
    kind.each("cells", assert_cells_arrive);
}

fn assert_cells_arrive(database: &Database) {
    let bytes = database.either("decode(repeat('00ff7e0a', 16777216), 'hex')", "unhex(repeat('00ff7e0a', 16777216))");
    database.sql("create table ids (id int); insert into ids values (1), (2), (3)");
    let query = format!(
        "select id, case when id = 2 then repeat('ä', 33554432) else 'small' end as t,
            case when id = 2 then {bytes} end as b from {}.ids",
        database.name()
    );
    let sandbox = database.sandbox(database.url());
    sandbox.run(&config(database, &query)).expect(0, &["rows:        3"]);
    let Some(found) = read_with("cells.py", &[&sandbox.only("parquet")]) else { return };
    let small = "[5,\"eb5c1399a871211c7e7ed732d15e3a8b\"]";
    let digests = database.sql(&format!("select md5(t), md5(b) from ({query}) q where id = 2"));
    let large: Vec<_> = digests.trim().split(['|', '\t']).collect();
    let large = format!("[67108864,\"{}\"],[67108864,\"{}\"]", large[0], large[1]);
    assert_eq!(found, format!("[1,{small},null]\n[2,{large}]\n[3,{small},null]\n"));
}

fn the_widest_table_arrives_whole(kind: Kind) {
    kind.each("wide", |database| {
        let count = if kind == Kind::Postgres { 1600 } else { 1000 };
        let columns = (1..count).fold("id int".to_owned(), |mut columns, i| {
            write!(columns, ", c{i} int").unwrap();
            columns
        });
        // All values, none, and every third.
        let row = |id: u32, has: &dyn Fn(u32) -> bool| {
            (1..count).fold(id.to_string(), |mut row, i| {
                let value = i * id;
                if has(i) { write!(row, ",{value}") } else { write!(row, ",null") }.unwrap();
                row
            })
        };
        let rows = [row(1, &|_| true), row(2, &|_| false), row(3, &|i| i % 3 == 0)];
        database.sql(&format!("create table t ({columns})"));
        database.sql(&format!("insert into t values ({}), ({}), ({})", rows[0], rows[1], rows[2]));
        let sandbox = database.sandbox(database.url());
        sandbox.run(&config(database, &format!("select * from {}.t", database.name()))).expect(0, &["rows:        3"]);
        let Some(found) = read_with("cells.py", &[&sandbox.only("parquet")]) else { return };
        assert_eq!(found, rows.map(|row| format!("[{row}]\n")).concat());
    });
}
