//! Types and results at the edge of what the server has, on whatever version `RIVET_TEST_POSTGRES_URL` names; its role
//! may create databases and types.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow_array::RecordBatch;
use arrow_cast::display::array_value_to_string;
use rivet_plugin_api::{Category, Mapping, ReadRequest};

use common::{STRATEGIES, open, psql, read, request, url};

mod common;

fn version(url: &str) -> u32 {
    psql(url, "SHOW server_version_num").trim().parse::<u32>().unwrap() / 10_000
}

/// Type and value of `SELECT expression AS v`, by both strategies.
fn cell(url: &str, expression: &str) -> (String, String) {
    let mut source = open(url);
    let cells = STRATEGIES.map(|strategy| {
        let one = ReadRequest { strategy, ..request(&format!("SELECT {expression} AS v")) };
        let batch = read(&mut source, &one).unwrap_or_else(|e| panic!("{expression}: {e}")).remove(0);
        let value = batch.column(0);
        let text = if value.is_null(0) { "NULL".into() } else { array_value_to_string(value, 0).unwrap() };
        (value.data_type().to_string(), text)
    });
    assert_eq!(cells[0], cells[1]);
    cells[0].clone()
}

#[test]
fn rare_types_arrive_as_the_server_prints_them() {
    let Some(url) = url() else { return };
    psql(
        &url,
        "DROP SCHEMA IF EXISTS rivet_edges CASCADE; CREATE SCHEMA rivet_edges; \
         CREATE DOMAIN rivet_edges.a AS numeric(9,2); CREATE DOMAIN rivet_edges.b AS rivet_edges.a NOT NULL; \
         CREATE TYPE rivet_edges.pair AS (x rivet_edges.a, y text[]); \
         CREATE FUNCTION rivet_edges.nothing() RETURNS void LANGUAGE sql AS ''",
    );
    let version = version(&url);
    for (since, expression, expected) in [
        (10, "'1.5'::rivet_edges.b", "1.50"),
        (10, "row(1, '{a,NULL,\"b c\"}')::rivet_edges.pair", "(1.00,\"{a,NULL,\"\"b c\"\"}\")"),
        (10, "rivet_edges.nothing()", "NULL"),
        (10, "pg_sleep(0)", ""),
        (10, "row(1, 'a', NULL)", "(1,a,)"),
        (10, "'c'::refcursor", "c"),
        (10, "'plain'", "plain"),
        (10, "NULL", "NULL"),
        (10, "'x'::\"char\"", "x"),
        (10, "12.5::money", "$12.50"),
        (10, "'-1 year -2 mons +3 days -04:05:06.000007'::interval", "P-1Y-2M3DT-4H-5M-6.000007S"),
        (10, "'empty'::int4range", "empty"),
        (10, "'(,5]'::numrange", "(,5]"),
        (10, "'1 & !2'::tsquery", "'1' & !'2'"),
        (13, "'18446744073709551615'::xid8", "18446744073709551615"),
        (10, "'FFFFFFFF/FFFFFFFF'::pg_lsn", "FFFFFFFF/FFFFFFFF"),
        (14, "'{[1,3),[7,9)}'::int4multirange", "{[1,3),[7,9)}"),
        (14, "'-Infinity'::numeric", "-Infinity"),
        (15, "1234567::numeric(5,-2)", "1234600"),
        (17, "'-infinity'::interval", "-infinity"),
        (10, "'[2:3]={1,2}'::int[]::text", "[2:3]={1,2}"),
    ] {
        if version >= since {
            assert_eq!(cell(&url, expression).1, expected, "{expression}");
        }
    }
    psql(&url, "DROP SCHEMA rivet_edges CASCADE");
}

#[test]
fn extensions_types_are_text_where_they_are_installed() {
    let Some(url) = url() else { return };
    // Before, only a superuser may install them.
    if version(&url) < 13 {
        return;
    }
    for (extension, expression, expected) in
        [("hstore", "'a=>1,b=>NULL'::hstore", "\"a\"=>\"1\", \"b\"=>NULL"), ("ltree", "'a.b'::ltree", "a.b")]
    {
        let known = psql(&url, &format!("SELECT count(*) FROM pg_available_extensions WHERE name = '{extension}'"));
        if known.trim() == "0" {
            continue;
        }
        psql(&url, &format!("CREATE EXTENSION IF NOT EXISTS {extension}"));
        assert_eq!(cell(&url, expression), ("Utf8".into(), expected.into()));
        assert_eq!(cell(&url, &format!("ARRAY[{expression}]")).0, "List(Utf8)");
    }
}

#[test]
fn an_array_that_is_no_list_names_the_way_out() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let query = "SELECT '{{1,2},{3,NULL}}'::int[] AS grid";
    let error = read(&mut source, &request(query)).unwrap_err();
    assert_eq!(error.category(), Category::Data);
    assert!(error.hint_text().is_some_and(|hint| hint.contains("\"grid\": text")), "{:?}", error.hint_text());
    for key in ["_int4", "int4[]", "integer[]"] {
        let mapping = Mapping { types: [(key.to_owned(), "text".to_owned())].into(), ..Mapping::default() };
        let batch = read(&mut source, &ReadRequest { mapping, ..request(query) }).unwrap().remove(0);
        assert_eq!(array_value_to_string(batch.column(0), 0).unwrap(), "{{1,2},{3,NULL}}", "{key}");
    }
}

#[test]
fn rows_may_be_as_wide_and_cells_as_large_as_the_server_allows() {
    let Some(url) = url() else { return };
    let columns: Vec<String> = (0..1600).map(|i| format!("{} AS c{i}", i % 7)).collect();
    let mut source = open(&url);
    for strategy in STRATEGIES {
        let one = ReadRequest { strategy, ..request(&format!("SELECT {}", columns.join(","))) };
        assert_eq!(read(&mut source, &one).unwrap()[0].num_columns(), 1600);
        let mut large =
            ReadRequest { strategy, ..request("SELECT i, repeat('x', 64000000) FROM generate_series(1,3) i") };
        large.batch.bytes = 1 << 20;
        let batches = read(&mut source, &large).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 1, 1]);
    }
    let words = "SELECT 1 AS \"select\", 2 AS \"select\", 3 AS \"\u{e4}\", 4 AS \"a b\", 5 AS \"select_2\"";
    let names: Vec<String> =
        read(&mut source, &request(words)).unwrap()[0].schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["select", "select_3", "\u{e4}", "a b", "select_2"]);
}

#[test]
fn text_that_the_server_never_checked_is_an_error_and_not_altered() {
    let Some(url) = url() else { return };
    psql(&url, "DROP DATABASE IF EXISTS rivet_ascii");
    psql(&url, "CREATE DATABASE rivet_ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    let (server, _) = url.rsplit_once('/').unwrap();
    let mut source = open(&format!("{server}/rivet_ascii"));
    for strategy in STRATEGIES {
        let good = ReadRequest { strategy, ..request("SELECT 'h\u{e9}'::text AS t") };
        let batch = read(&mut source, &good).unwrap().remove(0);
        assert_eq!(array_value_to_string(batch.column(0), 0).unwrap(), "h\u{e9}");
        let bad = ReadRequest { strategy, ..request("SELECT E'h\\xe9'::text AS t") };
        let error = read(&mut source, &bad).unwrap_err();
        assert_eq!(error.category(), Category::Data, "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("SQL_ASCII")), "{error}");
    }
    drop(source);
    psql(&url, "DROP DATABASE rivet_ascii");
}
