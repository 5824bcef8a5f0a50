//! Values, queries, batches and failures to connect, against the server in `RIVET_TEST_POSTGRES_URL`, whose role may
//! create types and tables.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::array_value_to_string;
use rivet_plugin_api::{
    BatchSize, Category, Context, DescribeRequest, Filter, Mapping, ReadRequest, Source, declared_nullable,
};
use rivet_plugin_postgres::Postgres;

use common::{STRATEGIES, open, options, psql, read, request, url};

mod common;

/// The cells of the first row: NULL as `None`.
fn first_row(batch: &RecordBatch) -> Vec<Option<String>> {
    let cell = |column: &ArrayRef| match column.as_primitive_opt::<TimestampMicrosecondType>() {
        // Printing an instant would need a time zone database.
        Some(instants) => array_value_to_string(&instants.clone().with_timezone_opt(None::<String>), 0).unwrap(),
        None => array_value_to_string(column, 0).unwrap(),
    };
    batch.columns().iter().map(|column| column.is_valid(0).then(|| cell(column))).collect()
}

#[test]
fn every_type_arrives_exactly_by_both_strategies() {
    let Some(url) = url() else { return };
    psql(
        &url,
        "DROP SCHEMA IF EXISTS rivet_types CASCADE; CREATE SCHEMA rivet_types; \
         CREATE TYPE rivet_types.mood AS ENUM ('fine', 'so so'); CREATE TYPE rivet_types.pair AS (a int, b text); \
         CREATE DOMAIN rivet_types.positive AS int CHECK (value > 0); CREATE DOMAIN rivet_types.p2 AS rivet_types.positive;",
    );
    let utc = "Timestamp(µs, \"UTC\")";
    let cases = [
        ("true", "Boolean", "true"),
        ("(-32768)::int2", "Int16", "-32768"),
        ("(-2147483648)::int4", "Int32", "-2147483648"),
        ("(-9223372036854775808)::int8", "Int64", "-9223372036854775808"),
        ("1.5::float4", "Float32", "1.5"),
        ("'-0'::float8", "Float64", "-0.0"),
        ("'héllo'::text", "Utf8", "héllo"),
        ("'a'::char(3)", "Utf8", "a  "),
        ("'v'::varchar(5)", "Utf8", "v"),
        ("'n'::name", "Utf8", "n"),
        ("''::text", "Utf8", ""),
        ("'\\x00ffab'::bytea", "Binary", "00ffab"),
        ("'2024-01-02'::date", "Date32", "2024-01-02"),
        ("'0044-03-15 BC'::date", "Date32", "-0043-03-15"),
        ("'2024-01-02 03:04:05.000006'::timestamp", "Timestamp(µs)", "2024-01-02T03:04:05.000006"),
        ("'2024-01-02 03:04:05+02'::timestamptz", utc, "2024-01-02T01:04:05"),
        ("'2024-01-02'::date + time '24:00:00'", "Timestamp(µs)", "2024-01-03T00:00:00"),
        ("1234567890123456789012345678901234567890.1200", "Utf8", "1234567890123456789012345678901234567890.1200"),
        ("'NaN'::numeric", "Utf8", "NaN"),
        ("1e20::numeric", "Utf8", "100000000000000000000"),
        ("1e-20::numeric", "Utf8", "0.00000000000000000001"),
        ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "Utf8", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("'{\"a\" : 1}'::json", "Utf8", "{\"a\" : 1}"),
        ("'{\"a\" : 1}'::jsonb", "Utf8", "{\"a\": 1}"),
        ("4294967295::oid", "Utf8", "4294967295"),
        ("'pg_class'::regclass", "Utf8", "pg_class"),
        ("'so so'::rivet_types.mood", "Utf8", "so so"),
        ("7::rivet_types.p2", "Int32", "7"),
        ("row(1,'x y')::rivet_types.pair", "Utf8", "(1,\"x y\")"),
        ("row(1,NULL)", "Utf8", "(1,)"),
        ("'24:00:00'::time", "Utf8", "24:00:00"),
        ("'01:02:03.5+02'::timetz", "Utf8", "01:02:03.5+02"),
        ("'1 year 2 mons 3 days 04:05:06.7'::interval", "Utf8", "P1Y2M3DT4H5M6.7S"),
        ("'10.1.2.3'::inet", "Utf8", "10.1.2.3"),
        ("'10.1.0.0/16'::inet", "Utf8", "10.1.0.0/16"),
        ("'::1'::inet", "Utf8", "::1"),
        ("'10.1.0.0/16'::cidr", "Utf8", "10.1.0.0/16"),
        ("'08:00:2b:01:02:03'::macaddr", "Utf8", "08:00:2b:01:02:03"),
        ("B'0101'", "Utf8", "0101"),
        ("'<a>b</a>'::xml", "Utf8", "<a>b</a>"),
        ("'x'::\"char\"", "Utf8", "x"),
        ("int4range(1,5)", "Utf8", "[1,5)"),
        ("point(1,2.5)", "Utf8", "(1,2.5)"),
        ("'fat cat'::tsvector", "Utf8", "'cat' 'fat'"),
        ("'0/16B3748'::pg_lsn", "Utf8", "0/16B3748"),
        ("NULL::int", "Int32", "<null>"),
        ("NULL::numeric", "Utf8", "<null>"),
        ("NULL::inet", "Utf8", "<null>"),
        ("NULL::rivet_types.pair", "Utf8", "<null>"),
    ];
    let mut source = open(&url);
    for strategy in STRATEGIES {
        for (expression, arrow_type, expected) in cases {
            let one = ReadRequest { strategy, ..request(&format!("SELECT {expression} AS v")) };
            let batches = read(&mut source, &one).unwrap_or_else(|e| panic!("{expression}: {e}"));
            assert_eq!(batches[0].schema().field(0).data_type().to_string(), arrow_type, "{expression}");
            assert_eq!(first_row(&batches[0])[0].as_deref().unwrap_or("<null>"), expected, "{expression}");
        }
    }
    psql(&url, "DROP SCHEMA rivet_types CASCADE");
}

