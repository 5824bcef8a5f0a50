//! Every type from the server to Arrow, overrides of the mapping, and values that would be lost, against the server in
//! `RIVET_TEST_MYSQL_URL`, whose user may create tables.

use arrow_array::cast::AsArray;
use rivet_plugin_api::{Category, Mapping, ReadRequest};

use cells::first_row;
use common::{client, on_each_server, open, read, request};

#[path = "common/cells.rs"]
mod cells;
#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

fn own(list: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

const UTC: &str = "Timestamp(µs, \"UTC\")";

/// A type, a value in SQL, its Arrow type and its text there.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("tinyint", "-128", "Int16", "-128"),
    ("tinyint(1)", "2", "Int16", "2"),
    ("tinyint unsigned", "255", "Int16", "255"),
    ("smallint", "-32768", "Int16", "-32768"),
    ("smallint unsigned", "65535", "Int32", "65535"),
    ("mediumint", "-8388608", "Int32", "-8388608"),
    ("mediumint unsigned", "16777215", "Int64", "16777215"),
    ("int", "-2147483648", "Int32", "-2147483648"),
    ("int(10) unsigned zerofill", "4294967295", "Int64", "4294967295"),
    ("bigint", "-9223372036854775808", "Int64", "-9223372036854775808"),
    ("bigint unsigned", "18446744073709551615", "UInt64", "18446744073709551615"),
    ("year", "1901", "Int16", "1901"),
    ("year", "0", "Int16", "0"),
    ("year", "2155", "Int16", "2155"),
    ("smallint(5) zerofill", "7", "Int32", "7"),
    ("float(7,4)", "123.4567", "Float32", "123.4567"),
    ("float", "16777217", "Float32", "16777216.0"),
    ("double", "0.30000000000000004", "Float64", "0.30000000000000004"),
    ("float", "1234567.5", "Float32", "1234567.5"),
    ("float", "0.1", "Float32", "0.1"),
    ("double", "-1.7976931348623157e308", "Float64", "-1.7976931348623157e308"),
    ("bit(1)", "b'1'", "Boolean", "true"),
    ("bit(12)", "b'101000000001'", "UInt64", "2561"),
    ("bit(64)", "x'ffffffffffffffff'", "UInt64", "18446744073709551615"),
    (
        "decimal(65,30)",
        "-12345678901234567890123456789012345.123456789012345678901234567890",
        "Utf8",
        "-12345678901234567890123456789012345.123456789012345678901234567890",
    ),
    ("decimal(12,2)", "1.5", "Utf8", "1.50"),
    ("date", "'0001-01-01'", "Date32", "0001-01-01"),
    ("date", "'9999-12-31'", "Date32", "9999-12-31"),
    ("date", "'2024-02-29'", "Date32", "2024-02-29"),
    ("datetime", "'1000-01-01 00:00:00'", "Timestamp(µs)", "1000-01-01T00:00:00"),
    ("datetime(6)", "'9999-12-31 23:59:59.999999'", "Timestamp(µs)", "9999-12-31T23:59:59.999999"),
    ("datetime(3)", "'2024-01-02 03:04:05.678'", "Timestamp(µs)", "2024-01-02T03:04:05.678"),
    ("timestamp(6) null", "'2024-07-02 03:04:05.000006'", UTC, "2024-07-02T03:04:05.000006"),
    ("timestamp null", "'1970-01-01 00:00:01'", UTC, "1970-01-01T00:00:01"),
    ("timestamp null", "'2038-01-19 03:14:07'", UTC, "2038-01-19T03:14:07"),
    ("time(6)", "'-838:59:59.000000'", "Utf8", "-838:59:59.000000"),
    ("time(3)", "'01:02:03.5'", "Utf8", "01:02:03.500"),
    ("time", "'00:00:00'", "Utf8", "00:00:00"),
    ("char(5)", "'ab'", "Utf8", "ab"),
    ("varchar(20)", "'héllo 🎉'", "Utf8", "héllo 🎉"),
    ("varchar(20) character set latin1", "'é'", "Utf8", "é"),
    ("varchar(20) character set gbk", "'中'", "Utf8", "中"),
    ("varchar(9)", "''", "Utf8", ""),
    ("text", "concat('a', char(0), 'b')", "Utf8", "a\0b"),
    ("longtext", "'x'", "Utf8", "x"),
    ("enum('a','b c')", "'b c'", "Utf8", "b c"),
    ("enum('a','b c','')", "''", "Utf8", ""),
    ("set('x','y')", "'x,y'", "Utf8", "x,y"),
    ("set('x','y')", "''", "Utf8", ""),
    ("varchar(20) character set utf8", "'héllo'", "Utf8", "héllo"),
    ("varchar(9) character set binary", "'a'", "Binary", "61"),
    ("text character set latin1", "'ÿ'", "Utf8", "ÿ"),
    ("json", "'{\"a\": 18446744073709551615}'", "Utf8", "{\"a\": 18446744073709551615}"),
    ("binary(4)", "x'00ff'", "Binary", "00ff0000"),
    ("varbinary(9)", "x'00ffab'", "Binary", "00ffab"),
    ("blob", "x'00'", "Binary", "00"),
    ("longblob", "''", "Binary", ""),
    ("point", "st_geomfromtext('POINT(1 2)', 3857)", "Binary", "110f00000101000000000000000000f03f0000000000000040"),
];

