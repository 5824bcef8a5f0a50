//! Arrays as lists, and dates and timestamps that Arrow does not have, against the server in
//! `RIVET_TEST_POSTGRES_URL`, whose role may create types.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::array_value_to_string;
use rivet_plugin_api::{Mapping, ReadRequest};

use common::{STRATEGIES, open, psql, read, request, url};

mod common;

fn mapping(types: &[(&str, &str)], columns: &[(&str, &str)]) -> Mapping {
    let own = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Mapping { types: own(types), columns: own(columns) }
}

/// The only column of `SELECT expression AS v`, by both strategies.
fn column(url: &str, expression: &str, mapping: &Mapping) -> RecordBatch {
    let mut source = open(url);
    let batches = STRATEGIES.map(|strategy| {
        let query = format!("SELECT {expression} AS v");
        let request = ReadRequest { strategy, mapping: mapping.clone(), ..request(&query) };
        read(&mut source, &request).unwrap_or_else(|e| panic!("{expression}: {e}")).remove(0)
    });
    assert_eq!(batches[0], batches[1]);
    batches[0].clone()
}

fn shown(batch: &RecordBatch) -> (String, Vec<String>) {
    let column = batch.column(0);
    let cell = |row| {
        if column.is_null(row) { "NULL".to_owned() } else { array_value_to_string(column, row).unwrap() }
    };
    (column.data_type().to_string(), (0..column.len()).map(cell).collect())
}

#[test]
fn arrays_arrive_as_lists() {
    let Some(url) = url() else { return };
    psql(
        &url,
        "DROP SCHEMA IF EXISTS rivet_lists CASCADE; CREATE SCHEMA rivet_lists; \
         CREATE TYPE rivet_lists.mood AS ENUM ('fine', 'so so'); CREATE DOMAIN rivet_lists.small AS int CHECK (value < 9); \
         CREATE DOMAIN rivet_lists.smaller AS rivet_lists.small; CREATE DOMAIN rivet_lists.price AS numeric(9,2); \
         CREATE TYPE rivet_lists.pair AS (a int, b text); CREATE DOMAIN rivet_lists.row AS int[]",
    );
    let domains_have_arrays = psql(&url, "SHOW server_version_num").trim() >= "110000";
    for (expression, arrow_type, expected) in [
        ("'{1,NULL,-3}'::int[]", "List(Int32)", "[1, , -3]"),
        ("'{}'::int8[]", "List(Int64)", "[]"),
        ("NULL::int2[]", "List(Int16)", "NULL"),
        ("'{NULL}'::bool[]", "List(Boolean)", "[]"),
        ("'{t,f}'::bool[]", "List(Boolean)", "[true, false]"),
        ("'{a,\"\",\"x,\\\"y\",NULL}'::text[]", "List(Utf8)", "[a, , x,\"y, ]"),
        ("'{1.50,NaN}'::numeric(6,2)[]", "List(Utf8)", "[1.50, NaN]"),
        ("'{2024-01-02}'::date[]", "List(Date32)", "[2024-01-02]"),
        ("'{\\\\x00ff}'::bytea[]", "List(Binary)", "[00ff]"),
        ("ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]", "List(Utf8)", "[a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11]"),
        ("ARRAY['{\"a\":1}'::jsonb]", "List(Utf8)", "[{\"a\": 1}]"),
        ("ARRAY[inet '10.0.0.1', NULL, inet '10.0.0.0/8']", "List(Utf8)", "[10.0.0.1, , 10.0.0.0/8]"),
        ("ARRAY[interval '1 day', interval '-2 s']", "List(Utf8)", "[P1D, PT-2S]"),
        ("ARRAY[row(1,'x,\"y')::rivet_lists.pair]", "List(Utf8)", "[(1,\"x,\"\"y\")]"),
        ("'{so so}'::rivet_lists.mood[]", "List(Utf8)", "[so so]"),
        ("'{7}'::rivet_lists.smaller[]", "List(Int32)", "[7]"),
        ("'{7}'::rivet_lists.price[]", "List(Utf8)", "[7.00]"),
        ("'{1,2}'::rivet_lists.row", "List(Int32)", "[1, 2]"),
        ("ARRAY['{1,2}'::rivet_lists.row]", "List(Utf8)", "[{1,2}]"),
        ("'1 2'::int2vector", "Utf8", "1 2"),
    ] {
        if expression.contains("rivet_lists.") && !domains_have_arrays {
            continue;
        }
        let batch = column(&url, expression, &Mapping::default());
        assert_eq!(shown(&batch), (arrow_type.to_owned(), vec![expected.to_owned()]), "{expression}");
    }
    let decimals = mapping(&[("rivet_lists.price", "text"), ("numeric", "decimal")], &[]);
    if domains_have_arrays {
        let batch = column(&url, "'{7}'::rivet_lists.price[]", &decimals);
        assert_eq!(shown(&batch), ("List(Decimal128(9, 2))".to_owned(), vec!["[7.00]".to_owned()]));
    }
    for array in ["{{1,2},{3,4}}", "[0:1]={1,2}", "{}"] {
        let batch = column(&url, &format!("'{array}'::int[]"), &mapping(&[], &[("v", "text")]));
        assert_eq!(shown(&batch), ("Utf8".to_owned(), vec![array.to_owned()]));
    }
    psql(&url, "DROP SCHEMA rivet_lists CASCADE");
}