#[test]
fn the_servers_own_text_agrees_for_many_numbers() {
    let Some(url) = url() else { return };
    let query = "SELECT n, n::text AS t, n AS d FROM (SELECT ((random() - 0.5) * 10 ^ (i % 40 - 20))::numeric::numeric(76,25) * \
                 (10::numeric ^ (i % 7)) + (i % 10001) AS n FROM generate_series(1, 5000) AS i) AS s";
    let mapping = Mapping { columns: [("d".to_owned(), "decimal(76,35)".to_owned())].into(), ..Mapping::default() };
    let batches = read(&mut open(&url), &ReadRequest { mapping, ..request(query) }).unwrap();
    let mut rows = 0;
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cell = |column: usize| array_value_to_string(batch.column(column), row).unwrap();
            assert_eq!(cell(0), cell(1));
            assert_eq!(cell(2).trim_end_matches('0'), cell(1).trim_end_matches('0'));
            rows += 1;
        }
    }
    assert_eq!(rows, 5000);
}

#[test]
fn overrides_replace_the_mapping() {
    let Some(url) = url() else { return };
    let own = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mapping = Mapping {
        types: own(&[("numeric", "decimal"), ("int4[]", "text"), ("oid", "int64"), ("time", "time64")]),
        columns: own(&[("p", "decimal(40,2)"), ("ts", "text")]),
    };
    let query = "SELECT 12.5::numeric(6,2) AS n, -1.25 AS p, '{1,NULL,3}'::int[] AS a, 4294967295::oid AS o, \
                 '01:02:03.5'::time AS t, 'infinity'::timestamp AS ts";
    let mut source = open(&url);
    let batches = read(&mut source, &ReadRequest { mapping, ..request(query) }).unwrap();
    let types: Vec<String> = batches[0].schema().fields().iter().map(|f| f.data_type().to_string()).collect();
    assert_eq!(types, ["Decimal128(6, 2)", "Decimal256(40, 2)", "Utf8", "Int64", "Time64(µs)", "Utf8"]);
    let cells: Vec<_> = first_row(&batches[0]).into_iter().flatten().collect();
    assert_eq!(cells, ["12.50", "-1.25", "{1,NULL,3}", "4294967295", "01:02:03.500", "infinity"]);
    assert_eq!(batches[0].schema().field(0).metadata()["rivet.native_type"], "numeric(6,2)");
}

