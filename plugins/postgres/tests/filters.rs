//! Windows, ranges, numbered rows, bounds and plans, against the server in `RIVET_TEST_POSTGRES_URL`, whose role may
//! create tables and types.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use rivet_plugin_api::{
    Bounds, BoundsRequest, Category, Context, CursorValue as V, Filter, ReadRequest, Source, TimeEncoding,
};
use rivet_plugin_postgres::Postgres;

use common::{STRATEGIES, open, options, psql, read, request, url};

mod common;

/// The ids of the rows, sorted. The id is the first column.
fn ids(batches: &[RecordBatch]) -> Vec<i32> {
    let mut ids: Vec<i32> =
        batches.iter().flat_map(|b| b.column(0).as_primitive::<Int32Type>().values().to_vec()).collect();
    ids.sort_unstable();
    ids
}

fn filtered(source: &mut Postgres, query: &str, filter: Filter) -> Vec<i32> {
    let mut found = STRATEGIES.map(|strategy| {
        let one = ReadRequest { strategy, filter: filter.clone(), ..request(query) };
        ids(&read(source, &one).unwrap_or_else(|e| panic!("{query}: {filter:?}: {e}")))
    });
    assert_eq!(found[0], found[1], "{filter:?}");
    let count = source.count(&ReadRequest { filter, ..request(query) }, &Context::default()).unwrap();
    assert_eq!(count, found[0].len() as u64);
    std::mem::take(&mut found[0])
}

fn window(after: Option<V>, upto: Option<V>, include_null: bool) -> Filter {
    Filter::Window { column: "k".into(), after, upto, include_null }
}

fn range(from: Option<V>, to: Option<V>, include_null: bool) -> Filter {
    Filter::Range { column: "k".into(), from, to, include_null }
}

fn bounds(source: &mut Postgres, query: &str, above: Option<V>) -> Bounds {
    let request = BoundsRequest { query: query.into(), column: "k".into(), above, ..BoundsRequest::default() };
    source.bounds(&request, &Context::default()).unwrap_or_else(|e| panic!("{query}: {e}"))
}