#[test]
fn every_type_arrives_exactly() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        for &(sql_type, value, arrow_type, expected) in CASES {
            if sql_type == "json" && server.is_old() {
                server.skip("it has no json");
                continue;
            }
            client(
                url,
                &format!(
                    "SET time_zone = '+00:00'; DROP TABLE IF EXISTS rivet_type; CREATE TABLE rivet_type (v {sql_type}) CHARSET utf8mb4; INSERT INTO rivet_type VALUES ({value})"
                ),
            );
            for query in ["SELECT v FROM rivet_type", "SELECT v FROM rivet_type UNION ALL SELECT v FROM rivet_type"] {
                let batches = read(&mut source, &request(query)).unwrap_or_else(|e| panic!("{sql_type}: {e}"));
                assert_eq!(batches[0].schema().field(0).data_type().to_string(), arrow_type, "{sql_type}");
                assert_eq!(first_row(&batches[0])[0].as_deref(), Some(expected), "{sql_type}");
            }
            client(url, "ALTER TABLE rivet_type ADD w INT");
            let batches = read(
                &mut source,
                &request("SELECT t.v FROM (SELECT 1 AS i) AS one LEFT JOIN rivet_type AS t ON t.w = 1"),
            )
            .unwrap();
            assert_eq!(
                (batches[0].schema().field(0).data_type().to_string().as_str(), first_row(&batches[0])),
                (arrow_type, vec![None])
            );
        }
        client(url, "DROP TABLE rivet_type");
    });
}

#[test]
fn mariadb_types_arrive_as_text() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        if !server.is_mariadb {
            server.skip("types of MariaDB");
            return;
        }
        client(
            url,
            "DROP TABLE IF EXISTS rivet_maria; CREATE TABLE rivet_maria (u UUID, i6 INET6, i4 INET4); \
                  INSERT INTO rivet_maria VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1', '10.1.2.3')",
        );
        let batches = read(&mut source, &request("SELECT * FROM rivet_maria")).unwrap();
        let expected = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "::1", "10.1.2.3"].map(|v| Some(v.to_owned()));
        assert_eq!(first_row(&batches[0]), expected);
        assert!(batches[0].schema().fields().iter().all(|f| f.data_type().to_string() == "Utf8"));
        client(url, "DROP TABLE rivet_maria");
    });
}

#[test]
fn vectors_arrive_as_bytes() {
    on_each_server(|server| {
        if !server.is_mysql((9, 0)) {
            server.skip("vectors");
            return;
        }
        server.client(
            "DROP TABLE IF EXISTS rivet_vector; CREATE TABLE rivet_vector (v VECTOR(2)); \
             INSERT INTO rivet_vector VALUES (STRING_TO_VECTOR('[1,2]'))",
        );
        let batches = read(&mut server.open(), &request("SELECT v FROM rivet_vector")).unwrap();
        assert_eq!(batches[0].schema().field(0).data_type().to_string(), "Binary");
        assert_eq!(first_row(&batches[0]), [Some("0000803f00000040".into())]);
        server.client("DROP TABLE rivet_vector");
    });
}

