//! The connector against the conformance kit, on the server that `RIVET_TEST_MYSQL_URL` names. It makes no tables: the
//! rows come from a recursive query.

use std::process::ExitCode;

use rivet_connector_kit::SourceTarget;

const EVENTS: &str = "
    with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000)
    select i as id, timestamp('2024-01-01 00:00:00') + interval i minute as at,
        case when i % 5 > 0 then i % 50 end as maybe, case when i % 7 > 0 then concat('name, ', i) end as name,
        cast(i + 0.25 as decimal(9,2)) as amount, cast(repeat('x', i % 40) as binary) as raw
    from n";

const ENDLESS: [&str; 2] = [
    "with recursive d (x) as (select 0 union all select x + 1 from d where x < 999)
     select a.x + b.x + c.x + d.x + e.x as i from d as a, d as b, d as c, d, d as e",
    "select sleep(3600) as nothing",
];

fn main() -> ExitCode {
    let target = SourceTarget::from_env("RIVET_TEST_MYSQL_URL", |url| SourceTarget {
        options: serde_json::json!({ "url": url }),
        query: EVENTS.into(),
        rows: 1000,
        key: "id".into(),
        nullable_key: Some("maybe".into()),
        empty: Some(format!("{EVENTS} where i < 0")),
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
        ..SourceTarget::default()
    });
    rivet_connector_kit::source(&rivet_plugin_mysql::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}