/// Types with keys in the server's order.
const KEYS: [(&str, &[&str]); 26] = [
    ("int2", &["-32768", "0", "32767"]),
    ("int4", &["-2147483648", "7", "2147483647"]),
    ("int8", &["-9223372036854775808", "-1", "9223372036854775807"]),
    ("oid", &["0", "9", "10", "4294967295"]),
    ("numeric", &["-1e30", "1.5", "1.50000000000000000001", "1e30", "NaN"]),
    ("numeric(9,2)", &["-0.01", "0", "9999999.99"]),
    ("float4", &["-0.1", "0.1", "3e38", "NaN"]),
    ("float8", &["-Infinity", "-1e-300", "0.1", "0.30000000000000004", "Infinity"]),
    ("text", &["a", "b"]),
    ("text COLLATE \"C\"", &["", "B", "O'Hara", "\\", "\\'x", "a';--", "a\\b", "é", "ü\"$1"]),
    ("text COLLATE \"en-x-icu\"", &["a", "B", "c"]),
    ("varchar(9)", &["a", "ab", "b"]),
    ("char(3)", &["a", "ab", "abc"]),
    ("name", &["a", "b"]),
    ("rivet_filters.mood", &["so so", "fine", "odd's"]),
    ("rivet_filters.small", &["-1", "8"]),
    ("bytea", &["\\x", "\\x00", "\\x5c27", "\\xff"]),
    ("uuid", &["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("date", &["4714-11-24 BC", "0044-03-15 BC", "1969-12-31", "10000-01-01", "5874897-12-31"]),
    ("timestamp", &["4714-11-24 BC", "1969-12-31 23:59:59.999999", "1970-01-01", "294246-12-31 23:59:59.5"]),
    (
        "timestamptz",
        &[
            "0044-03-15 12:00:00+05 BC",
            "2024-10-27 00:30:00+00",
            "2024-10-27 01:30:00+00",
            "2024-10-27 01:30:00.000001+00",
        ],
    ),
    ("time", &["00:00:00", "12:00:00.5", "24:00:00"]),
    ("interval", &["-1 day", "1 day", "2 mons"]),
    ("inet", &["10.0.0.1", "10.0.0.2"]),
    ("bool", &["f", "t"]),
    ("int[]", &["{}", "{1,2}", "{2}"]),
];

/// Two rows a key, with the ids `2 * place` and `2 * place + 1`, and two rows without one, all shuffled.
fn table(type_name: &str, keys: &[&str]) -> String {
    let literal = |key: &&str| format!("'{}'", key.replace('\'', "''"));
    let keys: Vec<String> = keys.iter().map(literal).chain(["NULL".to_owned()]).collect();
    let rows: Vec<String> = keys.iter().enumerate().map(|(i, key)| format!("({i}, {key}::{type_name})")).collect();
    format!(
        "SELECT v.i * 2 + d AS id, v.k AS k FROM (VALUES {}) AS v (i, k), generate_series(0, 1) AS d ORDER BY md5(v.i::text); -- end",
        rows.join(", ")
    )
}

#[test]
fn windows_and_ranges_of_every_type_make_up_the_whole() {
    let Some(url) = url() else { return };
    psql(
        &url,
        "DROP SCHEMA IF EXISTS rivet_filters CASCADE; CREATE SCHEMA rivet_filters; \
         CREATE TYPE rivet_filters.mood AS ENUM ('so so', 'fine', 'odd''s'); CREATE DOMAIN rivet_filters.small AS int CHECK (value < 9)",
    );
    // Neither the session's zone nor its format of dates may matter.
    let mut foreign = options(&url);
    let odd = "options=-c%20TimeZone%3DEurope/Berlin%20-c%20DateStyle%3DGerman";
    let separator = if url.contains('?') { '&' } else { '?' };
    foreign.url = Some(rivet_plugin_api::SecretString::new(format!("{url}{separator}{odd}")));
    for mut source in [open(&url), Postgres::open(foreign, &Context::default()).unwrap()] {
        for (type_name, keys) in KEYS {
            covers(&mut source, type_name, keys);
        }
    }
    psql(&url, "DROP SCHEMA rivet_filters CASCADE");
}

fn covers(source: &mut Postgres, type_name: &str, keys: &[&str]) {
    let query = table(type_name, keys);
    let count = keys.len();
    let all = |places: std::ops::Range<usize>| (places.start as i32 * 2..places.end as i32 * 2).collect::<Vec<_>>();
    // From the least to the greatest, by the next one above.
    let ends = bounds(source, &query, None);
    let mut found = vec![ends.min.clone().unwrap()];
    while let Some(next) = bounds(source, &query, found.last().cloned()).min {
        found.push(next);
    }
    assert_eq!(found.len(), count, "{type_name}: {found:?}");
    assert_eq!(format!("{:?}", found.last()), format!("{:?}", ends.max), "{type_name}");
    let at = |i: usize| Some(found[i].clone());
    assert_eq!(filtered(source, &query, window(None, None, true)), all(0..count + 1), "{type_name}");
    assert_eq!(filtered(source, &query, range(None, None, false)), all(0..count), "{type_name}");
    for (i, key) in found.iter().enumerate() {
        let upto = filtered(source, &query, window(None, at(i), false));
        assert_eq!(upto, all(0..i + 1), "{type_name}: up to {key:?}");
        let after = filtered(source, &query, window(at(i), at(count - 1), false));
        assert_eq!(after, all(i + 1..count), "{type_name}: after {key:?}");
        let from = filtered(source, &query, range(at(i), None, false));
        assert_eq!(from, all(i..count), "{type_name}: from {key:?}");
        let mut below = filtered(source, &query, range(at(0), at(i), true));
        let nulls = below.split_off(below.len() - 2);
        assert_eq!((below, nulls), (all(0..i), all(count..count + 1)), "{type_name}: below {key:?}");
    }
}

#[test]
fn bounds_beyond_the_type_are_no_overflow() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    for (type_name, keys, below, above) in [
        ("int2", ["-32768", "32767"], V::Int(i64::MIN), V::Int(i64::MAX)),
        ("int8", ["-9223372036854775808", "9223372036854775806"], V::Decimal("-1e30".into()), V::UInt(u64::MAX)),
        ("numeric", ["-1e18", "1e18"], V::Int(i64::MIN), V::UInt(u64::MAX)),
        ("oid", ["0", "4294967295"], V::Int(i64::MIN), V::Int(i64::MAX)),
        ("float8", ["-1e18", "1e18"], V::Int(i64::MIN), V::UInt(u64::MAX)),
        ("date", ["4714-11-24 BC", "5874897-12-31"], V::Date(i32::MIN), V::Date(i32::MAX)),
        ("timestamp", ["4714-11-24 BC", "294246-01-01"], V::Timestamp(i64::MIN), V::Timestamp(i64::MAX)),
        ("timestamptz", ["4714-11-24+00 BC", "294246-01-01+00"], V::Instant(i64::MIN), V::Instant(i64::MAX)),
    ] {
        let query = table(type_name, &keys);
        let whole = range(Some(below.clone()), Some(above.clone()), false);
        assert_eq!(filtered(&mut source, &query, whole), [0, 1, 2, 3], "{type_name}");
        for nothing in [window(Some(above.clone()), None, false), range(None, Some(below), false)] {
            assert_eq!(filtered(&mut source, &query, nothing), Vec::<i32>::new(), "{type_name}");
        }
        assert_eq!(bounds(&mut source, &query, Some(above)).min, None);
    }
    // Only infinity lies beyond the calendar.
    let dates = table("date", &["-infinity", "2024-01-01", "infinity"]).replace("v.k AS k", "v.k AS k, v.k");
    let request = |filter| ReadRequest { filter, columns: Some(vec!["id".into()]), ..request(&dates) };
    for (filter, expected) in [
        (window(Some(V::Date(i32::MAX)), None, false), vec![4, 5]),
        (range(Some(V::Date(i32::MIN)), Some(V::Date(i32::MAX)), false), vec![2, 3]),
        (window(None, Some(V::Date(i32::MIN)), false), vec![0, 1]),
    ] {
        assert_eq!(ids(&read(&mut source, &request(filter)).unwrap()), expected);
    }
}

#[test]
fn bounds_have_the_kind_of_their_column() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let text = |v: &str| V::Text(v.into());
    for (type_name, keys, min, max) in [
        ("int2", ["-32768", "5"], V::Int(-32768), V::Int(5)),
        ("oid", ["9", "4294967295"], V::Int(9), V::Int(4_294_967_295)),
        ("numeric(9,2)", ["-0.1", "2"], V::Decimal("-0.10".into()), V::Decimal("2.00".into())),
        ("float4", ["0.1", "2"], V::Float(0.1_f32.into()), V::Float(2.0)),
        ("varchar(3)", ["a'", "b\\"], text("a'"), text("b\\")),
        ("bytea", ["\\x00", "\\xff"], V::Bytes(vec![0]), V::Bytes(vec![255])),
        ("date", ["1969-12-31", "2024-01-02"], V::Date(-1), V::Date(19_724)),
        ("timestamp", ["1969-12-31 23:59:59.999999", "1970-01-02"], V::Timestamp(-1), V::Timestamp(86_400_000_000)),
        ("timestamptz", ["1970-01-01 02:00+02", "1970-01-01 00:00:01+00"], V::Instant(0), V::Instant(1_000_000)),
    ] {
        let found = bounds(&mut source, &table(type_name, &keys), None);
        assert_eq!((found.min, found.max, found.nulls), (Some(min), Some(max), None), "{type_name}");
    }
    let none = bounds(&mut source, "SELECT 1 AS id, NULL::int AS k", None);
    assert_eq!((none.min, none.max), (None, None));
    for (query, column, category) in [
        ("SELECT 'infinity'::date AS k", "k", Category::Data),
        ("SELECT 1 AS k", "missing", Category::Config),
        ("SELECT '{}'::json AS k", "k", Category::Permanent),
    ] {
        let request = BoundsRequest { query: query.into(), column: column.into(), ..BoundsRequest::default() };
        let error = source.bounds(&request, &Context::default()).unwrap_err();
        assert_eq!(error.category(), category, "{error}");
        assert!(error.hint_text().is_some(), "{error}");
    }
    // The connection is in order after that.
    assert_eq!(read(&mut source, &request("SELECT 1")).unwrap().len(), 1);
}

