//! Windows, ranges, numbered rows, bounds and plans, against the servers in `RIVET_TEST_MYSQL_URL` and
//! `RIVET_TEST_MYSQL_MORE`, whose user may create tables.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use rivet_plugin_api::{
    Bounds, BoundsRequest, Category, Context, CursorValue as V, Filter, ParamValue, Params, ReadRequest, Source,
    TimeEncoding,
};
use rivet_plugin_mysql::Mysql;

use common::{Server, on_each_server, open, read, request, thousand};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

/// The ids of the rows, sorted. The id is the first column.
fn ids(batches: &[RecordBatch]) -> Vec<i32> {
    let mut ids: Vec<i32> =
        batches.iter().flat_map(|b| b.column(0).as_primitive::<Int32Type>().values().to_vec()).collect();
    ids.sort_unstable();
    ids
}

fn filtered(source: &mut Mysql, query: &str, filter: Filter) -> Vec<i32> {
    let one = ReadRequest { filter, ..request(query) };
    let found = ids(&read(source, &one).unwrap_or_else(|e| panic!("{query}: {:?}: {e}", one.filter)));
    assert_eq!(source.count(&one, &Context::default()).unwrap(), found.len() as u64);
    found
}

fn window(after: Option<V>, upto: Option<V>, include_null: bool) -> Filter {
    Filter::Window { column: "k".into(), after, upto, include_null }
}

fn range(from: Option<V>, to: Option<V>, include_null: bool) -> Filter {
    Filter::Range { column: "k".into(), from, to, include_null }
}

fn bounds(source: &mut Mysql, query: &str, above: Option<V>) -> Bounds {
    let request = BoundsRequest { query: query.into(), column: "k".into(), above, ..BoundsRequest::default() };
    source.bounds(&request, &Context::default()).unwrap_or_else(|e| panic!("{query}: {e}"))
}

/// Types with keys in the server's order, and whether an index can hold the whole key.
const KEYS: [(&str, &[&str]); 37] = [
    ("tinyint", &["-128", "0", "127"]),
    ("tinyint unsigned", &["0", "128", "255"]),
    ("smallint unsigned zerofill", &["0", "9", "65535"]),
    ("mediumint", &["-8388608", "0", "8388607"]),
    ("int", &["-2147483648", "7", "2147483647"]),
    ("int unsigned", &["0", "2147483648", "4294967295"]),
    ("bigint", &["-9223372036854775808", "-1", "9223372036854775807"]),
    ("bigint unsigned", &["0", "9223372036854775807", "9223372036854775808", "18446744073709551615"]),
    ("year", &["0", "1901", "1970", "2001", "2155"]),
    ("bit(1)", &["b'0'", "b'1'"]),
    ("bit(64)", &["b'0'", "9223372036854775808", "18446744073709551615"]),
    ("decimal(65,30)", &["-1e30", "1.5", "1.500000000000000000000000000001", "1e30"]),
    ("decimal(9,2) unsigned", &["0", "0.01", "9999999.99"]),
    ("float", &["-3.4e38", "-0.1", "0.1", "0.3", "16777215", "16777216", "3e38"]),
    ("float(7,4)", &["-0.1", "0.1234", "999.9999"]),
    ("double", &["-1e300", "-1e-300", "0.1", "0.30000000000000004", "1.7976931348623157e308"]),
    ("varchar(9)", &["''", "'a'", "'b'", "'ü''\"\\\\'"]),
    ("varchar(9) collate utf8mb4_bin", &["''", "'B'", "'O''Hara'", "'a'';--'", "'a\\\\b'", "'é'", "'🎉'"]),
    ("varchar(9) character set latin1", &["'a'", "'B'", "'c'", "'ÿ'"]),
    ("varchar(9) character set gbk collate gbk_bin", &["'a'", "'文'", "'中'"]),
    ("varchar(9) character set utf8 collate utf8_bin", &["'a'", "'é'"]),
    ("char(3)", &["'a'", "'ab'", "'abc'"]),
    ("text", &["'a'", "'b'"]),
    ("enum('so so','fine','odd''s','')", &["''", "'fine'", "'odd''s'", "'so so'"]),
    ("set('b','a','c')", &["''", "'a'", "'b'", "'b,a'", "'c'"]),
    ("binary(3)", &["x''", "x'00ff'", "x'5c27'", "x'ff'"]),
    ("varbinary(9)", &["x''", "x'00'", "x'5c27'", "x'ff'"]),
    ("blob", &["x'00'", "x'ff'"]),
    ("date", &["'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"]),
    ("datetime", &["'1000-01-01'", "'1969-12-31 23:59:59'", "'9999-12-31 23:59:59'"]),
    ("datetime(6)", &["'1000-01-01'", "'2024-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"]),
    ("datetime(3)", &["'2024-01-01'", "'2024-01-01 00:00:00.001'"]),
    ("timestamp", &["'1970-01-02 03:04:05'", "'2024-10-27 00:30:00'", "'2024-10-27 01:30:00'"]),
    ("timestamp(6)", &["'1970-01-01 00:00:01'", "'2024-03-31 01:30:00.5'", "'2038-01-19 03:14:07.999999'"]),
    ("time(6)", &["'-838:59:59'", "'-00:00:00.000001'", "'00:00:00'", "'100:00:00.5'", "'838:59:59'"]),
    ("time", &["'-1:00:00'", "'00:00:01'"]),
    ("char(3) character set utf8mb4 collate utf8mb4_unicode_ci", &["'a'", "'B'", "'c'"]),
];