#[test]
fn values_that_would_be_lost_are_errors_that_name_the_column() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    for (query, named) in [
        ("SELECT 1 AS a, 'infinity'::date AS d", "\"d\""),
        ("SELECT '-infinity'::timestamptz AS ts", "\"ts\""),
        ("SELECT '294276-12-31'::timestamp AS late", "\"late\""),
        ("SELECT '{{1,2},{3,4}}'::int[] AS grid", "\"grid\""),
        ("SELECT '[0:1]={1,2}'::int[] AS shifted", "\"shifted\""),
        ("SELECT '{{1 day},{2 days}}'::interval[] AS printed", "\"printed\""),
        ("SELECT ARRAY['infinity'::date] AS dates", "\"dates\""),
        ("SELECT ARRAY[box '(1,1),(0,0)'] AS boxes", "\"boxes\""),
    ] {
        for strategy in STRATEGIES {
            let error = read(&mut source, &ReadRequest { strategy, ..request(query) }).unwrap_err();
            assert_eq!(error.category(), Category::Data, "{query}");
            assert!(error.message().contains(named) && error.hint_text().is_some(), "{error}");
        }
    }
    let mapping = Mapping { columns: [("x".into(), "decimal(4,1)".into())].into(), ..Mapping::default() };
    for value in ["12345", "1.25", "'NaN'::numeric"] {
        let request = ReadRequest { mapping: mapping.clone(), ..request(&format!("SELECT {value}::numeric AS x")) };
        assert_eq!(read(&mut source, &request).unwrap_err().category(), Category::Data, "{value}");
    }
}

#[test]
fn queries_may_be_written_as_people_write_them() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    for query in [
        "SELECT 1 AS a, interval '1s' AS b;",
        "SELECT 1 AS a, interval '1s' AS b -- done;",
        "/* ; */ WITH x AS (SELECT 1 AS a) SELECT a, interval '1s' AS b FROM x ; -- ok\n",
        "VALUES (1, interval '1s')",
        "SELECT 1 AS \"Or\"\"der\", interval '1s' AS \"?column?\"",
        "SELECT 1 AS a, interval '1s' AS b LIMIT 1",
        "(SELECT 1, interval '1s') UNION ALL SELECT 2, NULL WHERE false",
    ] {
        for strategy in STRATEGIES {
            let batches = read(&mut source, &ReadRequest { strategy, ..request(query) }).unwrap();
            assert_eq!(first_row(&batches[0]), [Some("1".into()), Some("PT1S".into())], "{query}");
            assert_eq!(source.count(&request(query), &Context::default()).unwrap(), 1, "{query}");
        }
    }
    for (query, category) in [
        ("SELECT 1; SELECT 2", Category::Config),
        ("", Category::Config),
        ("SELECT", Category::Config),
        ("SELECT $1::int", Category::Config),
        ("SELECT 1) TO PROGRAM 'true' --", Category::Permanent),
        ("DELETE FROM pg_class RETURNING 1", Category::Permanent),
        ("SELECT * FROM no_such_table", Category::Permanent),
        ("SELECT 1 FROM pg_class FOR UPDATE", Category::Permanent),
    ] {
        let error = read(&mut source, &request(query)).unwrap_err();
        assert_eq!(error.category(), category, "{query}: {error}");
    }
    // The connection survives all of that.
    assert_eq!(read(&mut source, &request("SELECT 1")).unwrap().len(), 1);
}

#[test]
fn columns_are_named_once_picked_and_ordered() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let query = "SELECT i AS a, -i AS a, interval '1s' * i AS b FROM generate_series(1, 3) AS i";
    let batch = &read(&mut source, &request(query)).unwrap()[0];
    let names: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["a", "a_2", "b"]);
    let picked =
        ReadRequest { columns: Some(vec!["b".into(), "a".into()]), order_by: vec!["a_2".into()], ..request(query) };
    let batch = &read(&mut source, &picked).unwrap()[0];
    assert_eq!(first_row(batch), [Some("PT3S".into()), Some("3".into())]);
    let unknown = ReadRequest { columns: Some(vec!["z".into()]), ..request(query) };
    assert_eq!(read(&mut source, &unknown).unwrap_err().category(), Category::Config);
}

