//! The connector against the conformance kit, on the server that `RIVET_TEST_MYSQL_URL` names. It makes no tables: the
//! rows come from a query.

use std::process::ExitCode;

use rivet_connector_kit::{SinceTarget, SourceTarget};
use rivet_plugin_api::TimeEncoding;

/// The numbers from 0 to 999, for servers without `WITH` as well.
macro_rules! thousand {
    ($digits:literal) => {
        concat!("(select a.d + 10 * b.d + 100 * c.d as n from ", $digits, " a, ", $digits, " b, ", $digits, " c)")
    };
    () => {
        thousand!(
            "(select 0 as d union all select 1 union all select 2 union all select 3 union all select 4 union all \
             select 5 union all select 6 union all select 7 union all select 8 union all select 9)"
        )
    };
}

const EVENTS: &str = concat!(
    "select n + 1 as id, timestamp('2024-01-01 00:00:00') + interval n + 1 minute as at,
        case when n % 5 > 0 then n % 50 end as maybe, case when n % 7 > 0 then concat('name, ', n) end as name,
        cast(n + 0.25 as decimal(9,2)) as amount, cast(repeat('x', n % 40) as binary) as raw
    from ",
    thousand!(),
    " as numbers"
);

/// With its hash joins MySQL would collect the rows before it sends any.
const ENDLESS: [&str; 2] = [
    concat!(
        "select /*+ NO_BNL() */ a.n from ",
        thousand!(),
        " a, ",
        thousand!(),
        " b, ",
        thousand!(),
        " c, ",
        thousand!(),
        " d"
    ),
    "select sleep(3600) as nothing",
];

fn main() -> ExitCode {
    let target = SourceTarget::from_env("RIVET_TEST_MYSQL_URL", |url| SourceTarget {
        options: serde_json::json!({ "url": url }),
        query: EVENTS.into(),
        rows: 1000,
        key: "id".into(),
        nullable_key: Some("maybe".into()),
        empty: Some(format!("{EVENTS} where n < 0")),
        endless: ENDLESS.map(Into::into).into(),
        wrong: Some("select id from from event".into()),
        forbidden: [
            "create table rivet_kit_forbidden (id int)",
            "select 1; create table rivet_kit_forbidden (id int)",
            "select 1 into outfile '/tmp/rivet_kit_forbidden'",
            "set transaction read write",
            "commit",
        ]
        .map(Into::into)
        .into(),
        echo: Some("select :value as v".into()),
        // The server's own tables are there in every database. They are views to it.
        table: Some((Some("mysql".into()), "user".into())),
        // 2024-01-01T08:20:00Z is 500 minutes after midnight, where row 500 is.
        since: Some(SinceTarget {
            column: "at".into(),
            instant: 1_704_097_200_000_000,
            encoding: TimeEncoding::Timestamp,
            rows: 501,
        }),
        ..SourceTarget::default()
    });
    rivet_connector_kit::source(&rivet_plugin_mysql::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}
