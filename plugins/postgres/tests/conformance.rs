//! The connector against the conformance kit, on the server that RIVET_TEST_POSTGRES_URL names. It makes no tables:
//! the rows come from `generate_series`.

use std::process::ExitCode;

use rivet_connector_kit::{SinceTarget, SourceTarget};
use rivet_plugin_api::TimeEncoding;

const EVENTS: &str = "
    select i as id, timestamptz '2024-01-01 00:00:00+00' + i * interval '1 minute' as at,
        case when i % 5 > 0 then i % 50 end as maybe, case when i % 7 > 0 then 'name, ' || i end as name,
        (i || '.25')::numeric(9,2) as amount, decode(repeat('0a', i % 40), 'hex') as raw
    from generate_series(1, 1000) i";

fn main() -> ExitCode {
    let target = SourceTarget::from_env("RIVET_TEST_POSTGRES_URL", |url| SourceTarget {
        options: serde_json::json!({ "url": url }),
        query: EVENTS.into(),
        rows: 1000,
        key: "id".into(),
        nullable_key: Some("maybe".into()),
        empty: Some(format!("{EVENTS} where i < 0")),
        endless: ["select generate_series(1, 9000000000000000000) as i", "select pg_sleep(3600)::text as nothing"]
            .map(Into::into)
            .into(),
        wrong: Some("select id from from event".into()),
        forbidden: [
            "create table rivet_kit_forbidden (id int)",
            "select 1; create table rivet_kit_forbidden (id int)",
            "select 1) to stdout; create table rivet_kit_forbidden (id int); copy (select 1",
            "set transaction read write",
            "commit",
        ]
        .map(Into::into)
        .into(),
        echo: Some("select :value as v".into()),
        // The server's own catalog has tables in every database.
        table: Some((Some("pg_catalog".into()), "pg_class".into())),
        // 2024-01-01T08:20:00Z is 500 minutes after midnight, where row 500 is.
        since: Some(SinceTarget {
            column: "at".into(),
            instant: 1_704_097_200_000_000,
            encoding: TimeEncoding::Timestamp,
            rows: 501,
        }),
        skip: None,
    });
    rivet_connector_kit::source(&rivet_plugin_postgres::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}
