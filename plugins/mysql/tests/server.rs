//! Queries, batches and failures to connect, against the server in `RIVET_TEST_MYSQL_URL`, whose user may create
//! tables.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_cast::display::array_value_to_string;
use rivet_plugin_api::{BatchSize, Category, Context, DescribeRequest, Filter, ReadRequest, Source, declared_nullable};
use rivet_plugin_mysql::Mysql;

use cells::first_row;
use common::{client, on_each_server, open, options, read, request, thousand};

#[path = "common/cells.rs"]
mod cells;
mod common;

#[test]
fn tables_may_be_wide_and_hide_columns() {
    on_each_server(|server| {
        let columns: Vec<String> = (0..1017).map(|i| format!("c{i} TINYINT")).collect();
        server.client(&format!(
            "DROP TABLE IF EXISTS rivet_wide; CREATE TABLE rivet_wide ({}); \
             INSERT INTO rivet_wide (c0, c1016) VALUES (1, 2)",
            columns.join(", ")
        ));
        let mut source = server.open();
        let row = first_row(&read(&mut source, &request("SELECT * FROM rivet_wide")).unwrap()[0]);
        assert_eq!((row.len(), row[0].as_deref(), row[1].as_deref()), (1017, Some("1"), None));
        assert_eq!(row[1016].as_deref(), Some("2"));
        server.client("DROP TABLE rivet_wide");
        if server.is_old() {
            server.skip("generated and invisible columns");
            return;
        }
        server.client(
            "DROP TABLE IF EXISTS rivet_hidden; \
             CREATE TABLE rivet_hidden (a INT, b INT AS (a + 1), c INT DEFAULT 7 INVISIBLE); \
             INSERT INTO rivet_hidden (a) VALUES (1)",
        );
        let row = first_row(&read(&mut source, &request("SELECT * FROM rivet_hidden")).unwrap()[0]);
        assert_eq!(row, [Some("1".into()), Some("2".into())]);
        let row = first_row(&read(&mut source, &request("SELECT c, b FROM rivet_hidden")).unwrap()[0]);
        assert_eq!(row, [Some("7".into()), Some("2".into())]);
        server.client("DROP TABLE rivet_hidden");
    });
}

#[test]
fn queries_may_be_written_as_people_write_them() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        for query in [
            "SELECT 1 AS a, 'x' AS b;",
            "SELECT 1 AS a, 'x' AS b -- done;",
            "SELECT 1 AS a, 'x' AS b # done;",
            "/* ; */ WITH x AS (SELECT 1 AS a) SELECT a, \"x\" AS `b;` FROM x ; -- ok\n",
            "VALUES (1, 'x')",
            "SELECT 1 AS a, 'x' AS a",
            "SELECT 1 AS `Or``der é`, 'x' AS ``",
            "SELECT 1, 'x' LIMIT 1",
            "(SELECT 1, 'x') UNION ALL (SELECT 2, NULL LIMIT 0)",
        ] {
            let is_new = query.contains("WITH") || query.starts_with("VALUES");
            if server.is_old() && is_new || !server.is_mariadb && query.starts_with("VALUES") {
                server.skip(query);
                continue;
            }
            let batches = read(&mut source, &request(query)).unwrap_or_else(|e| panic!("{query}: {e}"));
            assert_eq!(first_row(&batches[0]), [Some("1".into()), Some("x".into())], "{query}");
            match source.count(&request(query), &Context::default()) {
                Ok(count) => assert_eq!(count, 1, "{query}"),
                // Without names of ours, equal or empty ones cannot be columns of a subquery.
                Err(e) => {
                    assert!(server.is_old() && [Some("1060"), Some("1166")].contains(&e.code_text()), "{query}: {e}");
                }
            }
        }
        for (query, category) in [
            ("SELECT 1; SELECT 2", Category::Config),
            ("", Category::Config),
            ("DO 1", Category::Config),
            ("SELECT ?", Category::Config),
            ("SELECT * FROM no_such_table", Category::Permanent),
            ("SELECT FROM", Category::Permanent),
        ] {
            let error = read(&mut source, &request(query)).unwrap_err();
            assert_eq!(error.category(), category, "{query}: {error}");
        }
        client(
            url,
            "DROP TABLE IF EXISTS rivet_written; CREATE TABLE rivet_written (id INT); INSERT INTO rivet_written VALUES (1)",
        );
        let error = read(&mut source, &request("INSERT INTO rivet_written VALUES (2) RETURNING id")).unwrap_err();
        assert_eq!(error.category(), Category::Permanent, "{error}");
        // The connection survives all of that.
        assert_eq!(source.count(&request("SELECT * FROM rivet_written"), &Context::default()).unwrap(), 1);
        client(url, "DROP TABLE rivet_written");
    });
}