#[test]
fn a_value_of_another_kind_is_refused() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    for (type_name, key, value) in [
        ("int", "1", V::Text("1".into())),
        ("timestamptz", "2024-01-01", V::Timestamp(0)),
        ("timestamp", "2024-01-01", V::Instant(0)),
        ("text", "1", V::Int(1)),
        ("bytea", "a", V::Text("a".into())),
    ] {
        let filtered = ReadRequest { filter: window(Some(value), None, false), ..request(&table(type_name, &[key])) };
        let error = read(&mut source, &filtered).unwrap_err();
        assert_eq!(error.category(), Category::Config, "{error}");
        assert!(error.message().contains("\"k\"") && error.hint_text().is_some(), "{error}");
    }
    let missing = Filter::Window { column: "missing".into(), after: None, upto: None, include_null: false };
    let error = read(&mut source, &ReadRequest { filter: missing, ..request("SELECT 1 AS k") }).unwrap_err();
    assert_eq!(error.category(), Category::Config, "{error}");
}

#[test]
fn numbered_rows_come_once_though_keys_are_equal() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    // Equal keys, NULL keys, and a column that the server cannot order.
    let query = "SELECT i AS id, nullif(i % 3, 1) AS k, json_build_object('i', i) AS j FROM generate_series(1, 1000) AS i \
                 ORDER BY random()";
    let dense = |from, to| Filter::Dense { order_by: "k".into(), from, to };
    let mut union = Vec::new();
    for from in (0..1100).step_by(90) {
        let part = filtered(&mut source, query, dense(from, from + 90));
        assert_eq!(part.len(), 1000_usize.saturating_sub(from as usize).min(90));
        union.extend(part);
    }
    union.sort_unstable();
    assert!(union.into_iter().eq(1..=1000));
    assert!(filtered(&mut source, query, dense(0, 333)).iter().all(|id| id % 3 == 0));
    assert_eq!(filtered(&mut source, query, dense(5, 5)), Vec::<i32>::new());
    assert_eq!(filtered(&mut source, query, dense(9, 3)), Vec::<i32>::new());
    assert_eq!(filtered(&mut source, query, dense(990, u64::MAX)).len(), 10);
}

