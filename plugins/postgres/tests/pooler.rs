//! Behind pgbouncer in transaction mode, in `RIVET_TEST_PGBOUNCER_URL`: every transaction may get another server
//! connection, and what a session leaves behind meets the next user of its connection.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use rivet_plugin_api::{Category, Context, DescribeRequest, ReadRequest, Source, SplitRequest, Strategy, Timeouts};

use common::{STRATEGIES, open, options, psql, read, request, url, url_in};

mod common;

#[test]
fn calls_work_and_leave_nothing_behind() {
    let Some(url) = url_in("RIVET_TEST_PGBOUNCER_URL") else { return };
    let query = "SELECT i, interval '1 s' * i AS t FROM generate_series(1, 20000) AS i";
    let settings = "SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings WHERE name IN \
                    ('intervalstyle', 'bytea_output', 'extra_float_digits', 'statement_timeout', 'lock_timeout', 'jit', \
                     'idle_in_transaction_session_timeout', 'default_transaction_read_only', 'transaction_isolation')";
    let before = psql(&url, settings);
    let mut source = open(&url);
    source.probe(&Context::default()).unwrap();
    source
        .describe(&DescribeRequest { query: query.into(), ..DescribeRequest::default() }, &Context::default())
        .unwrap();
    for strategy in STRATEGIES {
        let timeouts = Timeouts { statement_s: 77, lock_s: 7 };
        let one = ReadRequest { strategy, timeouts, ..request(query) };
        let mut early = open(&url).read(&one, &Context::default()).unwrap();
        early.next().unwrap();
        early.close().unwrap();
        let batches = read(&mut source, &one).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
        assert_eq!(batches[0].column(1).as_string::<i32>().value(61), "PT1M2S");
    }
    // Each is another client, and gets whichever server connection is free.
    let after: BTreeSet<String> = (0..8).map(|_| psql(&url, settings)).collect();
    assert_eq!(after, BTreeSet::from([before]));
    assert_eq!(psql(&url, "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''").trim(), "0");
    assert_eq!(psql(&url, "SELECT count(*) FROM pg_cursors").trim(), "0");
}

#[test]
fn a_snapshot_is_shared_by_the_parts_of_a_table() {
    let (Some(url), Some(server)) = (url_in("RIVET_TEST_PGBOUNCER_URL"), url()) else { return };
    psql(&server, "DROP TABLE IF EXISTS rivet_pooled");
    psql(&server, "CREATE TABLE rivet_pooled AS SELECT i, repeat('x', 99) AS t FROM generate_series(1, 30000) AS i");
    psql(&server, "ANALYZE rivet_pooled");
    let mut source = open(&url);
    let query = "SELECT * FROM rivet_pooled";
    let snapshot = Some(source.snapshot(&Context::default()).unwrap());
    psql(&server, "DELETE FROM rivet_pooled WHERE i % 2 = 0");
    let split = SplitRequest { query: query.into(), parts: 3, snapshot: snapshot.clone(), ..SplitRequest::default() };
    let parts = source.split(&split, &Context::default()).unwrap().parts;
    assert_eq!(parts.len(), 3);
    let mut rows = 0;
    for filter in parts {
        let part = ReadRequest { filter, snapshot: snapshot.clone(), strategy: Strategy::Cursor, ..request(query) };
        rows += read(&mut open(&url), &part).unwrap().iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    assert_eq!(rows, 30_000);
    drop(source);
    psql(&server, "DROP TABLE rivet_pooled");
}

#[test]
fn start_up_options_are_only_sent_when_they_are_asked_for() {
    let Some(url) = url_in("RIVET_TEST_PGBOUNCER_URL") else { return };
    let separator = if url.contains('?') { '&' } else { '?' };
    let with = format!("{url}{separator}options=-c%20search_path%3Dpublic");
    let error = rivet_plugin_postgres::Postgres::open(options(&with), &Context::default()).err().unwrap();
    assert_eq!(error.category(), Category::Config, "{error}");
    assert!(error.to_string().contains("options"), "{error}");
}