#[test]
fn overrides_replace_the_mapping() {
    on_each_server(|server| {
        let url = &server.url;
        client(
            url,
            "DROP TABLE IF EXISTS rivet_over; CREATE TABLE rivet_over (n DECIMAL(6,2), p DECIMAL(50,2), t TIME(1), b BIT(1), f BOOL, d DATE, dt DATETIME(3), r DOUBLE, bin BLOB, u BIGINT UNSIGNED); \
                  INSERT INTO rivet_over VALUES (12.5, -1.25, '-01:02:03.5', 1, 1, '2024-01-02', '2024-01-02 03:04:05.678', 0.1, 'abc', 18446744073709551615)",
        );
        let mapping = Mapping {
            types: own(&[
                ("decimal", "decimal"),
                ("TIME(1)", "duration"),
                ("bit", "uint64"),
                ("tinyint", "bool"),
                ("date", "text"),
                ("double", "text"),
                ("blob", "text"),
                ("bigint unsigned", "text"),
            ]),
            columns: own(&[("p", "decimal(45,2)"), ("dt", "text")]),
        };
        let batches = read(&mut open(url), &ReadRequest { mapping, ..request("SELECT * FROM rivet_over") }).unwrap();
        let types: Vec<String> = batches[0].schema().fields().iter().map(|f| f.data_type().to_string()).collect();
        assert_eq!(
            types,
            [
                "Decimal128(6, 2)",
                "Decimal256(45, 2)",
                "Duration(µs)",
                "UInt64",
                "Boolean",
                "Utf8",
                "Utf8",
                "Utf8",
                "Utf8",
                "Utf8"
            ]
        );
        let cells: Vec<_> = first_row(&batches[0]).into_iter().flatten().collect();
        assert_eq!(cells[..2], ["12.50", "-1.25"]);
        assert_eq!(
            cells[3..],
            ["1", "true", "2024-01-02", "2024-01-02 03:04:05.678", "0.1", "abc", "18446744073709551615"]
        );
        let duration = batches[0].column(2).as_primitive::<arrow_array::types::DurationMicrosecondType>().value(0);
        assert_eq!(duration, -3_723_500_000);
        assert_eq!(batches[0].schema().field(0).metadata()["rivet.native_type"], "decimal(6,2)");
        client(url, "DROP TABLE rivet_over");
    });
}

#[test]
fn values_that_would_be_lost_are_errors_that_name_the_column() {
    on_each_server(|server| {
        let url = &server.url;
        client(
            url,
            "SET sql_mode = 'ALLOW_INVALID_DATES'; DROP TABLE IF EXISTS rivet_lost; CREATE TABLE rivet_lost (z DATE, m DATETIME, i DATE, ts TIMESTAMP NULL, b VARBINARY(9), n DECIMAL(9,3)); \
                  INSERT INTO rivet_lost VALUES ('0000-00-00', '2024-00-15', '2024-02-31', '0000-00-00', x'ff', 1.125)",
        );
        let mut source = open(url);
        for (column, class) in
            [("z", "zero date"), ("m", "zero month or day"), ("i", "does not exist"), ("ts", "zero date")]
        {
            let query = format!("SELECT 1 AS a, {column} FROM rivet_lost");
            let error = read(&mut source, &request(&query)).unwrap_err();
            assert_eq!(error.category(), Category::Data, "{error}");
            assert!(error.message().contains(&format!("\"{column}\"")) && error.message().contains(class), "{error}");
            let mapping = Mapping { columns: own(&[(column, "null")]), ..Mapping::default() };
            let batches = read(&mut source, &ReadRequest { mapping, ..request(&query) }).unwrap();
            assert_eq!(first_row(&batches[0]), [Some("1".into()), None]);
        }
        for (column, wish) in [("b", "text"), ("n", "decimal(9,2)"), ("n", "decimal(3,3)")] {
            let mapping = Mapping { columns: own(&[(column, wish)]), ..Mapping::default() };
            let query = format!("SELECT {column} FROM rivet_lost");
            let error = read(&mut source, &ReadRequest { mapping, ..request(&query) }).unwrap_err();
            assert_eq!(error.category(), Category::Data, "{error}");
        }
        // What the server itself cuts short, with no more than a warning.
        let error = read(&mut source, &request("SELECT REPEAT('x', 2000000000) AS t")).unwrap_err();
        assert_eq!((error.category(), error.code_text()), (Category::Data, Some("1301")), "{error}");
        client(url, "DROP TABLE rivet_lost");
    });
}
