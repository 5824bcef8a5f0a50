//! The columns that select rows: how users may write their names, and what the query around them must not do, against
//! the servers in `RIVET_TEST_MYSQL_URL` and `RIVET_TEST_MYSQL_MORE`.

#![expect(clippy::unwrap_used, reason = "tests")]

use arrow_array::RecordBatch;
use rivet_plugin_api::{
    Bounds, BoundsRequest, Category, Context, CursorValue as V, Error, Filter, ReadRequest, Source, TimeEncoding,
};
use rivet_plugin_mysql::Mysql;

use common::{on_each_server, read, request};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

const QUERY: &str = "SELECT * FROM (SELECT 1 AS id, 10 AS `userId` UNION ALL SELECT 2, 20) AS t ORDER BY id";

fn bounds(source: &mut Mysql, query: &str, column: &str) -> Result<Bounds, Error> {
    let request = BoundsRequest { query: query.into(), column: column.into(), ..BoundsRequest::default() };
    source.bounds(&request, &Context::default())
}

fn filtered(query: &str, filter: Filter) -> ReadRequest {
    ReadRequest { filter, ..request(query) }
}

fn window(column: &str, after: Option<V>) -> Filter {
    Filter::Window { column: column.into(), after, upto: None, include_null: false }
}

fn rows(source: &mut Mysql, request: &ReadRequest) -> usize {
    read(source, request).unwrap().iter().map(RecordBatch::num_rows).sum()
}

#[test]
fn the_name_of_a_key_may_be_quoted_and_of_any_case() {
    on_each_server(|server| {
        let mut source = server.open();
        for name in ["userId", "USERID", "`userId`", "`userid`", "\"userId\""] {
            assert_eq!(bounds(&mut source, QUERY, name).unwrap().max, Some(V::Int(20)), "{name}");
            assert_eq!(rows(&mut source, &filtered(QUERY, window(name, Some(V::Int(10))))), 1, "{name}");
            let ordered = ReadRequest { order_by: vec![name.into()], ..request(QUERY) };
            assert_eq!(rows(&mut source, &ordered), 2, "{name}");
        }
        let error = bounds(&mut source, QUERY, "`idd`").unwrap_err();
        assert_eq!((error.category(), error.message()), (Category::Config, "the query has no column \"`idd`\""));
        assert_eq!(error.hint_text(), Some("did you mean `id`?"));
    });
}

#[test]
fn a_window_around_a_limit_is_refused() {
    on_each_server(|server| {
        let mut source = server.open();
        let query = format!("{QUERY} LIMIT 1");
        let request = filtered(&query, window("id", None));
        for error in [
            read(&mut source, &request).unwrap_err(),
            source.explain(&request, &Context::default()).unwrap_err(),
            source.count(&request, &Context::default()).unwrap_err(),
        ] {
            assert_eq!(error.category(), Category::Config);
            assert!(error.message().starts_with("the query has a LIMIT, which an incremental"), "{error}");
            assert_eq!(error.hint_text(), Some("remove the LIMIT, or use `mode: full`"));
        }
        // Samples are wanted in other modes.
        let range = Filter::Range { column: "id".into(), from: Some(V::Int(1)), to: None, include_null: false };
        assert_eq!(rows(&mut source, &filtered(&query, range)), 1);
        let since = Filter::Since { column: "id".into(), instant: 1_000_000, encoding: TimeEncoding::Unix };
        assert_eq!(rows(&mut source, &filtered(&query, since)), 1);
        let inner = format!("SELECT * FROM ({query}) AS q");
        assert_eq!(rows(&mut source, &filtered(&inner, window("id", Some(V::Int(0))))), 1);
    });
}