#[test]
fn columns_are_named_once_picked_and_ordered() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        if server.is_old() {
            server.skip("it cannot rename equal columns");
            return;
        }
        let query = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i AS a, -i AS a, i * 10 AS b FROM n";
        let batch = &read(&mut source, &request(query)).unwrap()[0];
        let names: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, ["a", "a_2", "b"]);
        let picked =
            ReadRequest { columns: Some(vec!["b".into(), "a".into()]), order_by: vec!["a_2".into()], ..request(query) };
        let batch = &read(&mut source, &picked).unwrap()[0];
        assert_eq!(first_row(batch), [Some("30".into()), Some("3".into())]);
        let unknown = ReadRequest { columns: Some(vec!["z".into()]), ..request(query) };
        assert_eq!(read(&mut source, &unknown).unwrap_err().category(), Category::Config);
    });
}

#[test]
fn batches_keep_to_rows_and_bytes() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        let query = format!(
            "SELECT i, REPEAT('x', i % 1000) AS t, CAST(NULL AS DECIMAL(5,2)) AS n \
         FROM (SELECT a.i + 1000 * b.i + 1 AS i FROM {}, {} WHERE b.i < 18) AS m",
            thousand("a"),
            thousand("b")
        );
        for (rows, bytes) in [(700, 1 << 30), (100_000, 256 << 10), (1, 1 << 20), (18_000, 1 << 30)] {
            let total = if rows == 1 { 300 } else { 18_000 };
            let query = format!("{query} ORDER BY i LIMIT {total}");
            let batches =
                read(&mut source, &ReadRequest { batch: BatchSize { rows, bytes }, ..request(&query) }).unwrap();
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), total);
            assert!(batches.iter().all(|b| b.num_rows() <= rows));
            if rows <= 700 {
                assert_eq!(batches.len(), total.div_ceil(rows));
            } else if bytes == 256 << 10 {
                assert!((25..60).contains(&batches.len()), "{} batches", batches.len());
            }
            let ids =
                batches.iter().flat_map(|b| (0..b.num_rows()).map(|r| array_value_to_string(b.column(0), r).unwrap()));
            assert!(ids.eq((1..=total).map(|i| i.to_string())));
        }
        assert!(read(&mut source, &request("SELECT 1 AS a FROM DUAL WHERE false")).unwrap().is_empty());
    });
}

#[test]
fn cells_of_several_packets_and_many_columns_arrive() {
    on_each_server(|server| {
        let url = &server.url;
        client(url, "SET GLOBAL max_allowed_packet = 134217728");
        let mut source = open(url);
        for length in [16_777_100_usize, 16_777_215, 33_554_500, 67_108_864] {
            let query =
                format!("SELECT REPEAT('x', n.i) AS t, 7 AS seven FROM (SELECT {length} AS i UNION ALL SELECT 1) AS n");
            let batches = read(&mut source, &request(&query)).unwrap();
            assert_eq!(batches[0].column(0).as_string::<i32>().value(0).len(), length);
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
        }
        let wide: Vec<String> =
            (0..1600).map(|i| if i % 3 == 0 { format!("NULL AS c{i}") } else { format!("{i} AS c{i}") }).collect();
        let batches = read(&mut source, &request(&format!("SELECT {}", wide.join(", ")))).unwrap();
        assert_eq!(first_row(&batches[0])[1599], None);
        assert_eq!(first_row(&batches[0])[1598], Some("1598".into()));
    });
}

#[test]
fn describe_and_probe_say_what_is_there() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        client(
            url,
            "DROP TABLE IF EXISTS rivet_named; CREATE TABLE rivet_named (a DECIMAL(12,2) UNSIGNED, b VARCHAR(20), c DATETIME(3), d MEDIUMTEXT, e ENUM('x'), f VARBINARY(7), g INT UNSIGNED)",
        );
        let request = DescribeRequest { query: "SELECT * FROM rivet_named".into(), ..DescribeRequest::default() };
        let columns = source.describe(&request, &Context::default()).unwrap().columns;
        let shown: Vec<_> = columns.iter().map(|c| c.native_type.as_str()).collect();
        assert_eq!(
            shown,
            [
                "decimal(12,2) unsigned",
                "varchar(20)",
                "datetime(3)",
                "mediumtext",
                "enum",
                "varbinary(7)",
                "int unsigned"
            ]
        );
        let probe = source.probe(&Context::default()).unwrap();
        assert!(["MariaDB", "MySQL"].contains(&probe.server.as_str()));
        assert!(probe.version.starts_with(|c: char| c.is_ascii_digit()));
        assert!(probe.user.is_some() && probe.database.is_some());
        client(url, "DROP TABLE rivet_named");
    });
}