#[test]
fn batches_keep_to_rows_and_bytes() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let query =
        "SELECT i, repeat('x', i % 1000) AS t, NULL::numeric AS n FROM generate_series(1, 20000) AS i ORDER BY i";
    for strategy in STRATEGIES {
        for (rows, bytes) in [(700, 1 << 30), (100_000, 256 << 10), (1, 1 << 20), (20_000, 1 << 30)] {
            let total = if rows == 1 { 300 } else { 20_000 };
            let query = format!("{query} LIMIT {total}");
            let batch = BatchSize { rows, bytes };
            let batches = read(&mut source, &ReadRequest { strategy, batch, ..request(&query) }).unwrap();
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), total);
            assert!(batches.iter().all(|b| b.num_rows() <= rows));
            if rows <= 700 {
                assert_eq!(batches.len(), total.div_ceil(rows));
            } else if bytes == 256 << 10 {
                assert!((30..60).contains(&batches.len()), "{strategy:?}: {} batches", batches.len());
            }
            let ids =
                batches.iter().flat_map(|b| (0..b.num_rows()).map(|r| array_value_to_string(b.column(0), r).unwrap()));
            assert!(ids.eq((1..=total).map(|i| i.to_string())));
        }
        let none = ReadRequest { strategy, ..request("SELECT 1 AS a WHERE false") };
        assert!(read(&mut source, &none).unwrap().is_empty());
        let huge = ReadRequest { strategy, ..request("SELECT repeat('x', 70000000) AS t FROM generate_series(1, 2)") };
        assert_eq!(read(&mut source, &huge).unwrap().len(), 2);
    }
}

#[test]
fn describe_and_probe_say_what_is_there() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let query = "SELECT 1.5::numeric(12,2) AS price, ARRAY['a'] AS tags, 'x'::varchar(20) AS v, \
                 NULL::box[] AS boxes"
        .to_owned();
    let request = DescribeRequest { query, ..DescribeRequest::default() };
    let columns = source.describe(&request, &Context::default()).unwrap().columns;
    let shown: Vec<_> = columns.iter().map(|c| (c.native_type.as_str(), c.arrow_type.as_str())).collect();
    assert_eq!(shown[..3], [("numeric(12,2)", "Utf8"), ("text[]", "List(Utf8)"), ("character varying(20)", "Utf8")]);
    assert_eq!(shown[3], ("box[]", ""));
    assert!(columns[3].rule.contains("\"boxes\""), "{}", columns[3].rule);
    let probe = source.probe(&Context::default()).unwrap();
    assert_eq!(probe.server, "PostgreSQL");
    assert!(probe.version.starts_with(|c: char| c.is_ascii_digit()));
    assert!(probe.user.is_some() && probe.database.is_some());
}

#[test]
fn readers_share_a_snapshot_and_outlive_the_source() {
    let Some(url) = url() else { return };
    psql(&url, "DROP TABLE IF EXISTS rivet_snapshot; CREATE TABLE rivet_snapshot AS SELECT 1 AS id");
    let mut holder = open(&url);
    let snapshot = Some(holder.snapshot(&Context::default()).unwrap());
    psql(&url, "INSERT INTO rivet_snapshot VALUES (2)");
    let mut other = open(&url);
    let shared = ReadRequest { snapshot, ..request("SELECT id FROM rivet_snapshot") };
    assert_eq!(other.count(&shared, &Context::default()).unwrap(), 1);
    assert_eq!(holder.count(&shared, &Context::default()).unwrap(), 1);
    assert_eq!(other.count(&request("TABLE rivet_snapshot"), &Context::default()).unwrap(), 2);
    let mut first = other.read(&shared, &Context::default()).unwrap();
    let mut second = other.read(&shared, &Context::default()).unwrap();
    drop(other);
    for reader in [&mut first, &mut second] {
        assert_eq!(reader.next().unwrap().unwrap().num_rows(), 1);
        assert!(reader.next().unwrap().is_none());
    }
    drop(holder);
    let error = read(&mut open(&url), &shared).unwrap_err();
    assert!(error.to_string().contains("could not join the snapshot"), "{error}");
    assert_eq!(error.code_text(), Some(rivet_plugin_api::Error::SNAPSHOT));
    psql(&url, "DROP TABLE rivet_snapshot");
}

