//! The columns that select rows: how users may write their names, and what the query around them must not do, against
//! the server in `RIVET_TEST_POSTGRES_URL`.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow_array::RecordBatch;
use rivet_plugin_api::{
    Bounds, BoundsRequest, Category, Context, CursorValue as V, Error, Filter, ReadRequest, Source, TimeEncoding,
};
use rivet_plugin_postgres::Postgres;

use common::{open, read, request, url};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

fn bounds(source: &mut Postgres, query: &str, column: &str) -> Result<Bounds, Error> {
    let request = BoundsRequest { query: query.into(), column: column.into(), ..BoundsRequest::default() };
    source.bounds(&request, &Context::default())
}

fn filtered(query: &str, filter: Filter) -> ReadRequest {
    ReadRequest { filter, ..request(query) }
}

fn window(column: &str, after: Option<V>) -> Filter {
    Filter::Window { column: column.into(), after, upto: None, include_null: false }
}

fn rows(source: &mut Postgres, request: &ReadRequest) -> usize {
    read(source, request).unwrap().iter().map(RecordBatch::num_rows).sum()
}

#[test]
fn the_name_of_a_key_may_be_quoted_and_of_any_case() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let query = "SELECT * FROM (VALUES (1, 10), (2, 20)) AS v (id, \"userId\")";
    for name in ["userId", "USERID", "\"userId\"", "`userId`"] {
        assert_eq!(bounds(&mut source, query, name).unwrap().max, Some(V::Int(20)), "{name}");
        assert_eq!(rows(&mut source, &filtered(query, window(name, Some(V::Int(10))))), 1, "{name}");
        let ordered = ReadRequest { order_by: vec![name.into()], ..request(query) };
        assert_eq!(rows(&mut source, &ordered), 2, "{name}");
    }
    let both = "SELECT 1 AS \"Id\", 2 AS id";
    assert_eq!(bounds(&mut source, both, "\"Id\"").unwrap().max, Some(V::Int(1)));
    assert_eq!(bounds(&mut source, both, "id").unwrap().max, Some(V::Int(2)));
    let error = bounds(&mut source, both, "ID").unwrap_err();
    assert_eq!(error.category(), Category::Config);
    assert_eq!(error.hint_text(), Some("write the name as the query has it: `Id` or `id`"));
    let error = bounds(&mut source, both, "idd").unwrap_err();
    assert_eq!((error.category(), error.message()), (Category::Config, "the query has no column \"idd\""));
}

#[test]
fn a_window_around_a_limit_is_refused() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let rows_of_three = "SELECT i AS id FROM generate_series(1, 3) AS i ORDER BY i";
    for (limit, word) in [("LIMIT 2", "LIMIT"), ("FETCH FIRST 2 ROWS ONLY", "FETCH FIRST")] {
        let query = format!("{rows_of_three} {limit}");
        let request = filtered(&query, window("id", None));
        for error in [
            read(&mut source, &request).unwrap_err(),
            source.explain(&request, &Context::default()).unwrap_err(),
            source.count(&request, &Context::default()).unwrap_err(),
        ] {
            assert_eq!(error.category(), Category::Config);
            assert!(error.message().starts_with(&format!("the query has a {word}, which an incremental")), "{error}");
            assert!(error.hint_text().is_some());
        }
        // Samples are wanted in other modes.
        let range = Filter::Range { column: "id".into(), from: Some(V::Int(2)), to: None, include_null: false };
        assert_eq!(rows(&mut source, &filtered(&query, range)), 1);
        let since = Filter::Since { column: "id".into(), instant: 2_000_000, encoding: TimeEncoding::Unix };
        assert_eq!(rows(&mut source, &filtered(&query, since)), 1);
        let inner = format!("SELECT * FROM ({query}) AS q");
        assert_eq!(rows(&mut source, &filtered(&inner, window("id", Some(V::Int(1))))), 1);
    }
}