#[test]
fn failures_to_connect_say_why() {
    on_each_server(|server| {
        let url = &server.url;
        let connect = |url: &str| Mysql::open(options(url), &Context::default()).map(drop).unwrap_err();
        let refused = connect("mysql://u:canary@127.0.0.1:1/d");
        assert_eq!(refused.category(), Category::Network);
        assert!(refused.to_string().contains("\"127.0.0.1:1\""), "{refused}");
        assert_eq!(connect("mysql://u@no-such-host.invalid/d").category(), Category::Network);
        // Oracle's server makes itself a certificate.
        let is_encrypting = server.is_mysql((8, 0));
        let server = url.rsplit_once('/').unwrap().0;
        let missing = connect(&format!("{server}/no_such_database"));
        assert_eq!((missing.category(), missing.code_text()), (Category::NotFound, Some("1049")), "{missing}");
        let address = server.rsplit_once('@').unwrap().1;
        let wrong = connect(&format!("mysql://rivet:S3CR3T-CANARY-wrong@{address}/rivet"));
        assert_eq!((wrong.category(), wrong.code_text()), (Category::Auth, Some("1045")), "{wrong}");
        assert!(!wrong.to_string().contains("CANARY"), "{wrong}");
        let encrypted = format!("{url}?ssl-mode=require");
        if is_encrypting {
            assert_eq!(open(&encrypted).probe(&Context::default()).unwrap().encrypted, Some(true));
        } else {
            let plain = connect(&encrypted);
            assert!(plain.category() == Category::Auth && plain.to_string().contains("TLS"), "{plain}");
        }
        let filter = Filter::Part { token: "of another source".into() };
        let error = read(&mut open(url), &ReadRequest { filter, ..request("SELECT 1 AS a") }).unwrap_err();
        assert_eq!(error.category(), Category::Unsupported);
    });
}

/// Somebody who accepts and says nothing.
#[test]
fn a_silent_server_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://u@{}/d?connect_timeout=1", listener.local_addr().unwrap());
    let started = Instant::now();
    let error = Mysql::open(options(&url), &Context::default()).map(drop).unwrap_err();
    assert_eq!(error.category(), Category::Network, "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn fields_say_what_the_table_declares_of_null() {
    on_each_server(|server| {
        let url = &server.url;
        client(
            url,
            "DROP TABLE IF EXISTS rivet_nulls; \
             CREATE TABLE rivet_nulls (id int PRIMARY KEY, must varchar(9) NOT NULL, may decimal(6,2)); \
             INSERT INTO rivet_nulls VALUES (1, 'x', NULL), (2, 'y', 3)",
        );
        let (no, yes) = (Some(false), Some(true));
        for (query, expected) in [
            ("SELECT *, id + 1, concat(must, ''), 1 FROM rivet_nulls", vec![no, no, yes, None, None, None]),
            ("SELECT may, must AS other, id FROM (SELECT * FROM rivet_nulls) AS s", vec![yes, no, no]),
            // The server says that the join adds NULLs.
            ("SELECT a.id, b.must FROM rivet_nulls AS a LEFT JOIN rivet_nulls AS b ON b.id = a.id + 1", vec![no, yes]),
        ] {
            let range = Filter::Range { column: "id".into(), from: None, to: None, include_null: true };
            for filter in [Filter::All, range] {
                let request = ReadRequest { filter, ..request(query) };
                let schema = read(&mut open(url), &request).unwrap()[0].schema();
                let said: Vec<_> = schema.fields().iter().map(|f| declared_nullable(f)).collect();
                assert_eq!(said, expected, "{query}");
                assert!(schema.fields().iter().all(|f| f.is_nullable()), "{query}");
            }
            let request = DescribeRequest { query: query.into(), ..DescribeRequest::default() };
            let described = open(url).describe(&request, &Context::default()).unwrap().columns;
            let described: Vec<_> = described.iter().map(|c| c.nullable).collect();
            assert_eq!(described, expected.iter().map(|e| e.unwrap_or(true)).collect::<Vec<_>>(), "{query}");
        }
        client(url, "DROP TABLE rivet_nulls");
    });
}