#[test]
fn failures_to_connect_say_why() {
    let Some(url) = url() else { return };
    let connect = |url: &str| Postgres::open(options(url), &Context::default()).map(drop).unwrap_err();
    let refused = connect("postgres://u:canary@127.0.0.1:1/d");
    assert_eq!(refused.category(), Category::Network);
    assert!(refused.to_string().contains("\"127.0.0.1:1\""), "{refused}");
    assert_eq!(connect("postgres://u@no-such-host.invalid/d").category(), Category::Network);
    let (server, _) = url.split_once('?').unwrap_or((&url, ""));
    let (server, _) = server.rsplit_once('/').unwrap();
    let missing = connect(&format!("{server}/no_such_database"));
    assert_eq!((missing.category(), missing.code_text()), (Category::NotFound, Some("3D000")), "{missing}");
}

/// Somebody who accepts and says nothing.
#[test]
fn a_silent_server_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for mode in ["disable", "prefer"] {
        let url = format!("postgres://u@127.0.0.1:{port}/d?sslmode={mode}&connect_timeout=1");
        let started = Instant::now();
        let error = Postgres::open(options(&url), &Context::default()).map(drop).unwrap_err();
        assert_eq!(error.category(), Category::Network, "{error}");
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn fields_say_what_the_table_declares_of_null() {
    let Some(url) = url() else { return };
    psql(
        &url,
        "DROP SCHEMA IF EXISTS rivet_nulls CASCADE; CREATE SCHEMA rivet_nulls; SET search_path = rivet_nulls; \
         CREATE DOMAIN always AS int NOT NULL; \
         CREATE TABLE t (id int PRIMARY KEY, must text NOT NULL, may int[], d always) PARTITION BY RANGE (id); \
         CREATE TABLE p PARTITION OF t DEFAULT; INSERT INTO t VALUES (1, 'x', NULL, 2), (2, 'y', '{3}', 4); \
         CREATE VIEW v AS SELECT * FROM t;",
    );
    let mut source = open(&url);
    let mut check = |columns: &str, table: &str, expected: &[Option<bool>]| {
        let query = format!("SELECT {columns} FROM {table}");
        let range = Filter::Range { column: "id".into(), from: None, to: None, include_null: true };
        for filter in [Filter::All, range] {
            for strategy in STRATEGIES {
                let request = ReadRequest { filter: filter.clone(), strategy, ..request(&query) };
                let schema = read(&mut source, &request).unwrap()[0].schema();
                let said: Vec<_> = schema.fields().iter().map(|f| declared_nullable(f)).collect();
                assert_eq!(said, expected, "{query}");
                assert!(schema.fields().iter().all(|f| f.is_nullable()), "{query}");
            }
        }
        let request = DescribeRequest { query: query.clone(), ..DescribeRequest::default() };
        let described = source.describe(&request, &Context::default()).unwrap().columns;
        let described: Vec<_> = described.iter().map(|c| c.nullable).collect();
        assert_eq!(described, expected.iter().map(|e| e.unwrap_or(true)).collect::<Vec<_>>(), "{query}");
    };
    let (no, yes) = (Some(false), Some(true));
    check("*, id + 1, must || '', 1", "rivet_nulls.t", &[no, no, yes, no, None, None, None]);
    check("may, must AS other, id", "(SELECT * FROM rivet_nulls.t) AS s", &[yes, no, no]);
    check("*", "rivet_nulls.v", &[None; 4]);
    psql(&url, "DROP SCHEMA rivet_nulls CASCADE");
}