#[test]
fn lists_keep_their_rows_apart_over_many_batches() {
    let Some(url) = url() else { return };
    let query = "SELECT i, CASE WHEN i % 7 > 0 THEN ARRAY(SELECT CASE WHEN j % 3 > 0 THEN i * j END FROM \
                 generate_series(1, i % 5) AS j) END AS v, array_to_string(CASE WHEN i % 7 > 0 THEN ARRAY(SELECT \
                 CASE WHEN j % 3 > 0 THEN i * j END FROM generate_series(1, i % 5) AS j) END, ', ', '') AS t \
                 FROM generate_series(1, 5000) AS i";
    for strategy in STRATEGIES {
        let mut one = ReadRequest { strategy, ..request(query) };
        one.batch.rows = 333;
        let batches = read(&mut open(&url), &one).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 5000);
        for batch in &batches {
            for row in 0..batch.num_rows() {
                assert_eq!(batch.column(1).is_null(row), batch.column(2).is_null(row));
                let cell = |column: usize| array_value_to_string(batch.column(column), row).unwrap();
                assert_eq!(cell(1).trim_matches(['[', ']']), cell(2));
            }
        }
    }
}

#[test]
fn what_arrow_does_not_have_becomes_null_or_the_last_value_by_override() {
    let Some(url) = url() else { return };
    let dates = "unnest('{-infinity,2024-01-02,infinity}'::date[])";
    let times = "unnest('{-infinity,2024-01-02,294276-12-31,infinity}'::timestamp[])";
    let day = || "2024-01-02".to_owned();
    let null = || "NULL".to_owned();
    let cells = |expression: &str, wish| shown(&column(&url, expression, &mapping(&[], &[("v", wish)]))).1;
    assert_eq!(cells(dates, "null"), [null(), day(), null()]);
    assert_eq!(cells(times, "null"), [null(), "2024-01-02T00:00:00".to_owned(), null(), null()]);
    let numbers = |expression: &str, wish| {
        let data = column(&url, expression, &mapping(&[], &[("v", wish)])).column(0).to_data();
        match data.data_type().primitive_width() {
            Some(4) => data.buffers()[0].typed_data::<i32>().iter().map(|v| i64::from(*v)).collect(),
            _ => data.buffers()[0].typed_data::<i64>().to_vec(),
        }
    };
    let (least, greatest) = (-i64::from(i32::MAX), i64::from(i32::MAX));
    assert_eq!(numbers(dates, "clamp"), [least, 19_724, greatest]);
    let instants = "unnest('{-infinity,2024-01-02+00,294276-12-31,infinity}'::timestamptz[])";
    for expression in [times, instants] {
        assert_eq!(numbers(expression, "clamp"), [-i64::MAX, 1_704_153_600_000_000, i64::MAX, i64::MAX]);
    }
    let listed = mapping(&[("date", "null")], &[]);
    assert_eq!(shown(&column(&url, "'{infinity,2024-01-02}'::date[]", &listed)).1, ["[, 2024-01-02]"]);
}
