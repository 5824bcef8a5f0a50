//! The connector against the conformance kit, on a database made for it.

use std::process::ExitCode;

use rivet_connector_kit::{SinceTarget, SourceTarget};
use rivet_plugin_api::TimeEncoding;

const DATABASE: &str = "
    create table event (id integer primary key, at datetime, maybe integer, name text, amount decimal(9,2), raw blob);
    insert into event
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000)
        select i, datetime(1704067200 + i * 60, 'unixepoch'), iif(i % 5, i % 50, null),
            iif(i % 7, 'name, ' || i, null), i || '.25', randomblob(i % 40) from n;
";

fn main() -> ExitCode {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("kit.db");
    let database = rusqlite::Connection::open(&path).expect("a new database");
    database.execute_batch(DATABASE).expect("its tables");
    drop(database);
    let target = SourceTarget {
        options: serde_json::json!({ "path": path }),
        query: "select * from event".into(),
        rows: 1000,
        key: "id".into(),
        nullable_key: Some("maybe".into()),
        empty: Some("select * from event where id < 0".into()),
        endless: ["select i from n", "select i from n where i < 0"]
            .map(|query| format!("with recursive n(i) as (select 1 union all select i + 1 from n) {query}"))
            .into(),
        wrong: Some("select id from from event".into()),
        forbidden: [
            "delete from event",
            "create table other (id integer)",
            "insert into event (id) values (0) returning id",
            "attach ':memory:' as other",
            "pragma user_version = 7",
        ]
        .map(Into::into)
        .into(),
        echo: Some("select :value as v".into()),
        table: Some((None, "event".into())),
        // 2024-01-01T08:20:00Z is 500 minutes after midnight, where row 500 is.
        since: Some(SinceTarget {
            column: "at".into(),
            instant: 1_704_097_200_000_000,
            encoding: TimeEncoding::Timestamp,
            rows: 501,
        }),
        skip: None,
    };
    rivet_connector_kit::source(&rivet_plugin_sqlite::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}