#[test]
fn rows_since_an_instant_are_those_at_or_after_it() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let second = 1_704_164_645_000_000;
    for (encoding, type_name, keys, instant, first) in [
        (TimeEncoding::Timestamp, "timestamptz", ["2024-01-02 03:04:04+00", "2024-01-02 05:04:05+02"], second, 2),
        (TimeEncoding::Timestamp, "timestamp", ["2024-01-02 03:04:04.999999", "2024-01-02 03:04:05"], second, 2),
        (TimeEncoding::Timestamp, "date", ["2024-01-02", "2024-01-03"], second, 2),
        (TimeEncoding::Timestamp, "date", ["2024-01-01", "2024-01-02"], 1_704_153_600_000_000, 2),
        (TimeEncoding::Unix, "int8", ["1704164644", "1704164645"], second, 2),
        (TimeEncoding::Unix, "int8", ["1704164645", "1704164646"], second + 1, 2),
        (TimeEncoding::Unix, "numeric", ["1704164645", "1704164645.000001"], second + 1, 2),
        (TimeEncoding::Unix, "float8", ["1704164644.5", "1704164645"], second, 2),
        (TimeEncoding::Unix, "int4", ["-2", "-1"], -1_500_000, 2),
        (TimeEncoding::Unix, "numeric", ["-1.500001", "-1.5"], -1_500_000, 2),
        (TimeEncoding::Timestamp, "date", ["1969-12-31", "1970-01-01"], -1, 2),
    ] {
        let query = table(type_name, &keys);
        let since = Filter::Since { column: "k".into(), instant, encoding };
        assert_eq!(filtered(&mut source, &query, since), [first, first + 1], "{type_name} {keys:?}");
    }
    for (encoding, type_name) in [(TimeEncoding::Unix, "timestamp"), (TimeEncoding::Timestamp, "int8")] {
        let filter = Filter::Since { column: "k".into(), instant: 0, encoding };
        let query = format!("SELECT NULL::{type_name} AS k");
        let error = read(&mut source, &ReadRequest { filter, ..request(&query) }).unwrap_err();
        assert_eq!(error.category(), Category::Config, "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("`time_column_type: unix`")), "{error}");
    }
}