/// Fills the table `rivet_NAME`: two rows a key, with the ids `2 * place` and `2 * place + 1`, and two without one.
fn table(server: &Server, name: &str, type_name: &str, keys: &[&str]) -> String {
    let name = format!("rivet_{name}");
    let keys: Vec<&str> = keys.iter().copied().chain(["NULL"]).collect();
    let mut rows: Vec<String> = keys.iter().enumerate().map(|(i, key)| format!("({}, {key})", i * 2 + 1)).collect();
    rows.extend(keys.iter().enumerate().rev().map(|(i, key)| format!("({}, {key})", i * 2)));
    // An index where the type can have a whole one: a bound must mean the same with and without.
    let index = if ["text", "blob"].contains(&type_name) { "" } else { ", INDEX (k)" };
    let sql_mode = "SET sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00';";
    server.client(&format!(
        "{sql_mode} DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (id INT, k {type_name} NULL{index}) CHARSET utf8mb4; \
         INSERT INTO {name} VALUES {}",
        rows.join(", ")
    ));
    format!("SELECT id, k FROM {name}; -- end")
}

#[test]
fn windows_and_ranges_of_every_type_make_up_the_whole() {
    on_each_server(|server| {
        let more: &[(&str, &[&str])] = if server.is_mariadb {
            &[
                ("uuid", &["'00000000-0000-0000-0000-000000000000'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
                ("inet4", &["'9.0.0.1'", "'10.0.0.2'"]),
                ("inet6", &["'::1'", "'2001:db8::ff00:42:8329'"]),
                ("json", &["'\"a\"'", "'{}'"]),
            ]
        } else if server.is_old() {
            &[]
        } else {
            &[("varchar(9) collate utf8mb4_0900_as_cs", &["'a'", "'A'", "'b'"])]
        };
        // Neither the modes nor the zone of the server may matter, to keys and to the values of a query.
        for mut source in [server.open(), in_odd_modes(server)] {
            for (type_name, keys) in KEYS.iter().chain(more) {
                let query = table(server, "key", type_name, keys);
                covers(&mut source, &query, type_name, keys.len());
            }
            for text in ["\\", "\\' or ''='", "it's", "\"`\n\0\u{1a}\u{bf}'"] {
                let params = Params::from([("value".to_owned(), ParamValue::Text(text.to_owned()))]);
                let named = ReadRequest { params, ..request("select :value as v, 'a\"b' as w") };
                let batches = read(&mut source, &named).unwrap();
                assert_eq!(batches[0].column(0).as_string::<i32>().value(0), text);
            }
        }
        server.client("DROP TABLE rivet_key");
    });
}

/// A session that begins in other modes and another zone: the server sets them for users without power over it.
fn in_odd_modes(server: &Server) -> Mysql {
    let password = "S3CR3T-CANARY-modes";
    let create = if server.is_old() { "GRANT USAGE ON *.* TO" } else { "CREATE USER IF NOT EXISTS" };
    server.client(&format!(
        "{create} rivet_modes@'%' IDENTIFIED BY '{password}'; GRANT SELECT ON *.* TO rivet_modes@'%'; \
         SET GLOBAL init_connect = \"SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', time_zone = '-05:00'\""
    ));
    let address = server.url.rsplit_once('@').unwrap().1;
    let mut source = open(&format!("mysql://rivet_modes:{password}@{address}"));
    let modes = read(&mut source, &request("SELECT @@sql_mode")).unwrap();
    assert!(modes[0].column(0).as_string::<i32>().value(0).contains("ANSI_QUOTES"));
    server.client("SET GLOBAL init_connect = ''; DROP USER rivet_modes@'%'");
    source
}

fn covers(source: &mut Mysql, query: &str, type_name: &str, count: usize) {
    let all = |places: std::ops::Range<usize>| (places.start as i32 * 2..places.end as i32 * 2).collect::<Vec<_>>();
    // From the least to the greatest, by the next one above.
    let ends = bounds(source, query, None);
    let mut found = vec![ends.min.clone().unwrap()];
    while let Some(next) = bounds(source, query, found.last().cloned()).min {
        found.push(next);
        assert!(found.len() <= count, "{type_name}: {found:?}");
    }
    assert_eq!(found.len(), count, "{type_name}: {found:?}");
    assert_eq!(found.last(), ends.max.as_ref(), "{type_name}");
    let at = |i: usize| Some(found[i].clone());
    assert_eq!(filtered(source, query, window(None, None, true)), all(0..count + 1), "{type_name}");
    assert_eq!(filtered(source, query, range(None, None, false)), all(0..count), "{type_name}");
    for (i, key) in found.iter().enumerate() {
        let upto = filtered(source, query, window(None, at(i), false));
        assert_eq!(upto, all(0..i + 1), "{type_name}: up to {key:?}");
        let after = filtered(source, query, window(at(i), at(count - 1), false));
        assert_eq!(after, all(i + 1..count), "{type_name}: after {key:?}");
        let from = filtered(source, query, range(at(i), None, false));
        assert_eq!(from, all(i..count), "{type_name}: from {key:?}");
        let mut below = filtered(source, query, range(at(0), at(i), true));
        let nulls = below.split_off(below.len() - 2);
        assert_eq!((below, nulls), (all(0..i), all(count..count + 1)), "{type_name}: below {key:?}");
    }
    let ordered = ReadRequest { order_by: vec!["k".into()], ..request(query) };
    let batches = read(source, &ordered).unwrap();
    let places: Vec<i32> = batches[0].column(0).as_primitive::<Int32Type>().values().iter().map(|id| id / 2).collect();
    assert!(places[2..].is_sorted() && places[0] == count as i32, "{type_name}: ordered as {places:?}");
}

#[test]
fn bounds_beyond_the_type_are_no_overflow() {
    on_each_server(|server| {
        let mut source = server.open();
        for (type_name, keys, below, above) in [
            ("tinyint", ["-128", "127"], V::Int(i64::MIN), V::Int(i64::MAX)),
            ("tinyint unsigned", ["0", "255"], V::Int(-1), V::UInt(u64::MAX)),
            (
                "bigint",
                ["-9223372036854775808", "9223372036854775807"],
                V::Decimal("-9999999999999999999999".into()),
                V::UInt(u64::MAX),
            ),
            ("bigint unsigned", ["0", "18446744073709551614"], V::Int(i64::MIN), V::UInt(u64::MAX)),
            ("decimal(30,2)", ["-1e18", "1e18"], V::Int(i64::MIN), V::UInt(u64::MAX)),
            ("double", ["-1e18", "1e18"], V::Int(i64::MIN), V::UInt(u64::MAX)),
            ("float", ["-1e18", "1e18"], V::Float(-1e300), V::Float(1e300)),
            ("date", ["'0000-01-01'", "'9999-12-31'"], V::Date(i32::MIN), V::Date(i32::MAX)),
            ("datetime(6)", ["'0000-01-01'", "'9999-12-31'"], V::Timestamp(i64::MIN), V::Timestamp(i64::MAX)),
            ("timestamp", ["'1970-01-01 00:00:01'", "'2038-01-19'"], V::Instant(i64::MIN), V::Instant(i64::MAX)),
            // Within the calendar, and beyond the type.
            ("timestamp", ["'1970-01-01 00:00:01'", "'2038-01-19'"], V::Instant(-1), V::Instant(6_000_000_000_000_000)),
        ] {
            let query = table(server, "beyond", type_name, &keys);
            let whole = range(Some(below.clone()), Some(above.clone()), false);
            assert_eq!(filtered(&mut source, &query, whole), [0, 1, 2, 3], "{type_name}");
            for nothing in [window(Some(above.clone()), None, false), range(None, Some(below), false)] {
                assert_eq!(filtered(&mut source, &query, nothing), Vec::<i32>::new(), "{type_name}");
            }
            assert_eq!(bounds(&mut source, &query, Some(above)).min, None, "{type_name}");
        }
        server.client("DROP TABLE rivet_beyond");
    });
}

#[test]
fn bounds_have_the_kind_of_their_column() {
    on_each_server(|server| {
        let mut source = server.open();
        let text = |v: &str| V::Text(v.into());
        for (type_name, keys, min, max) in [
            ("smallint", ["-32768", "5"], V::Int(-32768), V::Int(5)),
            ("bigint unsigned", ["9", "18446744073709551615"], V::UInt(9), V::UInt(u64::MAX)),
            ("decimal(9,2)", ["-0.1", "2"], V::Decimal("-0.10".into()), V::Decimal("2.00".into())),
            ("float", ["0.1", "2"], V::Float(0.1_f32.into()), V::Float(2.0)),
            ("varchar(3)", ["'a'''", "'b\\\\'"], text("a'"), text("b\\")),
            ("varbinary(3)", ["x'00'", "x'ff'"], V::Bytes(vec![0]), V::Bytes(vec![255])),
            ("date", ["'1969-12-31'", "'2024-01-02'"], V::Date(-1), V::Date(19_724)),
            (
                "datetime(6)",
                ["'1969-12-31 23:59:59.999999'", "'1970-01-02'"],
                V::Timestamp(-1),
                V::Timestamp(86_400_000_000),
            ),
            (
                "timestamp",
                ["'1970-01-01 00:00:01'", "'1970-01-01 00:00:02'"],
                V::Instant(1_000_000),
                V::Instant(2_000_000),
            ),
        ] {
            let query = table(server, "kind", type_name, &keys);
            let found = bounds(&mut source, &query, None);
            assert_eq!((found.min, found.max, found.nulls), (Some(min), Some(max), None), "{type_name}");
        }
        let none = bounds(&mut source, "SELECT 1 AS id, NULL AS k", None);
        assert_eq!((none.min, none.max), (None, None));
        server.client("SET sql_mode = ''; DROP TABLE IF EXISTS rivet_kind; CREATE TABLE rivet_kind (k DATE); INSERT INTO rivet_kind VALUES ('0000-00-00')");
        for (query, column, category) in [
            ("SELECT k FROM rivet_kind", "k", Category::Data),
            ("SELECT 1 AS k", "missing", Category::Config),
            ("SELECT POINT(1, 2) AS k", "k", Category::Config),
        ] {
            let request = BoundsRequest { query: query.into(), column: column.into(), ..BoundsRequest::default() };
            let error = source.bounds(&request, &Context::default()).unwrap_err();
            assert_eq!(error.category(), category, "{error}");
            assert!(error.hint_text().is_some(), "{error}");
        }
        // The connection is in order after that.
        assert_eq!(read(&mut source, &request("SELECT 1")).unwrap().len(), 1);
        server.client("DROP TABLE rivet_kind");
    });
}

#[test]
fn a_value_of_another_kind_is_refused() {
    on_each_server(|server| {
        let mut source = server.open();
        for (expression, value) in [
            ("1", V::Text("1".into())),
            ("CAST('2024-01-01' AS DATETIME)", V::Instant(0)),
            ("CAST(1 AS DECIMAL(9,2))", V::Decimal("1 or 1=1".into())),
            ("CAST('1:00' AS TIME)", V::Text("1' or '1".into())),
            ("1e0", V::Float(f64::INFINITY)),
            ("'a'", V::Int(1)),
            ("x'00'", V::Text("a".into())),
        ] {
            let query = format!("SELECT {expression} AS k");
            let filtered = ReadRequest { filter: window(Some(value), None, false), ..request(&query) };
            let error = read(&mut source, &filtered).unwrap_err();
            assert_eq!(error.category(), Category::Config, "{error}");
            assert!(error.message().contains("\"k\"") && error.hint_text().is_some(), "{error}");
        }
        let missing = Filter::Window { column: "missing".into(), after: None, upto: None, include_null: false };
        let error = read(&mut source, &ReadRequest { filter: missing, ..request("SELECT 1 AS k") }).unwrap_err();
        assert_eq!(error.category(), Category::Config, "{error}");
    });
}

#[test]
fn numbered_rows_come_once_though_keys_are_equal() {
    on_each_server(|server| {
        let mut source = server.open();
        // Equal keys, NULL keys, floating point numbers that print alike, and a column that the server cannot order.
        let query = format!(
            "SELECT CAST(i + 1 AS SIGNED) * 1 AS id, NULLIF(i % 3, 1) AS k, 1e0 + i / 1e12 AS f, POINT(i, 1) AS p FROM {} \
             ORDER BY RAND()",
            thousand("n")
        );
        server.client(&format!("DROP TABLE IF EXISTS rivet_dense; CREATE TABLE rivet_dense (id INT, k INT, f DOUBLE, p POINT) SELECT * FROM ({query}) AS q"));
        let query = "SELECT id, k, f, p FROM rivet_dense ORDER BY RAND()";
        let dense = |from, to| Filter::Dense { order_by: "k".into(), from, to };
        let mut union = Vec::new();
        for from in (0..1100).step_by(90) {
            let part = filtered(&mut source, query, dense(from, from + 90));
            assert_eq!(part.len(), 1000_usize.saturating_sub(from as usize).min(90));
            union.extend(part);
        }
        union.sort_unstable();
        assert!(union.into_iter().eq(1..=1000));
        assert_eq!(filtered(&mut source, query, dense(5, 5)), Vec::<i32>::new());
        assert_eq!(filtered(&mut source, query, dense(9, 3)), Vec::<i32>::new());
        assert_eq!(filtered(&mut source, query, dense(990, u64::MAX)).len(), 10);
        server.client("DROP TABLE rivet_dense");
    });
}

#[test]
fn rows_since_an_instant_are_those_at_or_after_it() {
    on_each_server(|server| {
        let mut source = server.open();
        let second = 1_704_164_645_000_000;
        for (encoding, type_name, keys, instant) in [
            (TimeEncoding::Timestamp, "timestamp", ["'2024-01-02 03:04:04'", "'2024-01-02 03:04:05'"], second),
            (
                TimeEncoding::Timestamp,
                "timestamp(6)",
                ["'2024-01-02 03:04:05'", "'2024-01-02 03:04:05.000001'"],
                second + 1,
            ),
            (TimeEncoding::Timestamp, "datetime(6)", ["'2024-01-02 03:04:04.999999'", "'2024-01-02 03:04:05'"], second),
            (TimeEncoding::Timestamp, "date", ["'2024-01-02'", "'2024-01-03'"], second),
            (TimeEncoding::Timestamp, "date", ["'2024-01-01'", "'2024-01-02'"], 1_704_153_600_000_000),
            (TimeEncoding::Timestamp, "date", ["'1969-12-31'", "'1970-01-01'"], -1),
            (TimeEncoding::Unix, "bigint", ["1704164644", "1704164645"], second),
            (TimeEncoding::Unix, "bigint unsigned", ["1704164645", "1704164646"], second + 1),
            (TimeEncoding::Unix, "decimal(20,6)", ["1704164645", "1704164645.000001"], second + 1),
            (TimeEncoding::Unix, "double", ["1704164644.5", "1704164645"], second),
            (TimeEncoding::Unix, "int", ["-2", "-1"], -1_500_000),
            (TimeEncoding::Unix, "decimal(20,6)", ["-1.500001", "-1.5"], -1_500_000),
        ] {
            let query = table(server, "since", type_name, &keys);
            let since = Filter::Since { column: "k".into(), instant, encoding };
            assert_eq!(filtered(&mut source, &query, since), [2, 3], "{type_name} {keys:?}");
        }
        for (encoding, type_name) in [(TimeEncoding::Unix, "datetime"), (TimeEncoding::Timestamp, "bigint")] {
            let filter = Filter::Since { column: "k".into(), instant: 0, encoding };
            let query = table(server, "since", type_name, &[]);
            let error = read(&mut source, &ReadRequest { filter, ..request(&query) }).unwrap_err();
            assert_eq!(error.category(), Category::Config, "{error}");
        }
        server.client("DROP TABLE rivet_since");
    });
}

#[test]
fn the_plan_shows_scan_and_index() {
    on_each_server(|server| {
        server.client(&format!(
            "DROP TABLE IF EXISTS `Rivet'plan`; CREATE TABLE `Rivet'plan` (id INT, k INT, t VARCHAR(100)); \
             INSERT INTO `Rivet'plan` SELECT a.i * 20 + b.i, b.i, REPEAT('x', 100) FROM {}, {} WHERE b.i < 20; \
             CREATE INDEX `by id` ON `Rivet'plan` (id, k); ANALYZE TABLE `Rivet'plan`",
            thousand("a"),
            thousand("b")
        ));
        let mut source = server.open();
        let query = "SELECT p.id, p.k, p.t FROM `Rivet'plan` AS p; -- ok";
        let whole = source.explain(&request(query), &Context::default()).unwrap();
        assert_eq!((whole.scan.as_deref(), whole.index.as_deref()), (Some("full scan on p"), None), "{}", whole.plan);
        assert!(whole.rows.is_some_and(|rows| (10_000..40_000).contains(&rows)), "{whole:?}");
        // The alias leads to the table.
        assert_eq!(whole.table.as_deref(), Some("Rivet'plan"), "{whole:?}");
        assert!(whole.table_bytes.is_some_and(|bytes| bytes > 1_000_000), "{whole:?}");
        assert!(whole.row_bytes.is_some_and(|bytes| (80..400).contains(&bytes)), "{whole:?}");
        assert_eq!((whole.whole, whole.examined), (Some(true), whole.rows), "{whole:?}");
        // A derived table of the old server is always made whole.
        if !server.is_old() {
            let filter = Filter::Window {
                column: "id".into(),
                after: Some(V::Int(5)),
                upto: Some(V::Int(9)),
                include_null: false,
            };
            let few = source.explain(&ReadRequest { filter, ..request(query) }, &Context::default()).unwrap();
            assert_eq!(
                (few.index.as_deref(), few.index_columns.first().map(String::as_str)),
                (Some("by id"), Some("id")),
                "{}",
                few.plan
            );
            assert!(few.rows.is_some_and(|rows| rows < 100), "{few:?}");
            assert_eq!(few.scan.as_deref(), Some("index range scan using by id"));
        }
        let nothing = source.explain(&request("SELECT 1"), &Context::default()).unwrap();
        assert_eq!((nothing.scan, nothing.rows), (None, Some(1)));
        let error = source.explain(&request("SELECT * FROM no_such_table"), &Context::default()).unwrap_err();
        assert_eq!(error.category(), Category::Permanent, "{error}");
        server.client("DROP TABLE `Rivet'plan`");
    });
}