#[test]
fn an_order_is_that_of_the_values_and_not_of_their_text() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let query = "SELECT i AS id, i * interval '1 day' AS k FROM generate_series(1, 20) AS i ORDER BY i DESC";
    let filter = Filter::Range { column: "id".into(), from: Some(V::Int(2)), to: None, include_null: false };
    let ordered = ReadRequest { order_by: vec!["k".into()], filter, ..request(query) };
    let batch = &read(&mut source, &ordered).unwrap()[0];
    assert!(batch.column(0).as_primitive::<Int32Type>().values().iter().copied().eq(2..=20));
    let picked = ReadRequest { columns: Some(vec!["k".into()]), ..ordered };
    assert_eq!(read(&mut source, &picked).unwrap()[0].column(0).as_string::<i32>().value(18), "P20D");
}

#[test]
fn the_plan_shows_scan_and_index() {
    let Some(url) = url() else { return };
    psql(
        &url,
        "DROP TABLE IF EXISTS \"Rivet'plan\"; CREATE TABLE \"Rivet'plan\" AS SELECT i AS id, i % 10 AS k, repeat('x', 100) AS t \
         FROM generate_series(1, 20000) AS i; CREATE INDEX \"by id\" ON \"Rivet'plan\" (id, (k + 1)); ANALYZE \"Rivet'plan\"",
    );
    let mut source = open(&url);
    let query = "SELECT p.id, p.k FROM \"Rivet'plan\" AS p LEFT JOIN (VALUES (1), (2)) AS v (n) ON v.n = p.k; -- ok";
    let whole = source.explain(&request(query), &Context::default()).unwrap();
    assert_eq!((whole.scan.as_deref(), whole.index.as_deref()), (Some("Seq Scan on Rivet'plan"), None));
    assert!(whole.rows.is_some_and(|rows| rows >= 20_000) && whole.cost.is_some_and(|cost| cost > 100.0));
    let filter =
        Filter::Window { column: "id".into(), after: Some(V::Int(5)), upto: Some(V::Int(9)), include_null: false };
    let few = source.explain(&ReadRequest { filter, ..request(query) }, &Context::default()).unwrap();
    assert_eq!(
        (few.index.as_deref(), few.index_columns.join(",").as_str()),
        (Some("by id"), "id,(k + 1)"),
        "{}",
        few.plan
    );
    assert!(few.rows.is_some_and(|rows| rows < 100) && few.plan.contains("Index Cond"), "{}", few.plan);
    assert_eq!(few.scan.as_deref(), Some("Index Scan using by id"));
    assert_eq!((whole.whole, few.whole, whole.table.as_deref()), (Some(true), Some(false), Some("Rivet'plan")));
    assert_eq!((whole.examined, whole.table_rows), (Some(20_000), Some(20_000)), "{whole:?}");
    assert!(whole.table_bytes.is_some_and(|bytes| bytes > 2_000_000) && whole.row_bytes == Some(8), "{whole:?}");
    let limited = source.explain(&request("SELECT * FROM \"Rivet'plan\" LIMIT 100"), &Context::default()).unwrap();
    assert!(limited.examined.is_some_and(|rows| (50..200).contains(&rows)), "{limited:?}");
    let sorted = "SELECT * FROM \"Rivet'plan\" ORDER BY t LIMIT 100";
    let sorted = source.explain(&request(sorted), &Context::default()).unwrap();
    assert_eq!(sorted.examined, Some(20_000), "{sorted:?}");
    let nothing = source.explain(&request("SELECT 1"), &Context::default()).unwrap();
    assert_eq!((nothing.scan, nothing.rows), (None, Some(1)));
    psql(&url, "DROP TABLE \"Rivet'plan\"");
}
